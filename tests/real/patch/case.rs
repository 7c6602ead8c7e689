//! One patch on a few files, applied by kpatch-build, git and GNU patch.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kpatch_build::kernel::series::{BadName, LinkPosition, PatchFile, diff};
use kpatch_build::stages::patch::tree::{File, FileSet, LINK, Overlay, Pristine, ReadError};
use kpatch_build::stages::patch::{Error, PatchStatus};

/// Files and symbolic links by their paths.
pub type Tree = BTreeMap<PathBuf, File>;

/// A tree in memory.
pub struct Memory<'t>(pub &'t Tree);

impl Pristine for Memory<'_> {
    fn file(&self, path: &Path) -> Result<Option<File>, ReadError> {
        for above in path.ancestors().skip(1) {
            match self.0.get(above) {
                Some(file) if file.is_link() => {
                    return Err(ReadError::Refused(BadName::Symlink(LinkPosition::Directory)));
                }
                Some(_) => return Ok(None),
                None => {}
            }
        }
        let mut below = self.0.range(path.to_owned()..).skip_while(|(other, _)| *other == path);
        match self.0.get(path) {
            Some(file) => Ok(Some(file.clone())),
            None if below.next().is_some_and(|(other, _)| other.starts_with(path)) => {
                Err(ReadError::NotAFile)
            }
            None => Ok(None),
        }
    }
}

/// The tree with a series applied.
pub fn merged(tree: &Tree, files: FileSet) -> Tree {
    let mut tree = tree.clone();
    for (path, file) in files {
        match file {
            Some(File { mode, content }) => {
                let mode = if mode == LINK {
                    LINK
                } else if mode & 0o100 == 0 {
                    0o644
                } else {
                    0o755
                };
                tree.insert(path, File { content, mode });
            }
            None => drop(tree.remove(&path)),
        }
    }
    tree
}

/// A patch, and the files that it names.
#[derive(Clone)]
pub struct Case {
    /// Where it is from.
    pub name: String,
    pub patch: PatchFile,
    pub tree: Tree,
}

/// What kpatch-build does with a case.
pub enum Ours {
    Tree(Tree),
    Present,
    Refused(Error),
}

impl Case {
    pub fn ours(&self) -> Ours {
        let memory = Memory(&self.tree);
        let mut overlay = Overlay::new(&memory);
        match overlay.apply(&self.patch) {
            Ok(applied) if applied.status == PatchStatus::AlreadyUpstream => Ours::Present,
            Ok(_) => Ours::Tree(merged(&self.tree, overlay.into_files())),
            Err(error) => Ours::Refused(error),
        }
    }

    /// The tree after `git apply`; `None` if it refuses the patch.
    pub fn by_git(&self, scratch: &Path) -> Option<Tree> {
        let mut command = Command::new("git");
        command.args(["apply", "--whitespace=nowarn"]).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_CEILING_DIRECTORIES", scratch);
        self.judged(command, scratch, &["../p"])
    }

    /// The tree after patch with the options of dpkg-source; `None` if it refuses the patch.
    pub fn by_patch(&self, scratch: &Path) -> Option<Tree> {
        let mut command = Command::new("patch");
        command.args([
            "-t",
            "-F0",
            "-N",
            "-u",
            "-V",
            "never",
            "-E",
            "-s",
            "-r",
            "-",
            "--no-backup-if-mismatch",
        ]);
        self.judged(command, scratch, &["-i", "../p"])
    }

    fn judged(&self, mut command: Command, scratch: &Path, last: &[&str]) -> Option<Tree> {
        let root = scratch.join("t");
        write(&root, &self.tree);
        fs::write(scratch.join("p"), &self.patch.content).unwrap();
        command.arg(format!("-p{}", self.patch.reading.strip)).current_dir(&root);
        if self.patch.reading.reverse {
            command.arg("-R");
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env("PATH", path).env("HOME", scratch).env("LC_ALL", "C").env("TMPDIR", scratch);
        let status =
            command.args(last).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let tree = status.unwrap().success().then(|| read(&root));
        fs::remove_dir_all(&root).unwrap();
        tree
    }
}

pub fn write(root: &Path, tree: &Tree) {
    fs::create_dir_all(root).unwrap();
    for (path, file) in tree {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if file.is_link() {
            symlink(OsStr::from_bytes(&file.content), &path).unwrap();
        } else {
            fs::write(&path, &file.content).unwrap();
            if file.mode & 0o100 != 0 {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    }
}

pub fn read(root: &Path) -> Tree {
    let (mut tree, mut dirs) = (Tree::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = path.strip_prefix(root).unwrap().to_owned();
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_symlink() {
                let content = fs::read_link(&path).unwrap().into_os_string().into_vec();
                tree.insert(name, File { content, mode: LINK });
            } else {
                let mode = entry.metadata().unwrap().permissions().mode();
                let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
                tree.insert(name, File { content: fs::read(&path).unwrap(), mode });
            }
        }
    }
    tree
}

/// Every path that the patch may be about, read generously.
pub fn paths(patch: &PatchFile) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let strip = patch.reading.strip;
    for line in patch.content.split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches('\r');
        let after = |words: &[&str]| words.iter().find_map(|word| line.strip_prefix(word));
        if let Some(name) = after(&["--- ", "+++ ", "Index: "]) {
            let name = name.split('\t').next().unwrap_or_default();
            found.extend(stripped(name, strip));
            found.extend(name.split(' ').next().and_then(|name| stripped(name, strip)));
        } else if let Some(name) = after(&["rename from ", "rename to ", "copy from ", "copy to "]) {
            found.extend(stripped(name, strip.saturating_sub(1)));
        } else if let Some(names) = after(&["diff --git "]) {
            found.extend(names.split(' ').filter_map(|name| stripped(name, strip)));
        }
    }
    let diffs = diff::parse(&patch.content, patch.reading).unwrap_or_default();
    for diff in diffs {
        use diff::Change::*;
        match diff.change {
            Modify(path) | Create(path) | Fill(path) | Delete(path) | Uncopy(path) => found.extend([path]),
            Rename { from, to } | Copy { from, to } => found.extend([from, to]),
        }
    }
    found
}

fn stripped(name: &str, strip: usize) -> Option<PathBuf> {
    let path: PathBuf =
        name.trim_matches('"').split('/').skip(strip).filter(|part| !part.is_empty()).collect();
    (!path.as_os_str().is_empty()).then_some(path)
}
