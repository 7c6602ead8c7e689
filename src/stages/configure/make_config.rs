//! Runs the kernel's kconfig programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::error::Error;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::files;
use crate::base::process::{self, Command, Flow};
use crate::base::stop::Interrupted;
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::diagnosis::Missing;
use crate::kernel::kbuild::make::Make;
use crate::kernel::kconfig::{Base, CERTIFICATE, Kconfig};

/// kconfig reads no input: a run of minutes hangs.
const DEADLINE: Duration = Duration::from_secs(600);

/// Writes the certificate that the kernel trusts, and only the certificate, to the path that the kernel's build
/// reads.
pub(super) fn write_certificate(plan: &KernelPlan, build_dir: &Path) -> Result<(), Error> {
    let Some(signer) = &plan.signer else { return Ok(()) };
    let path = build_dir.join(CERTIFICATE);
    let text = signer.certificate_pem();
    // A new modification time would cause a rebuild.
    if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().expect("the certificate is in a directory"))?;
    Ok(fs::write(&path, text)?)
}

/// Writes `.config` in the build directory; `kconfig` has all options.
pub(super) fn make_config(make: &Make, kconfig: &Kconfig) -> Result<(), Error> {
    let run = ConfigRun { make, new_config: make.build_dir.join(".config.new") };
    check_rust(make)?;
    // kconfig must not start from the file of an earlier run.
    files::remove_if_exists(&run.new_config)?;
    let requests = kconfig.merged();
    let fragment = make.build_dir.join("kpatch-build.config");
    fs::write(&fragment, &requests)?;
    match kconfig.base {
        Base::AllNoConfig => run.target("allnoconfig", Some(&fragment))?,
        Base::Default => {
            fs::write(&run.new_config, &requests)?;
            run.target("olddefconfig", None)?;
        }
        Base::Defconfig => {
            run.target("defconfig", None)?;
            // `conf` uses the last value of a symbol.
            let defaults = fs::read_to_string(&run.new_config)?;
            fs::write(&run.new_config, defaults + &requests)?;
            run.target("olddefconfig", None)?;
        }
    }
    replace_if_different(&run.new_config, &make.build_dir.join(".config"))
}

/// Runs `make rustavailable`: with unsuitable Rust tools kconfig would only drop `CONFIG_RUST`.
fn check_rust(make: &Make) -> Result<(), Error> {
    let has_script = make.tree.join("scripts/rust_is_available.sh").exists();
    if !has_script || !make.plan.kconfig.requests("RUST") {
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

/// Keeps the file and its modification time if the content is equal: a new time would cause a rebuild.
fn replace_if_different(new_config: &Path, config: &Path) -> Result<(), Error> {
    let new = fs::read(new_config)?;
    if fs::read(config).is_ok_and(|old| old == new) {
        return Ok(fs::remove_file(new_config)?);
    }
    Ok(fs::rename(new_config, config)?)
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
        run_make(self.make.cx, command.deadline(DEADLINE).arg(target))
    }
}

fn run_make(cx: &Context, command: Command<'_>) -> Result<(), Error> {
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
