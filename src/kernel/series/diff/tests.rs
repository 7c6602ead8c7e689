//! One test for each peculiarity of real patches.

use std::path::PathBuf;

use super::*;
use crate::kernel::series::names::BadName;

fn read(patch: &str) -> Vec<FileDiff> {
    parse(patch.as_bytes(), Reading::default()).unwrap()
}

fn problem(patch: &str) -> (usize, Problem) {
    let error = parse(patch.as_bytes(), Reading::default()).unwrap_err();
    (error.line, error.problem)
}

fn path(text: &str) -> PathBuf {
    PathBuf::from(text)
}

const HUNK: &str = "@@ -1 +1 @@\n-a\n+b\n";

#[test]
fn text_around_the_diff_is_skipped() {
    let patch = format!(
        "From 0000 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n\nThe old way:\n@@ is not a hunk\n--- neither\n---\n \
         f | 2 +-\n\ndiff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n{HUNK}-- \n2.39.5\n\n"
    );
    let files = read(&patch);
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].change, Change::Modify(path("f")));
    assert_eq!((files[0].line, files[0].hunks[0].line), (10, 14));
}

#[test]
fn a_diff_without_the_header_of_git_is_read() {
    let patch = format!("--- linux-6.1.orig/kernel/fork.c\n+++ linux-6.1/kernel/fork.c\n{HUNK}");
    assert_eq!(read(&patch)[0].change, Change::Modify(path("kernel/fork.c")));
}

#[test]
fn a_time_after_a_tab_is_not_part_of_the_name() {
    let patch = format!(
        "--- a/f\t2021-05-03 10:00:00.000000000 +0200\n+++ b/f\t2021-05-03 10:00:01.000000000 +0200\n{HUNK}"
    );
    assert_eq!(read(&patch)[0].change, Change::Modify(path("f")));
}

#[test]
fn the_tab_after_a_name_with_a_space_is_not_part_of_the_name() {
    let patch = format!("diff --git a/a b b/a b\n--- a/a b\t\n+++ b/a b\t\n{HUNK}");
    assert_eq!(read(&patch)[0].change, Change::Modify(path("a b")));
}

#[test]
fn a_backup_name_on_one_side_is_ignored() {
    for (old, new) in [("a/f.orig", "a/f"), ("a/f", "a/f.orig"), ("x/f", "y/f")] {
        let patch = format!("--- {old}\n+++ {new}\n{HUNK}");
        assert_eq!(read(&patch)[0].change, Change::Modify(path("f")), "{old} {new}");
    }
}

#[test]
fn new_and_deleted_files_are_recognised_by_dev_null_by_mode_and_by_the_first_second_of_1970() {
    let new = [
        "diff --git a/f b/f\nnew file mode 100755\nindex 0..1\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n",
        "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n",
        "--- a/f\t1970-01-01 01:00:00.000000000 +0100\n+++ b/f\t2021-05-03 10:00:00 +0200\n@@ -0,0 +1 @@\n+b\n",
    ];
    for patch in new {
        assert_eq!(read(patch)[0].change, Change::Create(path("f")), "{patch}");
    }
    let gone = [
        "diff --git a/f b/f\ndeleted file mode 100644\nindex 1..0\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
        "--- a/f\t2021-05-03 10:00:00 +0200\n+++ b/f\t1969-12-31 19:00:00.0 -0500\n@@ -1 +0,0 @@\n-a\n",
    ];
    for patch in gone {
        assert_eq!(read(patch)[0].change, Change::Delete(path("f")), "{patch}");
    }
}

#[test]
fn a_hunk_without_old_lines_fills_an_empty_file_or_a_new_one() {
    let plain = "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+b\n";
    assert_eq!(read(plain)[0].change, Change::Fill(path("f")));
    assert_eq!(read(&format!("diff --git a/f b/f\n{plain}"))[0].change, Change::Modify(path("f")));
}

#[test]
fn an_empty_new_file_gets_its_name_from_the_diff_line() {
    let patch = "diff --git a/dir/a b/c b/dir/a b/c\nnew file mode 100644\nindex 0000000..e69de29\n";
    assert_eq!(read(patch)[0].change, Change::Create(path("dir/a b/c")));
}

#[test]
fn renames_and_copies_are_read_with_and_without_hunks() {
    let patch = format!(
        "diff --git a/x/old b/y/new\nsimilarity index 90%\nrename from x/old\nrename to y/new\nindex 1..2 100644\n\
         --- a/x/old\n+++ b/y/new\n{HUNK}\
         diff --git a/one b/two\nsimilarity index 100%\ncopy from one\ncopy to two\n"
    );
    let files = read(&patch);
    assert_eq!(files[0].change, Change::Rename { from: path("x/old"), to: path("y/new") });
    assert_eq!(files[0].hunks.len(), 1);
    assert_eq!(files[1].change, Change::Copy { from: path("one"), to: path("two") });
}

#[test]
fn a_change_of_mode_alone_is_read() {
    let file = read("diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n").remove(0);
    assert_eq!(file.change, Change::Modify(path("run.sh")));
    assert_eq!((file.old_mode, file.new_mode), (Some(Mode::Plain), Some(Mode::Executable)));
}

#[test]
fn quoted_names_with_octal_escapes_are_read() {
    let patch = "diff --git \"a/caf\\303\\251\\t\\\"x\\\"\" \"b/caf\\303\\251\\t\\\"x\\\"\"\nold mode 100644\nnew mode 100755\n";
    assert_eq!(read(patch)[0].change, Change::Modify(path("café\t\"x\"")));
    let patch = format!("--- \"a/caf\\303\\251\"\n+++ \"b/caf\\303\\251\"\n{HUNK}");
    assert_eq!(read(&patch)[0].change, Change::Modify(path("café")));
}

#[test]
fn a_missing_line_feed_belongs_to_the_line_above() {
    let patch =
        "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ Kein Zeilenumbruch\n";
    let texts: Vec<Vec<u8>> = read(patch)[0].hunks[0].lines.iter().map(|line| line.text.clone()).collect();
    assert_eq!(texts, [b"a", b"b"]);
}

#[test]
fn carriage_returns_are_kept_in_lines_and_dropped_from_headers() {
    let patch = "--- a/f\r\n+++ b/f\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n";
    let file = read(patch).remove(0);
    assert_eq!(file.change, Change::Modify(path("f")));
    assert_eq!(file.hunks[0].lines[0].text, b"a\r\n");
}

#[test]
fn an_empty_context_line_may_lack_its_space() {
    let hunk = read("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n\n-a\n+b\n").remove(0).hunks.remove(0);
    assert_eq!(hunk.lines[0], HunkLine { side: Side::Both, text: b"\n".to_vec() });
}

#[test]
fn a_removed_line_that_looks_like_a_header_is_a_removed_line() {
    let patch = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n--- a/x\n+++ b/x\n context\n";
    let lines = &read(patch)[0].hunks[0].lines;
    assert_eq!(lines[0], HunkLine { side: Side::Old, text: b"-- a/x\n".to_vec() });
}

#[test]
fn the_function_name_after_the_ranges_may_be_in_any_encoding() {
    let patch = b"--- a/f\n+++ b/f\n@@ -3 +3 @@ void caf\xe9(void)\n-a\n+b\n";
    assert_eq!(parse(patch, Reading::default()).unwrap()[0].hunks[0].old_start, 3);
}

#[test]
fn the_number_of_stripped_components_is_configurable() {
    let reading = |strip| Reading { strip, reverse: false };
    let patch = format!("--- x/y/f\n+++ x/y/f\n{HUNK}");
    let change = |strip| parse(patch.as_bytes(), reading(strip)).unwrap().remove(0).change;
    assert_eq!(change(0), Change::Modify(path("x/y/f")));
    assert_eq!(change(2), Change::Modify(path("f")));
    assert!(parse(patch.as_bytes(), reading(3)).is_err());
}

#[test]
fn a_reversed_patch_swaps_sides_files_and_order() {
    let patch = "--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n a\n-x\n--- /dev/null\n+++ b/g\n@@ -0,0 +1 @@\n+g\n";
    let files = parse(patch.as_bytes(), Reading { strip: 1, reverse: true }).unwrap();
    assert_eq!(files[0].change, Change::Delete(path("g")));
    assert_eq!(files[1].hunks[0].lines[1].side, Side::New);
}

#[test]
fn a_binary_change_that_the_patch_does_not_contain_is_refused() {
    let body = "Binary files a/logo and b/logo differ\n";
    let patch = format!("diff --git a/logo b/logo\nindex 1..2 100644\n{body}");
    assert_eq!(problem(&patch), (3, Problem::Binary { path: "logo".into() }));
    let plain = format!("--- a/f\n+++ b/f\n{HUNK}Binary files a/logo and b/logo differ\n");
    assert!(matches!(problem(&plain), (6, Problem::Binary { .. })));
}

#[test]
fn submodules_are_refused() {
    let hunk = "@@ -0,0 +1 @@\n+x\n";
    let patch = format!("diff --git a/l b/l\nnew file mode 160000\n--- /dev/null\n+++ b/l\n{hunk}");
    assert_eq!(problem(&patch), (2, Problem::SpecialFile { path: "l".into(), mode: "160000".into() }));
}

#[test]
fn symbolic_links_are_read() {
    let patch = format!("diff --git a/l b/l\nindex 1..2 120000\n--- a/l\n+++ b/l\n{HUNK}");
    let file = read(&patch).remove(0);
    assert!(file.is_link());
    assert_eq!((file.old_mode, file.new_mode), (Some(Mode::Link), Some(Mode::Link)));
    let turned = "diff --git a/l b/l\nold mode 120000\nnew mode 100644\n";
    assert_eq!(problem(turned), (1, Problem::OtherKind));
}

/// By git diff --binary, of `a\0b` to `a\0c` and of nothing to `a\0b`.
#[test]
fn a_damaged_binary_patch_is_refused_with_its_line() {
    let with = |index: &str, body: &str| {
        problem(&format!("diff --git a/l b/l\nindex {index}\nGIT binary patch\n{body}"))
    };
    let full = format!("{}..{}", "1".repeat(40), "2".repeat(40));
    let path = || "l".to_owned();
    assert_eq!(with("1234567..89abcde", "literal 3\nKcmY\n\n"), (3, Problem::BinaryIndex { path: path() }));
    assert_eq!(with(&full, "literal 3\n"), (4, Problem::BinaryData { path: path() }));
    assert_eq!(with(&full, "literal 3\nKcmY\n\n"), (4, Problem::BinaryData { path: path() }));
    assert_eq!(with(&full, "nothing\n"), (4, Problem::BinaryData { path: path() }));
}

#[test]
fn paths_outside_the_tree_are_refused() {
    let why = |name: &str| match problem(&format!("--- {name}\n+++ {name}\n{HUNK}")).1 {
        Problem::OutsideTree { why, .. } => why,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(why("a/../../etc/passwd"), BadName::Parent);
    assert_eq!(why("../etc/passwd"), BadName::Parent);
    assert_eq!(why("/etc/passwd"), BadName::Absolute);
    assert_eq!(why("a//etc/passwd"), BadName::Absolute);
    assert_eq!(why("a/.git/hooks/post-checkout"), BadName::GitDir);
    assert_eq!(why("a/sub/.GIT/config"), BadName::GitDir);
    assert_eq!(why("f"), BadName::Empty);
    assert_eq!(why("\"a/x\\000y\""), BadName::Nul);
    assert_eq!(why("\"a/\\056\\056/x\""), BadName::Parent);
}

#[test]
fn renames_out_of_the_tree_are_refused() {
    let patch = "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to ../y\n";
    assert!(matches!(problem(patch), (4, Problem::OutsideTree { why: BadName::Parent, .. })));
}

#[test]
fn damaged_hunks_are_refused_with_their_line() {
    let with = |hunk: &str| problem(&format!("--- a/f\n+++ b/f\n{hunk}"));
    assert_eq!(with("@@ -1,3 +1,3 @@\n a\n-b\n+c\n"), (7, Problem::Short { missing: 1 }));
    assert!(matches!(with("@@ -1,3 +1,3 @@\n a\n-b\n+c\nfolded by mail\n"), (7, Problem::HunkLine { .. })));
    assert!(matches!(with("@@ -1,2 +1,2 @@\n a\n-b\n+c\n lost\n"), (7, Problem::Long { .. })));
    assert!(matches!(with("@@ -1 +1 @@\n-a\n-b\n"), (5, Problem::Long { .. })));
    assert!(matches!(with("@@ -1,x +1 @@\n-a\n"), (3, Problem::HunkHeader { .. })));
    assert!(matches!(with("@@ -99999999999 +1 @@\n-a\n"), (3, Problem::HunkHeader { .. })));
    assert_eq!(with("@@ -1 +1 @@\n-a\n+b\nstray text\n@@ -9 +9 @@\n-a\n+b\n"), (7, Problem::Orphan));
    assert!(matches!(with("@@ -1 +1 @@\n\\ No newline\n-a\n+b\n"), (4, Problem::HunkLine { .. })));
}

#[test]
fn a_patch_without_a_diff_is_refused() {
    for text in ["", "only words\n", "diff --git of this file\n", "-- \n2.47.3\n"] {
        assert_eq!(problem(text), (1, Problem::NoDiff));
    }
}

/// What is not understood outside of a commit message is an error, also before the first file.
#[test]
fn no_part_of_a_diff_is_passed_over() {
    let good = format!("--- a/g\n+++ b/g\n{HUNK}");
    let cases = [
        (format!("--- a/f\n+++ b/f\nstray\n{HUNK}{good}"), 1),
        (format!("--- a/f\n+++ b/f\n\n{HUNK}{good}"), 1),
        (format!("text\n+++ b/f\n{HUNK}{good}"), 3),
        (format!("text\n--- a/f\n{HUNK}{good}"), 3),
        (format!("text\n{HUNK}{good}"), 2),
        (format!("{good}diff --git a/f b/f\nindex 1..2 100644\n"), 6),
        (format!("diff --git a/f b/f\nindex 1..2 100644\n{good}"), 1),
        (format!("diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n{good}"), 3),
        (format!("{good}diff --git a/f b/f\n"), 6),
        (format!("{good}diff --cc f\nindex 1,2..3\n--- a/f\n+++ b/f\n@@@ -1 -1 +1 @@@\n- a\n -b\n++c\n"), 6),
        (format!("{good}@@@ -1 -1 +1 @@@\n- a\n -b\n++c\n"), 6),
        (format!("{good}*** a/f\n--- b/f\n***************\n*** 1 ****\n! a\n--- 1 ----\n! b\n"), 6),
        (format!("*** a/f\n--- b/f\n***************\n*** 1 ****\n! a\n--- 1 ----\n! b\n{good}"), 1),
        ("--- a/f\n+++ b/f\n@@ -1 +1,2 @@\n a\n+half a li".to_owned(), 5),
        ("--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-a\n b".to_owned(), 5),
    ];
    for (patch, line) in cases {
        assert_eq!(
            parse(patch.as_bytes(), Reading::default()).map_err(|error| error.line),
            Err(line),
            "{patch}"
        );
    }
}

#[test]
fn a_commit_message_may_quote_a_diff() {
    let commit = |text: &str, path: &str| {
        let hash = "41394d654b64f02a3b7b246990679a808bacf697";
        format!(
            "From {hash} Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n\n{text}\n---\n {path} | 2 +-\n 1 file changed, 1 \
             insertion(+)\n\ndiff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n{HUNK}-- \n2.47.3\n\n"
        )
    };
    let quoted = format!("The hunk was lost:\n\n{HUNK}\nand diff --git too");
    let patch = commit(&quoted, "f") + &commit(&quoted, "g");
    let files = parse(patch.as_bytes(), Reading::default()).unwrap();
    assert_eq!(
        files.iter().map(|file| &file.change).collect::<Vec<_>>(),
        [&Change::Modify("f".into()), &Change::Modify("g".into())]
    );
}

#[test]
fn text_right_behind_a_hunk_is_not_part_of_it() {
    for text in
        ["---\nnotes\n", "--\nnotes\n", "-- \n2.47.3\n", " f | 2 +-\n 1 file changed, 1 insertion(+)\n"]
    {
        let patch = format!("--- a/f\n+++ b/f\n{HUNK}{text}");
        assert_eq!(parse(patch.as_bytes(), Reading::default()).unwrap().len(), 1, "{text}");
    }
}

#[test]
fn git_needs_no_mode_to_create_or_delete_a_file() {
    let create = "diff --git a/f b/f\nindex 0..1\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n";
    let delete = "diff --git a/f b/f\nindex 1..0\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n";
    let change = |patch: &str| parse(patch.as_bytes(), Reading::default()).unwrap().remove(0).change;
    assert_eq!(change(create), Change::Create("f".into()));
    assert_eq!(change(delete), Change::Delete("f".into()));
}

#[test]
fn a_long_line_takes_no_longer() {
    let patch = format!("diff --git {}\nold mode 100644\nnew mode 100755\n", "a ".repeat(60_000));
    let started = std::time::Instant::now();
    assert!(matches!(problem(&patch), (1, Problem::FileName { .. })));
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn a_new_file_with_old_lines_is_refused() {
    let patch = "--- /dev/null\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";
    assert_eq!(problem(patch), (1, Problem::Contradiction { what: "creates a file" }));
}

#[test]
fn a_hunk_below_the_name_of_its_file_is_no_text_of_a_message() {
    let patch =
        format!("From: A\nSubject: x\n\ntext\n+++ b/f\n{HUNK}more text\n---\n--- a/g\n+++ b/g\n{HUNK}");
    let error = parse(patch.as_bytes(), Reading::default()).unwrap_err();
    assert_eq!((error.line, error.problem), (6, Problem::Orphan));
}

#[test]
fn both_names_before_the_hunks_must_be_those_of_gits_header() {
    for (header, old, new) in [("", "x", "f"), ("", "f", "x"), ("rename from f\nrename to g\n", "f", "x")] {
        let end = if header.is_empty() { "f" } else { "g" };
        let patch = format!("diff --git a/f b/{end}\n{header}--- a/{old}\n+++ b/{new}\n{HUNK}");
        let error = parse(patch.as_bytes(), Reading::default()).unwrap_err();
        assert!(matches!(error.problem, Problem::OtherName { ref name, .. } if name == "x"), "{error:?}");
    }
}

#[test]
fn a_header_of_a_hunk_is_never_text_between_files() {
    for patch in [
        format!("From: A\nSubject: x\n\n+++ b/f\n@@ -1 +1 @@\nFixes: 1\n---\n--- a/g\n+++ b/g\n{HUNK}"),
        format!(
            "From: A\nSubject: x\n---\ndiff --git a/f b/f\n@@ -1 +1 @@\nindex 1..2\n--- a/f\n+++ b/f\n{HUNK}"
        ),
    ] {
        let error = parse(patch.as_bytes(), Reading::default()).unwrap_err();
        assert_eq!((error.line, error.problem), (5, Problem::Orphan));
    }
}

#[test]
fn a_header_that_is_cut_in_the_middle_of_a_line_creates_no_file() {
    let patch = format!("--- a/f\n+++ b/f\n{HUNK}diff --git a/g b/g\nnew file mode 100644");
    let error = parse(patch.as_bytes(), Reading::default()).unwrap_err();
    assert!(matches!(error.problem, Problem::Cut { .. }), "{error:?}");
    assert_eq!(parse(format!("{patch}\n").as_bytes(), Reading::default()).unwrap().len(), 2);
}
