//! The measurements in sentences. Names of series are between backticks.

use super::matrix::{Row, Table, claims_outcome};
use super::outcome::{SIZES, Tone};
use super::{Absence, Cell, Comparison};
use crate::base::text::capitalized;
use crate::claims::{Answer, DebuggerOutcome, DebuggerRun, TraceeAfter};

/// The summary of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What was measured, which series work everywhere, and whether the claims hold.
    pub lead: Vec<String>,
    /// The findings about each series, in the order of the matrix.
    pub series: Vec<SeriesFinding>,
    /// The answer to the open question.
    pub einval: EinvalAnswer,
}

/// A series in words, in the languages that show the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesFinding {
    /// Name of the series, with its languages in a comparison of both.
    pub label: String,
    /// Names of the languages.
    langs: Vec<String>,
    /// The row as part of an HTML `id`.
    pub(super) slug: String,
    pub(super) tone: Tone,
    /// The problems, one sentence each; for a series without a problem, one sentence that states this.
    pub points: Vec<String>,
}

/// How gdb reacts when reading the registers of an io thread returns EINVAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EinvalAnswer {
    /// The answer in sentences.
    pub answer: Vec<String>,
    /// Lines that gdb printed: the runs, and the line.
    pub(super) quotes: Vec<(String, String)>,
}

/// Summarizes a comparison.
pub fn summary(comparison: &Comparison) -> Summary {
    let table = Table::of(comparison);
    let findings = findings(&table);
    Summary { lead: lead(comparison, &table), series: findings, einval: einval(&table) }
}

/// Joins items for a sentence: `one`, `one and two`, `one, two and three`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A number and its noun, with numbers below ten as words: `one kernel`, `14 kernels`.
fn count(number: usize, singular: &str, plural: &str) -> String {
    let words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let number_word = words.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned());
    format!("{number_word} {}", if number == 1 { singular } else { plural })
}

fn lead(comparison: &Comparison, table: &Table) -> Vec<String> {
    if comparison.cells.is_empty() {
        return vec!["No kernel was measured.".into()];
    }
    let mut lead = vec![measured(comparison, table), working(table)];
    lead.extend(missing(comparison));
    lead.push(verdict(comparison));
    lead
}

fn measured(comparison: &Comparison, table: &Table) -> String {
    let release = comparison.cells[0].release;
    let (kernel, kernels) = (format!("Linux {release} kernel"), format!("Linux {release} kernels"));
    let kernels = capitalized(&count(comparison.cells.len(), &kernel, &kernels));
    let was = if comparison.cells.len() == 1 { "was" } else { "were" };
    let booted = format!("{kernels} {was} built and booted");
    let debuggers: Vec<_> = table.debuggers.iter().map(ToString::to_string).collect();
    if debuggers.is_empty() {
        return format!("{booted}. No debugger was run, so the results cover registers only.");
    }
    format!("{booted}, each with {} attached to a 64-bit and to a 32-bit process.", list(&debuggers))
}

/// The series that work everywhere: `x`, or `x` in Rust if it does not in C.
fn working_names(table: &Table) -> Vec<String> {
    let mut names = Vec::new();
    for series in table.series() {
        let rows: Vec<_> = table.measured().filter(|(row, _)| row.series == series).collect();
        let good: Vec<_> = rows.iter().filter(|(row, _)| row.satisfies()).collect();
        match (good.len(), rows.len()) {
            (0, _) => {}
            (some, all) if some == all => names.push(format!("`{series}`")),
            _ => names.extend(good.iter().map(|(row, _)| format!("`{series}` in {}", row.lang.name()))),
        }
    }
    names
}

fn working(table: &Table) -> String {
    let (works, work) = match table.debuggers.is_empty() {
        true => ("shows", "show"),
        false => ("works", "work"),
    };
    let everywhere = match table.debuggers.is_empty() {
        true => "correct segment registers on both tracee sizes",
        false => "on both tracee sizes and with every debugger",
    };
    let names = working_names(table);
    let measured = {
        let mut series: Vec<_> = table.measured().map(|(row, _)| row.series).collect();
        series.dedup();
        series.len()
    };
    match names.len() {
        0 => format!("No series {works} {everywhere}."),
        all if all == measured && measured > 1 => format!("All {measured} series {work} {everywhere}."),
        1 => format!("Only {} {works} {everywhere}.", names[0]),
        _ => format!("{} {work} {everywhere}; the others do not.", list(&names)),
    }
}

fn missing(comparison: &Comparison) -> Option<String> {
    let of = |wanted: &dyn Fn(Absence) -> bool| -> Vec<String> {
        let cells = comparison.unmeasured.iter().filter(|cell| wanted(cell.state));
        cells.map(|cell| format!("`{}` in {}", cell.series, cell.lang.name())).collect()
    };
    let failed = of(&|state| state != Absence::NotAvailable);
    let absent = of(&|state| state == Absence::NotAvailable);
    let mut sentences = Vec::new();
    if !failed.is_empty() {
        sentences.push(format!("Requested but not measured: {}.", list(&failed)));
    }
    if !absent.is_empty() {
        sentences.push(format!("Not available on this line: {}.", list(&absent)));
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn verdict(comparison: &Comparison) -> String {
    let claims = comparison.cells.iter().flat_map(|cell| &cell.boot.claims);
    let total = claims.clone().count();
    let failed = claims.filter(|claim| !claim.holds).count();
    let broken = comparison.cells.iter().filter(|cell| !cell.boot.problems.is_empty()).count();
    let mut text = match failed {
        0 => format!("All {total} claims that the series make about these kernels hold."),
        1 => format!("One of the {total} claims that the series make about these kernels does not hold."),
        _ => format!("{failed} of the {total} claims that the series make about these kernels do not hold."),
    };
    if broken > 0 {
        text += &format!(" {} failed the boot test.", capitalized(&count(broken, "kernel", "kernels")));
    }
    text
}

/// One finding for each series, or one for each of its languages if they differ.
fn findings(table: &Table) -> Vec<SeriesFinding> {
    let several = table.rows.iter().any(|row| row.lang != table.rows[0].lang);
    let mut findings: Vec<SeriesFinding> = Vec::new();
    for series in table.series() {
        let mut of_series: Vec<SeriesFinding> = Vec::new();
        for row in table.rows.iter().filter(|row| row.series == series) {
            let new = finding(row, &table.debuggers);
            match of_series.iter_mut().find(|known| (known.tone, &known.points) == (new.tone, &new.points)) {
                Some(known) => known.langs.extend(new.langs),
                None => of_series.push(new),
            }
        }
        for finding in &mut of_series {
            if several {
                finding.label = format!("{series}, in {}", list(&finding.langs));
            }
        }
        findings.extend(of_series);
    }
    findings
}

fn finding(row: &Row, debuggers: &[&str]) -> SeriesFinding {
    let verdict = claims_outcome(&row.state);
    let mut points = Vec::new();
    let mut tone = verdict.tone;
    if verdict.tone != Tone::Good {
        points.push(format!("{}.", capitalized(&verdict.sentence)));
    }
    if !row.outcomes.is_empty() {
        points.extend(register_points(row));
        points.extend(debugger_points(row, debuggers));
        tone = row.outcomes.iter().flatten().map(|outcome| outcome.tone).fold(tone, Tone::max);
    }
    if points.is_empty() {
        let clean = if debuggers.is_empty() { "" } else { ", and every debugger is clean" };
        points.push(format!(
            "Nothing is wrong: the segment registers are correct on both tracee sizes{clean}."
        ));
    }
    let langs = vec![row.lang.name().to_owned()];
    SeriesFinding { label: row.series.to_owned(), langs, slug: row.slug(), tone, points }
}

/// The sizes of tracee in words.
fn sizes(sizes: &[u8]) -> String {
    match (sizes.contains(&64), sizes.contains(&32)) {
        (true, true) => "both tracee sizes".into(),
        (true, false) => "a 64-bit tracee".into(),
        _ => "a 32-bit tracee".into(),
    }
}

fn register_points(row: &Row) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<u8>)> = Vec::new();
    for (outcome, bits) in row.outcomes[0].iter().zip(SIZES).filter(|(seen, _)| seen.tone != Tone::Good) {
        entry(&mut groups, &outcome.sentence).push(bits);
    }
    groups.iter().map(|(sentence, of)| format!("On {}, {sentence}.", sizes(of))).collect()
}

/// One sentence for each outcome, with all debuggers that had it.
fn debugger_points(row: &Row, names: &[&str]) -> Vec<String> {
    let mut groups: Vec<(&str, Members)> = Vec::new();
    for (name, pair) in names.iter().zip(&row.outcomes[1..]) {
        for (outcome, bits) in pair.iter().zip(SIZES).filter(|(seen, _)| seen.tone != Tone::Good) {
            entry(entry(&mut groups, &*outcome.sentence), (*name).to_owned()).push(bits);
        }
    }
    groups.iter().map(|(words, members)| format!("{}: {}.", capitalized(words), who(members))).collect()
}

/// Debuggers, each with the sizes of its tracees.
type Members = Vec<(String, Vec<u8>)>;

/// The value of a key; keys keep the order in which they were added.
fn entry<K: PartialEq, V: Default>(groups: &mut Vec<(K, V)>, key: K) -> &mut V {
    let index = groups.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        groups.push((key, V::default()));
        groups.len() - 1
    });
    &mut groups[index].1
}

/// The runs in words: `gdb 10.1 and gdb 13.1 on both tracee sizes, gdb 16.3 on a 64-bit tracee`.
fn who(members: &Members) -> String {
    let mut by_sizes: Vec<(&[u8], Vec<String>)> = Vec::new();
    for (name, of) in members {
        entry(&mut by_sizes, of).push(name.clone());
    }
    let each = by_sizes.iter().map(|(of, names)| format!("{} on {}", list(names), sizes(of)));
    each.collect::<Vec<_>>().join(", ")
}

/// Whether an io thread accepted an attach and refused register reads with EINVAL.
fn refuses_registers(cell: &Cell) -> bool {
    let fails = |answer: &Option<Answer>| answer.as_ref().is_some_and(|answer| answer.is_errno("EINVAL"));
    cell.boot.observations.iter().any(|seen| {
        seen.is_io_thread()
            && seen.attach.is_ok()
            && (seen.peekuser_cs.as_ref().is_some_and(|peek| peek.is_errno("EINVAL"))
                || fails(&seen.getregs)
                || fails(&seen.regset))
    })
}

fn einval(table: &Table) -> EinvalAnswer {
    let mut kernels: Vec<Refusing> = Vec::new();
    for (row, cell) in table.measured().filter(|(_, cell)| refuses_registers(cell)) {
        let new = Refusing::of(row, cell);
        match kernels.iter_mut().find(|known| known.series == new.series && known.sentences == new.sentences)
        {
            Some(known) => known.langs.extend(new.langs),
            None => kernels.push(new),
        }
    }
    if kernels.is_empty() {
        let text =
            "Not measured here: reading an io thread’s registers returned EINVAL on none of these kernels.";
        return EinvalAnswer { answer: vec![text.into()], quotes: Vec::new() };
    }
    let mut einval = EinvalAnswer { answer: Vec::new(), quotes: Vec::new() };
    for kernel in kernels {
        let langs = list(&kernel.langs);
        einval.answer.push(format!("With `{}` in {langs}, these reads return EINVAL.", kernel.series));
        einval.answer.extend(kernel.sentences);
        einval.quotes.extend(kernel.quotes);
    }
    einval
}

/// A kernel on which register reads return EINVAL, and the reaction of gdb.
struct Refusing {
    series: String,
    langs: Vec<String>,
    sentences: Vec<String>,
    quotes: Vec<(String, String)>,
}

impl Refusing {
    fn of(row: &Row, cell: &Cell) -> Refusing {
        let runs: Vec<_> = cell.boot.debuggers.iter().filter(|run| run.debugger.starts_with("gdb")).collect();
        let mut quotes: Vec<(String, Members)> = Vec::new();
        for run in &runs {
            if let Some(line) = &run.evidence {
                entry(entry(&mut quotes, line.clone()), run.debugger.clone()).push(run.tracee_bits);
            }
        }
        Refusing {
            series: row.series.to_owned(),
            langs: vec![row.lang.name().to_owned()],
            sentences: sentences(&runs),
            quotes: quotes.into_iter().map(|(line, members)| (who(&members), line)).collect(),
        }
    }
}

/// One sentence for each way in which the runs ended.
fn sentences(runs: &[&DebuggerRun]) -> Vec<String> {
    if runs.is_empty() {
        return vec!["gdb’s reaction was not measured: no gdb was run.".into()];
    }
    let mut groups: Vec<([String; 2], Members)> = Vec::new();
    for run in runs {
        let words = [false, true].map(|plural| reaction(run, plural));
        entry(entry(&mut groups, words), run.debugger.clone()).push(run.tracee_bits);
    }
    let agree = groups.len() == 1 && groups[0].1.len() > 1;
    let sentence = |([singular, plural], members): &([String; 2], Members)| match members.len() {
        _ if agree => format!("Every tested gdb ({}) {singular}.", who(members)),
        1 => format!("{} {singular}.", who(members)),
        _ => format!("{} {plural}.", who(members)),
    };
    groups.iter().map(sentence).collect()
}

/// The reaction of a debugger, as the rest of a sentence that begins with one debugger or with several.
fn reaction(run: &DebuggerRun, plural: bool) -> String {
    let verb = |one: &'static str, several: &'static str| if plural { several } else { one };
    let attaches = verb("attaches", "attach");
    let what = match run.outcome {
        DebuggerOutcome::AttachLoop => {
            let keeps = verb("keeps", "keep");
            format!("{keeps} trying to attach to the same thread and {} no progress", verb("makes", "make"))
        }
        DebuggerOutcome::TimedOut => {
            format!("{} not finished at the deadline", verb("has", "have"))
        }
        DebuggerOutcome::AttachAborted => format!("{} the attach with an error", verb("aborts", "abort")),
        DebuggerOutcome::ArchitectureWarning => {
            format!("{attaches}, but {} about the architecture of the process", verb("warns", "warn"))
        }
        DebuggerOutcome::ThreadsHidden => {
            let (seen, all) = (run.threads_seen, run.threads);
            format!("{attaches}, but {} only {seen} of {all} threads", verb("lists", "list"))
        }
        DebuggerOutcome::ThreadsRefused => {
            let (seen, all) = (run.threads_seen, run.threads);
            format!(
                "{attaches} to only {seen} of {all} threads, and {} without the others",
                verb("continues", "continue")
            )
        }
        DebuggerOutcome::Clean => {
            format!("{attaches} and {} every thread without a warning", verb("lists", "list"))
        }
    };
    let usable = match (run.outcome == DebuggerOutcome::Clean, run.usable) {
        (true, true) => "; the leader’s backtrace and registers are readable",
        (false, true) => "; the leader’s backtrace and registers are readable nevertheless",
        (true, false) => "; but the leader’s backtrace and registers are not readable",
        (false, false) => "; the leader’s backtrace and registers are not readable",
    };
    let after = match run.tracee_after {
        TraceeAfter::Running => ", and the process is left running",
        TraceeAfter::Stopped => ", and the process is left stopped",
        TraceeAfter::Gone => ", and the process no longer exists",
    };
    what + usable + after
}
