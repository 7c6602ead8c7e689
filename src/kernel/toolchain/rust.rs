//! The programs and files that build the Rust parts of a kernel, as listed in the kernel's
//! Documentation/rust/quick-start.rst.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;

use super::error::Error;
use super::query::{DEADLINE, first_line, query};
use crate::base::process::{self, Command};
use crate::base::stop::{Interrupted, Stop};

/// The programs and files that build the Rust parts of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RustToolchain {
    /// Path of the compiler.
    pub rustc: PathBuf,
    /// `rustc 1.96.0`.
    pub rustc_version: String,
    /// The first line of `--version`; it is part of the configuration (`CONFIG_RUSTC_VERSION_TEXT`).
    pub rustc_text: String,
    /// Directory of the sources of Rust's library, which contains `core`.
    pub library: PathBuf,
    /// Path of bindgen.
    pub bindgen: PathBuf,
    /// `bindgen 0.72.1`.
    pub bindgen_version: String,
    /// Directory of the libclang that bindgen loads.
    pub libclang: PathBuf,
    /// `clang 19.1.7`.
    pub libclang_version: String,
}

/// The oldest version that builds a supported line with Rust: scripts/min-tool-version.sh of 6.12.
/// `make rustavailable` decides for each release.
const OLDEST_RUSTC: Version = Version([1, 78, 0]);
const OLDEST_BINDGEN: Version = Version([0, 65, 1]);

/// The library sources in the sysroot of a rustc: the default of `rust/Makefile`.
const LIBRARY: &str = "lib/rustlib/src/rust/library";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 3]);

impl Version {
    /// Parses `rustc 1.96.0 (…)`, `bindgen 0.72.1`, `rustc 1.97.0-nightly (…)`.
    fn parse(text: &str) -> Option<Version> {
        let number = text.split_whitespace().nth(1)?;
        let mut parts = number.split(['.', '-', '+']).map(|part| part.parse().ok());
        Some(Version([parts.next()??, parts.next()??, parts.next()??]))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// The directories to search, in this order.
#[derive(Clone, Debug)]
pub struct SearchPaths {
    /// For rustc and bindgen.
    pub programs: Vec<PathBuf>,
    /// For libclang.
    pub libraries: Vec<PathBuf>,
}

impl SearchPaths {
    /// `PATH`, cargo's directory and those of distributions; for libclang the newest LLVM first.
    pub fn of_this_host() -> SearchPaths {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = variable("PATH").unwrap_or_default();
        let mut programs: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let cargo = variable("CARGO_HOME").map(PathBuf::from);
        let cargo = cargo.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cargo")));
        programs.extend(cargo.map(|home| home.join("bin")));
        programs.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
        let mut libraries = llvm_libraries(Path::new("/usr/lib"));
        libraries.extend(llvm_libraries(Path::new("/usr/lib64")));
        let plain = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];
        libraries.extend(plain.map(PathBuf::from));
        SearchPaths { programs, libraries }
    }

    /// Existing programs called `name`, each once.
    fn candidates<'a>(&'a self, name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
        let mut seen = Vec::new();
        let paths = self.programs.iter().map(move |dir| dir.join(name));
        paths.filter(|path| process::find(path).is_some()).filter(move |path| {
            let new = !seen.contains(path);
            seen.push(path.clone());
            new
        })
    }
}

/// `llvm-19/lib` (Debian) and `llvm19/lib` (Fedora) in `dir`, the highest number first.
fn llvm_libraries(dir: &Path) -> Vec<PathBuf> {
    let number = |name: &str| name.strip_prefix("llvm")?.trim_start_matches('-').parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path().join("lib"))))
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, path)| path).collect()
}

/// A compiler with the sources of its library: the kernel compiles `core` from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rustc {
    /// Path of the compiler itself, not of a rustup proxy.
    pub path: PathBuf,
    /// The first line of `--version`.
    pub text: String,
    /// The directory `library` of its sources.
    pub library: PathBuf,
}

/// Finds the first usable rustc. The first one in `PATH` may be a rustup proxy without library sources.
///
/// # Errors
/// [`Error::NoRustc`] with the reason for each candidate.
pub fn rustc(paths: &SearchPaths, stop: &Stop) -> Result<Rustc, Error> {
    let mut rejected = Vec::new();
    for path in paths.candidates("rustc") {
        match usable_rustc(&path, stop) {
            Ok(rustc) => return Ok(rustc),
            Err(Unusable::Interrupted) => return Err(Interrupted.into()),
            Err(Unusable::Because(why)) => rejected.push(format!("{}: {why}", path.display())),
        }
    }
    Err(Error::NoRustc { rejected })
}

enum Unusable {
    Because(String),
    Interrupted,
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Unusable {
        match error {
            Error::Interrupted(_) => Unusable::Interrupted,
            error => Unusable::Because(error.to_string()),
        }
    }
}

fn usable_rustc(path: &Path, stop: &Stop) -> Result<Rustc, Unusable> {
    let text = new_enough(path, OLDEST_RUSTC, stop)?;
    let sysroot = Command::new(path).args(["--print", "sysroot"]).deadline(DEADLINE).capture().run(stop);
    let sysroot = match sysroot {
        Ok(output) => PathBuf::from(output.text().trim()),
        Err(process::Error::Interrupted { .. }) => return Err(Unusable::Interrupted),
        Err(error) => return Err(Unusable::Because(error.to_string())),
    };
    let library = sysroot.join(LIBRARY);
    if !library.join("core/src/lib.rs").exists() {
        return Err(Unusable::Because(format!("{text}, but {} is missing", library.display())));
    }
    // rustup's proxy selects a compiler by working directory and environment; use the compiler itself.
    let compiler = sysroot.join("bin/rustc");
    let path = if process::find(&compiler).is_some() { compiler } else { path.to_owned() };
    Ok(Rustc { path, text, library })
}

/// The first line of `--version` of a program that is at least `oldest`.
fn new_enough(path: &Path, oldest: Version, stop: &Stop) -> Result<String, Unusable> {
    let text = first_line(&query(path, "--version", stop)?);
    match Version::parse(&text) {
        Some(version) if version >= oldest => Ok(text),
        Some(version) => Err(Unusable::Because(format!("version {version} is older than {oldest}"))),
        None => Err(Unusable::Because(format!("its --version prints {text:?}"))),
    }
}

/// Finds the first bindgen that is recent enough for any supported release; returns its path and the first line
/// of its `--version`.
///
/// # Errors
/// [`Error::NoBindgen`] with the reason for each candidate.
pub fn bindgen(paths: &SearchPaths, stop: &Stop) -> Result<(PathBuf, String), Error> {
    let mut rejected = Vec::new();
    for path in paths.candidates("bindgen") {
        match new_enough(&path, OLDEST_BINDGEN, stop) {
            Ok(text) => return Ok((path, text)),
            Err(Unusable::Interrupted) => return Err(Interrupted.into()),
            Err(Unusable::Because(why)) => rejected.push(format!("{}: {why}", path.display())),
        }
    }
    Err(Error::NoBindgen { oldest: OLDEST_BINDGEN.to_string(), rejected })
}

/// Finds the first directory with a libclang, the library that bindgen reads C with.
///
/// # Errors
/// [`Error::NoLibclang`].
pub fn libclang(paths: &SearchPaths) -> Result<PathBuf, Error> {
    let is_libclang = |name: &str| {
        let rest = name.strip_prefix("libclang").unwrap_or_default();
        rest.starts_with(".so")
            || (rest.starts_with('-') && !rest.starts_with("-cpp") && rest.contains(".so"))
    };
    let has_libclang = |dir: &&PathBuf| {
        let mut files = fs::read_dir(dir).into_iter().flatten().flatten();
        files.any(|file| file.file_name().to_str().is_some_and(is_libclang))
    };
    match paths.libraries.iter().find(has_libclang) {
        Some(dir) => Ok(dir.clone()),
        None => Err(Error::NoLibclang { searched: paths.libraries.clone() }),
    }
}

/// Finds everything that `CONFIG_RUST` needs from the host.
///
/// # Errors
/// One of the programs or files is missing or too old, or bindgen cannot load the libclang.
pub fn discover(paths: &SearchPaths, stop: &Stop) -> Result<RustToolchain, Error> {
    let rustc = rustc(paths, stop)?;
    let (bindgen, bindgen_version) = bindgen(paths, stop)?;
    let libclang = libclang(paths)?;
    let libclang_version = libclang_version(&bindgen, &libclang, stop)?;
    let short = |text: &str| text.split(" (").next().unwrap_or_default().to_owned();
    Ok(RustToolchain {
        rustc_version: short(&rustc.text),
        rustc_text: rustc.text,
        rustc: rustc.path,
        library: rustc.library,
        bindgen,
        bindgen_version,
        libclang,
        libclang_version,
    })
}

/// `clang 19.1.7`: the version that bindgen reports when it loads the library from `libclang`. The kernel checks
/// in the same way (scripts/rust_is_available_bindgen_libclang.h).
fn libclang_version(bindgen: &Path, libclang: &Path, stop: &Stop) -> Result<String, Error> {
    let unloadable = |output: String| Error::Libclang { libclang: libclang.to_owned(), output };
    let dir = tempfile::tempdir().map_err(|error| unloadable(error.to_string()))?;
    let header = dir.path().join("version.h");
    fs::write(&header, "#pragma message(\"clang version \" __clang_version__)\n")
        .map_err(|error| unloadable(error.to_string()))?;
    let mut version = None;
    let mut last_line = String::new();
    let read = |line: &str| {
        if let Some((_, rest)) = line.split_once("clang version ") {
            version = version.take().or_else(|| rest.split_whitespace().next().map(str::to_owned));
        }
        last_line = line.to_owned();
        process::Flow::Continue
    };
    let command = Command::new(bindgen).arg(&header).env("LIBCLANG_PATH", libclang).deadline(DEADLINE);
    let result = command.any_status().on_line(read).run(stop);
    match (result, version) {
        (Err(process::Error::Interrupted { .. }), _) => Err(Interrupted.into()),
        (Ok(_), Some(version)) => Ok(format!("clang {version}")),
        (Ok(_), None) => Err(unloadable(last_line)),
        (Err(source), _) => Err(Error::Run { program: bindgen.display().to_string(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed_from_the_output_of_programs() {
        let version = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(version("rustc 1.96.0 (ac68faa20 2026-05-25)").as_deref(), Some("1.96.0"));
        assert_eq!(version("rustc 1.97.0-nightly (1 2)").as_deref(), Some("1.97.0"));
        assert_eq!(version("bindgen 0.72.1").as_deref(), Some("0.72.1"));
        assert_eq!(version("error: no toolchain"), None);
        assert!(Version([0, 60, 1]) < OLDEST_BINDGEN && Version([1, 100, 0]) > OLDEST_RUSTC);
    }

    #[test]
    fn the_newest_llvm_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["llvm-9", "llvm-19", "llvm15", "llvm-none", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let names: Vec<_> = llvm_libraries(dir.path())
            .iter()
            .map(|path| path.strip_prefix(dir.path()).unwrap().to_owned())
            .collect();
        assert_eq!(names, ["llvm-19/lib", "llvm15/lib", "llvm-9/lib"].map(PathBuf::from));
    }
}
