//! A series of the user's own: a folder or an mbox.

use std::fs;
use std::path::{Path, PathBuf};

use super::diff::Reading;
use super::{Error, Metadata, PatchFile, Series, mail, resolve, shipped};
use crate::base::options::Lang;
use crate::base::release::Release;
use crate::claims::Claims;
use crate::kernel::series;

pub(super) fn load(path: &Path, release: &Release, lang: Lang) -> Result<Series, Error> {
    let name = name(path)?;
    if path.is_dir() { folder(path, name, release, lang) } else { mailbox(path, name) }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// The last part of the path, in the characters that `uname -r` and package names can carry.
fn name(path: &Path) -> Result<String, Error> {
    let unnameable = || Error::Unnameable { path: path.to_owned() };
    let full = fs::canonicalize(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let last = if full.is_dir() { full.file_name() } else { full.file_stem() };
    let last = last.ok_or_else(unnameable)?.to_string_lossy().to_lowercase();
    let plain = last.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '.'), "-");
    let plain = plain.trim_matches(['-', '.']);
    if plain.is_empty() { Err(unnameable()) } else { Ok(plain.to_owned()) }
}

/// What the folder's `series.toml` claims; nothing where there is none.
pub(super) fn claims(path: &Path) -> Result<Claims, Error> {
    Ok(metadata(path)?.map_or_else(Claims::default, |metadata| metadata.claims))
}

fn metadata(folder: &Path) -> Result<Option<Metadata>, Error> {
    let description = folder.join("series.toml");
    match description.exists() {
        true => Ok(Some(shipped::parse(&read(&description)?, &description)?)),
        false => Ok(None),
    }
}

struct OwnFiles<'p>(&'p Path);

impl series::Files for OwnFiles<'_> {
    fn patch(&self, path: &str) -> Result<PatchFile, Error> {
        let path = self.0.join(path);
        Ok(PatchFile::new(path.display().to_string(), read(&path)?))
    }
}

fn folder(path: &Path, name: String, release: &Release, lang: Lang) -> Result<Series, Error> {
    let quilt = path.join("series");
    match metadata(path)? {
        Some(metadata) if !metadata.lines.is_empty() => {
            resolve(&name, metadata, &OwnFiles(path), release, lang)
        }
        _ if !quilt.exists() => Err(Error::NoSeriesFile { path: path.to_owned() }),
        metadata => {
            let patches = quilt_series(&quilt, path)?;
            Ok(own(name, metadata, patches))
        }
    }
}

fn own(name: String, metadata: Option<Metadata>, patches: Vec<PatchFile>) -> Series {
    let (title, summary, origin, claims) = match metadata {
        Some(metadata) => (metadata.title, metadata.summary, metadata.origin, metadata.claims),
        None => (name.clone(), String::new(), "a series of your own".to_owned(), Claims::default()),
    };
    Series {
        name,
        title,
        summary,
        origin,
        patches,
        switches: Vec::new(),
        unpatched: None,
        compat: Vec::new(),
        claims,
        borrowed_from: None,
    }
}

/// quilt(1): one file a line, then its options; `#` starts a comment.
fn quilt_series(path: &Path, folder: &Path) -> Result<Vec<PatchFile>, Error> {
    let text = read(path)?;
    let text = String::from_utf8_lossy(&text);
    let mut patches = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // A `#` inside a word belongs to the file's name.
        let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
        let Some(file) = words.next() else { continue };
        let reading = quilt_options(words).map_err(|option| Error::QuiltOption {
            path: path.to_owned(),
            line: index + 1,
            option,
        })?;
        let file: PathBuf = folder.join(file);
        patches.push(PatchFile { reading, ..PatchFile::new(file.display().to_string(), read(&file)?) });
    }
    if patches.is_empty() { Err(Error::Empty { path: path.to_owned() }) } else { Ok(patches) }
}

/// `-p0`, `-p1`, `-pab` (quilt's word for `-p1`) and `-R`; anything else is given back.
fn quilt_options<'a>(words: impl Iterator<Item = &'a str>) -> Result<Reading, String> {
    let mut reading = Reading::default();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let strip = match word {
            "-R" => {
                reading.reverse = true;
                continue;
            }
            "-pab" => Some(1),
            "-p" => words.next().and_then(|number| number.parse().ok()),
            _ => word.strip_prefix("-p").and_then(|number| number.parse().ok()),
        };
        reading.strip = strip.ok_or_else(|| word.to_owned())?;
    }
    Ok(reading)
}

fn mailbox(path: &Path, name: String) -> Result<Series, Error> {
    let shown = path.display().to_string();
    let messages =
        mail::patches(&read(path)?).map_err(|source| Error::Mail { path: path.to_owned(), source })?;
    let one = messages.len() == 1;
    let patch = |message: mail::Message| {
        let name = if one { shown.clone() } else { format!("{shown} ({})", message.subject) };
        PatchFile::new(name, message.body)
    };
    Ok(own(name, None, messages.into_iter().map(patch).collect()))
}

#[cfg(test)]
#[path = "user_series_tests.rs"]
mod tests;
