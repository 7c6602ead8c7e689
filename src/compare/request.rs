//! What is compared: the requested series in the requested languages, as far as they exist.

use std::path::Path;

use super::error::Error;
use super::{Absence, Unmeasured};
use crate::base::context::Context;
use crate::base::error::{Explain, Failure};
use crate::base::options::{Goal, Lang};
use crate::base::release::ReleaseSpec;
use crate::kernel::kconfig::Kconfig;
use crate::kernel::series;
use crate::pipeline::request::Request;
use crate::{doctor, pipeline};

/// The word for every shipped series.
const ALL: &str = "all";

/// The order of the dispute: the behaviour that started it, then each proposal in turn.
const ORDER: [&str; 7] = [
    "zeroed",
    "copy-segments",
    "user-segments",
    "einval-regs",
    "einval-attach",
    "hide-threads",
    "user-frame",
];

/// An output of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CompareFormat {
    /// The page, `compare.html`.
    Html,
    /// The measurements, `compare.json`, which are always written.
    Json,
    /// The matrix in Markdown, on standard output.
    Markdown,
}

/// A checked request for a comparison.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// Everything that the cells have in common. Its series and language are those of the first cell.
    pub request: Request,
    /// Shipped names, `none` or paths, each once, in the order in which they are shown.
    pub series: Vec<String>,
    /// Each once, C first.
    pub langs: Vec<Lang>,
}

/// A cell that will be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedCell {
    /// A shipped name, `none` or a path.
    pub(super) series: String,
    /// The name under which the series is shown.
    pub(super) label: String,
    pub(super) lang: Lang,
}

impl PlannedCell {
    /// The cell in messages: `series zeroed in C`.
    pub(super) fn name(&self) -> String {
        format!("series {} in {}", self.label, self.lang.name())
    }
}

/// All cells of a comparison on one release.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    /// All cells of one language, then all of the other, so that the source changes the least.
    pub(super) planned: Vec<PlannedCell>,
    pub(super) absent: Vec<Unmeasured>,
}

impl CompareRequest {
    /// Checks what is known before the release is resolved. Nothing is written.
    ///
    /// `series` has shipped names, `none`, `all` or paths; empty means `all`. `langs` may be empty: C.
    /// `request` provides everything else; its series and language are replaced.
    ///
    /// # Errors
    /// A series, a language or their combination with the request is not usable.
    pub fn new(request: Request, series: &[String], langs: &[Lang]) -> Result<CompareRequest, Failure> {
        let series = chosen(series).map_err(refused)?;
        let mut langs = if langs.is_empty() { vec![Lang::default()] } else { langs.to_vec() };
        langs.sort();
        langs.dedup();
        let request = Request { series: series[0].clone(), lang: langs[0], ..request };
        let compare = CompareRequest { request, series, langs };
        let release = compare.request.sources.release;
        if matches!(release, ReleaseSpec::Exact(_) | ReleaseSpec::Newest(_)) {
            compare.grid(release)?;
        }
        for lang in &compare.langs {
            compare.check(*lang)?;
        }
        Ok(compare)
    }

    /// Checks what every cell of a language needs, whatever its series.
    fn check(&self, lang: Lang) -> Result<(Request, Kconfig), Failure> {
        let request = Request { series: series::NONE.into(), lang, ..self.request.clone() };
        let kconfig = pipeline::check(&request, Goal::Boot)?;
        Ok((request, kconfig))
    }

    /// Refuses a host that lacks a tool for the second language now, and not hours later when its
    /// first cell begins.
    pub(super) fn require_tools(&self, cx: &Context) -> Result<(), Failure> {
        for lang in self.langs.iter().skip(1) {
            let (request, kconfig) = self.check(*lang)?;
            let job = request.job(&kconfig, Goal::Boot, cx.store.root());
            doctor::require(&doctor::examine(job, &cx.stop)).map_err(refused)?;
        }
        Ok(())
    }

    /// The cells on this release, which is an exact one or the newest of a line.
    pub(super) fn grid(&self, release: ReleaseSpec) -> Result<Grid, Failure> {
        let mut grid = Grid::default();
        for lang in self.langs.iter().copied() {
            for name in &self.series {
                let label = label(name);
                match series::check(name, release, lang) {
                    Ok(()) => grid.planned.push(PlannedCell { series: name.clone(), label, lang }),
                    Err(error @ (series::Error::NoLine { .. } | series::Error::NoLang { .. })) => {
                        let (state, why) = (Absence::NotAvailable, error.to_string());
                        grid.absent.push(Unmeasured { series: label, lang, state, why });
                    }
                    Err(error) => return Err(refused(error)),
                }
            }
            if !grid.planned.iter().any(|cell| cell.lang == lang) {
                return Err(refused(Error::NoneInLanguage { lang, release: release.to_string() }));
            }
        }
        Ok(grid)
    }
}

fn refused<E: Explain>(error: E) -> Failure {
    Failure::new(None, &error)
}

/// The requested series, each once, in the order in which they are shown.
fn chosen(given: &[String]) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> =
        given.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if given.is_empty() || names.iter().any(|name| name == ALL) {
        names.retain(|name| name != ALL);
        names.extend(shipped());
    }
    let position = |name: &String| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len());
    names.sort_by_key(position);
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        if unique.contains(&name) {
            continue;
        }
        if unique.iter().any(|other| label(other) == label(&name)) {
            return Err(Error::SameLabel { label: label(&name) });
        }
        unique.push(name);
    }
    if unique.is_empty() { Err(Error::NoSeries) } else { Ok(unique) }
}

fn shipped() -> Vec<String> {
    let listed = series::list().expect("the shipped series parse");
    listed.into_iter().filter(|listed| listed.selectable).map(|listed| listed.name).collect()
}

/// The name under which a series is shown: of a path, its last part without the extension.
fn label(name: &str) -> String {
    let last = Path::new(name).file_stem().filter(|_| name.contains('/'));
    last.map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::settings::Settings;

    fn names(words: &str) -> Vec<String> {
        words.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn all_series_are_the_shipped_ones_in_the_order_of_the_dispute() {
        let all = chosen(&[]).unwrap();
        assert_eq!(all.first().map(String::as_str), Some("zeroed"));
        assert_eq!(chosen(&names("all")).unwrap(), all);
        assert!(!all.iter().any(|name| name == "compat"));
        assert_eq!(chosen(&names("user-frame,zeroed,user-frame")).unwrap(), ["zeroed", "user-frame"]);
        let mixed = chosen(&names("./own/x, all")).unwrap();
        assert_eq!((mixed.len(), mixed.last().map(String::as_str)), (all.len() + 1, Some("./own/x")));
        assert!(matches!(chosen(&names(",")), Err(Error::NoSeries)));
        assert!(matches!(chosen(&names("./a/x,./b/x")), Err(Error::SameLabel { .. })));
    }

    fn compare(series: &str, langs: &[Lang]) -> Result<CompareRequest, Failure> {
        let settings = Settings { release: Some("6.1.y".into()), ..Default::default() };
        CompareRequest::new(Request::new(settings).unwrap(), &names(series), langs)
    }

    #[test]
    fn a_language_in_which_no_series_exists_is_wrong_usage() {
        let failure = compare("all", &[Lang::C, Lang::Rust]).unwrap_err();
        assert_eq!(failure.exit, crate::base::error::Exit::Usage);
        assert!(failure.message().contains("Rust") && failure.message().contains("6.1.y"));
        assert!(compare("nope", &[]).unwrap_err().message().contains("nope"));
    }

    #[test]
    fn a_series_that_exists_in_one_language_only_is_absent_in_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        std::fs::create_dir_all(own.join("6.1")).unwrap();
        let metadata =
            "title = \"t\"\n[lines.\"6.1.y\"]\nrust = { unpatched = \"so\" }\nc = { unpatched = \"so\" }\n";
        std::fs::write(own.join("series.toml"), metadata).unwrap();
        let series = format!("zeroed,{}", own.display());
        let compare = compare(&series, &[Lang::Rust, Lang::C]).unwrap();
        let grid = compare.grid(compare.request.sources.release).unwrap();
        let cells: Vec<_> = grid.planned.iter().map(|cell| (cell.label.as_str(), cell.lang)).collect();
        assert_eq!(cells, [("zeroed", Lang::C), ("own", Lang::C), ("own", Lang::Rust)]);
        assert_eq!((grid.absent.len(), grid.absent[0].series.as_str()), (1, "zeroed"));
        assert!(grid.absent[0].why.contains("Rust"), "{}", grid.absent[0].why);
    }
}
