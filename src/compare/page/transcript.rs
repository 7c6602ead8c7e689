//! A debugger's transcript, read from the file that `compare.json` names.

use std::path::{Component, Path};

use crate::base::files;

/// Number of lines from the beginning and from the end of a long transcript.
const FIRST: usize = 120;
const LAST: usize = 60;
/// Bytes after which a line is cut.
const LONGEST_LINE: usize = 400;

/// The text of the file `path` below `directory`, or a sentence that says why it cannot be shown.
pub(super) fn text(directory: &Path, path: &Path) -> Result<String, String> {
    let below = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !below || path.as_os_str().is_empty() {
        return Err(format!("The transcript {} is outside the comparison’s directory.", path.display()));
    }
    match files::read(&directory.join(path), files::LONGEST_DOCUMENT) {
        Ok(bytes) => Ok(shortened(&String::from_utf8_lossy(&bytes))),
        Err(error) => Err(format!("The transcript {} cannot be read: {error}.", path.display())),
    }
}

/// The beginning and the end of a text that is too long for a page, without terminal escape sequences.
fn shortened(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).collect();
    if lines.len() <= FIRST + LAST + 1 {
        return lines.join("\n");
    }
    let omitted = lines.len() - FIRST - LAST;
    let note = format!("[… {omitted} lines omitted; the file has all of them …]");
    let shown = lines[..FIRST].iter().chain([&note]).chain(&lines[lines.len() - LAST..]);
    shown.map(String::as_str).collect::<Vec<_>>().join("\n")
}

fn printable(line: &str) -> String {
    let mut shown = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.next_if_eq(&'[').is_some() {
            // A control sequence ends with a letter (ECMA-48, 5.4).
            while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
        } else if c == '\t' || !c.is_control() {
            shown.push(c);
        }
        if shown.len() > LONGEST_LINE {
            shown.push('…');
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transcript_keeps_its_beginning_and_its_end() {
        let long: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let short = shortened(&long);
        assert!(short.starts_with("line 0\n") && short.ends_with("line 999"), "{short}");
        assert!(short.contains("820 lines omitted"), "{short}");
        assert_eq!(shortened("a\nb"), "a\nb");
    }

    #[test]
    fn control_sequences_are_not_shown() {
        assert_eq!(printable("\u{1b}[1;31mred\u{1b}[0m \u{7}and\tplain\r"), "red and\tplain");
        assert!(printable(&"x".repeat(10_000)).len() < 500);
    }

    #[test]
    fn only_files_below_the_directory_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t"), "hello").unwrap();
        let below = dir.path().join("below");
        std::fs::create_dir(&below).unwrap();
        assert_eq!(text(dir.path(), Path::new("t")).as_deref(), Ok("hello"));
        for path in [Path::new("../t"), &dir.path().join("t"), Path::new("")] {
            assert!(text(&below, path).unwrap_err().contains("outside"), "{path:?}");
        }
        assert!(text(&below, Path::new("gone")).unwrap_err().contains("gone"));
    }
}
