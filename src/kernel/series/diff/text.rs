//! Lines of patches.

/// The line without its line feed and carriage return.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The line for a message: at most 160 characters, without its end.
pub(crate) fn displayed(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(trimmed(line));
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
