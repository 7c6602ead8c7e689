//! The Debian mirror of the host's apt, and git's server.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kpatch_build::base::context::Context;
use kpatch_build::base::error::Explain;
use kpatch_build::base::events::{Event, Events, Sink};
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::Store;
use kpatch_build::stages::fetch::pins::Pins;
use kpatch_build::stages::fetch::{self, Content, Error, Origin, SourceRequest, SourceSpec};
use kpatch_build::stages::unpack::{self, TreeCheck};
use kpatch_build::stages::verify;

use crate::support::need::{have, present};

struct Printed;

impl Sink for Printed {
    fn event(&self, event: &Event) {
        if let Event::Note { text, .. } = event {
            eprintln!("note: {text}");
        }
    }
}

fn context(dir: &tempfile::TempDir) -> Context {
    Context {
        store: Store::open(dir.path()).unwrap(),
        events: Events::new(Printed),
        stop: Stop::default(),
        offline: false,
        logs: dir.path().join("logs"),
    }
}

fn request(release: &str, source: SourceSpec) -> SourceRequest {
    let release = release.parse().unwrap();
    SourceRequest {
        release,
        source,
        no_verify: false,
        keyring: None,
        kernel_org: Vec::new(),
        debian_mirror: None,
        accept_stale_index: false,
        outputs: Vec::new(),
        pins: Pins::default(),
    }
}

fn has_apt() -> bool {
    present("apt", Path::new("/etc/apt").is_dir())
}

#[test]
fn real_the_newest_6_1_release_of_debian_becomes_a_tree() {
    if !has_apt() {
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
    let fetched = fetch::fetch(&cx, &offers).unwrap();
    time("fetched");
    let source = verify::verify(&cx, fetched).unwrap();
    time(&format!("verified by {:?}", source.verified_by));
    assert!(source.verified_by.as_ref().unwrap().contains("Debian"));
    let tree = unpack::unpack(&cx, &source, TreeCheck::Contents).unwrap();
    time("unpacked");
    assert!(tree.path().join("arch/x86/kernel/process.c").is_file());
    assert!(tree.released_at > 1_700_000_000);
    drop(tree);
    assert!(unpack::unpack(&cx, &source, TreeCheck::Contents).unwrap().cached);
    let (again, _) = fetch::offers(&cx, &request("6.1.y", SourceSpec::Debian)).unwrap();
    time("found again");
    assert_eq!(again, release);
}

#[test]
fn real_a_release_that_debian_never_had_is_an_error_with_the_nearest_releases() {
    if !has_apt() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir);
    let error = fetch::offers(&cx, &request("5.12", SourceSpec::Debian)).unwrap_err();
    eprintln!("{error}\n{}\n{:?}", error.facts().join("\n"), error.next_step());
    let Error::NotProvided { attempts, nearest, .. } = &error else { panic!("{error:?}") };
    assert!(!attempts.is_empty());
    assert!(nearest.iter().any(|release| release.line().to_string() == "5.10.y"), "{nearest:?}");
    assert_eq!(error.exit() as u8, 3);
}

/// A git server, killed when the test ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn git(dir: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(args);
    assert!(command.stdout(Stdio::null()).status().unwrap().success(), "git {args:?}");
}

/// Serves a repository with two commits, the second one tagged. Returns its address.
fn serve(dir: &Path) -> (Daemon, String) {
    let tree = dir.join("linux");
    std::fs::create_dir(&tree).unwrap();
    git(&tree, &["init", "-q"]);
    std::fs::write(tree.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 4\nEXTRAVERSION =\n")
        .unwrap();
    git(&tree, &["add", "Makefile"]);
    git(&tree, &["commit", "-qm", "one"]);
    std::fs::write(tree.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 5\nEXTRAVERSION =\n")
        .unwrap();
    git(&tree, &["commit", "-qam", "two"]);
    git(&tree, &["tag", "-m", "Linux 6.1.5", "v6.1.5"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Started without `git daemon`, which would put a second process in between.
    let directory = Command::new("git").arg("--exec-path").output().unwrap().stdout;
    let program = Path::new(String::from_utf8(directory).unwrap().trim()).join("git-daemon");
    let child = Command::new(program)
        .args(["--export-all", "--listen=127.0.0.1", &format!("--port={port}")])
        .arg(format!("--base-path={}", dir.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "git daemon does not respond");
        std::thread::sleep(Duration::from_millis(50));
    }
    (daemon, format!("git://127.0.0.1:{port}/linux"))
}

#[test]
fn real_a_remote_repository_is_fetched_one_commit_deep_and_then_used_offline() {
    if !have(&["git"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (daemon, url) = serve(dir.path());
    let store = tempfile::tempdir().unwrap();
    let mut cx = context(&store);
    let mut request = request("6.1.y", format!("git:{url}").parse().unwrap());
    request.no_verify = true;
    let (release, offers) = fetch::offers(&cx, &request).unwrap();
    assert_eq!(release.to_string(), "6.1.5");
    let source = verify::verify(&cx, fetch::fetch(&cx, &offers).unwrap()).unwrap();
    let Content::Git { revision, .. } = &source.content else { panic!("{source:?}") };
    assert!(revision.repository.join("shallow").is_file(), "the whole history was fetched");
    let released_at = unpack::unpack(&cx, &source, TreeCheck::Contents).unwrap().released_at;
    assert!(released_at > 1_700_000_000);
    let sum = source.sha256.clone();
    drop((source, daemon));

    cx.offline = true;
    request.release = "6.1.5".parse().unwrap();
    let (_, offers) = fetch::offers(&cx, &request).unwrap();
    let source = verify::verify(&cx, fetch::fetch(&cx, &offers).unwrap()).unwrap();
    assert_eq!(source.sha256, sum);
}
