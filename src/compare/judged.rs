//! What each cell of the matrix says, in words and with its evidence.

use super::{Absence, Cell, Comparison, Unmeasured, lang_name, lang_slug};
use crate::base::options::Lang;
use crate::claims::{DebuggerOutcome, DebuggerRun, Observation, Peek, TraceeAfter};
use crate::stages::boot::BootResult;

/// Both sizes of tracee, in the order of the columns.
pub const SIZES: [u8; 2] = [64, 32];

/// How good an outcome is for whoever debugs; worse ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    Good,
    /// Nothing was observed.
    Missing,
    /// Something is withheld, or complained about without harm.
    Caution,
    Bad,
}

impl Tone {
    pub fn symbol(self) -> &'static str {
        match self {
            Tone::Good => "✓",
            Tone::Missing => "–",
            Tone::Caution => "▲",
            Tone::Bad => "✗",
        }
    }
}

/// One cell of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub tone: Tone,
    /// A few words.
    pub words: String,
    /// The same as a sentence without its full stop, which says on what it was seen.
    pub sentence: String,
    /// Whole sentences, and lines quoted from a transcript.
    pub evidence: Vec<Evidence>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    Says(String),
    Quote(String),
}

impl Outcome {
    fn missing(why: impl Into<String>) -> Outcome {
        let why = why.into();
        Outcome {
            tone: Tone::Missing,
            words: "not observed".into(),
            sentence: "nothing was observed".into(),
            evidence: vec![Evidence::Says(why)],
        }
    }
}

/// What a row shows.
#[derive(Clone, Debug)]
pub enum State<'a> {
    Measured(&'a Cell),
    Unmeasured(&'a Unmeasured),
}

/// One series in one language.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub series: &'a str,
    pub lang: Lang,
    /// With the language, where there is more than one.
    pub label: String,
    pub state: State<'a>,
    /// For each column of the table the outcomes on [`SIZES`]; empty where nothing was measured.
    pub outcomes: Vec<[Outcome; 2]>,
}

/// The matrix.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// With their versions, in the order in which they were met.
    pub debuggers: Vec<&'a str>,
    pub rows: Vec<Row<'a>>,
}

impl<'a> Table<'a> {
    pub fn of(comparison: &'a Comparison) -> Table<'a> {
        let mut debuggers: Vec<&str> = Vec::new();
        for run in comparison.cells.iter().flat_map(|cell| &cell.boot.debuggers) {
            if !debuggers.contains(&run.debugger.as_str()) {
                debuggers.push(&run.debugger);
            }
        }
        let cells = comparison.cells.iter().map(|cell| (&*cell.series, cell.lang, State::Measured(cell)));
        let rest =
            comparison.unmeasured.iter().map(|gone| (&*gone.series, gone.lang, State::Unmeasured(gone)));
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
                row.label = format!("{} ({})", row.series, lang_name(row.lang));
            }
        }
        let order: Vec<&str> = unique(rows.iter().map(|row| row.series));
        rows.sort_by_key(|row| {
            (order.iter().position(|series| *series == row.series), row.lang == Lang::Rust)
        });
        Table { debuggers, rows }
    }

    /// Names of the columns of outcomes; each stands for two sizes of tracee.
    pub fn columns(&self) -> Vec<&str> {
        std::iter::once("segment registers").chain(self.debuggers.iter().copied()).collect()
    }

    /// For a table of text: the columns of [`Row::words`].
    pub fn heading(&self) -> Vec<String> {
        let mut heading = vec!["series".to_owned()];
        heading.extend(self.columns().iter().map(|column| format!("{column}, 64 / 32 bit")));
        heading.push("claims".into());
        heading
    }

    pub fn measured(&self) -> impl Iterator<Item = (&Row<'a>, &'a Cell)> {
        self.rows.iter().filter_map(|row| match row.state {
            State::Measured(cell) => Some((row, cell)),
            State::Unmeasured(_) => None,
        })
    }

    /// The series, each once, in the order of the rows.
    pub fn series(&self) -> Vec<&'a str> {
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
    /// Good for an `id`: letters, digits, dashes.
    pub fn slug(&self) -> String {
        format!("{}-{}", slug(self.series), lang_slug(self.lang))
    }

    /// The row as text, a symbol and words in each cell.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![self.label.clone()];
        let said = |outcome: &Outcome| format!("{} {}", outcome.tone.symbol(), outcome.words);
        words.extend(self.outcomes.iter().map(|[b64, b32]| format!("{} / {}", said(b64), said(b32))));
        let last = claims_words(&self.state);
        words.push(format!("{} {}", last.tone.symbol(), last.words));
        words
    }

    /// Whether both tracee sizes were seen with every debugger, and nothing was wrong with any.
    pub fn satisfies(&self) -> bool {
        let Some((registers, debuggers)) = self.outcomes.split_first() else { return false };
        let seen = |outcome: &Outcome| !matches!(outcome.tone, Tone::Bad | Tone::Missing);
        registers.iter().all(seen) && debuggers.iter().flatten().all(|outcome| outcome.tone == Tone::Good)
    }
}

/// How the claims of a row fared.
pub fn claims_words(state: &State) -> Outcome {
    let outcome = |tone, words: String, evidence| Outcome { tone, sentence: words.clone(), words, evidence };
    match state {
        State::Measured(cell) => {
            let failures = cell.boot.failures();
            let held = cell.boot.claims.iter().filter(|claim| claim.holds).count();
            let total = cell.boot.claims.len();
            let evidence = failures.into_iter().map(Evidence::Says).collect();
            match (cell.boot.passed(), cell.boot.problems.is_empty()) {
                (true, _) => outcome(Tone::Good, format!("all {total} held"), evidence),
                (false, true) => {
                    let failed = total - held;
                    let sentence = format!("{failed} of its {total} claims did not hold");
                    Outcome {
                        sentence,
                        ..outcome(Tone::Bad, format!("{failed} of {total} failed"), evidence)
                    }
                }
                (false, false) => outcome(Tone::Bad, "the boot failed".into(), evidence),
            }
        }
        State::Unmeasured(gone) => {
            let words = match gone.state {
                Absence::NotAvailable => {
                    format!("not available in {} on this line", lang_name(gone.lang))
                }
                Absence::Failed => "its run failed".into(),
                Absence::NotReached => "not measured".into(),
            };
            let tone = if gone.state == Absence::Failed { Tone::Bad } else { Tone::Missing };
            outcome(tone, words, vec![Evidence::Says(gone.why.clone())])
        }
    }
}

fn outcomes(boot: &BootResult, debuggers: &[&str]) -> Vec<[Outcome; 2]> {
    let of = |name: &str| SIZES.map(|bits| by_debugger(boot, name, bits));
    std::iter::once(SIZES.map(|bits| registers(boot, bits)))
        .chain(debuggers.iter().map(|name| of(name)))
        .collect()
}

/// Why a size of tracee has nothing to show.
fn why_missing(boot: &BootResult, bits: u8) -> String {
    let about = format!("{bits}-bit tracee");
    let note = boot.notes.iter().find(|note| note.contains(&about)).cloned();
    note.or_else(|| boot.problems.first().map(|problem| problem.message.clone()))
        .unwrap_or_else(|| format!("no io thread of a {bits}-bit tracee was observed"))
}

/// The segment registers that the io threads of one tracee show, against their process' own.
fn registers(boot: &BootResult, bits: u8) -> Outcome {
    let of_size = || boot.observations.iter().filter(move |seen| seen.tracee_bits == bits);
    let leader = of_size().find(|seen| !seen.is_io_thread());
    let threads: Vec<_> = of_size().filter(|seen| seen.is_io_thread()).collect();
    if threads.is_empty() {
        return Outcome::missing(why_missing(boot, bits));
    }
    let shown: Vec<_> = threads.iter().map(|seen| (&*seen.thread, shows(seen, leader))).collect();
    let tone = shown.iter().map(|(_, showing)| showing.tone).max().expect("there is a thread");
    let mut groups: Vec<(&Showing, Vec<&str>)> = Vec::new();
    for (thread, showing) in &shown {
        match groups.iter_mut().find(|(known, _)| *known == showing) {
            Some((_, threads)) if !threads.contains(thread) => threads.push(thread),
            Some(_) => {}
            None => groups.push((showing, vec![thread])),
        }
    }
    let (words, sentence) = match &groups[..] {
        [(one, _)] => (one.words.clone(), format!("io threads {}", one.predicate)),
        several => {
            let words = several.iter().map(|(it, threads)| format!("{} ({})", it.words, threads.join(", ")));
            let sentences =
                several.iter().map(|(it, threads)| format!("{} {}", threads.join(", "), it.predicate));
            (words.collect::<Vec<_>>().join("; "), sentences.collect::<Vec<_>>().join("; "))
        }
    };
    let evidence = leader.into_iter().chain(threads).map(|seen| Evidence::Says(evidence_of(seen)));
    Outcome { tone, words, sentence, evidence: evidence.collect() }
}

/// What one io thread shows of its segment registers.
#[derive(Debug, PartialEq, Eq)]
struct Showing {
    tone: Tone,
    words: String,
    /// After `io threads`.
    predicate: String,
}

impl Showing {
    fn new(tone: Tone, words: impl Into<String>, predicate: impl Into<String>) -> Showing {
        Showing { tone, words: words.into(), predicate: predicate.into() }
    }
}

fn shows(seen: &Observation, leader: Option<&Observation>) -> Showing {
    let showing = shows_register(seen, leader);
    if seen.listed {
        return showing;
    }
    Showing::new(
        showing.tone.max(Tone::Caution),
        format!("not listed, {}", showing.words),
        format!("are not listed in /proc/PID/task; by their ids they {}", showing.predicate),
    )
}

fn shows_register(seen: &Observation, leader: Option<&Observation>) -> Showing {
    if let (Some(errno), Some(_)) = (seen.attach.errno(), seen.seize.errno()) {
        return Showing::new(
            Tone::Caution,
            format!("attach refused: {errno}"),
            format!("cannot be attached to ({errno})"),
        );
    }
    let nothing = || Showing::new(Tone::Missing, "not observed", "were not observed to show anything");
    let Some(cs) = &seen.peekuser_cs else { return nothing() };
    if let Peek::Errno(errno) = cs {
        return Showing::new(
            Tone::Caution,
            format!("reads refused: {errno}"),
            format!("can be attached to, but reading their registers fails with {errno}"),
        );
    }
    let Some(right) = leader.and_then(|leader| leader.peekuser_cs.as_ref()) else { return nothing() };
    let view = leader.and_then(|leader| leader.regset_bytes);
    match (cs == right, seen.regset_bytes) {
        (true, bytes) if bytes == view => {
            Showing::new(Tone::Good, format!("right: {cs}"), format!("show cs {cs}, as their process does"))
        }
        (true, Some(bytes)) => Showing::new(
            Tone::Bad,
            format!("{cs}, but a view of {bytes} bytes"),
            format!("show the right cs, {cs}, but a register set of {bytes} bytes"),
        ),
        (true, None) => Showing::new(
            Tone::Caution,
            format!("{cs}, but no register set"),
            format!("show the right cs, {cs}, but no register set"),
        ),
        (false, _) => Showing::new(
            Tone::Bad,
            format!("wrong: {cs}"),
            format!("show cs {cs} where their process has {right}"),
        ),
    }
}

fn evidence_of(seen: &Observation) -> String {
    let mut text = format!("{}: attach {}", seen.thread, seen.attach);
    if let Some(cs) = &seen.peekuser_cs {
        text += &format!("; PTRACE_PEEKUSER cs {cs}");
    }
    for (name, value) in [("ss", seen.ss), ("ip", seen.ip), ("sp", seen.sp)] {
        if let Some(value) = value {
            text += &format!(", {name} {value}");
        }
    }
    match (&seen.regset, seen.regset_bytes) {
        (_, Some(bytes)) => text += &format!("; register set of {bytes} bytes"),
        (Some(errno), None) => text += &format!("; register set {errno}"),
        (None, None) => {}
    }
    text + if seen.listed { "." } else { "; not listed in /proc/PID/task." }
}

/// The words of an outcome, without what else there is to say of the run.
pub fn outcome_words(outcome: DebuggerOutcome) -> &'static str {
    match outcome {
        DebuggerOutcome::AttachLoop => "attach loop",
        DebuggerOutcome::TimedOut => "timed out",
        DebuggerOutcome::AttachAborted => "attach aborted",
        DebuggerOutcome::ArchitectureWarning => "architecture warning",
        DebuggerOutcome::ThreadsHidden => "threads hidden",
        DebuggerOutcome::ThreadsRefused => "threads refused",
        DebuggerOutcome::Clean => "clean",
    }
}

pub fn run_of<'a>(boot: &'a BootResult, debugger: &str, bits: u8) -> Option<&'a DebuggerRun> {
    boot.debuggers.iter().find(|run| run.debugger == debugger && run.tracee_bits == bits)
}

fn by_debugger(boot: &BootResult, name: &str, bits: u8) -> Outcome {
    let Some(run) = run_of(boot, name, bits) else {
        return Outcome::missing(format!("{name} was not run on a {bits}-bit tracee."));
    };
    let mut words = outcome_words(run.outcome).to_owned();
    let mut tone = match run.outcome {
        DebuggerOutcome::Clean => Tone::Good,
        DebuggerOutcome::ArchitectureWarning
        | DebuggerOutcome::ThreadsHidden
        | DebuggerOutcome::ThreadsRefused => Tone::Caution,
        DebuggerOutcome::AttachLoop | DebuggerOutcome::TimedOut | DebuggerOutcome::AttachAborted => Tone::Bad,
    };
    if !run.usable {
        tone = Tone::Bad;
        words += ", unusable";
    }
    match run.tracee_after {
        TraceeAfter::Running => {}
        TraceeAfter::Stopped => {
            tone = Tone::Bad;
            words += ", process left stopped";
        }
        TraceeAfter::Gone => {
            tone = Tone::Bad;
            words += ", process gone";
        }
    }
    Outcome { tone, sentence: words.clone(), words, evidence: run_evidence(run) }
}

fn run_evidence(run: &DebuggerRun) -> Vec<Evidence> {
    let usable = if run.usable { "were readable" } else { "were not readable" };
    let after = match run.tracee_after {
        TraceeAfter::Running => "was left running",
        TraceeAfter::Stopped => "was left stopped",
        TraceeAfter::Gone => "was gone afterwards",
    };
    let mut evidence = vec![Evidence::Says(format!(
        "Listed {} of {} threads in {:.1} s; the leader’s backtrace and registers {usable}; the process {after}.",
        run.threads_seen, run.threads, run.seconds
    ))];
    evidence.extend(run.evidence.iter().cloned().map(Evidence::Quote));
    evidence
}

/// Good for an `id`: small letters, digits, dashes.
pub fn slug(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(safe).collect()
}
