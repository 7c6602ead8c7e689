//! What is packaged: one list of files for all formats.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::Error;
use super::meter::Meter;
use crate::base::cache_key::hex;
use crate::stages::build::BTF_BASE;

/// What a file is for; where it goes is the format's business.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Image,
    SystemMap,
    Config,
    /// A file of `lib/modules/<release>`, by its path below it.
    Modules(String),
    /// The same, but written by depmod, which runs again where the package is installed.
    Depmod(String),
    /// A file that modules are built with, by its path below the folder of those; that folder for `""`.
    Headers(String),
    /// `vmlinux` with all of its debug information.
    Vmlinux,
    /// Where kdump-tools (0) and systemtap (1) look for it.
    VmlinuxLink(u8),
    /// A module's debug information, by the module's path below `lib/modules/<release>`.
    ModuleDebug(String),
    /// Where debuggers look for debug information, by build id in hexadecimal.
    BuildId(String),
    /// A header of user programs, by its path below the folder of those.
    Uapi(String),
    /// A file whose place is known, by its path from the root, without a slash in front.
    At(String),
}

/// What a package manager has to know of a file besides its place and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Plain,
    /// Written again where it is installed, as depmod's files are.
    Rewritten,
    /// The administrator's to change: an upgrade keeps those changes.
    Configuration,
    Documentation,
    Licence,
}

#[derive(Clone, Debug)]
pub enum Content {
    Disk(PathBuf),
    Memory(Vec<u8>),
    /// A symbolic link, with its text.
    Link(String),
    /// A symbolic link to where a file of that role is or would be.
    LinkTo(Role),
}

impl Content {
    /// Nothing for a link.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Content::Disk(path) => Box::new(File::open(path)?),
            Content::Memory(bytes) => Box::new(bytes.as_slice()),
            Content::Link(_) | Content::LinkTo(_) => Box::new(io::empty()),
        })
    }

    /// For messages.
    pub(super) fn shown(&self) -> PathBuf {
        match self {
            Content::Disk(path) => path.clone(),
            _ => PathBuf::from("(generated)"),
        }
    }
}

/// A regular file or a symbolic link. Its owner is root, its time the payload's.
#[derive(Clone, Debug)]
pub struct PayloadFile {
    pub role: Role,
    pub nature: Nature,
    /// Permission bits.
    pub mode: u32,
    pub content: Content,
    pub bytes: u64,
    /// Hexadecimal, for dpkg's md5sums.
    pub md5: String,
    /// Hexadecimal, for rpm's header.
    pub sha256: String,
}

#[derive(Clone, Debug)]
pub struct Payload {
    /// Seconds since the epoch, in the width that rpm has for it.
    pub timestamp: u32,
    /// Sorted by role.
    pub files: Vec<PayloadFile>,
}

impl PayloadFile {
    pub(super) fn on_disk(role: Role, mode: u32, path: PathBuf) -> Result<PayloadFile, Error> {
        let meta = path.symlink_metadata().map_err(|source| Error::Read { path: path.clone(), source })?;
        if !meta.is_file() {
            return Err(Error::NotPackageable { path });
        }
        let bytes = meta.len();
        let (nature, md5, sha256) = (Nature::Plain, String::new(), String::new());
        Ok(PayloadFile { role, nature, mode, content: Content::Disk(path), bytes, md5, sha256 })
    }

    pub(super) fn in_memory(role: Role, content: Vec<u8>) -> PayloadFile {
        PayloadFile {
            role,
            nature: Nature::Plain,
            mode: 0o644,
            bytes: content.len() as u64,
            md5: hex(&Md5::digest(&content)),
            sha256: hex(&Sha256::digest(&content)),
            content: Content::Memory(content),
        }
    }

    pub(super) fn link(role: Role, content: Content) -> PayloadFile {
        let (nature, md5, sha256) = (Nature::Plain, String::new(), String::new());
        PayloadFile { role, nature, mode: 0o777, content, bytes: 0, md5, sha256 }
    }

    pub(super) fn of_nature(self, nature: Nature) -> PayloadFile {
        PayloadFile { nature, ..self }
    }
}

impl Payload {
    pub(super) fn new(timestamp: i64, mut files: Vec<PayloadFile>) -> Result<Payload, Error> {
        let timestamp = u32::try_from(timestamp).map_err(|_| Error::Timestamp { timestamp })?;
        files.sort_by(|a, b| a.role.cmp(&b.role));
        Ok(Payload { timestamp, files })
    }

    /// Whether these are headers of a kernel whose modules get BTF (scripts/Makefile.modfinal).
    pub(super) fn has_btf(&self) -> bool {
        self.files.iter().any(|file| file.role == Role::Headers(BTF_BASE.to_owned()))
    }

    /// What there is to read from disk.
    pub(super) fn bytes_on_disk(&self) -> u64 {
        let on_disk = |file: &&PayloadFile| matches!(file.content, Content::Disk(_));
        self.files.iter().filter(on_disk).map(|file| file.bytes).sum()
    }

    /// Reads every file once for its size and checksums.
    pub(super) fn measure(&mut self, meter: &Meter) -> Result<(), Error> {
        for file in &mut self.files {
            let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
            file.bytes = meter.each_piece(file, |piece| {
                md5.update(piece);
                sha256.update(piece);
                Ok(())
            })?;
            file.md5 = hex(&md5.finalize());
            file.sha256 = hex(&sha256.finalize());
        }
        Ok(())
    }
}

/// One entry of an archive.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// From the root, without a slash in front.
    pub path: String,
    pub kind: Kind<'a>,
}

#[derive(Clone, Debug)]
pub enum Kind<'a> {
    /// Mode 0755.
    Directory,
    File(&'a PayloadFile),
    /// A symbolic link with its text; mode 0777.
    Link(String),
}

/// The files at their places and the folders above them that the package owns, sorted by path.
pub(super) fn members<'a>(
    files: impl IntoIterator<Item = &'a PayloadFile>,
    place: impl Fn(&Role) -> String,
    owned: impl Fn(&str) -> bool,
) -> Vec<Member<'a>> {
    let mut members = BTreeMap::new();
    for file in files {
        let path = place(&file.role);
        for (end, _) in path.match_indices('/').filter(|(end, _)| owned(&path[..*end])) {
            members.entry(path[..end].to_owned()).or_insert(Kind::Directory);
        }
        let kind = match &file.content {
            Content::Link(text) => Kind::Link(text.clone()),
            Content::LinkTo(role) => Kind::Link(link_text(&path, &place(role))),
            Content::Disk(_) | Content::Memory(_) => Kind::File(file),
        };
        members.insert(path, kind);
    }
    members.into_iter().map(|(path, kind)| Member { path, kind }).collect()
}

/// [`members`] where every file's place is known.
pub(super) fn members_at(files: &[PayloadFile], owned: impl Fn(&str) -> bool) -> Vec<Member<'_>> {
    let place = |role: &Role| match role {
        Role::At(path) => path.clone(),
        other => unreachable!("{other:?} has no place of its own"),
    };
    members(files, place, owned)
}

/// What a link at `from` says to lead to `to`, both from the root: the way between them, or the whole
/// path where they share no folder (Debian Policy 10.5).
fn link_text(from: &str, to: &str) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.split('/').collect(), to.split('/').collect());
    let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    if shared == 0 {
        return format!("/{}", to.join("/"));
    }
    let up = vec![".."; from.len() - 1 - shared];
    [&up, &to[shared..]].concat().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_goes_the_short_way_or_from_the_root() {
        assert_eq!(
            link_text("usr/lib/debug/vmlinux-r", "usr/lib/debug/lib/modules/r/vmlinux"),
            "lib/modules/r/vmlinux"
        );
        assert_eq!(link_text("usr/lib/debug/.build-id/ab/c", "usr/lib/debug/lib/x"), "../../lib/x");
        assert_eq!(link_text("lib/modules/r/build", "usr/src/h"), "/usr/src/h");
    }

    #[test]
    fn folders_stand_before_what_is_in_them_and_only_where_the_package_owns_them() {
        let at = |path: &str| PayloadFile::in_memory(Role::At(path.to_owned()), vec![1]);
        let files = ["lib/m/r/kernel/x.ko", "lib/m/r-a", "lib/m/r/vmlinuz"].map(at);
        let members = members_at(&files, |path| path.starts_with("lib/m/r"));
        let paths: Vec<_> = members.into_iter().map(|member| member.path).collect();
        assert_eq!(
            paths,
            ["lib/m/r", "lib/m/r-a", "lib/m/r/kernel", "lib/m/r/kernel/x.ko", "lib/m/r/vmlinuz"]
        );
    }
}
