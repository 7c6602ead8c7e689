use std::time::Duration;

use super::*;
use crate::base::options::Accel;
use crate::claims::console::Console;
use crate::stages::boot::records::MissingTracee;
use crate::stages::boot::result::{Problem, ProblemKind};
use crate::stages::boot::run::Ending;

const MERGED: &str = include_str!("../../../../tests/data/boot/user-frame-6.1.187.records");

fn boot(records: &str, console: &str, ending: Ending) -> Boot {
    let mut read = Records::default();
    records.lines().for_each(|line| {
        read.read_line(line);
    });
    read.finish();
    Boot {
        accel: Accel::Tcg,
        seconds: 3.0,
        ending,
        records: read,
        console: Console::read(console.as_bytes()).unwrap(),
        log: "logs/console.log".into(),
    }
}

fn judged(boot: Boot) -> BootResult {
    verdict(boot, &Claims::default(), &[], &[], Vec::new())
}

/// The recording before its first line that contains `text`.
fn until(text: &str) -> String {
    MERGED.lines().take_while(|line| !line.contains(text)).map(|line| format!("{line}\n")).collect()
}

const DEADLINE: Ending = Ending::Deadline(Duration::from_secs(60));
const LAST_WORDS: &str = "[    1.000000] Run /init as init process\n";

fn only_problem(boot: Boot) -> Problem {
    let result = judged(boot);
    assert_eq!(result.verdict, Verdict::Fail);
    assert_eq!(result.problems.len(), 1, "{:?}", result.problems);
    result.problems.into_iter().next().unwrap()
}

#[test]
fn a_boot_that_meets_its_claims_passes() {
    let result = judged(boot(MERGED, LAST_WORDS, Ending::Exit));
    assert_eq!(result.failures(), [""; 0]);
    assert!(result.passed());
    assert_eq!(result.observations.len(), 6);
}

#[test]
fn a_panic_fails_the_verdict_and_names_the_console() {
    let console = "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\n";
    let problem = only_problem(boot("", console, Ending::Exit));
    assert_eq!(problem.kind, ProblemKind::Panic);
    assert!(problem.message.contains("Unable to mount root") && problem.message.contains("logs/console.log"));
}

#[test]
fn an_oops_fails_a_boot_whose_claims_all_hold() {
    let console = "[    1.0] Oops: 0002 [#1] SMP\n";
    assert_eq!(only_problem(boot(MERGED, console, Ending::Exit)).kind, ProblemKind::Oops);
}

#[test]
fn a_warning_fails_a_boot_unless_it_is_allowed() {
    let console = "[    0.5] WARNING: CPU: 0 PID: 1 at kernel/smp.c:912 x+0x1/0x2\n";
    let problem = only_problem(boot(MERGED, console, Ending::Exit));
    assert_eq!(problem.kind, ProblemKind::Complaint);
    assert!(problem.message.contains("WARNING in x (line 1 of logs/console.log)"), "{}", problem.message);

    let allowances = [toml::from_str("pattern = 'WARNING in x'\nreason = 'known'").unwrap()];
    let boot = boot(MERGED, console, Ending::Exit);
    let result = verdict(boot, &Claims::default(), &allowances, &[], Vec::new());
    assert!(result.passed() && result.kernel_messages.warnings == 1, "{:?}", result.problems);
    assert!(
        result.summary().contains("allowed: the kernel complained: WARNING in x (known)"),
        "{}",
        result.summary()
    );
}

#[test]
fn a_hang_reports_the_last_step_and_the_last_line() {
    let problem = only_problem(boot(&until("freeze and thaw"), LAST_WORDS, DEADLINE));
    assert_eq!(problem.kind, ProblemKind::Hang);
    assert!(problem.message.contains("stop and continue the process (64-bit tracee)"), "{}", problem.message);
    assert!(problem.message.contains("Run /init"), "{}", problem.message);
}

#[test]
fn a_silent_kernel_is_not_reported_as_a_hang() {
    assert_eq!(only_problem(boot("", "", DEADLINE)).kind, ProblemKind::Silent);
    assert_eq!(only_problem(boot("", "", Ending::Exit)).kind, ProblemKind::Died);
    assert_eq!(only_problem(boot("", LAST_WORDS, DEADLINE)).kind, ProblemKind::Hang);
}

#[test]
fn a_guest_that_writes_without_end_fails_and_is_not_an_error_of_the_tool() {
    let problem = only_problem(boot("", LAST_WORDS, Ending::Flood));
    assert_eq!(problem.kind, ProblemKind::Hang);
    assert!(problem.message.contains("wrote without end"), "{}", problem.message);
}

#[test]
fn a_guest_that_restarts_before_the_probe_ends_has_died() {
    let problem = only_problem(boot(&until("\"tracee_bits\":32"), LAST_WORDS, Ending::Exit));
    assert_eq!(problem.kind, ProblemKind::Died);
}

#[test]
fn a_complete_run_passes_even_if_the_guest_does_not_switch_off() {
    assert!(judged(boot(MERGED, LAST_WORDS, DEADLINE)).passed());
}

#[test]
fn damaged_records_fail_a_complete_run() {
    let lost: String =
        MERGED.lines().filter(|line| !line.contains("iou-wrk")).map(|line| format!("{line}\n")).collect();
    let result = judged(boot(&lost, LAST_WORDS, Ending::Exit));
    assert!(result.problems.iter().any(|problem| problem.kind == ProblemKind::Records));
}

fn missing(errno: &str) -> MissingTracee {
    MissingTracee { what: "its program cannot be executed".into(), error: errno.parse().unwrap() }
}

#[test]
fn a_kernel_without_32_bit_emulation_is_judged_by_its_64_bit_tracee() {
    let mut boot = boot(MERGED, LAST_WORDS, Ending::Exit);
    boot.records.observations.retain(|seen| seen.tracee_bits == 64);
    boot.records.missing = vec![(32, missing("ENOEXEC"))];
    let result = judged(boot);
    assert!(result.passed(), "{:?}", result.failures());
    assert!(result.notes.iter().any(|note| note.contains("no 32-bit tracee")));
}

#[test]
fn a_tracee_missing_for_any_other_reason_fails() {
    for (bits, error) in [(32, "EAGAIN"), (64, "ENOEXEC")] {
        let mut boot = boot(MERGED, LAST_WORDS, Ending::Exit);
        boot.records.observations.retain(|seen| seen.tracee_bits != bits);
        boot.records.missing = vec![(bits, missing(error))];
        assert!(!judged(boot).passed(), "{bits} {error}");
    }
}

#[test]
fn the_line_follows_from_the_guests_release() {
    for (uname, line) in [
        ("6.1.187-copy-segments-boot", Some(Line::new(6, 1))),
        ("5.12.9", Some(Line::new(5, 12))),
        ("6.6.30+", Some(Line::new(6, 1))),
        ("5.12.0-zeroed-boot", Some(Line::new(5, 12))),
        ("custom", None),
    ] {
        assert_eq!(line_of(uname), line, "{uname}");
    }
}
