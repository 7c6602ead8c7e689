//! The programs that build a kernel, and their versions.

mod error;
mod query;
pub mod rust;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::query::{first_line, number_after, query};
use crate::base::process::{self, Command};
use crate::base::stop::{Interrupted, Stop};

pub use self::error::Error;
pub(crate) use self::query::DEADLINE as VERSION_DEADLINE;
pub use self::rust::RustToolchain;

/// The kind of a C compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compiler {
    /// GCC, with the GNU binary utilities.
    Gcc,
    /// Clang, with the LLVM tools.
    Clang,
}

/// The programs that build a kernel, with the versions that they report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    /// The kind of the C compiler.
    pub compiler: Compiler,
    /// Absolute path of the C compiler, as found in `PATH`.
    pub cc: PathBuf,
    /// `gcc 12.2.0`.
    pub cc_version: String,
    /// The first line of `--version`, including the distribution; it is part of the image.
    pub cc_text: String,
    /// `GNU ld 2.40`.
    pub ld_version: String,
    /// The Rust tools; `None` unless the kernel contains Rust.
    pub rust: Option<RustToolchain>,
    /// `pahole v1.24`; pahole generates BTF. `None` if unavailable.
    pub pahole_version: Option<String>,
}

/// Finds the C compiler `cc`, a name in `PATH` or a path, and the programs that belong to it. The result has no
/// Rust tools: [`rust::discover`] finds them for kernels that contain Rust.
///
/// # Errors
/// A program is missing, cannot be run or prints no version; the compiler is neither gcc nor clang.
pub fn discover(cc: &str, stop: &Stop) -> Result<Toolchain, Error> {
    let Found { path, compiler, number, text } = find_compiler(cc, stop)?;
    let (cc_version, linker) = match compiler {
        Compiler::Clang => (format!("clang {number}"), llvm_tool(&path, "ld.lld")),
        Compiler::Gcc => (format!("gcc {number}"), PathBuf::from("ld")),
    };
    let linker =
        process::find(&linker).ok_or_else(|| Error::Missing { program: linker.display().to_string() })?;
    let ld_version = linker_version(&linker, stop)?;
    Ok(Toolchain {
        compiler,
        cc: path,
        cc_version,
        cc_text: text,
        ld_version,
        rust: None,
        pahole_version: optional_version("pahole", stop)?.map(|version| format!("pahole {version}")),
    })
}

/// A C compiler of the host.
struct Found {
    path: PathBuf,
    compiler: Compiler,
    /// `12.2.0`.
    number: String,
    /// The first line of `--version`.
    text: String,
}

fn find_compiler(cc: &str, stop: &Stop) -> Result<Found, Error> {
    let path = process::find(cc).ok_or_else(|| Error::Missing { program: cc.to_owned() })?;
    let path = std::path::absolute(&path).unwrap_or(path);
    let version = query(&path, "--version", stop)?;
    let text = first_line(&version);
    let (compiler, number) = if version.contains("clang version") {
        (Compiler::Clang, number_after(&version, "clang version", &path)?)
    } else {
        // Every program of the GNU project names the Free Software Foundation; only gcc knows this flag.
        let number = match query(&path, "-dumpfullversion", stop) {
            Err(error) if error.refuses_flag() => None,
            number => Some(number?.trim().to_owned()),
        };
        let number = number.filter(|number| number.starts_with(|c: char| c.is_ascii_digit()));
        (Compiler::Gcc, number.ok_or_else(|| Error::Unsupported { cc: path.clone(), version: text.clone() })?)
    };
    Ok(Found { path, compiler, number, text })
}

/// Fails unless the host has `cc`, it is a gcc or a clang, and it compiles an empty file.
///
/// # Errors
/// [`Error::Missing`], [`Error::Unsupported`], [`Error::Run`], [`Error::Compile`]; a stop is requested.
pub(crate) fn check_compiler(cc: &str, stop: &Stop) -> Result<(), Error> {
    find_compiler(cc, stop)?;
    compiles(cc, &[], stop)
}

/// Compiles an empty file with `flags`, as far as assembler code. No file is written: a full or missing temporary directory
/// says nothing about a header.
///
/// # Errors
/// [`Error::Compile`]; a stop is requested.
pub(crate) fn compiles(cc: &str, flags: &[&str], stop: &Stop) -> Result<(), Error> {
    let compile = Command::new(cc).args(flags).args(["-S", "-x", "c", "/dev/null", "-o", "/dev/null"]);
    match compile.deadline(query::DEADLINE).run(stop) {
        Ok(_) => Ok(()),
        Err(process::Error::Interrupted { .. }) => Err(Interrupted.into()),
        Err(source) => Err(Error::Compile { cc: cc.to_owned(), source }),
    }
}

/// Whether `cc` is `gcc` or `clang`, with or without a version (`clang-19`), and so can only be a program of the `PATH`.
pub(crate) fn is_known_name(cc: &str) -> bool {
    ["gcc", "clang"].iter().any(|family| version_in_name(cc, family).is_some())
}

/// The version in a compiler's name, such as `-19`; empty if the name has none, `None` if it is not a name of `family`.
/// It is safe as a part of a package's name.
pub(crate) fn version_in_name<'n>(name: &'n str, family: &str) -> Option<&'n str> {
    let version = name.strip_prefix(family)?;
    let is_number = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    (version.is_empty() || version.strip_prefix('-').is_some_and(is_number)).then_some(version)
}

/// The LLVM tools that kbuild uses instead of the GNU tools, each with the make variable that names it
/// (Documentation/kbuild/llvm.rst).
pub(crate) const LLVM_TOOLS: [(&str, &str); 8] = [
    ("LD", "ld.lld"),
    ("AR", "llvm-ar"),
    ("NM", "llvm-nm"),
    ("OBJCOPY", "llvm-objcopy"),
    ("OBJDUMP", "llvm-objdump"),
    ("READELF", "llvm-readelf"),
    ("STRIP", "llvm-strip"),
    ("HOSTCXX", "clang++"),
];

/// The LLVM tool `tool` in the directory of `clang`, with the same version suffix; without one, the tool in
/// `PATH`.
pub(crate) fn llvm_tool(clang: &Path, tool: &str) -> PathBuf {
    let name = clang.file_name().unwrap_or_default().to_string_lossy();
    let suffix = name.strip_prefix("clang").unwrap_or_default();
    let sibling = clang.with_file_name(format!("{tool}{suffix}"));
    if sibling.exists() { sibling } else { PathBuf::from(tool) }
}

fn linker_version(linker: &Path, stop: &Stop) -> Result<String, Error> {
    let version = query(linker, "--version", stop)?;
    if version.contains("LLD ") {
        return Ok(format!("LLD {}", number_after(&version, "LLD", linker)?));
    }
    // "GNU ld (GNU Binutils for Debian) 2.40": the text in parentheses may contain numbers too.
    let first = first_line(&version);
    match (first.split(" (").next(), first.split_whitespace().last()) {
        (Some(name), Some(number)) if number.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(format!("{} {number}", name.split_whitespace().take(2).collect::<Vec<_>>().join(" ")))
        }
        _ => Err(Error::Version { program: linker.display().to_string(), output: first }),
    }
}

/// The first line of `--version`; `None` if unavailable.
fn optional_version(program: &str, stop: &Stop) -> Result<Option<String>, Error> {
    let Some(path) = process::find(program) else { return Ok(None) };
    match query(&path, "--version", stop) {
        Ok(version) => Ok(Some(first_line(&version))),
        Err(Error::Interrupted(interrupted)) => Err(interrupted.into()),
        Err(_) => Ok(None),
    }
}
