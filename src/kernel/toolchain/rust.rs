//! The programs and files that make the Rust parts of a kernel, as
//! Documentation/rust/quick-start.rst of the kernel lists them.

use std::path::{Path, PathBuf};

use super::{DEADLINE, Error, RustToolchain, ask, first_line};
use crate::base::process::{self, Command};
use crate::base::stop::Stop;

/// Below these no supported line with Rust builds: scripts/min-tool-version.sh of 6.12. What a
/// release accepts is for its own `make rustavailable` to say.
const OLDEST_RUSTC: Version = Version([1, 78, 0]);
const OLDEST_BINDGEN: Version = Version([0, 65, 1]);

/// In the sysroot of a rustc, where `rust/Makefile` looks for them unless told.
const LIBRARY: &str = "lib/rustlib/src/rust/library";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 3]);

impl Version {
    /// Of `rustc 1.96.0 (…)`, `bindgen 0.72.1`, `rustc 1.97.0-nightly (…)`.
    fn of(said: &str) -> Option<Version> {
        let number = said.split_whitespace().nth(1)?;
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

/// Where to look, in this order.
#[derive(Clone, Debug)]
pub struct Places {
    pub programs: Vec<PathBuf>,
    pub libraries: Vec<PathBuf>,
}

impl Places {
    /// `PATH`, where cargo installs, and where distributions install; LLVM's newest version first.
    pub fn of_this_host() -> Places {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = variable("PATH").unwrap_or_default();
        let mut programs: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let cargo = variable("CARGO_HOME").map(PathBuf::from);
        let cargo = cargo.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cargo")));
        programs.extend(cargo.map(|home| home.join("bin")));
        programs.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
        let mut libraries = of_llvm(Path::new("/usr/lib"));
        libraries.extend(of_llvm(Path::new("/usr/lib64")));
        let plain = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];
        libraries.extend(plain.map(PathBuf::from));
        Places { programs, libraries }
    }

    fn candidates<'a>(&'a self, name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
        let mut seen = Vec::new();
        let paths = self.programs.iter().map(move |folder| folder.join(name));
        paths.filter(|path| process::find(path).is_some()).filter(move |path| {
            let new = !seen.contains(path);
            seen.push(path.clone());
            new
        })
    }
}

/// `llvm-19/lib` (Debian) and `llvm19/lib` (Fedora) in `folder`, the highest number first.
fn of_llvm(folder: &Path) -> Vec<PathBuf> {
    let number = |name: &str| name.strip_prefix("llvm")?.trim_start_matches('-').parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path().join("lib"))))
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, path)| path).collect()
}

/// A compiler whose library's sources are there: the kernel compiles `core` by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rustc {
    pub path: PathBuf,
    /// The first line of `--version`.
    pub text: String,
    /// The folder `library` of its sources.
    pub library: PathBuf,
}

/// The first usable rustc. What comes first in `PATH` may be rustup's, without library sources.
pub fn rustc(places: &Places, stop: &Stop) -> Result<Rustc, Error> {
    let mut tried = Vec::new();
    for path in places.candidates("rustc") {
        match usable_rustc(&path, stop) {
            Ok(rustc) => return Ok(rustc),
            Err(Unusable::Interrupted) => return Err(Error::Interrupted),
            Err(Unusable::Because(why)) => tried.push(format!("{}: {why}", path.display())),
        }
    }
    Err(Error::NoRustc { tried })
}

enum Unusable {
    Because(String),
    Interrupted,
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Unusable {
        match error {
            Error::Interrupted => Unusable::Interrupted,
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
    // Behind rustup's stand-in, which chooses by working directory and environment.
    let own = sysroot.join("bin/rustc");
    let path = if process::find(&own).is_some() { own } else { path.to_owned() };
    Ok(Rustc { path, text, library })
}

/// The first line of `--version` of a program that is at least `oldest`.
fn new_enough(path: &Path, oldest: Version, stop: &Stop) -> Result<String, Unusable> {
    let text = first_line(&ask(path, "--version", stop)?);
    match Version::of(&text) {
        Some(version) if version >= oldest => Ok(text),
        Some(version) => Err(Unusable::Because(format!("it is {version}, older than {oldest}"))),
        None => Err(Unusable::Because(format!("it says {text:?} of its version"))),
    }
}

/// The first bindgen that any supported release could take, and what it says of itself.
pub fn bindgen(places: &Places, stop: &Stop) -> Result<(PathBuf, String), Error> {
    let mut tried = Vec::new();
    for path in places.candidates("bindgen") {
        match new_enough(&path, OLDEST_BINDGEN, stop) {
            Ok(text) => return Ok((path, text)),
            Err(Unusable::Interrupted) => return Err(Error::Interrupted),
            Err(Unusable::Because(why)) => tried.push(format!("{}: {why}", path.display())),
        }
    }
    Err(Error::NoBindgen { oldest: OLDEST_BINDGEN.to_string(), tried })
}

/// The first folder that has a libclang, which is what bindgen reads C with.
pub fn libclang(places: &Places) -> Result<PathBuf, Error> {
    let is_libclang = |name: &str| {
        let rest = name.strip_prefix("libclang").unwrap_or_default();
        rest.starts_with(".so")
            || (rest.starts_with('-') && !rest.starts_with("-cpp") && rest.contains(".so"))
    };
    let has_it = |folder: &&PathBuf| {
        let mut files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.any(|file| file.file_name().to_str().is_some_and(is_libclang))
    };
    match places.libraries.iter().find(has_it) {
        Some(folder) => Ok(folder.clone()),
        None => Err(Error::NoLibclang { looked: places.libraries.clone() }),
    }
}

/// Everything that `CONFIG_RUST` needs from the host.
pub fn discover(places: &Places, stop: &Stop) -> Result<RustToolchain, Error> {
    let rustc = rustc(places, stop)?;
    let (bindgen, bindgen_version) = bindgen(places, stop)?;
    let libclang = libclang(places)?;
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

/// `clang 19.1.7`: what bindgen finds when it loads the library from there. The kernel asks in the
/// same way (scripts/rust_is_available_bindgen_libclang.h).
fn libclang_version(bindgen: &Path, libclang: &Path, stop: &Stop) -> Result<String, Error> {
    let unloadable = |said: String| Error::Libclang { libclang: libclang.to_owned(), said };
    let dir = tempfile::tempdir().map_err(|error| unloadable(error.to_string()))?;
    let header = dir.path().join("version.h");
    std::fs::write(&header, "#pragma message(\"clang version \" __clang_version__)\n")
        .map_err(|error| unloadable(error.to_string()))?;
    let mut version = None;
    let mut said = String::new();
    let see = |line: &str| {
        if let Some((_, rest)) = line.split_once("clang version ") {
            version = version.take().or_else(|| rest.split_whitespace().next().map(str::to_owned));
        }
        said = line.to_owned();
        process::Flow::Continue
    };
    let command = Command::new(bindgen).arg(&header).env("LIBCLANG_PATH", libclang).deadline(DEADLINE);
    let result = command.any_status().on_line(see).run(stop);
    match (result, version) {
        (Err(process::Error::Interrupted { .. }), _) => Err(Error::Interrupted),
        (Ok(_), Some(version)) => Ok(format!("clang {version}")),
        (Ok(_), None) => Err(unloadable(said)),
        (Err(source), _) => Err(Error::Run { program: bindgen.display().to_string(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        let version = |said| Version::of(said).map(|version| version.to_string());
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
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let names: Vec<_> = of_llvm(dir.path())
            .iter()
            .map(|path| path.strip_prefix(dir.path()).unwrap().to_owned())
            .collect();
        assert_eq!(names, ["llvm-19/lib", "llvm15/lib", "llvm-9/lib"].map(PathBuf::from));
    }
}
