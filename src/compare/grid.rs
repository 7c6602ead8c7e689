//! Which cells a comparison has: the chosen series in the chosen languages, as far as they exist.

use std::path::Path;

use super::{Absence, Error, Unmeasured};
use crate::base::context::Context;
use crate::base::error::{Explain, Failure};
use crate::base::options::{Goal, Lang};
use crate::base::release::ReleaseSpec;
use crate::kernel::series;
use crate::pipeline::request::Request;
use crate::{doctor, pipeline};

/// The word for every shipped series.
pub const ALL: &str = "all";

/// The order of the dispute: the behaviour that started it, then each way out as it came up.
const ORDER: [&str; 7] = [
    "zeroed",
    "copy-segments",
    "user-segments",
    "einval-regs",
    "einval-attach",
    "hide-threads",
    "user-frame",
];

/// What to compare.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// One request for each language, C first; series and output directory are the cell's concern.
    requests: Vec<Request>,
    /// Shipped names and paths, each once, in the order in which they are shown.
    series: Vec<String>,
}

/// A cell to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A shipped name, or a path.
    pub series: String,
    /// The name under which it is shown.
    pub label: String,
    pub lang: Lang,
}

/// All cells of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// All of one language, then all of the other: that switches the least source.
    pub wanted: Vec<Wanted>,
    pub absent: Vec<Unmeasured>,
}

impl CompareRequest {
    /// Builds the cells from `cell`, whose series and language are replaced. `series` are names, paths or [`ALL`];
    /// no language means C.
    ///
    /// # Errors
    /// What no release can provide, before anything is written.
    pub fn new(cell: Request, series: &[String], langs: &[Lang]) -> Result<CompareRequest, Failure> {
        let refused = |error: &dyn Explain| Failure::new(None, error);
        let series = chosen(series).map_err(|error| refused(&error))?;
        let mut langs = if langs.is_empty() { vec![Lang::default()] } else { langs.to_vec() };
        langs.sort_by_key(|lang| *lang == Lang::Rust);
        langs.dedup();
        cell.check().map_err(|error| refused(&error))?;
        let requests = langs.into_iter().map(|lang| cell.with_lang(lang)).collect::<Result<_, _>>();
        let request = CompareRequest { requests: requests.map_err(|error| refused(&error))?, series };
        let spec = cell.sources.release;
        if matches!(spec, ReleaseSpec::Exact(_) | ReleaseSpec::Newest(_)) {
            request.grid(spec)?;
        }
        for request in &request.requests {
            check(request)?;
        }
        Ok(request)
    }

    /// Returns the directory for `compare.json` and everything that it names.
    pub fn out(&self) -> &Path {
        &self.first().out
    }

    /// Returns the request of the first language.
    pub(super) fn first(&self) -> &Request {
        &self.requests[0]
    }

    /// Returns the request of a language.
    pub(super) fn request(&self, lang: Lang) -> &Request {
        self.requests.iter().find(|request| request.lang == lang).expect("a cell has one of the languages")
    }

    /// Refuses a host that lacks something for a later language, instead of failing hours later.
    pub(super) fn require_tools(&self, cx: &Context) -> Result<(), Failure> {
        for request in self.requests.iter().skip(1) {
            let job = request.job(Goal::Boot, cx.store.root());
            doctor::require(&doctor::examine(job, &cx.stop)).map_err(|error| Failure::new(None, &error))?;
        }
        Ok(())
    }

    /// The cells on this release, which is an exact one or the newest of a line.
    pub(super) fn grid(&self, release: ReleaseSpec) -> Result<Grid, Failure> {
        let refused = |error: &dyn Explain| Failure::new(None, error);
        let mut grid = Grid::default();
        for lang in &self.requests.iter().map(|request| request.lang).collect::<Vec<_>>() {
            for name in &self.series {
                let label = label(name);
                match series::check(name, release, *lang) {
                    Ok(()) => grid.wanted.push(Wanted { series: name.clone(), label, lang: *lang }),
                    Err(error @ (series::Error::NoLine { .. } | series::Error::NoLang { .. })) => {
                        let state = Absence::NotAvailable;
                        grid.absent.push(Unmeasured {
                            series: label,
                            lang: *lang,
                            state,
                            why: error.to_string(),
                        });
                    }
                    Err(error) => return Err(refused(&error)),
                }
            }
            if !grid.wanted.iter().any(|wanted| wanted.lang == *lang) {
                let error = Error::NoneInLanguage { lang: *lang, release: release.to_string() };
                return Err(refused(&error));
            }
        }
        Ok(grid)
    }
}

/// Checks what every cell of a language needs, whatever its series.
fn check(request: &Request) -> Result<(), Failure> {
    pipeline::check(&Request { series: series::NONE.into(), ..request.clone() }, Goal::Boot)
}

/// The chosen series, each once, in the order in which they are shown.
fn chosen(given: &[String]) -> Result<Vec<String>, Error> {
    let mut names = given.to_vec();
    if names.iter().any(|name| name == ALL) {
        names.retain(|name| name != ALL);
        names.extend(shipped());
    }
    let place = |name: &String| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len());
    names.sort_by_key(place);
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

/// The last part of a path of the user's own.
fn label(name: &str) -> String {
    let last = Path::new(name).file_stem().filter(|_| name.contains('/'));
    last.map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::options::{Compression, Timestamp};
    use crate::pipeline::request::Keys;
    use crate::stages::boot::BootRequest;
    use crate::stages::boot::debuggers::DebuggerRequest;
    use crate::stages::fetch::pins::Pins;
    use crate::stages::fetch::{SourceRequest, SourceSpec};

    #[test]
    fn all_are_the_shipped_series_in_the_order_of_the_dispute() {
        let chosen = |words: &[&str]| super::chosen(&owned(words));
        let names = chosen(&["all"]).unwrap();
        assert_eq!(names.first().map(String::as_str), Some("zeroed"));
        assert!(!names.iter().any(|name| name == "compat"));
        assert_eq!(chosen(&["user-frame", "zeroed", "user-frame"]).unwrap(), ["zeroed", "user-frame"]);
        let mixed = chosen(&["./own/x", "all"]).unwrap();
        assert_eq!((mixed.len(), mixed.last().map(String::as_str)), (names.len() + 1, Some("./own/x")));
        assert!(matches!(chosen(&[]), Err(Error::NoSeries)));
        assert!(matches!(chosen(&["./a/x", "./b/x"]), Err(Error::SameLabel { .. })));
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn request(series: &[&str], langs: &[Lang]) -> Result<CompareRequest, Failure> {
        let kconfig_names = owned(&["boot"]);
        let cell = Request {
            sources: SourceRequest {
                release: "6.1.y".parse().unwrap(),
                source: SourceSpec::Auto,
                no_verify: false,
                keyring: None,
                kernel_org: Vec::new(),
                debian_mirror: None,
                pins: Pins::default(),
            },
            series: series::DEFAULT.into(),
            lang: Lang::C,
            kconfig: Request::load_kconfig(&kconfig_names, Lang::C, &Keys::default()).unwrap(),
            kconfig_names,
            formats: Vec::new(),
            parts: None,
            compression: Compression::default(),
            cc: "gcc".into(),
            localversion: None,
            revision: 1,
            jobs: None,
            timestamp: Timestamp::OfSource,
            keys: Keys::default(),
            out: "/nowhere".into(),
            boot: Some(BootRequest {
                accel: None,
                deadline: Duration::from_secs(1),
                debuggers: DebuggerRequest::none(),
            }),
        };
        CompareRequest::new(cell, &owned(series), langs)
    }

    #[test]
    fn a_language_that_no_series_has_is_wrong_usage() {
        let failure = request(&["all"], &[Lang::C, Lang::Rust]).unwrap_err();
        assert_eq!(failure.exit, crate::base::error::Exit::Usage);
        assert!(failure.message().contains("Rust") && failure.message().contains("6.1.y"));
        assert!(request(&["nope"], &[]).unwrap_err().message().contains("nope"));
    }

    #[test]
    fn what_exists_in_one_language_only_is_skipped_with_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        std::fs::create_dir_all(own.join("6.1")).unwrap();
        let metadata =
            "title = \"t\"\n[lines.\"6.1.y\"]\nrust = { unpatched = \"so\" }\nc = { unpatched = \"so\" }\n";
        std::fs::write(own.join("series.toml"), metadata).unwrap();
        let request = request(&["zeroed", own.to_str().unwrap()], &[Lang::Rust, Lang::C]).unwrap();
        let grid = request.grid(request.first().sources.release).unwrap();
        let cells: Vec<_> = grid.wanted.iter().map(|cell| (cell.label.as_str(), cell.lang)).collect();
        assert_eq!(cells, [("zeroed", Lang::C), ("own", Lang::C), ("own", Lang::Rust)]);
        assert_eq!((grid.absent.len(), grid.absent[0].series.as_str()), (1, "zeroed"));
        assert!(grid.absent[0].why.contains("Rust"), "{}", grid.absent[0].why);
    }
}
