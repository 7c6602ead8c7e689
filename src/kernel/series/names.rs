//! File names in patches: quoting, prefixes, timestamps, and the names to refuse.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Why a name in a patch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// The name starts with `/`.
    #[error("an absolute path")]
    Absolute,
    /// The name contains `..`.
    #[error("the path contains ..")]
    Parent,
    /// The name is below `.git`, in any case of letters.
    #[error("inside .git")]
    GitDir,
    /// All components are stripped.
    #[error("nothing is left after stripping the prefix")]
    Empty,
    /// The name contains a NUL byte.
    #[error("a NUL byte in the name")]
    Nul,
    /// The name is not UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
    /// A symbolic link on the way could lead out of the tree.
    #[error("{} is a symbolic link", .0.describe())]
    Symlink(LinkPosition),
}

/// The position of a symbolic link in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPosition {
    /// The last component.
    File,
    /// A directory above it.
    Directory,
}

impl LinkPosition {
    fn describe(self) -> &'static str {
        match self {
            LinkPosition::File => "the file",
            LinkPosition::Directory => "a directory above it",
        }
    }
}

/// Reads the name of a `---`, `+++`, `rename` or `copy` line; returns the name and the timestamp after it.
pub(super) fn header(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    if text.first() == Some(&b'"') {
        return unquoted(text);
    }
    let end = text.iter().position(|&byte| byte == b'\t').unwrap_or_else(|| end_before_time(text));
    let (name, stamp) = text.split_at(end);
    (!name.is_empty()).then(|| (name.to_vec(), stamp))
}

/// The end of the name in `name 2014-08-05 10:25:42 +0200`, as some tools write it, without a tab.
fn end_before_time(text: &[u8]) -> usize {
    let has_form = |word: &[u8], form: &[u8]| {
        let digit =
            |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
        word.len() >= form.len() && word.iter().zip(form).all(digit)
    };
    let spaces: Vec<usize> =
        text.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(index, _)| index).collect();
    let word = |from: usize| {
        let rest = &text[spaces[from] + 1..];
        rest.split(|&byte| byte == b' ').next().unwrap_or_default()
    };
    let is_time = |at: usize| has_form(word(at), b"0000-00-00") && has_form(word(at + 1), b"00:00:00");
    (0..spaces.len().saturating_sub(1))
        .find(|at| at + 3 >= spaces.len() && is_time(*at))
        .map_or(text.len(), |at| spaces[at])
}

/// Whether the timestamp is the first second of 1970 in any time zone: `1970-01-01 01:00:00.000000000 +0100`.
pub(super) fn is_epoch(stamp: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(stamp) else { return false };
    let mut words = text.split_whitespace();
    let (Some(date), Some(time), Some(zone)) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let seconds = time.split_once('.').map_or(time, |(whole, _)| whole);
    jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S %z", format!("{date} {seconds} {zone}"))
        .and_then(|time| time.to_timestamp())
        .is_ok_and(|time| time.as_second() == 0)
}

/// Drops the first `strip` components; refuses names that could leave the tree, before and after.
pub(super) fn stripped(name: &[u8], strip: usize) -> Result<Vec<u8>, BadName> {
    if name.starts_with(b"/") {
        return Err(BadName::Absolute);
    }
    if name.contains(&0) {
        return Err(BadName::Nul);
    }
    // The journal of the source tree stores names as JSON strings; no kernel release has such a name.
    if std::str::from_utf8(name).is_err() {
        return Err(BadName::NotUtf8);
    }
    let mut parts = Vec::new();
    for (index, part) in name.split(|&byte| byte == b'/').enumerate() {
        match part {
            b".." => return Err(BadName::Parent),
            // `a//etc/passwd`: an absolute path follows the prefix. git never writes it.
            b"" if index == strip => return Err(BadName::Absolute),
            _ if index < strip => {}
            b"" | b"." => {}
            part if part.eq_ignore_ascii_case(b".git") => return Err(BadName::GitDir),
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Err(BadName::Empty) } else { Ok(parts.join(&b'/')) }
}

/// The name in `a/name b/name`, without prefix: the only one of an empty file or a change of mode.
pub(super) fn of_git_command(names: &[u8], strip: usize) -> Option<Vec<u8>> {
    // Linux has no longer paths (PATH_MAX), and the search below takes the square of the length.
    if names.len() > 2 * 4096 {
        return None;
    }
    if names.first() == Some(&b'"') {
        let (old, rest) = unquoted(names)?;
        let (new, _) = header(rest.strip_prefix(b" ")?)?;
        return same(&old, &new, strip);
    }
    if names.last() == Some(&b'"') {
        let start = names.windows(2).position(|pair| pair == b" \"")?;
        let (new, _) = unquoted(&names[start + 1..])?;
        return same(&names[..start], &new, strip);
    }
    // Names may contain spaces: the separator is the one with the same name on both sides.
    let spaces = names.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(index, _)| index);
    spaces.into_iter().find_map(|space| same(&names[..space], &names[space + 1..], strip))
}

/// The common name of both sides without their prefixes.
fn same(old: &[u8], new: &[u8], strip: usize) -> Option<Vec<u8>> {
    let rest = |name: &[u8]| {
        let parts: Vec<&[u8]> = name.split(|&byte| byte == b'/').skip(strip).collect();
        (!parts.is_empty()).then(|| parts.join(&b'/'))
    };
    let (old, new) = (rest(old)?, rest(new)?);
    (old == new && !old.is_empty()).then_some(old)
}

/// The file that a diff of `x.orig` and `x`, in any order, changes: `x`.
pub(super) fn common(old: PathBuf, new: PathBuf) -> PathBuf {
    let backup = new.as_os_str().as_bytes().starts_with(old.as_os_str().as_bytes());
    if backup { old } else { new }
}

/// Reads a C-style quoted name; returns the name and the text after the closing quote.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut name = Vec::new();
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return (!name.is_empty()).then_some((name, rest)),
            b'\\' => {
                let (&escape, after) = rest.split_first()?;
                rest = after;
                name.push(match escape {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'"' | b'\\' => escape,
                    b'0'..=b'3' => {
                        let octal = std::str::from_utf8(rest.get(..2)?).ok()?;
                        rest = &rest[2..];
                        let low = u8::from_str_radix(octal, 8).ok().filter(|low| *low < 64)?;
                        (escape - b'0') * 64 + low
                    }
                    _ => return None,
                });
            }
            byte => name.push(byte),
        }
    }
}
