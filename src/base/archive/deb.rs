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
    mut deb: impl Read + Send,
    mut visit: impl FnMut(Part, &mut (dyn Read + Send)) -> Result<(), E>,
) -> Result<(), E> {
    check_magic(&mut deb)?;
    let mut parts = Vec::new();
    let mut has_format = false;
    while let Some(Header { name, bytes }) = next_header(&mut deb)? {
        let mut member = Counting { inner: deb.by_ref().take(bytes), bytes: 0 };
        if !has_format {
            check_format(&name, &mut member)?;
            has_format = true;
        } else if let Some(part) = part(&name) {
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
        // Members start at even offsets.
        io::copy(&mut deb.by_ref().take(bytes % 2), &mut io::sink())?;
    }
    match parts[..] {
        [Part::Control, Part::Data] => Ok(()),
        [Part::Control] => Err(invalid("it has no data.tar").into()),
        _ => Err(invalid("it has no control.tar").into()),
    }
}

/// The header of a member.
struct Header {
    name: String,
    bytes: u64,
}

fn check_magic(deb: &mut impl Read) -> io::Result<()> {
    let mut magic = [0; 8];
    let is_whole = read_whole(deb, &mut magic)? == magic.len();
    match is_whole && magic == *b"!<arch>\n" {
        true => Ok(()),
        false => Err(invalid("it is not an ar archive")),
    }
}

/// The next header; `None` at the end. Long names, which need a table of names, are no part of the format, and a library
/// that understands them trusts the table.
fn next_header(deb: &mut impl Read) -> io::Result<Option<Header>> {
    let mut header = [0; 60];
    match read_whole(deb, &mut header)? {
        0 => return Ok(None),
        60 if header.ends_with(b"`\n") => {}
        _ => return Err(invalid("the header of a member is damaged")),
    }
    let text = |range: std::ops::Range<usize>| String::from_utf8_lossy(&header[range]).trim_end().to_owned();
    let name = text(0..16);
    let bytes = text(48..58).parse().map_err(|_| invalid(&format!("the size of {name} is no number")))?;
    match name.starts_with('/') || name.starts_with("#1/") {
        true => Err(invalid("a member has a long name")),
        false => Ok(Some(Header { name: name.trim_end_matches('/').to_owned(), bytes })),
    }
}

/// Fills the buffer, as far as there are bytes.
fn read_whole(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match from.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
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
        let of_table =
            [b"!<arch>\n/666666666666666", " ".repeat(32).as_bytes(), b"4         `\n2.0\n"].concat();
        assert!(parts(&of_table).unwrap_err().to_string().contains("long name"));
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
