//! `compare.json`: the measurements of a comparison.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Error, FILE, SCHEMA};
use crate::base::files;
use crate::base::options::Lang;
use crate::base::release::{Line, Release};
use crate::report::{self, Kernel, Source, Tool, ToolchainRecord};
use crate::stages::boot::BootResult;

/// The measurements of one comparison, `compare.json`, version 1.
///
/// Units and formats are those of `report.json`. Paths are relative to `compare.json` unless they are
/// absolute. Fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Identifies the format.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// The version of kpatch-build that measured.
    #[serde(default)]
    pub tool: Option<Tool>,
    /// The command line that measured, quoted for a shell.
    #[serde(default)]
    pub command: Option<String>,
    /// The exact release that the request resolved to.
    #[serde(default)]
    pub release: Option<Release>,
    /// The series, in the order in which they are shown.
    #[serde(default)]
    pub series: Vec<SeriesInfo>,
    /// The booted kernels.
    pub cells: Vec<Cell>,
    /// The requested cells without a boot.
    #[serde(default)]
    pub unmeasured: Vec<Unmeasured>,
    /// Patterns of the allowances that matched no complaint of any kernel.
    #[serde(default)]
    pub unused_allowances: Vec<String>,
}

/// Description of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesInfo {
    /// Name of the series; for a series of your own, the last part of its path.
    pub name: String,
    /// One line.
    pub title: String,
    /// Who proposed it, and where. May be empty.
    pub origin: String,
    /// The change, in a few sentences.
    pub summary: String,
}

/// One booted kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Exact release.
    pub release: Release,
    /// Name of the series.
    pub series: String,
    /// Language of the series' patches.
    pub lang: Lang,
    /// Kconfig fragments, as in `request.kconfig` of `report.json`.
    pub kconfig: Vec<String>,
    /// The result of the boot, as in `report.json`.
    pub boot: BootResult,
    /// The source, toolchain and patches of the kernel.
    #[serde(default, rename = "making")]
    pub build: Option<BuildInfo>,
}

/// The source, toolchain and patches of a cell's kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BuildInfo {
    /// Directory of the run's own `report.json` and logs.
    #[serde(rename = "folder")]
    pub directory: PathBuf,
    /// The verified source, as in `report.json`.
    pub source: Option<Source>,
    /// The programs that built the kernel, as in `report.json`.
    pub toolchain: Option<ToolchainRecord>,
    /// The kernel, as in `report.json`.
    pub kernel: Option<Kernel>,
    /// The patches in the order in which they were applied, build fixes first.
    pub patches: Vec<PatchInfo>,
    /// Why the series needs no patch on this line. Null for a series with patches.
    pub unpatched: Option<String>,
    /// The release line whose patches were used because the release's own line has none: untested.
    pub borrowed_from: Option<Line>,
}

/// A patch file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchInfo {
    /// `patches/<series>/<line>/<file>`, or your path.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Content of the file.
    pub text: String,
}

/// A requested cell without a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unmeasured {
    /// Name of the series.
    pub series: String,
    /// Language of the series' patches.
    pub lang: Lang,
    /// Why there is no boot.
    pub state: Absence,
    /// The reason as a sentence; for a failure, it begins with the stage.
    pub why: String,
}

/// Why a cell has no boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Absence {
    /// The series does not exist on this line in this language.
    NotAvailable,
    /// A stage of its run failed.
    Failed,
    /// The comparison ended before this cell.
    NotReached,
}

/// Returns the JSON schema of `compare.json`, as JSON text.
pub fn schema() -> String {
    report::schema_of::<Comparison>()
}

impl Comparison {
    /// A comparison without measurements. `command` is the command line that measures.
    pub(super) fn new(command: String) -> Comparison {
        Comparison {
            schema: SCHEMA.to_owned(),
            tool: Some(Tool::this()),
            command: Some(command),
            release: None,
            series: Vec::new(),
            cells: Vec::new(),
            unmeasured: Vec::new(),
            unused_allowances: Vec::new(),
        }
    }

    /// Reads the `compare.json` at `path`. Fields that older versions did not write are empty.
    ///
    /// # Errors
    /// The file cannot be read, is not a comparison, or has another schema than [`SCHEMA`].
    pub fn load(path: &Path) -> Result<Comparison, Error> {
        let parse = |source| Error::Parse { path: path.to_owned(), source };
        let text = files::read(path, files::LONGEST_DOCUMENT).map_err(Error::Read)?;
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(parse)?;
        match &value["schema"] {
            serde_json::Value::String(schema) if schema == SCHEMA => {}
            other => return Err(Error::Schema { path: path.to_owned(), found: other.to_string() }),
        }
        serde_json::from_value(value).map_err(parse)
    }

    /// Replaces `compare.json` in the directory `out` atomically.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn save(&self, out: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(self).expect("a comparison is plain data");
        text.push(b'\n');
        files::replace(&out.join(FILE), &text).map_err(Error::Write)
    }

    /// Whether every measured kernel showed what its series claims.
    pub fn passed(&self) -> bool {
        self.cells.iter().all(|cell| cell.boot.passed())
    }

    /// The patterns of the allowances that applied to a kernel and matched no complaint of any.
    pub(super) fn find_unused_allowances(&self) -> Vec<String> {
        let applied = || self.cells.iter().flat_map(|cell| &cell.boot.allowances);
        let is_used = |pattern: &String| applied().any(|one| one.pattern == *pattern && one.complaints > 0);
        let patterns: BTreeSet<_> = applied().map(|allowance| allowance.pattern.clone()).collect();
        patterns.into_iter().filter(|pattern| !is_used(pattern)).collect()
    }

    /// One line for each claim that does not hold and each boot that failed.
    pub fn failures(&self) -> Vec<String> {
        let of = |cell: &Cell| {
            let label = format!("{} in {}", cell.series, cell.lang.name());
            cell.boot.failures().into_iter().map(move |failure| format!("{label}: {failure}"))
        };
        self.cells.iter().flat_map(of).collect()
    }
}
