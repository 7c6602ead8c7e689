//! Documents that Debian Policy requires below /usr/share/doc: copyright (12.5) and changelog (12.7).

use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use crate::stages::package::compress::gzip_of_one_file;
use crate::stages::package::info::{MAINTAINER, PackageInfo, wrap};
use crate::stages::package::payload::{FileFlags, PayloadFile};

/// Returns the changelog and `copyright` as files of the package.
pub(super) fn of(info: &PackageInfo, copyright: &str, timestamp: u32) -> [PayloadFile; 2] {
    [
        document(info, "changelog.Debian.gz", gzip_of_one_file(changelog(info, timestamp).as_bytes())),
        document(info, "copyright", copyright.as_bytes().to_vec()),
    ]
}

/// Returns a file of the package's directory below /usr/share/doc.
pub(super) fn document(info: &PackageInfo, name: &str, content: Vec<u8>) -> PayloadFile {
    let path = format!("usr/share/doc/{}/{name}", info.name);
    PayloadFile::at(path, content).with_flags(FileFlags::Documentation)
}

/// Characters in a line of the changelog, without the indentation of four.
const WIDTH: usize = 80 - 4;

fn changelog(info: &PackageInfo, timestamp: u32) -> String {
    let item = |text: &String| format!("  * {}\n", wrap(text, WIDTH).replace('\n', "\n    "));
    let items: String = info.changes.iter().map(item).collect();
    let date = rfc2822::to_string(&time(timestamp)).expect("32 bits are in range");
    let (name, version) = (&info.name, info.version());
    format!("{name} ({version}) unstable; urgency=medium\n\n{items}\n -- {MAINTAINER}  {date}\n")
}

/// Converts `timestamp`, in seconds since the epoch, to UTC.
pub(super) fn time(timestamp: u32) -> ZonedDateTime {
    let time = Timestamp::from_second(i64::from(timestamp)).expect("32 bits are in range");
    time.to_zoned_datetime(TimeZone::UTC)
}
