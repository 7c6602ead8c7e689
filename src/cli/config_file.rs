//! The configuration file, `kpatch-build.toml`: its keys are the long flags without the leading dashes.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::OFlags;
use toml::de::DeTable;

use super::flags::GlobalArgs;
use super::settings::Settings;
use crate::base::error::{Exit, Explain};
use crate::base::files;
use crate::kernel::toolchain;

/// The file in the working directory that is read without `--config`.
pub(crate) const FILE: &str = "kpatch-build.toml";

/// Why the configuration file cannot be used. Nothing has been written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file that `--config` names does not exist or cannot be read.
    #[error("cannot read the configuration file")]
    Read(#[source] io::Error),
    /// The file is not TOML, or a value has the wrong type.
    #[error("the configuration file {} is not valid: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and message of the parser.
        reason: String,
    },
    /// The file of the working directory could be a stranger's.
    #[error("the configuration file {} {why}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Why, as a predicate.
        why: String,
    },
    /// The file of the working directory names a program by its path.
    #[error("the configuration file {} names the compiler {cc:?}, which is more than a name", path.display())]
    Compiler {
        /// The file.
        path: PathBuf,
        /// The compiler.
        cc: String,
    },
    /// A key that is not a long flag.
    #[error("the configuration file {} has the unknown key `{key}` in line {line}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key as written.
        key: String,
        /// Counted from 1.
        line: usize,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A setting under its name and its old name.
    #[error("the configuration file {} has both `{key}` and `{other}`, in line {line}", path.display())]
    SameSetting {
        /// The file.
        path: PathBuf,
        /// The first of the two.
        other: String,
        /// The second of the two.
        key: String,
        /// The line of the second, counted from 1.
        line: usize,
        /// The name to keep.
        name: String,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::SameSetting { .. } => vec!["both name the same setting".into()],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::UnknownKey { nearest: Some(nearest), .. } => {
                Some(format!("write `{nearest}` if that is what you mean"))
            }
            Error::SameSetting { name, .. } => Some(format!("keep `{name}`")),
            Error::Untrusted { path, .. } => {
                Some(format!("if you trust it, name it: --config {}", path.display()))
            }
            Error::Compiler { path, .. } => Some(format!(
                "use gcc, clang or one of their versions, such as clang-19; if you trust the file, name it: --config {}",
                path.display()
            )),
            Error::Read(_) | Error::Parse { .. } => None,
            Error::UnknownKey { nearest: None, .. } => {
                Some("use the long flags of `kpatch-build --help` as keys, without the leading dashes".into())
            }
        }
    }
}

/// The settings of a configuration file.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// The file.
    pub(super) path: PathBuf,
    /// Its settings.
    pub(super) settings: Settings,
}

/// Reads the file that `--config` names, else [`FILE`] if it exists. Relative paths in the file are relative to it.
///
/// # Errors
/// The file cannot be read, is not TOML, or has an unknown key or a value of the wrong type. Without `--config`, also a
/// file that could be a stranger's or that names a compiler by its path.
pub(super) fn load(given: Option<&Path>) -> Result<Option<ConfigFile>, Error> {
    let path = given.unwrap_or(Path::new(FILE));
    let file = match open(path, given.is_none()) {
        Err(error) if given.is_none() && error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if given.is_none() && path.is_symlink() => {
            return Err(Error::Untrusted { path: path.to_owned(), why: "is a symbolic link".to_owned() });
        }
        file => file.map_err(Error::Read)?,
    };
    if given.is_none() {
        check_trust(path, &file.metadata().map_err(Error::Read)?)?;
    }
    let text = files::read_open(file, files::LONGEST_SETTINGS).map_err(Error::Read)?;
    let settings = parse(path, &String::from_utf8_lossy(&text))?;
    match &settings.compiler.cc {
        Some(cc) if given.is_none() && !toolchain::is_known_name(cc) => {
            Err(Error::Compiler { path: path.to_owned(), cc: cc.clone() })
        }
        _ => Ok(Some(ConfigFile { path: path.to_owned(), settings })),
    }
}

/// Opens the file. An implicit one is opened without following a link, through which the user's own file would apply to a
/// stranger's directory, and without waiting for the writer of a pipe.
fn open(path: &Path, is_implicit: bool) -> io::Result<fs::File> {
    let flags = if is_implicit { OFlags::NOFOLLOW | OFlags::NONBLOCK } else { OFlags::empty() };
    fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

/// Refuses what is no regular file, a file of another user than this one, root and the one who called sudo(8), and a file
/// that anyone can change.
fn check_trust(path: &Path, meta: &std::fs::Metadata) -> Result<(), Error> {
    let untrusted = |why| Err(Error::Untrusted { path: path.to_owned(), why });
    match (meta.uid(), meta.mode()) {
        _ if !meta.is_file() => untrusted("is not a regular file".to_owned()),
        (uid, _) if !files::is_trusted_owner(uid) => {
            untrusted(format!("belongs to another user (uid {uid})"))
        }
        (_, mode) if mode & 0o002 != 0 => untrusted("is writable for everyone".to_owned()),
        _ => Ok(()),
    }
}

fn parse(path: &Path, text: &str) -> Result<Settings, Error> {
    let invalid = |error: toml::de::Error| Error::Parse {
        path: path.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    };
    check_keys(path, text, DeTable::parse(text).map_err(invalid)?.get_ref())?;
    let mut settings = Settings::parse(text).map_err(invalid)?;
    settings.resolve_paths(path.parent().unwrap_or(Path::new("")));
    Ok(settings)
}

/// A key of the file: the flag's name, then its old names.
struct Key(Vec<String>);

/// Returns every key that the file may have.
fn keys() -> Vec<Key> {
    let command = GlobalArgs::augment_args(Settings::augment_args(Command::new("settings")));
    let flags = command.get_arguments().filter_map(|argument| {
        let names = [argument.get_long()?].into_iter().chain(argument.get_all_aliases().unwrap_or_default());
        Some(Key(names.map(str::to_owned).collect()))
    });
    // `--config` names the file itself; only the file has allowances.
    flags.filter(|key| key.0[0] != "config").chain([Key(vec!["allow".to_owned()])]).collect()
}

/// Refuses unknown keys, and two names of one setting.
fn check_keys(path: &Path, text: &str, table: &DeTable) -> Result<(), Error> {
    let known = keys();
    let mut places: Vec<_> = table.keys().map(|key| (key.span().start, key.get_ref().as_ref())).collect();
    places.sort_unstable();
    let mut used: Vec<(&Key, &str)> = Vec::new();
    for (start, name) in places {
        let line = text[..start].matches('\n').count() + 1;
        let Some(key) = known.iter().find(|key| key.0.iter().any(|known| known == name)) else {
            let nearest = nearest(name, &known);
            return Err(Error::UnknownKey { path: path.to_owned(), key: name.to_owned(), line, nearest });
        };
        if let Some((_, other)) = used.iter().find(|(used, _)| used.0[0] == key.0[0]) {
            return Err(Error::SameSetting {
                path: path.to_owned(),
                other: (*other).to_owned(),
                key: name.to_owned(),
                line,
                name: key.0[0].clone(),
            });
        }
        used.push((key, name));
    }
    Ok(())
}

fn nearest(name: &str, known: &[Key]) -> Option<String> {
    let likeness = |key: &Key| strsim::jaro_winkler(&key.0[0], name);
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then(|| best.0[0].clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::options::Lang;

    fn file(text: &str) -> Result<Settings, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        fs::write(&path, text).unwrap();
        let mut settings = load(Some(&path))?.unwrap().settings;
        for path in [&mut settings.out.out, &mut settings.kernel.secure_boot_key].into_iter().flatten() {
            *path = path.strip_prefix(dir.path()).unwrap_or(path).to_owned();
        }
        Ok(settings)
    }

    #[test]
    fn the_file_has_the_names_of_the_flags() {
        let settings =
            file("release = \"6.1.y\"\nkconfig = [\"boot\"]\nno-boot = true\nboot-deadline = 9\nout = \"x\"")
                .unwrap();
        assert_eq!(settings.release.release.as_deref(), Some("6.1.y"));
        assert_eq!(
            (settings.no_boot.no_boot, settings.guest.boot_deadline.map(u64::from)),
            (Some(true), Some(9))
        );
        assert_eq!(settings.out.out, Some("x".into()));
    }

    /// The known keys come from clap, and the fields that they set from serde.
    #[test]
    fn every_key_sets_something() {
        for names in keys() {
            for name in names.0 {
                let forms = [
                    "true",
                    "7",
                    "\"c\"",
                    "[\"c\"]",
                    "\"xz\"",
                    "\"kvm\"",
                    "\"plain\"",
                    "[\"image\"]",
                    "[\"deb\"]",
                    "[{ pattern = \"p\", reason = \"r\" }]",
                ];
                let set = forms.iter().any(|value| {
                    file(&format!("{name} = {value}")).is_ok_and(|settings| settings != Settings::default())
                });
                assert!(set, "{name}");
            }
        }
    }

    #[test]
    fn paths_in_the_file_are_relative_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let text = "source = \"dir:linux\"\nseries = \"./own\"\ncc = \"gcc\"\nstore = \"s\"\noffline = true";
        fs::write(&path, text).unwrap();
        let settings = load(Some(&path)).unwrap().unwrap().settings;
        let below = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        assert_eq!(settings.source.source, Some(format!("dir:{}", below("linux"))));
        assert_eq!(settings.series.series, Some(below("./own")));
        assert_eq!((settings.compiler.cc.as_deref(), settings.global.offline), (Some("gcc"), Some(true)));
        assert_eq!(settings.global.store, Some(dir.path().join("s")));
    }

    #[test]
    fn the_file_has_one_language_or_a_list() {
        for (text, langs) in [
            ("lang = \"rust\"", Ok(vec![Lang::Rust])),
            ("lang = [\"c\", \"rust\"]", Ok(vec![Lang::C, Lang::Rust])),
            ("lang = \"perl\"", Err(())),
        ] {
            assert_eq!(file(text).map(|settings| settings.series.lang).map_err(|_| ()), langs, "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_one() {
        let error = file("# a comment\nrelase = \"6.1.y\"").unwrap_err();
        assert!(matches!(&error, Error::UnknownKey { line: 2, .. }), "{error}");
        assert_eq!(error.next_step().unwrap(), "write `release` if that is what you mean");
        for text in
            ["config = \"x\"", "install-deps = true", "explain = true", "[table]\nrelease = \"6.1.y\""]
        {
            assert!(matches!(file(text), Err(Error::UnknownKey { .. })), "{text}");
        }
    }

    #[test]
    fn an_old_name_of_a_key_still_works_but_not_beside_the_new_one() {
        let settings = file("sign-key = \"k\"").unwrap();
        assert_eq!(settings.kernel.secure_boot_key, Some("k".into()));
        let error = file("sign-key = \"k\"\nsecure-boot-key = \"k\"").unwrap_err();
        assert!(matches!(&error, Error::SameSetting { line: 2, .. }), "{error}");
        assert_eq!(error.next_step().unwrap(), "keep `secure-boot-key`");
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let mut flags = Settings::default();
        flags.release.release = Some("6.1.4".into());
        let merged = flags.or(file("release = \"6.1.y\"\nseries = \"zeroed\"").unwrap());
        assert_eq!(merged.release.release.as_deref(), Some("6.1.4"));
        assert_eq!(merged.series.series.as_deref(), Some("zeroed"));
    }
}
