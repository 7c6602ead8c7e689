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

type Expected = Vec<(String, Option<String>)>;

/// Applies the patches; returns the touched files, the status and the largest offset of each patch.
fn apply(files: &[(&str, &str)], patches: &[&str]) -> Result<(Expected, Vec<(PatchStatus, u64)>), Error> {
    let dir = tree(files);
    let base = PristineDir(dir.path());
    let mut overlay = Overlay::new(&base);
    let mut statuses = Vec::new();
    for (index, patch) in patches.iter().enumerate() {
        let applied = overlay.apply(&PatchFile::new(format!("{index}.patch"), *patch))?;
        statuses.push((applied.status, applied.max_offset));
    }
    let text = |file: File| String::from_utf8(file.content).unwrap();
    let files = overlay.into_files().into_iter();
    Ok((files.map(|(path, file)| (path.display().to_string(), file.map(text))).collect(), statuses))
}

fn fault(files: &[(&str, &str)], patch: &str) -> Fault {
    match apply(files, &[patch]).unwrap_err() {
        Error::Conflict { fault, .. } => *fault,
        other => panic!("{other:?}"),
    }
}

fn expected(files: &[(&str, Option<&str>)]) -> Expected {
    files.iter().map(|(path, file)| (path.to_string(), file.map(str::to_owned))).collect()
}

const CHANGE: &str = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";

#[test]
fn each_patch_of_a_series_applies_to_the_result_of_the_one_before() {
    let second = "--- a/f\n+++ b/f\n@@ -1,3 +1,4 @@\n one\n TWO\n+more\n three\n";
    let (files, statuses) = apply(&[("f", "one\ntwo\nthree\n")], &[CHANGE, second]).unwrap();
    assert_eq!(files, expected(&[("f", Some("one\nTWO\nmore\nthree\n"))]));
    assert_eq!(statuses, [(PatchStatus::Applied, 0), (PatchStatus::Applied, 0)]);
}

#[test]
fn the_largest_offset_is_reported() {
    let patch = "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n one\n-two\n+TWO\n three\n";
    let (_, statuses) = apply(&[("f", "0\n0\n0\n0\none\ntwo\nthree\n")], &[patch]).unwrap();
    assert_eq!(statuses, [(PatchStatus::Applied, 3)]);
}

#[test]
fn a_patch_that_the_release_already_contains_is_recognised() {
    let (files, statuses) = apply(&[("f", "one\nTWO\nthree\n")], &[CHANGE]).unwrap();
    assert_eq!(statuses, [(PatchStatus::AlreadyUpstream, 0)]);
    assert_eq!(files, expected(&[]));
}

#[test]
fn a_new_file_a_deletion_and_a_rename_that_the_release_already_contains_are_recognised() {
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[("n", "x\n")], "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n"),
        (&[], "--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"),
        (&[("y", "x\n")], "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n"),
    ];
    for (files, patch) in cases {
        assert_eq!(apply(files, &[patch]).unwrap().1, [(PatchStatus::AlreadyUpstream, 0)], "{patch}");
    }
}

#[test]
fn a_fit_far_away_does_not_hide_that_the_change_is_already_present() {
    let patch = "--- a/f\n+++ b/f\n@@ -2,3 +2,4 @@\n {\n \tlock();\n+\tcheck();\n \twork();\n";
    let present = "first()\n{\n\tlock();\n\tcheck();\n\twork();\n}\n\nsecond()\n{\n\tlock();\n\twork();\n}\n";
    assert_eq!(apply(&[("f", present)], &[patch]).unwrap().1, [(PatchStatus::AlreadyUpstream, 0)]);
}

#[test]
fn the_function_decides_whether_the_change_is_already_present() {
    let function =
        |name: &str, check: &str| format!("int {name}(void)\n{{\n\tlock();\n{check}\twork();\n}}\n\n");
    let content = function("first", "\tcheck();\n") + &function("second", "");
    let patch = |function: &str| {
        format!(
            "--- a/f\n+++ b/f\n@@ -3,3 +3,4 @@ int {function}(void)\n {{\n \tlock();\n+\tcheck();\n \twork();\n"
        )
    };
    let status = |function: &str| apply(&[("f", &content)], &[&patch(function)]).unwrap().1[0].0;
    assert_eq!(status("first"), PatchStatus::AlreadyUpstream);
    assert_eq!(status("second"), PatchStatus::Applied);
    // Without a function, a change that is not at its own line may be either.
    let patch = patch("x").replace(" int x(void)", "");
    match fault(&[("f", &content)], &patch) {
        Fault::BothWays { forward, present } => assert_eq!([forward, present], ["f:9", "f:2"]),
        other => panic!("{other:?}"),
    }
}

/// `git am` applies the commits of one file one after the other.
#[test]
fn each_commit_of_a_file_sees_the_commits_before_it() {
    let commit = |diff: &str| format!("From: A <a@example.org>\nSubject: [PATCH] x\n\nWords.\n---\n{diff}");
    let rename = "diff --git a/f b/g\nsimilarity index 90%\nrename from f\nrename to g\n";
    let change = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n+A\n b\n";
    let again = "--- a/f\n+++ b/g\n@@ -1,2 +1,2 @@\n A\n-b\n+B\n";
    let patch = commit(change) + &commit(&format!("{rename}{again}"));
    assert_eq!(
        apply(&[("f", "a\nb\n")], &[&patch]).unwrap().0,
        expected(&[("f", None), ("g", Some("A\nB\n"))])
    );
    let create = "diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n";
    let patch = commit(create) + &commit(rename);
    assert_eq!(apply(&[], &[&patch]).unwrap().0, expected(&[("f", None), ("g", Some("a\n"))]));
    // And the release may have all of it already.
    assert_eq!(apply(&[("g", "a\n")], &[&patch]).unwrap().1, [(PatchStatus::AlreadyUpstream, 0)]);
}

#[test]
fn a_partly_present_patch_is_a_conflict_that_names_the_present_part() {
    let patch = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n@@ -5,3 +5,3 @@\n 5\n-6\n+six\n 7\n";
    match fault(&[("f", "1\n2\n3\n4\n5\nsix\n7\n")], patch) {
        Fault::Misfit { misfit, present, hunks, .. } => {
            assert_eq!((misfit.number, misfit.line, hunks, present), (2, 6, 2, vec![2]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hunk_without_old_lines_fills_an_empty_file_or_creates_one() {
    let patch = "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+x\n";
    for files in [&[("f", "")][..], &[]] {
        assert_eq!(apply(files, &[patch]).unwrap().0, expected(&[("f", Some("x\n"))]));
    }
    assert!(matches!(fault(&[("f", "y\n")], patch), Fault::Misfit { .. }));
}

#[test]
fn each_fault_has_its_reason() {
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
fn one_patch_can_exchange_the_names_of_two_files() {
    let patch = "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n\
                 diff --git a/y b/x\nsimilarity index 100%\nrename from y\nrename to x\n";
    let (files, _) = apply(&[("x", "1\n"), ("y", "2\n")], &[patch]).unwrap();
    assert_eq!(files, expected(&[("x", Some("2\n")), ("y", Some("1\n"))]));
}

#[test]
fn a_copy_has_the_content_from_before_the_patch() {
    let patch = format!("{CHANGE}diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n");
    let (files, _) = apply(&[("f", "one\ntwo\nthree\n")], &[&patch]).unwrap();
    assert_eq!(files, expected(&[("f", Some("one\nTWO\nthree\n")), ("g", Some("one\ntwo\nthree\n"))]));
}

#[test]
fn a_reversed_copy_removes_the_copy() {
    let dir = tree(&[("f", "x\n"), ("g", "x\n")]);
    let base = PristineDir(dir.path());
    let mut overlay = Overlay::new(&base);
    let mut patch =
        PatchFile::new("p", "diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n");
    patch.reading = Reading { reverse: true, ..Reading::default() };
    overlay.apply(&patch).unwrap();
    assert_eq!(overlay.into_files(), FileSet::from([("g".into(), None)]));
}

#[test]
fn a_new_mode_adds_execution_for_every_user_who_may_read() {
    let dir = tree(&[("f", "x\n")]);
    fs::set_permissions(dir.path().join("f"), PermissionsExt::from_mode(0o640)).unwrap();
    let base = PristineDir(dir.path());
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
    let base = PristineDir(dir.path());
    for (name, position) in
        [("d/f", LinkPosition::Directory), ("d/new", LinkPosition::Directory), ("f", LinkPosition::File)]
    {
        let patch = CHANGE.replace("/f\n", &format!("/{name}\n"));
        let error = Overlay::new(&base).apply(&PatchFile::new("p", patch)).unwrap_err();
        assert!(
            matches!(error, Error::OutsideTree { why: BadName::Symlink(found), .. } if found == position),
            "{name}"
        );
    }
}

#[test]
fn a_directory_is_not_a_file() {
    let dir = tree(&[("f/x", "")]);
    let base = PristineDir(dir.path());
    let error = Overlay::new(&base).apply(&PatchFile::new("p", CHANGE)).unwrap_err();
    assert!(matches!(error, Error::NotAFile { .. }), "{error:?}");
}
