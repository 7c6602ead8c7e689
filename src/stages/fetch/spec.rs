//! What `--source` may say.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// `--source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// kernel.org, then Debian.
    Auto,
    KernelOrg,
    Debian,
    /// A repository by address or path, and a tag, branch or commit instead of the release's tag.
    Git {
        url: String,
        reference: Option<String>,
    },
    /// An archive by path or address, and the SHA-256 that it must have.
    Tarball {
        location: String,
        sha256: Option<String>,
    },
    /// A tree of the user's own.
    Directory(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error(
        "{0:?} is not a source; write auto, kernel.org, debian, git:URL-or-path[#ref], \
         tarball:PATH-or-URL[#sha256] or dir:PATH"
    )]
    Form(String),
    #[error("{0:?} is not a SHA-256: 64 hexadecimal digits are expected after the #")]
    Checksum(String),
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
        // The last one: a path may hold a # of its own as long as a suffix follows.
        let (place, suffix) = match rest.rsplit_once('#') {
            Some((place, suffix)) if kind != "dir" => (place, Some(suffix)),
            _ => (rest, None),
        };
        if place.is_empty() || suffix == Some("") {
            return Err(form());
        }
        match kind {
            "git" => Ok(SourceSpec::Git { url: place.to_owned(), reference: suffix.map(str::to_owned) }),
            "tarball" => {
                let sha256 = suffix.map(checksum).transpose()?;
                Ok(SourceSpec::Tarball { location: place.to_owned(), sha256 })
            }
            "dir" => Ok(SourceSpec::Directory(PathBuf::from(place))),
            _ => Err(form()),
        }
    }
}

fn checksum(text: &str) -> Result<String, ParseError> {
    let valid = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if valid { Ok(text.to_ascii_lowercase()) } else { Err(ParseError::Checksum(text.to_owned())) }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, place, suffix) = match self {
            SourceSpec::Auto => return f.write_str("auto"),
            SourceSpec::KernelOrg => return f.write_str("kernel.org"),
            SourceSpec::Debian => return f.write_str("debian"),
            SourceSpec::Git { url, reference } => ("git", url.clone(), reference),
            SourceSpec::Tarball { location, sha256 } => ("tarball", location.clone(), sha256),
            SourceSpec::Directory(path) => ("dir", path.display().to_string(), &None),
        };
        write!(f, "{kind}:{place}")?;
        suffix.iter().try_for_each(|suffix| write!(f, "#{suffix}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_it_was_written() {
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
            assert!(matches!(error, ParseError::Form(_)) && error.to_string().contains("dir:PATH"), "{text}");
        }
        let error = "tarball:x.tar#12".parse::<SourceSpec>().unwrap_err();
        assert!(matches!(error, ParseError::Checksum(_)));
    }

    #[test]
    fn a_pin_may_be_written_in_capitals() {
        let spec = format!("tarball:x#{}", "AB".repeat(32)).parse::<SourceSpec>().unwrap();
        assert_eq!(spec, SourceSpec::Tarball { location: "x".into(), sha256: Some("ab".repeat(32)) });
    }
}
