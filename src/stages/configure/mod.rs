//! Configure: from fragments to a `.config` in which every requested option survived.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::base::cache_key::{Key, hex};
use crate::base::context::Context;
use crate::base::error::{Exit, Explain};
use crate::base::events::Stage;
use crate::base::process;
use crate::base::stage_result::StageResult;
use crate::base::store::{self, Room};
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::build_dir::{self, BuildFolder};
use crate::kernel::kbuild::diagnosis::Missing;
use crate::kernel::kbuild::make::Make;
use crate::kernel::kbuild::{Finished, result_key};
use crate::kernel::kconfig::{self, Base, Kconfig, Lost, Wanted, option_check};
use crate::kernel::toolchain::Toolchain;
use crate::stages::patch::PatchedTree;

/// A `.config` that is final.
#[derive(Debug)]
pub struct KernelConfig {
    pub config: PathBuf,
    pub config_sha256: String,
    pub key: Key,
    pub at: Place,
}

/// Where the configuration is, and with it what is left to do.
#[derive(Debug)]
pub enum Place {
    /// The kernel that this run would build is finished already.
    Finished(Finished),
    /// The `O=` folder in the store, held exclusively.
    Folder(BuildFolder),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kconfig(#[from] kconfig::Error),
    #[error("{}", lost_sentence(lost))]
    Lost { lost: Vec<Lost>, release: String },
    #[error("{missing}")]
    MissingTool { missing: Missing, log: PathBuf },
    #[error("the {what} is too old for this release")]
    TooOld { what: String, versions: Vec<String>, log: PathBuf },
    #[error("{release} does not build with the Rust tools of this host")]
    RustUnavailable { release: String, said: Vec<String>, log: PathBuf },
    #[error("kconfig failed")]
    Make { source: process::Error, log: PathBuf },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Folder(#[from] build_dir::Error),
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Kconfig(error) => error.exit(),
            Error::MissingTool { .. }
            | Error::TooOld { .. }
            | Error::RustUnavailable { .. }
            | Error::Make { source: process::Error::Missing { .. }, .. } => Exit::HostLacks,
            Error::Store(store::Error::Interrupted { .. }) | Error::Interrupted => Exit::Interrupted,
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Kconfig(error) => error.facts(),
            Error::Lost { lost, .. } => lost.iter().skip(1).map(Lost::to_string).collect(),
            Error::TooOld { versions, .. } => versions.clone(),
            Error::RustUnavailable { said, .. } => said.clone(),
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Kconfig(error) => error.next_step(),
            Error::Lost { .. } => Some(
                "request what it depends on too, or put \"# kpatch-build: optional\" above the option"
                    .to_owned(),
            ),
            Error::MissingTool { .. } => Some("run kpatch-build doctor".to_owned()),
            Error::TooOld { .. } => Some("name a newer compiler with --cc".to_owned()),
            Error::RustUnavailable { .. } => Some(
                "install what it asks for: the first usable rustc in PATH is taken, then the one in /usr/bin"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Make { source, log } => (Some(log), source.log_and_tail().1),
            Error::MissingTool { log, .. }
            | Error::TooOld { log, .. }
            | Error::RustUnavailable { log, .. } => (Some(log), &[]),
            _ => (None, &[]),
        }
    }
}

fn lost_sentence(lost: &[Lost]) -> String {
    match lost {
        [] => String::new(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

pub fn configure(cx: &Context, plan: &KernelPlan, tree: &PatchedTree) -> Result<KernelConfig, Error> {
    let kconfig = with_the_tools_options(plan, &tree.path());
    for text in &kconfig.overrides {
        cx.events.note(Stage::Configure, text);
    }
    let key = inputs_key("configure", plan, &tree.key, &kconfig);
    let result = result_key(plan, plan.time_of(tree.tree.released_at), &key);
    if let Some(built) = Finished::find(cx, Stage::Configure, plan, &result)? {
        let config = built.kernel.path().join("config");
        return finished(plan, config, key, Place::Finished(built));
    }
    let entry =
        cx.lease(Stage::Configure, Room::Builds, folder_key(plan, &tree.tree.key, &kconfig).as_str())?;
    let mut folder = BuildFolder::open(entry, &tree.path(), &cx.stop)?;
    let config = folder.path().join(".config");
    folder.begin()?;
    put_certificate(plan, folder.path())?;
    make_config(cx, plan, tree, &kconfig, folder.path())?;
    folder.finish()?;
    check_survival(cx, plan, tree, &kconfig, &config)?;
    finished(plan, config, key, Place::Folder(folder))
}

fn finished(plan: &KernelPlan, config: PathBuf, key: Key, at: Place) -> Result<KernelConfig, Error> {
    let text = fs::read(&config).map_err(io_error("read", &config))?;
    if plan.boot_tested {
        let values = option_check::values(&String::from_utf8_lossy(&text));
        let is_on = |symbol: &str| values.get(symbol).is_some_and(|value| value == "y");
        if let Some(symbol) = kconfig::BOOT_NEEDS.into_iter().find(|symbol| !is_on(symbol)) {
            return Err(kconfig::Error::NotBootTestable { symbol }.into());
        }
    }
    Ok(KernelConfig { config, config_sha256: hex(&Sha256::digest(&text)), key, at })
}

/// Those programs of the toolchain that can change this configuration or what is built from it.
#[derive(Serialize)]
struct Tools<'a> {
    cc: &'a str,
    ld: &'a str,
    rustc: Option<&'a str>,
    bindgen: Option<&'a str>,
    libclang: Option<&'a str>,
    pahole: Option<&'a str>,
}

fn tools<'a>(toolchain: &'a Toolchain, kconfig: &Kconfig) -> Tools<'a> {
    let rust = toolchain.rust.as_ref().filter(|_| kconfig.asks_for("RUST"));
    Tools {
        cc: &toolchain.cc_text,
        ld: &toolchain.ld_version,
        rustc: rust.map(|rust| rust.rustc_text.as_str()),
        bindgen: rust.map(|rust| rust.bindgen_version.as_str()),
        libclang: rust.map(|rust| rust.libclang_version.as_str()),
        pahole: toolchain.pahole_version.as_deref().filter(|_| kconfig.asks_for("DEBUG_INFO_BTF")),
    }
}

#[derive(Serialize)]
struct Inputs<'a> {
    tree: &'a Key,
    base: Base,
    options: &'a std::collections::BTreeMap<String, Wanted>,
    tools: Tools<'a>,
    lang: crate::base::options::Lang,
    /// By fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_certificate: Option<&'a str>,
}

/// The stage's key, before it runs; `tree` is where the source is or will be.
pub fn key(plan: &KernelPlan, patched: &Key, tree: &Path) -> Key {
    inputs_key("configure", plan, patched, &with_the_tools_options(plan, tree))
}

/// The `O=` folder is shared by all series of a release.
fn folder_key(plan: &KernelPlan, tree: &Key, kconfig: &Kconfig) -> Key {
    inputs_key("builds", plan, tree, kconfig)
}

fn inputs_key(what: &str, plan: &KernelPlan, tree: &Key, kconfig: &Kconfig) -> Key {
    let inputs = Inputs {
        tree,
        base: kconfig.base,
        options: &kconfig.options,
        tools: tools(&plan.toolchain, kconfig),
        lang: plan.lang,
        trusted_certificate: plan.signer.as_ref().map(|signer| signer.identity().sha256.as_str()),
    };
    Key::of(what, &inputs)
}

/// Where the `O=` folder has the certificate that the kernel trusts.
const CERTIFICATE: &str = "certs/kpatch-build.pem";

/// Adds what makes the build depend on the plan alone.
fn with_the_tools_options(plan: &KernelPlan, tree: &Path) -> Kconfig {
    let mut kconfig = plan.kconfig.clone();
    let set = |kconfig: &mut Kconfig, symbol: &str, value: &str, why: &str| {
        let from = format!("kpatch-build itself{why}");
        let wanted = Wanted { value: value.to_owned(), optional: true, generated: false, from, line: 0 };
        kconfig.set(symbol.to_owned(), wanted);
    };
    // The local version is given to make: then another one relinks, and rebuilds nothing.
    set(&mut kconfig, "LOCALVERSION", "\"\"", "");
    set(&mut kconfig, "LOCALVERSION_AUTO", "n", "");
    for symbol in ["SYSTEM_TRUSTED_KEYS", "SYSTEM_REVOCATION_KEYS"] {
        // Distributions name files that only their own source packages have.
        if plan_names_missing_file(&kconfig, symbol, tree) {
            set(&mut kconfig, symbol, "\"\"", ", for the named file does not exist");
        }
    }
    if kconfig.checks_signatures() {
        // The kernel's build would sign with a key that it makes up, never the same again, or with one
        // that no cache key knows of.
        for (symbol, value) in [("MODULE_SIG_ALL", "n"), ("MODULE_SIG_KEY", "\"\"")] {
            set(&mut kconfig, symbol, value, ", since only --sign-key signs modules,");
        }
    }
    if plan.signer.is_some() {
        set(&mut kconfig, "SYSTEM_TRUSTED_KEYS", &format!("{CERTIFICATE:?}"), ", for --sign-cert,");
        // A signature stands in the module itself; the packages are compressed as a whole.
        for symbol in ["", "_GZIP", "_XZ", "_ZSTD"] {
            let symbol = format!("MODULE_COMPRESS{symbol}");
            if kconfig.asks_for(&symbol) {
                set(&mut kconfig, &symbol, "n", ", for modules are signed as they are,");
            }
        }
    }
    kconfig
}

/// The certificate, and only that, where the kernel's build looks for it.
fn put_certificate(plan: &KernelPlan, folder: &Path) -> Result<(), Error> {
    let Some(signer) = &plan.signer else { return Ok(()) };
    let path = folder.join(CERTIFICATE);
    let text = signer.certificate_pem();
    // Make looks at the time.
    if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    fs::create_dir_all(folder.join("certs")).map_err(io_error("create", &path))?;
    fs::write(&path, text).map_err(io_error("write", &path))
}

fn plan_names_missing_file(kconfig: &Kconfig, symbol: &str, tree: &Path) -> bool {
    let file = kconfig.options.get(symbol).map_or("", |wanted| wanted.value.trim_matches('"'));
    !file.is_empty() && !tree.join(file).exists()
}

/// Kconfig asks nobody anything; minutes without an end mean that something hangs.
const DEADLINE: Duration = Duration::from_secs(600);

fn make_config(
    cx: &Context,
    plan: &KernelPlan,
    tree: &PatchedTree,
    kconfig: &Kconfig,
    folder: &Path,
) -> Result<(), Error> {
    let (fragment, fresh, config) =
        (folder.join("kpatch-build.config"), folder.join(".config.new"), folder.join(".config"));
    let merged = kconfig.merged();
    fs::write(&fragment, &merged).map_err(io_error("write", &fragment))?;
    // kconfig must not start from what an earlier run left.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &fresh)(error));
        }
        _ => {}
    }
    let source = tree.path();
    let make = Make { cx, plan, kconfig, tree: &source, folder, stage: Stage::Configure };
    check_rust(cx, plan, &make)?;
    let run = |target: &str, variable: Option<&Path>| {
        let mut command =
            make.command().arg(format!("KCONFIG_CONFIG={}", fresh.display())).deadline(DEADLINE);
        if let Some(path) = variable {
            command = command.env("KCONFIG_ALLCONFIG", path);
        }
        run_make(cx, command.arg(target))
    };
    match kconfig.base {
        Base::AllNoConfig => run("allnoconfig", Some(&fragment))?,
        Base::Default => {
            fs::write(&fresh, &merged).map_err(io_error("write", &fresh))?;
            run("olddefconfig", None)?;
        }
        Base::Defconfig => {
            run("defconfig", None)?;
            // `conf` takes the last value that it reads for a symbol.
            let defaults = fs::read_to_string(&fresh).map_err(io_error("read", &fresh))?;
            fs::write(&fresh, defaults + &merged).map_err(io_error("write", &fresh))?;
            run("olddefconfig", None)?;
        }
    }
    put_in_place(&fresh, &config)
}

/// Asks the release itself whether it can be built with these Rust tools; without it, kconfig would
/// only leave `CONFIG_RUST` out.
fn check_rust(cx: &Context, plan: &KernelPlan, make: &Make) -> Result<(), Error> {
    let knows_rust = make.tree.join("scripts/rust_is_available.sh").exists();
    if !knows_rust || !make.kconfig.asks_for("RUST") {
        return Ok(());
    }
    let mut said = Vec::new();
    let see = |line: &str| {
        // Its words stand in a box of stars.
        let words = line.strip_prefix("***").map(str::trim).filter(|words| !words.is_empty());
        said.extend(words.map(str::to_owned));
        process::Flow::Continue
    };
    let result = make.command().deadline(DEADLINE).on_line(see).arg("rustavailable").run(&cx.stop);
    let log = cx.log(Stage::Configure);
    match result {
        Ok(_) => Ok(()),
        Err(process::Error::Interrupted { .. }) => Err(Error::Interrupted),
        Err(source @ process::Error::Missing { .. }) => Err(Error::Make { source, log }),
        Err(_) => Err(Error::RustUnavailable { release: plan.release.to_string(), said, log }),
    }
}

/// Keeps the file, and its time, where nothing changed: make looks at the time.
fn put_in_place(fresh: &Path, config: &Path) -> Result<(), Error> {
    let new = fs::read(fresh).map_err(io_error("read", fresh))?;
    if fs::read(config).is_ok_and(|old| old == new) {
        return fs::remove_file(fresh).map_err(io_error("remove", fresh));
    }
    fs::rename(fresh, config).map_err(io_error("write", config))
}

fn run_make(cx: &Context, command: process::Command<'_>) -> Result<(), Error> {
    let log = cx.log(Stage::Configure);
    let mut missing = None;
    let mut starred = Vec::new();
    let result = command
        .on_line(|line| {
            missing = missing.take().or_else(|| Missing::in_line(line));
            starred.extend(line.strip_prefix("*** ").map(|text| text.trim().to_owned()));
            process::Flow::Continue
        })
        .run(&cx.stop);
    let error = match result {
        Ok(_) => return Ok(()),
        Err(process::Error::Interrupted { .. }) => return Err(Error::Interrupted),
        Err(error) => error,
    };
    if let Some(missing) = missing {
        return Err(Error::MissingTool { missing, log });
    }
    // The box that scripts/cc-version.sh and ld-version.sh draw of stars.
    let too_old = |text: &String| text.strip_suffix(" is too old.").map(str::to_owned);
    match starred.iter().find_map(too_old) {
        Some(what) => {
            let versions = starred.into_iter().filter(|text| text.contains(" version:")).collect();
            Err(Error::TooOld { what, versions, log })
        }
        None => Err(Error::Make { source: error, log }),
    }
}

fn check_survival(
    cx: &Context,
    plan: &KernelPlan,
    tree: &PatchedTree,
    kconfig: &Kconfig,
    config: &Path,
) -> Result<(), Error> {
    let text = fs::read_to_string(config).map_err(io_error("read", config))?;
    let values = option_check::values(&text);
    let survival = option_check::compare(kconfig, &values, &tree.path());
    for text in survival.notes {
        cx.events.note(Stage::Configure, text);
    }
    if values.get("MODULE_SIG_KEY").is_some_and(|key| key == "\"certs/signing_key.pem\"")
        && !tree.path().join("certs/signing_key.pem").exists()
    {
        let text = "modules are signed with a key that the build makes up: it cannot be reproduced";
        cx.events.note(Stage::Configure, text);
    }
    match survival.lost {
        lost if lost.is_empty() => Ok(()),
        lost => Err(Error::Lost { lost, release: plan.release.to_string() }),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

impl StageResult for KernelConfig {
    fn cached(&self) -> bool {
        matches!(self.at, Place::Finished(_))
    }

    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        "every requested option has its value".into()
    }
}
