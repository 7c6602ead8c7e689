//! `series check`: applies every shipped series to one release, in memory.

use super::error::Error;
use super::status::PatchStatus;
use super::switch::Journal;
use super::tree::{Overlay, Pristine};
use crate::base::options::Lang;
use crate::base::release::{Line, Release};
use crate::kernel::series::{self, Series, shipped};
use crate::kernel::toolchain::Toolchain;
use crate::stages::unpack::SourceTree;

/// The result of one series in one language.
#[derive(Debug)]
pub struct SeriesCheck {
    /// Name of the series.
    pub series: String,
    /// Language of the patches.
    pub lang: Lang,
    /// The line of the patches, if the release's own line has none.
    pub borrowed_from: Option<Line>,
    /// Whether it applies.
    pub applicability: Applicability,
}

/// Whether a series can be built on a release.
#[derive(Debug)]
pub enum Applicability {
    /// All patches apply.
    Applies {
        /// Largest distance, in lines, between the header of a hunk and its actual position.
        max_offset: u64,
    },
    /// The release contains all patches.
    AlreadyUpstream,
    /// The release behaves this way without patches.
    Unpatched {
        /// The reason in the series' description.
        reason: String,
    },
    /// The series does not exist for this release or in this language.
    Absent(series::Error),
    /// A patch does not apply.
    Conflict(Error),
}

impl Applicability {
    /// Whether a build of this series would get past the patch stage.
    pub fn is_good(&self) -> bool {
        !matches!(self, Applicability::Absent(_) | Applicability::Conflict(_))
    }
}

/// Checks the series `only`, or every shipped one, in `langs`, or in every language that it has, against a tree in the store, whichever series is applied to the tree
/// now.
///
/// # Errors
/// The journal of the tree cannot be read.
pub(crate) fn check(
    tree: &SourceTree,
    toolchain: &Toolchain,
    only: Option<&str>,
    langs: &[Lang],
) -> Result<Vec<SeriesCheck>, Error> {
    let journal = Journal::open(tree.entry.path())?;
    let names = only.map_or_else(shipped::names, |name| vec![name.to_owned()]);
    Ok(rows(&journal, &tree.release, toolchain, &names, langs))
}

/// Checks each series in C, and in Rust the shipped ones that exist in Rust for this release.
fn rows(
    pristine: &dyn Pristine,
    release: &Release,
    toolchain: &Toolchain,
    names: &[String],
    langs: &[Lang],
) -> Vec<SeriesCheck> {
    let mut rows = Vec::new();
    for name in names {
        let is_shipped = shipped::names().contains(name);
        let is_wanted = |lang: &Lang| match langs {
            [] => is_shipped || *lang == Lang::C,
            langs => langs.contains(lang),
        };
        for lang in [Lang::C, Lang::Rust].into_iter().filter(is_wanted) {
            let row = row(pristine, name, release, lang, toolchain);
            let absent = matches!(row.applicability, Applicability::Absent(series::Error::NoLang { .. }));
            if lang == Lang::C || !absent || !langs.is_empty() {
                rows.push(row);
            }
        }
    }
    rows
}

fn row(
    pristine: &dyn Pristine,
    name: &str,
    release: &Release,
    lang: Lang,
    toolchain: &Toolchain,
) -> SeriesCheck {
    let (borrowed_from, applicability) = match series::load(name, release, lang, toolchain) {
        Ok(series) => (series.borrowed_from, applicability(pristine, &series)),
        Err(error) => (None, Applicability::Absent(error)),
    };
    SeriesCheck { series: name.to_owned(), lang, borrowed_from, applicability }
}

fn applicability(pristine: &dyn Pristine, series: &Series) -> Applicability {
    let mut overlay = Overlay::new(pristine);
    let mut applied = Vec::new();
    for patch in series.in_order() {
        match overlay.apply(patch) {
            Ok(patch) => applied.push(patch),
            Err(error) => return Applicability::Conflict(error),
        }
    }
    let patches = &applied[series.compat.len()..];
    if let Some(reason) = &series.unpatched {
        Applicability::Unpatched { reason: reason.clone() }
    } else if !patches.is_empty() && patches.iter().all(|patch| patch.status == PatchStatus::AlreadyUpstream)
    {
        Applicability::AlreadyUpstream
    } else {
        Applicability::Applies { max_offset: patches.iter().map(|patch| patch.max_offset).max().unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::toolchain::Compiler;
    use crate::stages::patch::tree::PristineDir;

    #[test]
    fn rust_is_checked_only_on_lines_that_have_it() {
        let empty = tempfile::tempdir().unwrap();
        let gcc = Toolchain {
            compiler: Compiler::Gcc,
            cc: "cc".into(),
            cc_version: "gcc 12.2.0".into(),
            cc_text: String::new(),
            ld_version: "GNU ld 2.40".into(),
            rust: None,
            pahole_version: None,
        };
        let in_rust = |release: &str| {
            let rows =
                rows(&PristineDir(empty.path()), &release.parse().unwrap(), &gcc, &shipped::names(), &[]);
            assert_eq!(rows.iter().filter(|row| row.lang == Lang::C).count(), shipped::names().len());
            rows.iter().filter(|row| row.lang == Lang::Rust).count()
        };
        assert_eq!(in_rust("6.1.187"), 0);
        assert!(in_rust("6.12.107") >= 3);
    }
}
