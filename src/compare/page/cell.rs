//! The part of the page about one series in one language.

use std::path::Path;

use maud::{Markup, html};

use super::frame::{self, Kind};
use super::{patch, run_id, symbol, tone_class, transcript};
use crate::base::text::capitalized;
use crate::claims::{DebuggerRun, Hex, Judgement, Observation, Register, Registers};
use crate::compare::matrix::{Row, State, Table, claims_outcome};
use crate::compare::outcome::{CellOutcome, SIZES, Tone, run_of};
use crate::compare::summary::list;
use crate::compare::{BuildInfo, Cell, PatchInfo};

/// Renders a row with the observations of its boot. The transcripts are read from `directory`.
pub(super) fn show(row: &Row, table: &Table, directory: &Path) -> Markup {
    let verdict = claims_outcome(&row.state);
    html! {
        article id=(format!("cell-{}", row.slug())) aria-labelledby=(format!("cell-{}-h", row.slug())) {
            h3 id=(format!("cell-{}-h", row.slug())) { "In " (row.lang.name()) }
            p class=(format!("verdict {}", tone_class(verdict.tone))) {
                (symbol(verdict.tone)) strong { @if matches!(row.state, State::Measured(_)) { "Claims: " (verdict.words) } @else { (capitalized(&verdict.words)) } }
                @match row.state {
                    State::Measured(cell) => { @if let Some(uname) = &cell.boot.guest_release { span class="small" { " on " (uname) } } }
                    State::Unmeasured(unmeasured) => { span class="small" { " " (unmeasured.why) } }
                }
            }
            @if let State::Measured(cell) = row.state {
                (failures(cell))
                @if let Some(other) = equal_earlier_row(row, table) {
                    p { "Every register and every debugger shows the same as " a href=(format!("#cell-{}", other.slug())) { "in " (other.lang.name()) } "." }
                } @else {
                    (frames(row, cell))
                }
                (registers(row, cell))
                (conduct(row, cell))
                (core_dumps(row, cell))
                (debuggers(row, cell, table, directory))
                (claims(row, &cell.boot.claims))
                @if let Some(build) = &cell.build { (patches(build)) }
                @if !cell.boot.complaints.is_empty() {
                    details class="more" {
                        summary { "Complaints of the kernel" }
                        ul {
                            @for complaint in &cell.boot.complaints {
                                li {
                                    (complaint.name) " (line " (complaint.line) " of the console)"
                                    @if let Some(reason) = &complaint.allowed { ", allowed: " (reason) }
                                }
                            }
                        }
                    }
                }
                @if !cell.boot.notes.is_empty() {
                    details class="more" {
                        summary { "Boot notes" }
                        ul { @for note in &cell.boot.notes { li { (note) } } }
                    }
                }
            }
        }
    }
}

/// Finds an earlier row of the same series with equal observations.
fn equal_earlier_row<'r, 'a>(row: &Row, table: &'r Table<'a>) -> Option<&'r Row<'a>> {
    let State::Measured(cell) = row.state else { return None };
    let earlier = table.rows.iter().take_while(|other| other.slug() != row.slug());
    earlier.filter(|other| other.series == row.series).find(|other| match other.state {
        State::Measured(other) => comparable(other) == comparable(cell),
        State::Unmeasured(_) => false,
    })
}

/// The observations that two boots of equal kernels share: no process ids, no addresses, no times.
fn comparable(cell: &Cell) -> impl PartialEq {
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

/// Renders why the verdict is not `pass`. The table of claims has the failures that are omitted here.
fn failures(cell: &Cell) -> Markup {
    const SHOWN: usize = 5;
    let failures = cell.boot.failures();
    html! {
        @for failure in failures.iter().take(SHOWN) { p class="failure" { (failure) } }
        @if failures.len() > SHOWN { p class="failure" { "and " (failures.len() - SHOWN) " more" } }
    }
}

/// The io threads of one tracee, each with a unique name.
fn threads(cell: &Cell, bits: u8) -> Vec<(String, &Observation)> {
    let seen = cell.boot.observations.iter().filter(|seen| seen.tracee_bits == bits && seen.is_io_thread());
    let mut named: Vec<(String, &Observation)> = Vec::new();
    for thread in seen {
        let same_name = named.iter().filter(|(_, other)| other.thread == thread.thread).count();
        let name = match same_name {
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
            h4 { "Register frame of an io thread" }
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
            summary id=(format!("registers-{}", row.slug())) { "All 27 registers, next to the creator’s" }
            @for bits in SIZES {
                @let threads = threads(cell, bits);
                @if !threads.is_empty() { (register_table(row, bits, &threads)) }
            }
            p class="small" {
                "The creator’s values are those at the entry of the system call that created the thread. A letter shows how a value relates to the creator’s: "
                @for kind in Kind::ALL { span class="pair" { b { (kind.letter()) } " " (kind.words()) } " " }
            }
        }
    }
}

fn register_table(row: &Row, bits: u8, threads: &[(String, &Observation)]) -> Markup {
    let name = format!("{} in {}: registers of the {bits}-bit tracee", row.series, row.lang.name());
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
                    tr { @for _ in threads { th scope="col" { "thread" } th scope="col" { "creator" } } }
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

/// How one thread behaves as a member of its process: property and value, `None` if it was not observed.
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
        "Behaviour in the process: listed, attached to, stopped, frozen and killed like any other thread"
            .to_owned()
    } else {
        format!("Behaviour in the process: not true of every io thread: “{}”", odd.join("”, “"))
    };
    let word = |value: Option<bool>| value.map_or("not observed", |yes| if yes { "yes" } else { "no" });
    html! {
        @if !all.is_empty() {
            details class="more" {
                summary { (headline) }
                div class="scroll" role="group" aria-label=(format!("{} in {}: behaviour of the io threads", row.series, row.lang.name())) tabindex="0" {
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
                summary { "Registers in a core dump" }
                div class="scroll" role="group" aria-label=(format!("{} in {}: core dumps", row.series, row.lang.name())) tabindex="0" {
                    table class="registers" {
                        thead {
                            tr { th scope="col" { "Thread" } th scope="col" { "NT_PRSTATUS" } th scope="col" { "cs" } th scope="col" { "ip" } th scope="col" { "sp" } th scope="col" { "same as ptrace" } }
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

fn debuggers(row: &Row, cell: &Cell, table: &Table, directory: &Path) -> Markup {
    html! {
        h4 { "Debuggers" }
        @if cell.boot.debuggers.is_empty() {
            p { "No debugger was run on this kernel." }
        }
        @for (column, name) in table.debuggers.iter().enumerate() {
            @for (at, bits) in SIZES.into_iter().enumerate() {
                @if let Some(run) = run_of(&cell.boot, name, bits) {
                    (debugger(row, run, &row.outcomes[column + 1][at], directory))
                }
            }
        }
    }
}

fn debugger(row: &Row, run: &DebuggerRun, outcome: &CellOutcome, directory: &Path) -> Markup {
    let name = format!("{} on a {}-bit tracee", run.debugger, run.tracee_bits);
    let label = format!("{} in {}: transcript of {name}", row.series, row.lang.name());
    html! {
        details class="more run" {
            summary {
                (symbol(outcome.tone)) span { (name) ": " b { (outcome.words) } }
            }
            div id=(run_id(row, &run.debugger, run.tracee_bits)) {
                @for detail in &outcome.details { (super::shown(detail)) }
                @match transcript::text(directory, &run.transcript) {
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
                summary id=(format!("claims-{}", row.slug())) { "Claims and observations" }
                div class="scroll" role="group" aria-label=(format!("{} in {}: claims", row.series, row.lang.name())) tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Claim" } th scope="col" { "Expected" } th scope="col" { "Observed" } th scope="col" { "Holds" } } }
                        tbody { @for claim in failed.chain(held) { (claim_row(claim)) } }
                    }
                }
            }
        }
    }
}

fn claim_row(claim: &Judgement) -> Markup {
    html! {
        tr class=(if claim.holds { "" } else { "bad" }) {
            th scope="row" { (claim.claim) }
            td { (claim.expected) }
            td { (claim.observed) }
            td class="nowrap" { @if claim.holds { (symbol(Tone::Good)) "yes" } @else { (symbol(Tone::Bad)) "no" } }
        }
    }
}

fn patches(build: &BuildInfo) -> Markup {
    html! {
        h4 { (if build.patches.len() > 1 { "Patches" } else { "Patch" }) }
        @if let Some(line) = build.borrowed_from {
            p { "Written for " (line) "; untested on this line." }
        }
        @if let Some(reason) = &build.unpatched { p { "No patch: " (reason) "." } }
        @for file in &build.patches { (patch_file(file)) }
    }
}

fn patch_file(file: &PatchInfo) -> Markup {
    let name = file.file.rsplit('/').next().unwrap_or(&file.file);
    html! {
        details class="more patch" {
            summary { code { (name) } }
            pre role="group" aria-label=(format!("The patch {}", file.file)) tabindex="0" { (patch::lines(&file.text)) }
        }
    }
}
