//! Settings: the flags of the command line and the keys of `kpatch-build.toml`, one definition.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use crate::base::options::{Accel, Compression, Format, Lang, Part, ProgressMode};

/// Every setting may be absent: the command line wins over the file, the file over the defaults.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Kernel release: exact (5.12, 6.1.187), a line (6.1.y) or latest
    /// [default: the newest supported long-term line that can be reached]
    #[arg(short, long, help_heading = "What to build")]
    pub release: Option<String>,

    /// Patch series: a shipped name (see `series list`), none, or a folder or mbox of your own;
    /// compare takes several, or all [default: copy-segments; of compare: all]
    #[arg(short, long, help_heading = "What to build")]
    pub series: Option<String>,

    /// Language of the series' patches; compare takes several [default: c]
    #[arg(long, value_enum, value_delimiter = ',', help_heading = "What to build")]
    #[serde(deserialize_with = "one_or_several")]
    pub lang: Vec<Lang>,

    /// Kernel configuration: shipped names (boot, cloud, debug, rust …) or files, later ones on
    /// top of earlier ones [default: boot]
    #[arg(short, long, value_delimiter = ',', value_name = "NAME|FILE", help_heading = "What to build")]
    pub kconfig: Vec<String>,

    /// Package formats (deb, rpm), or none; of compare: html, json, markdown
    /// [default: deb,rpm; of compare: html,json]
    #[arg(short, long, value_delimiter = ',', value_name = "FORMAT", help_heading = "What to build")]
    pub format: Vec<String>,

    /// Packages to make: image, headers, debug, libc-dev (which replaces the distribution's)
    /// [default: image,headers and, where the kconfig has DEBUG_INFO, debug]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST", help_heading = "What to build")]
    pub packages: Vec<Part>,

    /// How packages are compressed [default: xz, which the oldest supported distributions read]
    #[arg(long, value_enum, help_heading = "What to build")]
    pub compression: Option<Compression>,

    /// What follows the release in `uname -r` [default: -<series>[-rust]-<kconfig>[-signed]]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "What to build")]
    pub localversion: Option<String>,

    /// Counts rebuilds of the same kernel in package versions [default: 1]
    #[arg(long, value_name = "N", help_heading = "What to build")]
    pub revision: Option<u32>,

    /// Private key (PEM, RSA, not encrypted) to sign image and modules with, for Secure Boot;
    /// puts the kconfig secure-boot on top [default: nothing is signed]
    #[arg(long, value_name = "FILE", help_heading = "What to build")]
    pub sign_key: Option<PathBuf>,

    /// Certificate (X.509, PEM or DER) of --sign-key; the kernel trusts modules signed with it
    /// [default: nothing is signed]
    #[arg(long, value_name = "FILE", help_heading = "What to build")]
    pub sign_cert: Option<PathBuf>,

    /// auto, kernel.org, debian, git:URL[#REF], tarball:PATH-or-URL[#SHA256] or dir:PATH
    /// [default: auto, which is kernel.org, then debian]
    #[arg(long, help_heading = "Where sources come from")]
    pub source: Option<String>,

    /// Base address of a kernel.org mirror; may be repeated [default: kernel.org's own]
    #[arg(long, value_name = "URL", help_heading = "Where sources come from")]
    pub kernel_org_mirror: Vec<String>,

    /// Base address of a Debian mirror [default: the one that this host's apt uses]
    #[arg(long, value_name = "URL", help_heading = "Where sources come from")]
    pub debian_mirror: Option<String>,

    /// OpenPGP certificates to verify with, besides the host's and kernel.org's [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Where sources come from")]
    pub keyring: Option<PathBuf>,

    /// OpenPGP secret key that signs what lies beside the packages; its passphrase is the first line of
    /// the file that $KPATCH_BUILD_SIGNING_PASSPHRASE_FILE names [default: nothing is signed]
    #[arg(long, value_name = "FILE", help_heading = "What to build")]
    pub signing_key: Option<PathBuf>,

    /// Accept a source that nothing vouches for [default: refuse it]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Where sources come from")]
    pub no_verify: Option<bool>,

    /// Folder for packages, report.json and logs [default: dist]
    #[arg(short, long, value_name = "DIR", help_heading = "How to run")]
    pub out: Option<PathBuf>,

    /// Compilers to run at once [default: one for each processor]
    #[arg(short, long, value_name = "N", help_heading = "How to run")]
    pub jobs: Option<usize>,

    /// C compiler: gcc, clang, or a path to one [default: gcc]
    #[arg(long, help_heading = "How to run")]
    pub cc: Option<String>,

    /// Build without booting, also what could not be booted [default: boot]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "How to run")]
    pub no_boot: Option<bool>,

    /// QEMU accelerator [default: kvm where it is found to work, else tcg]
    #[arg(long, value_enum, help_heading = "How to run")]
    pub accel: Option<Accel>,

    /// Debuggers to try in the guest: gdb-10, gdb-13 and gdb-16 (Debian's), host (this host's gdb
    /// and strace), all or none [default: all where a Debian mirror is known, else host]
    #[arg(long, value_delimiter = ',', value_name = "LIST", help_heading = "How to run")]
    pub debuggers: Vec<String>,

    /// `--store` of the command line.
    #[arg(skip)]
    pub store: Option<PathBuf>,

    /// `--offline` of the command line.
    #[arg(skip)]
    pub offline: Option<bool>,

    /// `--progress` of the command line.
    #[arg(skip)]
    pub progress: Option<ProgressMode>,

    /// Seconds that the guest has from power-on to its last word [default: 180]
    #[arg(long, value_name = "SECONDS", help_heading = "How to run")]
    pub boot_deadline: Option<u64>,
}

/// `lang = "rust"` and `lang = ["c", "rust"]`.
fn one_or_several<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<Lang>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "lang is \"c\", \"rust\" or a list of them")]
    enum Langs {
        One(Lang),
        Several(Vec<Lang>),
    }
    Langs::deserialize(d).map(|langs| match langs {
        Langs::One(lang) => vec![lang],
        Langs::Several(langs) => langs,
    })
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the configuration file {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {} is not valid", path.display())]
    Parse { path: PathBuf, source: toml::de::Error },
}

impl crate::base::error::Explain for Error {
    fn exit(&self) -> crate::base::error::Exit {
        crate::base::error::Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        Some("its keys are the long flags of `kpatch-build --help`, without the dashes in front".into())
    }
}

/// Read from the working directory when `--config` names no other file.
pub const FILE: &str = "kpatch-build.toml";

impl Settings {
    /// The file's settings. Paths in it are relative to the file.
    pub fn load(given: Option<&Path>) -> Result<Settings, Error> {
        let path = given.unwrap_or(Path::new(FILE));
        let text = match std::fs::read_to_string(path) {
            Err(error) if given.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Settings::default());
            }
            read => read.map_err(|source| Error::Read { path: path.to_owned(), source })?,
        };
        let mut settings: Settings =
            toml::from_str(&text).map_err(|source| Error::Parse { path: path.to_owned(), source })?;
        settings.resolve_paths(path.parent().unwrap_or(Path::new("")));
        Ok(settings)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let paths = [
            &mut self.out,
            &mut self.keyring,
            &mut self.signing_key,
            &mut self.store,
            &mut self.sign_key,
            &mut self.sign_cert,
        ];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        if let Some(path) = self.source.as_mut() {
            for form in ["dir:", "tarball:", "git:"] {
                if let Some(location) = path.strip_prefix(form).filter(|location| !location.contains("://")) {
                    *path = format!("{form}{}", folder.join(location).display());
                    break;
                }
            }
        }
        // A name without a slash is a shipped one, or one in PATH; `./x` is a path.
        for text in self.kconfig.iter_mut().chain(&mut self.series).chain(&mut self.cc) {
            if text.contains('/') {
                *text = folder.join(&*text).to_string_lossy().into_owned();
            }
        }
    }

    /// These settings where they say something, else `fallback`'s.
    pub fn or(self, fallback: Settings) -> Settings {
        fn list<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
            if first.is_empty() { second } else { first }
        }
        Settings {
            release: self.release.or(fallback.release),
            series: self.series.or(fallback.series),
            lang: list(self.lang, fallback.lang),
            kconfig: list(self.kconfig, fallback.kconfig),
            format: list(self.format, fallback.format),
            packages: list(self.packages, fallback.packages),
            compression: self.compression.or(fallback.compression),
            localversion: self.localversion.or(fallback.localversion),
            revision: self.revision.or(fallback.revision),
            sign_key: self.sign_key.or(fallback.sign_key),
            sign_cert: self.sign_cert.or(fallback.sign_cert),
            source: self.source.or(fallback.source),
            kernel_org_mirror: list(self.kernel_org_mirror, fallback.kernel_org_mirror),
            debian_mirror: self.debian_mirror.or(fallback.debian_mirror),
            keyring: self.keyring.or(fallback.keyring),
            signing_key: self.signing_key.or(fallback.signing_key),
            no_verify: self.no_verify.or(fallback.no_verify),
            out: self.out.or(fallback.out),
            jobs: self.jobs.or(fallback.jobs),
            cc: self.cc.or(fallback.cc),
            no_boot: self.no_boot.or(fallback.no_boot),
            accel: self.accel.or(fallback.accel),
            boot_deadline: self.boot_deadline.or(fallback.boot_deadline),
            debuggers: list(self.debuggers, fallback.debuggers),
            store: self.store.or(fallback.store),
            offline: self.offline.or(fallback.offline),
            progress: self.progress.or(fallback.progress),
        }
    }

    /// The formats, each once; `none` alone means none.
    pub fn formats(&self) -> Result<Vec<Format>, FormatError> {
        use clap::ValueEnum;
        let given: Vec<&str> = self.format.iter().map(String::as_str).collect();
        match given[..] {
            [] => return Ok(vec![Format::Deb, Format::Rpm]),
            ["none"] => return Ok(Vec::new()),
            _ => {}
        }
        let mut formats = Vec::new();
        for name in given {
            let format = Format::from_str(name, false).map_err(|_| FormatError(name.to_owned()))?;
            if !formats.contains(&format) {
                formats.push(format);
            }
        }
        Ok(formats)
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0:?} is not a package format; write deb, rpm, deb,rpm or none")]
pub struct FormatError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Settings, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let mut settings = Settings::load(Some(&path))?;
        for path in [&mut settings.out, &mut settings.keyring].into_iter().flatten() {
            *path = path.strip_prefix(dir.path()).unwrap_or(path).to_owned();
        }
        Ok(settings)
    }

    #[test]
    fn the_file_has_the_names_of_the_flags() {
        let settings =
            file("release = \"6.1.y\"\nkconfig = [\"boot\"]\nno-boot = true\nboot-deadline = 9\nout = \"x\"")
                .unwrap();
        assert_eq!(settings.release.as_deref(), Some("6.1.y"));
        assert_eq!((settings.no_boot, settings.boot_deadline), (Some(true), Some(9)));
        assert_eq!(settings.out, Some("x".into()));
    }

    #[test]
    fn paths_in_the_file_are_relative_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let text = "source = \"dir:linux\"\nseries = \"./own\"\ncc = \"gcc\"\nstore = \"s\"\noffline = true";
        std::fs::write(&path, text).unwrap();
        let settings = Settings::load(Some(&path)).unwrap();
        let below = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        assert_eq!(settings.source, Some(format!("dir:{}", below("linux"))));
        assert_eq!(settings.series, Some(below("./own")));
        assert_eq!((settings.cc.as_deref(), settings.offline), (Some("gcc"), Some(true)));
        assert_eq!(settings.store, Some(dir.path().join("s")));
    }

    #[test]
    fn the_file_has_one_language_or_a_list() {
        for (text, langs) in [
            ("lang = \"rust\"", Ok(vec![Lang::Rust])),
            ("lang = [\"c\", \"rust\"]", Ok(vec![Lang::C, Lang::Rust])),
            ("lang = \"perl\"", Err(())),
        ] {
            assert_eq!(file(text).map(|settings| settings.lang).map_err(|_| ()), langs, "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(matches!(file("relase = \"6.1.y\""), Err(Error::Parse { .. })));
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Settings { release: Some("6.1.4".into()), ..Default::default() };
        let merged = flags.or(file("release = \"6.1.y\"\nseries = \"zeroed\"").unwrap());
        assert_eq!((merged.release.as_deref(), merged.series.as_deref()), (Some("6.1.4"), Some("zeroed")));
    }

    #[test]
    fn formats_are_deb_and_rpm_unless_said_otherwise() {
        let formats = |given: &[&str]| {
            Settings { format: given.iter().map(|f| (*f).to_owned()).collect(), ..Default::default() }
                .formats()
        };
        assert_eq!(formats(&[]), Ok(vec![Format::Deb, Format::Rpm]));
        assert_eq!(formats(&["rpm", "rpm"]), Ok(vec![Format::Rpm]));
        assert_eq!(formats(&["none"]), Ok(vec![]));
        assert_eq!(formats(&["tar"]), Err(FormatError("tar".into())));
    }
}
