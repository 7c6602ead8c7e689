//! What the user said: flags and configuration file merged, every word understood.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::error::{Exit, Explain};
use crate::base::options::{Compression, Format, Goal, Lang, Part, Timestamp};
use crate::base::release::{self, Release, ReleaseSpec};
use crate::base::x509::{KeyError, Signer};
use crate::doctor;
use crate::kernel::kconfig::Kconfig;
use crate::pipeline::settings::{FormatError, Settings};
use crate::report::RequestPart;
use crate::stages::boot::BootRequest;
use crate::stages::boot::debuggers::{DebuggerRequest, Selection, SelectionError};
use crate::stages::fetch::pins::Pins;
use crate::stages::fetch::{SourceRequest, SourceSpecError};

/// What the user said, flags and configuration file merged.
#[derive(Clone, Debug)]
pub struct Request {
    pub sources: SourceRequest,
    /// A shipped series' name, `none`, or a folder or mbox of the user's own.
    pub series: String,
    pub lang: Lang,
    /// Shipped names or paths, later ones on top of earlier ones.
    pub kconfig: Vec<String>,
    pub formats: Vec<Format>,
    /// Sorted, each once. `None`: what the kconfig has something for, without `libc-dev`.
    pub parts: Option<Vec<Part>>,
    pub compression: Compression,
    pub cc: String,
    pub localversion: Option<String>,
    pub revision: u32,
    pub jobs: Option<usize>,
    pub timestamp: Timestamp,
    /// Signs image and modules.
    pub signer: Option<Signer>,
    pub out: PathBuf,
    /// `None` boots nothing.
    pub boot: Option<BootRequest>,
    /// The file of the secret key that signs what lies beside the packages.
    pub signing_key: Option<PathBuf>,
}

/// What the user said makes no sense; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Release(#[from] release::ParseError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Source(#[from] SourceSpecError),
    #[error(transparent)]
    Debuggers(#[from] SelectionError),
    #[error(transparent)]
    Signer(#[from] KeyError),
    #[error("--{given} without --{lacks} signs nothing")]
    HalfASigner { given: &'static str, lacks: &'static str },
    #[error("{release} has no io threads, so none of the series means anything there")]
    NoIoThreads { release: Release },
    #[error("--{flag} {given:?} is not usable: {why}")]
    Value { flag: &'static str, given: String, why: &'static str },
    #[error("SOURCE_DATE_EPOCH is {given:?}, not a number of seconds since the epoch")]
    SourceDateEpoch { given: String },
    #[error("--no-boot leaves the boot and compare subcommands nothing to do")]
    NothingToBoot,
    #[error("one kernel is made from patches in one language, but --lang names {count}")]
    SeveralLanguages { count: usize },
    #[error("cannot tell the working directory")]
    WorkingDirectory(#[source] std::io::Error),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::NoIoThreads { .. } => vec![
                "io_uring's workers are threads of the user's process from 5.12 on, and in 5.10.y from 5.10.162 on"
                    .into(),
            ],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoIoThreads { .. } => {
                let lines: Vec<_> = release::Line::SUPPORTED.iter().map(ToString::to_string).collect();
                Some(format!("take a release of a supported line: {}", lines.join(", ")))
            }
            Error::Signer(error) => error.next_step(),
            Error::HalfASigner { lacks, .. } => Some(format!("add --{lacks} FILE")),
            Error::SeveralLanguages { .. } => {
                Some("name one, or use `kpatch-build compare`, which builds both".into())
            }
            _ => None,
        }
    }
}

impl Request {
    /// Defaults filled in, every word understood.
    pub fn new(settings: Settings) -> Result<Request, Error> {
        let formats = settings.formats()?;
        let release = match &settings.release {
            Some(text) => text.parse()?,
            None => ReleaseSpec::NewestLongTerm,
        };
        refuse_without_io_threads(release)?;
        let debuggers = DebuggerRequest {
            selection: Selection::parse(&settings.debuggers)?,
            debian_mirror: settings.debian_mirror.clone(),
            keyring: settings.keyring.clone(),
        };
        let source = settings.source.as_deref().unwrap_or("auto");
        let out = settings.out.clone().unwrap_or_else(|| "dist".into());
        Ok(Request {
            sources: SourceRequest {
                release,
                source: source.parse()?,
                no_verify: settings.no_verify.unwrap_or(false),
                keyring: settings.keyring,
                kernel_org: settings.kernel_org_mirror,
                debian_mirror: settings.debian_mirror,
                pins: Pins::default(),
            },
            series: settings.series.unwrap_or_else(|| "copy-segments".into()),
            lang: one_language(&settings.lang)?,
            kconfig: if settings.kconfig.is_empty() { vec!["boot".into()] } else { settings.kconfig },
            formats,
            parts: parts(settings.packages),
            compression: settings.compression.unwrap_or_default(),
            cc: settings.cc.unwrap_or_else(|| "gcc".into()),
            localversion: settings.localversion.map(checked_localversion).transpose()?,
            revision: at_least_one("revision", settings.revision.unwrap_or(1) as usize)? as u32,
            jobs: settings.jobs.map(|jobs| at_least_one("jobs", jobs)).transpose()?,
            timestamp: timestamp()?,
            signer: signer(settings.sign_key, settings.sign_cert)?,
            out: std::path::absolute(out).map_err(Error::WorkingDirectory)?,
            boot: (!settings.no_boot.unwrap_or(false)).then(|| BootRequest {
                accel: settings.accel,
                deadline: Duration::from_secs(settings.boot_deadline.unwrap_or(180)),
                debuggers,
            }),
            signing_key: settings.signing_key,
        })
    }
}

impl From<&Request> for RequestPart {
    fn from(request: &Request) -> RequestPart {
        RequestPart {
            release: request.sources.release.to_string(),
            series: request.series.clone(),
            lang: request.lang,
            kconfig: request.kconfig.clone(),
            formats: request.formats.clone(),
            source: request.sources.source.to_string(),
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

impl Request {
    /// What `doctor` examines the host for.
    pub fn job<'a>(&'a self, kconfig: &'a Kconfig, goal: Goal, store: &'a Path) -> doctor::Job<'a> {
        doctor::Job { cc: &self.cc, kconfig, boots: goal.boots() && self.boot.is_some(), store }
    }
}

fn parts(mut given: Vec<Part>) -> Option<Vec<Part>> {
    given.sort();
    given.dedup();
    (!given.is_empty()).then_some(given)
}

fn one_language(given: &[Lang]) -> Result<Lang, Error> {
    match given {
        [] => Ok(Lang::default()),
        [lang] => Ok(*lang),
        several => Err(Error::SeveralLanguages { count: several.len() }),
    }
}

fn signer(key: Option<PathBuf>, certificate: Option<PathBuf>) -> Result<Option<Signer>, Error> {
    match (key, certificate) {
        (None, None) => Ok(None),
        (Some(key), Some(certificate)) => Ok(Some(Signer::load(&key, &certificate)?)),
        (Some(_), None) => Err(Error::HalfASigner { given: "sign-key", lacks: "sign-cert" }),
        (None, Some(_)) => Err(Error::HalfASigner { given: "sign-cert", lacks: "sign-key" }),
    }
}

/// <https://reproducible-builds.org/specs/source-date-epoch/>
pub fn timestamp() -> Result<Timestamp, Error> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(Timestamp::OfSource),
        Ok(text) => match text.parse() {
            Ok(seconds) if seconds >= 0 => Ok(Timestamp::Given(seconds)),
            _ => Err(Error::SourceDateEpoch { given: text }),
        },
    }
}

fn refuse_without_io_threads(spec: ReleaseSpec) -> Result<(), Error> {
    // The newest point release of 5.10.y has them, those of older lines do not.
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

fn at_least_one(flag: &'static str, given: usize) -> Result<usize, Error> {
    if given == 0 {
        return Err(Error::Value { flag, given: given.to_string(), why: "it must be at least 1" });
    }
    Ok(given)
}

fn checked_localversion(text: String) -> Result<String, Error> {
    // What a Debian package's name can carry too: two kernels must not share one package.
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-+.".contains(c);
    if !text.starts_with('-') || !text.chars().all(allowed) || text.len() > 40 {
        let why = "it starts with - and has at most 40 small letters, digits, - + .";
        return Err(Error::Value { flag: "localversion", given: text, why });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::boot::debuggers::DebuggerName;

    fn request(settings: Settings) -> Result<Request, Error> {
        Request::new(settings)
    }

    #[test]
    fn defaults_are_the_bare_commands() {
        let request = request(Settings::default()).unwrap();
        assert_eq!(request.sources.release, ReleaseSpec::NewestLongTerm);
        assert_eq!(
            (request.series.as_str(), &request.kconfig[..]),
            ("copy-segments", &["boot".to_owned()][..])
        );
        assert!(request.boot.is_some() && !request.sources.no_verify && request.out.is_absolute());
    }

    #[test]
    fn debuggers_come_from_the_mirror_and_by_the_keys_that_the_user_named() {
        let settings = Settings {
            debuggers: vec!["gdb-10".into()],
            debian_mirror: Some("http://m.example.org/debian".into()),
            keyring: Some("k.gpg".into()),
            ..Default::default()
        };
        let debuggers = request(settings).unwrap().boot.unwrap().debuggers;
        assert_eq!(debuggers.selection, Selection::These(vec![DebuggerName::Gdb10]));
        assert_eq!(debuggers.debian_mirror.as_deref(), Some("http://m.example.org/debian"));
        assert_eq!(debuggers.keyring, Some("k.gpg".into()));
        let error = request(Settings { debuggers: vec!["gdb".into()], ..Default::default() }).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
    }

    #[test]
    fn a_release_without_io_threads_is_refused_with_the_reason() {
        for text in ["5.4.1", "5.10.161", "5.11.y", "4.19.y"] {
            let settings = Settings { release: Some(text.into()), ..Default::default() };
            let error = request(settings).unwrap_err();
            assert!(matches!(error, Error::NoIoThreads { .. }), "{text}: {error}");
            assert_eq!(error.exit(), Exit::Usage);
        }
        let settings = Settings { release: Some("5.10.y".into()), ..Default::default() };
        assert!(request(settings).is_ok());
    }

    #[test]
    fn one_kernel_has_one_language() {
        let lang = |langs: &[Lang]| request(Settings { lang: langs.to_vec(), ..Default::default() });
        assert_eq!(lang(&[]).unwrap().lang, Lang::C);
        assert_eq!(lang(&[Lang::Rust]).unwrap().lang, Lang::Rust);
        let error = lang(&[Lang::C, Lang::Rust]).unwrap_err();
        assert!(matches!(error, Error::SeveralLanguages { count: 2 }) && error.exit() == Exit::Usage);
        assert!(error.next_step().unwrap().contains("compare"));
    }

    #[test]
    fn a_localversion_that_the_kernel_or_a_package_could_not_carry_is_refused() {
        for (text, good) in
            [("-x", true), ("x", false), ("-a b", false), ("-A", false), ("-a/b", false), ("-", true)]
        {
            let settings = Settings { localversion: Some(text.into()), ..Default::default() };
            assert_eq!(request(settings).is_ok(), good, "{text:?}");
        }
    }
}
