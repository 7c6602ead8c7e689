//! What Debian Policy wants below /usr/share/doc: copyright (12.5) and changelog (12.7).

use std::io::Write;

use flate2::{Compression, GzBuilder};
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::MAINTAINER;
use crate::package::about::wrap;
use crate::package::payload::{PayloadFile, Role};
use crate::package::{Job, Order};

const COPYRIGHT: &str = include_str!("../../../packaging/deb/copyright");

pub(super) fn of(job: &Job) -> [PayloadFile; 2] {
    let folder = format!("usr/share/doc/{}", job.names.deb(job.part));
    let copyright = COPYRIGHT
        .replace("@UPSTREAM@", &job.order.upstream.to_string())
        .replace("@SERIES@", &job.order.series)
        .replace("@YEAR@", &time(job).year().to_string());
    let document = |name: &str, content| {
        PayloadFile::in_memory(Role::Documentation(format!("{folder}/{name}")), content)
    };
    [
        document("changelog.Debian.gz", gzip(changelog(job).as_bytes())),
        document("copyright", copyright.into_bytes()),
    ]
}

/// Characters of a line, two for the star's column and two more for what stands below it.
const WIDTH: usize = 80 - 4;

fn changelog(job: &Job) -> String {
    let Order { upstream, series, title, patches, .. } = job.order;
    let first = format!("Linux {upstream}, series {series}: {title}");
    let items = std::iter::once(&first).chain(patches);
    let items: String =
        items.map(|item| format!("  * {}\n", wrap(item, WIDTH).replace('\n', "\n    "))).collect();
    let date = rfc2822::to_string(&time(job)).expect("32 bits are in range");
    let (name, version) = (job.names.deb(job.part), job.names.version());
    format!("{name} ({version}) unstable; urgency=medium\n\n{items}\n -- {MAINTAINER}  {date}\n")
}

fn time(job: &Job) -> ZonedDateTime {
    let time = Timestamp::from_second(i64::from(job.payload.timestamp)).expect("32 bits are in range");
    time.to_zoned_datetime(TimeZone::UTC)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}
