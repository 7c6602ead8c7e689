//! What Debian Policy wants below /usr/share/doc: copyright (12.5) and changelog (12.7).

use std::io::Write;

use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::MAINTAINER;
use crate::package::Job;
use crate::package::payload::{PayloadFile, Role};

const COPYRIGHT: &str = include_str!("../../../packaging/deb/copyright");

pub(super) fn of(job: &Job) -> [PayloadFile; 2] {
    let folder = format!("usr/share/doc/{}", job.names.deb(job.part));
    let copyright = COPYRIGHT
        .replace("@UPSTREAM@", &job.order.upstream.to_string())
        .replace("@SERIES@", &job.order.series);
    let document = |name: &str, content| {
        PayloadFile::in_memory(Role::Documentation(format!("{folder}/{name}")), content)
    };
    [
        document("changelog.Debian.gz", gzip(changelog(job).as_bytes())),
        document("copyright", copyright.into_bytes()),
    ]
}

fn changelog(job: &Job) -> String {
    let mut text = format!(
        "{} ({}) unstable; urgency=medium\n\n  * Linux {}, series {}: {}\n",
        job.names.deb(job.part),
        job.names.version(),
        job.order.upstream,
        job.order.series,
        job.order.title
    );
    for patch in &job.order.patches {
        text.push_str(&format!("  * {}\n", patch));
    }
    let time = Timestamp::from_second(i64::from(job.payload.timestamp)).expect("32 bits are in range");
    let date =
        rfc2822::to_string(&time.to_zoned_datetime(jiff::tz::TimeZone::UTC)).expect("32 bits are in range");
    text.push_str(&format!("\n -- {MAINTAINER}  {date}\n"));
    text
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}
