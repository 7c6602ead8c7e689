//! The control file of a `.deb` (deb(5), deb-control(5)).

use std::io::{self, Read};
use std::path::Path;

use deb822_fast::Paragraph;

use crate::base::archive::deb::{self, Part};
use crate::base::archive::decompress::decompress;
use crate::base::archive::path::relative;

/// Longest control archive in bytes: that of a headers package, with checksums of all files, is less than a tenth.
const LONGEST_ARCHIVE: u64 = 64 << 20;
/// Longest control file in bytes.
const LONGEST_CONTROL: u64 = 1 << 20;

/// The fields that an index adds to a paragraph.
const OF_THE_INDEX: [&str; 3] = ["Filename", "Size", "SHA256"];

/// Reads a package to its end and returns its control file, without surrounding empty lines.
pub(super) fn read(deb: impl Read + Send) -> io::Result<String> {
    let mut control = None;
    deb::read(deb, |part, packed| -> io::Result<()> {
        if part == Part::Control {
            control = Some(from_tar(decompress(packed)?)?);
        }
        Ok(())
    })?;
    Ok(control.expect("every package has a control.tar"))
}

fn from_tar(plain: impl Read) -> io::Result<String> {
    let mut archive = tar::Archive::new(plain.take(LONGEST_ARCHIVE));
    for entry in archive.entries()? {
        let entry = entry?;
        if relative(&entry.path_bytes()).is_ok_and(|path| path == Path::new("control")) {
            let mut text = String::new();
            entry.take(LONGEST_CONTROL).read_to_string(&mut text)?;
            return Ok(text.trim_matches('\n').to_owned());
        }
    }
    Err(invalid("its control.tar has no control file"))
}

/// Parses a control file that may become a paragraph of an index.
pub(super) fn parse(control: &str) -> io::Result<Paragraph> {
    let paragraph: Paragraph =
        control.parse().map_err(|error| invalid(&format!("its control file: {error}")))?;
    // A reader of the index would treat the text after an empty line as another paragraph, and a field with the
    // name of an index field as part of the index.
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
