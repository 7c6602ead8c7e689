//! The payload: one list of files for all package formats.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use fs_err::{self as fs, File};
use md5::Md5;
use sha2::Digest;

use super::error::Error;
use crate::base::digest::{hex, sha256};
use crate::base::files;
use crate::stages::build::BTF_BASE;

/// The purpose of a file; each format maps it to a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Image,
    SystemMap,
    Config,
    /// A file of `lib/modules/<release>`, by its path below that directory.
    Modules(String),
    /// Like [`Role::Modules`], but written by depmod, which runs again on the installed system.
    Depmod(String),
    /// A file needed to build modules, by its path below the headers' directory; that directory for `""`.
    Headers(String),
    /// `vmlinux` with all of its debug information.
    Vmlinux,
    /// The link to `vmlinux` that kdump-tools reads.
    VmlinuxForKdump,
    /// The link to `vmlinux` that systemtap reads.
    VmlinuxForSystemtap,
    /// Debug information of a module, by the module's path below `lib/modules/<release>`.
    ModuleDebug(String),
    /// The link by which debuggers find debug information, by build id in hexadecimal.
    BuildId(String),
    /// A header of user-space programs, by its path below the headers' directory.
    Uapi(String),
    /// A file with the same path in both formats, relative to the root directory.
    At(String),
}

/// Property of a file that package managers treat specially.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFlags {
    Plain,
    /// Rewritten on the installed system, as depmod's files are.
    Regenerated,
    /// A configuration file: an upgrade keeps the administrator's changes.
    Config,
    Documentation,
    Licence,
}

/// Source of a file's bytes.
#[derive(Clone, Debug)]
pub(super) enum FileContent {
    Disk(PathBuf),
    Memory(Vec<u8>),
    /// A symbolic link with this target.
    Link(String),
    /// A symbolic link to the path of the file with this role, whether the package has that file or not.
    LinkTo(Role),
}

impl FileContent {
    /// Opens the content; a link has none.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            FileContent::Disk(path) => Box::new(File::open(path)?),
            FileContent::Memory(bytes) => Box::new(bytes.as_slice()),
            FileContent::Link(_) | FileContent::LinkTo(_) => Box::new(io::empty()),
        })
    }

    /// The path to show in messages.
    pub(super) fn shown(&self) -> PathBuf {
        match self {
            FileContent::Disk(path) => path.clone(),
            _ => PathBuf::from("(generated)"),
        }
    }
}

/// A regular file or a symbolic link, owned by root and dated as the payload.
#[derive(Clone, Debug)]
pub(super) struct PayloadFile {
    pub(super) role: Role,
    pub(super) flags: FileFlags,
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) content: FileContent,
    pub(super) bytes: u64,
    /// MD5 in hexadecimal, for dpkg's md5sums.
    pub(super) md5: String,
    /// SHA-256 in hexadecimal, for the rpm header.
    pub(super) sha256: String,
}

/// The files of a package.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    /// Seconds since the epoch, in rpm's 32 bits.
    pub(super) timestamp: u32,
    /// Sorted by role.
    pub(super) files: Vec<PayloadFile>,
}

impl PayloadFile {
    pub(super) fn on_disk(role: Role, mode: u32, path: PathBuf) -> Result<PayloadFile, Error> {
        let meta = fs::symlink_metadata(&path)?;
        if !meta.is_file() {
            return Err(Error::NotPackageable { path });
        }
        let bytes = meta.len();
        let (flags, md5, sha256) = (FileFlags::Plain, String::new(), String::new());
        Ok(PayloadFile { role, flags, mode, content: FileContent::Disk(path), bytes, md5, sha256 })
    }

    pub(super) fn in_memory(role: Role, content: Vec<u8>) -> PayloadFile {
        PayloadFile {
            role,
            flags: FileFlags::Plain,
            mode: 0o644,
            bytes: content.len() as u64,
            md5: hex(&Md5::digest(&content)),
            sha256: sha256(&content),
            content: FileContent::Memory(content),
        }
    }

    /// A generated file at `path`, relative to the root directory.
    pub(super) fn at(path: String, content: Vec<u8>) -> PayloadFile {
        PayloadFile::in_memory(Role::At(path), content)
    }

    pub(super) fn link(role: Role, content: FileContent) -> PayloadFile {
        let (flags, md5, sha256) = (FileFlags::Plain, String::new(), String::new());
        PayloadFile { role, flags, mode: 0o777, content, bytes: 0, md5, sha256 }
    }

    pub(super) fn with_flags(self, flags: FileFlags) -> PayloadFile {
        PayloadFile { flags, ..self }
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

    /// The kernel's configuration; empty for packages without it.
    pub(super) fn config(&self) -> io::Result<String> {
        let mut text = Vec::new();
        let limit = files::LONGEST_DOCUMENT;
        if let Some(config) = self.files.iter().find(|file| file.role == Role::Config) {
            config.content.open()?.take(limit).read_to_end(&mut text)?;
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Total size of the files on disk.
    pub(super) fn bytes_on_disk(&self) -> u64 {
        let on_disk = |file: &&PayloadFile| matches!(file.content, FileContent::Disk(_));
        self.files.iter().filter(on_disk).map(|file| file.bytes).sum()
    }
}

/// One entry of an archive.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    /// Relative to the root directory.
    pub(super) path: String,
    pub(super) kind: MemberKind<'a>,
}

/// Type of an archive entry.
#[derive(Clone, Debug)]
pub(super) enum MemberKind<'a> {
    /// Mode 0755.
    Directory,
    File(&'a PayloadFile),
    /// A symbolic link with its target; mode 0777.
    Link(String),
}

/// Returns the files at their paths and their parent directories that the package owns, sorted by path.
pub(super) fn members<'a>(
    files: impl IntoIterator<Item = &'a PayloadFile>,
    path_of: impl Fn(&Role) -> String,
    is_owned: impl Fn(&str) -> bool,
) -> Vec<Member<'a>> {
    let mut members = BTreeMap::new();
    for file in files {
        let path = path_of(&file.role);
        for (end, _) in path.match_indices('/').filter(|(end, _)| is_owned(&path[..*end])) {
            members.entry(path[..end].to_owned()).or_insert(MemberKind::Directory);
        }
        let kind = match &file.content {
            FileContent::Link(target) => MemberKind::Link(target.clone()),
            FileContent::LinkTo(role) => MemberKind::Link(link_target(&path, &path_of(role))),
            FileContent::Disk(_) | FileContent::Memory(_) => MemberKind::File(file),
        };
        members.insert(path, kind);
    }
    members.into_iter().map(|(path, kind)| Member { path, kind }).collect()
}

/// [`members`] for files that all have [`Role::At`].
pub(super) fn members_at(files: &[PayloadFile], is_owned: impl Fn(&str) -> bool) -> Vec<Member<'_>> {
    let path_of = |role: &Role| match role {
        Role::At(path) => path.clone(),
        other => unreachable!("the path of {other:?} depends on the format"),
    };
    members(files, path_of, is_owned)
}

/// The target of a link at `from` that leads to `to`, both relative to the root directory: a relative path,
/// or an absolute one if the two share no directory (Debian Policy 10.5).
fn link_target(from: &str, to: &str) -> String {
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
    fn a_link_is_relative_unless_it_shares_no_directory_with_its_target() {
        assert_eq!(
            link_target("usr/lib/debug/vmlinux-r", "usr/lib/debug/lib/modules/r/vmlinux"),
            "lib/modules/r/vmlinux"
        );
        assert_eq!(link_target("usr/lib/debug/.build-id/ab/c", "usr/lib/debug/lib/x"), "../../lib/x");
        assert_eq!(link_target("lib/modules/r/build", "usr/src/h"), "/usr/src/h");
    }

    #[test]
    fn only_owned_directories_are_listed_and_each_precedes_its_files() {
        let at = |path: &str| PayloadFile::at(path.to_owned(), vec![1]);
        let files = ["lib/m/r/kernel/x.ko", "lib/m/r-a", "lib/m/r/vmlinuz"].map(at);
        let members = members_at(&files, |path| path.starts_with("lib/m/r"));
        let paths: Vec<_> = members.into_iter().map(|member| member.path).collect();
        assert_eq!(
            paths,
            ["lib/m/r", "lib/m/r-a", "lib/m/r/kernel", "lib/m/r/kernel/x.ko", "lib/m/r/vmlinuz"]
        );
    }
}
