//! Compare: several series, languages and debuggers on one release, side by side.
//!
//! Each cell is one ordinary run of the pipeline up to its boot. `compare.json` contains the results of
//! the boots. The page and the Markdown matrix are rendered from `compare.json` alone, at any time.

mod comparison;
mod error;
mod markdown;
mod matrix;
mod outcome;
mod page;
mod request;
mod run;
pub mod summary;

pub use self::comparison::{Absence, BuildInfo, Cell, Comparison, PatchInfo, SeriesInfo, Unmeasured, schema};
pub use self::error::Error;
pub(crate) use self::markdown::check_markers;
pub use self::markdown::{matrix as markdown, update};
pub use self::page::render as page;
pub(crate) use self::page::write as write_page;
pub(crate) use self::request::{ALL, CompareRequest};
pub(crate) use self::run::measure;
pub use self::run::terminal;

/// Identifies the format of `compare.json`, in its field `schema`.
pub const SCHEMA: &str = "kpatch-build/compare/1";
/// Name of the measurements in the output directory.
const FILE: &str = "compare.json";
/// Name of the page in the output directory.
const PAGE: &str = "compare.html";

/// Marks in a Markdown file where the matrix begins.
const BEGIN: &str = "<!-- kpatch-build compare -->";
/// Marks in a Markdown file where the matrix ends.
const END: &str = "<!-- /kpatch-build compare -->";

#[cfg(test)]
mod tests;
