//! Errors that lintian and rpmlint report.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// Start of an accepted error of rpmlint, and the reason.
pub type Meant = (&'static str, &'static str);

pub const KERNEL: [Meant; 9] = [
    ("no-signature", SIGNATURE),
    ("statically-linked-binary /usr/src/kernels/", STATIC),
    ("non-readable /boot/", ROOT_ONLY),
    ("non-readable /lib/modules/", ROOT_ONLY),
    ("zero-length /usr/src/kernels/", "a header that is empty upstream and replaces gcc's own"),
    (
        "non-executable-script /usr/src/kernels/",
        "upstream's mode: kbuild runs these through their interpreter",
    ),
    (
        "env-script-interpreter /usr/src/kernels/",
        "upstream's scripts, unchanged; module builds do not run most of them",
    ),
    ("incorrect-fsf-address /usr/", "upstream's headers, unchanged"),
    ("no-binary", "some user-space headers exist only for this architecture"),
];

pub const DEBUG: [Meant; 3] = [
    ("no-signature", SIGNATURE),
    ("statically-linked-binary /usr/lib/debug/", NO_PROGRAM),
    ("missing-PT_GNU_STACK-section /usr/lib/debug/", NO_PROGRAM),
];

/// Starts of accepted errors of lintian.
const OF_LINTIAN: [Meant; 2] = [
    ("statically-linked-binary [usr/src/linux-headers-", STATIC),
    ("embedded-library zlib [usr/src/linux-headers-", STATIC),
];

const STATIC: &str = "host programs start on systems with an older C library";
const NO_PROGRAM: &str = "the kernel and its modules, which no program loader runs";
const SIGNATURE: &str = "whoever publishes the packages signs them";
const ROOT_ONLY: &str =
    "only root may read addresses and the secrets in an initramfs, as on the distributions";

pub fn problems(debs: &[PathBuf], rpms: &[PathBuf], meant: &[Meant]) -> Vec<String> {
    [lintian(debs), rpmlint(rpms, meant)].concat()
}

/// Runs lintian without overrides.
fn lintian(debs: &[PathBuf]) -> Vec<String> {
    let output = Command::new("lintian")
        .args(["--allow-root", "--tag-display-limit", "0", "--fail-on", "none"])
        .args(debs)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("W: "), "lintian did not run: {output:?}");
    let is_meant = |line: &&str| {
        let tag = line.splitn(3, ": ").nth(2).unwrap_or_default();
        OF_LINTIAN.iter().any(|(start, _)| tag.starts_with(start))
    };
    text.lines().filter(|line| line.starts_with("E: ") && !is_meant(line)).map(str::to_owned).collect()
}

fn rpmlint(rpms: &[PathBuf], meant: &[Meant]) -> Vec<String> {
    let output = Command::new("rpmlint").args(rpms).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&format!("{} packages and 0 specfiles checked", rpms.len())), "{output:?}");
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for line in text.lines() {
        let Some((_, message)) = line.split_once(": E: ") else { continue };
        match meant.iter().find(|(start, _)| message.starts_with(start)) {
            Some((start, _)) => _ = seen.insert(*start),
            None => problems.push(line.to_owned()),
        }
    }
    let gone = meant.iter().filter(|(start, _)| !seen.contains(start));
    problems.extend(gone.map(|(start, _)| format!("rpmlint: listed, but not reported: {start}")));
    problems
}
