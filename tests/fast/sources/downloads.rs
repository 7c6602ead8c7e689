//! Downloads that break, stall, fail or are interrupted.

use std::time::{Duration, Instant};

use kpatch_build::base::download;
use kpatch_build::base::stop::Stop;
use kpatch_build::stages::fetch::{self, Error, Location, SourceRequest};

use super::server::Behaviour;
use super::world::{Failure, World, kernel, sha256, xz};

/// A request for `/linux-6.1.5.tar` with its checksum.
fn request(world: &World, file: &[u8], behaviour: Behaviour) -> SourceRequest {
    world.server.put_as("/linux-6.1.5.tar", file, behaviour);
    let source = format!("tarball:{}/linux-6.1.5.tar#{}", world.server.url, sha256(file));
    world.request("6.1.5", &source)
}

fn downloads(world: &World) -> Vec<String> {
    world.server.take_requests().into_iter().filter(|line| line.starts_with("GET /linux-6.1.5.tar")).collect()
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let world = World::new();
    let file = kernel("6.1.5");
    let request = request(&world, &file, Behaviour::Breaks { bytes: 50_000, times: 2 });
    assert!(world.obtain(&request).is_ok());
    let requests = downloads(&world);
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert!(requests[1].ends_with("bytes=50000-") && requests[2].ends_with("bytes=100000-"), "{requests:?}");
}

/// Interrupts a run after 50 000 bytes; the next run is not interrupted.
fn interrupted(world: &mut World, request: &SourceRequest) {
    let stop = world.cx.stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        stop.set();
    });
    let failure = world.obtain(request).unwrap_err();
    assert!(
        matches!(failure, Failure::Fetch(Error::Download(download::Error::Interrupted(_)))),
        "{failure:?}"
    );
    assert_eq!(world.bucket("partial").len(), 1);
    world.cx.stop = Stop::default();
    world.server.take_requests();
}

#[test]
fn the_next_run_resumes_an_interrupted_download() {
    let mut world = World::new();
    let file = kernel("6.1.5");
    let request = request(&world, &file, Behaviour::Stalls { bytes: 50_000 });
    interrupted(&mut world, &request);
    world.server.put("/linux-6.1.5.tar", file);
    assert!(world.obtain(&request).is_ok());
    let requests = downloads(&world);
    assert!(requests.len() == 1 && requests[0].ends_with("bytes=50000-"), "{requests:?}");
    assert_eq!(world.bucket("partial"), Vec::<String>::new());
}

#[test]
fn a_download_from_a_server_without_ranges_starts_over() {
    let mut world = World::new();
    let file = kernel("6.1.5");
    let request = request(&world, &file, Behaviour::Stalls { bytes: 50_000 });
    interrupted(&mut world, &request);
    world.server.put_as("/linux-6.1.5.tar", file.clone(), Behaviour::IgnoresRanges);
    assert_eq!(world.obtain(&request).unwrap().sha256, sha256(&file));
    assert_eq!(downloads(&world).len(), 1);
}

#[test]
fn parts_of_two_versions_of_a_file_are_not_combined() {
    let mut world = World::new();
    let old = vec![7; 200_000];
    world.server.put_as("/linux-6.1.5.tar", old, Behaviour::Stalls { bytes: 50_000 });
    let mut request = world.request("6.1.5", &format!("tarball:{}/linux-6.1.5.tar", world.server.url));
    request.no_verify = true;
    interrupted(&mut world, &request);
    let file = kernel("6.1.5");
    world.server.put("/linux-6.1.5.tar", file.clone());
    assert_eq!(world.obtain(&request).unwrap().sha256, sha256(&file));
}

#[test]
fn only_transient_failures_are_retried() {
    let world = World::new();
    let file = kernel("6.1.5");
    for status in [500, 503, 429] {
        let world = World::new();
        let request = request(&world, &file, Behaviour::FailsFirst { status, times: 2 });
        assert!(world.obtain(&request).is_ok(), "{status}");
        assert_eq!(downloads(&world).len(), 3, "{status}");
    }
    for status in [403, 404, 410] {
        let request = request(&world, &file, Behaviour::FailsFirst { status, times: 9 });
        world.server.take_requests();
        let failure = world.obtain(&request).unwrap_err();
        assert!(
            matches!(failure, Failure::Fetch(Error::Download(download::Error::Http { .. }))),
            "{failure:?}"
        );
        assert_eq!(downloads(&world).len(), 1, "{status}");
        assert_eq!(world.bucket("partial"), Vec::<String>::new());
    }
}

#[test]
fn an_altered_download_is_an_error_and_is_not_kept() {
    let world = World::new();
    let mut file = kernel("6.1.5");
    let request = request(&world, &file, Behaviour::Good);
    file[600] ^= 1;
    world.server.put("/linux-6.1.5.tar", file);
    let failure = world.obtain(&request).unwrap_err();
    let Failure::Fetch(error @ Error::Download(download::Error::Altered { .. })) = &failure else {
        panic!("{failure:?}")
    };
    assert!(error.to_string().contains("was altered"));
    assert_eq!(world.bucket("tarballs"), Vec::<String>::new());
    assert_eq!(world.bucket("partial"), Vec::<String>::new());
}

#[test]
fn a_truncated_download_is_an_error_and_the_next_run_resumes_it() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    world.publish_suite("bookworm", &[("6.1.5", &file)]);
    let pool = "/debian/pool/main/l/linux/linux_6.1.5.orig.tar.xz";
    // No attempt gets a new byte, so the retries end.
    world.server.put_as(pool, &file[..70_000], Behaviour::Good);
    let request = world.request("6.1.5", "debian");
    let failure = world.obtain(&request).unwrap_err();
    let Failure::Fetch(Error::Download(download::Error::Truncated { expected, actual, .. })) = &failure
    else {
        panic!("{failure:?}")
    };
    assert_eq!((*expected, *actual), (file.len() as u64, 70_000));
    world.server.put(pool, file.clone());
    world.server.take_requests();
    assert!(world.obtain(&request).is_ok());
}

#[test]
fn unreachable_servers_are_named_within_seconds() {
    let world = World::new();
    let mut request = world.request("6.1.5", "auto");
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    request.kernel_org = vec![format!("http://127.0.0.1:{port}")];
    request.debian_mirror = Some("http://mirror.invalid/debian".to_owned());
    let started = Instant::now();
    let error = fetch::offers(&world.cx, &request).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let Error::NotProvided { attempts, nearest, .. } = &error else { panic!("{error:?}") };
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert!(nearest.is_empty());
}

#[test]
fn debian_replaces_an_unreachable_kernel_org_with_a_note() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    world.publish_suite("bookworm", &[("6.1.5", &file)]);
    let mut request = world.request("6.1.y", "auto");
    request.kernel_org = vec!["http://kernel.invalid".to_owned()];
    let (release, offers) = fetch::offers(&world.cx, &request).unwrap();
    assert_eq!(release.to_string(), "6.1.5");
    assert!(matches!(&offers[0].location, Location::Remote { .. }));
    assert!(world.notes().contains("kernel.org: cannot resolve kernel.invalid"), "{}", world.notes());
}

#[test]
fn a_stop_request_ends_a_silent_download_at_once() {
    let world = World::new();
    let request = request(&world, b"x", Behaviour::Hangs);
    let stop = world.cx.stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.set();
    });
    let started = Instant::now();
    let failure = world.obtain(&request).unwrap_err();
    assert!(
        matches!(failure, Failure::Fetch(Error::Download(download::Error::Interrupted(_)))),
        "{failure:?}"
    );
    assert_eq!(failure.exit(), 130);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

/// An address may hold a password or a token; report, store and output are published or shared.
#[test]
fn no_secret_of_an_address_is_written_or_shown() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    world.server.put("/linux-6.1.5.tar.xz", file.clone());
    let host = world.server.url.strip_prefix("http://").unwrap();
    let source =
        format!("tarball:http://bob:hunter2@{host}/linux-6.1.5.tar.xz?token=hunter3#{}", sha256(&file));
    let run = |source: &str| {
        let mut tool = std::process::Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
        tool.args(["fetch", "--release", "6.1.5", "--source", source, "--progress", "json"])
            .current_dir(world.dir.path());
        let output = tool.env("XDG_CACHE_HOME", world.path("cache")).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.windows(6).any(|part| part == b"hunter"), "{}", String::from_utf8_lossy(&text));
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = run(&source);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) =
        run(&source.replace("linux-6.1.5", "linux-6.1.6").replace(&sha256(&file), &"0".repeat(64)));
    assert_eq!(code, Some(3), "{text}");
    let report = std::fs::read_to_string(world.path("dist/report.json")).unwrap();
    assert!(report.contains(&format!("tarball:http://***@{host}/linux-6.1.6.tar.xz?***#")), "{report}");
    let found =
        std::process::Command::new("grep").args(["-ra", "hunter"]).arg(world.dir.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}
