//! The outputs of a comparison (summary, matrix, page), and the command `compare` without a kernel.

use std::collections::BTreeSet;
use std::path::Path;

use kpatch_build::base::options::Lang;
use kpatch_build::claims::{CoreNote, DebuggerOutcome, DebuggerRun, Hex, Peek, Register, TraceeAfter};
use kpatch_build::compare::summary::summary;
use kpatch_build::compare::{Absence, Comparison, Unmeasured, markdown, page, terminal, update};
use kpatch_build::stages::boot::Verdict;

use crate::support::fixtures::Fixture;
use crate::support::fixtures::comparison::{self, GDBS, cell, comparison, run};
use crate::support::output::stderr;

const OUTCOMES: [DebuggerOutcome; 6] = [
    DebuggerOutcome::AttachLoop,
    DebuggerOutcome::TimedOut,
    DebuggerOutcome::AttachAborted,
    DebuggerOutcome::ArchitectureWarning,
    DebuggerOutcome::ThreadsHidden,
    DebuggerOutcome::Clean,
];

fn in_c() -> Comparison {
    comparison(&[Lang::C])
}

fn of<'a>(comparison: &'a mut Comparison, series: &str) -> &'a mut Vec<DebuggerRun> {
    let cell = comparison.cells.iter_mut().find(|cell| cell.series == series).unwrap();
    &mut cell.boot.debuggers
}

fn answer(comparison: &Comparison) -> String {
    summary(comparison).einval.answer.join(" ")
}

fn rendered(comparison: &Comparison) -> String {
    page(comparison, Path::new("/nowhere"))
}

#[test]
fn the_answer_about_einval_follows_what_gdb_did() {
    let mut answers = BTreeSet::new();
    for outcome in OUTCOMES {
        for usable in [true, false] {
            for tracee_after in [TraceeAfter::Running, TraceeAfter::Stopped, TraceeAfter::Gone] {
                let mut comparison = in_c();
                for run in of(&mut comparison, "einval-regs") {
                    (run.outcome, run.usable, run.tracee_after) = (outcome, usable, tracee_after);
                }
                let answer = answer(&comparison);
                assert!(answer.contains("Every tested gdb"), "{answer}");
                assert!(GDBS.iter().all(|gdb| answer.contains(gdb)), "{answer}");
                assert!(markdown(&comparison).contains(&answer.replace('`', "")[20..60]), "{answer}");
                answers.insert(answer);
            }
        }
    }
    assert_eq!(answers.len(), OUTCOMES.len() * 2 * 3);
}

#[test]
fn differing_gdb_versions_get_a_sentence_each() {
    let mut comparison = in_c();
    *of(&mut comparison, "einval-regs") = vec![
        run("gdb 10.1", 64, DebuggerOutcome::AttachLoop),
        run("gdb 10.1", 32, DebuggerOutcome::AttachLoop),
        run("gdb 16.3", 64, DebuggerOutcome::Clean),
        run("gdb 16.3", 32, DebuggerOutcome::TimedOut),
    ];
    let sentences = summary(&comparison).einval.answer;
    assert_eq!(sentences.len(), 4, "{sentences:#?}");
    assert!(sentences[1].starts_with("gdb 10.1 on both tracee sizes keeps trying"), "{sentences:#?}");
    assert!(sentences[2].starts_with("gdb 16.3 on a 64-bit tracee attaches and lists"), "{sentences:#?}");
    assert!(sentences[3].starts_with("gdb 16.3 on a 32-bit tracee has not finished"), "{sentences:#?}");
}

#[test]
fn what_was_not_measured_is_not_answered() {
    let mut comparison = in_c();
    of(&mut comparison, "einval-regs").retain(|run| !run.debugger.starts_with("gdb"));
    assert!(answer(&comparison).contains("was not measured: no gdb was run"), "{}", answer(&comparison));
    // The answer follows the observed reads, not the name of the series.
    comparison.cells.retain(|cell| cell.series != "einval-regs");
    assert!(answer(&comparison).starts_with("Not measured here"), "{}", answer(&comparison));
    let mut renamed = cell("einval-regs", Lang::C);
    renamed.series = "another".into();
    comparison.cells.push(renamed);
    assert!(answer(&comparison).starts_with("With `another`"), "{}", answer(&comparison));
}

fn lead(comparison: &Comparison) -> String {
    summary(comparison).lead.join(" ")
}

#[test]
fn the_series_that_work_everywhere_follow_the_observations() {
    let mut comparison = in_c();
    assert!(
        lead(&comparison).contains("`copy-segments` and `user-frame` work on both"),
        "{}",
        lead(&comparison)
    );
    of(&mut comparison, "user-frame")[5].outcome = DebuggerOutcome::ArchitectureWarning;
    assert!(lead(&comparison).contains("Only `copy-segments` works"), "{}", lead(&comparison));
    of(&mut comparison, "copy-segments")[0].tracee_after = TraceeAfter::Stopped;
    assert!(lead(&comparison).contains("No series works"), "{}", lead(&comparison));
    *of(&mut comparison, "zeroed") = comparison::comparison(&[Lang::C]).cells[1].boot.debuggers.clone();
    // Debuggers run cleanly, but the registers are wrong.
    assert!(lead(&comparison).contains("No series works"), "{}", lead(&comparison));
}

#[test]
fn a_series_measured_on_one_tracee_size_does_not_work_everywhere() {
    let mut comparison = in_c();
    comparison.cells.retain(|cell| cell.series == "copy-segments");
    assert!(lead(&comparison).contains("Only `copy-segments` works"), "{}", lead(&comparison));
    comparison.cells[0].boot.observations.retain(|seen| seen.tracee_bits == 64);
    comparison.cells[0].boot.debuggers.retain(|run| run.tracee_bits == 64);
    assert!(lead(&comparison).contains("No series works"), "{}", lead(&comparison));
}

#[test]
fn the_summary_says_what_each_series_does_wrong() {
    let findings = summary(&in_c()).series;
    let points =
        |series: &str| findings.iter().find(|finding| finding.label == series).unwrap().points.join(" ");
    for (series, words) in [
        ("zeroed", "On a 64-bit tracee, io threads show cs 0x0 where their process has 0x33."),
        ("zeroed", "On a 32-bit tracee, io threads show cs 0x0 where their process has 0x23."),
        ("user-segments", "On a 32-bit tracee, io threads show cs 0x33 where their process has 0x23."),
        (
            "einval-regs",
            "On both tracee sizes, io threads can be attached to, but reading their registers fails with EINVAL.",
        ),
        ("einval-attach", "cannot be attached to (EINVAL)"),
        (
            "einval-attach",
            "Attach loop, unusable, process left stopped: gdb 10.1 and gdb 13.1 on both tracee sizes.",
        ),
        ("hide-threads", "not listed in /proc/PID/task"),
        ("user-frame", "Nothing is wrong"),
    ] {
        assert!(points(series).contains(words), "{series}: {}", points(series));
    }
    assert!(!points("user-segments").contains("64-bit"), "{}", points("user-segments"));
}

#[test]
fn languages_that_show_the_same_share_a_finding() {
    let mut comparison = comparison(&[Lang::C, Lang::Rust]);
    let labels = |comparison: &Comparison| -> Vec<String> {
        summary(comparison).series.into_iter().map(|finding| finding.label).collect()
    };
    assert_eq!(labels(&comparison).len(), 7);
    assert!(labels(&comparison).contains(&"zeroed, in C and Rust".to_owned()));
    assert_eq!(rendered(&comparison).matches("shows the same as").count(), 7);
    let rust = comparison.cells.iter_mut().find(|cell| cell.series == "zeroed" && cell.lang == Lang::Rust);
    let seen = rust.unwrap().boot.observations.iter_mut().find(|seen| seen.is_io_thread()).unwrap();
    seen.regs[Register::R15] = Some(Hex(1));
    seen.peekuser_cs = Some(Peek::Value(Hex(0x33)));
    assert_eq!(labels(&comparison).len(), 8);
    assert_eq!(rendered(&comparison).matches("shows the same as").count(), 6);
}

#[test]
fn a_failed_claim_is_named_and_comes_first() {
    let mut comparison = in_c();
    let boot = &mut comparison.cells[1].boot;
    boot.verdict = Verdict::Fail;
    let last = boot.claims.last_mut().unwrap();
    last.holds = false;
    last.claim = "64-bit io threads: a claim for this test".into();
    assert!(!comparison.passed());
    let text = terminal(&comparison, Path::new("/out"));
    assert!(
        text.contains("copy-segments in C: claim does not hold: 64-bit io threads: a claim for this test"),
        "{text}"
    );
    assert!(text.ends_with("verdict: FAIL\n"));
    let html = rendered(&comparison);
    let table = &html[html.find("id=\"claims-copy-segments-c\"").unwrap()..];
    let rows = &table[table.find("<tbody>").unwrap()..];
    assert!(
        rows.starts_with(
            "<tbody><tr class=\"bad\"><th scope=\"row\">64-bit io threads: a claim for this test"
        )
    );
    assert!(lead(&comparison).contains("does not hold"), "{}", lead(&comparison));
}

#[test]
fn hostile_text_stays_text() {
    let dir = tempfile::tempdir().unwrap();
    let attack = "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>&lt; \"'` ${x}";
    assert!(attack.parse::<Peek>().is_err(), "the probe's answers contain no other text");
    let mut comparison = in_c();
    comparison::write_transcripts(&comparison, dir.path());
    for cell in &mut comparison.cells {
        for run in &mut cell.boot.debuggers {
            std::fs::write(dir.path().join(&run.transcript), attack).unwrap();
            run.debugger = format!("gdb {attack}");
            run.evidence = Some(attack.into());
        }
        cell.boot.notes.push(attack.into());
        cell.boot.guest_release = Some(attack.into());
        cell.boot.claims[0].observed = attack.into();
        cell.boot.observations[1].thread = format!("iou-{attack}");
        if let Some(build) = &mut cell.build {
            build.unpatched = Some(attack.into());
            build.patches.iter_mut().for_each(|patch| patch.text = format!("@@ -1 +1 @@\n+{attack}\n"));
        }
    }
    comparison.series[0].summary = attack.into();
    comparison.command = Some(attack.into());
    let html = page(&comparison, dir.path());
    assert!(html.contains("&lt;script&gt;alert(1)"));
    assert!(!html.contains("<script") && !html.contains("<img"));
    let text = markdown(&comparison);
    assert!(!text.replace("\\<", "").contains("<script"), "{text}");
}

/// The text between `<tag …>` and `</tag>`, for tags that are not nested.
fn each<'a>(html: &'a str, open: &str, close: &'a str) -> Vec<&'a str> {
    html.split(open).skip(1).map(|rest| rest.split(close).next().unwrap()).collect()
}

#[test]
fn every_cell_of_the_matrix_has_words_and_a_symbol() {
    let mut comparison = comparison(&[Lang::C, Lang::Rust]);
    comparison.cells[3].boot.debuggers.clear();
    comparison.cells[4].boot.observations.clear();
    let html = rendered(&comparison);
    let matrix = each(&html, "<table class=\"matrix\">", "</table>")[0];
    let cells = each(matrix, "<td class=\"", "</td>");
    assert_eq!(cells.len(), 14 * (2 * (1 + GDBS.len()) + 1));
    for cell in cells {
        let words = each(cell, "<span>", "</span>");
        assert!(words.first().is_some_and(|words| words.len() > 3), "{cell}");
        assert!(cell.contains("<use href=\"#s-") && cell.contains("<summary>"), "{cell}");
    }
}

#[test]
fn the_page_is_self_contained_and_every_link_has_a_target() {
    let html = rendered(&comparison(&[Lang::C, Lang::Rust]));
    assert!(html.starts_with("<!DOCTYPE html>"));
    for outside in ["<script", " src=", "@import", "<link", "url(h", "<iframe"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let ids: Vec<&str> = each(&html, " id=\"", "\"");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id is used twice");
    let targets = each(&html, "href=\"", "\"").into_iter().chain(each(&html, "url(", ")"));
    for target in targets {
        let id = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} is outside the page"));
        assert!(unique.contains(id), "no element has the id {id}");
    }
    for name in ["aria-labelledby=\""] {
        for id in each(&html, name, "\"").into_iter().flat_map(str::split_whitespace) {
            assert!(unique.contains(id), "no element has the id {id}");
        }
    }
}

#[test]
fn the_page_says_which_transcript_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let comparison = in_c();
    comparison::write_transcripts(&comparison, dir.path());
    let html = page(&comparison, dir.path());
    assert_eq!(html.matches("The transcript").count(), 0);
    assert_eq!(html.matches("[Inferior 1 (process 24) detached]").count(), 7 * 6);
    std::fs::remove_file(dir.path().join("cells/zeroed-c/gdb-10.1-64.txt")).unwrap();
    let html = page(&comparison, dir.path());
    assert!(html.contains("The transcript cells/zeroed-c/gdb-10.1-64.txt cannot be read"));
    assert_eq!(html.matches("[Inferior 1 (process 24) detached]").count(), 7 * 6 - 1);
}

#[test]
fn the_frame_shows_what_each_register_holds() {
    let html = rendered(&in_c());
    let frame = |id: &str| {
        let at = html.find(&format!("<desc id=\"{id}-desc\">")).unwrap_or_else(|| panic!("{id}"));
        each(&html[at..], "-desc\">", "</desc>")[0].to_owned()
    };
    assert!(frame("frame-copy-segments-c-0").ends_with("its creator’s value: cs, ss."));
    assert!(frame("frame-user-segments-c-1").contains("a user constant: cs."));
    assert!(frame("frame-zeroed-c-0").starts_with("zero: r15, r14, r13, r12, bp, bx, r11"));
    assert!(frame("frame-einval-regs-c-0").starts_with("unreadable: r15"));
    assert!(frame("frame-user-frame-c-0").starts_with("zero: ax, ip, sp."));
}

#[test]
fn a_core_dump_is_compared_with_ptrace() {
    let mut comparison = in_c();
    let all = comparison.cells.iter_mut().flat_map(|cell| &mut cell.boot.observations);
    all.for_each(|seen| seen.core = None);
    assert!(!rendered(&comparison).contains("Registers in a core dump"));
    let seen = &mut comparison.cells[0].boot.observations[1];
    let mut regs = seen.regs;
    regs[Register::Cs] = Some(Hex(0x99));
    seen.core = Some(CoreNote { bytes: 68, regs });
    let html = rendered(&comparison);
    assert!(html.contains("Registers in a core dump") && html.contains("0x99") && html.contains("26 of 27"));
}

#[test]
fn threads_of_one_kind_are_numbered() {
    let mut records = kpatch_build::stages::boot::Records::default();
    include_str!("../data/boot/zeroed-5.12.9.records").lines().for_each(|line| {
        records.read_line(line);
    });
    let mut comparison = in_c();
    comparison.cells[0].boot.observations = records.observations;
    let html = rendered(&comparison);
    assert!(html.contains("iou-mgr</th>") && html.contains("iou-mgr (2)</th>"));
    assert!(html.contains("iou-mgr, iou-mgr (2)"), "the frame that they share names all threads");
}

#[test]
fn every_kind_of_absence_is_described() {
    let mut comparison = in_c();
    let gone =
        |state, why: &str| Unmeasured { series: "zeroed".into(), lang: Lang::Rust, state, why: why.into() };
    for (state, words) in [
        (Absence::NotAvailable, "not available in Rust on this line"),
        (Absence::Failed, "the run failed"),
        (Absence::NotReached, "not measured"),
    ] {
        comparison.unmeasured = vec![gone(state, "for a reason")];
        assert!(rendered(&comparison).contains(words) && markdown(&comparison).contains(words), "{words}");
        assert!(rendered(&comparison).contains("for a reason"));
    }
}

#[test]
fn the_markdown_matrix_is_a_table_with_the_same_words() {
    let text = markdown(&comparison(&[Lang::C]));
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 2 + 7, "{text}");
    let bars = |row: &str| row.matches('|').count();
    assert!(rows.iter().all(|row| bars(row) == bars(rows[0])), "{text}");
    assert!(rows[0].contains("gdb 16.3, 64 / 32 bit"), "{text}");
    assert!(
        rows[2].starts_with("| `zeroed` | ✗ wrong: 0x0 / ✗ wrong: 0x0 | ▲ architecture warning / ✓ clean |"),
        "{text}"
    );
    assert!(text.contains("returns EINVAL? With `einval-regs`"), "{text}");
}

const README: &str = "before\n<!-- kpatch-build compare -->\nstale\n<!-- /kpatch-build compare -->\nafter\n";

#[test]
fn an_update_replaces_only_the_text_between_the_markers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("README.md");
    std::fs::write(&file, README).unwrap();
    assert!(update(&file, &markdown(&in_c())).unwrap());
    let once = std::fs::read_to_string(&file).unwrap();
    assert!(once.starts_with("before\n<!--") && once.ends_with("-->\nafter\n") && !once.contains("stale"));
    assert!(once.contains("| `zeroed` |"));
    assert!(!update(&file, &markdown(&in_c())).unwrap());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), once);
    for bad in ["no marks", "<!-- /kpatch-build compare --><!-- kpatch-build compare -->", &README.repeat(2)]
    {
        std::fs::write(&file, bad).unwrap();
        assert!(update(&file, "x").is_err(), "{bad}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), bad);
    }
}

#[test]
fn a_comparison_of_the_first_version_can_still_be_read() {
    let mut value = serde_json::to_value(in_c()).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.retain(|name, _| ["schema", "cells"].contains(&name.as_str()));
    for cell in fields["cells"].as_array_mut().unwrap() {
        cell.as_object_mut().unwrap().remove("making");
    }
    let comparison: Comparison = serde_json::from_value(value).unwrap();
    assert!(rendered(&comparison).contains("zeroed"));
}

#[test]
fn usage_errors_of_compare_write_nothing() {
    for (args, named) in [
        (&["compare", "--release", "6.1.y", "--lang", "c,rust"][..], "Rust"),
        (&["compare", "--release", "6.1.y", "--format", "deb"], "deb"),
        (&["compare", "--release", "6.1.y", "--series", "zeroed,nope"], "nope"),
        (&["compare", "--release", "5.4.1"], "io threads"),
        (&["compare", "--release", "6.1.y", "--no-boot"], "--no-boot"),
        (&["compare", "--release", "6.1.y", "--kconfig", "bott"], "bott"),
        (&["compare", "--release", "6.1.y", "--update", "nowhere.md"], "nowhere.md"),
        (&["compare", "--from", "nowhere.json"], "nowhere.json"),
        (&["compare", "--from", "x.json", "--format", "json"], "json"),
        (&["build", "--release", "6.12.y", "--lang", "c,rust"], "--lang"),
    ] {
        let fixture = Fixture::new();
        let output = fixture.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{args:?} does not name {named}: {}", stderr(&output));
        assert_eq!(std::fs::read_dir(fixture.dir()).unwrap().count(), 0, "{args:?} wrote something");
    }
}

#[test]
fn a_comparison_is_rendered_again_without_measuring() {
    let fixture = Fixture::new();
    let comparison = in_c();
    comparison::write_transcripts(&comparison, fixture.dir());
    comparison.save(fixture.dir()).unwrap();
    std::fs::write(fixture.path("README.md"), README).unwrap();

    let output = fixture.run(&["compare", "--from", "compare.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let html = std::fs::read_to_string(fixture.path("compare.html")).unwrap();
    assert_eq!(html, page(&comparison, fixture.dir()));
    assert!(html.contains("[Inferior 1 (process 24) detached]"));

    let output = fixture.run(&["compare", "--from", "compare.json", "--format", "markdown"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), markdown(&comparison));

    std::fs::remove_file(fixture.path("compare.html")).unwrap();
    let update = ["compare", "--from", "compare.json", "--update", "README.md"];
    assert_eq!(fixture.run(&update).status.code(), Some(0));
    let once = std::fs::read_to_string(fixture.path("README.md")).unwrap();
    assert!(once.contains("| `zeroed` |"));
    assert_eq!(fixture.run(&update).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(fixture.path("README.md")).unwrap(), once);
    assert!(!fixture.path("compare.html").exists());
}

#[test]
fn a_file_that_is_not_a_comparison_is_refused() {
    let fixture = Fixture::new();
    for (text, named) in [
        ("not JSON", "not a comparison"),
        ("{\"schema\": \"kpatch-build/report/1\"}", "kpatch-build/report/1"),
        ("{\"schema\": \"kpatch-build/compare/1\", \"cells\": [{}]}", "not a comparison"),
    ] {
        std::fs::write(fixture.path("x.json"), text).unwrap();
        let output = fixture.run(&["compare", "--from", "x.json"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(named), "{}", stderr(&output));
    }
}

#[test]
fn a_failed_cell_is_named_and_the_measurements_are_kept() {
    let fixture = Fixture::new();
    let args = [
        "compare",
        "--release",
        "6.1.187",
        "--series",
        "user-frame,zeroed",
        "--offline",
        "--cc",
        "no-such-cc",
    ];
    let output = fixture.run(&args);
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    assert!(stderr(&output).contains("series zeroed in C"), "{}", stderr(&output));
    let kept = Comparison::load(&fixture.path("dist/compare.json")).unwrap();
    let states: Vec<_> = kept.unmeasured.iter().map(|gone| (gone.series.as_str(), gone.state)).collect();
    assert_eq!(states, [("zeroed", Absence::Failed), ("user-frame", Absence::NotReached)]);
    assert!(fixture.path("dist/cells/zeroed-c/report.json").exists());
}
