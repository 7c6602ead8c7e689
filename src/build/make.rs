//! How make is called: everything that could come from the environment, said.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::folder::temporary;
use crate::configure::Kconfig;
use crate::context::Context;
use crate::events::Stage;
use crate::plan::{Compiler, Plan};
use crate::process::Command;

/// A name that no program has, for tools that kbuild looks for but must not find.
const UNUSED: &str = "kpatch-build-unused";
/// Where debug information says that the sources are.
const SOURCE_PATH: &str = "/usr/src/linux";
const OBJECT_PATH: &str = "/usr/src/linux-build";

pub struct Make<'a> {
    pub cx: &'a Context,
    pub plan: &'a Plan,
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
        Command::new("make")
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
            .log(self.cx.log(self.stage))
    }

    fn tools(&self) -> Vec<OsString> {
        let toolchain = &self.plan.toolchain;
        let mut variables = vec![joined("CC=", &toolchain.cc), joined("HOSTCC=", &toolchain.cc)];
        if toolchain.compiler == Compiler::Clang {
            variables.push("LLVM=1".into());
            let name = toolchain.cc.file_name().unwrap_or_default().to_string_lossy();
            let suffix =
                name.strip_prefix("clang").filter(|suffix| suffix.starts_with('-')).unwrap_or_default();
            for (variable, tool) in LLVM_TOOLS {
                let path = toolchain.cc.with_file_name(format!("{tool}{suffix}"));
                if path.exists() {
                    variables.push(joined(&format!("{variable}="), &path));
                }
            }
        }
        // What is installed by chance must not find its way into the configuration.
        if !self.kconfig.asks_for("RUST") {
            variables.push(format!("RUSTC={UNUSED}").into());
            variables.push(format!("BINDGEN={UNUSED}").into());
        }
        if !self.kconfig.asks_for("DEBUG_INFO_BTF") {
            variables.push(format!("PAHOLE={UNUSED}").into());
        }
        variables
    }

    fn remaps(&self) -> String {
        format!(
            "--remap-path-prefix={}={SOURCE_PATH} --remap-path-prefix={}={OBJECT_PATH}",
            self.tree.display(),
            self.folder.display()
        )
    }

    fn prefix_maps(&self) -> String {
        format!(
            "-fdebug-prefix-map={}={SOURCE_PATH} -fdebug-prefix-map={}={OBJECT_PATH}",
            self.tree.display(),
            self.folder.display()
        )
    }
}

const LLVM_TOOLS: [(&str, &str); 8] = [
    ("LD", "ld.lld"),
    ("AR", "llvm-ar"),
    ("NM", "llvm-nm"),
    ("OBJCOPY", "llvm-objcopy"),
    ("OBJDUMP", "llvm-objdump"),
    ("READELF", "llvm-readelf"),
    ("STRIP", "llvm-strip"),
    ("HOSTCXX", "clang++"),
];

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
