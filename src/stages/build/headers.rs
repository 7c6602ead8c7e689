//! The two sets of headers: those that modules are built with, and those of user programs.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::objcopy::objcopy;
use super::{BTF_BASE, Error, Run, io_error};

/// Of the source, what an external module's build reads: makefiles, scripts, headers.
const SOURCES: [&str; 4] = ["Makefile", "include", "scripts", "arch/x86/include"];
/// Of the build folder: what was generated and the host programs. `scripts` comes again: its
/// programs lie among their sources.
const OBJECTS: [&str; 9] = [
    ".config",
    "Module.symvers",
    "arch/x86/include/generated",
    "include/config/auto.conf",
    "include/config/kernel.release",
    "include/generated",
    "scripts",
    "tools/bpf/resolve_btfids/resolve_btfids",
    "tools/objtool/objtool",
];
/// Of `scripts`, what only the kernel's own build runs. `unifdef` is there only where headers of
/// programs were made as well.
const UNUSED: [&str; 5] =
    ["scripts/atomic", "scripts/dtc", "scripts/kconfig", "scripts/package", "scripts/unifdef"];
/// Only where the kernel has Rust; a module in Rust is compiled against these.
const RUST: &str = "rust";

/// Everything that `make -C … M=…` needs, as scripts/package/install-extmod-build of newer releases
/// collects it.
pub(super) fn for_modules(run: &Run, to: &Path) -> Result<(), Error> {
    for name in SOURCES {
        copy(run, run.source, name, to, &|name| !name.ends_with(".o") && !name.ends_with(".gitignore"))?;
    }
    // Makefile.um, Makefile_32.cpu …: the architecture's Makefile includes some of them.
    for name in names(&run.source.join("arch/x86"))? {
        if name.starts_with("Makefile") {
            copy(run, run.source, &format!("arch/x86/{name}"), to, &|_| true)?;
        }
    }
    for name in OBJECTS {
        copy(run, &run.folder, name, to, &is_made)?;
    }
    copy(run, &run.folder, RUST, to, &|name| name.ends_with(".rmeta") || name.ends_with(".so"))?;
    remove_dangling(to, to)?;
    strip_programs(run, to)?;
    keep_btf(run, to)
}

/// A module's BTF refers to the kernel's by number, so pahole wants that of the very kernel. Nothing else
/// of vmlinux is needed, which is a hundred times as large.
fn keep_btf(run: &Run, to: &Path) -> Result<(), Error> {
    let config = run.folder.join(".config");
    let text = fs::read_to_string(&config).map_err(io_error("read", &config))?;
    if !text.lines().any(|line| line == "CONFIG_DEBUG_INFO_BTF_MODULES=y") {
        return Ok(());
    }
    let base = to.join(BTF_BASE);
    objcopy(run, &["--only-section=.BTF"], &run.folder.join("vmlinux"), &base)?;
    fs::set_permissions(&base, fs::Permissions::from_mode(0o644)).map_err(io_error("write", &base))
}

/// What `make headers` leaves in `usr/include`. `headers_install` would want rsync.
pub(super) fn for_programs(run: &Run, to: &Path) -> Result<(), Error> {
    copy(run, &run.folder.join("usr/include"), "", to, &|name| name.ends_with(".h"))
}

/// No objects, and not kbuild's notes on how a file was made, which name this machine's folders.
fn is_made(name: &str) -> bool {
    const NOT: [&str; 5] = [".a", ".cmd", ".d", ".o", ".s"];
    !NOT.iter().any(|end| name.ends_with(end))
}

/// Copies `name` below `from`, a file, a link or a folder, to the same place below `to`; nothing where
/// it is missing. `takes` is asked by the names of files.
fn copy(run: &Run, from: &Path, name: &str, to: &Path, takes: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    if run.cx.stop.is_set() {
        return Err(Error::Interrupted);
    }
    let (path, target) = (from.join(name), to.join(name));
    let Ok(meta) = fs::symlink_metadata(&path) else { return Ok(()) };
    if UNUSED.contains(&name) {
        return Ok(());
    }
    if meta.is_dir() {
        for inner in names(&path)? {
            copy(run, from, &join(name, &inner), to, takes)?;
        }
        return Ok(());
    }
    if !takes(name) {
        return Ok(());
    }
    let folder = target.parent().expect("below `to`");
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    if meta.is_symlink() {
        let place = fs::read_link(&path).map_err(io_error("read", &path))?;
        return symlink(place, &target).map_err(io_error("create", &target));
    }
    fs::copy(&path, &target).map_err(io_error("copy", &path))?;
    // Whatever the umask was when the tree was unpacked.
    let mode = if meta.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
    fs::set_permissions(&target, fs::Permissions::from_mode(mode)).map_err(io_error("write", &target))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Links to what no module needs (other architectures' device trees) lead nowhere here.
fn remove_dangling(folder: &Path, root: &Path) -> Result<(), Error> {
    for name in names(folder)? {
        let path = folder.join(name);
        let meta = fs::symlink_metadata(&path).map_err(io_error("read", &path))?;
        if meta.is_dir() {
            remove_dangling(&path, root)?;
        } else if meta.is_symlink() && !path.canonicalize().is_ok_and(|place| place.starts_with(root)) {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
    }
    Ok(())
}

/// Host programs may have debug information (objtool has), which names this machine's folders, and a build
/// id, which is a checksum over that information too.
fn strip_programs(run: &Run, folder: &Path) -> Result<(), Error> {
    for name in names(folder)? {
        let path = folder.join(name);
        let meta = fs::symlink_metadata(&path).map_err(io_error("read", &path))?;
        if meta.is_dir() {
            strip_programs(run, &path)?;
        } else if meta.is_file() && meta.permissions().mode() & 0o100 != 0 && is_elf(&path)? {
            let what = ["--strip-unneeded", "--remove-section=.note.gnu.build-id"];
            objcopy(run, &what, &path, &path)?;
        }
    }
    Ok(())
}

fn is_elf(path: &Path) -> Result<bool, Error> {
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    read.map_err(io_error("read", path))?;
    Ok(start == b"\x7fELF")
}

/// Sorted. No name in a kernel is not UTF-8.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let list = fs::read_dir(folder).map_err(io_error("list", folder))?;
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        list.map(name).collect::<std::io::Result<_>>().map_err(io_error("list", folder))?;
    names.sort();
    Ok(names)
}
