//! `series check`: every shipped series against one release, in memory.

use std::path::Path;

use super::tree::{Folder, Overlay, Pristine};
use super::{Error, Outcome, switch};
use crate::base::options::Lang;
use crate::base::release::{Line, Release};
use crate::kernel::series::{self, Series, shipped};
use crate::kernel::toolchain::Toolchain;
use crate::stages::unpack::SourceTree;

/// One cell of the table.
#[derive(Debug)]
pub struct Row {
    pub series: String,
    pub lang: Lang,
    /// The line whose patches were tried, where it is not the release's own.
    pub borrowed_from: Option<Line>,
    pub verdict: Verdict,
}

#[derive(Debug)]
pub enum Verdict {
    Applies {
        max_offset: u64,
    },
    AlreadyUpstream,
    /// The release behaves so by itself.
    Unpatched {
        reason: String,
    },
    /// The series does not exist for this release or in this language.
    Absent(series::Error),
    Conflict(Error),
}

impl Verdict {
    /// Whether a build of this series would go on.
    pub fn is_good(&self) -> bool {
        !matches!(self, Verdict::Absent(_) | Verdict::Conflict(_))
    }
}

/// Every series in the store's tree of a release, whatever is applied to it now.
pub fn check(tree: &SourceTree, toolchain: &Toolchain) -> Result<Vec<Row>, Error> {
    let journal = switch::Journal::open(tree.entry.path())?;
    Ok(rows(&journal, &tree.release, toolchain))
}

/// Every series in a folder that no series was applied to.
pub fn check_folder(path: &Path, release: &Release, toolchain: &Toolchain) -> Vec<Row> {
    rows(&Folder(path), release, toolchain)
}

/// C for every series; Rust for those that have it for this release.
fn rows(pristine: &dyn Pristine, release: &Release, toolchain: &Toolchain) -> Vec<Row> {
    let mut rows = Vec::new();
    for name in shipped::names() {
        for lang in [Lang::C, Lang::Rust] {
            let row = row(pristine, &name, release, lang, toolchain);
            let absent = matches!(row.verdict, Verdict::Absent(series::Error::NoLang { .. }));
            if lang == Lang::C || !absent {
                rows.push(row);
            }
        }
    }
    rows
}

fn row(pristine: &dyn Pristine, name: &str, release: &Release, lang: Lang, toolchain: &Toolchain) -> Row {
    let (borrowed_from, verdict) = match series::load(name, release, lang, toolchain) {
        Ok(series) => (series.borrowed_from, verdict(pristine, &series)),
        Err(error) => (None, Verdict::Absent(error)),
    };
    Row { series: name.to_owned(), lang, borrowed_from, verdict }
}

fn verdict(pristine: &dyn Pristine, series: &Series) -> Verdict {
    let mut overlay = Overlay::new(pristine);
    let mut applied = Vec::new();
    for patch in series.in_order() {
        match overlay.apply(patch) {
            Ok(patch) => applied.push(patch),
            Err(error) => return Verdict::Conflict(error),
        }
    }
    let own = &applied[series.compat.len()..];
    if let Some(reason) = &series.unpatched {
        Verdict::Unpatched { reason: reason.clone() }
    } else if !own.is_empty() && own.iter().all(|patch| patch.status == Outcome::AlreadyUpstream) {
        Verdict::AlreadyUpstream
    } else {
        Verdict::Applies { max_offset: own.iter().map(|patch| patch.max_offset).max().unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::toolchain::Compiler;

    #[test]
    fn the_check_asks_for_rust_only_where_the_line_has_it() {
        let nothing = tempfile::tempdir().unwrap();
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
            let rows = check_folder(nothing.path(), &release.parse().unwrap(), &gcc);
            assert_eq!(rows.iter().filter(|row| row.lang == Lang::C).count(), shipped::names().len());
            rows.iter().filter(|row| row.lang == Lang::Rust).count()
        };
        assert_eq!(in_rust("6.1.187"), 0);
        assert!(in_rust("6.12.107") >= 3);
    }
}
