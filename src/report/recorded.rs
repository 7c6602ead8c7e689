//! `report.json` of an earlier run.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{Artifact, Kernel, RequestPart, SCHEMA, Source, Tool, ToolchainPart};
use crate::base::error::{Exit, Explain};
use crate::base::release::Release;
use crate::report::Document;
use crate::stages::patch::AppliedPatch;

/// What a report says of the packages and of what they were made from.
#[derive(Debug, Deserialize)]
pub struct Recorded {
    pub schema: String,
    pub tool: Tool,
    pub request: RequestPart,
    pub release: Option<Release>,
    pub source: Option<Source>,
    #[serde(default)]
    pub patches: Vec<AppliedPatch>,
    pub toolchain: Option<ToolchainPart>,
    pub kernel: Option<Kernel>,
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
    #[serde(default)]
    pub evidence: Vec<Document>,
    /// `boot`, of which only the verdict is looked at.
    pub boot: Option<Value>,
    pub error: Option<Value>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not a report that tells how its packages were made", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("{} is a report of the kind {schema:?}, not {SCHEMA:?}", path.display())]
    Schema { path: PathBuf, schema: String },
}

impl Explain for ReadError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Recorded {
    pub fn load(path: &Path) -> Result<Recorded, ReadError> {
        let text = std::fs::read(path).map_err(|source| ReadError::Read { path: path.to_owned(), source })?;
        Recorded::parse(path, &text)
    }

    /// `path` is named in errors only.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Recorded, ReadError> {
        let parse = |source| ReadError::Parse { path: path.to_owned(), source };
        let recorded: Recorded = serde_json::from_slice(text).map_err(parse)?;
        match recorded.schema == SCHEMA {
            true => Ok(recorded),
            false => Err(ReadError::Schema { path: path.to_owned(), schema: recorded.schema }),
        }
    }

    /// `pass`, `fail` or `skipped`; `None` where the run did not come to it.
    pub fn verdict(&self) -> Option<&str> {
        self.boot.as_ref()?.get("verdict")?.as_str()
    }
}
