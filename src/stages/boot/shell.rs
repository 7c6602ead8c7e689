//! A shell in the guest, on the user's terminal.

use std::path::{Path, PathBuf};

use super::accel::{self, Choice};
use super::initramfs::Initramfs;
use super::libraries::libraries;
use super::{Error, check_image, make_logs, qemu};
use crate::base::context::Context;
use crate::base::options::Accel;
use crate::base::process;
use crate::stages::boot::BootRequest;

/// What is taken along from the host, where it has it, besides the shell.
const TOOLS: &[&str] = &[
    "cat", "dmesg", "env", "grep", "head", "id", "kill", "ls", "mkdir", "mount", "ps", "sleep", "tail",
    "uname",
];

/// When the shell ends the guest restarts, which ends QEMU; a kernel without SysRq panics instead,
/// because its init is gone, and ends QEMU as well.
const MOUNTS: &str = "\
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
echo 'Type exit, or Ctrl-A X, to leave the guest.'
sh -i
echo b > /proc/sysrq-trigger
";

/// Boots `image` and returns when the user has left the shell.
///
/// `request.deadline` does not apply: the user says when it is over.
pub fn shell(cx: &Context, request: &BootRequest, image: &Path) -> Result<(), Error> {
    check_image(image)?;
    make_logs(cx)?;
    let archive = with_shell(cx)?.finish();
    let file = tempfile::NamedTempFile::new().map_err(|source| Error::Io {
        action: "create",
        path: std::env::temp_dir(),
        source,
    })?;
    std::fs::write(file.path(), archive).map_err(|source| Error::Io {
        action: "write",
        path: file.path().to_owned(),
        source,
    })?;
    // An untested KVM may hang the guest before it says anything; a user cannot tell that from waiting.
    let accel = match accel::choose(cx, request.accel)? {
        Choice::Settled(accel) => accel,
        Choice::TryKvm(_) => Accel::Tcg,
    };
    process::Command::new(qemu::QEMU)
        .args(qemu::interactive(accel, image, file.path()))
        .run_on_terminal(&cx.stop)
        .map(drop)
        .map_err(Error::qemu)
}

fn with_shell(cx: &Context) -> Result<Initramfs, Error> {
    let mut archive = Initramfs::new();
    for folder in ["proc", "sys", "tmp", "root"] {
        archive.folder(folder);
    }
    match static_busybox(cx)? {
        Some(busybox) => {
            archive.file("bin/busybox", 0o755, &read(&busybox)?);
            let install = "#!/bin/busybox sh\nPATH=/bin\nexport PATH\n/bin/busybox --install -s /bin\n";
            archive.file("init", 0o755, format!("{install}{MOUNTS}").as_bytes());
        }
        None => {
            copy_host_tools(cx, &mut archive)?;
            let path = "#!/bin/sh\nPATH=/bin\nexport PATH\n";
            archive.file("init", 0o755, format!("{path}{MOUNTS}").as_bytes());
        }
    }
    Ok(archive)
}

/// busybox counts only when it needs no libraries.
fn static_busybox(cx: &Context) -> Result<Option<PathBuf>, Error> {
    let Some(path) = process::find("busybox") else { return Ok(None) };
    Ok(libraries(cx, &path).ok().filter(Vec::is_empty).map(|_| path))
}

fn copy_host_tools(cx: &Context, archive: &mut Initramfs) -> Result<(), Error> {
    let shell = PathBuf::from("/bin/sh");
    let mut needed =
        libraries(cx, &shell).map_err(|source| Error::NoShell { shell: shell.clone(), source })?;
    archive.file("bin/sh", 0o755, &read(&shell)?);
    for (name, path) in TOOLS.iter().filter_map(|name| Some((name, process::find(name)?))) {
        let Ok(libraries) = libraries(cx, &path) else { continue };
        archive.file(&format!("bin/{name}"), 0o755, &read(&path)?);
        needed.extend(libraries);
    }
    needed.sort();
    needed.dedup();
    for library in needed {
        let name = library.to_string_lossy();
        archive.file(name.trim_start_matches('/'), 0o755, &read(&library)?);
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })
}
