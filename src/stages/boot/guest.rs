//! Makes the guest's programs: the probe, which is its init, and a tracee of each word size.

use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use super::Error;
use super::debuggers::Debugger;
use super::initramfs::Initramfs;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::process;

/// The probe's source travels in the tool; the compiler that makes the kernel makes it too.
#[derive(RustEmbed)]
#[folder = "src/probe"]
struct Source;

const TRACEE: &str = "tracee.c";

/// No libc, no start files, nothing that a distribution's compiler adds by default and that
/// would need a runtime: stack protector, PIE, control-flow notes.
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

/// An archive with the probe as `/init`, and each debugger in a root of its own.
pub fn initramfs(cx: &Context, cc: &Path, debuggers: &[Debugger]) -> Result<Initramfs, Error> {
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

/// One that runs in the guest: static, and made for no C library.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its place in the guest's root.
    pub name: &'static str,
    pub content: Vec<u8>,
}

/// The probe, `init`, and what it looks at, `tracee64` and `tracee32`.
///
/// As the first process the probe writes its [`Records`](super::Records) to the second serial port and
/// ends the guest. In a system that runs already it writes them to standard output and ends itself; it is to be
/// started with these programs in a root (`chroot`) and a mount namespace (`unshare --mount`) of its own.
pub fn programs(cx: &Context, cc: &Path) -> Result<Vec<Program>, Error> {
    let scratch = tempfile::tempdir().map_err(|source| Error::Io {
        action: "create",
        path: std::env::temp_dir(),
        source,
    })?;
    let sources = unpack(scratch.path())?;
    let (tracee, probe): (Vec<_>, Vec<_>) = sources.into_iter().partition(|name| name == TRACEE);
    let all = [(PROBE, 64, &probe), (TRACEES[0], 64, &tracee), (TRACEES[1], 32, &tracee)];
    let make = |(name, bits, sources): (&'static str, u8, &Vec<String>)| {
        let program = scratch.path().join(name);
        compile(cx, cc, scratch.path(), bits, sources, &program)?;
        Ok(Program { name, content: read(&program)? })
    };
    all.into_iter().map(make).collect()
}

const PROBE: &str = "init";
const TRACEES: [&str; 2] = ["tracee64", "tracee32"];

/// What probe/debug.c expects of `/debuggerN`.
fn add_debugger(
    archive: &mut Initramfs,
    number: usize,
    debugger: &Debugger,
    programs: &[Program],
) -> Result<(), Error> {
    let root = format!("debugger{number}");
    let read_error = |source| Error::Io { action: "read", path: debugger.root.clone(), source };
    archive.tree(&root, &debugger.root).map_err(read_error)?;
    for folder in ["proc", "dev", "tmp"] {
        archive.folder(&format!("{root}/{folder}"));
    }
    // Where /proc/PID/exe says that the tracee's program is.
    for program in programs.iter().filter(|program| program.name != PROBE) {
        archive.file(&format!("{root}/{}", program.name), 0o755, &program.content);
    }
    let mut lines = debugger.arguments().join("\n");
    lines.push('\n');
    archive.file(&format!("{root}/argv"), 0o644, lines.as_bytes());
    if let Some(commands) = debugger.commands() {
        archive.file(&format!("{root}/commands"), 0o644, commands.as_bytes());
    }
    if let Some(milliseconds) = debugger.interrupted_after() {
        archive.file(&format!("{root}/interrupt"), 0o644, milliseconds.to_string().as_bytes());
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })
}

/// Writes the source out and returns the names of the files to compile.
fn unpack(dir: &Path) -> Result<Vec<String>, Error> {
    let mut sources = Vec::new();
    for name in Source::iter() {
        let path = dir.join(name.as_ref());
        let file = Source::get(&name).expect("it was just listed");
        std::fs::write(&path, file.data).map_err(|source| Error::Io { action: "write", path, source })?;
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
        .deadline(std::time::Duration::from_secs(60))
        .run(&cx.stop)
        .map(drop)
        .map_err(|source| match source {
            process::Error::Interrupted { .. } => Error::Interrupted,
            source => Error::Compile { cc: PathBuf::from(cc), bits, source },
        })
}
