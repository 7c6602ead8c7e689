//! What Debian Policy wants below /usr/share/doc: copyright (12.5) and changelog (12.7).

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::MAINTAINER;
use crate::package::About;
use crate::package::compress::gzip_of_one_file;
use crate::package::payload::{Nature, PayloadFile, Role};

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

fn changelog(about: &About, timestamp: u32) -> String {
    let mut text = format!("{} ({}) unstable; urgency=medium\n\n", about.name, about.version());
    for change in &about.changes {
        text.push_str(&format!("  * {change}\n"));
    }
    let time = Timestamp::from_second(i64::from(timestamp)).expect("32 bits are in range");
    let date =
        rfc2822::to_string(&time.to_zoned_datetime(jiff::tz::TimeZone::UTC)).expect("32 bits are in range");
    text.push_str(&format!("\n -- {MAINTAINER}  {date}\n"));
    text
}
