//! Collects the two sets of headers: those for building modules, and those for building programs.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::error::Error;
use super::objcopy::objcopy;
use super::older_gcc;
use super::run::BuildRun;
use crate::kernel::kbuild::build_file;

/// The file with the BTF of the kernel, in the headers for modules; kbuild expects this name.
pub(crate) const BTF_BASE: &str = "vmlinux";

/// Files and directories of the source tree that the build of an external module reads: makefiles, scripts, headers.
const SOURCES: [&str; 4] = ["Makefile", "include", "scripts", "arch/x86/include"];
/// Generated files and host programs in the build directory. `scripts` is in both lists: its programs are next to
/// their sources.
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
/// Parts of `scripts` that only the build of the kernel runs. `unifdef` exists only if the headers for programs were
/// built too.
const UNUSED: [&str; 5] =
    ["scripts/atomic", "scripts/dtc", "scripts/kconfig", "scripts/package", "scripts/unifdef"];
/// Exists only in kernels with Rust; modules in Rust are compiled against its files.
const RUST: &str = "rust";

/// Copies everything that `make -C … M=…` needs to the directory `to`: the files that
/// scripts/package/install-extmod-build of newer releases installs.
pub(super) fn for_modules(run: &BuildRun, to: &Path) -> Result<(), Error> {
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
        // Nothing above it may be a link out of the directory.
        if let Some(parent) = Path::new(name).parent().filter(|parent| run.dir.join(parent).exists()) {
            build_file::existing(&run.dir, parent)?;
        }
        copy(run, &run.dir, name, to, &is_result)?;
    }
    copy(run, &run.dir, RUST, to, &|name| name.ends_with(".rmeta") || name.ends_with(".so"))?;
    remove_dangling(to, to)?;
    older_gcc::adapt(run, to)?;
    strip_programs(run, to)?;
    copy_btf(run, to)
}

/// The BTF of a module refers to types of the kernel by number: pahole needs the BTF of exactly this kernel. The rest
/// of vmlinux, a hundred times as large, is not needed.
fn copy_btf(run: &BuildRun, to: &Path) -> Result<(), Error> {
    if !run.has_option("DEBUG_INFO_BTF_MODULES")? {
        return Ok(());
    }
    let base = to.join(BTF_BASE);
    objcopy(run, &["--only-section=.BTF"], &build_file::existing(&run.dir, "vmlinux")?, &base)?;
    Ok(fs::set_permissions(&base, PermissionsExt::from_mode(0o644))?)
}

/// Copies the headers that `make headers` writes to `usr/include`; `headers_install` would need rsync.
pub(super) fn for_programs(run: &BuildRun, to: &Path) -> Result<(), Error> {
    copy(run, &build_file::existing(&run.dir, "usr/include")?, "", to, &|name| name.ends_with(".h"))
}

/// Whether a generated file is neither an intermediate file nor a record of kbuild, which contains paths of this
/// machine.
fn is_result(name: &str) -> bool {
    const INTERMEDIATE: [&str; 5] = [".a", ".cmd", ".d", ".o", ".s"];
    !INTERMEDIATE.iter().any(|suffix| name.ends_with(suffix))
}

/// Copies `from/name`, a file, link or directory, to `to/name`; skips it if it does not exist. `accepts` gets the
/// names of files, relative to `from`.
fn copy(
    run: &BuildRun,
    from: &Path,
    name: &str,
    to: &Path,
    accepts: &dyn Fn(&str) -> bool,
) -> Result<(), Error> {
    run.cx.stop.check()?;
    let (path, target) = (from.join(name), to.join(name));
    let Ok(meta) = fs::symlink_metadata(&path) else { return Ok(()) };
    if UNUSED.contains(&name) {
        return Ok(());
    }
    if meta.is_dir() {
        for inner in names(&path)? {
            copy(run, from, &join(name, &inner), to, accepts)?;
        }
        return Ok(());
    }
    if !accepts(name) {
        return Ok(());
    }
    fs::create_dir_all(target.parent().expect("the target is below `to`"))?;
    if meta.is_symlink() {
        return Ok(symlink(fs::read_link(&path)?, &target)?);
    }
    if !meta.is_file() {
        return Ok(());
    }
    fs::copy(&path, &target)?;
    // Independent of the umask at the time of unpacking.
    let mode = if meta.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
    Ok(fs::set_permissions(&target, PermissionsExt::from_mode(mode))?)
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// Removes links to files that are not copied, such as device trees of other architectures.
fn remove_dangling(dir: &Path, root: &Path) -> Result<(), Error> {
    for name in names(dir)? {
        let path = dir.join(name);
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            remove_dangling(&path, root)?;
        } else if meta.is_symlink() && !path.canonicalize().is_ok_and(|target| target.starts_with(root)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Host programs may have debug information with paths of this machine (objtool does), and a build ID, a checksum
/// that includes it.
fn strip_programs(run: &BuildRun, dir: &Path) -> Result<(), Error> {
    for name in names(dir)? {
        let path = dir.join(name);
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            strip_programs(run, &path)?;
        } else if meta.is_file() && meta.permissions().mode() & 0o100 != 0 && is_elf(&path)? {
            let flags = ["--strip-unneeded", "--remove-section=.note.gnu.build-id"];
            objcopy(run, &flags, &path, &path)?;
        }
    }
    Ok(())
}

fn is_elf(path: &Path) -> Result<bool, Error> {
    let mut start = Vec::new();
    fs::File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start == b"\x7fELF")
}

/// Names of the entries, sorted. All names in a kernel tree are UTF-8.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
