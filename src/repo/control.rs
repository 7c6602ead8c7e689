//! The control file of a `.deb` (deb(5), deb-control(5)).

use std::io::{self, Cursor, Read};
use std::path::{Component, Path};

use deb822_fast::Paragraph;

use crate::base::archive::decompress::decompress;

/// Checksums of the files of a package with headers, packed, have less than a tenth of that.
const LONGEST_ARCHIVE: u64 = 64 << 20;
const LONGEST_CONTROL: u64 = 1 << 20;

/// What an index adds to a paragraph.
const OF_THE_INDEX: [&str; 3] = ["Filename", "Size", "SHA256"];

/// Reads a package to its end and returns its control file, without empty lines around it.
pub fn read(deb: impl Read) -> io::Result<String> {
    let mut outer = ar::Archive::new(deb);
    let (mut format, mut control, mut data) = (false, None, false);
    while let Some(member) = outer.next_entry() {
        let mut member = member?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        let name = name.trim_end_matches('/');
        let bytes = member.header().size();
        let read = match name {
            "debian-binary" => {
                let mut version = String::new();
                let read = member.by_ref().take(16).read_to_string(&mut version)? as u64;
                format = version.starts_with("2.");
                read
            }
            _ if !format => return Err(invalid("it does not begin with a debian-binary of version 2")),
            _ if name.starts_with("control.tar") && control.is_none() => {
                let mut packed = Vec::new();
                let read = member.by_ref().take(LONGEST_ARCHIVE).read_to_end(&mut packed)? as u64;
                control = Some(from_tar(packed)?);
                read
            }
            _ => {
                data |= name.starts_with("data.tar");
                io::copy(&mut member, &mut io::sink())?
            }
        };
        if read != bytes {
            return Err(invalid(&format!("its {name} is cut short or too long")));
        }
    }
    if !data {
        return Err(invalid("it has no data.tar"));
    }
    control.ok_or_else(|| invalid("it has no control.tar"))
}

fn from_tar(packed: Vec<u8>) -> io::Result<String> {
    let plain = decompress(Cursor::new(packed))?.take(LONGEST_ARCHIVE);
    let mut archive = tar::Archive::new(plain);
    for entry in archive.entries()? {
        let entry = entry?;
        let is_control = {
            let path = entry.path()?;
            let parts = path.components().filter(|part| *part != Component::CurDir);
            parts.collect::<std::path::PathBuf>() == Path::new("control")
        };
        if is_control {
            let mut text = String::new();
            entry.take(LONGEST_CONTROL).read_to_string(&mut text)?;
            return Ok(text.trim_matches('\n').to_owned());
        }
    }
    Err(invalid("its control.tar has no control file"))
}

/// The fields of a control file that may become a paragraph of an index.
pub fn parse(control: &str) -> io::Result<Paragraph> {
    let paragraph: Paragraph =
        control.parse().map_err(|error| invalid(&format!("its control file: {error}")))?;
    // What follows an empty line or has the name of a field that the index adds would be taken for the
    // index's.
    if control.lines().any(|line| line.trim().is_empty()) {
        return Err(invalid("its control file has an empty line"));
    }
    match OF_THE_INDEX.iter().find(|name| paragraph.get(name).is_some()) {
        Some(name) => Err(invalid(&format!("its control file has a field {name}"))),
        None => Ok(paragraph),
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_cannot_add_to_the_index() {
        let good = "Package: a\nVersion: 1\nDescription: x\n more\n .\n of it";
        assert_eq!(parse(good).unwrap().get("Version"), Some("1"));
        for bad in [
            "Package: a\n\nPackage: b",
            "Package: a\n \t\nPackage: b",
            "Package: a\nFilename: ../x",
            "Package: a\nsha256: 00",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
