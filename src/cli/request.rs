//! Turns settings into requests: parses words, fills in defaults, checks keys, loads kconfigs.

use std::time::Duration;

use super::flags::FormatChoice;
use super::settings::Settings;
use crate::base::error::{Exit, Explain};
use crate::base::openpgp::sign::{self, KeyFile};
use crate::base::options::{Format, Goal, Lang, Part, Timestamp};
use crate::base::release::{self, ReleaseSpec};
use crate::base::x509::{KeyError, SignerFiles};
use crate::kernel::kconfig::{self, Kconfig};
use crate::kernel::{Keys, series};
use crate::pipeline::request::Request;
use crate::stages::boot::BootRequest;
use crate::stages::boot::debuggers::{DebuggerRequest, Selection, SelectionError};
use crate::stages::fetch::pins::Pins;
use crate::stages::fetch::{SourceRequest, SourceSpecError};

/// The directory for results if `--out` is not set.
pub(crate) const OUT: &str = "dist";

/// Boot timeout in seconds if `--boot-deadline` is not set.
const BOOT_DEADLINE: u64 = 180;
/// The longest boot timeout in seconds, a day: a typing mistake must not make a run wait for ever.
const LONGEST_DEADLINE: u64 = 24 * 60 * 60;

/// Why settings result in no request. Nothing has been written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// `--release` is not a release.
    #[error(transparent)]
    Release(#[from] release::ParseError),
    /// `--source` is not a source.
    #[error(transparent)]
    Source(#[from] SourceSpecError),
    /// `--debuggers` names an unknown debugger, or a contradictory combination.
    #[error(transparent)]
    Debuggers(#[from] SelectionError),
    /// A kconfig does not exist or cannot be read.
    #[error(transparent)]
    Kconfig(#[from] kconfig::Error),
    /// The Secure Boot key or its certificate cannot be used.
    #[error(transparent)]
    SecureBoot(#[from] KeyError),
    /// The OpenPGP key cannot be used.
    #[error(transparent)]
    OpenPgp(#[from] sign::Error),
    /// `--format` names `none` and other formats.
    #[error("`none` cannot be combined with other formats")]
    NoneAndOthers,
    /// The environment variable is not a number of seconds.
    #[error("SOURCE_DATE_EPOCH is {given:?}, not a number of seconds since 1970")]
    SourceDateEpoch {
        /// Its value.
        given: String,
    },
    /// Packages have 32 bits for the time (`RPMTAG_BUILDTIME` of rpm).
    #[error("SOURCE_DATE_EPOCH is {given}; packages can have times of at most {}", u32::MAX)]
    SourceDateEpochTooLarge {
        /// Its value.
        given: i64,
    },
    /// The timeout is longer than any boot.
    #[error("--boot-deadline {given} is too long: the limit is {LONGEST_DEADLINE} seconds")]
    BootDeadline {
        /// Its value in seconds.
        given: u64,
    },
    /// `--lang` names several languages for one kernel.
    #[error("a kernel has patches in one language, and --lang names {count}")]
    SeveralLanguages {
        /// Number of languages.
        count: usize,
    },
    /// The current directory, which the output directory is relative to, is unknown.
    #[error("cannot determine the current directory")]
    CurrentDirectory(#[source] std::io::Error),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Release(error) => Some(error),
            Error::Source(error) => Some(error),
            Error::Debuggers(error) => Some(error),
            Error::Kconfig(error) => Some(error),
            Error::SecureBoot(error) => Some(error),
            Error::OpenPgp(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::SeveralLanguages { .. } => {
                Some("name one, or use `kpatch-build compare`, which builds both".into())
            }
            Error::SourceDateEpoch { .. } | Error::SourceDateEpochTooLarge { .. } => {
                Some("set SOURCE_DATE_EPOCH to seconds since 1970, or unset it".into())
            }
            Error::BootDeadline { .. } => Some("use a shorter --boot-deadline".into()),
            Error::NoneAndOthers => {
                Some("use --format none for no packages, or name only the formats to write".into())
            }
            _ => self.inner()?.next_step(),
        }
    }
}

/// Returns the request for one run up to `goal`.
///
/// # Errors
/// A word of the settings is wrong, or a file that they name cannot be used.
pub(super) fn request(settings: &Settings, goal: Goal) -> Result<Request, Error> {
    let Settings { series, kernel, package, .. } = settings;
    let lang = one_language(&series.lang)?;
    let keys = keys(settings, goal)?;
    let kconfig_names = kconfig_names(settings);
    let mut kconfig = Kconfig::load_for(lang, keys.secure_boot.is_some(), &kconfig_names)?;
    kconfig.strict = kernel.strict_kconfig.unwrap_or(false);
    let boot = boot(settings, &kconfig)?;
    let formats = formats(&package.format)?;
    let timestamp = timestamp()?;
    if goal.packages() && !formats.is_empty() {
        check_package_time(timestamp)?;
    }
    let out = settings.out.out.clone().unwrap_or_else(|| OUT.into());
    Ok(Request {
        sources: sources(settings)?,
        series: series.series.clone().unwrap_or_else(|| series::DEFAULT.into()),
        lang,
        kconfig,
        kconfig_names,
        formats,
        parts: parts(&package.packages),
        compression: package.compression.unwrap_or_default(),
        cc: settings.compiler.cc.clone().unwrap_or_else(|| "gcc".into()),
        localversion: kernel.localversion.clone(),
        revision: kernel.revision.map_or(1, u32::from),
        jobs: settings.jobs.jobs.map(usize::from),
        sandbox: settings.sandbox.choice(),
        timestamp,
        keys,
        out: std::path::absolute(out).map_err(Error::CurrentDirectory)?,
        boot,
    })
}

/// Checks the keys. Only a run that writes packages needs the OpenPGP key, and only that run may require its
/// passphrase.
fn keys(settings: &Settings, goal: Goal) -> Result<Keys, Error> {
    let kernel = &settings.kernel;
    let openpgp = settings.package.openpgp_key.as_deref().filter(|_| goal.packages());
    Ok(Keys {
        secure_boot: SignerFiles::check_pair(
            kernel.secure_boot_key.as_deref(),
            kernel.secure_boot_cert.as_deref(),
        )?,
        openpgp: openpgp.map(KeyFile::check).transpose()?,
    })
}

/// Returns the request for the source.
///
/// # Errors
/// `--release` or `--source` is malformed.
pub(super) fn sources(settings: &Settings) -> Result<SourceRequest, Error> {
    let source = &settings.source;
    let out = settings.out.out.clone().unwrap_or_else(|| OUT.into());
    Ok(SourceRequest {
        release: match &settings.release.release {
            Some(text) => text.parse()?,
            None => ReleaseSpec::NewestLongTerm,
        },
        source: source.source.as_deref().unwrap_or("auto").parse()?,
        no_verify: source.no_verify.unwrap_or(false),
        keyring: source.keyring.clone(),
        kernel_org: source.kernel_org_mirror.clone(),
        debian_mirror: source.debian_mirror.clone(),
        accept_stale_index: source.accept_stale_index.unwrap_or(false),
        outputs: vec![out],
        pins: Pins::default(),
    })
}

/// Reads `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>).
///
/// # Errors
/// The variable is set and is not a number of at least 0.
pub(super) fn timestamp() -> Result<Timestamp, Error> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(Timestamp::OfSource),
        Ok(text) => match text.parse() {
            Ok(seconds) if seconds >= 0 => Ok(Timestamp::Given(seconds)),
            _ => Err(Error::SourceDateEpoch { given: text }),
        },
    }
}

fn check_package_time(timestamp: Timestamp) -> Result<(), Error> {
    match timestamp {
        Timestamp::Given(given) if u32::try_from(given).is_err() => {
            Err(Error::SourceDateEpochTooLarge { given })
        }
        _ => Ok(()),
    }
}

fn kconfig_names(settings: &Settings) -> Vec<String> {
    match &settings.kernel.kconfig[..] {
        [] => vec!["boot".into()],
        names => names.to_vec(),
    }
}

fn boot(settings: &Settings, kconfig: &Kconfig) -> Result<Option<BootRequest>, Error> {
    let guest = &settings.guest;
    let debuggers = DebuggerRequest {
        selection: Selection::parse(&guest.debuggers)?,
        debian_mirror: settings.source.debian_mirror.clone(),
        accept_stale_index: settings.source.accept_stale_index.unwrap_or(false),
        keyring: settings.source.keyring.clone(),
    };
    let deadline = guest.boot_deadline.map_or(BOOT_DEADLINE, u64::from);
    if deadline > LONGEST_DEADLINE {
        return Err(Error::BootDeadline { given: deadline });
    }
    let deadline = Duration::from_secs(deadline);
    let boots = !settings.no_boot.no_boot.unwrap_or(false);
    let allowances = [&guest.allow[..], &kconfig.allowances].concat();
    Ok(boots.then_some(BootRequest { accel: guest.accel, deadline, debuggers, allowances }))
}

/// Returns the formats, each once.
fn formats(choices: &[FormatChoice]) -> Result<Vec<Format>, Error> {
    match choices {
        [] => return Ok(vec![Format::Deb, Format::Rpm]),
        [FormatChoice::None] => return Ok(Vec::new()),
        _ => {}
    }
    let mut formats = Vec::new();
    for choice in choices {
        let format = choice.format().ok_or(Error::NoneAndOthers)?;
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    Ok(formats)
}

fn parts(given: &[Part]) -> Option<Vec<Part>> {
    let mut parts = given.to_vec();
    parts.sort();
    parts.dedup();
    (!parts.is_empty()).then_some(parts)
}

fn one_language(given: &[Lang]) -> Result<Lang, Error> {
    match given {
        [] => Ok(Lang::default()),
        [lang] => Ok(*lang),
        several => Err(Error::SeveralLanguages { count: several.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::boot::debuggers::DebuggerName;

    #[test]
    fn the_defaults_are_those_of_the_bare_command() {
        let request = request(&Settings::default(), Goal::Everything).unwrap();
        assert_eq!(request.sources.release, ReleaseSpec::NewestLongTerm);
        assert_eq!(
            (request.series.as_str(), &request.kconfig_names[..]),
            ("copy-segments", &["boot".to_owned()][..])
        );
        assert_eq!(request.kconfig.name, "boot");
        assert!(request.boot.is_some() && !request.sources.no_verify && request.out.is_absolute());
        assert!(request.keys.secure_boot.is_none() && request.keys.openpgp.is_none());
    }

    #[test]
    fn debuggers_use_the_mirror_and_the_keyring_of_the_sources() {
        let mut settings = Settings::default();
        settings.guest.debuggers = vec!["gdb-10".into()];
        settings.source.debian_mirror = Some("http://m.example.org/debian".into());
        settings.source.keyring = Some("k.gpg".into());
        let debuggers = request(&settings, Goal::Boot).unwrap().boot.unwrap().debuggers;
        assert_eq!(debuggers.selection, Selection::These(vec![DebuggerName::Gdb10]));
        assert_eq!(debuggers.debian_mirror.as_deref(), Some("http://m.example.org/debian"));
        assert_eq!(debuggers.keyring, Some("k.gpg".into()));
        settings.guest.debuggers = vec!["gdb".into()];
        assert_eq!(request(&settings, Goal::Boot).unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn a_time_that_packages_cannot_have_is_refused() {
        let limit = i64::from(u32::MAX);
        assert!(check_package_time(Timestamp::Given(limit)).is_ok());
        assert!(check_package_time(Timestamp::OfSource).is_ok());
        let error = check_package_time(Timestamp::Given(limit + 1)).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.next_step().unwrap().contains("SOURCE_DATE_EPOCH"));
    }

    #[test]
    fn a_boot_timeout_that_never_ends_is_refused() {
        let mut settings = Settings::default();
        settings.guest.boot_deadline = std::num::NonZeroU64::new(u64::MAX);
        assert!(matches!(request(&settings, Goal::Boot), Err(Error::BootDeadline { .. })));
        settings.guest.boot_deadline = std::num::NonZeroU64::new(600);
        assert!(request(&settings, Goal::Boot).is_ok());
    }

    #[test]
    fn a_kernel_has_one_language() {
        assert_eq!(one_language(&[]).unwrap(), Lang::C);
        assert_eq!(one_language(&[Lang::Rust]).unwrap(), Lang::Rust);
        let error = one_language(&[Lang::C, Lang::Rust]).unwrap_err();
        assert!(matches!(error, Error::SeveralLanguages { count: 2 }) && error.exit() == Exit::Usage);
        assert!(error.next_step().unwrap().contains("compare"));
    }

    #[test]
    fn formats_are_deb_and_rpm_by_default_and_none_is_alone() {
        use FormatChoice::{Deb, None, Rpm};
        assert_eq!(formats(&[]).unwrap(), [Format::Deb, Format::Rpm]);
        assert_eq!(formats(&[Rpm, Rpm]).unwrap(), [Format::Rpm]);
        assert_eq!(formats(&[None]).unwrap(), []);
        assert!(matches!(formats(&[Deb, None]), Err(Error::NoneAndOthers)));
    }
}
