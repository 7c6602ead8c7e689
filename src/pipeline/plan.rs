//! The plan: a [`Request`] with every detail determined.
//!
//! After the plan, no stage reads the environment, the clock or a default.

use crate::base::context::Context;
use crate::base::error::Failure;
use crate::base::events::Stage;
use crate::base::options::{Goal, Lang, Part, SandboxChoice};
use crate::base::release::Release;
use crate::base::sandbox::{self, Sandbox};
use crate::doctor;
use crate::kernel::kbuild::{BuildSandbox, named_files};
use crate::kernel::kconfig::{self, Kconfig};
use crate::kernel::toolchain::{self, Toolchain};
use crate::kernel::{KernelPlan, series};
use crate::pipeline::request::Request;
use crate::stages::boot::BootRequest;
use crate::stages::fetch::{self, Offer};

/// A fully resolved request.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to get the source, in the order to try; never empty.
    pub offers: Vec<Offer>,
    /// What to build.
    pub kernel: KernelPlan,
    /// How to boot it; `None` for no boot.
    pub boot: Option<BootRequest>,
    /// Why the build has no sandbox; `None` if it has one, or if nothing is built.
    pub no_sandbox: Option<String>,
}

/// Returns the exact release, and the sources that offer it, in the order to try.
///
/// # Errors
/// No source offers the requested release.
pub fn offers(cx: &Context, request: &Request) -> Result<(Release, Vec<Offer>), Failure> {
    fetch::offers(cx, &request.sources).map_err(|error| Failure::new(Some(Stage::Fetch), &error))
}

/// Resolves a request: contacts the sources and examines the host's tools.
///
/// # Errors
/// The host lacks a tool, no source offers the release, the series does not exist for it, or the kernel
/// release is too long.
pub fn resolve(cx: &Context, request: &Request, goal: Goal) -> Result<Plan, Failure> {
    let missing = |error| Failure::new(Some(Stage::Build), &error);
    if goal.configures() {
        let host = request.host_request(goal, cx.store.root());
        doctor::require_programs(&doctor::examine(host, &cx.stop)).map_err(missing)?;
    }
    let toolchain = toolchain(cx, request, goal.configures() && request.kconfig.demands("RUST"))
        .map_err(|error| Failure::new(Some(Stage::Build), &error))?;
    let (sandbox, no_sandbox) = match goal.configures() {
        true => sandbox(cx, request.sandbox)?,
        false => (None, None),
    };
    let (release, offers) = offers(cx, request)?;
    let series = series::load(&request.series, &release, request.lang, &toolchain)
        .map_err(|error| Failure::new(Some(Stage::Patch), &error))?;
    let kconfig = request.kconfig.clone().with_switches(&series.switches, &series.name);
    let localversion = match &request.localversion {
        Some(text) => text.clone(),
        None => default_localversion(
            &series.name,
            request.lang,
            &kconfig.name,
            request.keys.secure_boot.is_some(),
        ),
    };
    let parts = match goal.packages() && !request.formats.is_empty() {
        true => parts(request.parts.as_deref(), &kconfig),
        false => Vec::new(),
    };
    let sandbox = sandbox.map(|sandbox| build_sandbox(cx, sandbox, &toolchain, &kconfig)).transpose()?;
    let named_files = named_files::digests(&kconfig, &cx.stop)
        .map_err(|error| Failure::new(Some(Stage::Configure), &error))?;
    let boot = request.boot.clone().filter(|_| goal.boots());
    let kernel = KernelPlan {
        release,
        series,
        lang: request.lang,
        kconfig,
        named_files,
        toolchain,
        localversion,
        revision: request.revision,
        formats: request.formats.clone(),
        parts,
        compression: request.compression,
        timestamp: request.timestamp,
        keys: request.keys.clone(),
        sandbox,
        jobs: request.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        out: request.out.clone(),
        boot_tested: boot.is_some(),
    };
    check(&kernel).map_err(|error| Failure::new(None, &error))?;
    Ok(Plan { offers, kernel, boot, no_sandbox })
}

/// The checks of the request that need the exact release and the series.
fn check(kernel: &KernelPlan) -> Result<(), kconfig::Error> {
    kconfig::check_release(kernel.kernel_release())?;
    match kernel.boot_tested {
        true => kconfig::check_boot_testable(&kernel.kconfig, Some(kernel.boot_claims())),
        false => Ok(()),
    }
}

/// The sandbox of the build, or the reason why it has none.
fn sandbox(cx: &Context, choice: SandboxChoice) -> Result<(Option<Sandbox>, Option<String>), Failure> {
    if choice == SandboxChoice::Off {
        return Ok((None, Some("--no-sandbox".into())));
    }
    match Sandbox::find(&cx.stop) {
        Ok(sandbox) => Ok((Some(sandbox), None)),
        Err(sandbox::Error::Unavailable { reasons }) if choice == SandboxChoice::Automatic => {
            let reason = reasons.join("; ");
            cx.events.note(Stage::Plan, format!("the source builds without a sandbox: {reason}"));
            Ok((None, Some(reason)))
        }
        Err(error) => Err(Failure::new(Some(Stage::Build), &error)),
    }
}

/// The sandbox with what the build reads. A note names the programs that do not run in it.
fn build_sandbox(
    cx: &Context,
    sandbox: Sandbox,
    toolchain: &Toolchain,
    kconfig: &Kconfig,
) -> Result<BuildSandbox, Failure> {
    let sandbox = BuildSandbox::new(sandbox, toolchain, kconfig, &cx.stop)
        .map_err(|interrupted| Failure::new(Some(Stage::Plan), &interrupted))?;
    for program in sandbox.unusable() {
        let note = format!(
            "{} does not run in the sandbox, so the build uses the next one in PATH; --no-sandbox uses it",
            program.display()
        );
        cx.events.note(Stage::Plan, note);
    }
    Ok(sandbox)
}

/// The requested packages; by default all except `libc-dev`, which would replace a package of the
/// distribution.
fn parts(given: Option<&[Part]>, kconfig: &Kconfig) -> Vec<Part> {
    match given {
        Some(given) => given.to_vec(),
        None if kconfig.has_debug_info() => vec![Part::Image, Part::Headers, Part::Debug],
        None => vec![Part::Image, Part::Headers],
    }
}

/// The programs that build the kernel; with `rust`, also the Rust tools.
fn toolchain(cx: &Context, request: &Request, rust: bool) -> Result<Toolchain, toolchain::Error> {
    let mut toolchain = toolchain::discover(&request.cc, &cx.stop)?;
    if rust {
        let paths = toolchain::rust::SearchPaths::of_this_host();
        toolchain.rust = Some(toolchain::rust::discover(&paths, &cx.stop)?);
    }
    Ok(toolchain)
}

/// Signed kernels have a separate suffix: their configuration differs, and modules of an unsigned kernel
/// would crash them.
fn default_localversion(series: &str, lang: Lang, kconfig: &str, signed: bool) -> String {
    let lang = if lang == Lang::Rust { "-rust" } else { "" };
    let signed = if signed { "-signed" } else { "" };
    format!("-{series}{lang}-{kconfig}{signed}")
}
