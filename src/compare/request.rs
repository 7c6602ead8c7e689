//! The request of a comparison, and its cells: the requested series in the requested languages, as far as they exist.

use std::path::Path;

use super::error::Error;
use super::{Absence, Unmeasured};
use crate::base::context::Context;
use crate::base::error::{Explain, Failure};
use crate::base::options::{Goal, Lang};
use crate::base::release::ReleaseSpec;
use crate::kernel::series;
use crate::pipeline::request::Request;
use crate::{doctor, pipeline};

/// The word for every shipped series.
pub(crate) const ALL: &str = "all";

/// The order of the discussion: the behaviour that started it, then each proposal in turn.
const ORDER: [&str; 7] = [
    "zeroed",
    "copy-segments",
    "user-segments",
    "einval-regs",
    "einval-attach",
    "hide-threads",
    "user-frame",
];

/// A checked request for a comparison.
#[derive(Clone, Debug)]
pub(crate) struct CompareRequest {
    /// One request for each language, C first. Series and output directory are those of the whole
    /// comparison; each cell replaces them.
    requests: Vec<Request>,
    /// Shipped names, `none` or paths, each once, in the order in which they are shown.
    series: Vec<String>,
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
    /// Checks a request as far as possible before the release is resolved. Writes nothing.
    ///
    /// `request` provides the settings that all cells share; its series and language are replaced.
    /// `series` has shipped names, `none`, paths or [`ALL`]. Without `langs` the language is C.
    ///
    /// # Errors
    /// A series, a language or their combination with the request is not usable.
    pub(crate) fn new(
        request: Request,
        series: &[String],
        langs: &[Lang],
    ) -> Result<CompareRequest, Failure> {
        request.check().map_err(refused)?;
        let series = selected(series).map_err(refused)?;
        let mut langs = if langs.is_empty() { vec![Lang::default()] } else { langs.to_vec() };
        langs.sort();
        langs.dedup();
        let requests = langs.into_iter().map(|lang| request.with_lang(lang)).collect::<Result<_, _>>();
        let compare = CompareRequest { requests: requests.map_err(refused)?, series };
        let release = compare.common().sources.release;
        if matches!(release, ReleaseSpec::Exact(_) | ReleaseSpec::Newest(_)) {
            compare.grid(release)?;
        }
        for request in &compare.requests {
            let request = Request { series: series::NONE.into(), ..request.clone() };
            pipeline::check(&request, Goal::Boot)?;
        }
        Ok(compare)
    }

    /// The directory for `compare.json` and everything that it names.
    pub(crate) fn out(&self) -> &Path {
        &self.common().out
    }

    /// A request for everything that does not depend on the language.
    pub(super) fn common(&self) -> &Request {
        &self.requests[0]
    }

    /// The request for cells in `lang`, which must be one of the languages.
    pub(super) fn in_lang(&self, lang: Lang) -> &Request {
        self.requests.iter().find(|request| request.lang == lang).expect("a cell has one of the languages")
    }

    /// Refuses a host that lacks a tool for the second language now instead of hours later, when
    /// the first cell in that language begins.
    pub(super) fn require_tools(&self, cx: &Context) -> Result<(), Failure> {
        for request in self.requests.iter().skip(1) {
            let host = request.host_request(Goal::Boot, cx.store.root());
            doctor::require(&doctor::examine(host, &cx.stop)).map_err(refused)?;
        }
        Ok(())
    }

    /// The cells on this release, which is an exact one or the newest of a line.
    pub(super) fn grid(&self, release: ReleaseSpec) -> Result<Grid, Failure> {
        let mut grid = Grid::default();
        for lang in self.requests.iter().map(|request| request.lang) {
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
fn selected(given: &[String]) -> Result<Vec<String>, Error> {
    let mut names = given.to_vec();
    if names.iter().any(|name| name == ALL) {
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
    use std::time::Duration;

    use super::*;
    use crate::base::options::{Compression, SandboxChoice, Timestamp};
    use crate::kernel::Keys;
    use crate::kernel::kconfig::Kconfig;

    use crate::stages::boot::BootRequest;
    use crate::stages::boot::debuggers::DebuggerRequest;
    use crate::stages::fetch::pins::Pins;
    use crate::stages::fetch::{SourceRequest, SourceSpec};

    #[test]
    fn all_series_are_the_shipped_ones_in_the_order_of_the_discussion() {
        let chosen = |words: &[&str]| selected(&owned(words));
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
                accept_stale_index: false,
                outputs: Vec::new(),
                pins: Pins::default(),
            },
            series: series::DEFAULT.into(),
            lang: Lang::C,
            kconfig: Kconfig::load_for(Lang::C, false, &kconfig_names).unwrap(),
            kconfig_names,
            formats: Vec::new(),
            parts: None,
            compression: Compression::default(),
            cc: "gcc".into(),
            localversion: None,
            revision: 1,
            jobs: None,
            sandbox: SandboxChoice::Automatic,
            timestamp: Timestamp::OfSource,
            keys: Keys::default(),
            out: "/nowhere".into(),
            boot: Some(BootRequest {
                accel: None,
                deadline: Duration::from_secs(1),
                debuggers: DebuggerRequest::none(),
                allowances: Vec::new(),
            }),
        };
        CompareRequest::new(cell, &owned(series), langs)
    }

    #[test]
    fn a_language_in_which_no_series_exists_is_wrong_usage() {
        let failure = request(&["all"], &[Lang::C, Lang::Rust]).unwrap_err();
        assert_eq!(failure.exit, crate::base::error::Exit::Usage);
        assert!(failure.message().contains("Rust") && failure.message().contains("6.1.y"));
        assert!(request(&["nope"], &[]).unwrap_err().message().contains("nope"));
    }

    #[test]
    fn a_series_that_exists_in_one_language_only_is_absent_in_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        std::fs::create_dir_all(own.join("6.1")).unwrap();
        let metadata =
            "title = \"t\"\n[lines.\"6.1.y\"]\nrust = { unpatched = \"so\" }\nc = { unpatched = \"so\" }\n";
        std::fs::write(own.join("series.toml"), metadata).unwrap();
        let request = request(&["zeroed", own.to_str().unwrap()], &[Lang::Rust, Lang::C]).unwrap();
        let grid = request.grid(request.common().sources.release).unwrap();
        let cells: Vec<_> = grid.planned.iter().map(|cell| (cell.label.as_str(), cell.lang)).collect();
        assert_eq!(cells, [("zeroed", Lang::C), ("own", Lang::C), ("own", Lang::Rust)]);
        assert_eq!((grid.absent.len(), grid.absent[0].series.as_str()), (1, "zeroed"));
        assert!(grid.absent[0].why.contains("Rust"), "{}", grid.absent[0].why);
    }
}
