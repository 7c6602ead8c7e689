//! `packaging/tool/THIRD-PARTY.md` has the licences of exactly the crates that the program links.
//!
//! `KPATCH_BUILD_UPDATE=1 cargo test --test fast notices::` writes it, from the crates' own files in cargo's registry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The only platform the tool is built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Beginnings of the names of files with a licence or a notice, in lower case.
const NAMES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

struct Crate {
    name: String,
    licence: String,
    authors: Vec<String>,
    dir: PathBuf,
}

/// The crates that the program links, by name and version. A crate `*-src` is a build dependency, but what it compiles is
/// linked.
fn linked() -> BTreeMap<(String, String), Crate> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", TARGET])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (id(&package["id"]), package)).collect();
    let nodes: BTreeMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (id(&node["id"]), node)).collect();
    let mut waiting = vec![id(&metadata["resolve"]["root"])];
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    while let Some(node) = waiting.pop() {
        for dependency in list(&nodes[&node]["deps"]) {
            let package = id(&dependency["pkg"]);
            let kind = |wanted: &dyn Fn(&Value) -> bool| {
                list(&dependency["dep_kinds"]).iter().any(|kind| wanted(&kind["kind"]))
            };
            let source = packages[&package]["name"].as_str().unwrap().ends_with("-src")
                && kind(&|kind| kind == "build");
            if (kind(&Value::is_null) || source) && seen.insert(package.clone()) {
                waiting.push(package);
            }
        }
    }
    seen.remove(&id(&metadata["resolve"]["root"]));
    seen.iter().map(|id| described(&packages[id])).collect()
}

fn id(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn described(package: &Value) -> ((String, String), Crate) {
    let text = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
    let manifest = PathBuf::from(text("manifest_path"));
    let authors = package["authors"].as_array().unwrap();
    let described = Crate {
        name: text("name"),
        licence: text("license"),
        authors: authors.iter().filter_map(|author| Some(author.as_str()?.to_owned())).collect(),
        dir: manifest.parent().unwrap().to_owned(),
    };
    ((text("name"), text("version")), described)
}

/// The files with licences and notices. Crates that contain a C library have that library's in directories.
fn files(dir: &Path, depth: usize) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
        let is_text = !name.ends_with(".rs") && !name.ends_with(".pm") && !name.ends_with(".py");
        if path.is_dir() && depth > 0 {
            found.extend(files(&path, depth - 1));
        } else if path.is_file() && is_text && NAMES.iter().any(|start| name.starts_with(start)) {
            found.push(path);
        }
    }
    found
}

fn document() -> String {
    let crates = linked();
    let mut text = "# Third-party notices\n\nThe program kpatch-build links these crates. Their licences and notices follow, \
         each text once.\n\n| crate | version | licence |\n|---|---|---|\n"
        .to_owned();
    // Each text with the crates that contain it.
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ((name, version), described) in &crates {
        writeln!(text, "| {name} | {version} | {} |", described.licence).unwrap();
        let is_library = name.ends_with("-sys") || name.ends_with("-src");
        let files = files(&described.dir, if is_library { 2 } else { 0 });
        let own = format!(
            "Copyright: {}",
            if described.authors.is_empty() {
                format!("the authors of {}", described.name)
            } else {
                described.authors.join(", ")
            }
        );
        let contents: Vec<_> = match files.is_empty() {
            true => vec![own],
            false => files
                .iter()
                .map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned())
                .collect(),
        };
        for content in contents {
            let lines: Vec<_> = content.lines().map(str::trim_end).collect();
            let content = lines.join("\n").trim_matches('\n').to_owned();
            texts.entry(content).or_default().insert(format!("{name} {version}"));
        }
    }
    for (content, names) in texts {
        let names: Vec<_> = names.into_iter().collect();
        write!(text, "\n## {}\n\n~~~~~text\n{content}\n~~~~~\n", names.join(", ")).unwrap();
    }
    text
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/tool/THIRD-PARTY.md")
}

#[test]
fn the_notices_list_exactly_the_linked_crates() {
    if std::env::var_os("KPATCH_BUILD_UPDATE").is_some_and(|value| value == "1") {
        fs::write(path(), document()).unwrap();
    }
    let text = fs::read_to_string(path()).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let listed: BTreeSet<(String, String)> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
            (cells[1].clone(), cells[2].clone())
        })
        .collect();
    let linked: BTreeSet<_> = linked().into_keys().collect();
    let changed: Vec<_> = listed.symmetric_difference(&linked).collect();
    assert!(changed.is_empty(), "{changed:?}: KPATCH_BUILD_UPDATE=1 cargo test --test fast notices::");
    // Each crate has at least one text.
    for (name, version) in linked {
        let named = |line: &str| {
            line.strip_prefix("## ")
                .is_some_and(|names| names.split(", ").any(|found| found == format!("{name} {version}")))
        };
        assert!(text.lines().any(named), "{name} {version} has no text");
    }
}
