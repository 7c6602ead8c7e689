//! `kpatch-build reproduce`: builds the packages of an earlier run again, from nothing, and compares them
//! bit for bit.

mod comparison;
mod error;

use std::path::{Path, PathBuf};

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::error::Failure;
use crate::base::events::Stage;
use crate::base::options::{Goal, Part, SandboxChoice, Timestamp};
use crate::base::release::{Release, ReleaseSpec};
use crate::base::store::{Bucket, Store};
use crate::base::store_archives;
use crate::base::text::MASK;
use crate::base::x509::{Identity, SignerFiles};
use crate::kernel::kbuild::refused_character;
use crate::kernel::kconfig::Kconfig;
use crate::kernel::{Keys, series, toolchain};
use crate::pipeline;
use crate::pipeline::plan::{self, Plan};
use crate::pipeline::request::Request;
use crate::report::{Artifact, Kernel, Report, RequestRecord, Source, Tool, ToolchainRecord};
use crate::stages::fetch::pins::Pins;
use crate::stages::fetch::{ArchiveRecord, Origin, SourceRequest, SourceSpec};
use crate::stages::patch::AppliedPatch;

pub(crate) use comparison::{Compared, Comparison};
pub(crate) use error::Error;
use error::Restated;

/// The run to repeat, and the settings that differ from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReproduceRequest {
    /// The `report.json` of the run.
    pub(crate) report: PathBuf,
    /// Where the source is now; `None` for where it was.
    pub(crate) source: Option<SourceSpec>,
    /// Accept a source without a signature or checksum.
    pub(crate) no_verify: bool,
    /// Certificates to verify the source with, besides the host's.
    pub(crate) keyring: Option<PathBuf>,
    /// The series in the report, repeated.
    pub(crate) series: Option<String>,
    /// The kconfig in the report, repeated; empty if it is not.
    pub(crate) kconfig: Vec<String>,
    /// The C compiler; `None` for the same name or path.
    pub(crate) cc: Option<String>,
    /// Private key and certificate of a kernel that is signed for Secure Boot.
    pub(crate) secure_boot: (Option<PathBuf>, Option<PathBuf>),
    /// Directory for the rebuilt packages.
    pub(crate) out: PathBuf,
    /// Parallel jobs, at least 1; `None` for one per processor.
    pub(crate) jobs: Option<usize>,
    /// Whether the build is confined.
    pub(crate) sandbox: SandboxChoice,
}

/// Default of `--out`, the directory for the rebuilt packages.
pub(crate) const OUT: &str = "reproduced";
/// Name of the temporary store in the output directory.
const STORE: &str = ".store";

/// Builds the packages of a report again and compares them.
///
/// The kernel is built in a temporary store. From the store of `cx` only the source's archive is used.
///
/// # Errors
/// The report cannot be repeated here, or a stage fails. Packages that differ are in the comparison.
pub(crate) fn reproduce(cx: &Context, wanted: &ReproduceRequest) -> Result<Comparison, Failure> {
    let failed = |error: Error| Failure::new(None, &error);
    let report = Report::load(&wanted.report).map_err(|error| failed(error.into()))?;
    let recorded = Recorded::of(&report, &wanted.report).map_err(failed)?;
    check_names(&report.request, &recorded, wanted, &cx.store).map_err(failed)?;
    let request = request(&report.request, &recorded, wanted, &cx.store).map_err(failed)?;
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
    let toolchain = toolchain_differences(&report, recorded.toolchain, &plan);
    for difference in &toolchain {
        inner.events.note(Stage::Plan, format!("the toolchain differs from the recorded one: {difference}"));
    }
    check_patches(&report.patches, &plan, &toolchain).map_err(failed)?;
    let fetched = pipeline::run(&inner, &request, Goal::Fetch)?.report;
    check_source(recorded.source, &fetched).map_err(failed)?;
    inner.events.note(Stage::Plan, build_system(&fetched));
    let rebuilt = pipeline::run(&inner, &request, Goal::Package)?.report;
    let store = request.out.join(STORE);
    // Unlocks the store.
    drop(inner);
    fs_err::remove_dir_all(&store).map_err(|error| failed(error.into()))?;
    Ok(compare(&recorded, &rebuilt, toolchain, request.out))
}

/// The fields that a report must have to be reproduced.
struct Recorded<'a> {
    release: Release,
    source: &'a Source,
    kernel: &'a Kernel,
    toolchain: &'a ToolchainRecord,
    artifacts: &'a [Artifact],
}

impl<'a> Recorded<'a> {
    fn of(report: &'a Report, path: &Path) -> Result<Recorded<'a>, Error> {
        let none = || Error::NoPackages { report: path.to_owned() };
        if report.artifacts.is_empty() {
            return Err(none());
        }
        Ok(Recorded {
            release: report.release.ok_or_else(none)?,
            source: report.source.as_ref().ok_or_else(none)?,
            kernel: report.kernel.as_ref().ok_or_else(none)?,
            toolchain: report.toolchain.as_ref().ok_or_else(none)?,
            artifacts: &report.artifacts,
        })
    }

    /// One property of the packages, each value once.
    fn each<T: PartialEq>(&self, of: impl Fn(&Artifact) -> T) -> Vec<T> {
        let mut values = Vec::new();
        for value in self.artifacts.iter().map(of) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }
}

/// The recorded request, with the recorded results in place of open choices.
fn request(
    earlier: &RequestRecord,
    recorded: &Recorded,
    wanted: &ReproduceRequest,
    store: &Store,
) -> Result<Request, Error> {
    let (key, certificate) = &wanted.secure_boot;
    let secure_boot = SignerFiles::check_pair(key.as_deref(), certificate.as_deref())?;
    check_signer(recorded.kernel.signed_by.as_ref(), secure_boot.as_ref().map(SignerFiles::identity))?;
    let mut packages = recorded.each::<Part>(|artifact| artifact.part);
    packages.sort();
    let kconfig = if wanted.kconfig.is_empty() { earlier.kconfig.clone() } else { wanted.kconfig.clone() };
    Ok(Request {
        sources: SourceRequest {
            release: ReleaseSpec::Exact(recorded.release),
            source: match &wanted.source {
                Some(SourceSpec::Tarball { location, sha256: None }) => SourceSpec::Tarball {
                    location: location.clone(),
                    sha256: Some(recorded.source.sha256.clone()),
                },
                Some(source) => source.clone(),
                None => source(recorded.source, store).parse()?,
            },
            no_verify: wanted.no_verify,
            keyring: wanted.keyring.clone(),
            kernel_org: Vec::new(),
            debian_mirror: None,
            accept_stale_index: false,
            outputs: vec![wanted.out.clone(), store.root().to_owned()],
            pins: Pins::default(),
        },
        series: wanted.series.clone().unwrap_or_else(|| earlier.series.clone()),
        lang: earlier.lang,
        kconfig: Kconfig::load_for(earlier.lang, secure_boot.is_some(), &kconfig)?,
        kconfig_names: kconfig,
        formats: recorded.each(|artifact| artifact.kind),
        parts: Some(packages),
        compression: earlier.compression,
        cc: wanted.cc.clone().unwrap_or_else(|| earlier.cc.clone()),
        localversion: earlier.localversion.clone(),
        revision: earlier.revision,
        jobs: wanted.jobs,
        sandbox: wanted.sandbox,
        timestamp: recorded.kernel.timestamp.map_or(Timestamp::OfSource, Timestamp::Given),
        keys: Keys { secure_boot, openpgp: None },
        out: std::path::absolute(&wanted.out).map_err(Error::CurrentDirectory)?,
        boot: None,
    })
}

/// The signature is part of image and modules: only the same key reproduces the packages.
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

/// Refuses a report that names a directory, a file or a program of this machine, unless the command line repeats it:
/// a report may be a stranger's, and a build runs what these contain.
fn check_names(
    earlier: &RequestRecord,
    recorded: &Recorded,
    wanted: &ReproduceRequest,
    store: &Store,
) -> Result<(), Error> {
    let mut names = Vec::new();
    let mut restate = |what, flag, value: String| names.push(Restated { what, flag, value });
    let Source { origin, url, sha256, .. } = recorded.source;
    match origin {
        _ if wanted.source.is_some() => {}
        Origin::Git if !is_public(url) => restate("a source", "source", format!("git:{url}")),
        Origin::Directory => restate("a source", "source", format!("dir:{url}")),
        Origin::Tarball if stored(sha256, store).is_none() => {
            restate("a source", "source", format!("tarball:{url}"));
        }
        _ => {}
    }
    let is_shipped = |name: &String, shipped: &[String]| shipped.contains(name) || name == series::NONE;
    if wanted.series.is_none() && !is_shipped(&earlier.series, &series::shipped_names()) {
        restate("a series", "series", earlier.series.clone());
    }
    if wanted.kconfig.is_empty() && !earlier.kconfig.iter().all(|name| is_shipped(name, &Kconfig::shipped()))
    {
        restate("a kconfig", "kconfig", earlier.kconfig.join(","));
    }
    if wanted.cc.is_none() && !toolchain::is_known_name(&earlier.cc) {
        restate("a compiler", "cc", earlier.cc.clone());
    }
    if names.is_empty() { Ok(()) } else { Err(Error::Unvouched(names)) }
}

/// Whether anyone may fetch from the address without files, programs and secrets of this machine.
fn is_public(url: &str) -> bool {
    ["https://", "http://", "git://"].iter().any(|scheme| url.starts_with(scheme)) && !url.contains(MASK)
}

/// The path of the archive with this SHA-256 if an earlier run on the store of this machine verified it.
fn stored(sha256: &str, store: &Store) -> Option<PathBuf> {
    let entry = store.path(Bucket::Tarballs, Key::from_sha256(sha256).as_str());
    let record: ArchiveRecord = store_archives::read_record(&entry)?;
    record.verified_by.map(|_| store_archives::archive(&entry)).filter(|path| path.exists())
}

/// The recorded source in the form of `--source`. It is verified as in any run, because the report is no proof; kernel.org
/// and Debian use the store's archive if it was verified.
fn source(source: &Source, store: &Store) -> String {
    let Source { url, sha256, .. } = source;
    match source.origin {
        Origin::Git => format!("git:{url}"),
        Origin::Directory => format!("dir:{url}"),
        Origin::KernelOrg => "kernel.org".to_owned(),
        Origin::Debian => "debian".to_owned(),
        Origin::Tarball => match stored(sha256, store) {
            Some(path) => format!("tarball:{}#{sha256}", path.display()),
            None => format!("tarball:{url}"),
        },
    }
}

/// A note about the source whose code the build runs, and what verified it.
fn build_system(fetched: &Report) -> String {
    let source = fetched.source.as_ref();
    let url = source.map(|source| source.url.as_str()).unwrap_or_default();
    match source.and_then(|source| source.verified_by.as_deref()) {
        Some(chain) => format!("builds {url}, verified by {chain}"),
        None => format!("builds {url}, which nothing verifies"),
    }
}

fn check_out(out: &Path, report: &Path) -> Result<(), Error> {
    let directory = report.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if out.canonicalize().is_ok_and(|out| directory.canonicalize().is_ok_and(|directory| directory == out)) {
        return Err(Error::SameDirectory { out: out.to_owned() });
    }
    match refused_character(out) {
        Some(character) => Err(Error::OutPath { out: out.to_owned(), character }),
        None => Ok(()),
    }
}

/// Differences between the toolchains, one line each. Includes this tool, which writes the packages.
fn toolchain_differences(report: &Report, recorded: &ToolchainRecord, plan: &Plan) -> Vec<String> {
    let here = &ToolchainRecord::from(&plan.kernel.toolchain);
    let cc = |tools: &ToolchainRecord| tools.cc_text.clone().unwrap_or_else(|| tools.cc.clone());
    let or_none = |tool: &Option<String>| tool.clone().unwrap_or_else(|| "none".to_owned());
    let both = [
        (report.tool.to_string(), Tool::this().to_string()),
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

/// Refuses other patches: they result in another kernel, and there is nothing to compare.
fn check_patches(recorded: &[AppliedPatch], plan: &Plan, toolchain: &[String]) -> Result<(), Error> {
    let here: Vec<_> =
        plan.kernel.series.in_order().map(|patch| (patch.name.clone(), patch.sha256())).collect();
    let sums =
        |patches: &[(String, String)]| patches.iter().map(|(_, sha256)| sha256.clone()).collect::<Vec<_>>();
    let recorded: Vec<_> = recorded.iter().map(|patch| (patch.file.clone(), patch.sha256.clone())).collect();
    if sums(&here) == sums(&recorded) {
        return Ok(());
    }
    let mut differences = toolchain.to_vec();
    let only_in = |place: &'static str, patches: &[(String, String)], other: &[(String, String)]| {
        let sums = sums(other);
        let only = patches.iter().filter(|(_, sha256)| !sums.contains(sha256));
        only.map(|(name, sha256)| format!("only {place}: {name} ({sha256})")).collect::<Vec<_>>()
    };
    differences.extend(only_in("recorded", &recorded, &here));
    differences.extend(only_in("here", &here, &recorded));
    Err(Error::OtherPatches { differences })
}

fn check_source(recorded: &Source, fetched: &Report) -> Result<(), Error> {
    let found = fetched.source.as_ref().map(|source| source.sha256.clone()).unwrap_or_default();
    match found == recorded.sha256 {
        true => Ok(()),
        false => Err(Error::OtherSource { recorded: recorded.sha256.clone(), found }),
    }
}

fn compare(recorded: &Recorded, rebuilt: &Report, toolchain: Vec<String>, out: PathBuf) -> Comparison {
    let kernel = rebuilt.kernel.as_ref();
    let same = |of: fn(&Kernel) -> &String| kernel.is_some_and(|kernel| of(kernel) == of(recorded.kernel));
    let compared = |artifact: &Artifact| Compared {
        name: artifact.file(),
        recorded: artifact.sha256.clone(),
        built: rebuilt
            .artifacts
            .iter()
            .find(|built| (built.kind, built.part) == (artifact.kind, artifact.part))
            .map(|built| built.sha256.clone()),
    };
    Comparison {
        toolchain,
        config: same(|kernel| &kernel.config_sha256),
        image: same(|kernel| &kernel.image_sha256),
        packages: recorded.artifacts.iter().map(compared).collect(),
        out,
    }
}
