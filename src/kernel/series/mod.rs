//! A series: its metadata, its patches for a release, its claims.

pub mod diff;
mod mail;
pub mod names;
pub(crate) mod shipped;
mod user_series;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::diff::Reading;
use crate::base::cache_key::hex;
use crate::base::error::{Exit, Explain};
use crate::base::options::Lang;
use crate::base::release::{Line, Release, ReleaseSpec};
use crate::claims::Claims;
use crate::kernel::toolchain::{Compiler, Toolchain};

pub use names::BadName;
pub use shipped::{Listed, Shown, list, show};

/// The word for a release as it is.
pub const NONE: &str = "none";

/// The default of `--series`.
pub const DEFAULT: &str = "copy-segments";

/// A series as it will be applied to one release.
#[derive(Clone, Debug)]
pub struct Series {
    /// Goes into the kernel release: `copy-segments`.
    pub name: String,
    pub title: String,
    pub summary: String,
    /// Who argued for it, and where.
    pub origin: String,
    pub patches: Vec<PatchFile>,
    /// Kconfig symbols that switch on what the patches add.
    pub switches: Vec<String>,
    /// Why the series is the unpatched kernel on this line, where it is.
    pub unpatched: Option<String>,
    /// Build fixes that this release needs with this compiler, applied first.
    pub compat: Vec<PatchFile>,
    pub claims: Claims,
    /// The line the patches were written for, where it is not the release's own: untested.
    pub borrowed_from: Option<Line>,
}

impl Series {
    /// All patches in the order in which they are applied.
    pub fn in_order(&self) -> impl Iterator<Item = &PatchFile> {
        self.compat.iter().chain(&self.patches)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchFile {
    /// As shown: `patches/zeroed/6.1/0001-….patch`.
    pub name: String,
    pub content: Vec<u8>,
    pub reading: Reading,
}

impl PatchFile {
    pub fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> PatchFile {
        PatchFile { name: name.into(), content: content.into(), reading: Reading::default() }
    }

    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.content))
    }
}

/// `series.toml`.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    pub title: String,
    /// Who argued for it, and where.
    #[serde(default)]
    pub origin: String,
    /// What it changes.
    #[serde(default)]
    pub summary: String,
    #[serde(default)]
    pub lines: BTreeMap<Line, LineEntry>,
    /// By language the Kconfig symbols (without `CONFIG_`) that switch on what the patches add: the
    /// build asks for them, and fails where they are lost.
    #[serde(default)]
    pub switches: BTreeMap<Lang, Vec<String>>,
    #[serde(flatten)]
    pub claims: Claims,
}

/// `[lines."6.1.y"]`: what the series is on one release line, by language.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineEntry {
    /// First later release whose code is known to differ. Releases between two lines take the
    /// nearest older line that still speaks for them.
    pub before: Option<Release>,
    pub c: Option<Variant>,
    pub rust: Option<Variant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// Files of the line's folder (`6.1/` beside `series.toml`), in order.
    Patches(Vec<String>),
    /// The release behaves so by itself; why.
    Unpatched(String),
}

impl LineEntry {
    pub fn variant(&self, lang: Lang) -> Option<&Variant> {
        match lang {
            Lang::C => self.c.as_ref(),
            Lang::Rust => self.rust.as_ref(),
        }
    }
}

/// `compat/series.toml`: fixes that old releases need to build with new compilers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compat {
    pub title: String,
    pub summary: String,
    #[serde(rename = "fix")]
    pub fixes: Vec<Fix>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// What fails without it.
    pub summary: String,
    /// Relative to the folder of `series.toml`.
    pub patches: Vec<String>,
    /// First release that needs it.
    pub from: Release,
    /// First release that does not.
    pub before: Release,
    pub tool: Tool,
    /// First version of the tool that needs it: `12`, `1.95`.
    pub tool_from: String,
}

/// The compiler that a fix is about, as `series.toml` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    Gcc,
    Clang,
    Rustc,
}

impl Tool {
    pub const fn name(self) -> &'static str {
        match self {
            Tool::Gcc => "gcc",
            Tool::Clang => "clang",
            Tool::Rustc => "rustc",
        }
    }

    /// The language of what it compiles.
    pub const fn lang(self) -> Lang {
        match self {
            Tool::Gcc | Tool::Clang => Lang::C,
            Tool::Rustc => Lang::Rust,
        }
    }

    /// `gcc 12.2.0`, where the tool is one of the toolchain's.
    fn found(self, toolchain: &Toolchain) -> Option<&str> {
        let c = |compiler| (toolchain.compiler == compiler).then_some(toolchain.cc_version.as_str());
        match self {
            Tool::Gcc => c(Compiler::Gcc),
            Tool::Clang => c(Compiler::Clang),
            Tool::Rustc => toolchain.rust.as_ref().map(|rust| rust.rustc_version.as_str()),
        }
    }
}

impl Fix {
    pub fn is_needed(&self, release: &Release, toolchain: &Toolchain) -> bool {
        self.from <= *release
            && *release < self.before
            && self.tool.found(toolchain).is_some_and(|found| {
                let version = found.split_whitespace().nth(1).unwrap_or_default();
                numbers(version) >= numbers(&self.tool_from)
            })
    }
}

/// `[1, 96, 0]` of `1.96.0`, to be compared; what follows a part that is no number does not count.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Every one of these is wrong usage: nothing has been written when it is found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no series {name:?}{}", closest.as_ref().map_or(String::new(), |it| format!(", did you mean {it}?")))]
    Unknown { name: String, known: Vec<String>, closest: Option<String> },
    #[error("{name} holds build fixes and is applied by itself where a release needs it")]
    NotSelectable { name: String },
    #[error("series {name} has no patches for {release}; its lines are {}", join(lines))]
    NoLine { name: String, release: Release, lines: Vec<Line> },
    #[error("series {name} does not exist in {} for {line}", lang_name(*lang))]
    NoLang { name: String, lang: Lang, line: Line },
    #[error("{} holds neither a quilt series file nor a series.toml", path.display())]
    NoSeriesFile { path: PathBuf },
    #[error("{} names no patch", path.display())]
    Empty { path: PathBuf },
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not a valid series description", path.display())]
    Metadata { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{} line {line}: {option:?} is not an option that a quilt series can have", path.display())]
    QuiltOption { path: PathBuf, line: usize, option: String },
    #[error("{} is not a mailbox of patches", path.display())]
    Mail { path: PathBuf, source: mail::Error },
    #[error("{path:?} gives no name that a kernel release can carry")]
    Unnameable { path: PathBuf },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Unknown { known, .. } => vec![format!("shipped series: {}", known.join(", "))],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Unknown { .. } => {
                Some("name a shipped series, none, or a folder or mbox of your own (./my-series)".into())
            }
            Error::NoSeriesFile { .. } => {
                Some("write the patches' file names, one a line, into a file called series".into())
            }
            Error::NoLang { lang: Lang::Rust, .. } => Some("use --lang c".into()),
            _ => None,
        }
    }
}

fn join(lines: &[Line]) -> String {
    lines.iter().map(Line::to_string).collect::<Vec<_>>().join(", ")
}

fn lang_name(lang: Lang) -> &'static str {
    match lang {
        Lang::C => "C",
        Lang::Rust => "Rust",
    }
}

/// The series that `--series` names, as it is for this release: a shipped one's name, `none`,
/// or the path of a folder (`series.toml`, or a quilt `series` file) or of an mbox.
pub fn load(name: &str, release: &Release, lang: Lang, toolchain: &Toolchain) -> Result<Series, Error> {
    let mut series = without_compat(name, release, lang)?;
    series.compat = shipped::compat(release, toolchain)?;
    Ok(series)
}

fn without_compat(name: &str, release: &Release, lang: Lang) -> Result<Series, Error> {
    if name == NONE {
        return Ok(unpatched());
    }
    check_name(name)?;
    if !shipped::is_shipped(name) {
        return user_series::load(Path::new(name), release, lang);
    }
    let (metadata, source) = shipped::metadata(name)?;
    resolve(name, metadata, &source, release, lang)
}

/// Refuses what [`load`] would refuse, as far as that is known before the release is.
pub fn check(name: &str, release: ReleaseSpec, lang: Lang) -> Result<(), Error> {
    check_name(name)?;
    let release = match release {
        ReleaseSpec::Exact(release) => release,
        ReleaseSpec::Newest(line) => Release::new(line.major, line.minor, u32::MAX),
        ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm => return Ok(()),
    };
    without_compat(name, &release, lang).map(|_| ())
}

/// Whether there is such a series at all.
fn check_name(name: &str) -> Result<(), Error> {
    let known = name == NONE || shipped::is_shipped(name) || Path::new(name).exists();
    if known { Ok(()) } else { Err(unknown(name)) }
}

/// What a series claims, for a kernel that was built elsewhere.
pub fn claims(name: &str) -> Result<Claims, Error> {
    check_name(name)?;
    if shipped::is_shipped(name) {
        return Ok(shipped::metadata(name)?.0.claims);
    }
    user_series::claims(Path::new(name))
}

fn unpatched() -> Series {
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
        borrowed_from: None,
    }
}

pub(super) fn unknown(name: &str) -> Error {
    if name == shipped::COMPAT {
        return Error::NotSelectable { name: name.to_owned() };
    }
    if name.contains('/') {
        let source = io::Error::from(io::ErrorKind::NotFound);
        return Error::Io { path: name.into(), source };
    }
    let mut known = shipped::names();
    known.push(NONE.to_owned());
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let near = near.filter(|(distance, known)| *distance <= known.len().max(6) / 3).min();
    Error::Unknown { name: name.to_owned(), closest: near.map(|(_, known)| known.clone()), known }
}

/// Where the files that a `series.toml` names are.
pub(super) trait Files {
    /// `path` is relative to the series' folder.
    fn patch(&self, path: &str) -> Result<PatchFile, Error>;
}

/// A described series for one release: its own line's patches, else the nearest older line's.
pub(super) fn resolve(
    name: &str,
    metadata: Metadata,
    files: &dyn Files,
    release: &Release,
    lang: Lang,
) -> Result<Series, Error> {
    let no_line = || Error::NoLine {
        name: name.to_owned(),
        release: *release,
        lines: metadata.lines.keys().copied().collect(),
    };
    let speaks = |entry: &LineEntry| entry.before.is_none_or(|before| *release < before);
    let older = metadata.lines.range(..=release.line()).rev();
    let (line, entry) = older.into_iter().find(|(_, entry)| speaks(entry)).ok_or_else(no_line)?;
    let (line, entry) = (*line, entry.clone());
    let variant = entry.variant(lang).ok_or_else(|| Error::NoLang { name: name.to_owned(), lang, line })?;
    let (patches, unpatched) = match variant {
        Variant::Unpatched(reason) => (Vec::new(), Some(reason.clone())),
        Variant::Patches(names) => {
            let folder = format!("{}.{}", line.major, line.minor);
            let read = |file: &String| files.patch(&format!("{folder}/{file}"));
            (names.iter().map(read).collect::<Result<_, _>>()?, None)
        }
    };
    // What has no patches adds no symbol.
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
    })
}

#[cfg(test)]
mod tests;
