//! `kpatch-build reproduce`: packages of an earlier run built again from nothing, compared bit by bit.

mod comparison;
mod error;

use std::path::{Path, PathBuf};

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::error::Failure;
use crate::base::events::Stage;
use crate::base::options::{Goal, Part, Timestamp};
use crate::base::store::{Room, Store};
use crate::base::x509::{Identity, Signer};
use crate::pipeline;
use crate::pipeline::plan::{self, Plan};
use crate::pipeline::request::Request;
use crate::pipeline::settings::Settings;
use crate::report::{Artifact, Kernel, Recorded, Report, Source, Tool, ToolchainPart};
use crate::stages::fetch::{Origin, SourceSpec};

pub use comparison::{Compared, Comparison};
pub use error::Error;

/// What the user said.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Wish {
    #[arg(value_name = "REPORT")]
    pub report: PathBuf,
    /// Folder for what is built [default: reproduced]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Compilers to run at once [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Another C compiler [default: the report's]
    #[arg(long)]
    pub cc: Option<String>,
    /// Where the source is now, in the words of the general --source [default: the report's]
    #[arg(long)]
    pub source: Option<String>,
    /// Private key of --sign-cert [default: none; a kernel that is signed for Secure Boot needs its own]
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    /// Certificate that the kernel is signed with [default: none]
    #[arg(long, value_name = "FILE")]
    pub sign_cert: Option<PathBuf>,
}

/// Where the packages that are built again go.
pub const OUT: &str = "reproduced";
/// Below it, the store that the kernel is built in; removed when the comparison is done.
const STORE: &str = ".store";

/// Builds the packages of a report again and compares them.
///
/// The store of `cx` gives the source's archive if it has it; nothing else is taken from there.
pub fn reproduce(cx: &Context, wish: &Wish) -> Result<Comparison, Failure> {
    let failed = |error: Error| Failure::new(None, &error);
    let recorded = Recorded::load(&wish.report).map_err(|error| failed(error.into()))?;
    let parts = Parts::of(&recorded, wish).map_err(failed)?;
    let request = request(&recorded, &parts, wish, &cx.store).map_err(failed)?;
    check_out(&request.out, &wish.report).map_err(failed)?;
    let kconfig = pipeline::check(&request, Goal::Package)?;
    let inner = Context {
        store: Store::open(&request.out.join(STORE)).map_err(|error| failed(error.into()))?,
        events: cx.events.clone(),
        stop: cx.stop.clone(),
        offline: cx.offline,
        logs: request.out.join("logs"),
    };
    let plan = plan::resolve(&inner, &request, kconfig, Goal::Package)?;
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
    fn of(recorded: &'a Recorded, wish: &Wish) -> Result<Parts<'a>, Error> {
        let none = || Error::NoPackages { report: wish.report.clone() };
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

/// What the recorded request resolved to, asked for outright.
fn request(recorded: &Recorded, parts: &Parts, wish: &Wish, store: &Store) -> Result<Request, Error> {
    use clap::ValueEnum;
    let asked = &recorded.request;
    let none = || Error::NoPackages { report: wish.report.clone() };
    let release = recorded.release.ok_or_else(none)?;
    let word =
        |format: crate::base::options::Format| format.to_possible_value().map(|it| it.get_name().to_owned());
    let settings = Settings {
        release: Some(release.to_string()),
        source: Some(wish.source.clone().unwrap_or_else(|| source(parts.source, store))),
        series: Some(asked.series.clone()),
        lang: vec![asked.lang],
        kconfig: asked.kconfig.clone(),
        format: parts.kinds(|it| it.kind).into_iter().filter_map(word).collect(),
        packages: parts.kinds::<Part>(|it| it.part),
        compression: Some(asked.compression),
        localversion: asked.localversion.clone(),
        revision: Some(asked.revision),
        cc: Some(wish.cc.clone().unwrap_or_else(|| asked.cc.clone())),
        jobs: wish.jobs,
        out: Some(wish.out.clone().unwrap_or_else(|| OUT.into())),
        no_boot: Some(true),
        // The recorded checksum is what the source is held to.
        no_verify: Some(true),
        sign_key: wish.sign_key.clone(),
        sign_cert: wish.sign_cert.clone(),
        ..Settings::default()
    };
    let mut request = Request::new(settings)?;
    check_signer(parts.kernel.signed_by.as_ref(), request.signer.as_ref().map(Signer::identity))?;
    if let Some(seconds) = parts.kernel.timestamp {
        request.timestamp = Timestamp::Given(seconds);
    }
    Ok(request)
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

/// The recorded source, by its checksum where it is an archive; `store` may have that one.
fn source(source: &Source, store: &Store) -> String {
    let Source { url, sha256, .. } = source;
    match source.origin {
        Origin::Git => format!("git:{url}"),
        Origin::Directory => format!("dir:{url}"),
        Origin::KernelOrg | Origin::Debian | Origin::Tarball => {
            let key = Key::from_sha256(sha256);
            let stored = crate::base::store_archives::archive(&store.path(Room::Tarballs, key.as_str()));
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
