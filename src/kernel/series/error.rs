//! Why a series cannot be used.

use std::io;
use std::path::PathBuf;

use super::mail;
use crate::base::error::{Exit, Explain};
use crate::base::options::Lang;
use crate::base::release::{Line, Release};

/// A series that cannot be used. Every variant is a usage error, reported before anything is written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is neither a shipped series nor a path.
    #[error("unknown series {name:?}{}", suggestion(closest.as_deref()))]
    Unknown {
        /// The name on the command line.
        name: String,
        /// All names that `--series` accepts.
        known: Vec<String>,
        /// The most similar known name; `None` if none is similar.
        closest: Option<String>,
    },
    /// The name is that of the build fixes, which are not a series.
    #[error("{name} contains build fixes, which are applied automatically to the releases that need them")]
    NotSelectable {
        /// The name on the command line.
        name: String,
    },
    /// Neither the release's line nor an older one has patches for it.
    #[error("series {name} has no patches for {release}; its lines are {}", join(lines))]
    NoLine {
        /// Name of the series.
        name: String,
        /// The release.
        release: Release,
        /// All lines of the series, oldest first.
        lines: Vec<Line>,
    },
    /// The series has patches for the line, in another language only.
    #[error("series {name} does not exist in {} for {line}", lang.name())]
    NoLang {
        /// Name of the series.
        name: String,
        /// The requested language.
        lang: Lang,
        /// The line whose patches the release would use.
        line: Line,
    },
    /// A directory without a description of a series.
    #[error("{} contains neither a quilt series file nor a series.toml", path.display())]
    NoSeriesFile {
        /// The directory.
        path: PathBuf,
    },
    /// The patches need more memory than the tool may take.
    #[error("up to {}, the series has more than {} MiB, {lines} lines or {files} files", path.display(), bytes >> 20)]
    LargeSeries {
        /// The file that passes a limit.
        path: PathBuf,
        /// The limit of the bytes.
        bytes: u64,
        /// The limit of the lines.
        lines: usize,
        /// The limit of the changed files.
        files: usize,
    },
    /// A quilt series file without patches, or an empty patch.
    #[error("{} has no patch", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The path does not exist.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// A file operation failed; the error names operation and path.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A `series.toml` that cannot be parsed.
    #[error("{} is not a valid series description", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Position and reason.
        source: Box<toml::de::Error>,
    },
    /// An option in a quilt series file that kpatch-build would have to ignore.
    #[error("{} line {line}: {option:?} is not a supported option of a quilt series", path.display())]
    QuiltOption {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
        /// The option.
        option: String,
    },
    /// An mbox that contains no complete series.
    #[error("{} is not a mailbox of patches", path.display())]
    Mail {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: mail::Error,
    },
    /// The path has no characters that `uname -r` allows.
    #[error("cannot derive a name for the kernel release from {path:?}")]
    Unnameable {
        /// The path.
        path: PathBuf,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Unknown { known, .. } => vec![format!("shipped series: {}", known.join(", "))],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Unknown { .. } | Error::NotFound { .. } => Some(
                "use a shipped series, none, or the path of a directory or mbox, such as ./my-series".into(),
            ),
            Error::LargeSeries { .. } => {
                Some("apply the patches to a tree of your own, and build that: --source dir:PATH".into())
            }
            Error::NoSeriesFile { .. } => {
                Some("list the patches in a file named series, one file name per line".into())
            }
            Error::Mail { source: mail::Error::Flowed { .. }, .. } => Some(
                "get the mail from an archive of the list, or ask for the patch as an attachment or by git send-email"
                    .into(),
            ),
            Error::Mail { source: mail::Error::Incomplete { .. }, .. } => {
                Some("get the whole series in one mbox, such as from b4 am or the archive of the list".into())
            }
            Error::NoLang { lang: Lang::Rust, .. } => Some("use --lang c".into()),
            _ => None,
        }
    }
}

fn suggestion(closest: Option<&str>) -> String {
    closest.map_or(String::new(), |name| format!("; did you mean {name}?"))
}

fn join(lines: &[Line]) -> String {
    lines.iter().map(Line::to_string).collect::<Vec<_>>().join(", ")
}
