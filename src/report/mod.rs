//! `report.json`: the request of a run, its results, and the result of the boot.
//!
//! The types here are the schema, for writing and for reading. Fields are added, never renamed;
//! a reader ignores fields it does not know. [`attest`] creates and checks the documents next
//! to the packages.

pub mod attest;
mod error;
mod record;

use std::io;
use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use self::error::ReadError;
pub use self::record::{
    Artifact, BootRecord, Configuration, Document, DocumentKind, DroppedOption, ErrorRecord, Kernel,
    RequestRecord, Source, StageRecord, Tool, ToolchainRecord,
};
use crate::base::confinement::Mechanism;
use crate::base::events::Note;
use crate::base::files;
use crate::base::release::Release;
use crate::stages::boot::Verdict;
use crate::stages::patch::AppliedPatch;

/// Identifies the format, in the field `schema`.
pub const SCHEMA: &str = "kpatch-build/report/1";
/// Name of the file in the output directory.
pub const FILE: &str = "report.json";

/// The report of one run, `report.json`, version 1.
///
/// The file is replaced after every stage, so a killed run leaves a readable one. Unless a field says
/// otherwise, paths are absolute, SHA-256 values are 64 lower-case hexadecimal digits, durations are
/// in seconds, and null means "not known yet" or "does not apply".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Identifies the format.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// The version of kpatch-build that ran.
    pub tool: Tool,
    /// The request, as far as it determines the packages.
    pub request: RequestRecord,
    /// The exact release that the request resolved to.
    pub release: Option<Release>,
    /// The source, set once it is verified.
    pub source: Option<Source>,
    /// The patches in the order in which they were applied, build fixes first.
    #[serde(default)]
    pub patches: Vec<AppliedPatch>,
    /// The programs that built the kernel.
    pub toolchain: Option<ToolchainRecord>,
    /// The configuration, set once the kernel is configured.
    #[serde(default)]
    pub configuration: Option<Configuration>,
    /// What confines the programs that run the source's code while a kernel is built. Absent without a sandbox.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Mechanism>,
    /// Why there was no sandbox: `--no-sandbox`, or what this host lacks. Absent if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_sandbox_reason: Option<String>,
    /// The kernel, set once it is built.
    pub kernel: Option<Kernel>,
    /// The packages.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
    /// The files next to the packages with which others can check them.
    #[serde(default)]
    pub evidence: Vec<Document>,
    /// The stages that ran, in order.
    #[serde(default, deserialize_with = "known")]
    pub stages: Vec<StageRecord>,
    /// Everything that the run noted, in order and whole; a terminal may cut a note. `logs/notes.log` has the same texts.
    /// Absent if the run noted nothing.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The result of the boot. Null if the run ended before it.
    #[serde(default, deserialize_with = "known")]
    pub boot: Option<BootRecord>,
    /// Why the run failed. Null if it reached its end, whatever the verdict.
    #[serde(default, deserialize_with = "known_error")]
    pub error: Option<ErrorRecord>,
}

/// The field that every version and kind of report has.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// Returns the JSON schema of `report.json`, as JSON text.
pub fn schema() -> String {
    schema_of::<Report>()
}

/// Returns the JSON schema (draft 2020-12) of the JSON that serde writes for `T`.
pub(crate) fn schema_of<T: JsonSchema>() -> String {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = generator.into_root_schema_for::<T>();
    serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n"
}

/// Reads the error; one that this version cannot read is still an error: the run failed.
fn known_error<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ErrorRecord>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.map(|error| serde_json::from_value(error).unwrap_or_default()))
}

/// Reads a field, or leaves it empty if another version wrote words that this one does not know: `verify` and
/// `reproduce` need neither stages nor boot.
fn known<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

impl Report {
    /// The report of a run that has not begun.
    pub fn new(request: RequestRecord) -> Report {
        Report {
            schema: SCHEMA.to_owned(),
            tool: Tool::this(),
            request,
            release: None,
            source: None,
            patches: Vec::new(),
            toolchain: None,
            configuration: None,
            sandbox: None,
            no_sandbox_reason: None,
            kernel: None,
            artifacts: Vec::new(),
            evidence: Vec::new(),
            stages: Vec::new(),
            notes: Vec::new(),
            boot: None,
            error: None,
        }
    }

    /// Reads the report `path`. Fields that older versions did not write are empty.
    ///
    /// # Errors
    /// The file cannot be read, is not a report, or has another schema than [`SCHEMA`].
    pub fn load(path: &Path) -> Result<Report, ReadError> {
        Report::parse(path, &files::read(path, files::LONGEST_DOCUMENT)?)
    }

    /// Reads a report from `text`; `path` appears in errors only.
    ///
    /// # Errors
    /// The text is not a report, or has another schema than [`SCHEMA`].
    pub fn parse(path: &Path, text: &[u8]) -> Result<Report, ReadError> {
        let parse = |source| ReadError::Parse { path: path.to_owned(), source };
        let Head { schema } = serde_json::from_slice(text).map_err(parse)?;
        match schema == SCHEMA {
            true => serde_json::from_slice(text).map_err(parse),
            false => Err(ReadError::Schema { path: path.to_owned(), found: schema }),
        }
    }

    /// Replaces the file `path` atomically and returns its new content.
    ///
    /// # Errors
    /// The directory of `path` does not exist or cannot be written to.
    pub fn write(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self).expect("a report is plain data");
        text.push(b'\n');
        files::replace(path, &text)?;
        Ok(text)
    }

    /// The boot's verdict. `None` if the run ended before the boot.
    pub fn verdict(&self) -> Option<Verdict> {
        self.boot.as_ref().map(BootRecord::verdict)
    }
}

#[cfg(test)]
mod tests;
