//! What went wrong, from the lines that make, compilers and linkers print.

use std::fmt;

/// Something that the host lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Program(String),
    Header { header: String, of: &'static str },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Program(program) => write!(f, "{program} is not installed"),
            Missing::Header { header, of } => {
                write!(f, "the header {header} is missing (development files of {of})")
            }
        }
    }
}

/// Headers outside the kernel's source, by how they begin, and whose they are.
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

/// Programs that are called under a name that nothing has, so that they are not found.
const NOT_LOOKED_FOR: &str = "kpatch-build-unused";

impl Missing {
    pub fn in_line(line: &str) -> Option<Missing> {
        if let Some(program) = program(line).filter(|program| *program != NOT_LOOKED_FOR) {
            return Some(Missing::Program(program.to_owned()));
        }
        // tools/objtool's own words, in every supported line.
        if line.contains("please install libelf-dev") {
            return Some(Missing::Header { header: "gelf.h".to_owned(), of: "libelf" });
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
        let (_, of) = HEADERS.into_iter().find(|(start, _)| header.starts_with(start))?;
        Some(Missing::Header { header: header.to_owned(), of })
    }
}

/// The program that a shell or make did not find.
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
pub struct Finding {
    /// As the program wrote it, or relative to the source tree.
    pub file: Option<String>,
    pub line: Option<u32>,
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// Reads a build's output line by line.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// Left of file names, with a slash at the end.
    prefix: String,
    first: Option<Finding>,
    /// What make itself says, if nothing better comes.
    of_make: Option<Finding>,
    /// The object that the linker is complaining about.
    object: Option<String>,
    /// A message of rustc whose place follows on the next line.
    of_rustc: Option<String>,
    pub missing: Option<Missing>,
    pub disk_full: bool,
}

impl Diagnosis {
    /// Names of files in `tree` are told relative to it.
    pub fn new(tree: &std::path::Path) -> Diagnosis {
        Diagnosis { prefix: format!("{}/", tree.display()), ..Diagnosis::default() }
    }

    pub fn see(&mut self, line: &str) {
        self.missing = self.missing.take().or_else(|| Missing::in_line(line));
        self.disk_full |= line.contains("No space left on device");
        if self.first.is_none() {
            let found = self.rust(line).or_else(|| compiler(line)).or_else(|| self.linker(line));
            self.first = found.map(|finding| self.relative(finding));
        }
        if self.of_make.is_none() {
            self.of_make = make(line).map(|finding| self.relative(finding));
        }
    }

    pub fn finding(self) -> Option<Finding> {
        let of_rustc = self.of_rustc.map(|message| Finding { file: None, line: None, message });
        self.first.or(of_rustc).or(self.of_make)
    }

    fn relative(&self, mut finding: Finding) -> Finding {
        finding.file = finding.file.map(|file| file.strip_prefix(&self.prefix).unwrap_or(&file).to_owned());
        finding.message = finding.message.replace(&self.prefix, "");
        finding
    }

    fn rust(&mut self, line: &str) -> Option<Finding> {
        if let Some(place) = line.trim_start().strip_prefix("--> ")
            && let Some(message) = self.of_rustc.take()
        {
            let (file, line) = place_of(place);
            return Some(Finding { file: Some(file.to_owned()), line, message });
        }
        if self.of_rustc.is_none()
            && let Some(rest) = line.strip_prefix("error")
            && rest.starts_with(['[', ':'])
        {
            self.of_rustc = rest.split_once(": ").map(|(_, message)| message.to_owned());
        }
        None
    }

    fn linker(&mut self, line: &str) -> Option<Finding> {
        if let Some((object, _)) = line.split_once(": in function `") {
            self.object = Some(object.rsplit(' ').next().unwrap_or(object).to_owned());
            return None;
        }
        if let Some(at) = line.find("undefined reference to ") {
            let file = self.object.clone().or_else(|| line.split(":(").next().map(str::to_owned));
            return Some(Finding { file, line: None, message: line[at..].to_owned() });
        }
        let modpost = line.strip_prefix("ERROR: modpost: ").or_else(|| line.strip_prefix("ERROR: "))?;
        // `"symbol" [module.ko] undefined!`
        let file = modpost
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'))
            .map(|(file, _)| file.to_owned());
        Some(Finding { file, line: None, message: modpost.to_owned() })
    }
}

/// gcc, clang, ld.lld, objtool: `where: error: what`; the assembler writes `Error`.
fn compiler(line: &str) -> Option<Finding> {
    let (place, message) = [": fatal error: ", ": error: ", ": Error: "]
        .into_iter()
        .filter_map(|mark| line.split_once(mark))
        .min_by_key(|(place, _)| place.len())?;
    let (file, number) = place_of(place);
    // A message that quotes source text would have white space in its "file".
    let file = (!file.contains(char::is_whitespace)).then(|| file.to_owned());
    Some(Finding { file, line: number, message: message.to_owned() })
}

/// `file:line:column`, `file:line` or `file`.
fn place_of(place: &str) -> (&str, Option<u32>) {
    let number = |text: &str| text.parse::<u32>().ok();
    match place.rsplit_once(':').map(|(rest, last)| (rest, number(last))) {
        Some((rest, Some(last))) => match rest.rsplit_once(':').map(|(file, line)| (file, number(line))) {
            Some((file, Some(line))) => (file, Some(line)),
            _ => (rest, Some(last)),
        },
        _ => (place, None),
    }
}

/// `make[3]: *** [Makefile:12: target] Error 1`, `make: *** No rule to make target …`.
fn make(line: &str) -> Option<Finding> {
    let (make, message) = line.split_once(": *** ")?;
    make.starts_with("make").then_some(())?;
    let target = message.strip_prefix('[').and_then(|rest| rest.split_once("] Error "));
    let Some((target, _)) = target else {
        return Some(Finding { file: None, line: None, message: message.to_owned() });
    };
    let target = target.rsplit(": ").next().unwrap_or(target);
    Some(Finding { file: Some(target.to_owned()), line: None, message: format!("make failed: {message}") })
}

#[cfg(test)]
#[path = "diagnosis_tests.rs"]
mod tests;
