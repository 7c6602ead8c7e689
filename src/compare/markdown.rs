//! The matrix in Markdown, for a mail or a README.

use std::path::Path;

use super::judged::Table;
use super::{Comparison, Error, summary, write};

pub const BEGIN: &str = "<!-- kpatch-build compare -->";
pub const END: &str = "<!-- /kpatch-build compare -->";

/// The summary's first sentences, the matrix, and the answer about EINVAL.
pub fn matrix(comparison: &Comparison) -> String {
    let table = Table::of(comparison);
    let summary = summary::summary(comparison);
    let mut text = format!("{}\n\n", sentences(&summary.lead));
    let heading: Vec<String> = table.heading().iter().map(|cell| escaped(cell)).collect();
    text += &line(&heading);
    text += &line(&vec!["---".to_owned(); heading.len()]);
    for row in &table.rows {
        let mut words: Vec<String> = row.words().iter().map(|cell| escaped(cell)).collect();
        // A row without a measurement says why in its last cell.
        while words.len() < heading.len() {
            words.insert(1, String::new());
        }
        words[0] = words[0].replacen(&escaped(row.series), &format!("`{}`", row.series), 1);
        text += &line(&words);
    }
    text += &format!(
        "\nWhat does gdb do when register reads of io threads return EINVAL? {}\n",
        sentences(&summary.einval.answer)
    );
    text
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Sentences in which names of series stand between backticks.
fn sentences(all: &[String]) -> String {
    let text = all.join(" ");
    let is_name = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let part = |(number, part): (usize, &str)| match number % 2 {
        1 if is_name(part) => format!("`{part}`"),
        _ => escaped(part),
    };
    text.split('`').enumerate().map(part).collect()
}

/// Text of the measurements as text: no markup, no line breaks, no table bars.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '<' | '[' | '`' | '\\' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// Puts `content` between the marking lines of a Markdown file. Returns whether that changed it.
pub fn update(path: &Path, content: &str) -> Result<bool, Error> {
    let old = read(path)?;
    let (begin, end) = place(&old, path)?;
    let new = format!("{}\n\n{}\n{}", &old[..begin], content, &old[end..]);
    if new == old {
        return Ok(false);
    }
    write(path, new.as_bytes()).map(|()| true)
}

/// Refuses a file that [`update`] would refuse, before anything is measured for it.
pub fn check_markers(path: &Path) -> Result<(), Error> {
    place(&read(path)?, path).map(|_| ())
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

/// From the end of the first mark to the beginning of the second; each must be there once.
fn place(text: &str, path: &Path) -> Result<(usize, usize), Error> {
    let only = |mark: &str| match &text.match_indices(mark).collect::<Vec<_>>()[..] {
        [(at, _)] => Some(*at),
        _ => None,
    };
    let found = only(BEGIN).map(|at| at + BEGIN.len()).zip(only(END));
    found.filter(|(begin, end)| begin <= end).ok_or_else(|| Error::Markers { path: path.to_owned() })
}
