//! Extracts sections of ELF files with the objcopy that belongs to the compiler.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::error::Error;
use super::run::BuildRun;
use crate::base::process::{self, Command};
use crate::base::stop::Interrupted;
use crate::kernel::toolchain::{self, Compiler};

const DEADLINE: Duration = Duration::from_secs(120);

/// Runs `objcopy FLAG… FROM TO`; `to` may be `from`. The file is the work of the build, so objcopy reads it in the sandbox.
pub(super) fn objcopy(run: &BuildRun, flags: &[&str], from: &Path, to: &Path) -> Result<(), Error> {
    let sandbox = run.plan.sandbox.as_ref().map(|sandbox| sandbox.for_tool(from, to));
    let command = Command::new(program(run))
        .confined(sandbox)
        .args(flags)
        .args([from, to])
        .deadline(DEADLINE)
        .capture();
    match command.run(&run.cx.stop) {
        Ok(_) => Ok(()),
        Err(process::Error::Interrupted { .. }) => Err(Interrupted.into()),
        Err(source) => Err(Error::Objcopy { file: from.to_owned(), source }),
    }
}

fn program(run: &BuildRun) -> OsString {
    let toolchain = &run.plan.toolchain;
    match toolchain.compiler {
        Compiler::Gcc => "objcopy".into(),
        Compiler::Clang => toolchain::llvm_tool(&toolchain.cc, "llvm-objcopy").into(),
    }
}
