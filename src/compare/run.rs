//! Measures the cells, one ordinary run of the pipeline after the other.

use std::path::{Path, PathBuf};

use super::grid::{CompareRequest, Grid, Wanted};
use super::{
    Absence, Cell, Comparison, FILE, Making, PatchText, SCHEMA, SeriesText, Tool, Unmeasured, judged,
    lang_name, lang_slug,
};
use crate::base::context::Context;
use crate::base::error::{Exit, Explain, Failure};
use crate::base::events::Stage;
use crate::base::options::Goal;
use crate::base::release::ReleaseSpec;
use crate::base::text::columns;
use crate::kernel::series::{self, Series};
use crate::kernel::toolchain;
use crate::pipeline::request::Request;
use crate::pipeline::{self, plan};
use crate::report::{BootPart, Report};
use crate::stages::boot::BootResult;
use crate::stages::fetch::SourceRequest;

/// Measures every cell and leaves `compare.json` in the output folder after each of them.
///
/// A verdict that is not `pass` stops nothing; a stage that fails does, and what was measured
/// until then is in the comparison. `command` is the command line, for whoever wants it again.
pub fn measure(
    mut cx: Context,
    compared: &CompareRequest,
    command: String,
) -> (Comparison, Result<(), Failure>) {
    let mut comparison = Comparison {
        schema: SCHEMA.into(),
        tool: Some(Tool {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: option_env!("KPATCH_BUILD_COMMIT").map(str::to_owned),
        }),
        command: Some(command),
        release: None,
        series: Vec::new(),
        cells: Vec::new(),
        unmeasured: Vec::new(),
    };
    let outcome = cells(&mut cx, compared, &mut comparison);
    (comparison, outcome)
}

fn cells(cx: &mut Context, compared: &CompareRequest, comparison: &mut Comparison) -> Result<(), Failure> {
    compared.require_tools(cx)?;
    let out = compared.out();
    let mut release = compared.first().sources.release;
    if matches!(release, ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm) {
        release = ReleaseSpec::Exact(plan::offers(cx, compared.first())?.0);
    }
    let Grid { wanted, absent } = compared.grid(release)?;
    for gone in &absent {
        cx.events.note(Stage::Plan, format!("left out: {}", gone.why));
    }
    comparison.unmeasured = absent;
    for (number, cell) in wanted.iter().enumerate() {
        let what = format!("cell {} of {}: {}", number + 1, wanted.len(), name(cell));
        cx.events.note(Stage::Plan, what);
        let folder = PathBuf::from("cells").join(format!("{}-{}", cell.label, lang_slug(cell.lang)));
        cx.logs = out.join(&folder).join("logs");
        let request = Request {
            sources: SourceRequest { release, ..compared.first().sources.clone() },
            series: cell.series.clone(),
            out: out.join(&folder),
            ..compared.request(cell.lang).clone()
        };
        match measured(cx, &request, cell, folder) {
            Ok((measured, series)) => {
                // The others are of the same release, even if a newer one comes out meanwhile.
                release = ReleaseSpec::Exact(measured.release);
                comparison.add(measured, cell, &series);
                save(comparison, out)?;
            }
            Err(failure) => {
                comparison.stopped(&failure, &wanted[number..]);
                let failure = of_cell(failure, cell);
                return save(comparison, out).and(Err(failure));
            }
        }
    }
    Ok(())
}

fn measured(
    cx: &Context,
    request: &Request,
    cell: &Wanted,
    folder: PathBuf,
) -> Result<(Cell, Series), Failure> {
    let failed = |error: &dyn Explain| Failure::new(Some(Stage::Patch), error);
    let mut report = pipeline::run(cx, request, Goal::Boot)?;
    let release = report.release().expect("a run that came to its end has a release");
    let toolchain = toolchain::discover(&request.cc, &cx.stop).map_err(|error| failed(&error))?;
    let series =
        series::load(&request.series, &release, request.lang, &toolchain).map_err(|error| failed(&error))?;
    let Some(BootPart::Done(boot)) = report.boot.take() else { unreachable!("a run to its boot has booted") };
    let cell = Cell {
        release,
        series: cell.label.clone(),
        lang: cell.lang,
        kconfig: request.kconfig_names.clone(),
        boot: relative(*boot, &request.out, &folder),
        making: Some(making(report, &series, folder)),
    };
    Ok((cell, series))
}

fn making(report: Report, series: &Series, folder: PathBuf) -> Making {
    let text = |file: &series::PatchFile| PatchText {
        file: file.name.clone(),
        sha256: file.sha256(),
        text: String::from_utf8_lossy(&file.content).into_owned(),
    };
    Making {
        folder,
        source: report.source,
        toolchain: report.toolchain,
        kernel: report.kernel,
        patches: series.in_order().map(text).collect(),
        unpatched: series.unpatched.clone(),
        borrowed_from: series.borrowed_from,
    }
}

/// With the paths below `out` as they are seen from `compare.json`.
fn relative(mut boot: BootResult, out: &Path, folder: &Path) -> BootResult {
    let short = |path: &mut PathBuf| {
        if let Ok(below) = path.strip_prefix(out) {
            *path = folder.join(below);
        }
    };
    short(&mut boot.console);
    boot.debuggers.iter_mut().for_each(|run| short(&mut run.transcript));
    boot
}

impl Comparison {
    fn add(&mut self, cell: Cell, wanted: &Wanted, series: &Series) {
        self.release = Some(cell.release);
        if !self.series.iter().any(|known| known.name == wanted.label) {
            self.series.push(SeriesText {
                name: wanted.label.clone(),
                title: series.title.clone(),
                origin: series.origin.trim().to_owned(),
                summary: series.summary.trim().to_owned(),
            });
        }
        self.cells.push(cell);
    }

    /// Notes that the first of the cells failed and that the others were not come to.
    fn stopped(&mut self, failure: &Failure, rest: &[Wanted]) {
        let interrupted = failure.exit == Exit::Interrupted;
        for (number, cell) in rest.iter().enumerate() {
            let (state, why) = match (number, failure.stage) {
                _ if interrupted => (Absence::NotReached, "the comparison was interrupted".into()),
                (0, Some(stage)) => (Absence::Failed, format!("{stage}: {}", failure.message())),
                (0, None) => (Absence::Failed, failure.message()),
                _ => (Absence::NotReached, "the comparison ended before it".into()),
            };
            self.unmeasured.push(Unmeasured { series: cell.label.clone(), lang: cell.lang, state, why });
        }
    }
}

fn save(comparison: &Comparison, out: &Path) -> Result<(), Failure> {
    comparison.save(out).map_err(|error| Failure::new(None, &error))
}

fn of_cell(mut failure: Failure, cell: &Wanted) -> Failure {
    failure.chain.insert(0, name(cell));
    failure
}

fn name(cell: &Wanted) -> String {
    format!("series {} in {}", cell.label, lang_name(cell.lang))
}

/// The last lines of a comparison, for people: the matrix, and what did not hold.
pub fn terminal(comparison: &Comparison, out: &Path) -> String {
    let mut text = format!("{}\n", out.join(FILE).display());
    let table = judged::Table::of(comparison);
    let mut rows = vec![table.heading()];
    rows.extend(table.rows.iter().map(judged::Row::words));
    text += &columns(&rows);
    for failure in comparison.failures() {
        text += &format!("failed: {failure}\n");
    }
    text + &format!("verdict: {}\n", if comparison.passed() { "pass" } else { "FAIL" })
}
