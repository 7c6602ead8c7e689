//! `SHA256SUMS`, as sha256sum(1) of coreutils writes and checks it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// SHA-256 by file name, sorted. All files are in one directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(BTreeMap<String, String>);

impl Sums {
    /// Adds the file name of `path`. Package names are ASCII without white space, so none needs
    /// sha256sum's escapes.
    pub(super) fn add(&mut self, path: &Path, sha256: &str) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.0.insert(name.into_owned(), sha256.to_owned());
    }

    /// Name and SHA-256 of each file, sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, sha256)| (name.as_str(), sha256.as_str()))
    }

    /// The SHA-256 of one file.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Reads exactly the text that [`Sums`] writes. Text that differs by one byte is refused, and so is a name
    /// that leaves the directory. `Err` is the number of the first bad line, from 1.
    pub(super) fn parse(text: &[u8]) -> Result<Sums, usize> {
        let text = std::str::from_utf8(text).map_err(|_| 1usize)?;
        let mut sums = Sums::default();
        for (index, line) in text.lines().enumerate() {
            let (sha256, name) = line.split_once("  ").ok_or(index + 1)?;
            let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let good = sha256.len() == 64 && sha256.bytes().all(hexadecimal);
            let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\']);
            if !good || !plain {
                return Err(index + 1);
            }
            sums.0.insert(name.to_owned(), sha256.to_owned());
        }
        match sums.to_string() == text {
            true => Ok(sums),
            // Out of order, a duplicate name, or a last line without its end.
            false => Err(text.lines().zip(sums.to_string().lines()).take_while(|(a, b)| a == b).count() + 1),
        }
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, sha256)| writeln!(f, "{sha256}  {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Sums {
        let mut sums = Sums::default();
        sums.add(Path::new("dist/b.rpm"), &"b".repeat(64));
        sums.add(Path::new("dist/a.deb"), &"0".repeat(64));
        sums
    }

    #[test]
    fn what_is_written_is_read_back_sorted() {
        let text = two().to_string();
        assert!(text.starts_with(&format!("{}  a.deb\n", "0".repeat(64))), "{text}");
        assert_eq!(Sums::parse(text.as_bytes()), Ok(two()));
    }

    #[test]
    fn other_forms_of_the_same_sums_are_refused() {
        let text = two().to_string();
        let lines: Vec<&str> = text.lines().collect();
        for changed in [
            text.replace("  a", " *a"),
            text.replace('b', "B"),
            text.trim_end().to_owned(),
            format!("{}\n{}\n", lines[1], lines[0]),
            format!("{text}{}\n", lines[1]),
            text.replace("a.deb", "../a.deb"),
            format!("{text}\n"),
            text.replace('\n', "\r\n"),
        ] {
            assert!(Sums::parse(changed.as_bytes()).is_err(), "{changed}");
        }
    }
}
