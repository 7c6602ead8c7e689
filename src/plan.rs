//! A [`Request`] is what the user said; a [`Plan`] is the same with nothing left open.
//!
//! After the plan no stage reads the environment, the clock or a default.

use std::path::PathBuf;

use crate::choices::{Compression, Format, Lang, Part, Timestamp};
use crate::configure::{self, Kconfig};
use crate::context::Context;
use crate::doctor;
use crate::error::Failure;
use crate::events::Stage;
use crate::fetch::{self, Offer};
use crate::patch::series::{self, Series};
use crate::pipeline::Goal;
use crate::release::Release;
use crate::request::{BootRequest, Request};
use crate::sign::Signer;
use crate::toolchain::{self, Toolchain};
use crate::unpack::SourceTree;

/// Nothing left open.
#[derive(Clone, Debug)]
pub struct Plan {
    pub release: Release,
    /// Where to get the release, in the order to try; never empty.
    pub offers: Vec<Offer>,
    pub series: Series,
    pub lang: Lang,
    pub kconfig: Kconfig,
    pub toolchain: Toolchain,
    /// What follows the release in `uname -r`, with its leading `-`.
    pub localversion: String,
    pub revision: u32,
    pub formats: Vec<Format>,
    /// Sorted, each once; empty where nothing is packaged.
    pub parts: Vec<Part>,
    pub compression: Compression,
    pub timestamp: Timestamp,
    /// Signs image and modules.
    pub signer: Option<Signer>,
    pub jobs: usize,
    pub out: PathBuf,
    pub boot: Option<BootRequest>,
}

impl Plan {
    /// Seconds since the epoch that go into image and packages; `made` is when the release
    /// was. `None` where only the source, which is not there yet, can tell.
    pub fn time(&self, made: Option<i64>) -> Option<i64> {
        match self.timestamp {
            Timestamp::Given(seconds) => Some(seconds),
            Timestamp::OfSource => made,
        }
    }

    /// [`Plan::time`] for a source that is there.
    pub fn time_of(&self, tree: &SourceTree) -> i64 {
        match self.timestamp {
            Timestamp::Given(seconds) => seconds,
            Timestamp::OfSource => tree.made,
        }
    }

    /// `uname -r` of the kernel: `6.1.187-copy-segments-boot`.
    ///
    /// Always three numbers in front, as the kernel's Makefile writes it: 5.12 gives `5.12.0-…`.
    pub fn kernel_release(&self) -> String {
        format!("{}{}", self.release.kernel_version(), self.localversion)
    }
}

/// The exact release, and who offers it.
pub fn offers(cx: &Context, request: &Request) -> Result<(Release, Vec<Offer>), Failure> {
    fetch::offers(cx, request).map_err(|error| Failure::new(Some(Stage::Fetch), &error))
}

/// Closes what the request left open: contacts the sources and looks at the host's tools.
pub fn resolve(cx: &Context, request: &Request, kconfig: Kconfig, goal: Goal) -> Result<Plan, Failure> {
    let lacks = |error| Failure::new(Some(Stage::Build), &error);
    if goal.builds() {
        let job = doctor::Job { request, kconfig: &kconfig, goal, store: cx.store.root() };
        doctor::require(&doctor::examine(job, &cx.stop)).map_err(lacks)?;
    }
    let toolchain = toolchain(cx, request, goal.builds() && kconfig.asks_for("RUST"))
        .map_err(|error| Failure::new(Some(Stage::Build), &error))?;
    let (release, offers) = offers(cx, request)?;
    let series = series::load(&request.series, &release, request.lang, &toolchain)
        .map_err(|error| Failure::new(Some(Stage::Patch), &error))?;
    let kconfig = kconfig.with_switches(&series.switches, &series.name);
    let localversion = match &request.localversion {
        Some(text) => text.clone(),
        None => default_localversion(&series.name, request.lang, &kconfig.name, request.signer.is_some()),
    };
    let parts = match goal.packages() && !request.formats.is_empty() {
        true => parts(request.parts.as_deref(), &kconfig),
        false => Vec::new(),
    };
    let plan = Plan {
        release,
        offers,
        series,
        lang: request.lang,
        kconfig,
        toolchain,
        localversion,
        revision: request.revision,
        formats: request.formats.clone(),
        parts,
        compression: request.compression,
        timestamp: request.timestamp,
        signer: request.signer.clone(),
        jobs: request.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        out: request.out.clone(),
        boot: request.boot.clone().filter(|_| goal.boots()),
    };
    configure::check_release(plan.kernel_release()).map_err(|error| Failure::new(None, &error))?;
    Ok(plan)
}

/// Those that were asked for, or all but what would replace a package of the distribution.
fn parts(given: Option<&[Part]>, kconfig: &Kconfig) -> Vec<Part> {
    match given {
        Some(given) => given.to_vec(),
        None if kconfig.has_debug_info() => vec![Part::Image, Part::Headers, Part::Debug],
        None => vec![Part::Image, Part::Headers],
    }
}

fn toolchain(cx: &Context, request: &Request, rust: bool) -> Result<Toolchain, toolchain::Error> {
    let mut toolchain = toolchain::discover(&request.cc, &cx.stop)?;
    if rust {
        let places = toolchain::rust::Places::of_this_host();
        toolchain.rust = Some(toolchain::rust::discover(&places, &cx.stop)?);
    }
    Ok(toolchain)
}

/// A signed kernel is configured otherwise than an unsigned one, and modules of one crash the other.
fn default_localversion(series: &str, lang: Lang, kconfig: &str, signed: bool) -> String {
    let lang = match lang {
        Lang::C => "",
        Lang::Rust => "-rust",
    };
    let signed = if signed { "-signed" } else { "" };
    format!("-{series}{lang}-{kconfig}{signed}")
}
