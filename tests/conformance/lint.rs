//! What lintian and rpmlint call an error.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use super::kbuild::Kernel;

/// Errors of rpmlint that are meant: how the message begins, and why.
const MEANT: [(&str, &str); 0] = [];

pub fn problems(kernel: &Kernel) -> Vec<String> {
    [lintian(&kernel.all("deb")), rpmlint(&kernel.all("rpm"))].concat()
}

/// Nothing is overridden.
fn lintian(debs: &[PathBuf]) -> Vec<String> {
    let output = Command::new("lintian")
        .args(["--allow-root", "--tag-display-limit", "0", "--fail-on", "none"])
        .args(debs)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("W: "), "lintian did not look: {output:?}");
    text.lines().filter(|line| line.starts_with("E: ")).map(str::to_owned).collect()
}

fn rpmlint(rpms: &[PathBuf]) -> Vec<String> {
    let output = Command::new("rpmlint").args(rpms).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&format!("{} packages and 0 specfiles checked", rpms.len())), "{output:?}");
    let mut met = BTreeSet::new();
    let mut problems = Vec::new();
    for line in text.lines() {
        let Some((_, message)) = line.split_once(": E: ") else { continue };
        match MEANT.iter().find(|(start, _)| message.starts_with(start)) {
            Some((start, _)) => _ = met.insert(*start),
            None => problems.push(line.to_owned()),
        }
    }
    let gone = MEANT.iter().filter(|(start, _)| !met.contains(start));
    problems.extend(gone.map(|(start, _)| format!("rpmlint: listed, but not said: {start}")));
    problems
}
