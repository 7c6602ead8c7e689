//! `console`: complaints of a saved log, and its exit status.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::support::fixtures::Fixture;
use crate::support::output::{stderr, stdout};

const LOG: &str = "\
[    1.000000] Run /init as init process
[    2.000000] WARNING: CPU: 0 PID: 1 at kernel/smp.c:912 call_all+0x1a0/0x2a0
[    2.000000] RIP: 0010:call_all+0x1a0/0x2a0
[    2.000000] ---[ end trace 0000000000000000 ]---
";

#[test]
fn a_log_with_a_complaint_fails_and_names_it() {
    let fixture = Fixture::new();
    let path = fixture.path("console.log");
    fs::write(&path, LOG).unwrap();
    let output = fixture.run(&["console", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), "line 2  WARNING in call_all\n");

    let output = fixture.run(&["console", "--json", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "kpatch-build/console/1");
    let complaint = &document["complaints"][0];
    assert_eq!(complaint["kind"], "warning");
    assert_eq!(complaint["name"], "WARNING in call_all");
    assert_eq!(complaint["line"], 2);
    assert_eq!(document["kernel_messages"]["warnings"], 1);
}

#[test]
fn a_clean_log_passes_and_standard_input_is_a_log_too() {
    let fixture = Fixture::new();
    let path = fixture.path("console.log");
    fs::write(&path, "[    1.000000] Run /init as init process\n").unwrap();
    let output = fixture.run(&["console", path.to_str().unwrap()]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "the kernel did not complain\n"));

    let mut tool = fixture.command(&["console", "-"]);
    tool.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(LOG.as_bytes()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
}

#[test]
fn a_log_that_cannot_be_read_is_a_usage_error() {
    let output = Fixture::new().run(&["console", "nowhere.log"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere.log"), "{}", stderr(&output));
}

#[test]
fn a_wrong_allowance_in_the_configuration_file_is_reported_with_its_line() {
    let fixture = Fixture::new();
    let table = "[[allow]]\npattern = \"(\"\nreason = \"known\"\n";
    fs::write(fixture.path("kpatch-build.toml"), table).unwrap();
    let output = fixture.run(&["plan", "--offline"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("line 2") && text.contains("is not a regular expression"), "{text}");
}
