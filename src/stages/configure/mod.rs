//! Configure: from fragments to a `.config` in which every requested option has its value.

mod check;
mod error;
mod key;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use self::check::{check_boot_needs, check_options};
use self::key::{build_dir_key, config_key};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::digest;
use crate::base::events::Stage;
use crate::base::files;
use crate::base::process::{self, Command, Flow};
use crate::base::stage_result::StageResult;
use crate::base::stop::Interrupted;
use crate::base::store::Bucket;
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::build_dir::BuildDir;
use crate::kernel::kbuild::diagnosis::Missing;
use crate::kernel::kbuild::make::Make;
use crate::kernel::kbuild::{FinishedKernel, build_file, result_key};
use crate::kernel::kconfig::{Base, CERTIFICATE, Kconfig, LostOption};
use crate::stages::patch::PatchedTree;

pub use self::error::Error;
pub(crate) use self::key::{build_dir_key_of, key};

/// kconfig reads no input: a run of minutes hangs.
const DEADLINE: Duration = Duration::from_secs(600);

/// The configuration in the build directory, and the one that kconfig writes first.
const CONFIG: &str = ".config";
const NEW_CONFIG: &str = ".config.new";

/// A final `.config`.
#[derive(Debug)]
pub struct KernelConfig {
    /// All requested options: those of the plan, and those that kpatch-build adds.
    pub kconfig: Kconfig,
    /// Path of the `.config`.
    pub config: PathBuf,
    /// SHA-256 of the `.config`: 64 lower-case hexadecimal digits.
    pub config_sha256: String,
    /// The options of a whole configuration among the files that this kernel does not have as it says.
    pub dropped: Vec<LostOption>,
    /// Covers tree, series, options and tools.
    pub key: Key,
    /// The remaining work.
    pub state: ConfigState,
}

/// The remaining work for a configured kernel.
#[derive(Debug)]
pub enum ConfigState {
    /// Nothing: the store has the kernel.
    Built(FinishedKernel),
    /// The build, in this `O=` directory.
    Pending(BuildDir),
}

impl StageResult for KernelConfig {
    fn cached(&self) -> bool {
        matches!(self.state, ConfigState::Built(_))
    }

    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        match self.dropped.len() {
            0 => "every requested option has its value".into(),
            count => {
                format!("every requested option has its value; {count} of the configuration do not apply")
            }
        }
    }
}

/// Configures the kernel of the plan, unless the store already has it.
///
/// # Errors
/// A requested option is lost, the tools of the host do not fit the release, kconfig fails, or a stop is requested.
pub fn configure(cx: &Context, plan: &KernelPlan, tree: &PatchedTree) -> Result<KernelConfig, Error> {
    let source = tree.path();
    let kconfig = plan.kconfig.effective(plan.signed_by().is_some(), &source);
    for note in kconfig.notes() {
        cx.events.note(Stage::Configure, note);
    }
    let key = config_key(plan, &tree.key, &kconfig);
    let result = result_key(plan, plan.time_of(tree.tree.released_at), &key);
    let (config, state) = match FinishedKernel::find(cx, Stage::Configure, plan, &result)? {
        Some(kernel) => (kernel.kernel.path().join("config"), ConfigState::Built(kernel)),
        None => {
            let dir = configure_in_build_dir(cx, plan, tree, &kconfig)?;
            (build_file::existing(dir.path(), CONFIG)?, ConfigState::Pending(dir))
        }
    };
    let bytes = files::read(&config, files::LONGEST_DOCUMENT)?;
    let text = String::from_utf8_lossy(&bytes);
    let dropped = check_options(cx, &kconfig, &text, &source)?;
    if plan.boot_tested {
        check_boot_needs(plan, &text)?;
    }
    let config_sha256 = digest::sha256(&bytes);
    Ok(KernelConfig { kconfig, config, config_sha256, dropped, key, state })
}

fn configure_in_build_dir(
    cx: &Context,
    plan: &KernelPlan,
    tree: &PatchedTree,
    kconfig: &Kconfig,
) -> Result<BuildDir, Error> {
    // The run expected to find a finished kernel, and the store's was damaged.
    tree.tree.require_check(cx)?;
    let source = tree.path();
    let key = build_dir_key(plan, &tree.tree.key, kconfig);
    let entry = cx.lease(Stage::Configure, Bucket::Builds, key.as_str())?;
    let (mut dir, damage) = BuildDir::open(entry, &source, cx.store.verifies(), &cx.stop)?;
    if let Some(damage) = damage {
        let text = format!("builds/{key} of the store is damaged and built again: {damage}");
        cx.events.note(Stage::Configure, text);
    }
    dir.begin()?;
    write_certificate(plan, dir.path())?;
    let make = Make { cx, plan, tree: &source, build_dir: dir.path(), stage: Stage::Configure };
    make_config(&make, kconfig)?;
    dir.finish(&cx.stop)?;
    Ok(dir)
}

/// Writes the certificate that the kernel trusts, and only the certificate, to the path that the kernel's build
/// reads.
fn write_certificate(plan: &KernelPlan, build_dir: &Path) -> Result<(), Error> {
    let Some(files) = &plan.keys.secure_boot else { return Ok(()) };
    let text = files.certificate_pem();
    let old = build_file::existing(build_dir, CERTIFICATE)
        .and_then(|path| files::read(&path, files::LONGEST_SETTINGS));
    // A new modification time would cause a rebuild.
    if !old.is_ok_and(|old| old == text.as_bytes()) {
        build_file::write(build_dir, CERTIFICATE, text)?;
    }
    Ok(())
}

/// Writes `.config` in the build directory; `kconfig` has all options.
fn make_config(make: &Make, kconfig: &Kconfig) -> Result<(), Error> {
    let dir = make.build_dir;
    let run = ConfigRun { make, new_config: dir.join(NEW_CONFIG) };
    check_rust(make)?;
    // kconfig must not start from the file of an earlier run.
    files::remove_if_exists(&run.new_config)?;
    let requests = kconfig.merged();
    let fragment = build_file::write(dir, "kpatch-build.config", &requests)?;
    match kconfig.base {
        Base::AllNoConfig => run.target("allnoconfig", Some(&fragment))?,
        Base::Default => {
            build_file::write(dir, NEW_CONFIG, &requests)?;
            run.target("olddefconfig", None)?;
        }
        Base::Defconfig => {
            run.target("defconfig", None)?;
            // `conf` uses the last value of a symbol.
            let defaults = build_file::text(dir, NEW_CONFIG)?;
            build_file::write(dir, NEW_CONFIG, defaults + &requests)?;
            run.target("olddefconfig", None)?;
        }
    }
    replace_if_different(dir)
}

/// Runs `make rustavailable`: with unsuitable Rust tools kconfig would only drop `CONFIG_RUST`.
fn check_rust(make: &Make) -> Result<(), Error> {
    let has_script = make.tree.join("scripts/rust_is_available.sh").exists();
    if !has_script || !make.plan.kconfig.demands("RUST") {
        return Ok(());
    }
    let mut output = Vec::new();
    let read = |line: &str| {
        // The script prints its messages in a box of asterisks.
        let text = line.strip_prefix("***").map(str::trim).filter(|text| !text.is_empty());
        output.extend(text.map(str::to_owned));
        Flow::Continue
    };
    let result = make.command().deadline(DEADLINE).on_line(read).arg("rustavailable").run(&make.cx.stop);
    let log = make.cx.log(Stage::Configure);
    match result {
        Ok(_) => Ok(()),
        Err(process::Error::Interrupted { .. }) => Err(Interrupted.into()),
        Err(source @ process::Error::Missing { .. }) => Err(Error::Make { source, log }),
        Err(_) => Err(Error::RustUnavailable { release: make.plan.release.to_string(), output, log }),
    }
}

/// Makes the new configuration `.config`. Keeps the file and its modification time if the content is equal: a new time
/// would cause a rebuild.
fn replace_if_different(dir: &Path) -> Result<(), Error> {
    let read = |name| files::read(&build_file::existing(dir, name)?, files::LONGEST_DOCUMENT);
    let (new, new_config) = (read(NEW_CONFIG)?, dir.join(NEW_CONFIG));
    match read(CONFIG).is_ok_and(|old| old == new) {
        true => Ok(fs::remove_file(new_config)?),
        false => Ok(fs::rename(new_config, dir.join(CONFIG))?),
    }
}

struct ConfigRun<'a> {
    make: &'a Make<'a>,
    /// The file that kconfig writes.
    new_config: PathBuf,
}

impl ConfigRun<'_> {
    /// Runs one kconfig target; `allconfig` is the file of `KCONFIG_ALLCONFIG`.
    fn target(&self, target: &str, allconfig: Option<&Path>) -> Result<(), Error> {
        let command = self.make.command().arg(format!("KCONFIG_CONFIG={}", self.new_config.display()));
        let command = match allconfig {
            Some(path) => command.env("KCONFIG_ALLCONFIG", path),
            None => command,
        };
        run_make(self.make, command.deadline(DEADLINE).arg(target))
    }
}

fn run_make(make: &Make, command: Command<'_>) -> Result<(), Error> {
    let cx = make.cx;
    let log = cx.log(Stage::Configure);
    let mut missing = None;
    let mut boxed = Vec::new();
    let result = command
        .on_line(|line| {
            missing = missing.take().or_else(|| Missing::in_line(line));
            boxed.extend(line.strip_prefix("*** ").map(|text| text.trim().to_owned()));
            Flow::Continue
        })
        .run(&cx.stop);
    let source = match result {
        Ok(_) => return Ok(()),
        Err(process::Error::Interrupted { .. }) => return Err(Interrupted.into()),
        Err(source) => source,
    };
    if files::is_disk_full(make.build_dir) {
        return Err(Error::DiskFull { log });
    }
    if let Some(missing) = missing {
        return Err(Error::MissingTool { missing, log });
    }
    // scripts/cc-version.sh and ld-version.sh print their messages in a box of asterisks.
    let too_old = |text: &String| text.strip_suffix(" is too old.").map(str::to_owned);
    match boxed.iter().find_map(too_old) {
        Some(tool) => {
            let versions = boxed.into_iter().filter(|text| text.contains(" version:")).collect();
            Err(Error::TooOld { tool, versions, log })
        }
        None => Err(Error::Make { source, log }),
    }
}
