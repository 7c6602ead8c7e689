//! Contents of an `.rpm`.

use ::rpm::PackageBuilder;

use crate::stages::package::error::Error;
use crate::stages::package::info::PackageInfo;
use crate::stages::package::payload::{FileFlags, Member, PayloadFile};

/// The text of the kernel's licence, which is also the licence of this tool.
const LICENCE: &str = include_str!("../../../../LICENSE");

/// A package in rpm's terms.
pub(in crate::stages::package) struct RpmPackage<'a> {
    pub(super) info: &'a PackageInfo,
    pub(super) members: Vec<Member<'a>>,
    pub(super) ghosts: Vec<Ghost>,
    /// The result of [`builder`](super::builder::builder), with group, relations, ghosts and scripts.
    pub(super) builder: PackageBuilder,
}

/// A file that the package owns without containing it.
pub(super) struct Ghost {
    /// Absolute path, as in the header.
    pub(super) path: String,
    pub(super) mode: u16,
    /// Size with which rpm checks whether a transaction fits on the disk.
    pub(super) bytes: u64,
}

pub(super) fn header_error(info: &PackageInfo, source: ::rpm::Error) -> Error {
    Error::RpmHeader { package: info.name.clone(), source: Box::new(source) }
}

/// Returns the licence as a file; the package owns its directory too.
pub(super) fn licence(info: &PackageInfo) -> PayloadFile {
    let path = format!("usr/share/licenses/{}/COPYING", info.name);
    PayloadFile::at(path, LICENCE.as_bytes().to_vec()).with_flags(FileFlags::Licence)
}

/// Whether `path` is one of `dirs` or below one of them.
pub(super) fn is_below(path: &str, dirs: &[String]) -> bool {
    dirs.iter().any(|dir| {
        path.strip_prefix(dir.as_str()).is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/', ..]))
    })
}
