//! Comparisons made up for tests: recorded threads, changed as each series would change them, and
//! invented debuggers. Nothing here says what a kernel or a debugger really does.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;

use kpatch_build::boot::{
    BootResult, DebuggerOutcome, DebuggerRun, FRAME, Hex, KernelMessages, Observation, Problem, Records,
    TraceeAfter, Verdict,
};
use kpatch_build::choices::{Accel, Lang};
use kpatch_build::claims::{Evidence, Judgement, judge};
use kpatch_build::compare::{Cell, Comparison, Making, PatchText, SCHEMA, SeriesText, Tool};
use kpatch_build::fetch::Origin;
use kpatch_build::release::Line;
use kpatch_build::report::{Kernel, Source, ToolchainPart};

const RECORDED: &str = include_str!("../data/boot/user-frame-6.1.187.records");

pub const SERIES: [(&str, &str); 7] = [
    ("zeroed", "All saved user registers of an io thread are zero, as in 5.12"),
    ("copy-segments", "io threads keep their creator's segment registers; all others are zero"),
    ("user-segments", "io threads get 64-bit user segment registers; all others are zero"),
    ("einval-regs", "Reading or writing the registers of an io thread fails with EINVAL"),
    ("einval-attach", "Attaching to an io thread fails with EINVAL"),
    ("hide-threads", "io threads are hidden from /proc/PID/task"),
    ("user-frame", "io threads get their creator's registers, with ax, ip and sp zeroed"),
];

pub const GDBS: [&str; 3] = ["gdb 10.1", "gdb 13.1", "gdb 16.3"];

pub fn recorded() -> Vec<Observation> {
    let mut records = Records::default();
    RECORDED.lines().for_each(|line| {
        records.line(line);
    });
    records.finish();
    assert!(records.damage.is_none(), "{:?}", records.damage);
    records.observations
}

pub fn observed(series: &str) -> Vec<Observation> {
    let mut threads = recorded();
    threads.iter_mut().filter(|seen| seen.is_io_thread()).for_each(|seen| change(seen, series));
    threads
}

fn change(seen: &mut Observation, series: &str) {
    let creator = seen.creator_regs.clone().expect("an io thread has a creator");
    let segments = |cs: u64, ss: u64| [("cs", Hex(cs)), ("ss", Hex(ss))];
    match series {
        "zeroed" => zero_but(seen, &[]),
        "copy-segments" => zero_but(seen, &["cs", "ss"].map(|name| (name, creator[name].unwrap()))),
        "user-segments" => zero_but(seen, &segments(0x33, 0x2b)),
        "einval-regs" => unreadable(seen, Some("EINVAL")),
        "einval-attach" => {
            unreadable(seen, None);
            seen.attach = "EINVAL".into();
            seen.seize = "EINVAL".into();
            seen.stops_on_attach = false;
            seen.stops_on_interrupt = false;
        }
        "hide-threads" => seen.listed = false,
        _ => {}
    }
}

fn zero_but(seen: &mut Observation, kept: &[(&str, Hex)]) {
    for name in FRAME {
        let value = kept.iter().find(|(of, _)| *of == name).map_or(Hex(0), |(_, value)| *value);
        seen.regs.insert(name.into(), Some(value));
    }
    let value = |name| seen.regs[name];
    (seen.cs, seen.ss, seen.ip, seen.sp) = (value("cs"), value("ss"), value("ip"), value("sp"));
    seen.peekuser_cs = seen.cs.map(|cs| cs.to_string());
    seen.regset_bytes = Some(if seen.cs == Some(Hex(0x33)) { 216 } else { 68 });
}

fn unreadable(seen: &mut Observation, errno: Option<&str>) {
    let errno = errno.map(str::to_owned);
    seen.regs.values_mut().for_each(|value| *value = None);
    (seen.cs, seen.ss, seen.ip, seen.sp) = (None, None, None, None);
    (seen.peekuser_cs, seen.peekuser_ds) = (errno.clone(), errno.clone());
    (seen.regset, seen.getregs, seen.regset_bytes, seen.regset_agrees) = (errno.clone(), errno, None, None);
}

pub fn run(debugger: &str, bits: u8, outcome: DebuggerOutcome) -> DebuggerRun {
    use DebuggerOutcome::*;
    let evidence = match outcome {
        AttachLoop | AttachAborted => Some("warning: ptrace: Invalid argument (made up)"),
        ArchitectureWarning => Some("warning: Selected architecture is not compatible (made up)"),
        _ => None,
    };
    DebuggerRun {
        debugger: debugger.into(),
        tracee_bits: bits,
        outcome,
        usable: outcome > AttachAborted,
        tracee_after: if outcome == AttachLoop { TraceeAfter::Stopped } else { TraceeAfter::Running },
        threads_seen: if outcome == ThreadsHidden { 1 } else { 3 },
        threads: 3,
        seconds: if outcome == AttachLoop { 20.0 } else { 1.2 },
        evidence: evidence.map(str::to_owned),
        transcript: format!("cells/x/{debugger}-{bits}.txt").replace(' ', "-").into(),
    }
}

/// What a made-up debugger does with a series.
pub fn invented(series: &str, gdb: &str, bits: u8) -> DebuggerOutcome {
    use DebuggerOutcome::*;
    match (series, gdb, bits) {
        ("zeroed", "gdb 10.1" | "gdb 13.1", 64) => ArchitectureWarning,
        ("user-segments", _, 32) => ArchitectureWarning,
        ("einval-regs", "gdb 10.1", _) => AttachAborted,
        ("einval-regs", ..) => ArchitectureWarning,
        ("einval-attach", "gdb 16.3", _) => AttachAborted,
        ("einval-attach", ..) => AttachLoop,
        ("hide-threads", ..) => ThreadsHidden,
        _ => Clean,
    }
}

/// The claims that hold of such a kernel, so that its verdict is `pass`.
fn claims(series: &str, observations: &[Observation]) -> Vec<Judgement> {
    let own = match series {
        "einval-attach" => {
            "attach = \"EINVAL\"\nseize = \"EINVAL\"\nstops_on_attach = false\nstops_on_interrupt = false\n\
             thread_regs = \"unseen\"\nregset_agrees = \"unseen\""
        }
        "einval-regs" => "peekuser_cs = \"EINVAL\"\nthread_regs = \"unseen\"\nregset_agrees = \"unseen\"",
        "hide-threads" => "listed = false",
        "zeroed" => "regs = \"zero\"\nregset_bytes = 68",
        _ => "attach = \"ok\"",
    };
    let text = format!("[[claim]]\nthreads = \"io\"\n[claim.shows]\n{own}\n");
    let line = Some(Line::new(6, 1));
    let evidence = Evidence { line, ia32: true, observations, requested: &[], debuggers: &[] };
    judge(&toml::from_str(&text).unwrap(), &evidence)
}

pub fn cell(series: &str, lang: Lang) -> Cell {
    let observations = observed(series);
    let claims = claims(series, &observations);
    let sizes = |gdb: &'static str| [64, 32].map(|bits| run(gdb, bits, invented(series, gdb, bits)));
    let lang_word = if lang == Lang::C { "c" } else { "rust" };
    let folder = format!("cells/{series}-{lang_word}");
    let mut debuggers: Vec<_> = GDBS.into_iter().flat_map(sizes).collect();
    for run in &mut debuggers {
        run.transcript = run.transcript.to_str().unwrap().replace("cells/x", &folder).into();
    }
    let uname = format!("6.1.187-{series}-boot");
    Cell {
        release: "6.1.187".parse().unwrap(),
        series: series.into(),
        lang,
        kconfig: vec!["boot".into()],
        boot: BootResult {
            verdict: if claims.iter().all(|claim| claim.holds) { Verdict::Pass } else { Verdict::Fail },
            accelerator: Accel::Tcg,
            seconds: 7.25,
            kernel_messages: KernelMessages::default(),
            guest_release: Some(uname.clone()),
            observations,
            debuggers,
            claims,
            problems: Vec::<Problem>::new(),
            notes: Vec::new(),
            console: format!("{folder}/logs/console.log").into(),
        },
        making: Some(making(series, &folder, uname)),
    }
}

fn making(series: &str, folder: &str, release: String) -> Making {
    let file = format!("patches/{series}/6.1/0001-x86-process-Do-something.patch");
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    Making {
        folder: folder.into(),
        source: Some(Source {
            origin: Origin::Debian,
            url: "http://mirror.example/pool/linux_6.1.187.orig.tar.xz".into(),
            sha256: digest.into(),
            verified_by: Some("InRelease of bookworm-security signed by a key that the tool pins".into()),
        }),
        toolchain: Some(ToolchainPart {
            cc: "gcc 12.2.0".into(),
            cc_text: None,
            ld: "GNU ld 2.40".into(),
            rustc: None,
            bindgen: None,
            libclang: None,
            pahole: None,
        }),
        kernel: Some(Kernel {
            release,
            image: "/store/results/x/bzImage".into(),
            image_sha256: digest.into(),
            config_sha256: digest.into(),
            signed_by: None,
            timestamp: None,
            patches_borrowed_from: None,
        }),
        patches: if series == "user-frame" {
            Vec::new()
        } else {
            vec![PatchText { file, sha256: digest.into(), text: PATCH.into() }]
        },
        unpatched: (series == "user-frame").then(|| "the fix that was merged is in this release".into()),
        borrowed_from: None,
    }
}

const PATCH: &str = "\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: Somebody <somebody@example.org>
Subject: [PATCH] example: Do something

A message that says why, over a line or two, so that there is something to
read here.

---
 example.c | 5 ++---
 1 file changed, 2 insertions(+), 3 deletions(-)

diff --git a/example.c b/example.c
--- a/example.c
+++ b/example.c
@@ -10,6 +10,5 @@ int example(struct pt_regs *regs)
 \tint result = 0;
-\tif (regs->cs == 0)
-\t\tresult = 1;
-\tuse(result);
+\tresult = regs->cs != 0 && regs->ss != 0; /* a long line that a phone cannot show whole */
+\tuse(result & 1);
 \treturn result;
 }
";

pub fn comparison(langs: &[Lang]) -> Comparison {
    let cells = langs.iter().flat_map(|lang| SERIES.iter().map(|(series, _)| cell(series, *lang)));
    let text = |(name, title): &(&str, &str)| SeriesText {
        name: (*name).into(),
        title: (*title).into(),
        origin: "The thread of May 2021; this text is made up".into(),
        summary: "What the series changes, in a sentence or two. A debugger then sees something else than \
                  before, and this paragraph is long enough to show how the page sets its text."
            .into(),
    };
    Comparison {
        schema: SCHEMA.into(),
        tool: Some(Tool { version: "0.1.0".into(), commit: Some("0123456789ab".into()) }),
        command: Some("kpatch-build compare --release 6.1.y --series all --debuggers all".into()),
        release: Some("6.1.187".parse().unwrap()),
        series: SERIES.iter().map(text).collect(),
        cells: cells.collect(),
        unmeasured: Vec::new(),
    }
}

/// Writes every transcript that the comparison names.
pub fn write_transcripts(comparison: &Comparison, folder: &Path) {
    for run in comparison.cells.iter().flat_map(|cell| &cell.boot.debuggers) {
        let path = folder.join(&run.transcript);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lines: String =
            (0..40).map(|n| format!("#{n}  0x00000000004010af in made_up_function_{n} ()\n")).collect();
        let said = run.evidence.clone().unwrap_or_default();
        std::fs::write(
            path,
            format!("$ {} -p 24\n{said}\n{lines}[Inferior 1 (process 24) detached]\n", run.debugger),
        )
        .unwrap();
    }
}
