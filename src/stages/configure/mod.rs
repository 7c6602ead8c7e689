//! Configure: from fragments to a `.config` in which every requested option has its value.

mod check;
mod error;
mod key;
mod make_config;

use std::path::PathBuf;

use fs_err as fs;

use self::check::{check_boot_needs, check_options};
use self::key::{build_dir_key, config_key};
use self::make_config::{make_config, write_certificate};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::digest;
use crate::base::events::Stage;
use crate::base::stage_result::StageResult;
use crate::base::store::Bucket;
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::build_dir::BuildDir;
use crate::kernel::kbuild::make::Make;
use crate::kernel::kbuild::{FinishedKernel, result_key};
use crate::kernel::kconfig::Kconfig;
use crate::stages::patch::PatchedTree;

pub use self::error::Error;
pub(crate) use self::key::key;

/// A final `.config`.
#[derive(Debug)]
pub struct KernelConfig {
    /// All requested options: those of the plan, and those that kpatch-build adds.
    pub kconfig: Kconfig,
    /// Path of the `.config`.
    pub config: PathBuf,
    /// SHA-256 of the `.config`: 64 lower-case hexadecimal digits.
    pub config_sha256: String,
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
        "every requested option has its value".into()
    }
}

/// Configures the kernel of the plan, unless the store already has it.
///
/// # Errors
/// A requested option is lost, the tools of the host do not fit the release, kconfig fails, or a stop is requested.
pub fn configure(cx: &Context, plan: &KernelPlan, tree: &PatchedTree) -> Result<KernelConfig, Error> {
    let source = tree.path();
    let kconfig = plan.kconfig.effective(plan.signer.is_some(), &source);
    for note in &kconfig.overrides {
        cx.events.note(Stage::Configure, note);
    }
    let key = config_key(plan, &tree.key, &kconfig);
    let result = result_key(plan, plan.time_of(tree.tree.released_at), &key);
    let (config, state) = match FinishedKernel::find(cx, Stage::Configure, plan, &result)? {
        Some(kernel) => (kernel.kernel.path().join("config"), ConfigState::Built(kernel)),
        None => {
            let dir = configure_in_build_dir(cx, plan, tree, &kconfig)?;
            (dir.path().join(".config"), ConfigState::Pending(dir))
        }
    };
    let text = fs::read(&config)?;
    if plan.boot_tested {
        check_boot_needs(&String::from_utf8_lossy(&text))?;
    }
    Ok(KernelConfig { kconfig, config, config_sha256: digest::sha256(&text), key, state })
}

fn configure_in_build_dir(
    cx: &Context,
    plan: &KernelPlan,
    tree: &PatchedTree,
    kconfig: &Kconfig,
) -> Result<BuildDir, Error> {
    let source = tree.path();
    let key = build_dir_key(plan, &tree.tree.key, kconfig);
    let entry = cx.lease(Stage::Configure, Bucket::Builds, key.as_str())?;
    let mut dir = BuildDir::open(entry, &source, &cx.stop)?;
    dir.begin()?;
    write_certificate(plan, dir.path())?;
    let make = Make { cx, plan, tree: &source, build_dir: dir.path(), stage: Stage::Configure };
    make_config(&make, kconfig)?;
    dir.finish()?;
    check_options(cx, kconfig, &dir.path().join(".config"), &source)?;
    Ok(dir)
}
