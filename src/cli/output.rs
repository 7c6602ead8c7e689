//! Text for standard output.

use std::fmt::Write;
use std::io;

use crate::base::error::{Exit, Explain, Failure};
use crate::base::options::{Format, Lang};
use crate::base::release::Line;
use crate::base::text::{columns, visible_lines};
use crate::doctor::{Finding, Presence};
use crate::kernel::series::{self, PatchFile, VariantDetails};
use crate::kernel::toolchain::Toolchain;
use crate::pipeline::StageKey;
use crate::pipeline::plan::Plan;
use crate::repo::Published;
use crate::stages::fetch::Listing;
use crate::stages::patch::check::{Applicability, SeriesCheck};

/// Standard output is closed or full.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct OutputError(#[source] io::Error);

impl Explain for OutputError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A file that a command reads, or standard input, cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InputError(#[source] pub(super) io::Error);

impl Explain for InputError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Prints `text`. A pipe that its reader, such as `head`, has closed is not an error.
pub(super) fn print(text: &str) -> Result<Exit, Failure> {
    use io::Write;
    let mut out = io::stdout().lock();
    match out.write_all(visible_lines(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Passed),
        Err(source) => Err(Failure::new(None, &OutputError(source))),
        Ok(()) => Ok(Exit::Passed),
    }
}

/// Renders the findings of `doctor`: state, name and purpose.
pub(super) fn findings(findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let word = match (finding.presence, finding.need.is_optional()) {
            (Presence::Found, _) => "ok",
            (Presence::Unknown, _) => "unknown",
            (Presence::Missing, true) => "optional",
            (Presence::Missing, false) if finding.fault.is_some() => "UNUSABLE",
            (Presence::Missing, false) => "MISSING",
        };
        vec![word.to_owned(), finding.need.what.to_owned(), format!("for {}", finding.need.used_for)]
    };
    columns(&findings.iter().map(row).collect::<Vec<_>>())
}

fn toolchain(tools: &Toolchain) -> String {
    let mut names = vec![tools.cc_version.as_str(), &tools.ld_version];
    if let Some(rust) = &tools.rust {
        names.extend([rust.rustc_version.as_str(), &rust.bindgen_version]);
    }
    names.join(", ")
}

/// Renders a plan, and with `keys` each stage's cache key and whether the store has it.
pub(super) fn plan(plan: &Plan, keys: Option<&[StageKey]>) -> String {
    let offer = &plan.offers[0];
    let mut rows = vec![
        vec!["release".into(), plan.kernel.release.to_string()],
        vec!["source".into(), format!("{} {}", offer.origin.name(), offer.url)],
        vec!["series".into(), series_line(plan)],
        vec!["kconfig".into(), plan.kernel.kconfig.name.clone()],
        vec!["toolchain".into(), toolchain(&plan.kernel.toolchain)],
        vec!["sandbox".into(), sandbox(plan)],
        vec!["kernel".into(), plan.kernel.kernel_release()],
        vec!["packages".into(), formats(&plan.kernel.formats)],
        vec!["boot".into(), if plan.boot.is_some() { "yes".into() } else { "no".into() }],
        vec!["out".into(), plan.kernel.out.display().to_string()],
    ];
    if let Some(identity) = plan.kernel.signed_by() {
        rows.push(vec!["signed by".into(), identity.subject.clone()]);
    }
    for patch in plan.kernel.series.in_order() {
        rows.push(vec!["patch".into(), patch.name.clone()]);
    }
    let mut text = columns(&rows);
    if let Some(keys) = keys {
        let row = |stage: &StageKey| {
            let (key, state) = match &stage.key {
                Some(key) if stage.stored => (key.to_string(), "in the store"),
                Some(key) => (key.to_string(), ""),
                None => ("known after the source is unpacked".into(), ""),
            };
            vec![stage.stage.to_string(), key, state.into()]
        };
        text += "\n";
        text += &columns(&keys.iter().map(row).collect::<Vec<_>>());
    }
    text
}

fn sandbox(plan: &Plan) -> String {
    match (&plan.kernel.sandbox, &plan.no_sandbox) {
        (Some(sandbox), _) => sandbox.sandbox.mechanism().name().into(),
        (None, Some(reason)) => format!("none ({reason})"),
        (None, None) => "none".into(),
    }
}

fn series_line(plan: &Plan) -> String {
    match plan.kernel.series.borrowed_from {
        Some(line) => {
            format!("{} with the patches of {line}, untested on this line", plan.kernel.series.name)
        }
        None => plan.kernel.series.name.clone(),
    }
}

fn formats(formats: &[Format]) -> String {
    let names: Vec<_> = formats
        .iter()
        .map(|format| match format {
            Format::Deb => "deb",
            Format::Rpm => "rpm",
        })
        .collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Renders a listing: one line for each line of releases, then one for each release with its sources.
pub(super) fn releases(listing: &Listing) -> String {
    let mut text = String::new();
    for (line, listed) in &listing.lines {
        let supported = if Line::SUPPORTED.contains(line) { "" } else { "  (not a supported line)" };
        writeln!(text, "{line}{supported}").expect("writing to a String cannot fail");
        let mut rows: Vec<Vec<String>> = Vec::new();
        for entry in listed {
            let name = format!("  {}", entry.release);
            let place = format!("{} {}", entry.origin.name(), entry.listed_by);
            match rows.last_mut().filter(|row| row[0] == name) {
                Some(row) => row[1] += &format!(", {place}"),
                None => {
                    let stored = if entry.stored { "in the store" } else { "" };
                    rows.push(vec![name, place, stored.into()]);
                }
            }
        }
        text += &columns(&rows);
    }
    for tried in &listing.failed {
        writeln!(text, "not listed: {}: {}", tried.source, tried.reason)
            .expect("writing to a String cannot fail");
    }
    text
}

/// Renders the shipped series: name, title and lines of releases.
pub(super) fn series_list() -> Result<String, series::Error> {
    let mut rows = Vec::new();
    for listed in series::list()? {
        let lines: Vec<_> = listed.lines.keys().map(ToString::to_string).collect();
        let note = if listed.selectable { "" } else { " (automatic)" };
        rows.push(vec![listed.name, format!("{}{note}", listed.title), lines.join(" ")]);
    }
    Ok(columns(&rows))
}

/// Renders one series: its text, its variants, and its patch for the newest line.
pub(super) fn series(name: &str) -> Result<String, series::Error> {
    let shown = series::show(name)?;
    let mut text = format!(
        "{}: {}\n\n{}\n\norigin: {}\n\n",
        shown.name,
        shown.title,
        shown.summary.trim(),
        shown.origin.trim()
    );
    let mut rows = Vec::new();
    for variant in &shown.variants {
        let patches = match &variant.unpatched {
            Some(reason) => format!("no patch: {reason}"),
            None => variant.patches.iter().map(|patch| patch.name.clone()).collect::<Vec<_>>().join(", "),
        };
        rows.push(vec![variant.applies_to.clone(), variant.lang.slug().into(), patches]);
    }
    text += &columns(&rows);
    if let Some(patch) = newest_patch(&shown.variants) {
        write!(text, "\n{}:\n\n{}", patch.name, String::from_utf8_lossy(&patch.content))
            .expect("writing to a String cannot fail");
    }
    Ok(text)
}

/// The last patch for the newest line, in C if the series has one in C.
fn newest_patch(variants: &[VariantDetails]) -> Option<&PatchFile> {
    let newest = |lang| {
        let variants = variants.iter().rev().filter(move |variant| variant.lang == lang);
        variants.filter_map(|variant| variant.patches.last()).next()
    };
    newest(Lang::C).or_else(|| newest(Lang::Rust))
}

/// Renders the result of `repo`: one row for each repository.
pub(super) fn published(published: &[Published]) -> String {
    let row = |repository: &Published| {
        let noun = if repository.packages == 1 { "package" } else { "packages" };
        let path = repository.path.display().to_string();
        vec![path, format!("{} {noun}", repository.packages), format!("generation {}", repository.generation)]
    };
    columns(&published.iter().map(row).collect::<Vec<_>>())
}

/// Renders the result of `series check`: one row for each series.
pub(super) fn series_table(checks: &[SeriesCheck]) -> String {
    let row = |check: &SeriesCheck| {
        let verdict = match &check.applicability {
            Applicability::Applies { max_offset: 0 } => "applies".to_owned(),
            Applicability::Applies { max_offset } => {
                format!("applies with an offset of up to {max_offset} lines")
            }
            Applicability::AlreadyUpstream => "already upstream".to_owned(),
            Applicability::Unpatched { reason } => format!("no patch needed: {reason}"),
            Applicability::Absent(error) => format!("absent: {error}"),
            Applicability::Conflict(error) => format!("CONFLICT: {error}"),
        };
        let borrowed = check
            .borrowed_from
            .map_or(String::new(), |line| format!("with the patches of {line}, untested on this line"));
        vec![check.series.clone(), check.lang.slug().into(), verdict, borrowed]
    };
    columns(&checks.iter().map(row).collect::<Vec<_>>())
}
