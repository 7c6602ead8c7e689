//! The cache keys of configurations and of `O=` directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::cache_key::Key;
use crate::base::options::Lang;
use crate::kernel::KernelPlan;
use crate::kernel::kconfig::{Base, Kconfig, RequestedOption};

/// The programs that can change this configuration or the kernel built from it, by their versions.
#[derive(Serialize)]
struct Tools<'a> {
    cc: &'a str,
    ld: &'a str,
    rustc: Option<&'a str>,
    bindgen: Option<&'a str>,
    libclang: Option<&'a str>,
    pahole: Option<&'a str>,
}

impl Tools<'_> {
    fn of(plan: &KernelPlan) -> Tools<'_> {
        let rust = plan.rust();
        Tools {
            cc: &plan.toolchain.cc_text,
            ld: &plan.toolchain.ld_version,
            rustc: rust.map(|rust| rust.rustc_text.as_str()),
            bindgen: rust.map(|rust| rust.bindgen_version.as_str()),
            libclang: rust.map(|rust| rust.libclang_version.as_str()),
            pahole: plan.pahole(),
        }
    }
}

#[derive(Serialize)]
struct Inputs<'a> {
    tree: &'a Key,
    base: Base,
    options: &'a BTreeMap<String, RequestedOption>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    named_files: &'a BTreeMap<PathBuf, String>,
    tools: Tools<'a>,
    lang: Lang,
    /// The fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_certificate: Option<&'a str>,
}

/// The key of the stage before it runs. `patched` is the key of the patched tree; `tree` is the path that the
/// source tree has or will have.
pub(crate) fn key(plan: &KernelPlan, patched: &Key, tree: &Path) -> Key {
    config_key(plan, patched, &plan.kconfig.effective(plan.signed_by().is_some(), tree))
}

/// The key of the configuration of the tree with key `patched`.
pub(super) fn config_key(plan: &KernelPlan, patched: &Key, kconfig: &Kconfig) -> Key {
    inputs_key("configure", plan, patched, kconfig)
}

/// The key of the `O=` directory. `tree` is the key of the tree without a series: all series of a release share
/// the directory.
pub(super) fn build_dir_key(plan: &KernelPlan, tree: &Key, kconfig: &Kconfig) -> Key {
    inputs_key("builds", plan, tree, kconfig)
}

/// The key of the `O=` directory before the stage runs; see [`key`]. `unpacked` is the key of the tree without a series.
pub(crate) fn build_dir_key_of(plan: &KernelPlan, unpacked: &Key, tree: &Path) -> Key {
    build_dir_key(plan, unpacked, &plan.kconfig.effective(plan.signed_by().is_some(), tree))
}

fn inputs_key(stage: &str, plan: &KernelPlan, tree: &Key, kconfig: &Kconfig) -> Key {
    let inputs = Inputs {
        tree,
        base: kconfig.base,
        options: &kconfig.options,
        named_files: &plan.named_files,
        tools: Tools::of(plan),
        lang: plan.lang,
        trusted_certificate: plan.signed_by().map(|identity| identity.sha256.as_str()),
    };
    Key::of(stage, &inputs)
}
