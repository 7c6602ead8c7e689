//! The argument of `--source`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::digest::parse_sha256;
use crate::base::error::{Exit, Explain};

/// Where to look for a release: the value of `--source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// kernel.org, then Debian.
    Auto,
    /// kernel.org or its mirrors.
    KernelOrg,
    /// The upstream archives of Debian's source packages.
    Debian,
    /// A git repository.
    Git {
        /// Address or path of the repository.
        url: String,
        /// Tag, branch or commit; `None` for the tag of the release.
        reference: Option<String>,
    },
    /// An archive.
    Tarball {
        /// Path or address of the archive.
        location: String,
        /// The SHA-256 that the archive must have, 64 lower-case hexadecimal digits.
        sha256: Option<String>,
    },
    /// A local source tree.
    Directory(PathBuf),
}

/// Why the value of `--source` is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The value has none of the forms.
    #[error("{0:?} is not a source")]
    Form(String),
    /// The checksum of a tarball is malformed.
    #[error("{0:?} is not a SHA-256")]
    Checksum(String),
}

impl Explain for ParseError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        Some(match self {
            ParseError::Form(_) => "use auto, kernel.org, debian, git:URL-or-path[#ref], \
                                    tarball:PATH-or-URL[#sha256] or dir:PATH"
                .into(),
            ParseError::Checksum(_) => "write the 64 hexadecimal digits of the checksum after the #".into(),
        })
    }
}

impl FromStr for SourceSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let form = || ParseError::Form(text.to_owned());
        match text {
            "auto" => return Ok(SourceSpec::Auto),
            "kernel.org" => return Ok(SourceSpec::KernelOrg),
            "debian" => return Ok(SourceSpec::Debian),
            _ => {}
        }
        let (kind, rest) = text.split_once(':').ok_or_else(form)?;
        // The last # counts: a path may contain another one.
        let (location, suffix) = match rest.rsplit_once('#') {
            Some((location, suffix)) if kind != "dir" => (location, Some(suffix)),
            _ => (rest, None),
        };
        if location.is_empty() || suffix == Some("") {
            return Err(form());
        }
        match kind {
            "git" => Ok(SourceSpec::Git { url: location.to_owned(), reference: suffix.map(str::to_owned) }),
            "tarball" => {
                let sha256 = suffix.map(checksum).transpose()?;
                Ok(SourceSpec::Tarball { location: location.to_owned(), sha256 })
            }
            "dir" => Ok(SourceSpec::Directory(PathBuf::from(location))),
            _ => Err(form()),
        }
    }
}

fn checksum(text: &str) -> Result<String, ParseError> {
    parse_sha256(text).ok_or_else(|| ParseError::Checksum(text.to_owned()))
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, location, suffix) = match self {
            SourceSpec::Auto => return f.write_str("auto"),
            SourceSpec::KernelOrg => return f.write_str("kernel.org"),
            SourceSpec::Debian => return f.write_str("debian"),
            SourceSpec::Git { url, reference } => ("git", url.clone(), reference),
            SourceSpec::Tarball { location, sha256 } => ("tarball", location.clone(), sha256),
            SourceSpec::Directory(path) => ("dir", path.display().to_string(), &None),
        };
        write!(f, "{kind}:{location}")?;
        suffix.iter().try_for_each(|suffix| write!(f, "#{suffix}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_displayed_as_written() {
        let pin = "a".repeat(64);
        for text in [
            "auto",
            "kernel.org",
            "debian",
            "git:https://example.org/linux.git",
            "git:../linux#v6.1.187",
            "tarball:/tmp/linux-6.1.tar.xz",
            &format!("tarball:https://example.org/linux-6.1.tar.xz#{pin}"),
            "dir:/src/linux",
            "dir:/src/a#b",
        ] {
            assert_eq!(text.parse::<SourceSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_list_of_forms() {
        for text in ["", "kernelorg", "git:", "git:#v6.1", "git:x#", "dir:", "ftp://example.org", "svn:x"] {
            let error = text.parse::<SourceSpec>().unwrap_err();
            assert!(
                matches!(error, ParseError::Form(_)) && error.next_step().unwrap().contains("dir:PATH"),
                "{text}"
            );
        }
        let error = "tarball:x.tar#12".parse::<SourceSpec>().unwrap_err();
        assert!(matches!(error, ParseError::Checksum(_)));
    }

    #[test]
    fn a_checksum_may_be_written_in_capitals() {
        let spec = format!("tarball:x#{}", "AB".repeat(32)).parse::<SourceSpec>().unwrap();
        assert_eq!(spec, SourceSpec::Tarball { location: "x".into(), sha256: Some("ab".repeat(32)) });
    }
}
