//! Compare: several series, languages and debuggers on one release, side by side.
//!
//! Each cell is one ordinary run of the pipeline up to its boot. `compare.json` holds what they
//! showed; the page and the Markdown matrix are made from it alone, so that they can be made again.

mod grid;
mod judged;
mod markdown;
mod page;
mod run;
pub mod summary;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::error::{Exit, Explain};
use crate::base::options::Lang;
use crate::base::release::{Line, Release};
use crate::report::{Kernel, Source, ToolchainPart};
use crate::stages::boot::BootResult;

pub use grid::{ALL, CompareRequest};
pub use markdown::{check_markers, matrix as markdown, update};
pub use page::render as page;
pub use run::{measure, terminal};

pub const SCHEMA: &str = "kpatch-build/compare/1";
pub const FILE: &str = "compare.json";
pub const PAGE: &str = "compare.html";

/// The whole of `compare.json`; fields are added, never renamed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    pub schema: String,
    #[serde(default)]
    pub tool: Option<Tool>,
    /// The command that measured it.
    #[serde(default)]
    pub command: Option<String>,
    /// What the request resolved to.
    #[serde(default)]
    pub release: Option<Release>,
    /// In the order in which they are shown.
    #[serde(default)]
    pub series: Vec<SeriesText>,
    pub cells: Vec<Cell>,
    /// Cells that were asked for and have nothing to show.
    #[serde(default)]
    pub unmeasured: Vec<Unmeasured>,
}

/// The version that measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tool {
    pub version: String,
    pub commit: Option<String>,
}

/// What a series says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesText {
    pub name: String,
    pub title: String,
    pub origin: String,
    pub summary: String,
}

/// One booted kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    pub release: Release,
    pub series: String,
    pub lang: Lang,
    pub kconfig: Vec<String>,
    /// Paths in it are relative to `compare.json`.
    pub boot: BootResult,
    #[serde(default)]
    pub making: Option<Making>,
}

/// What the kernel of a cell was made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Making {
    /// Of the run's own `report.json` and logs, relative to `compare.json`.
    pub folder: PathBuf,
    pub source: Option<Source>,
    pub toolchain: Option<ToolchainPart>,
    pub kernel: Option<Kernel>,
    /// In the order in which they were applied.
    pub patches: Vec<PatchText>,
    /// Why the series is the unpatched kernel here, where it is.
    pub unpatched: Option<String>,
    /// The line whose patches were used although it is not this release's: untested.
    pub borrowed_from: Option<Line>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PatchText {
    pub file: String,
    pub sha256: String,
    pub text: String,
}

/// A cell without a boot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unmeasured {
    pub series: String,
    pub lang: Lang,
    pub state: Absence,
    /// A sentence; of a failure with its stage.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Absence {
    /// The series does not exist on this line in this language.
    NotAvailable,
    /// A stage of its run failed, or it was interrupted.
    Failed,
    /// The comparison ended before it.
    NotReached,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("none of the chosen series exists in {} for {release}", lang_name(*lang))]
    NoneInLanguage { lang: Lang, release: String },
    #[error("two of the series would both be called {label}")]
    SameLabel { label: String },
    #[error("--series is empty")]
    NoSeries,
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{} is not a comparison", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("{} has the schema {found:?}, not {SCHEMA:?}", path.display())]
    Schema { path: PathBuf, found: String },
    #[error("{} has not one pair of lines {} and {}", path.display(), markdown::BEGIN, markdown::END)]
    Markers { path: PathBuf },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Io { action: "write", .. } => Exit::StageFailed,
            _ => Exit::Usage,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoneInLanguage { lang: Lang::Rust, .. } => Some("use --lang c".into()),
            Error::Parse { .. } | Error::Schema { .. } => {
                Some(format!("name the {FILE} that `kpatch-build compare` wrote"))
            }
            Error::Markers { .. } => Some("add them where the matrix is to stand".into()),
            _ => None,
        }
    }
}

impl Comparison {
    pub fn load(path: &Path) -> Result<Comparison, Error> {
        let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
        let parse = |source| Error::Parse { path: path.to_owned(), source };
        let text = std::fs::read(path).map_err(io)?;
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(parse)?;
        match &value["schema"] {
            serde_json::Value::String(schema) if schema == SCHEMA => {}
            other => return Err(Error::Schema { path: path.to_owned(), found: other.to_string() }),
        }
        serde_json::from_value(value).map_err(parse)
    }

    /// Replaces `compare.json` in `folder` atomically.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(self).expect("a comparison is plain data");
        text.push(b'\n');
        write(&folder.join(FILE), &text)
    }

    /// Every measured kernel showed what its series claims.
    pub fn passed(&self) -> bool {
        self.cells.iter().all(|cell| cell.boot.passed())
    }

    /// One line for each claim that did not hold and each boot that went wrong.
    pub fn failures(&self) -> Vec<String> {
        let of = |cell: &Cell| {
            let label = format!("{} in {}", cell.series, lang_name(cell.lang));
            cell.boot.failures().into_iter().map(move |failure| format!("{label}: {failure}"))
        };
        self.cells.iter().flat_map(of).collect()
    }
}

/// Replaces a file atomically.
pub fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    crate::base::files::replace(path, content).map_err(|source| Error::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

fn lang_name(lang: Lang) -> &'static str {
    match lang {
        Lang::C => "C",
        Lang::Rust => "Rust",
    }
}

fn lang_slug(lang: Lang) -> &'static str {
    match lang {
        Lang::C => "c",
        Lang::Rust => "rust",
    }
}
