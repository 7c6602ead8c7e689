//! The same types write and read reports: a written report must read back unchanged.

use super::*;
use crate::stages::boot::Verdict;
use fs_err as fs;

/// A real report, of a run that built, packaged and booted 6.1.187.
const REAL: &str = include_str!("../../tests/data/report/report.json");

fn parse(text: &str) -> Result<Report, ReadError> {
    Report::parse(Path::new("report.json"), text.as_bytes())
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut value = serde_json::from_str(REAL).unwrap();
    change(&mut value);
    value.to_string()
}

#[test]
fn a_real_report_is_written_again_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let report = parse(REAL).unwrap();
    let written = report.write(&path).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), REAL);
    assert_eq!(fs::read_to_string(&path).unwrap(), REAL);
}

#[test]
fn the_notes_of_a_run_are_written_whole() {
    let mut report = parse(REAL).unwrap();
    let text = "word ".repeat(1000);
    report.notes = vec![Note { stage: crate::base::events::Stage::Configure, text }];
    let written = serde_json::to_string(&report).unwrap();
    assert_eq!(parse(&written).unwrap(), report);
    assert_eq!(errors(&validator(), &written), [""; 0]);
}

#[test]
fn a_written_report_reads_back_equal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let mut report = parse(REAL).unwrap();
    let booted = report.boot.clone();
    let error = ErrorRecord {
        stage: Some(crate::base::events::Stage::Build),
        exit: 3,
        message: "make failed: no space".into(),
        facts: vec!["at: kernel/fork.c:7".into()],
        next_step: Some("fix it".into()),
        log: Some("/logs/build.log".into()),
    };
    for boot in [booted, Some(BootRecord::SKIPPED), None] {
        for error in [None, Some(error.clone())] {
            (report.boot, report.error) = (boot.clone(), error);
            report.write(&path).unwrap();
            assert_eq!(Report::load(&path).unwrap(), report);
        }
    }
}

#[test]
fn a_new_report_has_every_field() {
    let request = parse(REAL).unwrap().request;
    let value = serde_json::to_value(Report::new(request)).unwrap();
    let real: Value = serde_json::from_str(REAL).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&value), names(&real));
}

#[test]
fn fields_that_older_versions_did_not_write_are_empty() {
    let older = changed(|report| {
        for field in ["release", "source", "patches", "toolchain", "kernel", "artifacts", "evidence"] {
            report.as_object_mut().unwrap().remove(field);
        }
        for field in ["stages", "configuration", "boot", "error"] {
            report.as_object_mut().unwrap().remove(field);
        }
    });
    let report = parse(&older).unwrap();
    assert_eq!(report, Report { tool: report.tool.clone(), ..Report::new(report.request.clone()) });
}

#[test]
fn fields_that_newer_versions_write_are_ignored() {
    let newer = changed(|report| {
        report["new"] = 1.into();
        report["kernel"]["new"] = 1.into();
        report["boot"]["new"] = 1.into();
        report["artifacts"][0]["new"] = 1.into();
    });
    assert_eq!(parse(&newer).unwrap(), parse(REAL).unwrap());
}

#[test]
fn a_boot_in_an_unknown_form_keeps_its_verdict() {
    for (word, verdict) in [("pass", Verdict::Pass), ("fail", Verdict::Fail), ("skipped", Verdict::Skipped)] {
        let other = changed(|report| report["boot"] = serde_json::json!({"verdict": word, "machines": []}));
        assert_eq!(parse(&other).unwrap().verdict(), Some(verdict));
    }
    assert_eq!(parse(REAL).unwrap().verdict(), Some(Verdict::Pass));
    assert_eq!(parse(&changed(|report| report["boot"] = Value::Null)).unwrap().verdict(), None);
}

#[test]
fn other_files_are_refused_with_the_reason() {
    assert!(parse("{}").unwrap_err().to_string().contains("is not a report"));
    assert!(parse("no JSON").unwrap_err().to_string().contains("is not a report"));
    let other = parse(r#"{"schema": "kpatch-build/compare/1", "cells": []}"#).unwrap_err().to_string();
    assert!(other.contains("kpatch-build/compare/1") && other.contains(SCHEMA), "{other}");
    let missing = Report::load(Path::new("/nowhere/x.json")).unwrap_err();
    let shown = crate::base::error::Failure::new(None, &missing).message();
    assert!(shown.starts_with("cannot read the report: ") && shown.contains("/nowhere/x.json"), "{shown}");
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(&schema()).unwrap()).unwrap()
}

fn errors(validator: &jsonschema::Validator, text: &str) -> Vec<String> {
    let value = serde_json::from_str(text).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn a_real_report_satisfies_the_schema() {
    let validator = validator();
    assert_eq!(errors(&validator, REAL), [""; 0]);
    let skipped = changed(|report| report["boot"] = serde_json::json!({"verdict": "skipped"}));
    assert_eq!(errors(&validator, &skipped), [""; 0]);
    let new = serde_json::to_string(&Report::new(parse(REAL).unwrap().request)).unwrap();
    assert_eq!(errors(&validator, &new), [""; 0]);
}

#[test]
fn the_schema_refuses_what_no_report_has() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 9] = [
        ("schema", |json| json["schema"] = "kpatch-build/report/2".into()),
        ("a missing field", |json| drop(json.as_object_mut().unwrap().remove("stages"))),
        ("a missing field of a part", |json| {
            drop(json["kernel"].as_object_mut().unwrap().remove("timestamp"));
        }),
        ("type", |json| json["artifacts"][0]["bytes"] = "12".into()),
        ("enumeration", |json| json["stages"][0]["status"] = "finished".into()),
        ("null", |json| json["request"]["revision"] = Value::Null),
        ("release", |json| json["release"] = "6.1.y".into()),
        ("register", |json| json["boot"]["observations"][1]["cs"] = "33".into()),
        ("verdict alone", |json| json["boot"] = serde_json::json!({"verdict": "pass"})),
    ];
    let validator = validator();
    for (what, change) in changes {
        assert_ne!(errors(&validator, &changed(change)), [""; 0], "{what}");
    }
}

#[test]
fn words_of_another_version_hide_neither_the_packages_nor_a_failure() {
    let odd = changed(|report| {
        report["stages"][0]["stage"] = "polish".into();
        report["boot"] = serde_json::json!({"verdict": "perhaps"});
        report["error"] = serde_json::json!({"stage": "polish", "message": "no polish"});
    });
    let report = parse(&odd).unwrap();
    assert_eq!(report.artifacts, parse(REAL).unwrap().artifacts);
    assert!(report.stages.is_empty() && report.boot.is_none());
    assert!(report.error.is_some(), "a run that failed stays a failed run");
}
