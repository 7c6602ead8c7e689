//! The layout of the tests: every file is compiled, and `tests/suites`, its modules and its documentation agree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(&path)).unwrap_or_else(|error| panic!("{:?}: {error}", path.as_ref()))
}

/// Returns every Rust file below `directory`, relative to the project.
fn sources(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(directory)).unwrap() {
        let path = format!("{directory}/{}", entry.unwrap().file_name().to_str().unwrap());
        match root().join(&path).is_dir() {
            true => found.extend(sources(&path)),
            false if path.ends_with(".rs") => found.push(path.into()),
            false => {}
        }
    }
    found
}

/// Returns the file that must declare `file` as a module, and the module's name; `None` for the root of a binary.
fn declared_in(file: &Path) -> Option<(PathBuf, String)> {
    let directory = file.parent().unwrap();
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let (module, above) = match stem(file).as_str() {
        "main" => return None,
        "mod" => (stem(directory), directory.parent().unwrap()),
        name => (name.to_owned(), directory),
    };
    let roots = ["main.rs", "mod.rs"].map(|name| above.join(name));
    // The directory of the helpers has no root: each binary declares it.
    let root = roots.into_iter().find(|path| root().join(path).exists());
    Some((root.unwrap_or_else(|| PathBuf::from("tests/fast/main.rs")), module))
}

#[test]
fn every_file_is_part_of_a_test_binary() {
    let files: Vec<_> = ["fast", "real", "measure", "support"]
        .iter()
        .flat_map(|name| sources(&format!("tests/{name}")))
        .collect();
    assert!(files.len() > 60, "{}", files.len());
    for file in files {
        let Some((parent, module)) = declared_in(&file) else { continue };
        let declares = |line: &str| line == format!("mod {module};") || line == format!("pub mod {module};");
        assert!(
            read(&parent).lines().any(declares),
            "{} is not a module of {}",
            file.display(),
            parent.display()
        );
    }
    for binary in fs::read_dir(root().join("tests")).unwrap() {
        let path = binary.unwrap().path();
        assert!(
            path.extension().is_none_or(|end| end != "rs"),
            "{} is a separate test binary",
            path.display()
        );
    }
}

/// A stanza of `tests/suites`.
type Suite = BTreeMap<String, String>;

fn suites() -> Vec<Suite> {
    let text = read("tests/suites");
    let stanzas = text.split("\n\n").filter(|stanza| stanza.starts_with("Suite: "));
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
        (name.to_owned(), value.trim().to_owned())
    };
    stanzas.map(|stanza| stanza.lines().map(field).collect()).collect()
}

#[test]
fn every_module_of_a_slow_binary_is_a_suite_and_every_suite_a_module() {
    let mut modules = Vec::new();
    for binary in ["real", "measure"] {
        let text = read(format!("tests/{binary}/main.rs"));
        let names = text.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        modules
            .extend(names.filter(|name| *name != "support").map(|name| format!("--test {binary} {name}::")));
    }
    let mut commands: Vec<_> = suites().iter().map(|suite| suite["Tests"].clone()).collect();
    assert_eq!(commands.remove(0), "", "the first suite is `cargo test` itself");
    modules.sort();
    commands.sort();
    assert_eq!(commands, modules);
    for suite in &suites()[1..] {
        assert!(suite["Tests"].ends_with(&format!(" {}::", suite["Suite"])), "{suite:?}");
        assert!(["default", "slow"].contains(&suite["Tier"].as_str()), "{suite:?}");
        assert!(
            suite["Minutes"].parse::<u32>().is_ok() && suite["Threads"].parse::<u32>().is_ok(),
            "{suite:?}"
        );
    }
}

/// The test harness selects every test whose path contains the filter.
#[test]
fn no_suite_selects_the_tests_of_another() {
    let files = ["tests/real", "tests/measure"].map(sources).concat();
    for file in files.iter().filter(|file| read(file).contains("#[test]")) {
        let below: Vec<_> =
            file.iter().skip(2).map(|part| part.to_str().unwrap().trim_end_matches(".rs")).collect();
        for suite in suites() {
            let selects = below.iter().any(|part| part.ends_with(&suite["Suite"]));
            assert_eq!(
                selects,
                below[0] == suite["Suite"],
                "{} and suite {}",
                file.display(),
                suite["Suite"]
            );
        }
    }
}

#[test]
fn every_source_that_a_suite_concerns_exists() {
    for suite in suites() {
        for path in suite["Sources"].split_whitespace() {
            assert!(root().join(path).exists(), "suite {}: {path} does not exist", suite["Suite"]);
        }
    }
}

/// Returns the Debian and Python packages of a suite, as the documentation lists them.
fn needs(suite: &Suite) -> String {
    let python = suite.get("Python").map_or("", String::as_str);
    let words = suite["Packages"].split_whitespace().chain(python.split_whitespace());
    let shown = words.map(|word| match word.strip_prefix('@') {
        Some(group) => format!("the {group} group"),
        None => format!("`{word}`"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_table_in_the_documentation_matches_the_suites() {
    let mut table = String::new();
    for suite in suites() {
        let words = ["Suite", "Proves", "Against", "Minutes"].map(|field| suite[field].as_str());
        let [name, proves, against, minutes] = words;
        table += &format!("| `{name}` | {proves} | {against} | {} | {minutes} |\n", needs(&suite));
    }
    assert!(read("tests/README.md").contains(&table), "tests/README.md lacks these rows:\n{table}");
}
