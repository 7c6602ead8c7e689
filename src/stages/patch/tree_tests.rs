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
fn hunks_that_do_not_fit_because_of_their_order_are_named() {
    let file = (1..=30).map(|line| format!("{line}\n")).collect::<String>();
    let hunk = |at: u32| format!("@@ -{at},3 +{at},3 @@\n {at}\n-{}\n+x\n {}\n", at + 1, at + 2);
    let patch = format!("--- a/f\n+++ b/f\n{}{}", hunk(20), hunk(5));
    assert_eq!(fault(&[("f", &file)], &patch), Fault::OutOfOrder { path: "f".into(), number: 2 });
    // As git apply and GNU patch do: only the number is wrong.
    let patch =
        format!("--- a/f\n+++ b/f\n{}{}", hunk(5), hunk(20).replace("@@ -20,3 +20,3", "@@ -2,3 +2,3"));
    assert!(apply(&[("f", &file)], &[&patch]).is_ok());
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

/// The diff of a link, as git writes it: `before` and `after` are targets.
fn link(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    let side = |sign: char, target: Option<&str>| {
        target.map_or(String::new(), |target| format!("{sign}{target}\n\\ No newline at end of file\n"))
    };
    let name = |prefix: &str, target: Option<&str>| {
        target.map_or("/dev/null".to_owned(), |_| format!("{prefix}/{path}"))
    };
    let mode = match (before, after) {
        (None, _) => "new file mode 120000\nindex 0..1",
        (_, None) => "deleted file mode 120000\nindex 1..0",
        _ => "index 1..2 120000",
    };
    let range = |target: Option<&str>| if target.is_some() { "1" } else { "0,0" };
    format!(
        "diff --git a/{path} b/{path}\n{mode}\n--- {}\n+++ {}\n@@ -{} +{} @@\n{}{}",
        name("a", before),
        name("b", after),
        range(before),
        range(after),
        side('-', before),
        side('+', after)
    )
}

/// Applies patches to a tree with the link `l -> f` and the file `f`; returns links (`-> target`) and files.
fn apply_to_link(patches: &[&str]) -> Result<Expected, Error> {
    let dir = tree(&[("f", "x\n")]);
    std::os::unix::fs::symlink("f", dir.path().join("l")).unwrap();
    let base = PristineDir(dir.path());
    let mut overlay = Overlay::new(&base);
    for patch in patches {
        overlay.apply(&PatchFile::new("p", *patch))?;
    }
    let text = |file: File| {
        let content = String::from_utf8(file.content).unwrap();
        if file.mode == LINK { format!("-> {content}") } else { content }
    };
    let files = overlay.into_files().into_iter();
    Ok(files.map(|(path, file)| (path.display().to_string(), file.map(text))).collect())
}

#[test]
fn symbolic_links_are_created_changed_and_removed() {
    let file = "diff --git a/l b/l\nnew file mode 100644\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+y\n";
    let rename = "diff --git a/l b/d/l\nsimilarity index 100%\nrename from l\nrename to d/l\n";
    for (patch, files) in [
        (link("d/n", None, Some("../f")), [("d/n", Some("-> ../f"))].to_vec()),
        (link("l", Some("f"), Some("d/g")), [("l", Some("-> d/g"))].to_vec()),
        (link("l", Some("f"), None), [("l", None)].to_vec()),
        (link("l", Some("f"), None) + file, [("l", Some("y\n"))].to_vec()),
        (rename.to_owned(), [("d/l", Some("-> f")), ("l", None)].to_vec()),
    ] {
        assert_eq!(apply_to_link(&[&patch]).unwrap(), expected(&files), "{patch}");
    }
    let gone = "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
    let replaced = format!("{gone}{}", link("f", None, Some("d/x")));
    assert_eq!(apply_to_link(&[&replaced]).unwrap(), expected(&[("f", Some("-> d/x"))]));
    let back = file.replace("/l", "/f").replace("+y", "+x");
    let back = link("f", Some("d/x"), None) + &back;
    assert_eq!(apply_to_link(&[&replaced, &back]).unwrap(), expected(&[("f", Some("x\n"))]));
}

#[test]
fn a_symbolic_link_that_leaves_the_tree_is_refused() {
    for target in ["/etc/passwd", "../f", "d/../../f", ".."] {
        for patch in [link("n", None, Some(target)), link("l", Some("f"), Some(target))] {
            let error = apply_to_link(&[&patch]).unwrap_err();
            assert!(matches!(&error, Error::EscapingLink { line: 1, .. }), "{target}: {error}");
        }
    }
    let up = link("d/n", None, Some("../f"));
    let rename = "diff --git a/d/n b/n\nsimilarity index 100%\nrename from d/n\nrename to n\n";
    assert!(matches!(apply_to_link(&[&up, rename]).unwrap_err(), Error::EscapingLink { .. }));
}

#[test]
fn no_file_is_created_below_a_link_or_a_file() {
    let below = |name: &str| format!("--- /dev/null\n+++ b/{name}/x\n@@ -0,0 +1 @@\n+x\n");
    let through = BadName::Symlink(LinkPosition::Directory);
    for patches in [vec![below("l")], vec![link("n", None, Some("d")), below("n")]] {
        let patches: Vec<&str> = patches.iter().map(String::as_str).collect();
        let error = apply_to_link(&patches).unwrap_err();
        assert!(matches!(error, Error::OutsideTree { why, .. } if why == through), "{error}");
    }
    assert_eq!(fault(&[("f", "x\n")], &below("f")), Fault::Exists { path: "f".into() });
    let created = below("d");
    let error = apply_to_link(&[&created, &link("d", None, Some("f"))]).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    // A directory may take the place of a link.
    let both = link("l", Some("f"), None) + &below("l");
    assert_eq!(apply_to_link(&[&both]).unwrap(), expected(&[("l", None), ("l/x", Some("x\n"))]));
}

#[test]
fn a_patch_for_a_link_does_not_fit_a_file() {
    let patch = link("f", Some("x"), Some("y"));
    assert_eq!(fault(&[("f", "x")], &patch), Fault::NotALink { path: "f".into() });
}

/// By `git diff --binary`: `d` has the lines 1 to 400 and a NUL, and line 200 becomes `two`; `f` changes from `a\0b` to
/// `a\0c`; `n` is new.
const BINARY: &str = "\
diff --git a/d b/d
index 9afa548e0455b9477922c8bfdb7647ab1b537017..84d58337f5490f7f7096a5385fe0518bd9bd77fe 100644
GIT binary patch
delta 16
Xcmcc0eU*E|1}5f`^8C%4nUt6TI!p!)

delta 16
Xcmcc0eU*E|1}0`B1B1<*nUt6TG|>e`

diff --git a/f b/f
index 20b5be91886d0b6f26dc98a225c0dac05fe2c86e..88f37001cec36655decf891d4244853aaa51a00a 100644
GIT binary patch
literal 3
KcmYdfNCp4_i2%g_

literal 3
KcmYdfNCE%>hycU@

diff --git a/n b/n
new file mode 100644
index 0000000000000000000000000000000000000000..4bf8bba4e3ba3f4352512862cc35c1615ec46540
GIT binary patch
literal 2
JcmZR`0{{SU0B-;Q

literal 0
HcmV?d00001

";

fn numbers(two_hundred: &str) -> String {
    let line = |number| if number == 200 { format!("{two_hundred}\n") } else { format!("{number}\n") };
    (1..=400).map(line).collect::<String>() + "\0"
}

#[test]
fn binary_files_are_changed_created_and_removed() {
    let (before, after) = (numbers("200"), numbers("two"));
    let old = [("d", before.as_str()), ("f", "a\0b")];
    let new = [("d", after.as_str()), ("f", "a\0c"), ("n", "\0n")];
    let (files, statuses) = apply(&old, &[BINARY]).unwrap();
    assert_eq!(files, expected(&new.map(|(path, text)| (path, Some(text)))));
    assert_eq!(statuses, [(PatchStatus::Applied, 0)]);
    assert_eq!(apply(&new, &[BINARY]).unwrap().1, [(PatchStatus::AlreadyUpstream, 0)]);

    let dir = tree(&new);
    let base = PristineDir(dir.path());
    let mut overlay = Overlay::new(&base);
    let mut undo = PatchFile::new("p", BINARY);
    undo.reading = Reading { reverse: true, ..Reading::default() };
    overlay.apply(&undo).unwrap();
    assert_eq!(overlay.into_files()[Path::new("n")], None);
}

#[test]
fn a_binary_patch_is_for_one_content_and_leads_to_one() {
    let binary = |files: &[(&str, &str)], patch: &str| match fault(files, patch) {
        Fault::Binary { fault, .. } => fault,
        other => panic!("{other:?}"),
    };
    let (_, part) = BINARY.split_once("diff --git a/f").unwrap();
    let part = format!("diff --git a/f{}", part.split_once("diff --git").unwrap().0);
    let other = binary(&[("f", "a\0x")], &part);
    assert!(matches!(other, diff::BinaryFault::OtherContent { .. }), "{other:?}");
    let damaged = part.replace("88f37001", "88f37002");
    let damaged = binary(&[("f", "a\0b")], &damaged);
    assert!(matches!(damaged, diff::BinaryFault::OtherResult { .. }), "{damaged:?}");
}

#[test]
fn a_directory_is_not_a_file() {
    let dir = tree(&[("f/x", "")]);
    let base = PristineDir(dir.path());
    let error = Overlay::new(&base).apply(&PatchFile::new("p", CHANGE)).unwrap_err();
    assert!(matches!(error, Error::NotAFile { .. }), "{error:?}");
}
