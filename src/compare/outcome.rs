//! The outcomes in the cells of the matrix, in words, with the observations behind them.

use crate::claims::{DebuggerOutcome, DebuggerRun, Observation, Peek, TraceeAfter};
use crate::stages::boot::BootResult;

/// Both sizes of tracee in bits, in the order of the columns.
pub(super) const SIZES: [u8; 2] = [64, 32];

/// How good an outcome is for debugging; worse ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// Correct.
    Good,
    /// Nothing was observed.
    Missing,
    /// Information is withheld, or a debugger warns without harm.
    Caution,
    /// Wrong or unusable.
    Bad,
}

impl Tone {
    /// The symbol in tables of text.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Tone::Good => "✓",
            Tone::Missing => "–",
            Tone::Caution => "▲",
            Tone::Bad => "✗",
        }
    }
}

/// The outcome of one column on one size of tracee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CellOutcome {
    pub(super) tone: Tone,
    /// A few words, for the matrix.
    pub(super) words: String,
    /// The same as a sentence without its full stop, for the summary.
    pub(super) sentence: String,
    /// The observations behind the outcome.
    pub(super) details: Vec<Detail>,
}

/// One observation behind an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// A whole sentence.
    Sentence(String),
    /// A line of a transcript.
    Quote(String),
}

impl CellOutcome {
    fn missing(reason: String) -> CellOutcome {
        CellOutcome {
            tone: Tone::Missing,
            words: "not observed".into(),
            sentence: "nothing was observed".into(),
            details: vec![Detail::Sentence(reason)],
        }
    }
}

/// For each column of the matrix, first the segment registers and then `debuggers`, the outcomes on
/// [`SIZES`].
pub(super) fn outcomes(boot: &BootResult, debuggers: &[&str]) -> Vec<[CellOutcome; 2]> {
    let of = |name: &str| SIZES.map(|bits| by_debugger(boot, name, bits));
    std::iter::once(SIZES.map(|bits| registers(boot, bits)))
        .chain(debuggers.iter().map(|name| of(name)))
        .collect()
}

/// Why nothing was observed of a size of tracee.
fn why_missing(boot: &BootResult, bits: u8) -> String {
    let about = format!("{bits}-bit tracee");
    let note = boot.notes.iter().find(|note| note.contains(&about)).cloned();
    note.or_else(|| boot.problems.first().map(|problem| problem.message.clone()))
        .unwrap_or_else(|| format!("no io thread of a {bits}-bit tracee was observed"))
}

/// The segment registers of the io threads of one tracee, compared with those of their process.
fn registers(boot: &BootResult, bits: u8) -> CellOutcome {
    let of_size = || boot.observations.iter().filter(move |seen| seen.tracee_bits == bits);
    let leader = of_size().find(|seen| !seen.is_io_thread());
    let threads: Vec<_> = of_size().filter(|seen| seen.is_io_thread()).collect();
    if threads.is_empty() {
        return CellOutcome::missing(why_missing(boot, bits));
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
            let words = several
                .iter()
                .map(|(showing, threads)| format!("{} ({})", showing.words, threads.join(", ")));
            let sentences = several
                .iter()
                .map(|(showing, threads)| format!("{} {}", threads.join(", "), showing.predicate));
            (words.collect::<Vec<_>>().join("; "), sentences.collect::<Vec<_>>().join("; "))
        }
    };
    let details = leader.into_iter().chain(threads).map(|seen| Detail::Sentence(described(seen)));
    CellOutcome { tone, words, sentence, details: details.collect() }
}

/// The segment registers of one io thread, in words.
#[derive(Debug, PartialEq, Eq)]
struct Showing {
    tone: Tone,
    words: String,
    /// The rest of a sentence that begins with `io threads`.
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
        format!("are not listed in /proc/PID/task; addressed by thread id, they {}", showing.predicate),
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
    let nothing = || Showing::new(Tone::Missing, "not observed", "have no observed segment registers");
    let Some(cs) = &seen.peekuser_cs else { return nothing() };
    if let Peek::Errno(errno) = cs {
        return Showing::new(
            Tone::Caution,
            format!("reads refused: {errno}"),
            format!("can be attached to, but reading their registers fails with {errno}"),
        );
    }
    let Some(expected) = leader.and_then(|leader| leader.peekuser_cs.as_ref()) else { return nothing() };
    let view = leader.and_then(|leader| leader.regset_bytes);
    match (cs == expected, seen.regset_bytes) {
        (true, bytes) if bytes == view => {
            Showing::new(Tone::Good, format!("right: {cs}"), format!("show cs {cs}, as their process does"))
        }
        (true, Some(bytes)) => Showing::new(
            Tone::Bad,
            format!("{cs}, but a view of {bytes} bytes"),
            format!("show the correct cs, {cs}, but a register set of {bytes} bytes"),
        ),
        (true, None) => Showing::new(
            Tone::Caution,
            format!("{cs}, but no register set"),
            format!("show the correct cs, {cs}, but no register set"),
        ),
        (false, _) => Showing::new(
            Tone::Bad,
            format!("wrong: {cs}"),
            format!("show cs {cs} where their process has {expected}"),
        ),
    }
}

/// The observations of a thread's segment registers, as a sentence.
fn described(seen: &Observation) -> String {
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

fn outcome_words(outcome: DebuggerOutcome) -> &'static str {
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

/// The run of one debugger on one size of tracee.
pub(super) fn run_of<'a>(boot: &'a BootResult, debugger: &str, bits: u8) -> Option<&'a DebuggerRun> {
    boot.debuggers.iter().find(|run| run.debugger == debugger && run.tracee_bits == bits)
}

fn by_debugger(boot: &BootResult, name: &str, bits: u8) -> CellOutcome {
    let Some(run) = run_of(boot, name, bits) else {
        return CellOutcome::missing(format!("{name} was not run on a {bits}-bit tracee."));
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
    CellOutcome { tone, sentence: words.clone(), words, details: run_details(run) }
}

fn run_details(run: &DebuggerRun) -> Vec<Detail> {
    let usable = if run.usable { "were readable" } else { "were not readable" };
    let after = match run.tracee_after {
        TraceeAfter::Running => "was left running",
        TraceeAfter::Stopped => "was left stopped",
        TraceeAfter::Gone => "no longer existed",
    };
    let mut details = vec![Detail::Sentence(format!(
        "Listed {} of {} threads in {:.1} s; the leader’s backtrace and registers {usable}; the process {after}.",
        run.threads_seen, run.threads, run.seconds
    ))];
    details.extend(run.evidence.iter().cloned().map(Detail::Quote));
    details
}
