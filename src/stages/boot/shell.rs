//! An interactive shell in the guest, on the user's terminal.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::accel::{self, Choice};
use super::error::Error;
use super::image::check_image;
use super::initramfs::Initramfs;
use super::libraries::libraries;
use super::qemu;
use super::request::BootRequest;
use crate::base::context::Context;
use crate::base::options::Accel;
use crate::base::process;

/// Programs that the guest gets from the host in addition to the shell, if the host has them.
const TOOLS: &[&str] = &[
    "cat", "dmesg", "env", "grep", "head", "id", "kill", "ls", "mkdir", "mount", "ps", "sleep", "tail",
    "uname",
];

/// The end of the init script. After the shell, the guest restarts, which ends QEMU; a kernel without
/// SysRq panics because its init is gone, which also ends QEMU.
const MOUNTS: &str = "\
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
echo 'Type exit, or Ctrl-A X, to leave the guest.'
sh -i
echo b > /proc/sysrq-trigger
";

/// Boots `image` with a shell and returns when the user leaves the shell.
///
/// `request.deadline` does not apply.
///
/// # Errors
/// The image is not a kernel, the host has no shell to copy, or QEMU cannot run.
pub fn shell(cx: &Context, request: &BootRequest, image: &Path) -> Result<(), Error> {
    check_image(image)?;
    fs::create_dir_all(&cx.logs)?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), initramfs_with_shell(cx)?.finish())?;
    // An untested KVM may hang the guest before it prints anything; to the user that looks like a slow boot.
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

fn initramfs_with_shell(cx: &Context) -> Result<Initramfs, Error> {
    let mut archive = Initramfs::new();
    for directory in ["proc", "sys", "tmp", "root"] {
        archive.directory(directory);
    }
    match static_busybox(cx)? {
        Some(busybox) => {
            archive.file("bin/busybox", 0o755, &fs::read(&busybox)?);
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

/// Finds busybox, if it is linked statically.
fn static_busybox(cx: &Context) -> Result<Option<PathBuf>, Error> {
    let Some(path) = process::find("busybox") else { return Ok(None) };
    Ok(libraries(cx, &path).ok().filter(Vec::is_empty).map(|_| path))
}

fn copy_host_tools(cx: &Context, archive: &mut Initramfs) -> Result<(), Error> {
    let shell = PathBuf::from("/bin/sh");
    let mut needed =
        libraries(cx, &shell).map_err(|source| Error::NoShell { shell: shell.clone(), source })?;
    archive.file("bin/sh", 0o755, &fs::read(&shell)?);
    for (name, path) in TOOLS.iter().filter_map(|name| Some((name, process::find(name)?))) {
        let Ok(libraries) = libraries(cx, &path) else { continue };
        archive.file(&format!("bin/{name}"), 0o755, &fs::read(&path)?);
        needed.extend(libraries);
    }
    needed.sort();
    needed.dedup();
    for library in needed {
        let name = library.to_string_lossy();
        archive.file(name.trim_start_matches('/'), 0o755, &fs::read(&library)?);
    }
    Ok(())
}
