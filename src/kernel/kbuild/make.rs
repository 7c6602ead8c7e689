//! The command line of make. It sets every variable that make would otherwise take from the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::build_dir::temp_dir;
use super::sandbox::BuildSandbox;
use super::wrappers::{HOSTCC_VARIABLE, hostcc, pahole};
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::process::Command;
use crate::kernel::KernelPlan;
use crate::kernel::toolchain::{self, Compiler, LLVM_TOOLS};

/// A name that no program has, for tools that kbuild must not find.
pub(super) const UNUSED: &str = "kpatch-build-unused";
/// The directories of the sources in debug information and in panic messages of Rust.
const SOURCE_PATH: &str = "/usr/src/linux";
const OBJECT_PATH: &str = "/usr/src/linux-build";
const RUST_LIBRARY_PATH: &str = "/usr/src/rust-library";

/// A make command for a kernel tree and its `O=` directory.
#[derive(Debug)]
pub struct Make<'a> {
    /// The run.
    pub cx: &'a Context,
    /// The kernel.
    pub plan: &'a KernelPlan,
    /// The source tree.
    pub tree: &'a Path,
    /// The `O=` directory.
    pub build_dir: &'a Path,
    /// The stage whose log gets the output.
    pub stage: Stage,
}

impl Make<'_> {
    /// Returns the command without targets.
    pub fn command<'c>(&self) -> Command<'c> {
        // Opening the log reports an error of this call.
        let _ = fs::create_dir_all(&self.cx.logs);
        let sandbox = self.plan.sandbox.as_ref();
        let make = Command::new("make")
            .confined(sandbox.map(|sandbox| sandbox.confinement(self.tree, self.build_dir)))
            .envs(sandbox.into_iter().flat_map(BuildSandbox::variables))
            .arg("--no-print-directory")
            .arg("-C")
            .arg(self.tree)
            .arg(joined("O=", self.build_dir))
            .arg("ARCH=x86_64")
            .arg(format!("LOCALVERSION={}", self.plan.localversion))
            .args(self.tools())
            .env("TMPDIR", temp_dir(self.build_dir))
            .env(HOSTCC_VARIABLE, &self.plan.toolchain.cc)
            .env("KBUILD_BUILD_USER", "kpatch-build")
            .env("KBUILD_BUILD_HOST", "localhost")
            .env("KBUILD_BUILD_VERSION", self.plan.revision.to_string())
            // These keep the path of the store out of debug information.
            .env("KCFLAGS", self.prefix_maps())
            .env("KAFLAGS", self.prefix_maps())
            .env("KRUSTFLAGS", self.remaps())
            .log(self.cx.log(self.stage));
        match self.plan.rust() {
            Some(rust) => make.env("LIBCLANG_PATH", &rust.libclang),
            None => make,
        }
    }

    /// The variables that name programs.
    fn tools(&self) -> Vec<OsString> {
        let toolchain = &self.plan.toolchain;
        let mut variables = vec![joined("CC=", &toolchain.cc), joined("HOSTCC=", &self.hostcc())];
        if toolchain.compiler == Compiler::Clang {
            variables.push("LLVM=1".into());
            let llvm_tools = LLVM_TOOLS.iter().map(|(variable, tool)| {
                joined(&format!("{variable}="), &toolchain::llvm_tool(&toolchain.cc, tool))
            });
            variables.extend(llvm_tools);
        }
        // The configuration must not depend on tools that happen to be installed.
        match self.plan.rust() {
            Some(rust) => variables.extend([
                joined("RUSTC=", &rust.rustc),
                joined("HOSTRUSTC=", &rust.rustc),
                joined("RUST_LIB_SRC=", &rust.library),
                joined("BINDGEN=", &rust.bindgen),
                // bindgen formats its output with an installed rustfmt, and line numbers in the kernel's
                // messages would depend on that.
                format!("RUSTFMT={UNUSED}").into(),
            ]),
            None => variables.extend([format!("RUSTC={UNUSED}").into(), format!("BINDGEN={UNUSED}").into()]),
        }
        if !self.plan.wants_btf() {
            variables.push(format!("PAHOLE={UNUSED}").into());
        } else if self.plan.pahole().is_some() {
            variables.push(joined("PAHOLE=", &pahole(self.build_dir)));
        }
        variables
    }

    /// rustc also links with the compiler for the host, with options of its own for shared and static libraries.
    fn hostcc(&self) -> PathBuf {
        match self.plan.rust() {
            Some(_) => self.plan.toolchain.cc.clone(),
            None => hostcc(self.build_dir),
        }
    }

    fn remaps(&self) -> String {
        let rust = self.plan.rust().map(|rust| (rust.library.as_path(), RUST_LIBRARY_PATH));
        let paths = [(self.tree, SOURCE_PATH), (self.build_dir, OBJECT_PATH)].into_iter().chain(rust);
        paths
            .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn prefix_maps(&self) -> String {
        format!(
            "-fdebug-prefix-map={}={SOURCE_PATH} -fdebug-prefix-map={}={OBJECT_PATH}",
            self.tree.display(),
            self.build_dir.display()
        )
    }
}

fn joined(start: &str, path: &Path) -> OsString {
    let mut text = OsString::from(start);
    text.push(path);
    text
}

/// `seconds` since the epoch in the format of `LC_ALL=C TZ=UTC date`, which kbuild uses by default.
pub fn build_timestamp(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a %b %e %H:%M:%S UTC %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timestamp_has_the_format_of_date() {
        assert_eq!(build_timestamp(0), "Thu Jan  1 00:00:00 UTC 1970");
        assert_eq!(build_timestamp(1_619_390_204), "Sun Apr 25 22:36:44 UTC 2021");
    }
}
