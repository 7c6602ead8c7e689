//! Which names an archive may use.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Why an entry makes the whole archive unacceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsafe {
    Empty,
    Absolute,
    LeavesTree,
    LinkLeavesTree { target: PathBuf },
    Device,
    SetId,
    ThroughLink,
    Twice,
    LinkToNothing { target: PathBuf },
    OtherKind { kind: String },
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsafe::Empty => f.write_str("it has no name"),
            Unsafe::Absolute => f.write_str("its path is absolute"),
            Unsafe::LeavesTree => f.write_str("its path holds \"..\""),
            Unsafe::LinkLeavesTree { target } => {
                write!(f, "it is a link that may leave the tree: {}", target.display())
            }
            Unsafe::Device => f.write_str("it is a device or a pipe"),
            Unsafe::SetId => f.write_str("it is set-user-ID or set-group-ID"),
            Unsafe::ThroughLink => f.write_str("it lies behind something that is no folder"),
            Unsafe::Twice => f.write_str("it is there twice"),
            Unsafe::LinkToNothing { target } => {
                write!(f, "it is a hard link to {}, which is no file before it", target.display())
            }
            Unsafe::OtherKind { kind } => write!(f, "it is of a kind that sources do not have ({kind})"),
        }
    }
}

/// The path without `.` parts, if it is relative and has no `..`.
pub fn relative(bytes: &[u8]) -> Result<PathBuf, Unsafe> {
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

/// Whether a symbolic link at `path` (below the top folder) with that target stays in the tree.
///
/// `..` may only stand at its front: `a/..` is the parent of whatever `a` links to, which need
/// not be the folder that it seems to be.
pub fn link_stays(path: &Path, target: &[u8]) -> Result<PathBuf, Unsafe> {
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
    fn links_may_climb_to_the_top_folder_and_no_higher() {
        let stays = |path: &str, target: &str| link_stays(Path::new(path), target.as_bytes()).is_ok();
        assert!(stays("scripts/dtc/include-prefixes/arm", "../../../arch/arm/boot/dts"));
        assert!(stays("a", "b"));
        assert!(!stays("a", "../b"));
        assert!(!stays("scripts/x", "../../b"));
        assert!(!stays("a/b", "/etc/passwd"));
        assert!(!stays("a", ""));
    }

    #[test]
    fn links_may_not_climb_after_they_went_down() {
        // With `here -> .` in the tree, `here/../x` is outside although it reads as inside.
        assert!(link_stays(Path::new("evil"), b"here/../x").is_err());
    }
}
