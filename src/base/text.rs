//! Text for terminals and pages.

use std::borrow::Cow;
use std::fmt::Write;

/// Lays out rows of text in columns, two spaces apart; the last column is not padded.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(text, "{}", shown(cells.join("  ").trim_end())).expect("writing to a String cannot fail");
    }
    text
}

/// Whether the character could change what a terminal shows besides itself: a control character (Unicode category Cc)
/// other than a tab, or one that ends a line or changes the direction of writing (Unicode Standard Annex 9).
fn is_deceptive(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text`, one line, with escapes such as `\n` and `\u{1b}` for characters that could deceive the reader of a
/// terminal. Texts of strangers are in names of files, in patches and in the output of programs.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) { visible.extend(c.escape_default()) } else { visible.push(c) }
    }
    Cow::Owned(visible)
}

/// As [`visible()`], but keeps line feeds.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_deceptive(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(visible).collect::<Vec<_>>().join("\n"))
}

/// The most bytes of a line in a message or a report. The kernel's own lines have at most 1024 (`LOG_LINE_MAX`,
/// kernel/printk/printk.c).
const LONGEST_LINE: usize = 1024;

/// `line`, cut with an ellipsis if a program without line feeds made it too long for a message or a report.
pub fn shortened(line: &str) -> Cow<'_, str> {
    if line.len() <= LONGEST_LINE {
        return Cow::Borrowed(line);
    }
    let end = (0..=LONGEST_LINE).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    Cow::Owned(format!("{}…", &line[..end]))
}

/// `text`, one line, as it may leave the program: [`visible()`] and [`without_secrets`].
pub fn shown(text: &str) -> String {
    visible(&without_secrets(text)).into_owned()
}

/// What stands for the secret parts of an address.
pub(crate) const MASK: &str = "***";

/// `text` with `***` for the user information and the query of every address in it (RFC 3986): both may hold a password
/// or a token. The user of an ssh address is no secret, only its password.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        masked += before;
        let end = after.find(|c: char| c.is_whitespace() || "\"'<>`".contains(c)).unwrap_or(after.len());
        let end = after[..end].trim_end_matches([':', ',', ';', '.', ')']).len();
        let (address, remainder) = after.split_at(end);
        masked += &masked_address(address, before.trim_end_matches("://").ends_with("ssh"));
        rest = remainder;
    }
    masked += rest;
    if masked == text { Cow::Borrowed(text) } else { Cow::Owned(masked) }
}

/// `address` is what follows `://`.
fn masked_address(address: &str, is_ssh: bool) -> String {
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (authority, rest) = address.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            None if is_ssh => authority.to_owned(),
            Some((user, _)) if is_ssh => format!("{user}:{MASK}@{host}"),
            _ => format!("{MASK}@{host}"),
        },
        None => authority.to_owned(),
    };
    let (path, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    match path.split_once('?') {
        Some((path, query)) if !query.is_empty() => format!("{authority}{path}?{MASK}{fragment}"),
        _ => format!("{authority}{rest}"),
    }
}

/// `text` with its first letter in upper case.
pub fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_passwords_and_tokens() {
        for (text, shown) in [
            ("no address: a@b ? c", "no address: a@b ? c"),
            (
                "tarball:http://bob:hunter2@h.example.org/a.tar.xz#0f",
                "tarball:http://***@h.example.org/a.tar.xz#0f",
            ),
            (
                "cannot get https://token@h/x?sig=1&t=2#3: it broke",
                "cannot get https://***@h/x?***#3: it broke",
            ),
            ("https://h/a https://u:p@h/b", "https://h/a https://***@h/b"),
            ("git:ssh://git@h/linux.git#v6.1", "git:ssh://git@h/linux.git#v6.1"),
            ("git+ssh://git:pw@h/linux.git", "git+ssh://git:***@h/linux.git"),
            ("https://u:p@ss@h/x", "https://***@h/x"),
            ("(https://h/x?t): no", "(https://h/x?***): no"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn a_text_cannot_deceive_the_reader_of_a_terminal() {
        assert_eq!(visible("plain\ttext \u{e4}"), "plain\ttext \u{e4}");
        assert_eq!(visible("a\u{1b}]0;title\u{7}b"), "a\\u{1b}]0;title\\u{7}b");
        assert_eq!(visible("a\nkpatch-build: all is well\r"), "a\\nkpatch-build: all is well\\r");
        assert_eq!(visible("\u{9b}31m \u{202e}"), "\\u{9b}31m \\u{202e}");
        assert_eq!(visible_lines("a\u{1b}\nb\n"), "a\\u{1b}\nb\n");
    }
}
