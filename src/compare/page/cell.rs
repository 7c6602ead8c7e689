//! What one series showed in one language.

use std::path::Path;

use maud::{Markup, html};

use super::frame::{self, Kind};
use super::{patch, run_id, symbol, tone_class, transcript};
use crate::claims::{DebuggerRun, Hex, Judgement, Observation, Register, Registers};
use crate::compare::judged::{Row, SIZES, State, Table, claims_words, run_of};
use crate::compare::summary::list;
use crate::compare::{Cell, Making, PatchText, lang_name};

pub fn show(row: &Row, table: &Table, folder: &Path) -> Markup {
    let verdict = claims_words(&row.state);
    html! {
        article id=(format!("cell-{}", row.slug())) aria-labelledby=(format!("cell-{}-h", row.slug())) {
            h3 id=(format!("cell-{}-h", row.slug())) { "In " (lang_name(row.lang)) }
            p class=(format!("verdict {}", tone_class(verdict.tone))) {
                (symbol(verdict.tone)) strong { @if matches!(row.state, State::Measured(_)) { "Claims: " (verdict.words) } @else { (capital(&verdict.words)) } }
                @match row.state {
                    State::Measured(cell) => { @if let Some(uname) = &cell.boot.guest_release { span class="small" { " on " (uname) } } }
                    State::Unmeasured(gone) => { span class="small" { " " (gone.why) } }
                }
            }
            @if let State::Measured(cell) = row.state {
                (failures(cell))
                @if let Some(other) = alike(row, table) {
                    p { "Register by register, and debugger by debugger, it shows the same as " a href=(format!("#cell-{}", other.slug())) { "in " (lang_name(other.lang)) } "." }
                } @else {
                    (frames(row, cell))
                }
                (registers(row, cell))
                (conduct(row, cell))
                (core_dumps(row, cell))
                (debuggers(row, cell, table, folder))
                (claims(row, &cell.boot.claims))
                @if let Some(making) = &cell.making { (patches(making)) }
                @if !cell.boot.notes.is_empty() {
                    details class="more" {
                        summary { "Notes of the boot" }
                        ul { @for note in &cell.boot.notes { li { (note) } } }
                    }
                }
            }
        }
    }
}

/// An earlier row of the same series on which everything was seen alike.
fn alike<'r, 'a>(row: &Row, table: &'r Table<'a>) -> Option<&'r Row<'a>> {
    let State::Measured(cell) = row.state else { return None };
    let earlier = table.rows.iter().take_while(|other| other.slug() != row.slug());
    earlier.filter(|other| other.series == row.series).find(|other| match other.state {
        State::Measured(other) => seen_of(other) == seen_of(cell),
        State::Unmeasured(_) => false,
    })
}

/// What makes two kernels show the same, without what differs from boot to boot.
fn seen_of(cell: &Cell) -> impl PartialEq {
    let of_thread = |seen: &Observation| {
        let kinds: Vec<_> = Register::ALL.into_iter().map(|register| frame::kind(seen, register)).collect();
        let peeks = [&seen.peekuser_cs, &seen.peekuser_ds].map(Clone::clone);
        let reads = (peeks, [&seen.regset, &seen.getregs].map(Clone::clone));
        let ends = (seen.attach.clone(), seen.seize.clone(), seen.regset_bytes, seen.cs, seen.ss);
        (seen.tracee_bits, seen.thread.clone(), kinds, reads, ends, conduct_of(seen))
    };
    let of_run = |run: &DebuggerRun| {
        let end = (run.outcome, run.usable, run.tracee_after, run.threads_seen);
        (run.debugger.clone(), run.tracee_bits, end)
    };
    let mut threads: Vec<_> =
        cell.boot.observations.iter().filter(|seen| seen.is_io_thread()).map(of_thread).collect();
    threads.sort_by_key(|(bits, name, ..)| (*bits, name.clone()));
    (threads, cell.boot.debuggers.iter().map(of_run).collect::<Vec<_>>())
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Why the verdict is not `pass`; what is left out here stands in the table of claims.
fn failures(cell: &Cell) -> Markup {
    const SHOWN: usize = 5;
    let failures = cell.boot.failures();
    html! {
        @for failure in failures.iter().take(SHOWN) { p class="failure" { (failure) } }
        @if failures.len() > SHOWN { p class="failure" { "and " (failures.len() - SHOWN) " more" } }
    }
}

/// The io threads of one size with names of which each is there once.
fn threads(cell: &Cell, bits: u8) -> Vec<(String, &Observation)> {
    let seen = cell.boot.observations.iter().filter(|seen| seen.tracee_bits == bits && seen.is_io_thread());
    let mut named: Vec<(String, &Observation)> = Vec::new();
    for thread in seen {
        let before = named.iter().filter(|(_, other)| other.thread == thread.thread).count();
        let name = match before {
            0 => thread.thread.clone(),
            more => format!("{} ({})", thread.thread, more + 1),
        };
        named.push((name, thread));
    }
    named
}

fn frames(row: &Row, cell: &Cell) -> Markup {
    let mut pictures: Vec<(u8, Vec<String>, &Observation)> = Vec::new();
    for bits in SIZES {
        for (name, seen) in threads(cell, bits) {
            let same = |other: &Observation| {
                frame::kinds(other) == frame::kinds(seen) && (other.cs, other.ss) == (seen.cs, seen.ss)
            };
            match pictures.iter_mut().find(|(of, _, other)| *of == bits && same(other)) {
                Some((_, names, _)) => names.push(name),
                None => pictures.push((bits, vec![name], seen)),
            }
        }
    }
    let mut kinds: Vec<_> = pictures.iter().flat_map(|(_, _, seen)| frame::kinds(seen)).collect();
    kinds.sort();
    kinds.dedup();
    html! {
        @if !pictures.is_empty() {
            h4 { "The register frame of an io thread" }
            div class="frames" {
                @for (number, (bits, names, seen)) in pictures.iter().enumerate() {
                    figure {
                        figcaption { strong { (bits) "-bit" } " " (list(names)) }
                        (frame::picture(&format!("frame-{}-{number}", row.slug()), &format!("{} of a {bits}-bit process", list(names)), seen))
                    }
                }
            }
            ul class="legend" aria-label="Legend" { @for kind in kinds { li { (swatch(kind)) (kind.words()) } } }
        }
    }
}

fn swatch(kind: Kind) -> Markup {
    html! {
        svg class="swatch" viewBox="0 0 24 24" aria-hidden="true" focusable="false" {
            g class=(kind.class()) {
                rect class="box" x="1" y="1" width="22" height="22" rx="3" {}
                rect class="pattern" x="1" y="1" width="22" height="22" rx="3" {}
                text class="letter" x="12" y="17" text-anchor="middle" { (kind.letter()) }
            }
        }
    }
}

fn registers(row: &Row, cell: &Cell) -> Markup {
    html! {
        details class="more" {
            summary id=(format!("registers-{}", row.slug())) { "All 27 registers, beside the creator’s" }
            @for bits in SIZES {
                @let threads = threads(cell, bits);
                @if !threads.is_empty() { (register_table(row, bits, &threads)) }
            }
            p class="small" {
                "What the creator had when it entered the system call that made the thread. A letter says how the value relates to it: "
                @for kind in Kind::ALL { span class="pair" { b { (kind.letter()) } " " (kind.words()) } " " }
            }
        }
    }
}

fn register_table(row: &Row, bits: u8, threads: &[(String, &Observation)]) -> Markup {
    let name = format!("{} in {}: registers of the {bits}-bit tracee", row.series, lang_name(row.lang));
    let creator = |seen: &Observation, register| shown(seen.creator_register(register));
    html! {
        div class="scroll" role="group" aria-label=(name) tabindex="0" {
            table class="registers" {
                caption { (bits) "-bit tracee" }
                thead {
                    tr {
                        th scope="col" rowspan="2" { "Register" }
                        @for (thread, _) in threads { th scope="colgroup" colspan="2" { (thread) } }
                    }
                    tr { @for _ in threads { th scope="col" { "shown" } th scope="col" { "creator’s" } } }
                }
                tbody {
                    @for register in Register::ALL {
                        tr {
                            th scope="row" { (register) }
                            @for (_, seen) in threads {
                                td { (shown(seen.regs[register])) " " b { (frame::kind(seen, register).letter()) } }
                                td class="of-creator" { (creator(seen, register)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn shown(value: Option<Hex>) -> String {
    value.map_or_else(|| "unreadable".into(), |value| value.to_string())
}

/// The side claims of the dispute, as they were seen of one thread: `None` was not observed.
fn conduct_of(seen: &Observation) -> [(&'static str, Option<bool>); 9] {
    [
        ("listed", Some(seen.listed)),
        ("attach", Some(seen.attach.is_ok())),
        ("seize", Some(seen.seize.is_ok())),
        ("stops on interrupt", Some(seen.stops_on_interrupt)),
        ("stops on attach", Some(seen.stops_on_attach)),
        ("stops on SIGSTOP", Some(seen.stops_on_sigstop)),
        ("resumes on SIGCONT", Some(seen.resumes_on_sigcont)),
        ("freezes", seen.freezes),
        ("dies with its process", Some(seen.dies_with_group)),
    ]
}

fn conduct(row: &Row, cell: &Cell) -> Markup {
    let all: Vec<_> = SIZES
        .into_iter()
        .flat_map(|bits| threads(cell, bits).into_iter().map(move |(name, seen)| (bits, name, seen)))
        .collect();
    let odd: Vec<String> = all.first().map_or_else(Vec::new, |(_, _, first)| {
        let fails = |at: usize| all.iter().any(|(_, _, seen)| conduct_of(seen)[at].1 != Some(true));
        let names = conduct_of(first).into_iter().enumerate().filter(|(at, _)| fails(*at));
        names.map(|(_, (name, _))| name.to_owned()).collect()
    });
    let headline = if odd.is_empty() {
        "As members of the process: listed, attached to, stopped, frozen and killed like any thread"
            .to_owned()
    } else {
        format!("As members of the process: not every io thread passes “{}”", odd.join("”, “"))
    };
    let word = |value: Option<bool>| value.map_or("not observed", |yes| if yes { "yes" } else { "no" });
    html! {
        @if !all.is_empty() {
            details class="more" {
                summary { (headline) }
                div class="scroll" role="group" aria-label=(format!("{} in {}: io threads as members of the process", row.series, lang_name(row.lang))) tabindex="0" {
                    table {
                        thead {
                            tr { th scope="col" { "Thread" } @for (name, _) in conduct_of(all[0].2) { th scope="col" { (name) } } }
                        }
                        tbody {
                            @for (bits, name, seen) in &all {
                                tr {
                                    th scope="row" { (bits) "-bit " (name) }
                                    @for (_, value) in conduct_of(seen) { td class=(if value == Some(false) { "bad-text" } else { "" }) { (word(value)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn core_dumps(row: &Row, cell: &Cell) -> Markup {
    let notes: Vec<_> =
        cell.boot.observations.iter().filter_map(|seen| Some((seen, seen.core.as_ref()?))).collect();
    let same = |seen: &Observation, regs: &Registers| {
        let both = regs.iter().filter_map(|(register, core)| Some((core?, seen.regs[register]?)));
        let (mut equal, mut all) = (0, 0);
        for (core, live) in both {
            all += 1;
            equal += usize::from(core == live);
        }
        format!("{equal} of {all}")
    };
    html! {
        @if !notes.is_empty() {
            details class="more" {
                summary { "What a core dump holds" }
                div class="scroll" role="group" aria-label=(format!("{} in {}: core dumps", row.series, lang_name(row.lang))) tabindex="0" {
                    table class="registers" {
                        thead {
                            tr { th scope="col" { "Thread" } th scope="col" { "NT_PRSTATUS" } th scope="col" { "cs" } th scope="col" { "ip" } th scope="col" { "sp" } th scope="col" { "as ptrace showed" } }
                        }
                        tbody {
                            @for (seen, core) in &notes {
                                tr {
                                    th scope="row" { (seen.tracee_bits) "-bit " (seen.thread) }
                                    td { (core.bytes) " bytes" }
                                    @for register in [Register::Cs, Register::Ip, Register::Sp] { td { (shown(core.regs[register])) } }
                                    td { (same(seen, &core.regs)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn debuggers(row: &Row, cell: &Cell, table: &Table, folder: &Path) -> Markup {
    html! {
        h4 { "Debuggers" }
        @if cell.boot.debuggers.is_empty() {
            p { "None was run on this kernel." }
        }
        @for (column, name) in table.debuggers.iter().enumerate() {
            @for (at, bits) in SIZES.into_iter().enumerate() {
                @if let Some(run) = run_of(&cell.boot, name, bits) {
                    (debugger(row, run, &row.outcomes[column + 1][at], folder))
                }
            }
        }
    }
}

fn debugger(
    row: &Row,
    run: &DebuggerRun,
    outcome: &crate::compare::judged::Outcome,
    folder: &Path,
) -> Markup {
    let name = format!("{} on a {}-bit tracee", run.debugger, run.tracee_bits);
    let label = format!("{} in {}: transcript of {name}", row.series, lang_name(row.lang));
    html! {
        details class="more run" {
            summary {
                (symbol(outcome.tone)) span { (name) ": " b { (outcome.words) } }
            }
            div id=(run_id(row, &run.debugger, run.tracee_bits)) {
                @for evidence in &outcome.evidence { (super::shown(evidence)) }
                @match transcript::text(folder, &run.transcript) {
                    Ok(text) => { pre role="group" aria-label=(label) tabindex="0" { (text) } }
                    Err(why) => { p class="missing" { (why) } }
                }
            }
        }
    }
}

fn claims(row: &Row, claims: &[Judgement]) -> Markup {
    let failed = claims.iter().filter(|claim| !claim.holds);
    let held = claims.iter().filter(|claim| claim.holds);
    let any_failed = failed.clone().next().is_some();
    html! {
        @if !claims.is_empty() {
            details class="more" open[any_failed] {
                summary id=(format!("claims-{}", row.slug())) { "What was claimed, and what was seen" }
                div class="scroll" role="group" aria-label=(format!("{} in {}: claims", row.series, lang_name(row.lang))) tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Claim" } th scope="col" { "Claimed" } th scope="col" { "Seen" } th scope="col" { "Held" } } }
                        tbody { @for claim in failed.chain(held) { (claim_row(claim)) } }
                    }
                }
            }
        }
    }
}

fn claim_row(claim: &Judgement) -> Markup {
    use crate::compare::judged::Tone;
    html! {
        tr class=(if claim.holds { "" } else { "bad" }) {
            th scope="row" { (claim.claim) }
            td { (claim.expected) }
            td { (claim.observed) }
            td class="nowrap" { @if claim.holds { (symbol(Tone::Good)) "yes" } @else { (symbol(Tone::Bad)) "no" } }
        }
    }
}

fn patches(making: &Making) -> Markup {
    html! {
        h4 { "The patch" }
        @if let Some(line) = making.borrowed_from {
            p { "Written for " (line) " and untested on this line." }
        }
        @if let Some(reason) = &making.unpatched { p { "None: " (reason) "." } }
        @for file in &making.patches { (patch_file(file)) }
    }
}

fn patch_file(file: &PatchText) -> Markup {
    let name = file.file.rsplit('/').next().unwrap_or(&file.file);
    html! {
        details class="more patch" {
            summary { code { (name) } }
            pre role="group" aria-label=(format!("The patch {}", file.file)) tabindex="0" { (patch::lines(&file.text)) }
        }
    }
}
