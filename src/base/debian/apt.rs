//! The repositories that the host's apt is configured with: sources.list(5), in both of its formats.

use std::path::{Path, PathBuf};

use deb822_fast::Deb822;
use fs_err as fs;

use crate::base::openpgp::verify::Certificates;

/// One repository of apt's configuration.
#[derive(Clone, Debug)]
pub(super) struct AptSource {
    /// Address of the repository, without a slash at the end.
    pub(super) uri: String,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
    pub(super) signed_by: SignedBy,
}

/// The certificates that may sign a repository.
#[derive(Clone, Debug)]
pub(super) enum SignedBy {
    /// All certificates that apt trusts by default.
    Default,
    /// The certificates in keyring files.
    Keyrings(Vec<PathBuf>),
    /// The certificates in the source file itself.
    Inline(Certificates),
}

/// All enabled binary and source repositories below `etc` (normally `/etc/apt`).
///
/// Unreadable files and lines are skipped: apt reports them better.
pub(super) fn sources(etc: &Path) -> Vec<AptSource> {
    let mut files = vec![etc.join("sources.list")];
    let parts = fs::read_dir(etc.join("sources.list.d")).into_iter().flatten().flatten();
    let mut parts: Vec<_> = parts.map(|entry| entry.path()).collect();
    parts.sort();
    files.append(&mut parts);
    files
        .iter()
        .filter_map(|file| {
            let text = fs::read_to_string(file).ok()?;
            match file.extension()?.to_str()? {
                "list" => Some(one_line(&text)),
                "sources" => Some(deb822(&text)),
                _ => None,
            }
        })
        .flatten()
        .collect()
}

/// `deb [signed-by=/usr/share/keyrings/x.gpg] http://example.org/debian bookworm main`
fn one_line(text: &str) -> Vec<AptSource> {
    text.lines().flat_map(|line| one_source(line.split('#').next().unwrap_or_default())).flatten().collect()
}

fn one_source(line: &str) -> Option<Vec<AptSource>> {
    let line = line.trim();
    let rest = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb"))?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let uri = words.next()?;
    let suite = words.next()?.to_owned();
    let keyrings: Vec<PathBuf> = options
        .split_whitespace()
        .filter_map(|option| option.strip_prefix("signed-by="))
        .flat_map(|paths| paths.split(','))
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .collect();
    let components: Vec<String> = words.map(str::to_owned).collect();
    let signed_by = if keyrings.is_empty() { SignedBy::Default } else { SignedBy::Keyrings(keyrings) };
    let source = |uri| AptSource {
        uri,
        suites: vec![suite.clone()],
        components: components.clone(),
        signed_by: signed_by.clone(),
    };
    Some(addresses(uri).into_iter().map(source).collect())
}

fn deb822(text: &str) -> Vec<AptSource> {
    // sources.list(5) allows comments between fields; the parser does not.
    let plain: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let Ok(document) = plain.join("\n").parse::<Deb822>() else { return Vec::new() };
    document.iter().flat_map(of_paragraph).collect()
}

fn of_paragraph(paragraph: &deb822_fast::Paragraph) -> Vec<AptSource> {
    let words = |field: &str| -> Vec<String> {
        let value = paragraph.get(field).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    };
    let enabled = paragraph.get("Enabled");
    if enabled.is_some_and(|value| ["no", "false", "0"].contains(&value.trim())) {
        return Vec::new();
    }
    let signed_by = signed_by(paragraph.get("Signed-By").unwrap_or_default());
    words("URIs")
        .iter()
        .flat_map(|uri| addresses(uri))
        .map(|uri| AptSource {
            uri,
            suites: words("Suites"),
            components: words("Components"),
            signed_by: signed_by.clone(),
        })
        .collect()
}

fn signed_by(value: &str) -> SignedBy {
    if value.contains("-----BEGIN") {
        // In a field, a lone dot is an empty line.
        let lines: Vec<_> =
            value.lines().map(str::trim).map(|line| if line == "." { "" } else { line }).collect();
        return SignedBy::Inline(Certificates::parse(lines.join("\n").trim_start().as_bytes()));
    }
    let paths: Vec<_> =
        value.split([',', ' ', '\n']).filter(|path| path.starts_with('/')).map(PathBuf::from).collect();
    if paths.is_empty() { SignedBy::Default } else { SignedBy::Keyrings(paths) }
}

/// The addresses of an HTTP repository, several for a list of mirrors (apt-transport-mirror(1)); none for CD-ROMs and
/// local directories.
fn addresses(uri: &str) -> Vec<String> {
    let http = |uri: &str| uri.starts_with("http://") || uri.starts_with("https://");
    let address = |uri: &str| uri.trim_end_matches('/').to_owned();
    let Some(list) = uri.strip_prefix("mirror+file:") else {
        return if http(uri) { vec![address(uri)] } else { Vec::new() };
    };
    let text = fs::read_to_string(Path::new("/").join(list.trim_start_matches('/'))).unwrap_or_default();
    let first_words = text.lines().filter_map(|line| line.split_whitespace().next());
    first_words.filter(|word| http(word)).map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(files: &[(&str, &str)]) -> Vec<AptSource> {
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(etc.path().join(name), text).unwrap();
        }
        sources(etc.path())
    }

    #[test]
    fn a_list_of_mirrors_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("mirrors.list");
        fs::write(&list, "http://one.example.org/debian/ priority:1\n# no\nhttps://two.example.org/debian\n")
            .unwrap();
        let text = format!("deb mirror+file:{} bookworm main\n", list.display());
        let uris = |found: Vec<AptSource>| found.into_iter().map(|source| source.uri).collect::<Vec<_>>();
        let both = ["http://one.example.org/debian", "https://two.example.org/debian"];
        assert_eq!(uris(configured(&[("sources.list", &text)])), both);
        let text = format!(
            "Types: deb\nURIs: mirror+file://{}\nSuites: bookworm\nComponents: main\n",
            list.display()
        );
        assert_eq!(uris(configured(&[("sources.list.d/x.sources", &text)])), both);
    }

    #[test]
    fn one_line_sources_are_read_with_their_options() {
        let found = configured(&[(
            "sources.list",
            "# deb http://no.example.org/debian x main\n\
             deb [arch=amd64 signed-by=/k.gpg,/l.gpg] http://example.org/debian/ bookworm main contrib # b\n\
             deb-src http://example.org/debian bookworm main\ndeb cdrom:[x]/ bookworm main\ndebx y z\n",
        )]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].uri, "http://example.org/debian");
        assert_eq!(found[0].components, ["main", "contrib"]);
        let SignedBy::Keyrings(keyrings) = &found[0].signed_by else { panic!() };
        assert_eq!(keyrings, &[PathBuf::from("/k.gpg"), PathBuf::from("/l.gpg")]);
        assert!(matches!(found[1].signed_by, SignedBy::Default));
    }

    #[test]
    fn deb822_sources_are_read_unless_disabled() {
        let found = configured(&[(
            "sources.list.d/debian.sources",
            "Types: deb\n# a comment\nURIs: http://example.org/debian http://b.example.org/debian\n\
             Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\n\
             Types: deb\nEnabled: no\nURIs: http://off.example.org/\nSuites: x\nComponents: main\n",
        )]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].uri, "http://b.example.org/debian");
        assert_eq!(found[0].suites, ["bookworm", "bookworm-updates"]);
        assert!(matches!(&found[0].signed_by, SignedBy::Keyrings(paths) if paths.len() == 1));
    }

    #[test]
    fn files_with_other_extensions_are_ignored() {
        let line = "deb http://example.org/debian bookworm main\n";
        assert!(configured(&[("sources.list.d/a.list.save", line)]).is_empty());
        assert_eq!(configured(&[("sources.list.d/a.list", line)]).len(), 1);
    }
}
