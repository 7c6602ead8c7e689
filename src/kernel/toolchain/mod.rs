//! Which programs make the kernel, and what versions they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::error::{Exit, Explain};
use crate::base::process::{self, Command};
use crate::base::stop::Stop;

pub mod rust;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compiler {
    Gcc,
    Clang,
}

/// The programs that make the kernel, by what they say of themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    pub compiler: Compiler,
    /// As found in `PATH`.
    pub cc: PathBuf,
    /// `gcc 12.2.0`.
    pub cc_version: String,
    /// The first line of `--version`, distribution and all: it goes into the image.
    pub cc_text: String,
    /// `GNU ld 2.40`.
    pub ld_version: String,
    /// `None` unless the kernel is made with Rust.
    pub rust: Option<RustToolchain>,
    /// `pahole v1.24`; makes BTF.
    pub pahole_version: Option<String>,
}

/// What makes the Rust parts of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RustToolchain {
    pub rustc: PathBuf,
    /// `rustc 1.96.0`.
    pub rustc_version: String,
    /// The first line of `--version`: it goes into the configuration (`CONFIG_RUSTC_VERSION_TEXT`).
    pub rustc_text: String,
    /// The sources of Rust's own library, `core` in them.
    pub library: PathBuf,
    pub bindgen: PathBuf,
    /// `bindgen 0.72.1`.
    pub bindgen_version: String,
    /// The folder of the libclang that bindgen loads.
    pub libclang: PathBuf,
    /// `clang 19.1.7`.
    pub libclang_version: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{program} is not installed")]
    Missing { program: String },
    #[error("{} is neither gcc nor clang", cc.display())]
    Unsupported { cc: PathBuf, said: String },
    #[error("cannot read the version of {program} from {said:?}")]
    Version { program: String, said: String },
    #[error("cannot ask {program} for its version")]
    Run { program: String, source: process::Error },
    #[error("no usable rustc with the sources of its library was found")]
    NoRustc { tried: Vec<String> },
    #[error("no bindgen {oldest} or newer was found")]
    NoBindgen { oldest: String, tried: Vec<String> },
    #[error("no libclang was found")]
    NoLibclang { looked: Vec<PathBuf> },
    #[error("bindgen cannot use the libclang in {}", libclang.display())]
    Libclang { libclang: PathBuf, said: String },
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Unsupported { .. } => Exit::Usage,
            Error::Interrupted => Exit::Interrupted,
            _ => Exit::HostLacks,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Unsupported { said, .. } => vec![format!("it says of itself: {said}")],
            Error::NoRustc { tried } | Error::NoBindgen { tried, .. } => tried.clone(),
            Error::NoLibclang { looked } => {
                looked.iter().map(|folder| format!("not in {}", folder.display())).collect()
            }
            Error::Libclang { said, .. } => vec![format!("it said: {said}")],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Missing { .. } => Some("run kpatch-build doctor".to_owned()),
            Error::NoRustc { .. } | Error::NoBindgen { .. } | Error::NoLibclang { .. } => {
                Some("run kpatch-build doctor --lang rust".to_owned())
            }
            Error::Unsupported { .. } => Some("name a compiler with --cc".to_owned()),
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Run { source, .. } => source.log_and_tail(),
            _ => (None, &[]),
        }
    }
}

/// A version is printed at once; rustup's stand-in for rustc may look around first.
const DEADLINE: Duration = Duration::from_secs(20);

/// `cc` is a name to look up in `PATH` or a path. What Rust needs is looked for by
/// [`rust::discover`], and only for those who ask for it.
pub fn discover(cc: &str, stop: &Stop) -> Result<Toolchain, Error> {
    let path = process::find(cc).ok_or_else(|| Error::Missing { program: cc.to_owned() })?;
    let path = std::path::absolute(&path).unwrap_or(path);
    let said = ask(&path, "--version", stop)?;
    let (compiler, cc_version, linker) = if said.contains("clang version") {
        (
            Compiler::Clang,
            format!("clang {}", number_after(&said, "clang version", &path)?),
            llvm_tool(&path, "ld.lld"),
        )
    } else if said.contains("Free Software Foundation") {
        let number = ask(&path, "-dumpfullversion", stop)?;
        (Compiler::Gcc, format!("gcc {}", number.trim()), PathBuf::from("ld"))
    } else {
        return Err(Error::Unsupported { cc: path, said: first_line(&said) });
    };
    let linker =
        process::find(&linker).ok_or_else(|| Error::Missing { program: linker.display().to_string() })?;
    let ld_version = linker_version(&linker, stop)?;
    Ok(Toolchain {
        compiler,
        cc: path,
        cc_version,
        cc_text: first_line(&said),
        ld_version,
        rust: None,
        pahole_version: optional("pahole", stop)?.map(|version| format!("pahole {version}")),
    })
}

/// What kbuild calls instead of the GNU tools, by the variable that names it to make
/// (Documentation/kbuild/llvm.rst).
pub const LLVM_TOOLS: [(&str, &str); 8] = [
    ("LD", "ld.lld"),
    ("AR", "llvm-ar"),
    ("NM", "llvm-nm"),
    ("OBJCOPY", "llvm-objcopy"),
    ("OBJDUMP", "llvm-objdump"),
    ("READELF", "llvm-readelf"),
    ("STRIP", "llvm-strip"),
    ("HOSTCXX", "clang++"),
];

/// The tool that belongs to a clang: in the same folder, with the same suffix; else the one in `PATH`.
pub fn llvm_tool(clang: &Path, tool: &str) -> PathBuf {
    let name = clang.file_name().unwrap_or_default().to_string_lossy();
    let suffix = name.strip_prefix("clang").unwrap_or_default();
    let beside = clang.with_file_name(format!("{tool}{suffix}"));
    if beside.exists() { beside } else { PathBuf::from(tool) }
}

fn linker_version(linker: &Path, stop: &Stop) -> Result<String, Error> {
    let said = ask(linker, "--version", stop)?;
    if said.contains("LLD ") {
        return Ok(format!("LLD {}", number_after(&said, "LLD", linker)?));
    }
    // "GNU ld (GNU Binutils for Debian) 2.40": what stands in parentheses may hold numbers too.
    let first = first_line(&said);
    match (first.split(" (").next(), first.split_whitespace().last()) {
        (Some(name), Some(number)) if number.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(format!("{} {number}", name.split_whitespace().take(2).collect::<Vec<_>>().join(" ")))
        }
        _ => Err(Error::Version { program: linker.display().to_string(), said: first }),
    }
}

/// The first line of `--version`; `None` where it cannot be had.
fn optional(program: &str, stop: &Stop) -> Result<Option<String>, Error> {
    let Some(path) = process::find(program) else { return Ok(None) };
    match ask(&path, "--version", stop) {
        Ok(said) => Ok(Some(first_line(&said))),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(_) => Ok(None),
    }
}

fn ask(program: &Path, question: &str, stop: &Stop) -> Result<String, Error> {
    match Command::new(program).arg(question).deadline(DEADLINE).capture().run(stop) {
        Ok(output) => Ok(output.text()),
        Err(process::Error::Interrupted { .. }) => Err(Error::Interrupted),
        Err(source) => Err(Error::Run { program: program.display().to_string(), source }),
    }
}

fn number_after(said: &str, mark: &str, program: &Path) -> Result<String, Error> {
    let version = || Error::Version { program: program.display().to_string(), said: first_line(said) };
    let (_, rest) = said.split_once(mark).ok_or_else(version)?;
    let number: String = rest.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    if number.is_empty() { Err(version()) } else { Ok(number) }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
