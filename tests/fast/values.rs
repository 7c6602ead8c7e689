//! The tables of `docs/src/internals/values.md` name what the code has, and stay within half of the 15, 17 and 17 files that
//! the review of the first tree counted. A step that the page leaves out is not noticed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

/// The most files that each table may have, in the order of the page.
const LIMITS: [(&str, usize); 3] = [
    ("A kernel configuration: `--kconfig` to `.config`", 7),
    ("A register: from the guest to the comparison page", 8),
    ("A private key: from the command line to a signature", 8),
];

struct Walk {
    title: String,
    /// The file of each row, and the names that it must have.
    steps: Vec<(String, Vec<String>)>,
}

fn walks() -> Vec<Walk> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/internals/values.md");
    let row = Regex::new(r"^\| `(src/[^`]+)` \| (.+?) \|").unwrap();
    let name = Regex::new("`([^`]+)`").unwrap();
    let mut walks: Vec<Walk> = Vec::new();
    for line in fs::read_to_string(page).unwrap().lines() {
        if let Some(title) = line.strip_prefix("## ") {
            walks.push(Walk { title: title.into(), steps: Vec::new() });
        } else if let Some(cells) = row.captures(line) {
            let names = name.captures_iter(&cells[2]).map(|name| name[1].to_owned()).collect();
            walks.last_mut().expect("a table has a heading").steps.push((cells[1].to_owned(), names));
        }
    }
    walks
}

/// The names that `path` does not have outside its comments and tests.
fn missing<'n>(path: &str, names: &'n [String]) -> Vec<&'n str> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let has = |name: &str| Regex::new(&format!(r"\b{}\b", regex::escape(name))).unwrap().is_match(&code);
    names.iter().map(String::as_str).filter(|name| !has(name)).collect()
}

#[test]
fn every_step_names_what_its_file_has() {
    for walk in walks() {
        for (path, names) in &walk.steps {
            assert!(!names.is_empty(), "{path} has no name");
            assert_eq!(missing(path, names), [""; 0], "{path}");
        }
    }
    assert_eq!(missing("src/lib.rs", &["no_such_name".to_owned()]), ["no_such_name"]);
}

#[test]
fn each_table_lists_at_most_half_of_the_files_of_the_first_tree() {
    let walks = walks();
    let titles: Vec<_> = walks.iter().map(|walk| walk.title.as_str()).collect();
    assert_eq!(titles, LIMITS.map(|(title, _)| title));
    for (walk, (title, limit)) in walks.iter().zip(LIMITS) {
        let files: BTreeSet<_> = walk.steps.iter().map(|(path, _)| path).collect();
        println!("{title}: {} files of at most {limit}", files.len());
        assert!((1..=limit).contains(&files.len()), "{title}: {files:?}");
    }
}
