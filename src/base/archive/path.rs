//! The names and links that an archive may contain.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Why an entry is unsafe; the whole archive is then refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsafe {
    /// The path is empty or contains a NUL byte.
    Empty,
    /// The path starts with `/`.
    Absolute,
    /// The path contains `..`.
    LeavesTree,
    /// A link points outside of the tree.
    LinkLeavesTree {
        /// As the entry names it.
        target: PathBuf,
    },
    /// A device or a pipe.
    Device,
    /// A set-user-ID or set-group-ID file.
    SetId,
    /// A parent of the path is not a directory.
    ThroughLink,
    /// An earlier entry has the same path.
    Twice,
    /// A hard link to something that is not an earlier file.
    LinkToNothing {
        /// As the entry names it.
        target: PathBuf,
    },
    /// An entry type that sources do not have.
    OtherKind {
        /// The type, as the tar crate names it.
        kind: String,
    },
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsafe::Empty => f.write_str("its path is empty or contains a NUL byte"),
            Unsafe::Absolute => f.write_str("its path is absolute"),
            Unsafe::LeavesTree => f.write_str("its path contains \"..\""),
            Unsafe::LinkLeavesTree { target } => {
                write!(f, "it is a link that leaves the tree: {}", target.display())
            }
            Unsafe::Device => f.write_str("it is a device or a pipe"),
            Unsafe::SetId => f.write_str("it is set-user-ID or set-group-ID"),
            Unsafe::ThroughLink => f.write_str("a parent of its path is not a directory"),
            Unsafe::Twice => f.write_str("an earlier entry has the same path"),
            Unsafe::LinkToNothing { target } => {
                write!(f, "it is a hard link to {}, which is not an earlier file", target.display())
            }
            Unsafe::OtherKind { kind } => write!(f, "its type ({kind}) does not occur in sources"),
        }
    }
}

/// The path without `.` components; it must be relative and have no `..`.
pub(crate) fn relative(bytes: &[u8]) -> Result<PathBuf, Unsafe> {
    let path = Path::new(OsStr::from_bytes(bytes));
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(Unsafe::LeavesTree),
            Component::RootDir | Component::Prefix(_) => return Err(Unsafe::Absolute),
        }
    }
    if bytes.contains(&0) || clean.as_os_str().is_empty() { Err(Unsafe::Empty) } else { Ok(clean) }
}

/// The target of a symbolic link at `path`, relative to the top directory; it must stay in the tree.
///
/// `..` may only come first: `a/..` is the parent of the directory that `a` links to, wherever that is.
pub(crate) fn link_target(path: &Path, target: &[u8]) -> Result<PathBuf, Unsafe> {
    let target = PathBuf::from(OsStr::from_bytes(target));
    let leaves = || Unsafe::LinkLeavesTree { target: target.clone() };
    let mut depth = path.components().count().checked_sub(1).ok_or(Unsafe::Empty)?;
    let mut inside = false;
    for part in target.components() {
        match part {
            Component::ParentDir if inside => return Err(leaves()),
            Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(leaves)?,
            Component::Normal(_) => inside = true,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err(leaves()),
        }
    }
    if target.as_os_str().is_empty() || target.as_os_str().as_bytes().contains(&0) {
        return Err(leaves());
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        assert_eq!(relative(b"./linux/./Makefile"), Ok(PathBuf::from("linux/Makefile")));
        assert_eq!(relative(b"linux/../../etc/passwd"), Err(Unsafe::LeavesTree));
        assert_eq!(relative(b"/etc/passwd"), Err(Unsafe::Absolute));
        assert_eq!(relative(b"."), Err(Unsafe::Empty));
        assert_eq!(relative(b"a\0b"), Err(Unsafe::Empty));
    }

    #[test]
    fn links_may_climb_to_the_top_directory_and_no_higher() {
        let stays = |path: &str, target: &str| link_target(Path::new(path), target.as_bytes()).is_ok();
        assert!(stays("scripts/dtc/include-prefixes/arm", "../../../arch/arm/boot/dts"));
        assert!(stays("a", "b"));
        assert!(!stays("a", "../b"));
        assert!(!stays("scripts/x", "../../b"));
        assert!(!stays("a/b", "/etc/passwd"));
        assert!(!stays("a", ""));
    }

    #[test]
    fn links_may_not_climb_after_descending() {
        // With `here -> .` in the tree, `here/../x` is outside although it looks inside.
        assert!(link_target(Path::new("evil"), b"here/../x").is_err());
    }
}
