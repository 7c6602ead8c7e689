//! What the measurements say, in sentences. Names of series stand between backticks.

use super::judged::{Row, SIZES, Table, Tone, claims_words};
use super::{Absence, Cell, Comparison, lang_name};
use crate::claims::{Answer, DebuggerOutcome, DebuggerRun, TraceeAfter};

/// The summary of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What was measured, which series satisfy everything, how the claims fared.
    pub lead: Vec<String>,
    pub series: Vec<Finding>,
    pub einval: Einval,
}

/// One row in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub label: String,
    /// Those in which it is so.
    pub langs: Vec<String>,
    pub slug: String,
    pub tone: Tone,
    /// What is wrong with it; of a series with which nothing is, the one sentence that says so.
    pub points: Vec<String>,
}

/// What gdb does when register reads of io threads return EINVAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Einval {
    pub answer: Vec<String>,
    /// What gdb printed: who, and the line.
    pub quotes: Vec<(String, String)>,
}

pub fn summary(comparison: &Comparison) -> Summary {
    let table = Table::of(comparison);
    let findings = findings(&table);
    Summary { lead: lead(comparison, &table), series: findings, einval: einval(&table) }
}

/// `one`, `one and two`, `one, two and three`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

pub fn count(number: usize, one: &str, many: &str) -> String {
    let words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let number_word = words.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned());
    format!("{number_word} {}", if number == 1 { one } else { many })
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn lead(comparison: &Comparison, table: &Table) -> Vec<String> {
    if comparison.cells.is_empty() {
        return vec!["No kernel was measured, so there is nothing to say yet.".into()];
    }
    let mut lead = vec![what_was_measured(comparison, table), who_satisfies(table)];
    lead.extend(what_is_missing(comparison));
    lead.push(verdict(comparison));
    lead
}

fn what_was_measured(comparison: &Comparison, table: &Table) -> String {
    let kernels = capital(&count(comparison.cells.len(), "kernel", "kernels"));
    let release = comparison.cells[0].release;
    let was = if comparison.cells.len() == 1 { "was" } else { "were" };
    let made = format!("{kernels} of Linux {release} {was} built and booted");
    let debuggers: Vec<_> = table.debuggers.iter().map(ToString::to_string).collect();
    if debuggers.is_empty() {
        return format!("{made}. No debugger was run: what follows is about registers only.");
    }
    format!("{made}, each with {} attached to a 64-bit and to a 32-bit process.", list(&debuggers))
}

/// A series in all of its languages: `x`, or `x` (Rust) where another language differs.
fn satisfied_names(table: &Table) -> Vec<String> {
    let mut names = Vec::new();
    for series in table.series() {
        let rows: Vec<_> = table.measured().filter(|(row, _)| row.series == series).collect();
        let good: Vec<_> = rows.iter().filter(|(row, _)| row.satisfies()).collect();
        match (good.len(), rows.len()) {
            (0, _) => {}
            (some, all) if some == all => names.push(format!("`{series}`")),
            _ => names.extend(good.iter().map(|(row, _)| format!("`{series}` in {}", lang_name(row.lang)))),
        }
    }
    names
}

fn who_satisfies(table: &Table) -> String {
    let what =
        if table.debuggers.is_empty() { "both tracee sizes" } else { "both tracee sizes and every debugger" };
    let names = satisfied_names(table);
    let measured = {
        let mut series: Vec<_> = table.measured().map(|(row, _)| row.series).collect();
        series.dedup();
        series.len()
    };
    match names.len() {
        0 => format!("No series satisfies {what}."),
        some if some == measured && measured > 1 => format!("All {measured} series satisfy {what}."),
        1 => format!("Only {} satisfies {what}.", names[0]),
        _ => format!("{} satisfy {what}; the others do not.", list(&names)),
    }
}

fn what_is_missing(comparison: &Comparison) -> Option<String> {
    let of = |wanted: &dyn Fn(Absence) -> bool| -> Vec<String> {
        let gone = comparison.unmeasured.iter().filter(|gone| wanted(gone.state));
        gone.map(|gone| format!("`{}` in {}", gone.series, lang_name(gone.lang))).collect()
    };
    let failed = of(&|state| state != Absence::NotAvailable);
    let absent = of(&|state| state == Absence::NotAvailable);
    let mut sentences = Vec::new();
    if !failed.is_empty() {
        sentences.push(format!("Asked for but not measured: {}.", list(&failed)));
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
        0 => format!("Every one of the {total} claims that the series make about these kernels held."),
        1 => format!("One of the {total} claims that the series make about these kernels did not hold."),
        _ => format!("{failed} of the {total} claims that the series make about these kernels did not hold."),
    };
    if broken > 0 {
        text +=
            &format!(" {} did not come through the boot test.", capital(&count(broken, "kernel", "kernels")));
    }
    text
}

/// One for each series; one for each of its languages where they differ.
fn findings(table: &Table) -> Vec<Finding> {
    let several = table.rows.iter().any(|row| row.lang != table.rows[0].lang);
    let mut findings: Vec<Finding> = Vec::new();
    for series in table.series() {
        let mut of_series: Vec<Finding> = Vec::new();
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

fn finding(row: &Row, debuggers: &[&str]) -> Finding {
    let verdict = claims_words(&row.state);
    let mut points = Vec::new();
    let mut tone = verdict.tone;
    if verdict.tone != Tone::Good {
        points.push(format!("{}.", capital(&verdict.sentence)));
    }
    if !row.outcomes.is_empty() {
        points.extend(register_points(row));
        points.extend(debugger_points(row, debuggers));
        tone = row.outcomes.iter().flatten().map(|outcome| outcome.tone).fold(tone, Tone::max);
    }
    if points.is_empty() {
        let clean = if debuggers.is_empty() { "" } else { ", and every debugger is clean" };
        points
            .push(format!("Nothing is wrong: the segment registers are right on both tracee sizes{clean}."));
    }
    let langs = vec![lang_name(row.lang).to_owned()];
    Finding { label: row.series.to_owned(), langs, slug: row.slug(), tone, points }
}

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

/// Debuggers that showed the same, together.
fn debugger_points(row: &Row, names: &[&str]) -> Vec<String> {
    let mut groups: Vec<(&str, Members)> = Vec::new();
    for (name, pair) in names.iter().zip(&row.outcomes[1..]) {
        for (outcome, bits) in pair.iter().zip(SIZES).filter(|(seen, _)| seen.tone != Tone::Good) {
            entry(entry(&mut groups, &*outcome.sentence), (*name).to_owned()).push(bits);
        }
    }
    groups.iter().map(|(words, members)| format!("{}: {}.", capital(words), who(members))).collect()
}

/// Debuggers, each with the sizes of its tracees.
type Members = Vec<(String, Vec<u8>)>;

/// What belongs to a key, in the order in which the keys came.
fn entry<K: PartialEq, V: Default>(groups: &mut Vec<(K, V)>, key: K) -> &mut V {
    let at = groups.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        groups.push((key, V::default()));
        groups.len() - 1
    });
    &mut groups[at].1
}

/// `gdb 10.1 and gdb 13.1 on both tracee sizes, gdb 16.3 on a 64-bit tracee`.
fn who(members: &Members) -> String {
    let mut by_sizes: Vec<(&[u8], Vec<String>)> = Vec::new();
    for (name, of) in members {
        entry(&mut by_sizes, of).push(name.clone());
    }
    let each = by_sizes.iter().map(|(of, names)| format!("{} on {}", list(names), sizes(of)));
    each.collect::<Vec<_>>().join(", ")
}

/// Whether an io thread could be attached to and refused register reads with EINVAL.
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

fn einval(table: &Table) -> Einval {
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
            "Not measured here: on none of these kernels did a register read of an io thread return EINVAL.";
        return Einval { answer: vec![text.into()], quotes: Vec::new() };
    }
    let mut einval = Einval { answer: Vec::new(), quotes: Vec::new() };
    for kernel in kernels {
        let langs = list(&kernel.langs);
        einval.answer.push(format!("Under `{}`, in {langs}, such reads do return EINVAL.", kernel.series));
        einval.answer.extend(kernel.sentences);
        einval.quotes.extend(kernel.quotes);
    }
    einval
}

/// A kernel on which register reads return EINVAL, and what gdb does there.
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
            langs: vec![lang_name(row.lang).to_owned()],
            sentences: sentences(&runs),
            quotes: quotes.into_iter().map(|(line, members)| (who(&members), line)).collect(),
        }
    }
}

/// One for each way in which the runs ended.
fn sentences(runs: &[&DebuggerRun]) -> Vec<String> {
    if runs.is_empty() {
        return vec!["What gdb does then was not measured: none was run.".into()];
    }
    let mut groups: Vec<([String; 2], Members)> = Vec::new();
    for run in runs {
        let words = [false, true].map(|plural| does(run, plural));
        entry(entry(&mut groups, words), run.debugger.clone()).push(run.tracee_bits);
    }
    let alone = groups.len() == 1 && groups[0].1.len() > 1;
    let sentence = |([one, many], members): &([String; 2], Members)| match members.len() {
        _ if alone => format!("Every gdb that was run ({}) {one}.", who(members)),
        1 => format!("{} {one}.", who(members)),
        _ => format!("{} {many}.", who(members)),
    };
    groups.iter().map(sentence).collect()
}

/// What a debugger did, as the rest of a sentence that begins with it, or with several like it.
fn does(run: &DebuggerRun, plural: bool) -> String {
    let verb = |one: &'static str, many: &'static str| if plural { many } else { one };
    let attaches = verb("attaches", "attach");
    let what = match run.outcome {
        DebuggerOutcome::AttachLoop => {
            let keeps = verb("keeps", "keep");
            format!("{keeps} trying to attach to the same thread and never {}", verb("gets on", "get on"))
        }
        DebuggerOutcome::TimedOut => {
            format!("{} not finished when the time is up", verb("has", "have"))
        }
        DebuggerOutcome::AttachAborted => format!("{} up attaching with an error", verb("gives", "give")),
        DebuggerOutcome::ArchitectureWarning => {
            format!("{attaches}, but {} the process for one of another architecture", verb("takes", "take"))
        }
        DebuggerOutcome::ThreadsHidden => {
            let (seen, all) = (run.threads_seen, run.threads);
            format!("{attaches}, but {} only {seen} of {all} threads", verb("lists", "list"))
        }
        DebuggerOutcome::ThreadsRefused => {
            let (seen, all) = (run.threads_seen, run.threads);
            format!("{attaches} to only {seen} of {all} threads, and {} on", verb("goes", "go"))
        }
        DebuggerOutcome::Clean => {
            format!("{attaches} and {} every thread without complaint", verb("lists", "list"))
        }
    };
    let usable = match (run.outcome == DebuggerOutcome::Clean, run.usable) {
        (true, true) => "; the leader’s backtrace and registers can be read",
        (false, true) => "; the leader’s backtrace and registers can be read all the same",
        (true, false) => "; yet the leader’s backtrace and registers cannot be read",
        (false, false) => "; the leader’s backtrace and registers cannot be read",
    };
    let after = match run.tracee_after {
        TraceeAfter::Running => ", and the process is left running",
        TraceeAfter::Stopped => ", and the process is left stopped",
        TraceeAfter::Gone => ", and the process is gone afterwards",
    };
    what + usable + after
}
