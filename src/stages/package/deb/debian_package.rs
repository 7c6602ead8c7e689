//! Contents of a `.deb`.

use crate::stages::package::info::PackageInfo;
use crate::stages::package::payload::Member;

/// A package in dpkg's terms.
pub(in crate::stages::package) struct DebianPackage<'a> {
    pub(super) info: &'a PackageInfo,
    pub(super) section: &'static str,
    /// `Depends`, `Provides` and so on, in the order of Debian Policy 5.3; empty values are left out.
    pub(super) relations: Vec<(&'static str, String)>,
    /// Maintainer scripts: `preinst`, `postinst`, `prerm`, `postrm`.
    pub(super) scripts: Vec<(&'static str, String)>,
    pub(super) members: Vec<Member<'a>>,
}

/// A file of `control.tar`.
pub(super) struct ControlFile {
    pub(super) name: &'static str,
    pub(super) mode: u32,
    pub(super) content: String,
}
