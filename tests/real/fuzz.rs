//! Every parser of untrusted bytes against libFuzzer: two minutes each, or as long as `KPATCH_BUILD_FUZZ_SECONDS` says.

use std::process::Command;

use kpatch_build::fuzz::TARGETS;

use crate::support::need::have;
use crate::support::output::{stderr, stdout};

const SECONDS: &str = "120";

fn run(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/run");
    let output = Command::new(script).args(arguments).output().unwrap();
    let text = format!("{}{}", stdout(&output), stderr(&output));
    assert!(output.status.success(), "tests/fuzz/run {}: {text}", arguments.join(" "));
    text
}

/// Number of inputs, from libFuzzer's final statistics.
fn executed(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("no statistics in {text}"))
}

#[test]
fn no_parser_crashes_hangs_or_fills_the_memory() {
    if !have(&["g++"]) {
        return;
    }
    run(&["build"]);
    let seconds = std::env::var("KPATCH_BUILD_FUZZ_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    // Two at a time: a target uses one processor.
    for pair in TARGETS.chunks(2) {
        std::thread::scope(|scope| {
            for (name, _) in pair {
                let seconds = &seconds;
                scope.spawn(move || {
                    let text = run(&[name, seconds]);
                    let inputs = executed(&text);
                    assert!(inputs > 0, "{name}: {text}");
                    println!("{name}: {inputs} inputs in {seconds} s");
                });
            }
        });
    }
}
