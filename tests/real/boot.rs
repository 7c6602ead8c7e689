//! The bug shown, then gone.

use crate::harness::{LINE, Run, assert_all_show, can_boot};

#[test]
fn zeroed_shows_the_bug() {
    if !can_boot() {
        return;
    }
    let run = Run::new(&["--release", LINE, "--series", "zeroed", "--format", "none"]).passed();
    let report = run.report();
    assert_eq!(report["boot"]["verdict"], "pass");
    for (bits, bytes) in [(64, 68), (32, 68)] {
        assert_all_show(&report, bits, "peekuser_cs", "0x0");
        assert_all_show(&report, bits, "regset_bytes", bytes);
    }
}

#[test]
fn copy_segments_mends_it_for_64_bit_and_32_bit_tracees() {
    if !can_boot() {
        return;
    }
    let run = Run::new(&["--release", LINE, "--series", "copy-segments", "--format", "none"]).passed();
    let report = run.report();
    assert_eq!(report["boot"]["verdict"], "pass");
    for (bits, cs, bytes) in [(64, "0x33", 216), (32, "0x23", 68)] {
        assert_all_show(&report, bits, "peekuser_cs", cs);
        assert_all_show(&report, bits, "regset_bytes", bytes);
        assert_all_show(&report, bits, "ip", "0x0");
    }
}

#[test]
fn a_series_that_claims_something_else_fails_its_verdict() {
    if !can_boot() {
        return;
    }
    // The image of zeroed, held to what copy-segments claims.
    let built = Run::new(&["build", "--release", LINE, "--series", "zeroed"]).passed();
    let image = built.report()["kernel"]["image"].as_str().unwrap().to_owned();
    let run = Run::new(&["boot", "--image", &image, "--series", "copy-segments"]);
    assert_eq!(run.code(), Some(1), "{}", run.stderr());
    let report = run.report();
    assert_eq!(report["boot"]["verdict"], "fail");
    let failed = |claim: &&serde_json::Value| claim["holds"] == false;
    let failed: Vec<_> = report["boot"]["claims"].as_array().unwrap().iter().filter(failed).collect();
    assert!(failed.iter().any(|claim| claim["observed"].as_str().unwrap().contains("0x0")), "{failed:?}");
}
