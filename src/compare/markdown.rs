//! The matrix in Markdown, for a mail or a README.

use std::path::Path;

use super::matrix::Table;
use super::{BEGIN, Comparison, END, Error, summary};
use crate::base::files;

/// Returns the beginning of the summary, the matrix, and the answer about EINVAL.
pub fn matrix(comparison: &Comparison) -> String {
    let table = Table::of(comparison);
    let summary = summary::summary(comparison);
    let mut text = format!("{}\n\n", sentences(&summary.lead));
    let heading: Vec<String> = table.heading().iter().map(|cell| escaped(cell)).collect();
    text += &line(&heading);
    text += &line(&vec!["---".to_owned(); heading.len()]);
    for row in &table.rows {
        let mut words: Vec<String> = row.words().iter().map(|cell| escaped(cell)).collect();
        // A row without a measurement has its reason in the last cell.
        while words.len() < heading.len() {
            words.insert(1, String::new());
        }
        words[0] = words[0].replacen(&escaped(row.series), &format!("`{}`", row.series), 1);
        text += &line(&words);
    }
    text += &format!(
        "\nWhat does gdb do when reading an io thread's registers returns EINVAL? {}\n",
        sentences(&summary.einval.answer)
    );
    text
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Joins sentences in which names of series are between backticks.
fn sentences(all: &[String]) -> String {
    let text = all.join(" ");
    let is_name = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let part = |(number, part): (usize, &str)| match number % 2 {
        1 if is_name(part) => format!("`{part}`"),
        _ => escaped(part),
    };
    text.split('`').enumerate().map(part).collect()
}

/// Escapes measured text: no markup, no line breaks, no table bars.
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

/// Replaces the text between the markers of the Markdown file `path`. Returns whether that changed it.
///
/// # Errors
/// The file cannot be read or written, or does not contain each marker exactly once.
pub fn update(path: &Path, content: &str) -> Result<bool, Error> {
    let old = read(path)?;
    let (begin, end) = between_markers(&old, path)?;
    let new = format!("{}\n\n{}\n{}", &old[..begin], content, &old[end..]);
    if new == old {
        return Ok(false);
    }
    files::replace(path, new.as_bytes()).map_err(Error::Write)?;
    Ok(true)
}

/// Checks a Markdown file for [`update`], before anything is measured.
///
/// # Errors
/// The file cannot be read, or does not contain each marker exactly once.
pub(crate) fn check_markers(path: &Path) -> Result<(), Error> {
    between_markers(&read(path)?, path).map(|_| ())
}

fn read(path: &Path) -> Result<String, Error> {
    files::read_text(path).map_err(Error::Read)
}

/// The byte offsets of the end of the first marker and of the beginning of the second.
fn between_markers(text: &str, path: &Path) -> Result<(usize, usize), Error> {
    let only = |marker: &str| match &text.match_indices(marker).collect::<Vec<_>>()[..] {
        [(at, _)] => Some(*at),
        _ => None,
    };
    let found = only(BEGIN).map(|at| at + BEGIN.len()).zip(only(END));
    found.filter(|(begin, end)| begin <= end).ok_or_else(|| Error::Markers { path: path.to_owned() })
}
