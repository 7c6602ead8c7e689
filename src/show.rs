//! What the subcommands print for people.

use std::fmt::Write;

use crate::context::Context;
use crate::doctor::Finding;
use crate::error::Failure;
use crate::pipeline;
use crate::plan::Plan;
use crate::report::Report;
use crate::request::Request;
use crate::store::Room;

/// Rows of text in columns; the last column is not padded.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(text, "{}", cells.join("  ").trim_end()).expect("a String takes every text");
    }
    text
}

/// What `doctor` found: present or missing, and for what it is needed.
pub fn findings(findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let word = if finding.present { "ok" } else { "MISSING" };
        vec![word.to_owned(), finding.need.what.to_owned(), format!("for {}", finding.need.used_for)]
    };
    columns(&findings.iter().map(row).collect::<Vec<_>>())
}
