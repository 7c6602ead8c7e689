use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::boot::Records;

/// What probes printed under unpatched kernels of two lines.
const MERGED: &str = include_str!("../../../tests/data/boot/user-frame-6.1.187.records");
const ZEROED: &str = include_str!("../../../tests/data/boot/zeroed-5.12.9.records");

fn observations(records: &str) -> Vec<Observation> {
    let mut read = Records::default();
    records.lines().for_each(|line| {
        read.line(line);
    });
    read.finish();
    assert_eq!(read.damage, None);
    read.observations
}

fn claims(text: &str) -> Vec<Claim> {
    #[derive(Deserialize)]
    struct File {
        claim: Vec<Claim>,
    }
    toml::from_str::<File>(text).unwrap().claim
}

fn user_frame() -> Vec<Claim> {
    claims(include_str!("../../../patches/user-frame/series.toml"))
}

fn zeroed() -> Vec<Claim> {
    claims(include_str!("../../../patches/zeroed/series.toml"))
}

fn copy_segments() -> Vec<Claim> {
    claims(include_str!("../../../patches/copy-segments/series.toml"))
}

fn evidence(observations: &[Observation]) -> Evidence<'_> {
    Evidence { line: Some(Line::new(6, 1)), ia32: true, observations }
}

fn failures(claims: &[Claim], observations: &[Observation]) -> Vec<String> {
    judge(claims, &evidence(observations)).iter().filter_map(Judgement::failure).collect()
}

#[test]
fn each_recording_holds_its_own_series_claims_and_no_others() {
    let (merged, zero) = (observations(MERGED), observations(ZEROED));
    assert_eq!(failures(&user_frame(), &merged), [""; 0]);
    assert_eq!(failures(&zeroed(), &zero), [""; 0]);
    for (claims, seen) in
        [(zeroed(), &merged), (copy_segments(), &merged), (user_frame(), &zero), (copy_segments(), &zero)]
    {
        assert!(!failures(&claims, seen).is_empty());
    }
}

#[test]
fn what_zeroed_shows_is_told_in_the_words_of_the_report() {
    let judged = judge(&copy_segments(), &evidence(&observations(ZEROED)));
    let cs = judged.iter().find(|judged| judged.claim == "64-bit io threads: peekuser_cs").unwrap();
    assert_eq!((cs.expected.as_str(), cs.observed.as_str(), cs.holds), ("0x33", "0x0", false));
    assert!(cs.failure().unwrap().contains("64-bit io threads: peekuser_cs"));
}

/// Every value that differs from `value`, for the kinds of value that an observation has.
fn mutated(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(flag) => vec![Value::Bool(!flag), Value::Null],
        Value::Number(number) => vec![Value::from(number.as_u64().unwrap() + 1), Value::Null],
        Value::String(text) if text.starts_with("0x") => {
            vec!["0x1badcafe".into(), "0xffff888000001000".into(), Value::Null]
        }
        Value::String(_) => vec!["EINVAL".into()],
        _ => Vec::new(),
    }
}

/// Neither claimed nor meant to be: names, and what differs from boot to boot.
const UNCLAIMED: &[&str] = &[
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
    for (recording, claims) in [(MERGED, user_frame()), (ZEROED, zeroed())] {
        let seen = observations(recording);
        let mut tried = 0;
        for at in (0..seen.len()).filter(|at| seen[*at].is_io_thread()) {
            let object = serde_json::to_value(&seen[at]).unwrap();
            for (pointer, value) in leaves(&object) {
                if UNCLAIMED.contains(&pointer.trim_start_matches('/'))
                    || unclaimed_by_zeroed(&pointer, recording)
                {
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
        assert!(tried > 200, "{tried}");
    }
}

/// The shorthands beside `regs` and `peekuser_ds` are claimed through `regs`, and `zeroed` says
/// nothing about what the creator's frame held.
fn unclaimed_by_zeroed(pointer: &str, recording: &str) -> bool {
    let shorthand = ["/cs", "/ss", "/ip", "/sp", "/peekuser_ds"].contains(&pointer);
    shorthand || recording == ZEROED && pointer.starts_with("/creator_regs/") || pointer == "/regset_agrees"
}

fn leaves(object: &Value) -> Vec<(String, &Value)> {
    let mut leaves = Vec::new();
    for (name, value) in object.as_object().unwrap() {
        match value.as_object() {
            // What ax, ip and sp of the creator were is not compared with anything.
            Some(inner) => leaves.extend(
                inner
                    .iter()
                    .filter(|(register, _)| {
                        name != "creator_regs" || !["ax", "ip", "sp", "cs", "ss"].contains(&register.as_str())
                    })
                    .filter(|(register, _)| name != "creator_regs" || !register.starts_with('r'))
                    .map(|(register, value)| (format!("/{name}/{register}"), value)),
            ),
            None => leaves.push((format!("/{name}"), value)),
        }
    }
    leaves
}

#[test]
fn a_claim_about_threads_that_were_not_seen_does_not_hold() {
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
fn a_claim_is_judged_only_where_it_is_made() {
    let seen = observations(MERGED);
    let other_line = claims("[[claim]]\nthreads = \"io\"\nlines = [\"5.12\"]\nshows = { listed = false }");
    assert_eq!(failures(&other_line, &seen), [""; 0]);
    let this_line = claims("[[claim]]\nthreads = \"io\"\nlines = [\"6.1\"]\nshows = { listed = false }");
    assert_eq!(failures(&this_line, &seen).len(), 2);
}

#[test]
fn a_series_own_claim_replaces_the_side_claim() {
    let seen = observations(MERGED);
    let own = claims("[[claim]]\nthreads = \"io\"\ntracee = 64\nshows = { listed = false }");
    let judged = judge(&own, &evidence(&seen));
    let of = |name: &str| judged.iter().filter(|judged| judged.claim == name).count();
    assert_eq!((of("64-bit io threads: listed"), of("32-bit io threads: listed")), (1, 1));
}

#[test]
fn without_32_bit_emulation_only_64_bit_claims_are_judged() {
    let seen: Vec<_> = observations(MERGED).into_iter().filter(|seen| seen.tracee_bits == 64).collect();
    let judged = judge(&user_frame(), &Evidence { ia32: false, ..evidence(&seen) });
    assert!(judged.iter().all(|judged| judged.holds && judged.claim.starts_with("64-bit")), "{judged:?}");
    let judged = judge(&zeroed(), &Evidence { ia32: false, ..evidence(&seen) });
    assert!(judged.iter().any(|judged| judged.claim.ends_with("regset_bytes") && judged.expected == "216"));
}

#[test]
fn threads_that_disagree_are_told_apart() {
    let mut seen = observations(MERGED);
    let worker = seen.iter_mut().find(|seen| seen.thread == "iou-wrk").unwrap();
    worker.peekuser_cs = Some("0x0".into());
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
    poller.regs.insert("bx".into(), None);
    assert!(failures(&user_frame(), &seen).iter().any(|text| text.contains("bx unseen")));
    let unseen = claims("[[claim]]\nthreads = \"iou-sqp\"\ntracee = 64\nshows = { bx = \"unseen\" }");
    assert_eq!(failures(&unseen, &seen), [""; 0]);
}

#[test]
fn negated_errnos_are_no_kernel_addresses() {
    let mut seen = observations(MERGED).remove(1);
    seen.regs.insert("ax".into(), Some(Hex(-38i64 as u64)));
    assert!(seen.kernel_addresses().is_empty());
    seen.regs.insert("ip".into(), Some(Hex(0xffff_ffff_8100_0000)));
    assert_eq!(seen.kernel_addresses(), [("ip", Hex(0xffff_ffff_8100_0000))]);
}
