//! The series in `patches/`, which are embedded in the binary.

use std::collections::BTreeMap;
use std::path::Path;

use rust_embed::Embed;
use serde::de::DeserializeOwned;

use super::description::{self, Compat, LineEntry, Metadata, Variant};
use super::error::Error;
use super::resolved::{NONE, PatchFile, PatchSource, Series, read_patches, resolve};
use crate::base::options::Lang;
use crate::base::release::{Line, Release};
use crate::claims::Claims;
use crate::kernel::toolchain::Toolchain;

#[derive(Embed)]
#[folder = "patches/"]
struct Patches;

/// The directory of build fixes, which are listed but not selectable.
const COMPAT: &str = "compat";

/// One row of `series list`.
#[derive(Clone, Debug)]
pub struct SeriesSummary {
    /// The name that `--series` accepts.
    pub name: String,
    /// One line about the change.
    pub title: String,
    /// The languages of the series on each line.
    pub lines: BTreeMap<Line, Vec<Lang>>,
    /// Whether `--series` accepts the name; `compat` is applied automatically.
    pub selectable: bool,
}

/// The content of `series show`.
#[derive(Clone, Debug)]
pub struct SeriesDetails {
    /// The name that `--series` accepts.
    pub name: String,
    /// One line about the change.
    pub title: String,
    /// The effect of the patches, in a few lines.
    pub summary: String,
    /// Author and place of the proposal; empty for `compat`.
    pub origin: String,
    /// By line and language, oldest line first.
    pub variants: Vec<VariantDetails>,
}

/// The series on one line in one language.
#[derive(Clone, Debug)]
pub struct VariantDetails {
    /// `6.1.y`; for `compat` the range of releases and the compiler.
    pub applies_to: String,
    /// The language.
    pub lang: Lang,
    /// Why there are no patches; `None` if there are patches.
    pub unpatched: Option<String>,
    /// The patches, in order.
    pub patches: Vec<PatchFile>,
}

/// Names of the shipped series that `--series` accepts, sorted.
pub(crate) fn names() -> Vec<String> {
    let series = |path: &str| path.strip_suffix("/series.toml").map(str::to_owned);
    let mut names: Vec<String> = Patches::iter().filter_map(|path| series(&path)).collect();
    names.retain(|name| name != COMPAT);
    names.sort();
    names
}

pub(super) fn is_shipped(name: &str) -> bool {
    names().iter().any(|known| known == name)
}

/// The error for a name that is neither a shipped series nor an existing path.
pub(super) fn unknown(name: &str) -> Error {
    if name == COMPAT {
        return Error::NotSelectable { name: name.to_owned() };
    }
    if name.contains('/') {
        return Error::NotFound { path: name.into() };
    }
    let mut known = names();
    known.push(NONE.to_owned());
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let near = near.filter(|(distance, known)| *distance <= known.len().max(6) / 3).min();
    Error::Unknown { name: name.to_owned(), closest: near.map(|(_, known)| known.clone()), known }
}

/// The embedded directory of one series.
struct EmbeddedPatches {
    name: String,
}

impl PatchSource for EmbeddedPatches {
    fn patch(&self, path: &str) -> Result<PatchFile, Error> {
        let path = format!("{}/{path}", self.name);
        Ok(PatchFile::new(format!("patches/{path}"), read(&path)?))
    }
}

fn read(path: &str) -> Result<Vec<u8>, Error> {
    match Patches::get(path) {
        Some(file) => Ok(file.data.into_owned()),
        None => Err(Error::NotFound { path: Path::new("patches").join(path) }),
    }
}

fn described<T: DeserializeOwned>(name: &str) -> Result<T, Error> {
    let path = format!("{name}/{}", description::FILE_NAME);
    description::parse(&read(&path)?, &Path::new("patches").join(path))
}

fn metadata(name: &str) -> Result<(Metadata, EmbeddedPatches), Error> {
    if !is_shipped(name) {
        return Err(unknown(name));
    }
    Ok((described(name)?, EmbeddedPatches { name: name.to_owned() }))
}

/// A shipped series for one release, without build fixes.
pub(super) fn load(name: &str, release: &Release, lang: Lang) -> Result<Series, Error> {
    let (metadata, patches) = metadata(name)?;
    resolve(name, metadata, &patches, release, lang)
}

pub(super) fn claims(name: &str) -> Result<Claims, Error> {
    Ok(metadata(name)?.0.claims)
}

/// The build fixes that this release needs with this compiler.
pub(super) fn compat(release: &Release, toolchain: &Toolchain) -> Result<Vec<PatchFile>, Error> {
    let compat: Compat = described(COMPAT)?;
    let needed = compat.fixes.iter().filter(|fix| fix.is_needed(release, toolchain));
    let patches = EmbeddedPatches { name: COMPAT.to_owned() };
    needed.flat_map(|fix| &fix.patches).map(|path| patches.patch(path)).collect()
}

/// All shipped series, sorted by name, and `compat` last.
///
/// # Errors
/// A `series.toml` cannot be parsed; the tests exclude that.
pub fn list() -> Result<Vec<SeriesSummary>, Error> {
    let langs = |entry: &LineEntry| {
        [Lang::C, Lang::Rust].into_iter().filter(|lang| entry.variant(*lang).is_some()).collect()
    };
    let mut summaries = Vec::new();
    for name in names() {
        let (metadata, _) = metadata(&name)?;
        let lines = metadata.lines.iter().map(|(line, entry)| (*line, langs(entry))).collect();
        summaries.push(SeriesSummary { name, title: metadata.title, lines, selectable: true });
    }
    let compat: Compat = described(COMPAT)?;
    summaries.push(SeriesSummary {
        name: COMPAT.to_owned(),
        title: compat.title,
        lines: compat.fixes.iter().map(|fix| (fix.from.line(), vec![fix.tool.lang()])).collect(),
        selectable: false,
    });
    Ok(summaries)
}

/// A shipped series, or `compat`, with all its patches.
///
/// # Errors
/// [`Error::Unknown`].
pub fn show(name: &str) -> Result<SeriesDetails, Error> {
    if name == COMPAT {
        return show_compat();
    }
    let (metadata, source) = metadata(name)?;
    let mut variants = Vec::new();
    for (line, entry) in &metadata.lines {
        for lang in [Lang::C, Lang::Rust] {
            let Some(variant) = entry.variant(lang) else { continue };
            let (unpatched, patches) = match variant {
                Variant::Unpatched(reason) => (Some(reason.clone()), Vec::new()),
                Variant::Patches(names) => (None, read_patches(&source, *line, names)?),
            };
            variants.push(VariantDetails { applies_to: line.to_string(), lang, unpatched, patches });
        }
    }
    Ok(SeriesDetails {
        name: name.to_owned(),
        title: metadata.title,
        summary: metadata.summary,
        origin: metadata.origin,
        variants,
    })
}

fn show_compat() -> Result<SeriesDetails, Error> {
    let compat: Compat = described(COMPAT)?;
    let source = EmbeddedPatches { name: COMPAT.to_owned() };
    let mut variants = Vec::new();
    for fix in &compat.fixes {
        let (from, before) = (fix.from, fix.before);
        variants.push(VariantDetails {
            applies_to: format!("{from} to before {before}, {} {} and later", fix.tool.name(), fix.tool_from),
            lang: fix.tool.lang(),
            unpatched: None,
            patches: fix.patches.iter().map(|path| source.patch(path)).collect::<Result<_, _>>()?,
        });
    }
    Ok(SeriesDetails {
        name: COMPAT.to_owned(),
        title: compat.title,
        summary: compat.summary,
        origin: String::new(),
        variants,
    })
}
