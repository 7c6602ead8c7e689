//! A kernel checked against the claims of another series.

use crate::support::tool::{LINE, Run, can_boot};

#[test]
fn a_kernel_fails_the_claims_of_another_series() {
    if !can_boot() {
        return;
    }
    // The image of zeroed against the claims of copy-segments.
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
