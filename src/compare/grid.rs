//! Which cells a comparison has: the chosen series in the chosen languages, as far as they exist.

use std::path::Path;

use super::{Absence, Error, Unmeasured};
use crate::base::context::Context;
use crate::base::error::{Explain, Failure};
use crate::base::options::{Goal, Lang};
use crate::base::release::ReleaseSpec;
use crate::kernel::kconfig::Kconfig;
use crate::kernel::series;
use crate::pipeline::request::Request;
use crate::pipeline::settings::Settings;
use crate::{doctor, pipeline};

/// The word for every shipped series.
const ALL: &str = "all";

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

/// What is made from the measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    pub html: bool,
    pub json: bool,
    pub markdown: bool,
}

impl Formats {
    /// From the words of `--format`; `None` where there are none.
    pub fn parse(given: &[String]) -> Result<Option<Formats>, Error> {
        let mut formats = Formats::default();
        for word in given {
            match word.as_str() {
                "html" => formats.html = true,
                "json" => formats.json = true,
                "markdown" => formats.markdown = true,
                _ => return Err(Error::Format { given: word.clone() }),
            }
        }
        Ok((!given.is_empty()).then_some(formats))
    }
}

/// What the user wants compared.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Series and language are those of the first cell.
    pub request: Request,
    /// As `--series` has them.
    series: Vec<String>,
    langs: Vec<Lang>,
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

impl Wish {
    /// Refuses what no release could make good, before anything is written.
    pub fn new(mut settings: Settings) -> Result<Wish, Failure> {
        let refused = |error: &dyn Explain| Failure::new(None, error);
        let series = chosen(settings.series.take().as_deref()).map_err(|error| refused(&error))?;
        let mut langs = std::mem::take(&mut settings.lang);
        if langs.is_empty() {
            langs.push(Lang::default());
        }
        langs.sort_by_key(|lang| *lang == Lang::Rust);
        langs.dedup();
        settings.lang = vec![langs[0]];
        settings.series = Some(series[0].clone());
        // Those of packages; a comparison makes none.
        settings.format.clear();
        let request = Request::new(settings).map_err(|error| refused(&error))?;
        let wish = Wish { request, series, langs };
        let spec = wish.request.sources.release;
        if matches!(spec, ReleaseSpec::Exact(_) | ReleaseSpec::Newest(_)) {
            wish.grid(spec)?;
        }
        for lang in &wish.langs {
            wish.check(*lang)?;
        }
        Ok(wish)
    }

    /// What every cell of a language needs of the request, whatever its series.
    fn check(&self, lang: Lang) -> Result<(Request, Kconfig), Failure> {
        let request = Request { series: series::NONE.into(), lang, ..self.request.clone() };
        let kconfig = pipeline::check(&request, Goal::Boot)?;
        Ok((request, kconfig))
    }

    /// Refuses a host that lacks something for a language which is not the first one's turn yet:
    /// nobody wants to hear of it hours later.
    pub fn require_tools(&self, cx: &Context) -> Result<(), Failure> {
        for lang in self.langs.iter().skip(1) {
            let (request, kconfig) = self.check(*lang)?;
            let job = request.job(&kconfig, Goal::Boot, cx.store.root());
            doctor::require(&doctor::examine(job, &cx.stop)).map_err(|error| Failure::new(None, &error))?;
        }
        Ok(())
    }

    /// The cells on this release, which is an exact one or the newest of a line.
    pub fn grid(&self, release: ReleaseSpec) -> Result<Grid, Failure> {
        let refused = |error: &dyn Explain| Failure::new(None, error);
        let mut grid = Grid::default();
        for lang in &self.langs {
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

/// The series that `--series` names, each once, in the order in which they are shown.
fn chosen(given: Option<&str>) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = match given.unwrap_or(ALL) {
        ALL => shipped(),
        list => {
            let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        }
    };
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
    use super::*;

    #[test]
    fn all_are_the_shipped_series_in_the_order_of_the_dispute() {
        let names = chosen(None).unwrap();
        assert_eq!(names.first().map(String::as_str), Some("zeroed"));
        assert_eq!(chosen(Some("all")).unwrap(), names);
        assert!(!names.iter().any(|name| name == "compat"));
        assert_eq!(chosen(Some("user-frame,zeroed,user-frame")).unwrap(), ["zeroed", "user-frame"]);
        let mixed = chosen(Some("./own/x, all")).unwrap();
        assert_eq!((mixed.len(), mixed.last().map(String::as_str)), (names.len() + 1, Some("./own/x")));
        assert!(matches!(chosen(Some(",")), Err(Error::NoSeries)));
        assert!(matches!(chosen(Some("./a/x,./b/x")), Err(Error::SameLabel { .. })));
    }

    fn wish(series: &str, langs: &[Lang]) -> Result<Wish, Failure> {
        Wish::new(Settings {
            release: Some("6.1.y".into()),
            series: Some(series.into()),
            lang: langs.to_vec(),
            ..Default::default()
        })
    }

    #[test]
    fn a_language_that_no_series_has_is_wrong_usage() {
        let failure = wish("all", &[Lang::C, Lang::Rust]).unwrap_err();
        assert_eq!(failure.exit, crate::base::error::Exit::Usage);
        assert!(failure.message().contains("Rust") && failure.message().contains("6.1.y"));
        assert!(wish("nope", &[]).unwrap_err().message().contains("nope"));
    }

    #[test]
    fn what_exists_in_one_language_only_is_skipped_with_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        std::fs::create_dir_all(own.join("6.1")).unwrap();
        let metadata =
            "title = \"t\"\n[lines.\"6.1.y\"]\nrust = { unpatched = \"so\" }\nc = { unpatched = \"so\" }\n";
        std::fs::write(own.join("series.toml"), metadata).unwrap();
        let wish = wish(&format!("zeroed,{}", own.display()), &[Lang::Rust, Lang::C]).unwrap();
        let grid = wish.grid(wish.request.sources.release).unwrap();
        let cells: Vec<_> = grid.wanted.iter().map(|cell| (cell.label.as_str(), cell.lang)).collect();
        assert_eq!(cells, [("zeroed", Lang::C), ("own", Lang::C), ("own", Lang::Rust)]);
        assert_eq!((grid.absent.len(), grid.absent[0].series.as_str()), (1, "zeroed"));
        assert!(grid.absent[0].why.contains("Rust"), "{}", grid.absent[0].why);
    }

    #[test]
    fn formats_are_those_of_a_comparison() {
        let parse =
            |words: &[&str]| Formats::parse(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(parse(&[]).unwrap(), None);
        assert_eq!(parse(&["markdown"]).unwrap(), Some(Formats { markdown: true, ..Formats::default() }));
        assert!(matches!(parse(&["deb"]), Err(Error::Format { .. })));
    }
}
