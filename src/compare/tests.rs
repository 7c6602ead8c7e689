//! `compare.json` is written and read by one type.

use std::path::Path;

use super::*;

/// A real comparison, of one booted kernel and one series that does not exist in Rust.
const REAL: &str = include_str!("../../tests/data/report/compare.json");

#[test]
fn a_real_comparison_is_written_again_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    std::fs::write(&path, REAL).unwrap();
    let comparison = Comparison::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    comparison.save(dir.path()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), REAL);
    assert_eq!(Comparison::load(&path).unwrap(), comparison);
}

#[test]
fn a_real_comparison_satisfies_the_schema_and_a_changed_one_does_not() {
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema()).unwrap()).unwrap();
    let real: serde_json::Value = serde_json::from_str(REAL).unwrap();
    let errors: Vec<_> = validator.iter_errors(&real).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    type Change = fn(&mut serde_json::Value);
    let changes: [Change; 4] = [
        |json| json["schema"] = SCHEMA_OF_REPORTS.into(),
        |json| json["cells"][0]["making"]["patches"][0]["text"] = serde_json::Value::Null,
        |json| drop(json["cells"][0]["boot"].as_object_mut().unwrap().remove("claims")),
        |json| json["unmeasured"][0]["state"] = "gone".into(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = real.clone();
        change(&mut changed);
        assert!(!validator.is_valid(&changed), "change {number}");
    }
}

const SCHEMA_OF_REPORTS: &str = crate::report::SCHEMA;

#[test]
fn another_file_is_refused_with_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.json");
    std::fs::write(&path, format!("{{\"schema\": {SCHEMA_OF_REPORTS:?}}}")).unwrap();
    assert!(Comparison::load(&path).unwrap_err().to_string().contains(SCHEMA_OF_REPORTS));
    assert!(Comparison::load(Path::new("/nowhere/x.json")).unwrap_err().to_string().contains("/nowhere"));
}
