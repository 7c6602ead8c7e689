//! The matrix: one row for each series in each language, one column for the segment registers and one
//! for each debugger.

use super::outcome::{CellOutcome, Detail, Tone, outcomes};
use super::{Absence, Cell, Comparison, Unmeasured};
use crate::base::options::Lang;

/// The content of a row.
#[derive(Clone, Debug)]
pub(super) enum State<'a> {
    Measured(&'a Cell),
    Unmeasured(&'a Unmeasured),
}

/// One series in one language.
#[derive(Clone, Debug)]
pub(super) struct Row<'a> {
    pub(super) series: &'a str,
    pub(super) lang: Lang,
    /// Name of the series, with the language in a comparison of both.
    pub(super) label: String,
    pub(super) state: State<'a>,
    /// For each column the outcomes on both sizes of tracee; empty without a measurement.
    pub(super) outcomes: Vec<[CellOutcome; 2]>,
}

/// The matrix.
#[derive(Clone, Debug)]
pub(super) struct Table<'a> {
    /// Names with versions, in the order in which they first ran.
    pub(super) debuggers: Vec<&'a str>,
    pub(super) rows: Vec<Row<'a>>,
}

impl<'a> Table<'a> {
    pub(super) fn of(comparison: &'a Comparison) -> Table<'a> {
        let mut debuggers: Vec<&str> = Vec::new();
        for run in comparison.cells.iter().flat_map(|cell| &cell.boot.debuggers) {
            if !debuggers.contains(&run.debugger.as_str()) {
                debuggers.push(&run.debugger);
            }
        }
        let cells = comparison.cells.iter().map(|cell| (&*cell.series, cell.lang, State::Measured(cell)));
        let rest = comparison
            .unmeasured
            .iter()
            .map(|unmeasured| (&*unmeasured.series, unmeasured.lang, State::Unmeasured(unmeasured)));
        let mut rows: Vec<Row> = cells
            .chain(rest)
            .map(|(series, lang, state)| {
                let outcomes = match &state {
                    State::Measured(cell) => outcomes(&cell.boot, &debuggers),
                    State::Unmeasured(_) => Vec::new(),
                };
                Row { series, lang, label: series.to_owned(), state, outcomes }
            })
            .collect();
        if rows.iter().any(|row| row.lang != rows[0].lang) {
            for row in &mut rows {
                row.label = format!("{} ({})", row.series, row.lang.name());
            }
        }
        let order: Vec<&str> = unique(rows.iter().map(|row| row.series));
        rows.sort_by_key(|row| {
            (order.iter().position(|series| *series == row.series), row.lang == Lang::Rust)
        });
        Table { debuggers, rows }
    }

    /// Names of the columns of outcomes; each has two sizes of tracee.
    pub(super) fn columns(&self) -> Vec<&str> {
        std::iter::once("segment registers").chain(self.debuggers.iter().copied()).collect()
    }

    /// The heading of a table of text, with the columns of [`Row::words`].
    pub(super) fn heading(&self) -> Vec<String> {
        let mut heading = vec!["series".to_owned()];
        heading.extend(self.columns().iter().map(|column| format!("{column}, 64 / 32 bit")));
        heading.push("claims".into());
        heading
    }

    /// The rows with a measurement.
    pub(super) fn measured(&self) -> impl Iterator<Item = (&Row<'a>, &'a Cell)> {
        self.rows.iter().filter_map(|row| match row.state {
            State::Measured(cell) => Some((row, cell)),
            State::Unmeasured(_) => None,
        })
    }

    /// The series, each once, in the order of the rows.
    pub(super) fn series(&self) -> Vec<&'a str> {
        unique(self.rows.iter().map(|row| row.series))
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

impl Row<'_> {
    /// The row as part of an HTML `id`: lower-case letters, digits and dashes.
    pub(super) fn slug(&self) -> String {
        format!("{}-{}", slug(self.series), self.lang.slug())
    }

    /// The row as text, with a symbol and words in each cell.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = vec![self.label.clone()];
        let text = |outcome: &CellOutcome| format!("{} {}", outcome.tone.symbol(), outcome.words);
        words.extend(self.outcomes.iter().map(|[b64, b32]| format!("{} / {}", text(b64), text(b32))));
        words.push(text(&claims_outcome(&self.state)));
        words
    }

    /// Whether the registers of both tracee sizes were observed and are not wrong, and every debugger
    /// had a good outcome on both.
    pub(super) fn satisfies(&self) -> bool {
        let Some((registers, debuggers)) = self.outcomes.split_first() else { return false };
        let acceptable = |outcome: &CellOutcome| !matches!(outcome.tone, Tone::Bad | Tone::Missing);
        registers.iter().all(acceptable)
            && debuggers.iter().flatten().all(|outcome| outcome.tone == Tone::Good)
    }
}

/// The outcome of the claims of a row.
pub(super) fn claims_outcome(state: &State) -> CellOutcome {
    let outcome =
        |tone, words: String, details| CellOutcome { tone, sentence: words.clone(), words, details };
    match state {
        State::Measured(cell) => {
            let failures = cell.boot.failures();
            let held = cell.boot.claims.iter().filter(|claim| claim.holds).count();
            let total = cell.boot.claims.len();
            let details = failures.into_iter().map(Detail::Sentence).collect();
            match (cell.boot.passed(), cell.boot.problems.is_empty()) {
                (true, _) => outcome(Tone::Good, format!("all {total} held"), details),
                (false, true) => {
                    let failed = total - held;
                    let sentence = format!("{failed} of its {total} claims do not hold");
                    CellOutcome {
                        sentence,
                        ..outcome(Tone::Bad, format!("{failed} of {total} failed"), details)
                    }
                }
                (false, false) => outcome(Tone::Bad, "the boot failed".into(), details),
            }
        }
        State::Unmeasured(unmeasured) => {
            let words = match unmeasured.state {
                Absence::NotAvailable => {
                    format!("not available in {} on this line", unmeasured.lang.name())
                }
                Absence::Failed => "the run failed".into(),
                Absence::NotReached => "not measured".into(),
            };
            let tone = if unmeasured.state == Absence::Failed { Tone::Bad } else { Tone::Missing };
            outcome(tone, words, vec![Detail::Sentence(unmeasured.why.clone())])
        }
    }
}

/// The text as part of an HTML `id`: lower-case letters, digits and dashes.
pub(super) fn slug(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(safe).collect()
}
