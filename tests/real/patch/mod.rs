//! Compares the patch stage with git-apply(1) on random edits from a fixed seed, and runs the checkpatch.pl of a
//! real tree on the shipped patches.

mod archive;
mod case;
mod differential;
mod disagreement;
mod mutation;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kpatch_build::base::error::Explain;
use kpatch_build::kernel::series::{self, PatchFile, diff};
use kpatch_build::stages::patch::apply::{self, Refusal};
use kpatch_build::stages::patch::tree::{Overlay, PristineDir};

use crate::support::kernel;
use crate::support::need::have;

fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", dir).env("LC_ALL", "C");
    command.env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap());
    command
}

/// Xorshift, with the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// Returns a line. Half of the lines repeat often, like blank lines, braces and returns in C.
fn line(random: &mut Random) -> String {
    let common = ["\n", "}\n", "\treturn 0;\n", "{\n", "\tbreak;\r\n"];
    if random.one_in(2) {
        common[random.below(common.len())].to_owned()
    } else {
        format!("\tstatement({});\n", random.below(400))
    }
}

fn file(random: &mut Random, lines: usize) -> Vec<String> {
    (0..lines).map(|_| line(random)).collect()
}

fn edited(random: &mut Random, lines: &[String], edits: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    for _ in 0..edits {
        let at = random.below(lines.len() + 1);
        match random.below(3) {
            0 => lines.insert(at, line(random)),
            1 if at < lines.len() => {
                lines.remove(at);
            }
            _ if at < lines.len() => lines[at] = line(random),
            _ => {}
        }
    }
    if random.one_in(6)
        && let Some(last) = lines.last_mut()
    {
        *last = last.trim_end().to_owned();
    }
    lines
}

fn diff_of(dir: &Path, context: usize, names: [&str; 2]) -> Vec<u8> {
    let context = format!("-U{context}");
    let out = git(dir)
        .args(["diff", "--no-index", "--no-color", "-M", "-C", &context, "--"])
        .args(names)
        .output()
        .unwrap();
    assert!(out.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

#[test]
fn real_git_apply_or_gnu_patch_agrees_with_the_patch_stage_on_drifted_files() {
    if !have(&["git", "patch"]) {
        return;
    }
    let (mut applied, mut refused, mut moved, mut ambiguous, mut as_patch) = (0, 0, 0, 0, 0);
    for seed in 1..=400 {
        let random = &mut Random(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
        let dir = tempfile::tempdir().unwrap();
        let length = random.below(60);
        let before = file(random, length);
        let edits = 1 + random.below(5);
        let after = edited(random, &before, edits);
        let edits = random.below(5);
        let target = edited(random, &before, edits);
        fs::create_dir_all(dir.path().join("a")).unwrap();
        fs::create_dir_all(dir.path().join("b")).unwrap();
        fs::write(dir.path().join("a/f"), before.concat()).unwrap();
        fs::write(dir.path().join("b/f"), after.concat()).unwrap();
        let context = 1 + random.below(3);
        let patch = diff_of(dir.path(), context, ["a/f", "b/f"]);
        if patch.is_empty() {
            continue;
        }
        // `git diff --no-index` adds its prefixes to the directories a and b.
        let patch = String::from_utf8(patch).unwrap().replace("a/a/f", "a/f").replace("b/b/f", "b/f");
        fs::write(dir.path().join("p"), &patch).unwrap();
        fs::write(dir.path().join("f"), target.concat()).unwrap();
        let git_applies = git(dir.path()).args(["apply", "p"]).output().unwrap().status.success();

        let hunks = diff::parse(patch.as_bytes(), diff::Reading::default()).unwrap().remove(0).hunks;
        let ours = apply::apply(target.concat().as_bytes(), &hunks);
        let shown = || format!("seed {seed}\n{patch}\n--- target\n{}\n{ours:?}", target.concat());
        let by_git = git_applies.then(|| fs::read(dir.path().join("f")).unwrap());
        if let Err(Refusal::Ambiguous(_)) = ours {
            // Both would take the nearest place.
            ambiguous += 1;
            continue;
        }
        if by_git.as_ref() != ours.as_ref().ok().map(|ours| &ours.content) {
            // Git does not expect a hunk where the hunk before it was found.
            assert_eq!(
                by_gnu_patch(dir.path(), &target.concat()),
                ours.as_ref().ok().map(|ours| ours.content.clone()),
                "{}",
                shown()
            );
            as_patch += 1;
        }
        match &ours {
            Ok(ours) => {
                applied += 1;
                moved += usize::from(ours.places.iter().any(|place| place.offset != 0));
            }
            Err(_) => refused += 1,
        }
    }
    let counts = format!(
        "{applied} applied, {refused} refused, {moved} moved, {ambiguous} ambiguous, {as_patch} as patch"
    );
    println!("{counts}");
    assert!(applied > 100 && refused > 50 && moved > 30 && ambiguous < 40 && as_patch < 40, "{counts}");
}

/// The content of the file after `patch -F0`; `None` if a hunk is refused.
fn by_gnu_patch(dir: &Path, target: &str) -> Option<Vec<u8>> {
    let file = dir.join("patched");
    fs::write(&file, target).unwrap();
    let patch = Command::new("patch")
        .args(["-F0", "-s", "-f", "-N", "patched", "p"])
        .current_dir(dir)
        .output()
        .unwrap();
    patch.status.success().then(|| fs::read(&file).unwrap())
}

type Tree = BTreeMap<PathBuf, (Vec<u8>, bool)>;

fn write(root: &Path, tree: &Tree) {
    fs::create_dir_all(root).unwrap();
    for (path, (content, executable)) in tree {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let mode = if *executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn read(root: &Path) -> Tree {
    let (mut tree, mut dirs) = (Tree::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let executable = fs::metadata(&path).unwrap().permissions().mode() & 0o100 != 0;
                let name = path.strip_prefix(root).unwrap().to_owned();
                tree.insert(name, (fs::read(&path).unwrap(), executable));
            }
        }
    }
    tree
}

fn tree(random: &mut Random) -> Tree {
    let names = ["plain", "dir/inner", "dir/with blank", "caf\u{e9}", "tab\there", "deep/er/still"];
    let mut tree = Tree::new();
    for name in names {
        let lines = random.below(40);
        tree.insert(name.into(), (file(random, lines).concat().into_bytes(), random.one_in(4)));
    }
    tree
}

/// Edits, deletes, creates, renames and copies files, and changes modes.
fn changed(random: &mut Random, before: &Tree) -> Tree {
    let mut after = Tree::new();
    for (index, (path, (content, executable))) in before.iter().enumerate() {
        let text = String::from_utf8(content.clone()).unwrap();
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let edits = random.below(3);
        let content = edited(random, &lines, edits).concat().into_bytes();
        match random.below(6) {
            0 => {}
            1 => drop(after.insert(format!("moved/{index}").into(), (content, *executable))),
            2 => drop(after.insert(path.clone(), (content, !executable))),
            3 => {
                // git finds only copies of files that changed too.
                after.insert(path.clone(), (format!("{text}more\n").into_bytes(), *executable));
                after.insert(format!("copy{index}").into(), (content, *executable));
            }
            _ => drop(after.insert(path.clone(), (content, *executable))),
        }
    }
    let lines = random.below(10);
    after.insert("new/file".into(), (file(random, lines).concat().into_bytes(), random.one_in(3)));
    after
}

#[test]
fn real_git_diffs_of_whole_trees_yield_the_same_tree_as_git_apply() {
    if !have(&["git"]) {
        return;
    }
    let mut kinds = [0; 4];
    for seed in 1..=120 {
        let random = &mut Random(u64::wrapping_mul(seed, 0xd134_2543_de82_ef95));
        let dir = tempfile::tempdir().unwrap();
        let before = tree(random);
        let after = changed(random, &before);
        write(&dir.path().join("a"), &before);
        write(&dir.path().join("b"), &after);
        write(&dir.path().join("t"), &before);
        let patch = git(dir.path())
            .args(["diff", "--no-index", "--no-prefix", "-M", "-C", "--find-copies-harder", "a", "b"])
            .output()
            .unwrap()
            .stdout;
        for (count, what) in
            kinds.iter_mut().zip(["\nrename from ", "\ncopy from ", "\nold mode ", "\ndeleted file"])
        {
            *count += String::from_utf8_lossy(&patch).matches(what).count();
        }

        let base = dir.path().join("a");
        let base = PristineDir(&base);
        let mut overlay = Overlay::new(&base);
        // git log writes rename and copy lines without prefixes.
        let patch = String::from_utf8(patch).unwrap();
        let patch: String = patch.split_inclusive('\n').map(without_directory).collect();
        overlay
            .apply(&PatchFile::new("p", patch.as_str()))
            .unwrap_or_else(|error| panic!("seed {seed}: {error} {:?}\n{patch}", error.facts()));
        let mut ours = before.clone();
        for (path, file) in overlay.into_files() {
            match file {
                Some(file) => drop(ours.insert(path, (file.content, file.mode & 0o100 != 0))),
                None => drop(ours.remove(&path)),
            }
        }
        assert_eq!(ours, after, "seed {seed}\n{patch}");

        fs::write(dir.path().join("p"), &patch).unwrap();
        let out = git(&dir.path().join("t")).args(["apply", "../p"]).output().unwrap();
        assert!(out.status.success(), "seed {seed}: {}\n{patch}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(read(&dir.path().join("t")), ours, "seed {seed}");
    }
    assert!(kinds.iter().all(|count| *count > 10), "{kinds:?}");
}

fn without_directory(line: &str) -> String {
    for word in ["rename from ", "rename to ", "copy from ", "copy to "] {
        if let Some(name) = line.strip_prefix(word) {
            let name =
                name.strip_prefix(['a', 'b']).and_then(|name| name.strip_prefix('/')).map(str::to_owned);
            let quoted = || line[word.len()..].replacen("\"a/", "\"", 1).replacen("\"b/", "\"", 1);
            return format!("{word}{}", name.unwrap_or_else(quoted));
        }
    }
    line.to_owned()
}

/// Returns the messages of checkpatch.pl by file name.
fn findings(tree: &Path, dir: &Path) -> BTreeMap<String, Vec<String>> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let out = Command::new("perl")
        .current_dir(tree)
        .args(["scripts/checkpatch.pl", "--strict", "--terse", "--no-summary"])
        .args(&files)
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let found = |file: &PathBuf| {
        let name = format!("{}:", file.display());
        let own = text.lines().filter_map(|line| line.strip_prefix(&name)?.split_once(": "));
        (
            file.file_name().unwrap().to_str().unwrap().to_owned(),
            own.map(|(_, what)| what.to_owned()).collect(),
        )
    };
    files.iter().map(found).collect()
}

#[test]
fn real_checkpatch_reports_only_the_missing_sign_off_of_the_shipped_patches() {
    let dir = tempfile::tempdir().unwrap();
    for summary in series::list().unwrap() {
        let variants = series::show(&summary.name).unwrap().variants;
        for patch in variants.into_iter().flat_map(|variant| variant.patches) {
            fs::write(dir.path().join(patch.name.replace('/', "_")), &patch.content).unwrap();
        }
    }
    // A faulty patch shows that checkpatch.pl works.
    let bad = "Subject: [PATCH] x\n\ny\n---\n--- a/f.c\n+++ b/f.c\n@@ -1 +1 @@\n-a\n+if(b) \n";
    fs::write(dir.path().join("bad"), bad).unwrap();
    if !have(&["perl"]) {
        return;
    }
    for tree in kernel::trees() {
        let mut found = findings(&tree, dir.path());
        assert!(found.remove("bad").unwrap().len() > 1);
        assert!(found.len() >= 36, "{}", found.len());
        for (name, found) in found {
            assert_eq!(found, ["ERROR: Missing Signed-off-by: line(s)"], "{name}");
        }
    }
}
