//! `compare.html`: one file, no script, nothing from elsewhere.

mod cell;
mod frame;
mod patch;
mod transcript;

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::judged::{Evidence, Outcome, Row, SIZES, State, Table, Tone, claims_words, run_of, slug};
use super::summary::{Summary, summary};
use super::{Cell, Comparison, lang_name};
use crate::base::options::Accel;

const STYLE: &str = include_str!("style.css");

/// The page. `folder` is that of `compare.json`: the transcripts are taken from below it.
pub fn render(comparison: &Comparison, folder: &Path) -> String {
    let table = Table::of(comparison);
    let summary = summary(comparison);
    let title = match comparison.release.or(comparison.cells.first().map(|cell| cell.release)) {
        Some(release) => format!("What debuggers see of io threads on Linux {release}"),
        None => "What debuggers see of io threads".into(),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="kpatch-build compare";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#main" { "Skip to the content" }
                (frame::definitions())
                (header(&title))
                (contents(&table))
                main id="main" tabindex="-1" {
                    (in_short(&summary))
                    (matrix(&table))
                    @for name in table.series() { (series(comparison, &table, name, folder)) }
                    (how(comparison, &table))
                }
                footer {
                    p { "Made by kpatch-build from its " code { "compare.json" } ". It is not the kpatch-build of the live-patching project kpatch." }
                }
            }
        }
    };
    page.into_string()
}

fn header(title: &str) -> Markup {
    html! {
        header class="top" {
            h1 { (title) }
            p class="standfirst" {
                "The workers of io_uring are threads of the user’s process that never return to user space. "
                "What should a debugger find in their registers? In May 2021 several answers were argued on the "
                "kernel list. Here each one is a patched kernel that was built, booted and looked at."
            }
        }
    }
}

fn contents(table: &Table) -> Markup {
    html! {
        nav class="contents" aria-label="Contents" {
            ul {
                li { a href="#short" { "In short" } }
                li { a href="#einval" { "The open question" } }
                li { a href="#matrix" { "Side by side" } }
                li {
                    "The series"
                    ul {
                        @for name in table.series() { li { a href=(format!("#series-{}", slug(name))) { (name) } } }
                    }
                }
                li { a href="#how" { "How it was measured" } }
            }
        }
    }
}

/// The symbol of a tone; its word always stands beside it.
fn symbol(tone: Tone) -> Markup {
    let (class, id) = match tone {
        Tone::Good => ("good", "s-good"),
        Tone::Missing => ("missing", "s-missing"),
        Tone::Caution => ("caution", "s-caution"),
        Tone::Bad => ("bad", "s-bad"),
    };
    html! {
        svg class=(format!("symbol {class}")) viewBox="0 0 16 16" aria-hidden="true" focusable="false" {
            use href=(format!("#{id}")) {}
        }
    }
}

fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Missing => "missing",
        Tone::Caution => "caution",
        Tone::Bad => "bad",
    }
}

/// A sentence in which names of series stand between backticks.
fn sentence(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn in_short(summary: &Summary) -> Markup {
    html! {
        section id="short" aria-labelledby="short-h" {
            h2 id="short-h" { "In short" }
            @for (number, text) in summary.lead.iter().enumerate() {
                p class=(if number < 2 { "lead" } else { "" }) { (sentence(text)) }
            }
            @if !summary.series.is_empty() {
                h3 { "What each one does" }
                ul class="findings" {
                    @for finding in &summary.series {
                        li class=(tone_class(finding.tone)) {
                            p class="who" { (symbol(finding.tone)) a href=(format!("#cell-{}", finding.slug)) { (finding.label) } }
                            ul { @for point in &finding.points { li { (sentence(point)) } } }
                        }
                    }
                }
            }
            div class="answer" id="einval" {
                h3 { "The open question: what does gdb do when register reads of io threads return EINVAL?" }
                @for text in &summary.einval.answer { p { (sentence(text)) } }
                @if !summary.einval.quotes.is_empty() {
                    p class="small" { "In gdb’s own words:" }
                    ul class="quotes" {
                        @for (who, line) in &summary.einval.quotes {
                            li { span class="small" { (who) ": " } q class="said" { (line) } }
                        }
                    }
                }
            }
        }
    }
}

fn matrix(table: &Table) -> Markup {
    let columns = table.columns();
    html! {
        section id="matrix" class="wide" aria-labelledby="matrix-h" {
            h2 id="matrix-h" { "Side by side" }
            p { "Each cell opens: it holds what was seen. " span class="phone-only" { "The table scrolls sideways." } }
            (tones())
            div class="scroll" role="region" aria-label="The matrix" tabindex="0" {
                table class="matrix" {
                    caption class="hidden" { "For each series what its io threads show and how each debugger fares, on 64-bit and 32-bit tracees" }
                    thead {
                        tr {
                            th scope="col" rowspan="2" { "Series" }
                            @for column in &columns { th scope="colgroup" colspan="2" { (capital(column)) } }
                            th scope="col" rowspan="2" { "Claims" }
                        }
                        tr {
                            @for _ in &columns { @for bits in SIZES { th scope="col" { (bits) "-bit" } } }
                        }
                    }
                    @for name in table.series() {
                        tbody {
                            @for row in table.rows.iter().filter(|row| row.series == name) { (matrix_row(table, row, columns.len())) }
                        }
                    }
                }
            }
        }
    }
}

fn capital(text: &str) -> String {
    if text.starts_with("gdb") || text.starts_with("strace") {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn tones() -> Markup {
    html! {
        ul class="legend" aria-label="Legend" {
            li class="good" { (symbol(Tone::Good)) "as it should be" }
            li class="caution" { (symbol(Tone::Caution)) "withheld, or complained about" }
            li class="bad" { (symbol(Tone::Bad)) "wrong or unusable" }
            li class="missing" { (symbol(Tone::Missing)) "not observed" }
        }
    }
}

fn matrix_row(table: &Table, row: &Row, columns: usize) -> Markup {
    let verdict = claims_words(&row.state);
    html! {
        tr {
            th scope="row" { a href=(format!("#cell-{}", row.slug())) { (row.series) } span class="lang" { (lang_name(row.lang)) } }
            @if row.outcomes.is_empty() {
                td class=(format!("nothing {}", tone_class(verdict.tone))) colspan=(2 * columns + 1) { (outcome(&verdict, None)) }
            } @else {
                @for (column, pair) in row.outcomes.iter().enumerate() {
                    @for (seen, bits) in pair.iter().zip(SIZES) {
                        td class=(tone_class(seen.tone)) { (outcome(seen, link(table, row, column, bits))) }
                    }
                }
                td class=(tone_class(verdict.tone)) { (outcome(&verdict, Some((format!("#claims-{}", row.slug()), "all claims")))) }
            }
        }
    }
}

/// Where the page has more about a cell of the matrix.
fn link(table: &Table, row: &Row, column: usize, bits: u8) -> Option<(String, &'static str)> {
    let State::Measured(cell) = row.state else { return None };
    let Some(debugger) = column.checked_sub(1).map(|column| table.debuggers[column]) else {
        return Some((format!("#registers-{}", row.slug()), "all registers"));
    };
    run_of(&cell.boot, debugger, bits).map(|_| (format!("#{}", run_id(row, debugger, bits)), "transcript"))
}

fn run_id(row: &Row, debugger: &str, bits: u8) -> String {
    format!("run-{}-{}-{bits}", row.slug(), slug(debugger))
}

fn outcome(outcome: &Outcome, link: Option<(String, &str)>) -> Markup {
    html! {
        details class="cell" {
            summary { (symbol(outcome.tone)) span { (outcome.words) } }
            @for evidence in &outcome.evidence { (shown(evidence)) }
            @if let Some((target, words)) = link { p { a href=(target) { (words) } } }
        }
    }
}

fn shown(evidence: &Evidence) -> Markup {
    match evidence {
        Evidence::Says(text) => html! { p { (text) } },
        Evidence::Quote(line) => html! { p { q class="said" { (line) } } },
    }
}

fn series(comparison: &Comparison, table: &Table, name: &str, folder: &Path) -> Markup {
    let text = comparison.series.iter().find(|series| series.name == name);
    let heading = format!("series-{}-h", slug(name));
    html! {
        section id=(format!("series-{}", slug(name))) class="series" aria-labelledby=(heading) {
            h2 id=(heading) { code { (name) } }
            @if let Some(text) = text {
                p class="lead" { (text.title) }
                p { (text.summary) }
                @if !text.origin.is_empty() { p class="origin" { span { "Who argued for it" } " " (text.origin) } }
            }
            @for row in table.rows.iter().filter(|row| row.series == name) { (cell::show(row, table, folder)) }
        }
    }
}

fn how(comparison: &Comparison, table: &Table) -> Markup {
    let makings = || comparison.cells.iter().filter_map(|cell| cell.making.as_ref());
    let sources = makings().filter_map(|making| making.source.as_ref());
    let tools = makings().filter_map(|making| making.toolchain.as_ref());
    let source = each(sources.map(|source| {
        let origin = source.origin.name();
        format!("{}, from {origin}; SHA-256 {}", source.url, source.sha256)
    }));
    let trust = each(makings().filter_map(|making| making.source.as_ref()).map(|source| {
        source
            .verified_by
            .clone()
            .unwrap_or_else(|| "Nothing vouches for it: it was used as --no-verify asked.".into())
    }));
    let toolchain = each(tools.map(|tools| {
        let rust = tools.rustc.iter().chain(&tools.bindgen);
        let all = [&tools.cc, &tools.ld].into_iter().chain(rust);
        all.cloned().collect::<Vec<_>>().join(", ")
    }));
    let accelerators = each(comparison.cells.iter().map(|cell| match cell.boot.accelerator {
        Accel::Kvm => "QEMU with KVM".to_owned(),
        Accel::Tcg => "QEMU with TCG, which emulates the processor".to_owned(),
    }));
    let kconfigs = each(comparison.cells.iter().map(|cell| cell.kconfig.join(", ")));
    let releases = each(comparison.cells.iter().map(|cell| cell.release.to_string()));
    let debuggers: Vec<String> = table.debuggers.iter().map(ToString::to_string).collect();
    let tool = comparison.tool.iter().map(|tool| match &tool.commit {
        Some(commit) => format!("kpatch-build {}, commit {commit}", tool.version),
        None => format!("kpatch-build {}", tool.version),
    });
    let entries = [
        ("Release", releases),
        ("Source", source),
        ("Trust", trust),
        ("Kernel configuration", kconfigs),
        ("Toolchain", toolchain),
        ("Machine", accelerators),
        ("Debuggers", if debuggers.is_empty() { vec!["none".into()] } else { debuggers }),
        ("Tool", tool.collect()),
    ];
    html! {
        section id="how" aria-labelledby="how-h" {
            h2 id="how-h" { "How it was measured" }
            p {
                "Every kernel was built from the same source tree and booted on its own. In the guest a probe starts a 64-bit "
                "and a 32-bit process with io threads and looks at each thread as a debugger would"
                @if !table.debuggers.is_empty() { "; then real debuggers attach to such processes" }
                ". A claim is what a series says a boot will show; it is judged, whether the outcome is good or bad."
            }
            dl class="facts" {
                @for (name, values) in &entries {
                    @if !values.is_empty() {
                        dt { (name) }
                        @for value in values { dd { (value) } }
                    }
                }
                @if let Some(command) = &comparison.command { dt { "Command" } dd { code { (command) } } }
            }
            (kernels(comparison))
        }
    }
}

/// Each value once.
fn each(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for value in values {
        if !unique.contains(&value) {
            unique.push(value);
        }
    }
    unique
}

fn kernels(comparison: &Comparison) -> Markup {
    let made = |cell: &Cell| cell.making.as_ref().and_then(|making| making.kernel.clone());
    let kernels: Vec<_> = comparison.cells.iter().filter_map(made).collect();
    html! {
        @if !kernels.is_empty() {
            details class="more" {
                summary { "The kernels, by checksum" }
                div class="scroll" role="group" aria-label="The kernels, by checksum" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Kernel" } th scope="col" { "SHA-256 of the image" } th scope="col" { "SHA-256 of the configuration" } } }
                        tbody {
                            @for kernel in &kernels {
                                tr {
                                    th scope="row" { (kernel.release) }
                                    td { code { (kernel.image_sha256) } }
                                    td { code { (kernel.config_sha256) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
