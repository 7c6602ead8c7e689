//! A series, resolved for one release.

use super::description::{LineEntry, Metadata, Variant};
use super::diff::Reading;
use super::error::Error;
use crate::base::digest;
use crate::base::options::Lang;
use crate::base::release::{Line, Release};
use crate::claims::Claims;

/// The name of the unmodified release.
pub const NONE: &str = "none";

/// A series with its patches for one release.
#[derive(Clone, Debug)]
pub struct Series {
    /// Part of the kernel release: `copy-segments`.
    pub name: String,
    /// One line about the change.
    pub title: String,
    /// The effect of the patches, in a few lines.
    pub summary: String,
    /// Author and place of the proposal.
    pub origin: String,
    /// The patches, in order.
    pub patches: Vec<PatchFile>,
    /// Kconfig symbols, without `CONFIG_`, that enable the code that the patches add.
    pub switches: Vec<String>,
    /// Why this release needs no patch; `None` if it has patches.
    pub unpatched: Option<String>,
    /// Build fixes that this release needs with this compiler; applied before the patches.
    pub compat: Vec<PatchFile>,
    /// The claims that a boot test of this series must confirm.
    pub claims: Claims,
    /// The line of the patches, if the release's own line has none: untested.
    pub borrowed_from: Option<Line>,
    /// Sentences about files of the series that are not used.
    pub notes: Vec<String>,
}

impl Series {
    /// All patches in the order in which they are applied.
    pub fn in_order(&self) -> impl Iterator<Item = &PatchFile> {
        self.compat.iter().chain(&self.patches)
    }

    /// The unmodified release.
    pub(super) fn none() -> Series {
        Series {
            name: NONE.to_owned(),
            title: "The release as it is".to_owned(),
            summary: String::new(),
            origin: String::new(),
            patches: Vec::new(),
            switches: Vec::new(),
            unpatched: None,
            compat: Vec::new(),
            claims: Claims::default(),
            notes: Vec::new(),
            borrowed_from: None,
        }
    }
}

/// One patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchFile {
    /// As shown: `patches/zeroed/6.1/0001-….patch`, or the user's path.
    pub name: String,
    /// The bytes of the file.
    pub content: Vec<u8>,
    /// How to read its paths and direction.
    pub reading: Reading,
}

impl PatchFile {
    /// A patch with paths as git writes them.
    pub fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> PatchFile {
        PatchFile { name: name.into(), content: content.into(), reading: Reading::default() }
    }

    /// SHA-256 of the content: 64 lower-case hexadecimal digits.
    pub fn sha256(&self) -> String {
        digest::sha256(&self.content)
    }
}

/// A directory with a `series.toml` and its patches.
pub(super) trait PatchSource {
    /// Reads a patch; `path` is relative to the directory of `series.toml`.
    fn patch(&self, path: &str) -> Result<PatchFile, Error>;
}

/// Reads the patches `names` of one line.
pub(super) fn read_patches(
    source: &dyn PatchSource,
    line: Line,
    names: &[String],
) -> Result<Vec<PatchFile>, Error> {
    names.iter().map(|name| source.patch(&format!("{}.{}/{name}", line.major, line.minor))).collect()
}

/// Resolves a described series for one release: the patches of its own line, or of the nearest older line that
/// applies.
pub(super) fn resolve(
    name: &str,
    metadata: Metadata,
    source: &dyn PatchSource,
    release: &Release,
    lang: Lang,
) -> Result<Series, Error> {
    let no_line = || Error::NoLine {
        name: name.to_owned(),
        release: *release,
        lines: metadata.lines.keys().copied().collect(),
    };
    let applies = |entry: &LineEntry| entry.before.is_none_or(|before| *release < before);
    let mut older = metadata.lines.range(..=release.line()).rev();
    let (&line, entry) = older.find(|(_, entry)| applies(entry)).ok_or_else(no_line)?;
    let variant = entry.variant(lang).ok_or_else(|| Error::NoLang { name: name.to_owned(), lang, line })?;
    let (patches, unpatched) = match variant {
        Variant::Unpatched(reason) => (Vec::new(), Some(reason.clone())),
        Variant::Patches(names) => (read_patches(source, line, names)?, None),
    };
    // A release without patches does not define the symbols.
    let switches = metadata.switches.get(&lang).filter(|_| !patches.is_empty()).cloned();
    Ok(Series {
        name: name.to_owned(),
        title: metadata.title,
        summary: metadata.summary,
        origin: metadata.origin,
        patches,
        switches: switches.unwrap_or_default(),
        unpatched,
        compat: Vec::new(),
        claims: metadata.claims,
        borrowed_from: (line != release.line()).then_some(line),
        notes: Vec::new(),
    })
}
