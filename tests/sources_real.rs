//! The Debian mirror of the host's own apt.

use std::time::Instant;

use kpatch_build::context::Context;
use kpatch_build::events::{Event, Events, Sink};
use kpatch_build::fetch::{self, Error, Origin, SourceSpec};
use kpatch_build::plan::{Lang, Request};
use kpatch_build::stop::Stop;
use kpatch_build::store::Store;
use kpatch_build::verify::pins::Pins;
use kpatch_build::{unpack, verify};

struct Told;

impl Sink for Told {
    fn event(&self, event: &Event) {
        if let Event::Note { text, .. } = event {
            eprintln!("note: {text}");
        }
    }
}

fn context(dir: &tempfile::TempDir) -> Context {
    Context {
        store: Store::open(dir.path()).unwrap(),
        events: Events::new(Told),
        stop: Stop::default(),
        offline: false,
        logs: dir.path().join("logs"),
    }
}

fn request(release: &str, source: SourceSpec) -> Request {
    Request {
        release: release.parse().unwrap(),
        source,
        series: "none".to_owned(),
        lang: Lang::C,
        kconfig: Vec::new(),
        formats: Vec::new(),
        cc: "gcc".to_owned(),
        localversion: None,
        revision: 1,
        jobs: None,
        out: "dist".into(),
        boot: None,
        no_verify: false,
        keyring: None,
        kernel_org: Vec::new(),
        debian_mirror: None,
        pins: Pins::default(),
    }
}

/// Whether apt is configured here. In CI it has to be.
fn apt_is_here() -> bool {
    let here = std::path::Path::new("/etc/apt").is_dir();
    assert!(here || std::env::var("CI").as_deref() != Ok("true"), "CI needs a host with apt");
    if !here {
        eprintln!("skipped: this host has no apt");
    }
    here
}

#[test]
fn real_the_newest_6_1_release_of_debian_becomes_a_tree() {
    if !apt_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir);
    let start = Instant::now();
    let time = |what: &str| eprintln!("{what} after {:.1} s", start.elapsed().as_secs_f64());
    let (release, offers) = fetch::offers(&cx, &request("6.1.y", SourceSpec::Debian)).unwrap();
    time(&format!("{release} found"));
    assert!(release.point >= 187, "{release}");
    assert_eq!(offers[0].origin, Origin::Debian);
    let tarball = fetch::fetch(&cx, &offers).unwrap();
    time("fetched");
    let source = verify::verify(&cx, tarball).unwrap();
    time(&format!("verified by {:?}", source.verified_by));
    assert!(source.verified_by.as_ref().unwrap().contains("Debian"));
    let tree = unpack::unpack(&cx, &source).unwrap();
    time("unpacked");
    assert!(tree.path().join("arch/x86/kernel/process.c").is_file());
    assert!(tree.made > 1_700_000_000);
    drop(tree);
    assert!(unpack::unpack(&cx, &source).unwrap().cached);
    let (again, _) = fetch::offers(&cx, &request("6.1.y", SourceSpec::Debian)).unwrap();
    time("found again");
    assert_eq!(again, release);
}

#[test]
fn real_a_release_that_debian_never_had_names_its_neighbours() {
    if !apt_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir);
    let error = fetch::offers(&cx, &request("5.12", SourceSpec::Debian)).unwrap_err();
    eprintln!("{error}\n{}\n{:?}", error.facts().join("\n"), error.next_step());
    let Error::NotDelivered { tried, nearest, .. } = &error else { panic!("{error:?}") };
    assert!(!tried.is_empty());
    assert!(nearest.iter().any(|release| release.line().to_string() == "5.10.y"), "{nearest:?}");
    assert_eq!(error.exit(), 3);
}
