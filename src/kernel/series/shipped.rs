//! The series under `patches/`, which the binary carries.

use std::collections::BTreeMap;
use std::path::Path;

use rust_embed::Embed;
use serde::de::DeserializeOwned;

use super::{Compat, Error, Metadata, PatchFile, Variant};
use crate::base::options::Lang;
use crate::base::release::{Line, Release};
use crate::kernel::series;
use crate::kernel::toolchain::Toolchain;

#[derive(Embed)]
#[folder = "patches/"]
struct Patches;

/// The build fixes: listed, but never chosen by name.
pub(super) const COMPAT: &str = "compat";

/// One row of `series list`.
#[derive(Clone, Debug)]
pub struct Listed {
    pub name: String,
    pub title: String,
    /// For each line the languages in which the series exists there.
    pub lines: BTreeMap<Line, Vec<Lang>>,
    /// Whether `--series` takes it; `compat` is applied by itself.
    pub selectable: bool,
}

/// `series show`.
#[derive(Clone, Debug)]
pub struct Shown {
    pub name: String,
    pub title: String,
    pub summary: String,
    pub origin: String,
    pub variants: Vec<ShownVariant>,
}

/// What the series is on one line in one language.
#[derive(Clone, Debug)]
pub struct ShownVariant {
    /// `6.1.y`; for `compat` the range of releases and the compiler.
    pub applies_to: String,
    pub lang: Lang,
    /// Why there are no patches, where there are none.
    pub unpatched: Option<String>,
    pub patches: Vec<PatchFile>,
}

/// Names of the shipped series that `--series` takes, sorted.
pub(crate) fn names() -> Vec<String> {
    let folder = |path: &str| path.strip_suffix("/series.toml").map(str::to_owned);
    let mut names: Vec<String> = Patches::iter().filter_map(|path| folder(&path)).collect();
    names.retain(|name| name != COMPAT);
    names.sort();
    names
}

pub(super) fn is_shipped(name: &str) -> bool {
    names().iter().any(|known| known == name)
}

/// The embedded folder of one series.
pub(super) struct ShippedFiles {
    name: String,
}

impl series::Files for ShippedFiles {
    fn patch(&self, path: &str) -> Result<PatchFile, Error> {
        let path = format!("{}/{path}", self.name);
        Ok(PatchFile::new(format!("patches/{path}"), read(&path)?))
    }
}

fn read(path: &str) -> Result<Vec<u8>, Error> {
    match Patches::get(path) {
        Some(file) => Ok(file.data.into_owned()),
        None => Err(Error::Io {
            path: Path::new("patches").join(path),
            source: std::io::Error::from(std::io::ErrorKind::NotFound),
        }),
    }
}

fn described<T: DeserializeOwned>(name: &str) -> Result<T, Error> {
    let path = format!("{name}/series.toml");
    parse(&read(&path)?, &Path::new("patches").join(path))
}

/// Reads a `series.toml`; `path` is for the message.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8], path: &Path) -> Result<T, Error> {
    toml::from_slice(text)
        .map_err(|source| Error::Metadata { path: path.to_owned(), source: Box::new(source) })
}

pub(super) fn metadata(name: &str) -> Result<(Metadata, ShippedFiles), Error> {
    if !is_shipped(name) {
        return Err(series::unknown(name));
    }
    Ok((described(name)?, ShippedFiles { name: name.to_owned() }))
}

/// The fixes that this release needs with this compiler.
pub(super) fn compat(release: &Release, toolchain: &Toolchain) -> Result<Vec<PatchFile>, Error> {
    let compat: Compat = described(COMPAT)?;
    let needed = compat.fixes.iter().filter(|fix| fix.is_needed(release, toolchain));
    let files = ShippedFiles { name: COMPAT.to_owned() };
    needed.flat_map(|fix| &fix.patches).map(|path| series::Files::patch(&files, path)).collect()
}

/// Every shipped series, `compat` last.
pub fn list() -> Result<Vec<Listed>, Error> {
    let mut listed = Vec::new();
    for name in names() {
        let (metadata, _) = metadata(&name)?;
        let langs = |entry: &series::LineEntry| {
            [Lang::C, Lang::Rust].into_iter().filter(|lang| entry.variant(*lang).is_some()).collect()
        };
        let lines = metadata.lines.iter().map(|(line, entry)| (*line, langs(entry))).collect();
        listed.push(Listed { name, title: metadata.title, lines, selectable: true });
    }
    let compat: Compat = described(COMPAT)?;
    listed.push(Listed {
        name: COMPAT.to_owned(),
        title: compat.title,
        lines: compat.fixes.iter().map(|fix| (fix.from.line(), vec![fix.tool.lang()])).collect(),
        selectable: false,
    });
    Ok(listed)
}

pub fn show(name: &str) -> Result<Shown, Error> {
    if name == COMPAT {
        return show_compat();
    }
    let (metadata, files) = metadata(name)?;
    let mut variants = Vec::new();
    for (line, entry) in &metadata.lines {
        for lang in [Lang::C, Lang::Rust] {
            let Some(variant) = entry.variant(lang) else { continue };
            let folder = format!("{}.{}", line.major, line.minor);
            let (unpatched, patches) = match variant {
                Variant::Unpatched(reason) => (Some(reason.clone()), Vec::new()),
                Variant::Patches(names) => (None, read_all(&files, names, &folder)?),
            };
            variants.push(ShownVariant { applies_to: line.to_string(), lang, unpatched, patches });
        }
    }
    Ok(Shown {
        name: name.to_owned(),
        title: metadata.title,
        summary: metadata.summary,
        origin: metadata.origin,
        variants,
    })
}

fn read_all(files: &ShippedFiles, names: &[String], folder: &str) -> Result<Vec<PatchFile>, Error> {
    names.iter().map(|name| series::Files::patch(files, &format!("{folder}/{name}"))).collect()
}

fn show_compat() -> Result<Shown, Error> {
    let compat: Compat = described(COMPAT)?;
    let files = ShippedFiles { name: COMPAT.to_owned() };
    let mut variants = Vec::new();
    for fix in &compat.fixes {
        let tool = format!("{} {} and later", fix.tool.name(), fix.tool_from);
        let patches =
            fix.patches.iter().map(|path| series::Files::patch(&files, path)).collect::<Result<_, _>>()?;
        variants.push(ShownVariant {
            applies_to: format!("{} up to before {}, {tool}", fix.from, fix.before),
            lang: fix.tool.lang(),
            unpatched: None,
            patches,
        });
    }
    Ok(Shown {
        name: COMPAT.to_owned(),
        title: compat.title,
        summary: compat.summary,
        origin: String::new(),
        variants,
    })
}
