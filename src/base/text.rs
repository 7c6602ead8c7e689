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
        writeln!(text, "{}", visible(cells.join("  ").trim_end())).expect("writing to a String cannot fail");
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

/// `text` with its first letter in upper case.
pub fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_deceive_the_reader_of_a_terminal() {
        assert_eq!(visible("plain\ttext \u{e4}"), "plain\ttext \u{e4}");
        assert_eq!(visible("a\u{1b}]0;title\u{7}b"), "a\\u{1b}]0;title\\u{7}b");
        assert_eq!(visible("a\nkpatch-build: all is well\r"), "a\\nkpatch-build: all is well\\r");
        assert_eq!(visible("\u{9b}31m \u{202e}"), "\\u{9b}31m \\u{202e}");
        assert_eq!(visible_lines("a\u{1b}\nb\n"), "a\\u{1b}\nb\n");
    }
}
