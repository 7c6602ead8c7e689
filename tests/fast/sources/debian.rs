//! Releases from a Debian mirror.

use kpatch_build::base::download;
use kpatch_build::base::error::Explain;
use kpatch_build::stages::fetch::{self, Error};

use super::world::{Failure, Signer, World, kernel, xz};

const POOL: &str = "/debian/pool/main/l/linux";

#[test]
fn an_upstream_archive_is_verified_through_in_release_and_index() {
    let world = World::new();
    world.publish_suite("bookworm-security", &[("6.1.5", &xz(&kernel("6.1.5")))]);
    let source = world.obtain(&world.request("6.1.y", "debian")).unwrap();
    let by = source.verified_by.unwrap();
    for part in ["bookworm-security", "archive", "Sources index", "linux_6.1.5.orig.tar.xz"] {
        assert!(by.contains(part), "{part}: {by}");
    }
    assert!(source.url.ends_with("/debian-security/pool/main/l/linux/linux_6.1.5.orig.tar.xz"));
}

#[test]
fn a_listed_archive_that_is_missing_is_skipped_with_a_note() {
    let world = World::new();
    let good = xz(&kernel("6.1.5"));
    world.publish_suite("bookworm", &[("6.1.5", &good), ("6.1.6", b"x")]);
    world.server.remove(&format!("{POOL}/linux_6.1.6.orig.tar.xz"));
    let (release, _) = fetch::offers(&world.cx, &world.request("6.1.y", "debian")).unwrap();
    assert_eq!(release.to_string(), "6.1.5");
    assert!(world.notes().contains("6.1.6 is listed but not available (404)"), "{}", world.notes());
}

#[test]
fn another_suite_provides_a_release_that_the_first_lacks() {
    let world = World::new();
    let good = xz(&kernel("6.1.5"));
    world.publish_suite("bookworm-security", &[("6.1.5", &good)]);
    world.publish_suite("bookworm", &[("6.1.5", &good)]);
    world.server.remove("/debian-security/pool/main/l/linux/linux_6.1.5.orig.tar.xz");
    assert!(world.obtain(&world.request("6.1.5", "debian")).unwrap().url.contains("/debian/pool"));
}

#[test]
fn the_default_is_the_newest_long_term_line_that_is_available() {
    let world = World::new();
    let files: [(&str, &[u8]); 4] = [("6.1.9", b"a"), ("6.12.3", b"b"), ("6.18.4", b"c"), ("7.2.1", b"d")];
    world.publish_suite("sid", &files);
    world.server.remove(&format!("{POOL}/linux_6.18.4.orig.tar.xz"));
    let mut request = world.request("latest", "debian");
    let (latest, _) = fetch::offers(&world.cx, &request).unwrap();
    assert_eq!(latest.to_string(), "7.2.1");
    request.release = kpatch_build::base::release::ReleaseSpec::NewestLongTerm;
    let (long_term, _) = fetch::offers(&world.cx, &request).unwrap();
    assert_eq!(long_term.to_string(), "6.12.3");
}

#[test]
fn candidates_and_releases_without_io_threads_are_never_chosen() {
    let world = World::new();
    world.publish_suite("bullseye", &[("5.10.161", b"a"), ("5.4.300", b"b")]);
    world.publish_suite("experimental", &[("7.3~rc7", b"c")]);
    for release in ["5.10.y", "5.4.y", "7.3.y", "latest"] {
        let error = fetch::offers(&world.cx, &world.request(release, "debian")).unwrap_err();
        assert!(matches!(error, Error::NotProvided { .. }), "{release}");
    }
    assert!(fetch::offers(&world.cx, &world.request("7.3-rc7", "debian")).is_ok());
}

#[test]
fn a_suite_with_an_unknown_signer_is_not_used() {
    let world = World::new();
    let stranger = Signer::new("stranger");
    world.publish_suite_as(
        "bookworm",
        &[("6.1.5", b"x")],
        &stranger,
        "bookworm",
        "Valid-Until: Sat, 01 Jan 2050 00:00:00 UTC",
    );
    let error = fetch::offers(&world.cx, &world.request("6.1.5", "debian")).unwrap_err();
    let facts = error.facts().join("\n");
    assert!(facts.contains("debian (bookworm)") && facts.contains(&stranger.fingerprint()), "{facts}");
}

#[test]
fn a_suite_served_under_another_name_is_not_used() {
    let world = World::new();
    let until = "Valid-Until: Sat, 01 Jan 2050 00:00:00 UTC";
    world.publish_suite_as("bookworm", &[("6.1.5", b"x")], &world.archive, "buster", until);
    let error = fetch::offers(&world.cx, &world.request("6.1.5", "debian")).unwrap_err();
    assert!(error.facts().join("\n").contains("another suite"), "{:?}", error.facts());
}

#[test]
fn an_index_that_is_no_longer_valid_is_used_only_if_the_user_accepts_it() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    let until = "Valid-Until: Wed, 01 Jan 2020 00:00:00 UTC";
    world.publish_suite_as("bookworm", &[("6.1.5", &file)], &world.archive, "bookworm", until);
    let mut request = world.request("6.1.y", "debian");
    let facts = fetch::offers(&world.cx, &request).unwrap_err().facts().join("\n");
    assert!(facts.contains("valid until 2020-01-01") && facts.contains("--accept-stale-index"), "{facts}");
    request.accept_stale_index = true;
    let verified = world.obtain(&request).unwrap();
    assert!(verified.caveat.unwrap().contains("was valid until 2020-01-01"));
    assert!(world.notes().contains("was valid until 2020-01-01"), "{}", world.notes());
}

#[test]
fn an_index_from_the_future_is_not_used() {
    let world = World::new();
    let date = "Date: Sat, 01 Jan 2050 00:00:00 UTC";
    world.publish_suite_as("bookworm", &[("6.1.5", b"x")], &world.archive, "bookworm", date);
    let error = fetch::offers(&world.cx, &world.request("6.1.5", "debian")).unwrap_err();
    assert!(error.facts().join("\n").contains("dated in the future"), "{:?}", error.facts());
}

#[test]
fn an_index_older_than_one_that_was_seen_does_not_hide_a_release() {
    let world = World::new();
    let (old, new) = (xz(&kernel("6.1.5")), xz(&kernel("6.1.6")));
    let (june, july) = ("Date: Mon, 01 Jun 2026 00:00:00 UTC", "Date: Wed, 01 Jul 2026 00:00:00 UTC");
    let publish = |files: &[(&str, &[u8])], date: &str| {
        world.publish_suite_as("bookworm", files, &world.archive, "bookworm", date);
    };
    let newest = || fetch::offers(&world.cx, &world.request("6.1.y", "debian")).unwrap().0.to_string();
    publish(&[("6.1.5", &old)], june);
    assert_eq!(newest(), "6.1.5");
    publish(&[("6.1.5", &old), ("6.1.6", &new)], july);
    assert_eq!(newest(), "6.1.6");
    assert!(world.notes().is_empty(), "{}", world.notes());
    publish(&[("6.1.5", &old)], june);
    assert_eq!(newest(), "6.1.6");
    assert!(world.notes().contains("older than the one of an earlier run"), "{}", world.notes());
}

#[test]
fn an_altered_index_is_not_used() {
    let world = World::new();
    world.publish_suite("bookworm", &[("6.1.5", b"x")]);
    world.server.put("/debian/dists/bookworm/main/source/Sources.xz", xz(b"Package: linux\n"));
    let error = fetch::offers(&world.cx, &world.request("6.1.5", "debian")).unwrap_err();
    assert!(error.facts().join("\n").contains("Sources index"), "{:?}", error.facts());
}

#[test]
fn an_altered_release_file_is_not_used() {
    let world = World::new();
    world.publish_suite("bookworm", &[("6.1.5", b"x")]);
    let text = world.archive.clearsign("Origin: Debian\nSuite: bookworm\nCodename: bookworm\n");
    let altered = text.replace("Suite: bookworm", "Suite: bookwarm");
    world.server.put("/debian/dists/bookworm/InRelease", altered);
    let error = fetch::offers(&world.cx, &world.request("6.1.5", "debian")).unwrap_err();
    assert!(error.facts().join("\n").contains("altered"), "{:?}", error.facts());
}

#[test]
fn an_altered_archive_ends_the_run_instead_of_using_the_next_source() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    world.publish_suite("bookworm", &[("6.1.5", &file)]);
    let mut altered = file.clone();
    altered[5000] ^= 1;
    world.server.put(&format!("{POOL}/linux_6.1.5.orig.tar.xz"), altered);
    let failure = world.obtain(&world.request("6.1.5", "debian")).unwrap_err();
    assert!(
        matches!(&failure, Failure::Fetch(Error::Download(download::Error::Altered { .. }))),
        "{failure:?}"
    );
    assert_eq!(failure.exit(), 3);
}

#[test]
fn an_index_is_downloaded_once() {
    let world = World::new();
    world.publish_suite("bookworm", &[("6.1.5", b"x")]);
    let request = world.request("6.1.y", "debian");
    fetch::offers(&world.cx, &request).unwrap();
    let indexes = |requests: Vec<String>| requests.iter().filter(|line| line.contains("Sources.xz")).count();
    assert_eq!(indexes(world.server.take_requests()), 1);
    fetch::offers(&world.cx, &request).unwrap();
    let again = world.server.take_requests();
    assert!(again.iter().any(|line| line.contains("InRelease")));
    assert_eq!(indexes(again), 0);
}

#[test]
fn the_listing_names_every_line_newest_first() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    world.publish_suite("bookworm", &[("6.1.5", &file), ("6.1.4", b"y")]);
    world.publish_suite("sid", &[("7.2.1", b"z")]);
    world.obtain(&world.request("6.1.5", "debian")).unwrap();
    let listing = fetch::listing(&world.cx, &world.request("latest", "debian")).unwrap();
    let lines: Vec<_> = listing.lines.iter().map(|(line, _)| line.to_string()).collect();
    assert_eq!(lines, ["7.2.y", "6.1.y"]);
    let shown: Vec<_> =
        listing.lines[1].1.iter().map(|listed| (listed.release.to_string(), listed.stored)).collect();
    assert_eq!(shown, [("6.1.5".to_owned(), true), ("6.1.4".to_owned(), false)]);
}

#[test]
fn a_suite_that_disappears_is_noted() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    world.publish_suite("bookworm", &[("6.1.5", &file)]);
    world.publish_suite("bookworm-security", &[("6.1.6", &xz(&kernel("6.1.6")))]);
    let request = world.request("6.1.y", "debian");
    assert_eq!(world.obtain(&request).unwrap().release.to_string(), "6.1.6");
    world.server.remove("/debian-security/dists/bookworm-security/InRelease");
    assert_eq!(world.obtain(&request).unwrap().release.to_string(), "6.1.5");
    let notes = world.notes();
    assert!(notes.contains("debian (bookworm-security): the mirror no longer has it"), "{notes}");
}
