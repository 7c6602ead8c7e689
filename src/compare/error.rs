//! Why a comparison is refused, or cannot be read or written.

use std::io;
use std::path::PathBuf;

use super::{BEGIN, END, FILE, SCHEMA};
use crate::base::error::{Exit, Explain};
use crate::base::options::Lang;

/// Errors of `compare` itself. Its runs fail with the errors of the pipeline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of the requested series exists in one of the requested languages.
    #[error("none of the series exists in {} for {release}", lang.name())]
    NoneInLanguage {
        /// The language.
        lang: Lang,
        /// The release as requested.
        release: String,
    },
    /// Two paths with the same last part.
    #[error("two of the series have the same name, {label}")]
    SameLabel {
        /// The name.
        label: String,
    },
    /// `--series` without a name.
    #[error("--series is empty")]
    NoSeries,
    /// A file cannot be read.
    #[error("{0}")]
    Read(#[source] io::Error),
    /// A file cannot be written.
    #[error("{0}")]
    Write(#[source] io::Error),
    /// The file is not JSON, or lacks required fields.
    #[error("{} is not a comparison", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The file has another schema.
    #[error("{} has the schema {found}, not {SCHEMA:?}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The value of its field `schema`, as JSON.
        found: String,
    },
    /// The output directory cannot be created.
    #[error("{0}")]
    Out(#[source] io::Error),
    /// The Markdown file does not have exactly one pair of markers.
    #[error("{} must contain exactly one pair of markers {BEGIN} and {END}", path.display())]
    Markers {
        /// The file.
        path: PathBuf,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Write(_) => Exit::StageFailed,
            _ => Exit::Usage,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoneInLanguage { lang: Lang::Rust, .. } => Some("use --lang c".into()),
            Error::Parse { .. } | Error::Schema { .. } => {
                Some(format!("name the {FILE} that `kpatch-build compare` wrote"))
            }
            Error::Read(_) => Some("check the path".into()),
            Error::Markers { .. } => Some("put each marker on a separate line where the matrix goes".into()),
            _ => None,
        }
    }
}
