use super::*;
use crate::kernel::series::diff::Reading;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
    }
    dir
}

type Made = Vec<(String, Option<String>)>;

/// Applies the patches and gives the touched files, the outcomes and the largest offsets.
fn apply(files: &[(&str, &str)], patches: &[&str]) -> Result<(Made, Vec<(Outcome, u64)>), Error> {
    let dir = tree(files);
    let base = Folder(dir.path());
    let mut overlay = Overlay::new(&base);
    let mut outcomes = Vec::new();
    for (index, patch) in patches.iter().enumerate() {
        let done = overlay.apply(&PatchFile::new(format!("{index}.patch"), *patch))?;
        outcomes.push((done.status, done.max_offset));
    }
    let text = |file: File| String::from_utf8(file.content).unwrap();
    let made = overlay.into_files().into_iter();
    Ok((made.map(|(path, file)| (path.display().to_string(), file.map(text))).collect(), outcomes))
}

fn fault(files: &[(&str, &str)], patch: &str) -> Fault {
    match apply(files, &[patch]).unwrap_err() {
        Error::Conflict { fault, .. } => *fault,
        other => panic!("{other:?}"),
    }
}

fn made(files: &[(&str, Option<&str>)]) -> Made {
    files.iter().map(|(path, file)| (path.to_string(), file.map(str::to_owned))).collect()
}

const CHANGE: &str = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";

#[test]
fn patches_of_a_series_build_on_each_other() {
    let second = "--- a/f\n+++ b/f\n@@ -1,3 +1,4 @@\n one\n TWO\n+more\n three\n";
    let (files, outcomes) = apply(&[("f", "one\ntwo\nthree\n")], &[CHANGE, second]).unwrap();
    assert_eq!(files, made(&[("f", Some("one\nTWO\nmore\nthree\n"))]));
    assert_eq!(outcomes, [(Outcome::Applied, 0), (Outcome::Applied, 0)]);
}

#[test]
fn the_largest_offset_is_reported() {
    let patch = "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n one\n-two\n+TWO\n three\n";
    let (_, outcomes) = apply(&[("f", "0\n0\n0\n0\none\ntwo\nthree\n")], &[patch]).unwrap();
    assert_eq!(outcomes, [(Outcome::Applied, 3)]);
}

#[test]
fn a_patch_that_the_release_has_already_is_recognised() {
    let (files, outcomes) = apply(&[("f", "one\nTWO\nthree\n")], &[CHANGE]).unwrap();
    assert_eq!(outcomes, [(Outcome::AlreadyUpstream, 0)]);
    assert_eq!(files, made(&[]));
}

#[test]
fn a_new_file_a_deletion_a_rename_and_a_mode_that_are_there_already_are_recognised() {
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[("n", "x\n")], "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n"),
        (&[], "--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"),
        (&[("y", "x\n")], "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n"),
    ];
    for (files, patch) in cases {
        assert_eq!(apply(files, &[patch]).unwrap().1, [(Outcome::AlreadyUpstream, 0)], "{patch}");
    }
}

#[test]
fn a_far_away_fit_does_not_hide_that_the_change_is_there_already() {
    let patch = "--- a/f\n+++ b/f\n@@ -2,3 +2,4 @@\n {\n \tlock();\n+\tcheck();\n \twork();\n";
    let there = "first()\n{\n\tlock();\n\tcheck();\n\twork();\n}\n\nsecond()\n{\n\tlock();\n\twork();\n}\n";
    assert_eq!(apply(&[("f", there)], &[patch]).unwrap().1, [(Outcome::AlreadyUpstream, 0)]);
}

#[test]
fn a_patch_that_is_there_in_part_is_a_conflict_which_says_which_part() {
    let patch = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n@@ -5,3 +5,3 @@\n 5\n-6\n+six\n 7\n";
    match fault(&[("f", "1\n2\n3\n4\n5\nsix\n7\n")], patch) {
        Fault::Misfit { misfit, present, hunks, .. } => {
            assert_eq!((misfit.number, misfit.line, hunks, present), (2, 6, 2, vec![2]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_for_nothing_fill_an_empty_file_or_make_a_new_one() {
    let patch = "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+x\n";
    for files in [&[("f", "")][..], &[]] {
        assert_eq!(apply(files, &[patch]).unwrap().0, made(&[("f", Some("x\n"))]));
    }
    assert!(matches!(fault(&[("f", "y\n")], patch), Fault::Misfit { .. }));
}

#[test]
fn faults_name_what_is_wrong() {
    let path = || PathBuf::from("f");
    let delete = "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
    let create = "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n";
    assert_eq!(fault(&[], CHANGE), Fault::Missing { path: path() });
    assert_eq!(fault(&[("f", "other\n")], create), Fault::Exists { path: path() });
    assert!(matches!(fault(&[("f", "x\ny\n")], delete), Fault::Misfit { .. }));
    let no_hunks = "diff --git a/f b/f\ndeleted file mode 100644\nindex 1..0\n";
    assert_eq!(fault(&[("f", "x\n")], no_hunks), Fault::Leftover { path: path() });
}

#[test]
fn names_can_be_exchanged_by_renames_in_one_patch() {
    let patch = "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n\
                 diff --git a/y b/x\nsimilarity index 100%\nrename from y\nrename to x\n";
    let (files, _) = apply(&[("x", "1\n"), ("y", "2\n")], &[patch]).unwrap();
    assert_eq!(files, made(&[("x", Some("2\n")), ("y", Some("1\n"))]));
}

#[test]
fn a_copy_is_made_of_the_file_as_it_was_before_the_patch() {
    let patch = format!("{CHANGE}diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n");
    let (files, _) = apply(&[("f", "one\ntwo\nthree\n")], &[&patch]).unwrap();
    assert_eq!(files, made(&[("f", Some("one\nTWO\nthree\n")), ("g", Some("one\ntwo\nthree\n"))]));
}

#[test]
fn a_reversed_copy_removes_the_copy() {
    let dir = tree(&[("f", "x\n"), ("g", "x\n")]);
    let base = Folder(dir.path());
    let mut overlay = Overlay::new(&base);
    let mut patch =
        PatchFile::new("p", "diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n");
    patch.reading = Reading { reverse: true, ..Reading::default() };
    overlay.apply(&patch).unwrap();
    assert_eq!(overlay.into_files(), Files::from([("g".into(), None)]));
}

#[test]
fn a_change_of_mode_adds_execution_where_reading_is_allowed() {
    let dir = tree(&[("f", "x\n")]);
    fs::set_permissions(dir.path().join("f"), fs::Permissions::from_mode(0o640)).unwrap();
    let base = Folder(dir.path());
    let mut overlay = Overlay::new(&base);
    let patch = "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n";
    overlay.apply(&PatchFile::new("p", patch)).unwrap();
    assert_eq!(overlay.into_files()[Path::new("f")].as_ref().unwrap().mode, 0o750);
}

#[test]
fn nothing_is_read_or_written_through_a_symbolic_link() {
    let outside = tree(&[("f", "one\ntwo\nthree\n")]);
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("d")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("f"), dir.path().join("f")).unwrap();
    let base = Folder(dir.path());
    for (name, place) in [("d/f", LinkPlace::Folder), ("d/new", LinkPlace::Folder), ("f", LinkPlace::File)] {
        let patch = CHANGE.replace("/f\n", &format!("/{name}\n"));
        let error = Overlay::new(&base).apply(&PatchFile::new("p", patch)).unwrap_err();
        assert!(
            matches!(error, Error::OutsideTree { why: BadName::Symlink(found), .. } if found == place),
            "{name}"
        );
    }
}

#[test]
fn a_folder_is_not_a_file() {
    let dir = tree(&[("f/x", "")]);
    let base = Folder(dir.path());
    let error = Overlay::new(&base).apply(&PatchFile::new("p", CHANGE)).unwrap_err();
    assert!(matches!(error, Error::NotAFile { .. }), "{error:?}");
}
