//! Every link in the documentation has a target, every page of the book is in its table of contents, and the generated
//! reference pages are current.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kpatch_build::cli::reference;
use kpatch_build::{compare, report};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::support::generated;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files that git tracks.
fn pages() -> Vec<PathBuf> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "git lists the files");
    let names = String::from_utf8(listed.stdout).unwrap();
    let pages: Vec<_> = names.split_terminator('\0').map(|name| root().join(name)).collect();
    pages.into_iter().filter(|page| page.exists()).collect()
}

struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

fn read(path: &Path) -> Page {
    let text = fs::read_to_string(path).unwrap();
    let mut page = Page { links: Vec::new(), anchors: BTreeSet::new() };
    let mut heading: Option<String> = None;
    for event in Parser::new(&text) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(dest_url.into_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                page.anchors.extend(heading.take().map(|text| anchor(&text)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => page.links.extend(html_links(&html)),
            _ => {}
        }
    }
    for included in included(path, &text) {
        page.anchors.extend(read(&included).anchors);
    }
    page
}

/// The files that mdBook inserts for `{{#include FILE}}` and `{{#include FILE:ANCHOR}}`.
fn included(page: &Path, text: &str) -> Vec<PathBuf> {
    let names = text.split("{{#include ").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
    names.map(|name| page.parent().unwrap().join(name.trim())).collect()
}

/// `href`, `src` and `srcset` of a piece of HTML.
fn html_links(html: &str) -> Vec<String> {
    let values = ["href=\"", "src=\"", "srcset=\""].iter().flat_map(|name| html.split(name).skip(1));
    values.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// The anchor that GitHub and mdBook give a heading: lower case, `-` for spaces, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// Returns why `link` on `page` is dead, or `None` if its target exists.
fn fault(page: &Path, link: &str) -> Option<String> {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (file, fragment) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = match file {
        "" => page.to_owned(),
        file => page.parent().unwrap().join(file),
    };
    if !target.exists() {
        return Some("no such file".to_owned());
    }
    let fragment = fragment.filter(|_| target.extension().is_some_and(|extension| extension == "md"))?;
    (!read(&target).anchors.contains(fragment)).then(|| format!("no heading {fragment}"))
}

#[test]
fn every_link_has_a_target() {
    let pages = pages();
    assert!(pages.len() > 30, "{}", pages.len());
    let mut faults = Vec::new();
    for page in &pages {
        for link in read(page).links {
            faults.extend(fault(page, &link).map(|why| format!("{}: {link}: {why}", page.display())));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_dead_link_is_found() {
    let readme = root().join("README.md");
    assert_eq!(fault(&readme, "docs/no-such-page.md").as_deref(), Some("no such file"));
    assert_eq!(fault(&readme, "#no-such-heading").as_deref(), Some("no heading no-such-heading"));
    assert_eq!(fault(&readme, "docs/src/SUMMARY.md"), None);
}

#[test]
fn the_table_of_contents_names_every_page_of_the_book() {
    let book = root().join("docs/src");
    let listed: BTreeSet<PathBuf> =
        read(&book.join("SUMMARY.md")).links.iter().map(|link| book.join(link)).collect();
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| page.starts_with(&book) && !page.ends_with("SUMMARY.md") && !listed.contains(page))
        .collect();
    assert_eq!(missing, Vec::<PathBuf>::new());
}

#[test]
fn headings_become_anchors_as_on_github() {
    assert_eq!(anchor("`compare.json`: cells & boots"), "comparejson-cells--boots");
}

#[test]
fn cli_reference_is_current() {
    let page = reference::page();
    for name in ["kpatch-build", "kpatch-build series check", "kpatch-build cache remove"] {
        assert!(page.contains(&format!("\n## `{name}`\n")), "{name}");
    }
    assert!(
        page.contains("`--secure-boot-key FILE`") && !page.contains("--sign-key"),
        "old names stay hidden"
    );
    generated::check(&root().join("docs/src/reference/cli.md"), &page);
}

#[test]
fn schemas_are_current() {
    let reference = root().join("docs/src/reference");
    generated::check(&reference.join("report.schema.json"), &report::schema());
    generated::check(&reference.join("compare.schema.json"), &compare::schema());
}

/// Returns the paths of the types and properties without a description.
fn undescribed(schema: &serde_json::Value) -> Vec<String> {
    let described = |value: &serde_json::Value| value["description"].is_string();
    let mut missing = Vec::new();
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in definitions.iter().chain([(&"root".to_owned(), schema)]) {
        if !described(definition) {
            missing.push(name.clone());
        }
        let properties = definition["properties"].as_object().into_iter().flatten();
        // The description of the type covers all registers.
        let fields = properties.filter(|_| name != "Registers").filter(|(_, field)| !described(field));
        missing.extend(fields.map(|(field, _)| format!("{name}.{field}")));
    }
    missing
}

#[test]
fn every_field_of_a_schema_is_described() {
    for text in [report::schema(), compare::schema()] {
        let schema = serde_json::from_str(&text).unwrap();
        assert_eq!(undescribed(&schema), [""; 0]);
    }
    let bare = serde_json::json!({"description": "x", "properties": {"y": {}}, "$defs": {"Z": {}}});
    assert_eq!(undescribed(&bare), ["Z", "root.y"]);
}
