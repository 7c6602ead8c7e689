//! A request: one run as the user specified it, with defaults filled in, words parsed and files read.

use std::path::{Path, PathBuf};

use crate::base::error::{Exit, Explain};
use crate::base::options::{Compression, Format, Goal, Lang, Part, SandboxChoice, Timestamp};
use crate::base::release::{self, Release, ReleaseSpec};
use crate::base::text::without_secrets;
use crate::doctor;
use crate::kernel::Keys;
use crate::kernel::kconfig::{self, Kconfig};
use crate::report::RequestRecord;
use crate::stages::boot::BootRequest;
use crate::stages::fetch::SourceRequest;

/// One run. The plan resolves the rest: the exact release and the toolchain.
#[derive(Clone, Debug)]
pub struct Request {
    /// The release and its sources.
    pub sources: SourceRequest,
    /// A shipped series' name, `none`, or the path of the user's directory or mbox.
    pub series: String,
    /// The language of the patches.
    pub lang: Lang,
    /// Shipped names or paths; later fragments override earlier ones.
    pub kconfig_names: Vec<String>,
    /// The fragments, plus the options that `lang` and `keys` need; see [`Kconfig::load_for`].
    pub kconfig: Kconfig,
    /// Package formats, each once; empty for no packages.
    pub formats: Vec<Format>,
    /// Sorted, each once. `None`: every package that the kconfig has content for, without `libc-dev`.
    pub parts: Option<Vec<Part>>,
    /// Compression of the packages.
    pub compression: Compression,
    /// The C compiler: a name in `PATH`, or a path.
    pub cc: String,
    /// Suffix of the kernel release, with its leading `-`. `None` for the default, composed of series, language and
    /// kconfig.
    pub localversion: Option<String>,
    /// At least 1.
    pub revision: u32,
    /// Parallel jobs, at least 1. `None`: one per processor.
    pub jobs: Option<usize>,
    /// Whether the programs that run the source's code are confined.
    pub sandbox: SandboxChoice,
    /// The time in image and packages.
    pub timestamp: Timestamp,
    /// The files of the secret keys.
    pub keys: Keys,
    /// Absolute path of the output directory.
    pub out: PathBuf,
    /// The boot test; `None` for none.
    pub boot: Option<BootRequest>,
}

/// Why a request is invalid. Nothing has been written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A release without io threads.
    #[error("{release} has no io threads, so no series applies to it")]
    NoIoThreads {
        /// The release, or the first one of the line.
        release: Release,
    },
    /// A suffix that the kernel or a package's name cannot have.
    #[error(
        "--localversion {given:?} is not usable: it must start with - and have at most 40 lower-case letters, \
         digits, - + ."
    )]
    Localversion {
        /// As given.
        given: String,
    },
    /// A compiler with arguments or with another program before it.
    #[error("--cc takes the name or the path of one program, not a command line: {given:?}")]
    CompilerCommand {
        /// As given.
        given: String,
    },
    /// A boot test is the goal, and the request excludes it.
    #[error("cannot boot: the request excludes the boot test")]
    NothingToBoot,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::NoIoThreads { .. } => vec![
                "io_uring's workers are threads of the user's process since 5.12, and in 5.10.y since 5.10.162"
                    .into(),
            ],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoIoThreads { .. } => {
                let lines: Vec<_> = release::Line::SUPPORTED.iter().map(ToString::to_string).collect();
                Some(format!("use a release from a supported line: {}", lines.join(", ")))
            }
            Error::CompilerCommand { given } if given.starts_with("ccache ") => {
                Some("give a link to ccache, which most distributions have: --cc /usr/lib/ccache/gcc".into())
            }
            Error::CompilerCommand { .. } => {
                Some("write the command into a script, and give its path: --cc ./script".into())
            }
            _ => None,
        }
    }
}

impl Request {
    /// Returns this request for patches in another language, with the kconfig that it needs.
    ///
    /// # Errors
    /// As [`Kconfig::load_for`].
    pub fn with_lang(&self, lang: Lang) -> Result<Request, kconfig::Error> {
        let mut request = self.clone();
        if lang != self.lang {
            request.kconfig = Kconfig::load_for(lang, self.keys.secure_boot.is_some(), &self.kconfig_names)?;
            request.lang = lang;
        }
        Ok(request)
    }

    /// Refuses a request that no source and no tool can satisfy.
    ///
    /// # Errors
    /// The release has no io threads, `cc` is a command line, or `localversion` cannot be part of a package's name.
    pub fn check(&self) -> Result<(), Error> {
        refuse_without_io_threads(self.sources.release)?;
        check_compiler(&self.cc)?;
        self.localversion.as_deref().map_or(Ok(()), check_localversion)
    }

    /// Returns the request that `doctor` examines the host for.
    pub fn host_request<'a>(&'a self, goal: Goal, store: &'a Path) -> doctor::HostRequest<'a> {
        let boots = goal.boots() && self.boot.is_some();
        doctor::HostRequest { cc: &self.cc, kconfig: &self.kconfig, boots, sandbox: self.sandbox, store }
    }
}

impl From<&Request> for RequestRecord {
    fn from(request: &Request) -> RequestRecord {
        RequestRecord {
            release: request.sources.release.to_string(),
            series: request.series.clone(),
            lang: request.lang,
            kconfig: request.kconfig_names.clone(),
            formats: request.formats.clone(),
            source: without_secrets(&request.sources.source.to_string()).into_owned(),
            packages: request.parts.clone(),
            compression: request.compression,
            localversion: request.localversion.clone(),
            revision: request.revision,
            source_date_epoch: match request.timestamp {
                Timestamp::Given(seconds) => Some(seconds),
                Timestamp::OfSource => None,
            },
            cc: request.cc.clone(),
        }
    }
}

fn refuse_without_io_threads(spec: ReleaseSpec) -> Result<(), Error> {
    // The newest point release of 5.10.y has io threads, those of older lines have none.
    let release = match spec {
        ReleaseSpec::Exact(release) => release,
        ReleaseSpec::Newest(line) => Release::new(line.major, line.minor, u32::MAX),
        ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm => return Ok(()),
    };
    match (release.has_io_threads(), spec) {
        (true, _) => Ok(()),
        (false, ReleaseSpec::Newest(line)) => {
            Err(Error::NoIoThreads { release: Release::new(line.major, line.minor, 0) })
        }
        (false, _) => Err(Error::NoIoThreads { release }),
    }
}

fn check_compiler(cc: &str) -> Result<(), Error> {
    match cc.contains(char::is_whitespace) && !Path::new(cc).exists() {
        true => Err(Error::CompilerCommand { given: cc.to_owned() }),
        false => Ok(()),
    }
}

fn check_localversion(text: &str) -> Result<(), Error> {
    // Debian allows no upper-case letters in a package's name, and two kernels must not share one package.
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-+.".contains(c);
    match text.starts_with('-') && text.chars().all(allowed) && text.len() <= 40 {
        true => Ok(()),
        false => Err(Error::Localversion { given: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_without_io_threads_is_refused_with_the_reason() {
        for text in ["5.4.1", "5.10.161", "5.11.y", "4.19.y"] {
            let error = refuse_without_io_threads(text.parse().unwrap()).unwrap_err();
            assert!(matches!(error, Error::NoIoThreads { .. }), "{text}: {error}");
            assert_eq!(error.exit(), Exit::Usage);
        }
        assert!(refuse_without_io_threads("5.10.y".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_command_line_is_no_compiler() {
        let next = |cc: &str| check_compiler(cc).unwrap_err().next_step().unwrap();
        assert!(next("ccache gcc").contains("/usr/lib/ccache/gcc"));
        assert!(next("gcc -m64").contains("script"));
        for cc in ["gcc", "clang-19", "/opt/bin/gcc"] {
            assert!(check_compiler(cc).is_ok(), "{cc}");
        }
    }

    #[test]
    fn a_localversion_that_the_kernel_or_a_package_could_not_have_is_refused() {
        let long = format!("-{}", "a".repeat(40));
        for (text, good) in [
            ("-x", true),
            ("x", false),
            ("-a b", false),
            ("-A", false),
            ("-a/b", false),
            ("-", true),
            (&long, false),
        ] {
            assert_eq!(check_localversion(text).is_ok(), good, "{text:?}");
        }
    }
}
