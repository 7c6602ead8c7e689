//! The pipeline: every stage of a run, in order. Read this first.

pub mod plan;
pub mod request;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::error::{Exit, Explain, Failure};
use crate::base::events::{Event, Stage, Status};
use crate::base::openpgp::sign::SigningKey;
use crate::base::options::Goal;
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::base::store::Room;
use crate::kernel::kbuild::result_key;
use crate::kernel::kconfig;
use crate::kernel::{series, toolchain};
use crate::pipeline::plan::Plan;
use crate::pipeline::request::Request;
use crate::report::attest::Facts;
use crate::report::{self, Report, RequestPart, attest as evidence};
use crate::stages::boot::{self, BootRequest, Subject};
use crate::stages::build::{self, KernelBuild};
use crate::stages::fetch::{self, Offer};
use crate::stages::package::{self, Package};
use crate::stages::patch::check::Row;
use crate::stages::verify::{self, VerifiedSource};
use crate::stages::{configure, patch, secure_boot as sign, unpack};

/// Runs the stages up to `goal` and leaves `report.json` in the output folder.
///
/// `Ok` is a run that came to its end: its report may still hold a failed verdict.
pub fn run(cx: &Context, request: &Request, goal: Goal) -> Result<Report, Failure> {
    check(request, goal)?;
    let mut run = Run::begin(cx, request)?;
    let outcome = run.stages(request, goal);
    run.end(outcome)
}

/// Refuses what no source or tool could make good, before anything is written.
pub fn check(request: &Request, goal: Goal) -> Result<(), Failure> {
    let refused = |error: &dyn Explain| Failure::new(None, error);
    request.check().map_err(|error| refused(&error))?;
    series::check(&request.series, request.sources.release, request.lang).map_err(|error| refused(&error))?;
    if goal == Goal::Boot {
        boot_request(request)?;
    }
    let kconfig = &request.kconfig;
    kconfig::check_signing(kconfig, request.keys.secure_boot.is_some()).map_err(|error| refused(&error))?;
    kconfig::check_packages(kconfig, request.parts.as_deref().unwrap_or_default())
        .map_err(|error| refused(&error))?;
    if goal.boots() && request.boot.is_some() {
        kconfig::check_boot_testable(kconfig).map_err(|error| refused(&error))?;
    }
    Ok(())
}

struct Run<'a> {
    cx: &'a Context,
    report: Report,
    openpgp: Option<&'a SigningKey>,
}

impl Run<'_> {
    fn stages(&mut self, request: &Request, goal: Goal) -> Result<(), Failure> {
        let cx = self.cx;
        if goal == Goal::Fetch {
            let (release, offers) = plan::offers(cx, request)?;
            return self.source(release, &offers).map(|_| ());
        }
        let plan = self.plan(request, goal)?;
        let source = self.source(plan.kernel.release, &plan.offers)?;
        let tree = self.stage(Stage::Unpack, &plan.kernel.release, || unpack::unpack(cx, &source))?;
        let tree = self
            .stage(Stage::Patch, &plan.kernel.series.name, || patch::patch(cx, &plan.kernel.series, tree))?;
        self.report.patches.clone_from(&tree.patches);
        if goal == Goal::Patch {
            return Ok(());
        }
        let config = self.stage(Stage::Configure, &plan.kernel.kconfig.name, || {
            configure::configure(cx, &plan.kernel, &tree)
        })?;
        let build = self.stage(Stage::Build, &plan.kernel.kernel_release(), || {
            build::build(cx, &plan.kernel, &tree, config)
        })?;
        self.report.built(&plan.kernel, &build);
        // Its lock is let go here, so that another run may switch the series meanwhile.
        drop(tree);
        let build = self.sign(&plan, build)?;
        if goal.packages() && !plan.kernel.formats.is_empty() {
            let packages =
                self.stage(Stage::Package, &build.release, || package::package(cx, &plan.kernel, &build))?;
            self.report.packaged(&packages);
            self.describe(&plan, &build, &packages)?;
        }
        self.boot(&plan, &build, goal)
    }

    fn source(&mut self, release: Release, offers: &[Offer]) -> Result<VerifiedSource, Failure> {
        let cx = self.cx;
        self.report.resolved(release);
        let tarball = self.stage(Stage::Fetch, &release, || fetch::fetch(cx, offers))?;
        let source = self.stage(Stage::Verify, &release, || verify::verify(cx, tarball))?;
        self.report.verified(&source);
        Ok(source)
    }

    fn plan(&mut self, request: &Request, goal: Goal) -> Result<Plan, Failure> {
        let cx = self.cx;
        cx.events.send(Event::Started { stage: Stage::Plan, what: request.sources.release.to_string() });
        let started = Instant::now();
        let plan = plan::resolve(cx, request, goal)?;
        let summary = format!(
            "{} with {}, as {}",
            plan.kernel.release,
            plan.kernel.toolchain.cc_version,
            plan.kernel.kernel_release()
        );
        cx.events.send(Event::Finished {
            stage: Stage::Plan,
            status: Status::Done,
            seconds: started.elapsed().as_secs_f64(),
            summary,
        });
        self.report.planned(&plan.kernel);
        self.write()?;
        Ok(plan)
    }

    fn sign(&mut self, plan: &Plan, build: KernelBuild) -> Result<KernelBuild, Failure> {
        let (cx, Some(signer)) = (self.cx, &plan.kernel.signer) else { return Ok(build) };
        let build = self.stage(Stage::Sign, &signer.identity().subject, || sign::sign(cx, signer, build))?;
        self.report.built(&plan.kernel, &build);
        Ok(build)
    }

    /// What the packages are made of and from, beside them.
    fn describe(&mut self, plan: &Plan, build: &KernelBuild, packages: &[Package]) -> Result<(), Failure> {
        let report = &self.report;
        let source = report.source.as_ref().expect("what was built came from a source");
        let patches = &report.patches;
        let facts = Facts { plan: &plan.kernel, request: report.request(), source, patches, build, packages };
        let written = evidence::describe(&facts, self.openpgp, &plan.kernel.out);
        self.report.evidence = written.map_err(|error| Failure::new(Some(Stage::Package), &error))?;
        self.write()
    }

    fn boot(&mut self, plan: &Plan, build: &KernelBuild, goal: Goal) -> Result<(), Failure> {
        let (true, Some(request)) = (goal.boots(), &plan.boot) else {
            self.report.skipped_boot();
            return Ok(());
        };
        let subject = Subject {
            image: build.image(),
            cc: plan.kernel.toolchain.cc.clone(),
            claims: &plan.kernel.series.claims,
        };
        let cx = self.cx;
        let result = self.stage(Stage::Boot, &build.release, || boot::boot(cx, request, &subject))?;
        self.report.booted(result);
        Ok(())
    }

    fn elsewhere(&mut self, request: &Request, image: &Path) -> Result<(), Failure> {
        let cx = self.cx;
        let failed = |error: &dyn Explain| Failure::new(Some(Stage::Boot), error);
        let boot = boot_request(request)?;
        let claims = series::claims(&request.series).map_err(|error| failed(&error))?;
        let toolchain = toolchain::discover(&request.cc, &cx.stop).map_err(|error| failed(&error))?;
        let subject = Subject { image: image.to_owned(), cc: toolchain.cc, claims: &claims };
        let result = self.stage(Stage::Boot, &image.display(), || boot::boot(cx, boot, &subject))?;
        self.report.booted(result);
        Ok(())
    }
}

impl<'a> Run<'a> {
    /// The first report: from here on a run that fails leaves its trace.
    fn begin(cx: &'a Context, request: &'a Request) -> Result<Run<'a>, Failure> {
        let failed = |error: report::Error| Failure { exit: Exit::Usage, ..Failure::new(None, &error) };
        let report = Report::new(RequestPart::from(request), &request.out).map_err(failed)?;
        report.write().map_err(failed)?;
        Ok(Run { cx, report, openpgp: request.keys.openpgp.as_ref() })
    }

    /// One stage: announced, timed, and recorded in the report however it ends.
    fn stage<T: StageResult, E: Explain>(
        &mut self,
        stage: Stage,
        what: &dyn std::fmt::Display,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, Failure> {
        if self.cx.stop.is_set() {
            return Err(Failure::interrupted(Some(stage)));
        }
        self.cx.events.send(Event::Started { stage, what: what.to_string() });
        let log = self.cx.log(stage);
        // Programs append to it; what an earlier run wrote there would only mislead.
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
        self.report.stage_ended(stage, status, seconds, key, Some(log).filter(|log| log.exists()));
        let value = result.map_err(|error| Failure::new(Some(stage), &error))?;
        self.write()?;
        Ok(value)
    }

    fn write(&self) -> Result<(), Failure> {
        self.report.write().map(|_| ()).map_err(|error| Failure::new(None, &error))
    }

    /// The last report, and the sums over it and all that it names.
    fn seal(&mut self) -> Result<(), Failure> {
        match self.report.artifacts().is_empty() {
            true => self.write(),
            false => {
                evidence::seal(&mut self.report, self.openpgp).map_err(|error| Failure::new(None, &error))
            }
        }
    }

    fn end(mut self, outcome: Result<(), Failure>) -> Result<Report, Failure> {
        let Err(mut failure) = outcome else {
            self.seal()?;
            return Ok(self.report);
        };
        if self.cx.stop.is_set() {
            failure = Failure::interrupted(failure.stage);
        }
        self.report.failed(&failure);
        self.write()?;
        Err(failure)
    }
}

/// One row of `plan --explain`.
#[derive(Debug)]
pub struct StageKey {
    pub stage: Stage,
    /// `None` until the source is fetched.
    pub key: Option<Key>,
    pub stored: bool,
}

/// `plan`: everything that is known before the first byte is fetched.
pub fn plan(cx: &Context, request: &Request) -> Result<(Plan, Vec<StageKey>), Failure> {
    check(request, Goal::Everything)?;
    let plan = plan::resolve(cx, request, Goal::Everything)?;
    let keys = keys(cx, &plan);
    Ok((plan, keys))
}

fn keys(cx: &Context, plan: &Plan) -> Vec<StageKey> {
    let source = plan.offers[0].sha256().map(Key::from_sha256);
    let tree = source.as_ref().map(unpack::key);
    let patched = tree.as_ref().map(|tree| patch::key(tree, &plan.kernel.series));
    let made = tree.as_ref().and_then(|tree| unpack::released_at(cx, tree));
    let config = tree.as_ref().zip(patched.as_ref()).map(|(tree, patched)| {
        configure::key(&plan.kernel, patched, &cx.store.path(Room::Sources, tree.as_str()).join("linux"))
    });
    // Unless it is given, the time that goes into the image is the source's.
    let built = config
        .as_ref()
        .zip(plan.kernel.time(made))
        .map(|(config, time)| result_key(&plan.kernel, time, config));
    let row = |stage, room: Option<Room>, key: Option<Key>| {
        let contains = |(room, key): (Room, &Key)| cx.store.contains(room, key.as_str());
        StageKey { stage, stored: room.zip(key.as_ref()).is_some_and(contains), key }
    };
    let signed =
        built.as_ref().zip(plan.kernel.signer.as_ref()).map(|(built, signer)| sign::key(built, signer));
    let mut rows = vec![
        row(Stage::Fetch, Some(Room::Tarballs), source),
        row(Stage::Unpack, Some(Room::Sources), tree),
        row(Stage::Patch, None, patched),
        row(Stage::Configure, None, config),
        row(Stage::Build, Some(Room::Results), built),
    ];
    if plan.kernel.signer.is_some() {
        rows.push(row(Stage::Sign, Some(Room::Results), signed));
    }
    rows
}

/// `series check`: every shipped series on the request's release.
pub fn check_series(cx: &Context, request: Request) -> Result<Vec<Row>, Failure> {
    let request = Request { series: "none".into(), ..request };
    check(&request, Goal::Patch)?;
    let plan = plan::resolve(cx, &request, Goal::Patch)?;
    let failed = |stage| move |error: &dyn Explain| Failure::new(Some(stage), error);
    let tarball = fetch::fetch(cx, &plan.offers).map_err(|error| failed(Stage::Fetch)(&error))?;
    let source = verify::verify(cx, tarball).map_err(|error| failed(Stage::Verify)(&error))?;
    let tree = unpack::unpack(cx, &source).map_err(|error| failed(Stage::Unpack)(&error))?;
    patch::check::check(&tree, &plan.kernel.toolchain).map_err(|error| failed(Stage::Patch)(&error))
}

/// Builds what the request describes, for `boot --shell`.
pub fn built_image(cx: &Context, request: &Request) -> Result<PathBuf, Failure> {
    let report = run(cx, request, Goal::Build)?;
    Ok(report.image().expect("a run that builds leaves an image").to_owned())
}

/// `boot --image`: judges a kernel built elsewhere by the claims of the request's series.
pub fn boot_image(cx: &Context, request: &Request, image: &Path) -> Result<Report, Failure> {
    check(request, Goal::Boot)?;
    let mut run = Run::begin(cx, request)?;
    let outcome = run.elsewhere(request, image);
    run.end(outcome)
}

fn boot_request(request: &Request) -> Result<&BootRequest, Failure> {
    request.boot.as_ref().ok_or_else(|| Failure::new(None, &request::Error::NothingToBoot))
}

/// `boot --shell`: the user's terminal is the guest's console.
pub fn shell(cx: &Context, request: &Request, image: &Path) -> Result<(), Failure> {
    boot::shell(cx, boot_request(request)?, image).map_err(|error| Failure::new(Some(Stage::Boot), &error))
}
