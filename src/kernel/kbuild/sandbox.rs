//! What the build of a kernel sees in the sandbox: the system, the programs that build it, and its own directories.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::named_files;
use crate::base::confinement::Confinement;
use crate::base::process::{self, Command};
use crate::base::sandbox::Sandbox;
use crate::base::stop::{Interrupted, Stop};
use crate::kernel::kconfig::Kconfig;
use crate::kernel::toolchain::{self, LLVM_TOOLS, Toolchain, VERSION_DEADLINE};

/// Programs that kbuild finds in `PATH` and that may be outside of the system's directories.
const PROGRAMS: [&str; 26] = [
    "ar", "as", "awk", "bc", "bison", "bzip2", "cpio", "flex", "gzip", "ld", "lz4", "m4", "make", "nm",
    "objcopy", "objdump", "openssl", "pahole", "perl", "python3", "readelf", "rsync", "strip", "tar", "xz",
    "zstd",
];
/// Directories beside a program's `bin` that it may need, besides those of a target (`x86_64-linux-gnu`).
const SIBLINGS: [&str; 6] = ["bin", "include", "lib", "lib32", "lib64", "libexec"];
/// The sandbox of one kernel's build.
#[derive(Clone, Debug)]
pub struct BuildSandbox {
    /// What works on this host.
    pub sandbox: Sandbox,
    /// Paths that the build reads, besides the system and the source tree.
    read_only: Vec<PathBuf>,
    /// The directory of the compiler cache, if `--cc` is one.
    cache: Option<PathBuf>,
    /// Programs in `PATH` that do not run in the sandbox.
    unusable: Vec<PathBuf>,
}

impl BuildSandbox {
    /// The sandbox for a kernel with these tools and this configuration.
    ///
    /// # Errors
    /// A stop is requested.
    pub fn new(
        sandbox: Sandbox,
        tools: &Toolchain,
        kconfig: &Kconfig,
        stop: &Stop,
    ) -> Result<BuildSandbox, Interrupted> {
        let cache = compiler_cache(&tools.cc);
        let read_only = of_toolchain(tools).into_iter().chain(named_files::paths(kconfig)).collect();
        let mut build = BuildSandbox { sandbox, read_only, cache, unusable: Vec::new() };
        loop {
            let programs = build.programs();
            let mut unusable = Vec::new();
            for program in programs.iter().filter(|program| !Confinement::is_system(program)) {
                if !build.runs(program, stop)? {
                    unusable.push(program.clone());
                }
            }
            if unusable.is_empty() {
                build.read_only.extend(programs.iter().flat_map(|program| needed_by(program)));
                build.read_only.retain(|path| !Confinement::is_system(path));
                return Ok(build);
            }
            build.unusable.extend(unusable);
        }
    }

    /// The programs that kbuild finds in `PATH`, except in directories with an unusable one.
    fn programs(&self) -> Vec<PathBuf> {
        let path = self.path();
        PROGRAMS.iter().filter_map(|program| process::find_in(&path, program)).collect()
    }

    /// `PATH` without the directories with an unusable program.
    fn path(&self) -> OsString {
        let dirs: Vec<_> = self.unusable.iter().filter_map(|program| program.parent()).collect();
        process::search_path_without(&dirs)
    }

    /// Whether a program runs in the sandbox as it does outside. A version manager such as pyenv puts scripts into
    /// `PATH` that read its settings in the home directory.
    fn runs(&self, program: &Path, stop: &Stop) -> Result<bool, Interrupted> {
        let version = |confinement| {
            let command =
                Command::new(program).arg("--version").deadline(VERSION_DEADLINE).confined(confinement);
            match command.run(stop) {
                Err(process::Error::Interrupted { .. }) => Err(Interrupted),
                result => Ok(result.is_ok()),
            }
        };
        let inside = self.sandbox.confinement().read_only(needed_by(program));
        Ok(version(Some(inside))? || !version(None)?)
    }

    /// The programs that do not run in the sandbox. The build does not search their directories.
    pub fn unusable(&self) -> &[PathBuf] {
        &self.unusable
    }

    /// The confinement of a make command.
    pub(super) fn confinement(&self, tree: &Path, build_dir: &Path) -> Confinement {
        let reads = self.read_only.iter().cloned().chain([tree.to_owned()]);
        let confinement = self.sandbox.confinement().read_only(reads).writable(build_dir);
        self.cache.iter().fold(confinement, |confinement, cache| confinement.writable(cache))
    }

    /// The confinement of a program of the toolchain that makes the file `to` from `from`.
    pub(crate) fn for_tool(&self, from: &Path, to: &Path) -> Confinement {
        let dir = to.parent().unwrap_or(Path::new("/"));
        let from = (!from.starts_with(dir)).then(|| from.to_owned());
        let reads = self.read_only.iter().cloned().chain(from);
        self.sandbox.confinement().read_only(reads).writable(dir)
    }

    /// Environment variables of a make command.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let path = (!self.unusable.is_empty()).then(|| ("PATH", self.path()));
        self.cache.iter().map(|cache| ("CCACHE_DIR", cache.clone().into_os_string())).chain(path)
    }
}

/// What the compiler and the Rust tools need.
fn of_toolchain(tools: &Toolchain) -> Vec<PathBuf> {
    let llvm = LLVM_TOOLS.iter().map(|(_, tool)| toolchain::llvm_tool(&tools.cc, tool));
    let mut programs: Vec<_> = llvm.filter_map(process::find).chain([tools.cc.clone()]).collect();
    let mut paths = Vec::new();
    if let Some(rust) = &tools.rust {
        programs.extend([rust.rustc.clone(), rust.bindgen.clone()]);
        paths.extend([rust.library.clone(), rust.libclang.clone()]);
    }
    paths.extend(programs.iter().flat_map(|program| needed_by(program)));
    paths
}

/// The program and what belongs to it, at each step of its links.
fn needed_by(program: &Path) -> Vec<PathBuf> {
    /// As MAXSYMLINKS of the kernel.
    const LINKS: usize = 40;
    let mut paths = Vec::new();
    let mut step = program.to_owned();
    for _ in 0..LINKS {
        paths.extend(installation(&step));
        let Ok(target) = fs::read_link(&step) else { break };
        step = step.parent().unwrap_or(Path::new("/")).join(target);
    }
    paths.extend(program.canonicalize().iter().flat_map(|program| installation(program)));
    paths
}

/// The directories of an installation with the program `PREFIX/bin/NAME`; only the program if it is in another
/// directory, which may be the user's.
fn installation(program: &Path) -> Vec<PathBuf> {
    let dir = program.parent().unwrap_or(Path::new("/"));
    let (Some(prefix), true) = (dir.parent(), dir.ends_with("bin")) else { return vec![program.to_owned()] };
    if Confinement::is_system(dir) {
        return Vec::new();
    }
    let is_target = |name: &str| name.matches('-').count() >= 2 && name.contains("linux");
    fs::read_dir(prefix)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            entry.file_name().to_str().is_some_and(|name| SIBLINGS.contains(&name) || is_target(name))
        })
        .map(|entry| entry.path())
        .collect()
}

/// The directory of ccache(1) if `cc` is a link to it: with such a compiler the user requests the cache.
fn compiler_cache(cc: &Path) -> Option<PathBuf> {
    if cc.canonicalize().ok()?.file_name()? != "ccache" {
        return None;
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HOME").unwrap_or_default();
    let of_home = [home.join(".ccache"), home.join(".cache/ccache")];
    let caches = [variable("CCACHE_DIR"), variable("XDG_CACHE_HOME").map(|dir| dir.join("ccache"))];
    caches.into_iter().flatten().chain(of_home).find(|dir| dir.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_its_directories_and_not_the_users_home() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["bin", "lib", "x86_64-linux-gnu", "Documents", ".ssh"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("bin/gcc"), "").unwrap();
        fs::write(dir.path().join("gcc"), "").unwrap();
        let names = |program: &str| {
            let mut names: Vec<_> = installation(&dir.path().join(program))
                .iter()
                .map(|path| path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("bin/gcc"), ["bin", "lib", "x86_64-linux-gnu"]);
        assert_eq!(names("gcc"), ["gcc"]);
        assert!(installation(Path::new("/usr/bin/gcc")).is_empty(), "the system is there already");
    }

    #[test]
    fn links_are_followed_to_the_installation_they_lead_to() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real/bin");
        let links = dir.path().join("links/bin");
        for dir in [&real, &links] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(real.join("gcc"), "").unwrap();
        fs::os::unix::fs::symlink("../../real/bin/gcc", links.join("gcc")).unwrap();
        let paths = needed_by(&links.join("gcc"));
        assert!(paths.contains(&links) && paths.contains(&real), "{paths:?}");
    }
}
