//! Measures the cells, one ordinary run of the pipeline after another.

use std::path::{Path, PathBuf};

use super::matrix::{Row, Table};
use super::request::{CompareRequest, Grid, PlannedCell};
use super::{Absence, BuildInfo, Cell, Comparison, FILE, PatchInfo, SeriesInfo, Unmeasured};
use crate::base::context::Context;
use crate::base::error::{Exit, Failure};
use crate::base::events::Stage;
use crate::base::options::Goal;
use crate::base::release::ReleaseSpec;
use crate::base::text::columns;
use crate::kernel::series::{self, Series};
use crate::pipeline::request::Request;
use crate::pipeline::{self, Finished, plan};
use crate::report::Report;
use crate::stages::boot::BootResult;
use crate::stages::fetch::SourceRequest;

/// Measures every cell, and replaces `compare.json` in the output directory after each of them.
/// `command` is the command line, to be recorded.
///
/// A failed verdict does not end the comparison; a failed stage does. The returned comparison has
/// all measurements up to then.
pub(crate) fn measure(
    mut cx: Context,
    request: &CompareRequest,
    command: String,
) -> (Comparison, Result<(), Failure>) {
    let mut comparison = Comparison::new(command);
    let outcome = cells(&mut cx, request, &mut comparison);
    (comparison, outcome)
}

fn cells(cx: &mut Context, compare: &CompareRequest, comparison: &mut Comparison) -> Result<(), Failure> {
    compare.require_tools(cx)?;
    let out = compare.out();
    let mut release = compare.common().sources.release;
    if matches!(release, ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm) {
        release = ReleaseSpec::Exact(plan::offers(cx, compare.common())?.0);
    }
    let Grid { planned, absent } = compare.grid(release)?;
    for cell in &absent {
        cx.events.note(Stage::Plan, format!("skipped: {}", cell.why));
    }
    comparison.unmeasured = absent;
    for (number, cell) in planned.iter().enumerate() {
        let progress = format!("cell {} of {}: {}", number + 1, planned.len(), cell.name());
        cx.events.note(Stage::Plan, progress);
        let directory = PathBuf::from("cells").join(format!("{}-{}", cell.label, cell.lang.slug()));
        cx.logs = out.join(&directory).join("logs");
        let request = Request {
            sources: SourceRequest { release, ..compare.common().sources.clone() },
            series: cell.series.clone(),
            out: out.join(&directory),
            ..compare.in_lang(cell.lang).clone()
        };
        match measured(cx, &request, cell, directory) {
            Ok((measured, series)) => {
                // The remaining cells use the same release, even if a newer one is published meanwhile.
                release = ReleaseSpec::Exact(measured.release);
                comparison.add(measured, cell, &series);
                save(comparison, out)?;
            }
            Err(failure) => {
                comparison.stopped(&failure, &planned[number..]);
                let failure = of_cell(failure, cell);
                return save(comparison, out).and(Err(failure));
            }
        }
    }
    comparison.unused_allowances = comparison.find_unused_allowances();
    for pattern in &comparison.unused_allowances {
        cx.events.note(
            Stage::Boot,
            format!("no kernel complained as the allowance {pattern:?} expects: remove it"),
        );
    }
    save(comparison, out)
}

fn measured(
    cx: &Context,
    request: &Request,
    planned: &PlannedCell,
    directory: PathBuf,
) -> Result<(Cell, Series), Failure> {
    let Finished { report, plan, boot, .. } = pipeline::run(cx, request, Goal::Boot)?;
    let kernel = plan.expect("a run that builds has a plan").kernel;
    let boot = boot.expect("a run to its boot has booted");
    let cell = Cell {
        release: kernel.release,
        series: planned.label.clone(),
        lang: planned.lang,
        kconfig: request.kconfig_names.clone(),
        boot: relative(boot, &request.out, &directory),
        build: Some(build_info(report, &kernel.series, directory)),
    };
    Ok((cell, kernel.series))
}

/// `series` must be the one that the run applied. Loading it again could return another one: a series in a
/// directory can change meanwhile, and the build fixes depend on the toolchain of the run.
fn build_info(report: Report, series: &Series, directory: PathBuf) -> BuildInfo {
    let patch = |file: &series::PatchFile| PatchInfo {
        file: file.name.clone(),
        sha256: file.sha256(),
        text: String::from_utf8_lossy(&file.content).into_owned(),
    };
    BuildInfo {
        directory,
        source: report.source,
        toolchain: report.toolchain,
        kernel: report.kernel,
        patches: series.in_order().map(patch).collect(),
        unpatched: series.unpatched.clone(),
        borrowed_from: series.borrowed_from,
    }
}

/// Makes the paths below `out` relative to `compare.json`; `directory` is the path of `out` from there.
fn relative(mut boot: BootResult, out: &Path, directory: &Path) -> BootResult {
    let short = |path: &mut PathBuf| {
        if let Ok(below) = path.strip_prefix(out) {
            *path = directory.join(below);
        }
    };
    short(&mut boot.console);
    boot.debuggers.iter_mut().for_each(|run| short(&mut run.transcript));
    boot
}

impl Comparison {
    fn add(&mut self, cell: Cell, planned: &PlannedCell, series: &Series) {
        self.release = Some(cell.release);
        if !self.series.iter().any(|known| known.name == planned.label) {
            self.series.push(SeriesInfo {
                name: planned.label.clone(),
                title: series.title.clone(),
                origin: series.origin.trim().to_owned(),
                summary: series.summary.trim().to_owned(),
            });
        }
        self.cells.push(cell);
    }

    /// Records that the first of the remaining cells failed and that the others were not reached.
    fn stopped(&mut self, failure: &Failure, rest: &[PlannedCell]) {
        let interrupted = failure.exit == Exit::Interrupted;
        for (number, cell) in rest.iter().enumerate() {
            let (state, why) = match (number, failure.stage) {
                _ if interrupted => (Absence::NotReached, "the comparison was interrupted".into()),
                (0, Some(stage)) => (Absence::Failed, format!("{stage}: {}", failure.message())),
                (0, None) => (Absence::Failed, failure.message()),
                _ => (Absence::NotReached, "the comparison ended before this cell".into()),
            };
            self.unmeasured.push(Unmeasured { series: cell.label.clone(), lang: cell.lang, state, why });
        }
    }
}

fn save(comparison: &Comparison, out: &Path) -> Result<(), Failure> {
    comparison.save(out).map_err(|error| Failure::new(None, &error))
}

/// Names the cell in front of the message of its failure.
fn of_cell(mut failure: Failure, cell: &PlannedCell) -> Failure {
    failure.chain.insert(0, cell.name());
    failure
}

/// The last lines of a comparison on a terminal: the matrix, the failures and the verdict. `out` is the
/// output directory.
pub fn terminal(comparison: &Comparison, out: &Path) -> String {
    let mut text = format!("{}\n", out.join(FILE).display());
    let table = Table::of(comparison);
    let mut rows = vec![table.heading()];
    rows.extend(table.rows.iter().map(Row::words));
    text += &columns(&rows);
    for failure in comparison.failures() {
        text += &format!("failed: {failure}\n");
    }
    text + &format!("verdict: {}\n", if comparison.passed() { "pass" } else { "FAIL" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::options::{Compression, Lang};
    use crate::kernel::toolchain::{Compiler, RustToolchain, Toolchain};
    use crate::report::RequestRecord;

    fn toolchain(rustc_version: &str) -> Toolchain {
        Toolchain {
            compiler: Compiler::Gcc,
            cc: "/usr/bin/gcc".into(),
            cc_version: "gcc 12.2.0".into(),
            cc_text: "gcc 12.2.0".into(),
            ld_version: "GNU ld 2.40".into(),
            rust: Some(RustToolchain {
                rustc: "/usr/bin/rustc".into(),
                rustc_version: rustc_version.into(),
                rustc_text: rustc_version.into(),
                library: "/usr/lib/library".into(),
                bindgen: "/usr/bin/bindgen".into(),
                bindgen_version: "bindgen 0.72.1".into(),
                libclang: "/usr/lib".into(),
                libclang_version: "clang 19.1.7".into(),
            }),
            pahole_version: None,
        }
    }

    #[test]
    fn the_build_fixes_of_the_run_are_shown_first() {
        let request = RequestRecord {
            release: "6.12.107".into(),
            series: "zeroed".into(),
            lang: Lang::Rust,
            kconfig: vec!["boot".into()],
            formats: Vec::new(),
            source: "auto".into(),
            packages: None,
            compression: Compression::Xz,
            localversion: None,
            revision: 1,
            source_date_epoch: None,
            cc: "gcc".into(),
        };
        let shown = |release: &str, rustc: &str| -> Vec<String> {
            let release = release.parse().unwrap();
            let series = series::load("zeroed", &release, Lang::Rust, &toolchain(rustc)).unwrap();
            let build = build_info(Report::new(request.clone()), &series, "cells/zeroed-rust".into());
            build.patches.into_iter().map(|patch| patch.file).collect()
        };
        let places = |files: &[String]| -> Vec<String> {
            files.iter().map(|file| file.split('/').take(3).collect::<Vec<_>>().join("/")).collect()
        };
        assert_eq!(places(&shown("6.12.43", "rustc 1.94.0")), ["patches/zeroed/6.12"]);
        let new = shown("6.12.43", "rustc 1.96.0");
        assert_eq!(places(&new), ["patches/compat/6.12", "patches/zeroed/6.12"]);
        let newer_line = places(&shown("6.18.15", "rustc 1.96.0"));
        assert_eq!(newer_line[..2], ["patches/compat/6.12", "patches/compat/6.18"]);
    }
}
