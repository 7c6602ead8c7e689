//! The user's series: a directory or an mbox.

use std::cell::Cell;
use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::description::{self, Metadata};
use super::diff::Reading;
use super::error::Error;
use super::mail;
use super::resolved::{PatchFile, PatchSource, Series, resolve};
use crate::base::archive::decompress::decompress;
use crate::base::files;
use crate::base::options::Lang;
use crate::base::release::Release;
use crate::claims::Claims;

/// Limits of all files of a series together. A byte takes up to eight bytes of memory until it is applied, and a line
/// about a hundred more.
const MOST_BYTES: u64 = 36 << 20;
const MOST_LINES: usize = 1_000_000;
/// A file takes about a kilobyte, and so does one that the series before touched. Linux 7.2 has 95,000 files.
const MOST_FILES: usize = 100_000;

/// Reads the files of one series.
struct PatchReader {
    /// Bytes, lines and files that the series may still have.
    bytes: Cell<u64>,
    lines: Cell<usize>,
    files: Cell<usize>,
}

impl PatchReader {
    fn new() -> PatchReader {
        PatchReader {
            bytes: Cell::new(MOST_BYTES),
            lines: Cell::new(MOST_LINES),
            files: Cell::new(MOST_FILES),
        }
    }

    /// Reads a file, which may be compressed with xz, gzip or zstd.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        let unreadable = |source| files::at("decompress", path, source);
        let plain = decompress(fs::File::open(path)?).map_err(unreadable)?;
        plain.take(self.bytes.get() + 1).read_to_end(&mut content).map_err(unreadable)?;
        let too_large = || Error::LargeSeries {
            path: path.to_owned(),
            bytes: MOST_BYTES,
            lines: MOST_LINES,
            files: MOST_FILES,
        };
        let lines = content.iter().filter(|byte| **byte == b'\n').count();
        self.bytes.set(self.bytes.get().checked_sub(content.len() as u64).ok_or_else(too_large)?);
        self.lines.set(self.lines.get().checked_sub(lines).ok_or_else(too_large)?);
        self.files.set(self.files.get().checked_sub(files_in(&content)).ok_or_else(too_large)?);
        Ok(content)
    }

    /// Reads the file of one patch, which may be a mail. Returns `None` if the file is empty.
    fn patch(&self, path: &Path) -> Result<Option<PatchFile>, Error> {
        let content = self.read(path)?;
        if content.is_empty() {
            return Ok(None);
        }
        let content =
            mail::patch_in_file(&content).map_err(|source| Error::Mail { path: path.to_owned(), source })?;
        Ok(Some(PatchFile::new(path.display().to_string(), content)))
    }
}

/// Roughly the number of files that a patch changes: git writes `diff --git` for each, other programs `+++`.
fn files_in(patch: &[u8]) -> usize {
    let starting =
        |mark: &[u8]| patch.split(|byte| *byte == b'\n').filter(|line| line.starts_with(mark)).count();
    starting(b"diff --git ").max(starting(b"+++ "))
}

/// The series at `path` for one release, without build fixes.
pub(super) fn load(path: &Path, release: &Release, lang: Lang) -> Result<Series, Error> {
    let name = name(path)?;
    if path.is_dir() { directory(path, name, release, lang) } else { mailbox(path, name) }
}

/// The last component of the path, in the characters that `uname -r` and package names allow.
fn name(path: &Path) -> Result<String, Error> {
    let unnameable = || Error::Unnameable { path: path.to_owned() };
    let full = fs::canonicalize(path)?;
    let last = if full.is_dir() { full.file_name() } else { full.file_stem() };
    let last = last.ok_or_else(unnameable)?.to_string_lossy().to_lowercase();
    let plain = last.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '.'), "-");
    let plain = plain.trim_matches(['-', '.']);
    if plain.is_empty() { Err(unnameable()) } else { Ok(plain.to_owned()) }
}

/// The claims in the `series.toml` of the directory; none without that file.
pub(super) fn claims(path: &Path) -> Result<Claims, Error> {
    Ok(metadata(path)?.map_or_else(Claims::default, |metadata| metadata.claims))
}

fn metadata(dir: &Path) -> Result<Option<Metadata>, Error> {
    let path = dir.join(description::FILE_NAME);
    match path.exists() {
        true => Ok(Some(description::parse(&files::read(&path, files::LONGEST_SETTINGS)?, &path)?)),
        false => Ok(None),
    }
}

/// The directory of a `series.toml`.
struct UserPatches<'p> {
    dir: &'p Path,
    reader: PatchReader,
}

impl PatchSource for UserPatches<'_> {
    fn patch(&self, path: &str) -> Result<PatchFile, Error> {
        let path = self.dir.join(path);
        self.reader.patch(&path)?.ok_or(Error::Empty { path })
    }
}

fn directory(path: &Path, name: String, release: &Release, lang: Lang) -> Result<Series, Error> {
    let quilt = path.join("series");
    match metadata(path)? {
        Some(metadata) if !metadata.lines.is_empty() => {
            resolve(&name, metadata, &UserPatches { dir: path, reader: PatchReader::new() }, release, lang)
        }
        _ if !quilt.exists() => Err(Error::NoSeriesFile { path: path.to_owned() }),
        metadata => {
            let (patches, notes) = quilt_series(&quilt, path)?;
            Ok(Series { notes, ..series(name, metadata, patches) })
        }
    }
}

/// A series without release lines: its patches are for every release.
fn series(name: String, metadata: Option<Metadata>, patches: Vec<PatchFile>) -> Series {
    let (title, summary, origin, claims) = match metadata {
        Some(metadata) => (metadata.title, metadata.summary, metadata.origin, metadata.claims),
        None => (name.clone(), String::new(), "your own series".to_owned(), Claims::default()),
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
        notes: Vec::new(),
    }
}

/// Reads a series file of quilt(1): one patch per line, followed by its options; `#` starts a comment.
fn quilt_series(path: &Path, dir: &Path) -> Result<(Vec<PatchFile>, Vec<String>), Error> {
    let text = files::read(path, files::LONGEST_SETTINGS)?;
    let text = String::from_utf8_lossy(&text);
    let (mut patches, mut notes) = (Vec::new(), Vec::new());
    let reader = PatchReader::new();
    for (index, line) in text.lines().enumerate() {
        // A `#` inside a word is part of the file name.
        let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
        let Some(file) = words.next() else { continue };
        let reading = quilt_options(words).map_err(|option| Error::QuiltOption {
            path: path.to_owned(),
            line: index + 1,
            option,
        })?;
        let file: PathBuf = dir.join(file);
        match reader.patch(&file)? {
            Some(patch) => patches.push(PatchFile { reading, ..patch }),
            // quilt-new(1) creates one.
            None => notes.push(format!("{} is empty and is skipped", file.display())),
        }
    }
    match patches.is_empty() {
        true => Err(Error::Empty { path: path.to_owned() }),
        false => Ok((patches, notes)),
    }
}

/// Reads `-p0`, `-p1`, `-pab` (a synonym of `-p1`) and `-R`; fails with the first other option.
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
    let content = PatchReader::new().read(path)?;
    let messages = mail::patches(&content).map_err(|source| Error::Mail { path: path.to_owned(), source })?;
    let is_single = messages.len() == 1;
    let patch = |message: mail::Message| {
        let name = if is_single { shown.clone() } else { format!("{shown} ({})", message.subject) };
        PatchFile::new(name, message.body)
    };
    Ok(series(name, None, messages.into_iter().map(patch).collect()))
}

#[cfg(test)]
#[path = "user_series_tests.rs"]
mod tests;
