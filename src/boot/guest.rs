//! Makes the guest's programs: the probe, which is its init, and a tracee of each word size.

use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use super::Error;
use super::debuggers::Debugger;
use super::initramfs::Initramfs;
use crate::context::Context;
use crate::events::Stage;
use crate::process;

/// The probe's source travels in the tool; the compiler that makes the kernel makes it too.
#[derive(RustEmbed)]
#[folder = "src/boot/probe"]
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
    let scratch = tempfile::tempdir().map_err(|source| Error::Io {
        action: "create",
        path: std::env::temp_dir(),
        source,
    })?;
    let sources = unpack(scratch.path())?;
    let (tracee, probe): (Vec<_>, Vec<_>) = sources.into_iter().partition(|name| name == TRACEE);
    let mut archive = Initramfs::new();
    for (name, bits, sources) in [("init", 64, &probe), (TRACEES[0], 64, &tracee), (TRACEES[1], 32, &tracee)]
    {
        let program = scratch.path().join(name);
        compile(cx, cc, scratch.path(), bits, sources, &program)?;
        archive.file(name, 0o755, &read(&program)?);
    }
    for (number, debugger) in debuggers.iter().enumerate() {
        add_debugger(&mut archive, number, debugger, scratch.path())?;
    }
    Ok(archive)
}

const TRACEES: [&str; 2] = ["tracee64", "tracee32"];

/// What probe/debug.c expects of `/debuggerN`.
fn add_debugger(
    archive: &mut Initramfs,
    number: usize,
    debugger: &Debugger,
    programs: &Path,
) -> Result<(), Error> {
    let root = format!("debugger{number}");
    let read_error = |source| Error::Io { action: "read", path: debugger.root.clone(), source };
    archive.tree(&root, &debugger.root).map_err(read_error)?;
    for folder in ["proc", "dev", "tmp"] {
        archive.folder(&format!("{root}/{folder}"));
    }
    // Where /proc/PID/exe says that the tracee's program is.
    for name in TRACEES {
        archive.file(&format!("{root}/{name}"), 0o755, &read(&programs.join(name))?);
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
