//! Finds the cause of a failed build in the output of make, compilers and linkers.

use std::fmt;

use super::make::UNUSED;

/// A program or header that the host lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Name of a program.
    Program(String),
    /// A header, and the library that it belongs to.
    Header {
        /// As the source includes it.
        header: String,
        /// Name of the library.
        library: &'static str,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Program(program) => write!(f, "{program} is not installed"),
            Missing::Header { header, library } => {
                write!(f, "the header {header} is missing (development files of {library})")
            }
        }
    }
}

/// Beginnings of headers outside the kernel's source, with their libraries.
const HEADERS: [(&str, &str); 8] = [
    ("gelf.h", "libelf"),
    ("libelf.h", "libelf"),
    ("openssl/", "OpenSSL"),
    ("elf.h", "the C library"),
    ("dwarf.h", "libdw"),
    ("elfutils/", "libdw"),
    ("zlib.h", "zlib"),
    ("gmp.h", "GMP"),
];

impl Missing {
    /// Returns the program or header that a line of output reports missing.
    pub(crate) fn in_line(line: &str) -> Option<Missing> {
        if let Some(program) = program(line).filter(|program| *program != UNUSED) {
            return Some(Missing::Program(program.to_owned()));
        }
        // The text of tools/objtool in every supported line.
        if line.contains("please install libelf-dev") {
            return Some(Missing::Header { header: "gelf.h".to_owned(), library: "libelf" });
        }
        if line.contains("pahole (pahole) is not available") {
            return Some(Missing::Program("pahole".to_owned()));
        }
        let (_, rest) = line.split_once("fatal error: ")?;
        // gcc: "gelf.h: No such file or directory"; clang: "'gelf.h' file not found".
        let header = rest
            .strip_suffix(": No such file or directory")
            .or_else(|| rest.strip_suffix(" file not found"))?
            .trim_matches('\'');
        let (_, library) = HEADERS.into_iter().find(|(start, _)| header.starts_with(start))?;
        Some(Missing::Header { header: header.to_owned(), library })
    }
}

/// The program that a shell or make cannot find.
fn program(line: &str) -> Option<&str> {
    let plain = |word: &&str| !word.is_empty() && !word.contains([' ', '/', '*']);
    if line.contains("sh: ") {
        let before = line.strip_suffix(": command not found").or_else(|| line.strip_suffix(": not found"))?;
        return before.rsplit(": ").next().filter(plain);
    }
    if line.starts_with("make") {
        let (_, rest) = line.split_once(": ")?;
        let before = rest
            .strip_suffix(": No such file or directory")
            .or_else(|| rest.strip_suffix(": Command not found"))?;
        return Some(before).filter(plain);
    }
    None
}

/// The first error of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstError {
    /// Relative to the source tree, or as the program prints it.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<u32>,
    /// The message without position and severity.
    pub message: String,
}

impl fmt::Display for FirstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// Reads the output of a build line by line.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// Removed from the start of file names; ends with a slash.
    prefix: String,
    first: Option<FirstError>,
    /// The message of make, used if no program reports an error.
    of_make: Option<FirstError>,
    /// The object that the next message of the linker is about.
    object: Option<String>,
    /// A message of rustc; its position follows on the next line.
    of_rustc: Option<String>,
    /// The first program or header that is reported missing.
    pub(crate) missing: Option<Missing>,
    /// A program reported a full disk.
    pub(crate) disk_full: bool,
}

impl Diagnosis {
    /// File names below `tree` become relative to it.
    pub(crate) fn new(tree: &std::path::Path) -> Diagnosis {
        Diagnosis { prefix: format!("{}/", tree.display()), ..Diagnosis::default() }
    }

    /// Reads the next line.
    pub(crate) fn read(&mut self, line: &str) {
        self.missing = self.missing.take().or_else(|| Missing::in_line(line));
        self.disk_full |= line.contains("No space left on device");
        if self.first.is_none() {
            let found = self.rust(line).or_else(|| compiler(line)).or_else(|| self.linker(line));
            self.first = found.map(|error| self.relative(error));
        }
        if self.of_make.is_none() {
            self.of_make = make(line).map(|error| self.relative(error));
        }
    }

    /// The first error of the whole output.
    pub(crate) fn first_error(self) -> Option<FirstError> {
        let of_rustc = self.of_rustc.map(|message| FirstError { file: None, line: None, message });
        self.first.or(of_rustc).or(self.of_make)
    }

    fn relative(&self, mut error: FirstError) -> FirstError {
        error.file = error.file.map(|file| file.strip_prefix(&self.prefix).unwrap_or(&file).to_owned());
        error.message = error.message.replace(&self.prefix, "");
        error
    }

    fn rust(&mut self, line: &str) -> Option<FirstError> {
        if let Some(position) = line.trim_start().strip_prefix("--> ")
            && let Some(message) = self.of_rustc.take()
        {
            let (file, line) = parse_position(position);
            return Some(FirstError { file: Some(file.to_owned()), line, message });
        }
        if self.of_rustc.is_none()
            && let Some(rest) = line.strip_prefix("error")
            && rest.starts_with(['[', ':'])
        {
            self.of_rustc = rest.split_once(": ").map(|(_, message)| message.to_owned());
        }
        None
    }

    fn linker(&mut self, line: &str) -> Option<FirstError> {
        if let Some((object, _)) = line.split_once(": in function `") {
            self.object = Some(object.rsplit(' ').next().unwrap_or(object).to_owned());
            return None;
        }
        if let Some(at) = line.find("undefined reference to ") {
            let file = self.object.clone().or_else(|| line.split(":(").next().map(str::to_owned));
            return Some(FirstError { file, line: None, message: line[at..].to_owned() });
        }
        let modpost = line.strip_prefix("ERROR: modpost: ").or_else(|| line.strip_prefix("ERROR: "))?;
        // `"symbol" [module.ko] undefined!`
        let file = modpost
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'))
            .map(|(file, _)| file.to_owned());
        Some(FirstError { file, line: None, message: modpost.to_owned() })
    }
}

/// gcc, clang, ld.lld, objtool: `position: error: message`; the assembler writes `Error`.
fn compiler(line: &str) -> Option<FirstError> {
    let (position, message) = [": fatal error: ", ": error: ", ": Error: "]
        .into_iter()
        .filter_map(|mark| line.split_once(mark))
        .min_by_key(|(position, _)| position.len())?;
    let (file, number) = parse_position(position);
    // A position with white space is not a file name: the message quotes source text.
    let file = (!file.contains(char::is_whitespace)).then(|| file.to_owned());
    Some(FirstError { file, line: number, message: message.to_owned() })
}

/// `file:line:column`, `file:line` or `file`.
fn parse_position(position: &str) -> (&str, Option<u32>) {
    let number = |text: &str| text.parse::<u32>().ok();
    match position.rsplit_once(':').map(|(rest, last)| (rest, number(last))) {
        Some((rest, Some(last))) => match rest.rsplit_once(':').map(|(file, line)| (file, number(line))) {
            Some((file, Some(line))) => (file, Some(line)),
            _ => (rest, Some(last)),
        },
        _ => (position, None),
    }
}

/// `make[3]: *** [Makefile:12: target] Error 1`, `make: *** No rule to make target …`.
fn make(line: &str) -> Option<FirstError> {
    let (make, message) = line.split_once(": *** ")?;
    make.starts_with("make").then_some(())?;
    let target = message.strip_prefix('[').and_then(|rest| rest.split_once("] Error "));
    let Some((target, _)) = target else {
        return Some(FirstError { file: None, line: None, message: message.to_owned() });
    };
    let target = target.rsplit(": ").next().unwrap_or(target);
    Some(FirstError { file: Some(target.to_owned()), line: None, message: format!("make failed: {message}") })
}

#[cfg(test)]
#[path = "diagnosis_tests.rs"]
mod tests;
