//! Reads a `.deb` (deb(5)): an `ar` archive of `debian-binary`, `control.tar` and `data.tar`, in this order.

use std::io::{self, Read};

/// An archive within a `.deb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `control.tar`: the control file and the maintainer scripts.
    Control,
    /// `data.tar`: the files of the package.
    Data,
}

/// Reads a package to its end and calls `visit` with each part, compressed.
///
/// `visit` need not read its part to the end.
///
/// # Errors
/// The package is not a complete `.deb` of version 2 with exactly one part of each kind, or `visit` fails.
pub(crate) fn read<E: From<io::Error>>(
    deb: impl Read + Send,
    mut visit: impl FnMut(Part, &mut (dyn Read + Send)) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = ar::Archive::new(deb);
    let mut parts = Vec::new();
    let mut has_format = false;
    while let Some(member) = archive.next_entry() {
        let member = member?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        let name = name.trim_end_matches('/');
        let bytes = member.header().size();
        let mut member = Counting { inner: member, bytes: 0 };
        if !has_format {
            check_format(name, &mut member)?;
            has_format = true;
        } else if let Some(part) = part(name) {
            if parts.contains(&part) || parts.contains(&Part::Data) {
                return Err(invalid(&format!("{name} is in the wrong place")).into());
            }
            parts.push(part);
            visit(part, &mut member)?;
        }
        io::copy(&mut member, &mut io::sink())?;
        if member.bytes != bytes {
            return Err(invalid(&format!("{name} is truncated")).into());
        }
    }
    match parts[..] {
        [Part::Control, Part::Data] => Ok(()),
        [Part::Control] => Err(invalid("it has no data.tar").into()),
        _ => Err(invalid("it has no control.tar").into()),
    }
}

/// Returns the part that the member `name` contains; `None` for an extension of the format.
fn part(name: &str) -> Option<Part> {
    if name.starts_with("control.tar") {
        Some(Part::Control)
    } else if name.starts_with("data.tar") {
        Some(Part::Data)
    } else {
        None
    }
}

fn check_format(name: &str, member: &mut impl Read) -> io::Result<()> {
    let mut version = Vec::new();
    member.take(16).read_to_end(&mut version)?;
    match name == "debian-binary" && version.starts_with(b"2.") {
        true => Ok(()),
        false => Err(invalid("it does not begin with a debian-binary of version 2")),
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Counts the bytes that were read.
struct Counting<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ar(members: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = ar::Builder::new(Vec::new());
        for (name, content) in members {
            let header = ar::Header::new(name.as_bytes().to_vec(), content.len() as u64);
            archive.append(&header, content.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn parts(deb: &[u8]) -> io::Result<Vec<(Part, String)>> {
        let mut parts = Vec::new();
        read::<io::Error>(deb, |part, content| {
            let mut text = String::new();
            content.read_to_string(&mut text)?;
            parts.push((part, text));
            Ok(())
        })?;
        Ok(parts)
    }

    const FORMAT: (&str, &str) = ("debian-binary", "2.0\n");
    const CONTROL: (&str, &str) = ("control.tar.xz", "control");
    const DATA: (&str, &str) = ("data.tar", "data, of odd length");

    #[test]
    fn both_parts_are_found_between_extensions() {
        let deb = ar(&[FORMAT, ("_signature", "x"), CONTROL, DATA, ("other", "y")]);
        let expected = [(Part::Control, CONTROL.1.to_owned()), (Part::Data, DATA.1.to_owned())];
        assert_eq!(parts(&deb).unwrap(), expected);
        let mut visited = 0;
        let count = |_: Part, _: &mut (dyn Read + Send)| -> io::Result<()> {
            visited += 1;
            Ok(())
        };
        read(&deb[..], count).unwrap();
        assert_eq!(visited, 2, "unread parts are skipped");
    }

    #[test]
    fn malformed_packages_are_refused() {
        for (members, reason) in [
            (&[CONTROL, DATA][..], "debian-binary"),
            (&[("debian-binary", "3.0\n"), CONTROL, DATA], "debian-binary"),
            (&[FORMAT, DATA], "no control.tar"),
            (&[FORMAT, CONTROL], "no data.tar"),
            (&[FORMAT, DATA, CONTROL], "wrong place"),
            (&[FORMAT, CONTROL, DATA, DATA], "wrong place"),
        ] {
            let error = parts(&ar(members)).unwrap_err().to_string();
            assert!(error.contains(reason), "{members:?}: {error}");
        }
        for deb in [&b""[..], b"no archive", b"!<arch>\n"] {
            assert!(parts(deb).is_err(), "{deb:?}");
        }
    }

    #[test]
    fn a_truncated_package_is_refused_wherever_it_was_cut() {
        let deb = ar(&[FORMAT, CONTROL, DATA]);
        // The last byte pads the last member to an even length.
        for length in 0..deb.len() - 1 {
            assert!(parts(&deb[..length]).is_err(), "{length}");
        }
    }
}
