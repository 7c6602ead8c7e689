use super::*;
use crate::base::error::Explain;
use crate::kernel::series::load;
use crate::kernel::toolchain::{Compiler, Toolchain};

const DIFF: &str = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";

fn toolchain() -> Toolchain {
    Toolchain {
        compiler: Compiler::Gcc,
        cc: "gcc".into(),
        cc_version: "gcc 12.2.0".into(),
        cc_text: String::new(),
        ld_version: "GNU ld 2.40".into(),
        rust: None,
        pahole_version: None,
    }
}

fn load_for(path: &Path, release: &str) -> Result<Series, Error> {
    load(path.to_str().unwrap(), &release.parse().unwrap(), Lang::C, &toolchain())
}

fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("My_Series v2");
    for (name, content) in files {
        let file = path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    (dir, path)
}

#[test]
fn a_quilt_series_keeps_order_options_and_comments() {
    let list = "# heading\n\nb.patch   # why\na.patch -p0\nsub/c#1.patch -pab -R\n";
    let (_dir, path) =
        directory(&[("series", list), ("a.patch", DIFF), ("b.patch", DIFF), ("sub/c#1.patch", DIFF)]);
    let series = load_for(&path, "6.1.187").unwrap();
    assert_eq!(series.name, "my-series-v2");
    let readings: Vec<(bool, Reading)> =
        series.patches.iter().map(|patch| (patch.content == DIFF.as_bytes(), patch.reading)).collect();
    let reading = |strip, reverse| (true, Reading { strip, reverse });
    assert_eq!(readings, [reading(1, false), reading(0, false), reading(1, true)]);
    assert!(series.patches[0].name.ends_with("b.patch"));
}

#[test]
fn a_quilt_option_that_would_be_ignored_is_refused() {
    let (_dir, path) = directory(&[("series", "a.patch --fuzz=3\n"), ("a.patch", DIFF)]);
    let error = load_for(&path, "6.1.187").unwrap_err();
    assert!(
        matches!(&error, Error::QuiltOption { line: 1, option, .. } if option == "--fuzz=3"),
        "{error:?}"
    );
}

#[test]
fn a_directory_needs_a_series_file_with_existing_patches() {
    let (_dir, path) = directory(&[("a.patch", DIFF)]);
    assert!(matches!(load_for(&path, "6.1.187"), Err(Error::NoSeriesFile { .. })));
    let (_dir, path) = directory(&[("series", "# nothing\n")]);
    assert!(matches!(load_for(&path, "6.1.187"), Err(Error::Empty { .. })));
    let (_dir, path) = directory(&[("series", "gone.patch\n")]);
    assert!(matches!(load_for(&path, "6.1.187"), Err(Error::Io(_))));
}

#[test]
fn a_described_user_series_is_chosen_by_line() {
    let text = "title = 'mine'\n[lines.'6.1.y']\nc = { patches = ['x.patch'] }\n";
    let (_dir, path) = directory(&[("series.toml", text), ("6.1/x.patch", DIFF)]);
    let series = load_for(&path, "6.6.3").unwrap();
    assert_eq!((series.title.as_str(), series.patches.len()), ("mine", 1));
    assert_eq!(series.borrowed_from, Some("6.1.y".parse().unwrap()));
    assert!(matches!(load_for(&path, "5.12"), Err(Error::NoLine { .. })));
}

#[test]
fn a_description_can_accompany_a_quilt_series() {
    let (_dir, path) = directory(&[("series.toml", "title = 'mine'\n"), ("series", "a\n"), ("a", DIFF)]);
    let series = load_for(&path, "6.1.187").unwrap();
    assert_eq!((series.title.as_str(), series.patches.len()), ("mine", 1));
}

#[test]
fn an_invalid_description_is_refused() {
    let (_dir, path) = directory(&[("series.toml", "title = 'mine'\n[lines.'six']\n")]);
    assert!(matches!(load_for(&path, "6.1.187"), Err(Error::Metadata { .. })));
}

#[test]
fn an_mbox_is_a_series() {
    let mail = |n: u32| format!("From a Mon May  3 10:00:00 2021\nSubject: [PATCH {n}/2] p{n}\n\n{DIFF}\n");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fixes.mbox");
    fs::write(&path, mail(1) + &mail(2)).unwrap();
    let series = load_for(&path, "6.1.187").unwrap();
    assert_eq!(series.name, "fixes");
    assert!(series.patches[1].name.ends_with("fixes.mbox ([PATCH 2/2] p2)"), "{}", series.patches[1].name);
}

#[test]
fn a_series_that_would_fill_the_memory_is_refused_with_another_way() {
    for (part, count) in [
        ("+\n".to_owned(), MOST_LINES),
        ("x".repeat(1 << 20) + "\n", MOST_BYTES as usize >> 20),
        (DIFF.to_owned(), MOST_FILES),
        ("diff --git a/f b/g\nrename from f\nrename to g\n".to_owned(), MOST_FILES),
    ] {
        // Two patches that are small enough alone.
        let half = DIFF.to_owned() + &part.repeat(count / 2 + 1);
        let (_dir, path) =
            directory(&[("series", "a.patch\nb.patch\n"), ("a.patch", &half), ("b.patch", &half)]);
        let error = load_for(&path, "6.1.187").unwrap_err();
        let Error::LargeSeries { path, .. } = &error else { panic!("{error:?}") };
        assert!(path.ends_with("b.patch"), "{error}");
        assert!(error.next_step().unwrap().contains("--source dir:"));
    }
}

#[test]
fn patches_of_a_description_may_be_compressed_mails_as_in_a_quilt_series() {
    let mail = format!(
        "From: A <a@example.org>\nSubject: [PATCH] f\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n---\n{}",
        DIFF.replace("+b", "+b=3D1")
    );
    let description = "title = 'mine'\n[lines.'6.1.y']\nc = { patches = ['x.patch'] }\n";
    let (_dir, path) = directory(&[("series.toml", description), ("6.1/x.patch", &mail)]);
    let series = load_for(&path, "6.1.187").unwrap();
    let text = String::from_utf8_lossy(&series.patches[0].content);
    assert!(text.ends_with(&DIFF.replace("+b", "+b=1")), "{text}");
}
