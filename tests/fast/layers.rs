//! The layers in ARCHITECTURE.md: a module uses only modules in lower layers, and the entries of one directory of
//! `src` form no cycle.
//!
//! The test parses `use` trees and inline `crate::…` paths. It skips test modules, and imports between a directory's
//! `mod.rs` and its files, because `mod.rs` is the directory's facade.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Graph = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the first word of each line of the `layers` block of ARCHITECTURE.md, top layer first.
fn layers() -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("```layers\n").expect("ARCHITECTURE.md has a `layers` block");
    let (block, _) = rest.split_once("```").expect("the `layers` block ends");
    block.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The stages in the sentence of ARCHITECTURE.md that gives their order, the last stage first.
fn stages() -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("In `stages` the order is ").expect("ARCHITECTURE.md orders the stages");
    let (order, _) = rest.split_once('.').expect("the order ends with a full stop");
    order.split(',').map(|stage| stage.trim().to_owned()).collect()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "lib.rs" {
            found.push(path);
        }
    }
}

/// `["stages", "fetch", "http"]` for `src/stages/fetch/http.rs`; `mod.rs` is its directory.
fn module(path: &Path) -> Vec<String> {
    let below = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut parts: Vec<_> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Returns the text without comments and without test modules.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Expands a `use` tree: `a::{b, c::{d, e}}` gives `a::b`, `a::c::d` and `a::c::e`.
fn expand(tree: &str, paths: &mut Vec<String>) {
    let Some((start, rest)) = tree.split_once('{') else {
        paths.push(tree.split(" as ").next().unwrap().trim().to_owned());
        return;
    };
    let body = rest.rsplit_once('}').map_or(rest, |(body, _)| body);
    let (mut depth, mut branch) = (0, String::new());
    for character in body.chars().chain([',']) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if character == ',' && depth == 0 {
            if !branch.trim().is_empty() {
                expand(&format!("{start}{}", branch.trim()), paths);
            }
            branch.clear();
        } else {
            branch.push(character);
        }
    }
}

/// Returns the paths that a module's code names, from the crate's root.
fn named(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (start, _) in code.match_indices("use ") {
        let tree = code[start + 4..].split(';').next().unwrap();
        if ["crate::", "super::", "self::", "kpatch_build::"].iter().any(|root| tree.starts_with(root)) {
            expand(&tree.split_whitespace().collect::<Vec<_>>().join(" "), &mut paths);
        }
    }
    for root in ["crate::", "super::"] {
        for (start, _) in code.match_indices(root) {
            let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            paths.push(code[start..].chars().take_while(|c| is_path(*c)).collect());
        }
    }
    paths.into_iter().map(|path| absolute(&path, module)).collect()
}

fn absolute(path: &str, module: &[String]) -> Vec<String> {
    let mut parts: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
    let mut base = match parts[0].as_str() {
        "crate" | "kpatch_build" => Vec::new(),
        _ => module.to_vec(),
    };
    while let Some("crate" | "kpatch_build" | "super" | "self") = parts.first().map(String::as_str) {
        if parts.remove(0) == "super" {
            base.pop();
        }
    }
    base.extend(parts);
    base
}

/// Returns every use of one module by another, as pairs of module paths (`stages::fetch::http`).
fn graph() -> Vec<(Vec<String>, Vec<String>)> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let modules: BTreeSet<Vec<String>> = files.iter().map(|path| module(path)).collect();
    let mut uses = Vec::new();
    for path in &files {
        let from = module(path);
        let text = code(&fs::read_to_string(path).unwrap());
        for named in named(&text, &from) {
            let known = (1..=named.len()).rev().map(|count| named[..count].to_vec());
            if let Some(to) = known.into_iter().find(|path| modules.contains(path)) {
                uses.push((from.clone(), to));
            }
        }
    }
    uses
}

/// Returns the uses between the entries of each directory, by directory.
fn siblings(uses: &[(Vec<String>, Vec<String>)]) -> BTreeMap<String, Graph> {
    let mut directories: BTreeMap<String, Graph> = BTreeMap::new();
    for (from, to) in uses {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) else { continue };
        let directory = directories.entry(from[..shared].join("/")).or_default();
        directory.entry(a.clone()).or_default().insert(b.clone());
    }
    directories
}

/// Returns a path from `start` back to `start`, or `None` if there is no cycle.
fn cycle(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut paths = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop() {
        for next in graph.get(path.last().unwrap()).into_iter().flatten() {
            if next == start {
                return Some([path, vec![next.clone()]].concat());
            }
            if seen.insert(next.clone()) {
                paths.push([path.clone(), vec![next.clone()]].concat());
            }
        }
    }
    None
}

fn cycles(directories: &BTreeMap<String, Graph>) -> Vec<String> {
    let mut found = Vec::new();
    for (directory, graph) in directories {
        for start in graph.keys() {
            found.extend(cycle(graph, start).map(|path| format!("src/{directory}: {}", path.join(" -> "))));
        }
    }
    found
}

/// Returns the uses of a higher layer; `order` is from top to bottom.
fn upward_uses(graph: &Graph, order: &[String]) -> Vec<String> {
    let rank = |name: &String| order.iter().position(|layer| layer == name);
    let mut found = Vec::new();
    for (from, targets) in graph {
        let own = rank(from).unwrap_or_else(|| panic!("ARCHITECTURE.md names no layer {from}"));
        for to in targets {
            if rank(to).unwrap_or_else(|| panic!("ARCHITECTURE.md names no layer {to}")) <= own {
                found.push(format!("{from} -> {to}"));
            }
        }
    }
    found
}

#[test]
fn a_module_uses_only_lower_layers() {
    let directories = siblings(&graph());
    assert_eq!(upward_uses(&directories[""], &layers()), Vec::<String>::new());
    assert_eq!(upward_uses(&directories["stages"], &stages()), Vec::<String>::new());
}

#[test]
fn no_directory_has_a_cycle_between_its_entries() {
    let directories = siblings(&graph());
    assert!(directories.len() > 15, "too few imports were parsed: {:?}", directories.keys());
    let cycles = cycles(&directories);
    println!("{} cycles in {} directories", cycles.len(), directories.len());
    assert_eq!(cycles, Vec::<String>::new());
}

#[test]
fn each_entry_of_src_is_a_layer_and_there_are_at_most_14() {
    let mut entries: Vec<_> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().replace(".rs", ""))
        .collect();
    println!("{} entries in src", entries.len());
    assert!(entries.len() <= 14, "{entries:?}");
    entries.retain(|name| name != "lib" && name != "probe");
    entries.sort();
    let mut layers = layers();
    layers.sort();
    assert_eq!(entries, layers);
}

#[test]
fn an_upward_use_and_a_cycle_are_found() {
    let code = "use super::store::Store;\nfn f() -> crate::cli::args::Cli { todo() }\n";
    let uses: Vec<_> = named(code, &["base".into(), "events".into()])
        .into_iter()
        .map(|to| (vec!["base".to_owned(), "events".to_owned()], to))
        .collect();
    let mut directories = siblings(&uses);
    assert_eq!(upward_uses(&directories[""], &layers()), ["base -> cli"]);
    assert_eq!(cycles(&directories), Vec::<String>::new());
    let base = directories.get_mut("base").unwrap();
    base.entry("store".into()).or_default().insert("events".into());
    assert!(cycles(&directories).iter().any(|cycle| cycle.contains("events -> store -> events")));
}

#[test]
fn use_trees_are_expanded() {
    let mut paths = Vec::new();
    expand("crate::a::{self, b as c, d::{E, F}}", &mut paths);
    assert_eq!(paths, ["crate::a::self", "crate::a::b", "crate::a::d::E", "crate::a::d::F"]);
}
