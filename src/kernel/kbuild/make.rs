//! How make is called: everything that could come from the environment, said.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::build_dir::{pahole, temporary};
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::process::Command;
use crate::kernel::KernelPlan;
use crate::kernel::kconfig::Kconfig;
use crate::kernel::toolchain::{self, Compiler, LLVM_TOOLS, RustToolchain};

/// A name that no program has, for tools that kbuild looks for but must not find.
const UNUSED: &str = "kpatch-build-unused";
/// Where debug information and Rust's panic messages say that the sources are.
const SOURCE_PATH: &str = "/usr/src/linux";
const OBJECT_PATH: &str = "/usr/src/linux-build";
const RUST_LIBRARY_PATH: &str = "/usr/src/rust-library";

pub struct Make<'a> {
    pub cx: &'a Context,
    pub plan: &'a KernelPlan,
    pub kconfig: &'a Kconfig,
    pub tree: &'a Path,
    /// The `O=` folder.
    pub folder: &'a Path,
    pub stage: Stage,
}

impl Make<'_> {
    /// `make` without targets.
    pub fn command<'c>(&self) -> Command<'c> {
        // The log's folder is made by the first program that runs; where it cannot be made,
        // opening the log says so.
        let _ = fs::create_dir_all(&self.cx.logs);
        let make = Command::new("make")
            .arg("--no-print-directory")
            .arg("-C")
            .arg(self.tree)
            .arg(joined("O=", self.folder))
            .arg("ARCH=x86_64")
            .arg(format!("LOCALVERSION={}", self.plan.localversion))
            .args(self.tools())
            .env("TMPDIR", temporary(self.folder))
            .env("KBUILD_BUILD_USER", "kpatch-build")
            .env("KBUILD_BUILD_HOST", "localhost")
            .env("KBUILD_BUILD_VERSION", self.plan.revision.to_string())
            // Where debug information is on, these keep the store's path out of it.
            .env("KCFLAGS", self.prefix_maps())
            .env("KAFLAGS", self.prefix_maps())
            .env("KRUSTFLAGS", self.remaps())
            .log(self.cx.log(self.stage));
        match self.rust() {
            Some(rust) => make.env("LIBCLANG_PATH", &rust.libclang),
            None => make,
        }
    }

    fn rust(&self) -> Option<&RustToolchain> {
        self.plan.toolchain.rust.as_ref().filter(|_| self.kconfig.asks_for("RUST"))
    }

    fn tools(&self) -> Vec<OsString> {
        let toolchain = &self.plan.toolchain;
        let mut variables = vec![joined("CC=", &toolchain.cc), joined("HOSTCC=", &toolchain.cc)];
        if toolchain.compiler == Compiler::Clang {
            variables.push("LLVM=1".into());
            let named = LLVM_TOOLS.iter().map(|(variable, tool)| {
                joined(&format!("{variable}="), &toolchain::llvm_tool(&toolchain.cc, tool))
            });
            variables.extend(named);
        }
        // What is installed by chance must not find its way into the configuration.
        match self.rust() {
            Some(rust) => variables.extend([
                joined("RUSTC=", &rust.rustc),
                joined("HOSTRUSTC=", &rust.rustc),
                joined("RUST_LIB_SRC=", &rust.library),
                joined("BINDGEN=", &rust.bindgen),
                // bindgen would format with it where it is installed: then line numbers in
                // messages of the kernel would depend on that.
                format!("RUSTFMT={UNUSED}").into(),
            ]),
            None => variables.extend([format!("RUSTC={UNUSED}").into(), format!("BINDGEN={UNUSED}").into()]),
        }
        if !self.kconfig.asks_for("DEBUG_INFO_BTF") {
            variables.push(format!("PAHOLE={UNUSED}").into());
        } else if toolchain.pahole_version.is_some() {
            variables.push(joined("PAHOLE=", &pahole(self.folder)));
        }
        variables
    }

    fn remaps(&self) -> String {
        let rust = self.rust().map(|rust| (rust.library.as_path(), RUST_LIBRARY_PATH));
        let paths = [(self.tree, SOURCE_PATH), (self.folder, OBJECT_PATH)].into_iter().chain(rust);
        paths
            .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn prefix_maps(&self) -> String {
        format!(
            "-fdebug-prefix-map={}={SOURCE_PATH} -fdebug-prefix-map={}={OBJECT_PATH}",
            self.tree.display(),
            self.folder.display()
        )
    }
}

fn joined(start: &str, path: &Path) -> OsString {
    let mut text = OsString::from(start);
    text.push(path);
    text
}

/// As `date` writes it with `LC_ALL=C TZ=UTC`, which is what kbuild itself would put there.
pub fn build_timestamp(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a %b %e %H:%M:%S UTC %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timestamp_is_written_as_date_does() {
        assert_eq!(build_timestamp(0), "Thu Jan  1 00:00:00 UTC 1970");
        assert_eq!(build_timestamp(1_619_390_204), "Sun Apr 25 22:36:44 UTC 2021");
    }
}
