//! A comparison of all series under two debuggers.

use std::path::{Path, PathBuf};

use kpatch_build::claims::{DebuggerOutcome, Observation};
use kpatch_build::compare::{Cell, Comparison};
use kpatch_build::report::Report;
use serde_json::Value;

use crate::support::tool::{LINE, Run, can_boot};

/// Returns a copy of `zeroed` that claims that its io threads show 0x33.
fn flipped(dir: &Path) -> PathBuf {
    let series = dir.join("flipped");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("patches/zeroed");
    let copied = std::process::Command::new("cp").arg("-r").args([&shipped, &series]).status().unwrap();
    assert!(copied.success());
    let path = series.join("series.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.replace("peekuser_cs = \"0x0\"", "peekuser_cs = \"0x33\"");
    assert_ne!(text, changed);
    std::fs::write(path, changed).unwrap();
    series
}

/// Asserts that every io thread of that tracee size shows `value` in `field`.
fn assert_all_show(cell: &Cell, bits: u8, field: &str, value: impl Into<Value>) {
    let value = value.into();
    let io = |seen: &&Observation| seen.tracee_bits == bits && seen.is_io_thread();
    let threads: Vec<_> = cell.boot.observations.iter().filter(io).collect();
    assert!(threads.len() >= 2, "a SQPOLL thread and a worker were expected: {threads:?}");
    for seen in threads {
        let shown = serde_json::to_value(seen).unwrap()[field].clone();
        assert_eq!(shown, value, "{field} of {} in {} ({bits}-bit)", seen.thread, cell.series);
    }
}

fn outcomes(cell: &Cell) -> Vec<(&str, u8, DebuggerOutcome)> {
    let runs = cell.boot.debuggers.iter();
    runs.map(|run| (run.debugger.as_str(), run.tracee_bits, run.outcome)).collect()
}

/// Compares all shipped series, and one series with a wrong claim.
#[test]
fn every_series_meets_its_claims_and_a_wrong_claim_is_named_without_ending_the_comparison() {
    if !can_boot() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let own = flipped(dir.path());
    let series = format!("{},all", own.display());
    let run = Run::new(&["compare", "--release", LINE, "--series", &series, "--debuggers", "gdb-10,gdb-13"]);
    assert_eq!(run.code(), Some(1), "{}", run.stderr());
    let text = String::from_utf8_lossy(&run.output.stdout).into_owned();
    assert!(text.contains("failed: flipped in C: claim does not hold: 64-bit io threads: peekuser_cs: expected 0x33, observed 0x0"), "{text}");
    assert!(!text.contains("failed: zeroed") && text.ends_with("verdict: FAIL\n"), "{text}");

    let out = run.out.path();
    let comparison = Comparison::load(&out.join("compare.json")).unwrap();
    for cell in &comparison.cells {
        assert_eq!(
            cell.boot.passed(),
            cell.series != "flipped",
            "{}: {:?}",
            cell.series,
            cell.boot.failures()
        );
        has_its_files(cell, out);
    }
    let cell = |name: &str| comparison.cells.iter().find(|cell| cell.series == name).expect(name);
    for (series, field, wide, narrow) in [
        ("zeroed", "peekuser_cs", Value::from("0x0"), Value::from("0x0")),
        ("zeroed", "regset_bytes", 68.into(), 68.into()),
        ("copy-segments", "peekuser_cs", "0x33".into(), "0x23".into()),
        ("copy-segments", "regset_bytes", 216.into(), 68.into()),
        ("copy-segments", "ip", "0x0".into(), "0x0".into()),
        ("user-segments", "peekuser_cs", "0x33".into(), "0x33".into()),
        ("einval-regs", "peekuser_cs", "EINVAL".into(), "EINVAL".into()),
        ("einval-attach", "attach", "EINVAL".into(), "EINVAL".into()),
        ("hide-threads", "listed", false.into(), false.into()),
        ("user-frame", "peekuser_cs", "0x33".into(), "0x23".into()),
    ] {
        assert_all_show(cell(series), 64, field, wide);
        assert_all_show(cell(series), 32, field, narrow);
    }
    let expected = [("gdb 10.1", 64), ("gdb 13.1", 64), ("gdb 10.1", 32), ("gdb 13.1", 32)];
    let looped = expected.map(|(name, bits)| (name, bits, DebuggerOutcome::AttachLoop));
    assert_eq!(outcomes(cell("einval-attach")), looped);
    let clean = expected.map(|(name, bits)| (name, bits, DebuggerOutcome::Clean));
    assert_eq!(outcomes(cell("user-frame")), clean);
    let page = std::fs::read_to_string(out.join("compare.html")).unwrap();
    assert!(page.contains("claim does not hold: 64-bit io threads: peekuser_cs"));
}

/// Checks that the files of a cell are below the output directory and named relative to it, and that the
/// patches are those that its run applied.
fn has_its_files(cell: &Cell, out: &Path) {
    assert!(out.join(&cell.boot.console).is_file(), "{}", cell.boot.console.display());
    let build = cell.build.as_ref().unwrap();
    let report = Report::load(&out.join(&build.directory).join("report.json")).unwrap();
    let applied: Vec<_> = report.patches.iter().map(|patch| (&patch.file, &patch.sha256)).collect();
    let shown: Vec<_> = build.patches.iter().map(|patch| (&patch.file, &patch.sha256)).collect();
    assert_eq!(shown, applied);
    assert_eq!(cell.boot.debuggers.len(), 4);
    for run in &cell.boot.debuggers {
        assert!(run.transcript.is_relative() && out.join(&run.transcript).is_file());
    }
}
