//! The guest's programs: the probe, which is its init, and a tracee of each word size.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use rust_embed::RustEmbed;

use super::debuggers::Debugger;
use super::error::Error;
use super::initramfs::Initramfs;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::process;
use crate::base::stop::Interrupted;

/// The C sources of the probe and the tracee. The kernel's compiler compiles them on each run.
#[derive(RustEmbed)]
#[folder = "src/probe"]
struct Source;

const TRACEE: &str = "tracee.c";

/// Flags for a program without libc, start files, or anything that distributions enable by default and
/// that needs a runtime: stack protector, PIE, control-flow notes.
const FLAGS: &[&str] = &[
    "-std=gnu11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-ffreestanding",
    "-nostdlib",
    "-static",
    "-fno-pie",
    "-no-pie",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none",
    "-mgeneral-regs-only",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
];

/// Builds an archive with the probe as `/init` and each debugger in a separate root directory.
pub(super) fn initramfs(cx: &Context, cc: &Path, debuggers: &[Debugger]) -> Result<Initramfs, Error> {
    let programs = programs(cx, cc)?;
    let mut archive = Initramfs::new();
    for program in &programs {
        archive.file(program.name, 0o755, &program.content);
    }
    for (number, debugger) in debuggers.iter().enumerate() {
        add_debugger(&mut archive, number, debugger, &programs)?;
    }
    Ok(archive)
}

/// A static, freestanding program of the guest.
#[derive(Clone, Debug)]
pub struct Program {
    /// File name in the guest's root directory.
    pub name: &'static str,
    /// The ELF file.
    pub content: Vec<u8>,
}

/// Compiles the probe, `init`, and its tracees, `tracee64` and `tracee32`.
///
/// As the first process, the probe writes its [`Records`](super::Records) to the second serial port and
/// shuts the guest down. In a running system, it writes them to standard output and exits; start it there
/// in a directory with these programs (`chroot`) and in a private mount namespace (`unshare --mount`).
///
/// # Errors
/// A program does not compile, or the temporary directory is not writable.
pub fn programs(cx: &Context, cc: &Path) -> Result<Vec<Program>, Error> {
    let scratch = tempfile::tempdir()?;
    let sources = write_sources(scratch.path())?;
    let (tracee, probe): (Vec<_>, Vec<_>) = sources.into_iter().partition(|name| name == TRACEE);
    let all = [(PROBE, 64, &probe), (TRACEES[0], 64, &tracee), (TRACEES[1], 32, &tracee)];
    let build = |(name, bits, sources): (&'static str, u8, &Vec<String>)| {
        let program = scratch.path().join(name);
        compile(cx, cc, scratch.path(), bits, sources, &program)?;
        Ok(Program { name, content: fs::read(&program)? })
    };
    all.into_iter().map(build).collect()
}

const PROBE: &str = "init";
const TRACEES: [&str; 2] = ["tracee64", "tracee32"];

/// Adds `/debuggerN` with the files that probe/debug.c expects in it.
fn add_debugger(
    archive: &mut Initramfs,
    number: usize,
    debugger: &Debugger,
    programs: &[Program],
) -> Result<(), Error> {
    let root = format!("debugger{number}");
    archive.tree(&root, &debugger.root)?;
    for directory in ["proc", "dev", "tmp"] {
        archive.directory(&format!("{root}/{directory}"));
    }
    // The debugger opens the tracee's program at the path in /proc/PID/exe.
    for program in programs.iter().filter(|program| program.name != PROBE) {
        archive.file(&format!("{root}/{}", program.name), 0o755, &program.content);
    }
    let mut lines = debugger.arguments().join("\n");
    lines.push('\n');
    archive.file(&format!("{root}/argv"), 0o644, lines.as_bytes());
    if let Some(commands) = debugger.commands() {
        archive.file(&format!("{root}/commands"), 0o644, commands.as_bytes());
    }
    if let Some(milliseconds) = debugger.interrupt_after() {
        archive.file(&format!("{root}/interrupt"), 0o644, milliseconds.to_string().as_bytes());
    }
    Ok(())
}

/// Writes the sources to `dir` and returns the names of the files to compile.
fn write_sources(dir: &Path) -> Result<Vec<String>, Error> {
    let mut sources = Vec::new();
    for name in Source::iter() {
        let file = Source::get(&name).expect("the name was just listed");
        fs::write(dir.join(name.as_ref()), file.data)?;
        if name.ends_with(".c") {
            sources.push(name.into_owned());
        }
    }
    sources.sort();
    Ok(sources)
}

fn compile(
    cx: &Context,
    cc: &Path,
    dir: &Path,
    bits: u8,
    sources: &[String],
    program: &Path,
) -> Result<(), Error> {
    process::Command::new(cc)
        .arg(format!("-m{bits}"))
        .args(FLAGS)
        .args(sources)
        .arg("-o")
        .arg(program)
        .dir(dir)
        .log(cx.log(Stage::Boot))
        .deadline(Duration::from_secs(60))
        .run(&cx.stop)
        .map(drop)
        .map_err(|source| match source {
            process::Error::Interrupted { .. } => Error::Interrupted(Interrupted),
            source => Error::Compile { cc: PathBuf::from(cc), bits, source },
        })
}
