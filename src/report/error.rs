//! Why a `report.json` cannot be read.

use std::io;
use std::path::PathBuf;

use super::SCHEMA;
use crate::base::error::{Exit, Explain};

/// Why a file cannot be read as a report. Always wrong usage.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the report")]
    Io(#[from] io::Error),
    /// The content is not JSON, or lacks required fields.
    #[error("{} is not a report of a run", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// The content has another schema.
    #[error("{} has the schema {found:?}, not {SCHEMA:?}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The value of its field `schema`.
        found: String,
    },
}

impl Explain for ReadError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        Some("name the report.json of a finished run".to_owned())
    }
}
