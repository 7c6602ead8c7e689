//! Parts of ELF files, taken by the tool that belongs to the compiler.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::{Error, Run};
use crate::base::process::{self, Command};
use crate::kernel::toolchain::{self, Compiler};

const DEADLINE: Duration = Duration::from_secs(120);

/// `objcopy WHAT… FROM TO`; `to` may be `from`.
pub(super) fn objcopy(run: &Run, what: &[&str], from: &Path, to: &Path) -> Result<(), Error> {
    let done =
        Command::new(program(run)).args(what).args([from, to]).deadline(DEADLINE).capture().run(&run.cx.stop);
    match done {
        Ok(_) => Ok(()),
        Err(process::Error::Interrupted { .. }) => Err(Error::Interrupted),
        Err(source) => Err(Error::Objcopy { file: from.to_owned(), source }),
    }
}

fn program(run: &Run) -> OsString {
    let toolchain = &run.plan.toolchain;
    match toolchain.compiler {
        Compiler::Gcc => "objcopy".into(),
        Compiler::Clang => toolchain::llvm_tool(&toolchain.cc, "llvm-objcopy").into(),
    }
}
