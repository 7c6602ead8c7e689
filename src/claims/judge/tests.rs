use serde_json::Value;

use super::*;
use crate::base::release::Line;
use crate::claims::Peek;
use crate::stages::boot::Records;

/// Output of probes under unpatched kernels of two release lines.
const MERGED: &str = include_str!("../../../tests/data/boot/user-frame-6.1.187.records");
const ZEROED: &str = include_str!("../../../tests/data/boot/zeroed-5.12.9.records");

/// Output of a probe, and the series whose kernel ran.
struct Recording {
    records: &'static str,
    series: &'static str,
}

macro_rules! recording {
    ($series:literal, $release:literal) => {
        Recording {
            records: include_str!(concat!("../../../tests/data/boot/", $series, "-", $release, ".records")),
            series: include_str!(concat!("../../../patches/", $series, "/series.toml")),
        }
    };
}

const RECORDINGS: [Recording; 6] = [
    recording!("user-frame", "6.1.187"),
    recording!("zeroed", "5.12.9"),
    recording!("user-segments", "6.1.187"),
    recording!("einval-regs", "6.1.187"),
    recording!("einval-attach", "6.1.187"),
    recording!("hide-threads", "6.1.187"),
];

fn observations(records: &str) -> Vec<Observation> {
    let mut read = Records::default();
    records.lines().for_each(|line| {
        read.read_line(line);
    });
    read.finish();
    assert_eq!(read.damage, None);
    read.observations
}

fn claims(text: &str) -> Claims {
    toml::from_str(text).unwrap()
}

fn user_frame() -> Claims {
    claims(include_str!("../../../patches/user-frame/series.toml"))
}

fn zeroed() -> Claims {
    claims(include_str!("../../../patches/zeroed/series.toml"))
}

fn copy_segments() -> Claims {
    claims(include_str!("../../../patches/copy-segments/series.toml"))
}

fn observed(observations: &[Observation]) -> Observed<'_> {
    Observed { line: Some(Line::new(6, 1)), ia32: true, observations, requested: &[], debuggers: &[] }
}

fn failures(claims: &Claims, observations: &[Observation]) -> Vec<String> {
    judge(claims, &observed(observations)).iter().filter_map(Judgement::failure).collect()
}

#[test]
fn each_recording_meets_its_own_series_claims_and_no_others() {
    for recording in &RECORDINGS {
        let seen = observations(recording.records);
        assert_eq!(failures(&claims(recording.series), &seen), [""; 0]);
        assert!(!failures(&copy_segments(), &seen).is_empty());
        for other in RECORDINGS.iter().filter(|other| other.series != recording.series) {
            assert!(!failures(&claims(other.series), &seen).is_empty(), "{}", other.series);
        }
    }
}

#[test]
fn a_judgement_uses_the_words_of_the_report() {
    let judged = judge(&copy_segments(), &observed(&observations(ZEROED)));
    let cs = judged.iter().find(|judged| judged.claim == "64-bit io threads: peekuser_cs").unwrap();
    assert_eq!((cs.expected.as_str(), cs.observed.as_str(), cs.holds), ("0x33", "0x0", false));
    assert!(cs.failure().unwrap().contains("64-bit io threads: peekuser_cs"));
}

/// Returns values that differ from `value`, for each kind of value in an observation.
fn mutated(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(flag) => vec![Value::Bool(!flag), Value::Null],
        Value::Number(number) => vec![Value::from(number.as_u64().unwrap() + 1), Value::Null],
        Value::String(text) if text.starts_with("0x") => {
            vec!["0x1badcafe".into(), "0xffff888000001000".into(), Value::Null]
        }
        Value::String(text) if text == "EINVAL" => vec!["ok".into(), "0x33".into(), Value::Null],
        Value::String(_) => vec!["EINVAL".into()],
        // A value of the wrong type does not parse as an observation, and the caller skips it.
        Value::Null => vec!["ok".into(), "0x0".into(), Value::from(216), true.into()],
        _ => Vec::new(),
    }
}

/// Fields that no claim covers on purpose: names, values that differ from boot to boot, and copies of
/// values that claims cover through `regs` and `thread_regs`.
const UNCLAIMED: &[&str] = &[
    "cs",
    "ss",
    "ip",
    "sp",
    "peekuser_ds",
    "tracee_bits",
    "thread",
    "name",
    "tid",
    "state",
    "state_frozen_v1",
    "state_frozen_v2",
    "freezes_v1",
    "freezes_v2",
];

#[test]
fn any_change_to_what_an_io_thread_shows_breaks_a_claim() {
    for Recording { records, series } in RECORDINGS {
        let (claims, seen) = (claims(series), observations(records));
        let mut tried = 0;
        for at in (0..seen.len()).filter(|at| seen[*at].is_io_thread()) {
            let object = serde_json::to_value(&seen[at]).unwrap();
            for (pointer, value) in leaves(&object) {
                let unclaimed = UNCLAIMED.contains(&pointer.trim_start_matches('/'));
                if unclaimed || !copies(series) && pointer.starts_with("/creator_regs/") {
                    continue;
                }
                for wrong in mutated(value) {
                    let mut changed = object.clone();
                    *changed.pointer_mut(&pointer).unwrap() = wrong.clone();
                    let Ok(observation) = serde_json::from_value(changed) else { continue };
                    let mut all = seen.clone();
                    all[at] = observation;
                    tried += 1;
                    assert!(!failures(&claims, &all).is_empty(), "{pointer} = {wrong}");
                }
            }
        }
        assert!(tried > 150, "{tried}");
    }
}

/// Whether a series claims that registers are the creator's; otherwise no claim compares the creator's
/// frame with anything.
fn copies(series: &str) -> bool {
    series.contains(" regs = \"creator\"")
}

/// Every value of the object and of the objects in it, with its JSON pointer.
fn leaves(object: &Value) -> Vec<(String, &Value)> {
    let mut leaves = Vec::new();
    for (name, value) in object.as_object().unwrap() {
        if value.is_object() {
            let below = self::leaves(value).into_iter().filter(|(below, _)| is_compared(name, below));
            // A 32-bit note has no such register.
            let below = below.filter(|(_, value)| name != "core" || !value.is_null());
            leaves.extend(below.map(|(below, value)| (format!("/{name}{below}"), value)));
        } else {
            leaves.push((format!("/{name}"), value));
        }
    }
    leaves
}

/// Whether a claim covers a nested value. No claim compares the creator's ax, ip and sp, nor registers
/// that a 32-bit creator cannot set; claims about a core note cover its frame, not `thread_struct`.
fn is_compared(name: &str, below: &str) -> bool {
    match name {
        "creator_regs" => !["/ax", "/ip", "/sp", "/cs", "/ss"].contains(&below) && !below.starts_with("/r"),
        "core" => Register::THREAD.iter().all(|register| below != format!("/regs/{register}")),
        _ => true,
    }
}

#[test]
fn a_claim_about_unobserved_threads_does_not_hold() {
    let seen = observations(MERGED);
    for kind in ["iou-sqp", "iou-wrk", "leader"] {
        let rest: Vec<_> = seen.iter().filter(|seen| seen.thread != kind).cloned().collect();
        let failed = failures(&user_frame(), &rest);
        assert!(failed.iter().any(|text| text.contains(&format!("no {kind} thread"))), "{failed:?}");
    }
}

#[test]
fn flipping_a_claim_flips_its_judgement() {
    let seen = observations(MERGED);
    let text = include_str!("../../../patches/user-frame/series.toml");
    let flipped = claims(&text.replacen("regset_bytes = 216", "regset_bytes = 68", 1));
    let failed = failures(&flipped, &seen);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].contains("64-bit io threads: regset_bytes: expected 68, observed 216"), "{failed:?}");
}

#[test]
fn a_claim_is_judged_only_on_the_lines_it_covers() {
    let seen = observations(MERGED);
    let other_line = claims("[[claim]]\nthreads = \"io\"\nlines = [\"5.12\"]\nshows = { listed = false }");
    assert_eq!(failures(&other_line, &seen), [""; 0]);
    let this_line = claims("[[claim]]\nthreads = \"io\"\nlines = [\"6.1\"]\nshows = { listed = false }");
    assert_eq!(failures(&this_line, &seen).len(), 2);
}

#[test]
fn register_claims_differ_between_release_lines() {
    let hide_threads = recording!("hide-threads", "5.12.9");
    let seen = observations(hide_threads.records);
    let failed = |line| {
        let observed = Observed { line: Some(line), ..observed(&seen) };
        judge(&claims(hide_threads.series), &observed).iter().filter(|judged| !judged.holds).count()
    };
    assert_eq!(failed(Line::new(5, 12)), 0);
    assert!(
        Line::SUPPORTED.into_iter().filter(|line| *line != Line::new(5, 12)).all(|line| failed(line) > 0)
    );
}

#[test]
fn a_series_own_claim_replaces_the_side_claim() {
    let seen = observations(MERGED);
    let own = claims("[[claim]]\nthreads = \"io\"\ntracee = 64\nshows = { listed = false }");
    let judged = judge(&own, &observed(&seen));
    let of = |name: &str| judged.iter().filter(|judged| judged.claim == name).count();
    assert_eq!((of("64-bit io threads: listed"), of("32-bit io threads: listed")), (1, 1));
}

#[test]
fn without_32_bit_emulation_only_64_bit_claims_are_judged() {
    let seen: Vec<_> = observations(MERGED).into_iter().filter(|seen| seen.tracee_bits == 64).collect();
    let judged = judge(&user_frame(), &Observed { ia32: false, ..observed(&seen) });
    assert!(judged.iter().all(|judged| judged.holds && judged.claim.starts_with("64-bit")), "{judged:?}");
    let judged = judge(&zeroed(), &Observed { ia32: false, ..observed(&seen) });
    assert!(judged.iter().any(|judged| judged.claim.ends_with("regset_bytes") && judged.expected == "216"));
}

#[test]
fn threads_that_disagree_are_named() {
    let mut seen = observations(MERGED);
    let worker = seen.iter_mut().find(|seen| seen.thread == "iou-wrk").unwrap();
    worker.peekuser_cs = Some(Peek::Value(Hex(0)));
    let failed = failures(&user_frame(), &seen);
    assert_eq!(
        failed,
        [
            "claim does not hold: 64-bit io threads: peekuser_cs: expected 0x33, observed 0x0 (iou-wrk); 0x33 (iou-sqp)"
        ]
    );
}

#[test]
fn an_unreadable_register_is_neither_zero_nor_copied() {
    let mut seen = observations(MERGED);
    let poller = seen.iter_mut().find(|seen| seen.thread == "iou-sqp").unwrap();
    poller.regs[Register::Bx] = None;
    assert!(failures(&user_frame(), &seen).iter().any(|text| text.contains("bx unseen")));
    let unseen = claims("[[claim]]\nthreads = \"iou-sqp\"\ntracee = 64\nshows = { bx = \"unseen\" }");
    assert_eq!(failures(&unseen, &seen), [""; 0]);
}

#[test]
fn a_negated_errno_is_not_a_kernel_address() {
    let mut seen = observations(MERGED).remove(1);
    seen.regs[Register::Ax] = Some(Hex(-38i64 as u64));
    assert!(seen.kernel_addresses().is_empty());
    seen.regs[Register::Ip] = Some(Hex(0xffff_ffff_8100_0000));
    assert_eq!(seen.kernel_addresses(), [(Register::Ip, Hex(0xffff_ffff_8100_0000))]);
}
