//! The parser of unified diffs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::binary::{self, BinaryPatch};
use super::error::{Error, Problem};
use super::file_diff::{Change, FileDiff, Hunk, HunkLine, Mode, Reading, Side};
use super::text::{displayed, trimmed};
use crate::kernel::series::names;

/// Parses a patch into the parts of its files, in their order. Text around them (a mail header, a commit
/// message, a diffstat, a signature) is skipped, but nothing that could be a part of a diff.
///
/// # Errors
/// The first line that makes the patch unreadable, with the reason.
pub fn parse(patch: &[u8], reading: Reading) -> Result<Vec<FileDiff>, Error> {
    let lines = patch.split_inclusive(|&byte| byte == b'\n').collect();
    let mut parser = Parser { lines, at: 0, strip: reading.strip, commit: 0 };
    let mut files = parser.files()?;
    if files.is_empty() {
        return Err(Error { line: 1, problem: Problem::NoDiff });
    }
    if reading.reverse {
        files = files.iter().rev().map(FileDiff::reversed).collect();
    }
    Ok(files)
}

struct Parser<'a> {
    lines: Vec<&'a [u8]>,
    at: usize,
    strip: usize,
    commit: usize,
}

/// The lines that git writes between `diff --git` and the hunks.
#[derive(Default)]
struct GitHeader {
    old_mode: Option<Mode>,
    new_mode: Option<Mode>,
    /// The hashes of the `index` line.
    hashes: Option<(String, String)>,
    created: bool,
    deleted: bool,
    rename: (Option<PathBuf>, Option<PathBuf>),
    copy: (Option<PathBuf>, Option<PathBuf>),
}

impl<'a> Parser<'a> {
    fn files(&mut self) -> Result<Vec<FileDiff>, Error> {
        let mut files = Vec::new();
        let mut message_end = self.message_end(0);
        while let Some(line) = self.peek(0) {
            if !files.is_empty() && starts_message(line) {
                message_end = self.message_end(self.at);
                self.commit += 1;
            }
            if self.at < message_end {
                self.at += 1;
            } else if line.starts_with(b"diff --git ") && self.at_git_header() {
                files.push(self.git_file()?);
            } else if self.at_file_names() {
                files.push(self.plain_file()?);
            } else if let Some(problem) = self.lost_part(!files.is_empty()) {
                return Err(self.error(problem));
            } else {
                self.at += 1;
            }
        }
        Ok(files)
    }

    /// The line with the `---` that ends the commit message at line `start`; `start` if no line is certain to be part
    /// of a message. A message may contain any text, even a quoted diff.
    fn message_end(&self, start: usize) -> usize {
        for at in start..self.lines.len() {
            let line = self.lines[at];
            if trimmed(line) == b"---" {
                return at;
            }
            // A message may quote a hunk; one below the name of its file has lost the other name.
            if line.starts_with(b"+++ ") && self.is_hunk_at(at + 1) {
                return start;
            }
            let names = line.starts_with(b"--- ")
                && self.lines.get(at + 1).is_some_and(|next| next.starts_with(b"+++ "));
            if names || line.starts_with(b"diff -") || line.starts_with(b"Index: ") {
                return start;
            }
        }
        start
    }

    /// What this line, which is outside of every file and message, has lost. `in_diff`: a file came before.
    fn lost_part(&self, in_diff: bool) -> Option<Problem> {
        let line = self.peek(0)?;
        let starts = |ahead, with: &[u8]| self.peek(ahead).is_some_and(|line| line.starts_with(with));
        let found = || displayed(line);
        if line.starts_with(b"@@ -") && (in_diff || ranges(line).is_some()) {
            Some(Problem::Orphan)
        } else if line.starts_with(b"diff --cc ")
            || line.starts_with(b"diff --combined ")
            || line.starts_with(b"@@@ -")
        {
            Some(Problem::Format { format: "combined diff", found: found() })
        } else if line.starts_with(b"*** ") && starts(1, b"--- ") && starts(2, b"***************") {
            Some(Problem::Format { format: "context diff", found: found() })
        } else if in_diff && line.starts_with(b"diff --git ") {
            Some(Problem::NoChange { found: found() })
        } else if is_binary_marker(line) && (in_diff || starts(1, b"literal ") || starts(1, b"delta ")) {
            Some(Problem::Binary { path: found() })
        } else {
            None
        }
    }

    /// Whether a hunk begins at line `at`.
    fn is_hunk_at(&self, at: usize) -> bool {
        self.lines.get(at).is_some_and(|line| line.starts_with(b"@@ -") && ranges(line).is_some())
    }

    fn peek(&self, ahead: usize) -> Option<&'a [u8]> {
        self.lines.get(self.at + ahead).copied()
    }

    fn error(&self, problem: Problem) -> Error {
        Error { line: self.at + 1, problem }
    }

    /// Whether the next two lines name a file, which is the same in every dialect.
    fn at_file_names(&self) -> bool {
        let starts = |ahead, with: &[u8]| self.peek(ahead).is_some_and(|line| line.starts_with(with));
        starts(0, b"--- ") && starts(1, b"+++ ")
    }

    /// Whether a line of git's header follows the `diff --git` line: in a commit message, none does.
    fn at_git_header(&self) -> bool {
        const WORDS: [&str; 11] = [
            "old mode ",
            "new mode ",
            "new file mode ",
            "deleted file mode ",
            "rename ",
            "copy ",
            "index ",
            "similarity index ",
            "dissimilarity index ",
            "--- ",
            "GIT binary patch",
        ];
        let next = self.peek(1).unwrap_or_default();
        WORDS.iter().any(|word| next.starts_with(word.as_bytes())) || is_binary_marker(next)
    }

    fn plain_file(&mut self) -> Result<FileDiff, Error> {
        let line = self.at + 1;
        let (old, new) = self.file_header()?;
        let hunks = self.hunks_of(line)?;
        let change = match (old, new) {
            (None, Some(path)) => Change::Create(path),
            (Some(path), None) => Change::Delete(path),
            (Some(old), Some(new)) => match &hunks[..] {
                [hunk] if hunk.old_start == 0 && hunk.old_lines().next().is_none() => {
                    Change::Fill(names::common(old, new))
                }
                _ => Change::Modify(names::common(old, new)),
            },
            (None, None) => {
                return Err(Error { line, problem: Problem::FileName { found: "/dev/null".into() } });
            }
        };
        let file = FileDiff {
            line,
            commit: self.commit,
            change,
            old_mode: None,
            new_mode: None,
            hunks,
            binary: None,
        };
        check_lengths(file)
    }

    /// Reads `---` and `+++`; `None` for a file that does not exist.
    fn file_header(&mut self) -> Result<(Option<PathBuf>, Option<PathBuf>), Error> {
        let old = self.header_name(b"--- ")?;
        let new = self.header_name(b"+++ ")?;
        Ok((old, new))
    }

    fn header_name(&mut self, prefix: &[u8]) -> Result<Option<PathBuf>, Error> {
        let line = self.peek(0).unwrap_or_default();
        let rest = trimmed(line).strip_prefix(prefix).ok_or_else(|| self.file_name_error(line))?;
        let (name, stamp) = names::header(rest).ok_or_else(|| self.file_name_error(line))?;
        let path = if name == b"/dev/null" || names::is_epoch(stamp) {
            // GNU diff -N gives a missing file the first second of 1970.
            None
        } else {
            Some(self.tree_path(&name, self.strip)?)
        };
        self.at += 1;
        Ok(path)
    }

    fn file_name_error(&self, line: &[u8]) -> Error {
        self.error(Problem::FileName { found: displayed(line) })
    }

    fn tree_path(&self, name: &[u8], strip: usize) -> Result<PathBuf, Error> {
        match names::stripped(name, strip) {
            Ok(path) => Ok(PathBuf::from(OsString::from_vec(path))),
            Err(why) => Err(self.error(Problem::OutsideTree { path: displayed(name), why })),
        }
    }

    fn git_file(&mut self) -> Result<FileDiff, Error> {
        let line = self.at + 1;
        let command = trimmed(self.lines[self.at]);
        self.at += 1;
        let header = self.git_header()?;
        let binary = self.binary(&header)?;
        let (names, hunks) = match self.at_file_names() {
            true if binary.is_none() => {
                let line = self.at + 1;
                (Some(self.file_header()?), self.hunks_of(line)?)
            }
            _ if binary.is_some() => (None, Vec::new()),
            _ if header.changes_a_file() => (None, Vec::new()),
            _ => return Err(Error { line, problem: Problem::NoChange { found: displayed(command) } }),
        };
        let (old_mode, new_mode) = (header.old_mode, header.new_mode);
        if let (Some(old), Some(new)) = (old_mode, new_mode)
            && (old == Mode::Link) != (new == Mode::Link)
        {
            return Err(Error { line, problem: Problem::OtherKind });
        }
        let change = self.git_change(header, names, command, line)?;
        check_lengths(FileDiff { line, commit: self.commit, change, old_mode, new_mode, hunks, binary })
    }

    /// Reads a binary patch, if one is here. Its second direction is optional.
    fn binary(&mut self, header: &GitHeader) -> Result<Option<BinaryPatch>, Error> {
        if self.peek(0).is_none_or(|line| trimmed(line) != BINARY) {
            return Ok(None);
        }
        let path = self.command_before();
        let is_full = |hash: &str| matches!(hash.len(), 40 | 64);
        let hashes = header.hashes.clone().filter(|(old, new)| is_full(old) && old.len() == new.len());
        let (old, new) = hashes.ok_or_else(|| self.error(Problem::BinaryIndex { path: path.clone() }))?;
        self.at += 1;
        let mut fragments = [None, None];
        for fragment in &mut fragments {
            if !self.peek(0).is_some_and(|line| line.starts_with(b"literal ") || line.starts_with(b"delta "))
            {
                break;
            }
            let (found, lines) = binary::fragment(&self.lines[self.at..])
                .ok_or_else(|| self.error(Problem::BinaryData { path: path.clone() }))?;
            *fragment = Some(found);
            self.at += lines;
        }
        let [forward, reverse] = fragments;
        match forward.is_some() {
            true => Ok(Some(BinaryPatch { old, new, forward, reverse })),
            false => Err(self.error(Problem::BinaryData { path })),
        }
    }

    /// The change by git's header and by the names before the hunks, if there are hunks.
    fn git_change(
        &self,
        header: GitHeader,
        names: Option<(Option<PathBuf>, Option<PathBuf>)>,
        command: &[u8],
        line: usize,
    ) -> Result<Change, Error> {
        let (is_new, is_gone) =
            names.as_ref().map_or((false, false), |(old, new)| (old.is_none(), new.is_none()));
        let (old, new) = names.unwrap_or_default();
        // A name that differs from git's header is damaged, as for git.
        let same = |name: &Option<PathBuf>, path: &Path| match name {
            Some(name) if name != path => {
                let problem =
                    Problem::OtherName { found: displayed(command), name: name.display().to_string() };
                Err(Error { line, problem })
            }
            _ => Ok(()),
        };
        let (created, deleted) = match header {
            GitHeader { rename: (Some(from), Some(to)), .. } => {
                same(&old, &from).and(same(&new, &to))?;
                return Ok(Change::Rename { from, to });
            }
            GitHeader { copy: (Some(from), Some(to)), .. } => {
                same(&old, &from).and(same(&new, &to))?;
                return Ok(Change::Copy { from, to });
            }
            GitHeader { created, deleted, .. } => (created, deleted),
        };
        let in_command = self.command_path(command, line);
        if let Ok(path) = &in_command {
            same(&old, path).and(same(&new, path))?;
        }
        let path = match new.or(old) {
            Some(path) => path,
            None => in_command?,
        };
        Ok(match (created || is_new, deleted || is_gone) {
            (true, _) => Change::Create(path),
            (_, true) => Change::Delete(path),
            _ => Change::Modify(path),
        })
    }

    /// The name in the `diff --git` line at `line`; without hunks it is the only one.
    fn command_path(&self, command: &[u8], line: usize) -> Result<PathBuf, Error> {
        let name = names::of_git_command(&command[b"diff --git ".len()..], self.strip)
            .ok_or_else(|| Error { line, problem: Problem::FileName { found: displayed(command) } })?;
        self.tree_path(&name, 0).map_err(|error| Error { line, ..error })
    }

    fn git_header(&mut self) -> Result<GitHeader, Error> {
        let mut header = GitHeader::default();
        while let Some(whole) = self.peek(0) {
            let line = trimmed(whole);
            let is = |word: &str| line.strip_prefix(word.as_bytes());
            if let Some(mode) = is("old mode ") {
                header.old_mode = Some(self.mode(mode)?);
            } else if let Some(mode) = is("new mode ") {
                header.new_mode = Some(self.mode(mode)?);
            } else if let Some(mode) = is("new file mode ") {
                header.created = true;
                header.new_mode = Some(self.mode(mode)?);
            } else if let Some(mode) = is("deleted file mode ") {
                header.deleted = true;
                header.old_mode = Some(self.mode(mode)?);
            } else if let Some(name) = is("rename from ") {
                header.rename.0 = Some(self.extended_name(name)?);
            } else if let Some(name) = is("rename to ") {
                header.rename.1 = Some(self.extended_name(name)?);
            } else if let Some(name) = is("copy from ") {
                header.copy.0 = Some(self.extended_name(name)?);
            } else if let Some(name) = is("copy to ") {
                header.copy.1 = Some(self.extended_name(name)?);
            } else if let Some(rest) = is("index ") {
                self.index(rest, &mut header)?;
            } else if line == BINARY {
                break;
            } else if is_binary_marker(line) {
                return Err(self.error(Problem::Binary { path: self.command_before() }));
            } else if is("similarity index ").is_none() && is("dissimilarity index ").is_none() {
                break;
            }
            if !whole.ends_with(b"\n") {
                return Err(self.error(Problem::Cut { found: displayed(whole) }));
            }
            self.at += 1;
        }
        Ok(header)
    }

    /// Reads `<old>..<new>[ <mode>]`, with the mode of a file whose mode stays.
    fn index(&self, rest: &[u8], header: &mut GitHeader) -> Result<(), Error> {
        let mut words = rest.split(|&byte| byte == b' ');
        let hashes = words.next().and_then(|hashes| std::str::from_utf8(hashes).ok()?.split_once(".."));
        header.hashes = hashes.map(|(old, new)| (old.to_owned(), new.to_owned()));
        if let Some(mode) = words.next_back().filter(|mode| mode.len() == 6)
            && self.mode(mode)? == Mode::Link
        {
            header.old_mode = Some(Mode::Link);
            header.new_mode = Some(Mode::Link);
        }
        Ok(())
    }

    /// The paths of the `diff --git` line above, for a message.
    fn command_before(&self) -> String {
        let command = self.lines[..self.at].iter().rev().find_map(|line| line.strip_prefix(b"diff --git "));
        let name = command.and_then(|names| names::of_git_command(trimmed(names), self.strip));
        displayed(&name.unwrap_or_default())
    }

    /// Reads the path of a `rename` or `copy` line, which has no `a/`.
    fn extended_name(&self, name: &[u8]) -> Result<PathBuf, Error> {
        let (name, _) = names::header(name).ok_or_else(|| self.file_name_error(name))?;
        self.tree_path(&name, self.strip.saturating_sub(1))
    }

    fn mode(&self, mode: &[u8]) -> Result<Mode, Error> {
        match mode {
            b"100644" | b"100664" => Ok(Mode::Plain),
            b"100755" | b"100775" => Ok(Mode::Executable),
            b"120000" => Ok(Mode::Link),
            _ => Err(self.error(Problem::SpecialFile { path: self.command_before(), mode: displayed(mode) })),
        }
    }

    /// Reads the hunks after the names of a file at `line`.
    fn hunks_of(&mut self, line: usize) -> Result<Vec<Hunk>, Error> {
        let hunks = self.hunks()?;
        match hunks.is_empty() {
            true => Err(Error { line, problem: Problem::NoHunk { found: displayed(self.lines[line - 1]) } }),
            false => Ok(hunks),
        }
    }

    fn hunks(&mut self) -> Result<Vec<Hunk>, Error> {
        let mut hunks = Vec::new();
        while self.peek(0).is_some_and(|line| line.starts_with(b"@@ -")) {
            hunks.push(self.hunk()?);
        }
        if let Some(line) = self.peek(0) {
            let more = matches!(line.first(), Some(b' ' | b'+' | b'-'));
            // `-- ` precedes the signature of a mail, `---` the diffstat of the next commit.
            let is_text = matches!(trimmed(line), b"-- " | b"--" | b"---") || is_diffstat(trimmed(line));
            if more && !is_text && !self.at_file_names() {
                return Err(self.error(Problem::Long { found: displayed(line) }));
            }
        }
        Ok(hunks)
    }

    fn hunk(&mut self) -> Result<Hunk, Error> {
        let header = self.lines[self.at];
        let (old, new) =
            ranges(header).ok_or_else(|| self.error(Problem::HunkHeader { found: displayed(header) }))?;
        let mut hunk = Hunk {
            line: self.at + 1,
            old_start: old.0,
            new_start: new.0,
            function: function_in(header).to_vec(),
            lines: Vec::new(),
        };
        self.at += 1;
        let (mut old_left, mut new_left) = (old.1, new.1);
        while old_left > 0 || new_left > 0 {
            let Some(line) = self.peek(0) else {
                return Err(self.error(Problem::Short { missing: old_left.max(new_left) }));
            };
            let (side, text) = match line.split_first() {
                Some((b' ', text)) => (Side::Both, text),
                Some((b'-', text)) => (Side::Old, text),
                Some((b'+', text)) => (Side::New, text),
                // A line of context whose space a mail program or editor has removed, as GNU patch reads it.
                Some((b'\n', []) | (b'\t', _)) => (Side::Both, line),
                Some((b'\\', _)) => {
                    self.no_newline(&mut hunk)?;
                    continue;
                }
                _ => return Err(self.error(Problem::HunkLine { found: displayed(line) })),
            };
            let count = |left: &mut usize, counts: bool| match (*left, counts) {
                (0, true) => Err(()),
                (_, counts) => {
                    *left -= usize::from(counts);
                    Ok(())
                }
            };
            count(&mut old_left, side != Side::New)
                .and_then(|()| count(&mut new_left, side != Side::Old))
                .map_err(|()| self.error(Problem::Long { found: displayed(line) }))?;
            if !line.ends_with(b"\n") {
                return Err(self.error(Problem::Cut { found: displayed(line) }));
            }
            hunk.lines.push(HunkLine { side, text: text.to_vec() });
            self.at += 1;
        }
        if self.peek(0).is_some_and(|line| line.starts_with(b"\\")) {
            self.no_newline(&mut hunk)?;
        }
        Ok(hunk)
    }

    /// Reads `\ No newline at end of file`, in any language.
    fn no_newline(&mut self, hunk: &mut Hunk) -> Result<(), Error> {
        match hunk.lines.last_mut().filter(|line| line.text.ends_with(b"\n")) {
            Some(line) => line.text.pop(),
            None => return Err(self.error(Problem::HunkLine { found: displayed(self.lines[self.at]) })),
        };
        self.at += 1;
        Ok(())
    }
}

impl GitHeader {
    /// Whether the header alone changes a file.
    fn changes_a_file(&self) -> bool {
        self.created
            || self.deleted
            || (self.old_mode.is_some() && self.new_mode.is_some())
            || (self.rename.0.is_some() && self.rename.1.is_some())
            || (self.copy.0.is_some() && self.copy.1.is_some())
    }
}

/// Whether a commit of `git format-patch`, a mail or a commit of `git log` starts here.
fn starts_message(line: &[u8]) -> bool {
    let hash = |rest: &[u8]| rest.len() > 40 && rest[..40].iter().all(u8::is_ascii_hexdigit);
    let after = |word: &str| line.strip_prefix(word.as_bytes());
    after("From ").or(after("commit ")).is_some_and(hash)
        || after("From: ").is_some()
        || after("Subject: ").is_some()
}

/// Whether the line is ` path | 12 +-` or ` 3 files changed, …` of a diffstat.
fn is_diffstat(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let Some(text) = text.strip_prefix(' ') else { return false };
    let is_sum =
        text.contains(" changed, ") && (text.contains(" file changed") || text.contains(" files changed"));
    let count = text.rsplit_once(" | ").map(|(_, count)| count.trim_start());
    let is_count = |count: &str| {
        let rest = count.trim_start_matches(|c: char| c.is_ascii_digit());
        count.starts_with("Bin")
            || (rest.len() < count.len() && rest.trim().bytes().all(|byte| b"+-".contains(&byte)))
    };
    is_sum || count.is_some_and(is_count)
}

/// The text after the second `@@` of a hunk header.
fn function_in(header: &[u8]) -> &[u8] {
    let rest = &header[2..];
    let end = rest.windows(2).position(|pair| pair == b"@@").map_or(rest.len(), |at| at + 2);
    rest[end..].trim_ascii()
}

/// A new file has no old lines, a deleted file no new lines.
fn check_lengths(file: FileDiff) -> Result<FileDiff, Error> {
    let what = match &file.change {
        Change::Create(_) if file.old_len() > 0 => "creates a file",
        Change::Delete(_) if file.new_len() > 0 => "deletes a file",
        _ => return Ok(file),
    };
    Err(Error { line: file.line, problem: Problem::Contradiction { what } })
}

/// `@@ -old[,length] +new[,length] @@`, each as (start, length).
fn ranges(header: &[u8]) -> Option<((usize, usize), (usize, usize))> {
    let text = std::str::from_utf8(&header[..header.len().min(100)]);
    let text = match text {
        Ok(text) => text,
        // The function name after the ranges may be in any encoding, and truncated anywhere.
        Err(error) => std::str::from_utf8(&header[..error.valid_up_to()]).ok()?,
    };
    let (ranges, _) = text.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    Some((range(old)?, range(new)?))
}

fn range(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str| text.parse::<u32>().ok().map(|number| number as usize);
    match text.split_once(',') {
        Some((start, length)) => Some((number(start)?, number(length)?)),
        None => Some((number(text)?, 1)),
    }
}

const BINARY: &[u8] = b"GIT binary patch";

fn is_binary_marker(line: &[u8]) -> bool {
    let line = trimmed(line);
    line == BINARY || (line.starts_with(b"Binary files ") && line.ends_with(b" differ"))
}
