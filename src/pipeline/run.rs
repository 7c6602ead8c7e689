//! One run: the stages up to a goal, each of them announced, timed and recorded.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::check::{boot_request, check};
use super::keys;
use super::plan::{self, Plan};
use super::recorder::{self, Recorder};
use crate::base::context::Context;
use crate::base::error::{Exit, Explain, Failure};
use crate::base::events::{Event, Notes, Stage, Status};
use crate::base::options::Goal;
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::kernel::{series, toolchain};
use crate::pipeline::request::Request;
use crate::report::{
    Artifact, BootRecord, Configuration, Kernel, Report, RequestRecord, Source, StageRecord, attest,
};
use crate::stages::boot::{self, BootResult, Subject};
use crate::stages::build::{self, KernelBuild};
use crate::stages::fetch::{self, Offer};
use crate::stages::package::{self, Package};
use crate::stages::verify::{self, VerifiedSource};
use crate::stages::{configure, patch, secure_boot, unpack};

/// A run that reached its goal. The verdict of its boot may still be `fail`.
#[derive(Debug)]
pub struct Finished {
    /// The last report, as it was written.
    pub report: Report,
    /// Path of `report.json`.
    pub path: PathBuf,
    /// The resolved plan. `None` for runs without a plan: `fetch`, and the boot of an external image.
    pub plan: Option<Plan>,
    /// The result of the boot. `None` if nothing was booted.
    pub boot: Option<BootResult>,
}

impl Finished {
    /// [`Exit::VerdictFailed`] if a claim does not hold or the boot failed, otherwise [`Exit::Passed`].
    pub fn exit(&self) -> Exit {
        match &self.boot {
            Some(result) if !result.passed() => Exit::VerdictFailed,
            _ => Exit::Passed,
        }
    }

    /// The last lines of a run on a terminal: the paths of its packages, documents and report, then
    /// the result of the boot.
    pub fn summary(&self) -> String {
        let packages = self.report.artifacts.iter().map(|package| &package.path);
        let documents = self.report.evidence.iter().map(|document| &document.path);
        let paths = packages.chain(documents).chain([&self.path]);
        let lines: String = paths.map(|path| format!("{}\n", path.display())).collect();
        lines + &self.boot.as_ref().map(BootResult::summary).unwrap_or_default()
    }
}

/// Runs the stages up to `goal` and leaves `report.json` in the output directory.
///
/// # Errors
/// The request is refused, or a stage fails; the report then has the reason. A failed verdict is not an error.
pub fn run(cx: &Context, request: &Request, goal: Goal) -> Result<Finished, Failure> {
    check(request, goal)?;
    recorded(cx, request, |run| run.stages(request, goal))
}

/// `boot --image`: boots an image that this tool did not build, and judges it by the claims of the
/// request's series.
///
/// # Errors
/// The request is refused, or the boot test cannot be run. A failed verdict is not an error.
pub fn boot_image(cx: &Context, request: &Request, image: &Path) -> Result<Finished, Failure> {
    check(request, Goal::Boot)?;
    recorded(cx, request, |run| run.boot_external_image(request, image))
}

/// Does `work`, and keeps the report and its notes up to date meanwhile.
fn recorded(
    cx: &Context,
    request: &Request,
    work: impl FnOnce(&mut Run) -> Result<Results, Failure>,
) -> Result<Finished, Failure> {
    let notes = Notes::default();
    let cx = &cx.with_events(notes.keep(&cx.events));
    let recorder = Recorder::begin(RequestRecord::from(request), &request.out, notes, &cx.logs)?;
    let mut run = Run { cx, recorder };
    let outcome = work(&mut run);
    run.end(outcome)
}

struct Run<'a> {
    cx: &'a Context,
    recorder: Recorder,
}

/// The results of the stages besides the report.
#[derive(Default)]
struct Results {
    plan: Option<Plan>,
    boot: Option<BootResult>,
}

impl Run<'_> {
    fn stages(&mut self, request: &Request, goal: Goal) -> Result<Results, Failure> {
        if goal == Goal::Fetch {
            let (release, offers) = plan::offers(self.cx, request)?;
            self.source(release, &offers)?;
            return Ok(Results::default());
        }
        let plan = self.plan(request, goal)?;
        let boot = self.kernel(&plan, goal)?;
        Ok(Results { plan: Some(plan), boot })
    }

    /// The stages from the source to the boot.
    fn kernel(&mut self, plan: &Plan, goal: Goal) -> Result<Option<BootResult>, Failure> {
        let (cx, kernel) = (self.cx, &plan.kernel);
        let no_space = |error| Failure::new(Some(Stage::Build), &error);
        let promised = keys::promised_source(plan);
        // Before the download, if the source's key is known by then.
        if goal.configures()
            && let Some(source) = &promised
        {
            keys::require_space(cx, plan, source).map_err(no_space)?;
        }
        let source = self.source(kernel.release, &plan.offers)?;
        if goal.configures() && promised.is_none() {
            keys::require_space(cx, plan, &source.key).map_err(no_space)?;
        }
        let check = keys::tree_check(cx, plan, &source.key)
            .map_err(|error| Failure::new(Some(Stage::Unpack), &error))?;
        let tree = self.stage(Stage::Unpack, &kernel.release, || unpack::unpack(cx, &source, check))?;
        let tree =
            self.stage(Stage::Patch, &kernel.series.name, || patch::patch(cx, &kernel.series, tree))?;
        self.recorder.report.patches.clone_from(&tree.patches);
        if goal == Goal::Patch {
            return Ok(None);
        }
        let config =
            self.stage(Stage::Configure, &kernel.kconfig.name, || configure::configure(cx, kernel, &tree))?;
        self.recorder.report.configuration = Some(Configuration::from(&config));
        if goal == Goal::Configure {
            return Ok(None);
        }
        let build =
            self.stage(Stage::Build, &kernel.kernel_release(), || build::build(cx, kernel, &tree, config))?;
        self.recorder.report.kernel = Some(Kernel::new(kernel, &build));
        // Unlocks the tree: another run may switch the series now.
        drop(tree);
        let build = self.sign(plan, build)?;
        if goal.packages() && !kernel.formats.is_empty() {
            let packages =
                self.stage(Stage::Package, &build.release, || package::package(cx, kernel, &build))?;
            self.recorder.report.artifacts = packages.iter().map(Artifact::from).collect();
            self.describe(plan, &build, &packages)?;
        }
        self.boot(plan, &build, goal)
    }

    fn source(&mut self, release: Release, offers: &[Offer]) -> Result<VerifiedSource, Failure> {
        let cx = self.cx;
        self.recorder.report.release = Some(release);
        let tarball = self.stage(Stage::Fetch, &release, || fetch::fetch(cx, offers))?;
        let source = self.stage(Stage::Verify, &release, || verify::verify(cx, tarball))?;
        self.recorder.report.source = Some(Source::from(&source));
        Ok(source)
    }

    fn plan(&mut self, request: &Request, goal: Goal) -> Result<Plan, Failure> {
        let cx = self.cx;
        cx.events.send(Event::Started { stage: Stage::Plan, what: request.sources.release.to_string() });
        let started = Instant::now();
        let plan = plan::resolve(cx, request, goal)?;
        let kernel = &plan.kernel;
        cx.events.send(Event::Finished {
            stage: Stage::Plan,
            status: Status::Done,
            seconds: started.elapsed().as_secs_f64(),
            summary: format!(
                "{} with {}, as {}",
                kernel.release,
                kernel.toolchain.cc_version,
                kernel.kernel_release()
            ),
        });
        self.recorder.report.release = Some(kernel.release);
        self.recorder.report.sandbox = kernel.sandbox.as_ref().map(|sandbox| sandbox.sandbox.mechanism());
        self.recorder.report.no_sandbox_reason.clone_from(&plan.no_sandbox);
        self.recorder.report.toolchain = Some((&kernel.toolchain).into());
        self.recorder.write()?;
        Ok(plan)
    }

    fn sign(&mut self, plan: &Plan, build: KernelBuild) -> Result<KernelBuild, Failure> {
        let (cx, kernel) = (self.cx, &plan.kernel);
        let Some(identity) = kernel.signed_by() else { return Ok(build) };
        let build = self.stage(Stage::Sign, &identity.subject, || secure_boot::sign(cx, kernel, build))?;
        self.recorder.report.kernel = Some(Kernel::new(kernel, &build));
        Ok(build)
    }

    /// Writes the documents that describe the packages.
    fn describe(&mut self, plan: &Plan, build: &KernelBuild, packages: &[Package]) -> Result<(), Failure> {
        let report = &mut self.recorder.report;
        let facts = attest::Facts {
            plan: &plan.kernel,
            request: &report.request,
            source: report.source.as_ref().expect("a built kernel has a source"),
            patches: &report.patches,
            build,
            packages,
        };
        let documents = attest::describe(&facts);
        report.evidence = documents.map_err(|error| Failure::new(Some(Stage::Package), &error))?;
        self.recorder.write()
    }

    fn boot(&mut self, plan: &Plan, build: &KernelBuild, goal: Goal) -> Result<Option<BootResult>, Failure> {
        let (true, Some(request)) = (goal.boots(), &plan.boot) else {
            self.recorder.report.boot = Some(BootRecord::SKIPPED);
            return Ok(None);
        };
        let subject = Subject {
            image: build.image(),
            cc: plan.kernel.toolchain.cc.clone(),
            claims: &plan.kernel.series.claims,
        };
        let cx = self.cx;
        let result = self.stage(Stage::Boot, &build.release, || boot::boot(cx, request, &subject))?;
        self.recorder.report.boot = Some(BootRecord::Booted(Box::new(result.clone())));
        Ok(Some(result))
    }

    fn boot_external_image(&mut self, request: &Request, image: &Path) -> Result<Results, Failure> {
        let cx = self.cx;
        let failed = |error: &dyn Explain| Failure::new(Some(Stage::Boot), error);
        let boot = boot_request(request)?;
        let claims = series::claims(&request.series).map_err(|error| failed(&error))?;
        let toolchain = toolchain::discover(&request.cc, &cx.stop).map_err(|error| failed(&error))?;
        let subject = Subject { image: image.to_owned(), cc: toolchain.cc, claims: &claims };
        let result = self.stage(Stage::Boot, &image.display(), || boot::boot(cx, boot, &subject))?;
        self.recorder.report.boot = Some(BootRecord::Booted(Box::new(result.clone())));
        Ok(Results { plan: None, boot: Some(result) })
    }
}

impl Run<'_> {
    /// Runs one stage, and announces, times and records it however it ends.
    fn stage<T: StageResult, E: Explain>(
        &mut self,
        stage: Stage,
        subject: &dyn Display,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, Failure> {
        self.cx.stop.check().map_err(|_| Failure::interrupted(Some(stage)))?;
        self.cx.events.send(Event::Started { stage, what: subject.to_string() });
        let log = self.cx.log(stage);
        // Programs append to their log; the lines of an earlier run would mislead.
        let _ = std::fs::remove_file(&log);
        let started = Instant::now();
        let result = work();
        let seconds = started.elapsed().as_secs_f64();
        let (status, key, summary) = match &result {
            Ok(value) if value.cached() => (Status::Cached, value.key(), value.summary()),
            Ok(value) => (Status::Done, value.key(), value.summary()),
            Err(_) => (Status::Failed, None, String::new()),
        };
        self.cx.events.send(Event::Finished { stage, status, seconds, summary });
        let log = Some(log).filter(|log| log.exists());
        self.recorder.report.stages.push(StageRecord { stage, status, seconds, key, log });
        let value = result.map_err(|error| Failure::new(Some(stage), &error))?;
        self.recorder.write()?;
        Ok(value)
    }

    /// Writes the last report of a run that reached its goal; with packages, also the checksums of
    /// every file that it names.
    fn seal(&mut self, plan: Option<&Plan>) -> Result<(), Failure> {
        self.recorder.take_notes().map_err(recorder::failed)?;
        let Recorder { report, path, .. } = &mut self.recorder;
        match plan {
            Some(plan) if !report.artifacts.is_empty() => {
                attest::seal(report, path, &plan.kernel).map_err(|error| Failure::new(None, &error))
            }
            _ => self.recorder.write(),
        }
    }

    /// Writes the last report.
    fn end(mut self, outcome: Result<Results, Failure>) -> Result<Finished, Failure> {
        match outcome {
            Ok(Results { plan, boot }) => {
                self.seal(plan.as_ref())?;
                let (report, path) = self.recorder.into_report();
                self.cx.events.send(result(&report, &path));
                Ok(Finished { report, path, plan, boot })
            }
            Err(failure) => {
                let interrupted = self.cx.stop.is_set();
                let failure = if interrupted { Failure::interrupted(failure.stage) } else { failure };
                self.recorder.fail(&failure)?;
                Err(failure)
            }
        }
    }
}

fn result(report: &Report, path: &Path) -> Event {
    let verdict = report.boot.as_ref().map(|boot| boot.verdict().name().to_owned());
    let packages = report.artifacts.iter().map(|package| package.path.clone()).collect();
    Event::Result { report: path.to_owned(), packages, verdict }
}
