//! `kpatch-build reproduce`: packages of an earlier run built again from nothing, compared bit by bit.

mod comparison;
mod error;

use std::path::{Path, PathBuf};

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::error::Failure;
use crate::base::events::Stage;
use crate::base::options::{Goal, Part, Timestamp};
use crate::base::release::ReleaseSpec;
use crate::base::store::{Room, Store};
use crate::base::store_archives;
use crate::base::x509::{Identity, Signer};
use crate::pipeline;
use crate::pipeline::plan::{self, Plan};
use crate::pipeline::request::{Keys, Request};
use crate::report::{Artifact, Kernel, Recorded, Report, Source, Tool, ToolchainPart};
use crate::stages::fetch::pins::Pins;
use crate::stages::fetch::{Origin, SourceRequest, SourceSpec};

pub use comparison::{Compared, Comparison};
pub use error::Error;

/// Which run to repeat, and what differs from it.
#[derive(Clone, Debug, Default)]
pub struct ReproduceRequest {
    /// The `report.json` of the run.
    pub report: PathBuf,
    /// Where the source is now; `None` for where it was.
    pub source: Option<SourceSpec>,
    /// The C compiler; `None` for the same name or path.
    pub cc: Option<String>,
    /// Private key and certificate of a kernel that is signed for Secure Boot.
    pub secure_boot: (Option<PathBuf>, Option<PathBuf>),
    /// Directory for what is built.
    pub out: PathBuf,
    /// Parallel jobs, at least 1; `None` for one per processor.
    pub jobs: Option<usize>,
}

/// Where the packages that are built again go.
pub const OUT: &str = "reproduced";
/// Below it, the store that the kernel is built in; removed when the comparison is done.
const STORE: &str = ".store";

/// Builds the packages of a report again and compares them.
///
/// The store of `cx` gives the source's archive if it has it; nothing else is taken from there.
pub fn reproduce(cx: &Context, wanted: &ReproduceRequest) -> Result<Comparison, Failure> {
    let failed = |error: Error| Failure::new(None, &error);
    let recorded = Recorded::load(&wanted.report).map_err(|error| failed(error.into()))?;
    let parts = Parts::of(&recorded, wanted).map_err(failed)?;
    let request = request(&recorded, &parts, wanted, &cx.store).map_err(failed)?;
    check_out(&request.out, &wanted.report).map_err(failed)?;
    pipeline::check(&request, Goal::Package)?;
    let inner = Context {
        store: Store::open(&request.out.join(STORE)).map_err(|error| failed(error.into()))?,
        events: cx.events.clone(),
        stop: cx.stop.clone(),
        offline: cx.offline,
        logs: request.out.join("logs"),
    };
    let plan = plan::resolve(&inner, &request, Goal::Package)?;
    let toolchain = other_tools(&recorded, parts.toolchain, &plan);
    for difference in &toolchain {
        inner.events.note(Stage::Plan, format!("another toolchain than the recorded one: {difference}"));
    }
    check_patches(&recorded, &plan, &toolchain).map_err(failed)?;
    if !is_pinned(&request, parts.source) {
        check_source(&parts, &pipeline::run(&inner, &request, Goal::Fetch)?).map_err(failed)?;
    }
    let report = pipeline::run(&inner, &request, Goal::Package)?;
    let path = request.out.join(STORE);
    drop(inner);
    std::fs::remove_dir_all(&path).map_err(|source| failed(Error::Remove { path, source }))?;
    Ok(compare(&parts, &report, toolchain, request.out))
}

/// What a report must have to be reproduced.
struct Parts<'a> {
    source: &'a Source,
    kernel: &'a Kernel,
    toolchain: &'a ToolchainPart,
    artifacts: &'a [Artifact],
}

impl<'a> Parts<'a> {
    fn of(recorded: &'a Recorded, wanted: &ReproduceRequest) -> Result<Parts<'a>, Error> {
        let none = || Error::NoPackages { report: wanted.report.clone() };
        if recorded.artifacts.is_empty() {
            return Err(none());
        }
        Ok(Parts {
            source: recorded.source.as_ref().ok_or_else(none)?,
            kernel: recorded.kernel.as_ref().ok_or_else(none)?,
            toolchain: recorded.toolchain.as_ref().ok_or_else(none)?,
            artifacts: &recorded.artifacts,
        })
    }

    fn kinds<T: PartialEq>(&self, of: impl Fn(&Artifact) -> T) -> Vec<T> {
        let mut kinds = Vec::new();
        for kind in self.artifacts.iter().map(of) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

/// The recorded request, with what it resolved to in place of what it left open.
fn request(
    recorded: &Recorded,
    parts: &Parts,
    wanted: &ReproduceRequest,
    store: &Store,
) -> Result<Request, Error> {
    let earlier = &recorded.request;
    let none = || Error::NoPackages { report: wanted.report.clone() };
    let (key, certificate) = &wanted.secure_boot;
    let keys = Keys::load((key.as_deref(), certificate.as_deref()), None)?;
    check_signer(parts.kernel.signed_by.as_ref(), keys.secure_boot.as_ref().map(Signer::identity))?;
    let mut packages = parts.kinds::<Part>(|artifact| artifact.part);
    packages.sort();
    Ok(Request {
        sources: SourceRequest {
            release: ReleaseSpec::Exact(recorded.release.ok_or_else(none)?),
            source: match &wanted.source {
                Some(source) => source.clone(),
                None => source(parts.source, store).parse()?,
            },
            // The recorded checksum is what the source must have.
            no_verify: true,
            keyring: None,
            kernel_org: Vec::new(),
            debian_mirror: None,
            pins: Pins::default(),
        },
        series: earlier.series.clone(),
        lang: earlier.lang,
        kconfig: Request::load_kconfig(&earlier.kconfig, earlier.lang, &keys)?,
        kconfig_names: earlier.kconfig.clone(),
        formats: parts.kinds(|artifact| artifact.kind),
        parts: Some(packages),
        compression: earlier.compression,
        cc: wanted.cc.clone().unwrap_or_else(|| earlier.cc.clone()),
        localversion: earlier.localversion.clone(),
        revision: earlier.revision,
        jobs: wanted.jobs,
        timestamp: parts.kernel.timestamp.map_or(Timestamp::OfSource, Timestamp::Given),
        keys,
        out: std::path::absolute(&wanted.out).map_err(Error::CurrentDirectory)?,
        boot: None,
    })
}

/// A signature is a part of image and modules, so that only its own key makes the same packages.
fn check_signer(recorded: Option<&Identity>, given: Option<&Identity>) -> Result<(), Error> {
    match (recorded, given) {
        (Some(recorded), None) => Err(Error::Signed { recorded: recorded.clone() }),
        (None, Some(_)) => Err(Error::NotSigned),
        (Some(recorded), Some(given)) if recorded.sha256 != given.sha256 => {
            Err(Error::OtherSigner { recorded: recorded.clone(), given: given.clone() })
        }
        _ => Ok(()),
    }
}

/// The recorded source in the form of `--source`, by its checksum where it is an archive; `store` may have that one.
fn source(source: &Source, store: &Store) -> String {
    let Source { url, sha256, .. } = source;
    match source.origin {
        Origin::Git => format!("git:{url}"),
        Origin::Directory => format!("dir:{url}"),
        Origin::KernelOrg | Origin::Debian | Origin::Tarball => {
            let key = Key::from_sha256(sha256);
            let stored = store_archives::archive(&store.path(Room::Tarballs, key.as_str()));
            let place = if stored.exists() { stored.display().to_string() } else { url.clone() };
            format!("tarball:{place}#{sha256}")
        }
    }
}

fn check_out(out: &Path, report: &Path) -> Result<(), Error> {
    let folder = report.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if out.canonicalize().is_ok_and(|out| folder.canonicalize().is_ok_and(|folder| folder == out)) {
        return Err(Error::SameFolder { out: out.to_owned() });
    }
    match out.to_string_lossy().contains([' ', ':']) {
        true => Err(Error::OutPath { out: out.to_owned() }),
        false => Ok(()),
    }
}

/// This tool is one of them: it writes the packages.
fn other_tools(report: &Recorded, recorded: &ToolchainPart, plan: &Plan) -> Vec<String> {
    let here = &ToolchainPart::of(&plan.kernel);
    let cc = |tools: &ToolchainPart| tools.cc_text.clone().unwrap_or_else(|| tools.cc.clone());
    let or_none = |tool: &Option<String>| tool.clone().unwrap_or_else(|| "none".to_owned());
    let both = [
        (report.tool.to_string(), Tool::own().to_string()),
        (cc(recorded), cc(here)),
        (recorded.ld.clone(), here.ld.clone()),
        (or_none(&recorded.rustc), or_none(&here.rustc)),
        (or_none(&recorded.bindgen), or_none(&here.bindgen)),
        (or_none(&recorded.libclang), or_none(&here.libclang)),
        (or_none(&recorded.pahole), or_none(&here.pahole)),
    ];
    let differ = both.into_iter().filter(|(recorded, here)| recorded != here);
    differ.map(|(recorded, here)| format!("{here} here, {recorded} recorded")).collect()
}

/// A build with other patches would only show that it is another kernel.
fn check_patches(recorded: &Recorded, plan: &Plan, toolchain: &[String]) -> Result<(), Error> {
    let here: Vec<_> =
        plan.kernel.series.in_order().map(|patch| (patch.name.clone(), patch.sha256())).collect();
    let sums = |it: &[(String, String)]| it.iter().map(|(_, sha256)| sha256.clone()).collect::<Vec<_>>();
    let then: Vec<_> = recorded.patches.iter().map(|it| (it.file.clone(), it.sha256.clone())).collect();
    if sums(&here) == sums(&then) {
        return Ok(());
    }
    let mut differences = toolchain.to_vec();
    let told = |word: &'static str, one: &[(String, String)], other: &[(String, String)]| {
        let sums = sums(other);
        let only = one.iter().filter(|(_, sha256)| !sums.contains(sha256));
        only.map(|(name, sha256)| format!("only {word}: {name} ({sha256})")).collect::<Vec<_>>()
    };
    differences.extend(told("recorded", &then, &here));
    differences.extend(told("here", &here, &then));
    Err(Error::OtherPatches { differences })
}

/// Whether nothing but the recorded archive would be taken; other sources are looked at before the build.
fn is_pinned(request: &Request, recorded: &Source) -> bool {
    matches!(&request.sources.source, SourceSpec::Tarball { sha256: Some(sha256), .. } if *sha256 == recorded.sha256)
}

fn check_source(parts: &Parts, fetched: &Report) -> Result<(), Error> {
    let found = fetched.source.as_ref().map(|source| source.sha256.clone()).unwrap_or_default();
    match found == parts.source.sha256 {
        true => Ok(()),
        false => Err(Error::OtherSource { recorded: parts.source.sha256.clone(), found }),
    }
}

fn compare(parts: &Parts, report: &Report, toolchain: Vec<String>, out: PathBuf) -> Comparison {
    let kernel = report.kernel.as_ref();
    let same = |of: fn(&Kernel) -> &String| kernel.is_some_and(|kernel| of(kernel) == of(parts.kernel));
    let compared = |artifact: &Artifact| Compared {
        name: artifact.file(),
        recorded: artifact.sha256.clone(),
        built: report
            .artifacts()
            .iter()
            .find(|built| (built.kind, built.part) == (artifact.kind, artifact.part))
            .map(|built| built.sha256.clone()),
    };
    Comparison {
        toolchain,
        config: same(|kernel| &kernel.config_sha256),
        image: same(|kernel| &kernel.image_sha256),
        packages: parts.artifacts.iter().map(compared).collect(),
        out,
    }
}
