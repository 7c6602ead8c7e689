//! What Debian Policy wants below /usr/share/doc: copyright (12.5) and changelog (12.7).

use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::MAINTAINER;
use crate::stages::package::About;
use crate::stages::package::about::wrap;
use crate::stages::package::compress::gzip_of_one_file;
use crate::stages::package::payload::{Nature, PayloadFile, Role};

pub(super) fn of(about: &About, copyright: &str, timestamp: u32) -> [PayloadFile; 2] {
    [
        document(about, "changelog.Debian.gz", gzip_of_one_file(changelog(about, timestamp).as_bytes())),
        document(about, "copyright", copyright.as_bytes().to_vec()),
    ]
}

/// A file of the package's own folder of documents.
pub(super) fn document(about: &About, name: &str, content: Vec<u8>) -> PayloadFile {
    PayloadFile::in_memory(Role::At(format!("usr/share/doc/{}/{name}", about.name)), content)
        .of_nature(Nature::Documentation)
}

/// Characters of a line, two for the star's column and two more for what stands below it.
const WIDTH: usize = 80 - 4;

fn changelog(about: &About, timestamp: u32) -> String {
    let item = |text: &String| format!("  * {}\n", wrap(text, WIDTH).replace('\n', "\n    "));
    let items: String = about.changes.iter().map(item).collect();
    let date = rfc2822::to_string(&time(timestamp)).expect("32 bits are in range");
    let (name, version) = (&about.name, about.version());
    format!("{name} ({version}) unstable; urgency=medium\n\n{items}\n -- {MAINTAINER}  {date}\n")
}

/// `timestamp` in seconds since the epoch.
pub(super) fn time(timestamp: u32) -> ZonedDateTime {
    let time = Timestamp::from_second(i64::from(timestamp)).expect("32 bits are in range");
    time.to_zoned_datetime(TimeZone::UTC)
}
