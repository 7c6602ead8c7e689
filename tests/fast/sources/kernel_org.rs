//! Releases from kernel.org.

use kpatch_build::base::download;
use kpatch_build::base::error::Explain;
use kpatch_build::stages::fetch::{self, Error};
use kpatch_build::stages::unpack::TreeCheck;
use kpatch_build::stages::verify;
use pgp::composed::KeyType;
use pgp::crypto::hash::HashAlgorithm;

use super::server::Behaviour;
use super::world::{Failure, RELEASED_AT, Signer, World, kernel, mode, sha256, xz};

const SIGNATURE: &str = "/pub/linux/kernel/v6.x/linux-6.1.5.tar.sign";
const ARCHIVE: &str = "/pub/linux/kernel/v6.x/linux-6.1.5.tar.xz";

#[test]
fn a_signed_release_becomes_a_tree() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    world.publish_list(&[("6.1.5", &xz(&kernel("6.1.5")))]);
    let source = world.obtain(&world.request("6.1.5", "kernel.org")).unwrap();
    let by = source.verified_by.clone().unwrap();
    assert!(by.contains("checksum list") && by.contains("detached signature by releaser"), "{by}");
    assert_eq!(source.sha256, sha256(&xz(&kernel("6.1.5"))));

    let tree = kpatch_build::stages::unpack::unpack(&world.cx, &source, TreeCheck::Contents).unwrap();
    assert_eq!(tree.released_at, RELEASED_AT as i64);
    assert!(tree.path().join("Makefile").is_file());
    assert_eq!(mode(&tree.path().join("Makefile")), 0o644);
    assert_eq!(mode(&tree.path().join("scripts/run.sh")), 0o755);
    let modified = tree.path().join("noise").metadata().unwrap().modified().unwrap();
    assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), RELEASED_AT);
}

#[test]
fn the_second_run_needs_no_network_and_works_offline() {
    let mut world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    let request = world.request("6.1.5", "auto");
    let first = world.tree(&request).unwrap();
    assert!(!first.cached);
    drop(first);
    world.server.take_requests();
    assert!(world.tree(&request).unwrap().cached);
    assert_eq!(world.server.take_requests(), Vec::<String>::new());

    world.cx.offline = true;
    for release in ["6.1.5", "6.1.y", "latest"] {
        let source = world.obtain(&world.request(release, "auto")).unwrap();
        assert!(source.verified_by.unwrap().contains("releaser"), "{release}");
    }
    let error = fetch::offers(&world.cx, &world.request("6.1.6", "auto")).unwrap_err();
    assert!(matches!(&error, Error::NotStored { stored, .. } if stored.len() == 1), "{error:?}");
    assert!(error.facts().concat().contains("6.1.5"));
    assert_eq!(world.server.take_requests(), Vec::<String>::new());
}

#[test]
fn a_stored_archive_counts_only_while_its_signer_is_trusted() {
    let mut world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    world.obtain(&world.request("6.1.5", "auto")).unwrap();
    world.cx.offline = true;
    let mut request = world.request("6.1.5", "auto");
    request.pins = fetch::pins::Pins::default();
    assert!(matches!(fetch::offers(&world.cx, &request), Err(Error::NotStored { .. })));
}

#[test]
fn without_a_keyring_the_keys_come_from_the_web_key_directory() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    let mut request = world.request("6.1.5", "kernel.org");
    request.keyring = None;
    let error = fetch::offers(&world.cx, &request).unwrap_err();
    assert!(error.facts().concat().contains("cannot get the signers' keys"), "{:?}", error.facts());

    let request_line =
        world.server.take_requests().into_iter().find(|line| line.contains("l=releaser")).unwrap();
    let path = request_line.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
    world.server.put(&path, world.releaser.certificate());
    assert!(world.obtain(&request).is_ok());
}

#[test]
fn an_altered_archive_is_refused_and_leaves_the_store_as_it_was() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    let mut other = kernel("6.1.5");
    let at = other.len() - 2000;
    other[at] ^= 1;
    world.server.put(ARCHIVE, xz(&other));
    let failure = world.obtain(&world.request("6.1.5", "kernel.org")).unwrap_err();
    let Failure::Verify(verify::Error::Signature { source, .. }) = &failure else { panic!("{failure:?}") };
    assert!(source.to_string().contains("altered"), "{source}");
    assert_eq!(failure.exit(), 3);
    assert_eq!(world.bucket("tarballs"), Vec::<String>::new());
    assert_eq!(world.bucket("partial"), Vec::<String>::new());
}

#[test]
fn an_archive_that_differs_from_the_signed_list_is_refused() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    world.publish_list(&[("6.1.5", b"something else")]);
    let failure = world.obtain(&world.request("6.1.5", "kernel.org")).unwrap_err();
    assert!(
        matches!(&failure, Failure::Fetch(Error::Download(download::Error::Altered { .. }))),
        "{failure:?}"
    );
    assert_eq!(world.bucket("tarballs"), Vec::<String>::new());
}

#[test]
fn a_signature_by_another_signer_is_refused() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    // The key is in the keyring, but may not sign releases.
    world.server.put(SIGNATURE, world.archive.sign(&kernel("6.1.5"), HashAlgorithm::Sha256));
    let failure = world.obtain(&world.request("6.1.5", "kernel.org")).unwrap_err();
    let Failure::Verify(verify::Error::Signature { source, .. }) = &failure else { panic!("{failure:?}") };
    assert!(source.to_string().contains(&world.archive.fingerprint()), "{source}");
}

#[test]
fn a_signature_made_with_sha_1_is_refused() {
    let mut world = World::new();
    // Newer key types cannot sign with SHA-1.
    world.releaser = Signer::of_type("releaser", KeyType::Rsa(2048));
    world.publish("6.1.5", &kernel("6.1.5"));
    world.server.put(SIGNATURE, world.releaser.sign(&kernel("6.1.5"), HashAlgorithm::Sha1));
    let failure = world.obtain(&world.request("6.1.5", "kernel.org")).unwrap_err();
    let Failure::Verify(verify::Error::Signature { source, .. }) = &failure else { panic!("{failure:?}") };
    assert!(source.to_string().contains("forged"), "{source}");
}

#[test]
fn an_unsigned_release_needs_no_verify() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    world.server.remove(SIGNATURE);
    let mut request = world.request("6.1.5", "kernel.org");
    let error = fetch::offers(&world.cx, &request).unwrap_err();
    assert!(error.facts().concat().contains("cannot be verified"), "{:?}", error.facts());
    request.no_verify = true;
    assert_eq!(world.obtain(&request).unwrap().verified_by, None);
    // An archive that was accepted unverified is not trusted later.
    request.no_verify = false;
    assert!(fetch::offers(&world.cx, &request).is_err());
}

#[test]
fn the_signed_list_is_enough_without_a_signature() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    world.publish_list(&[("6.1.5", &xz(&kernel("6.1.5")))]);
    world.server.remove(SIGNATURE);
    let by = world.obtain(&world.request("6.1.5", "kernel.org")).unwrap().verified_by.unwrap();
    assert!(by.contains("checksum list") && !by.contains("detached"), "{by}");
}

#[test]
fn an_archive_must_have_its_pinned_checksum() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    let mut request = world.request("6.1.5", "kernel.org");
    request.pins.tarballs = vec![("6.1.5".parse().unwrap(), "0".repeat(64))];
    let failure = world.obtain(&request).unwrap_err();
    assert!(
        matches!(failure, Failure::Fetch(Error::Download(download::Error::Altered { .. }))),
        "{failure:?}"
    );
    request.pins.tarballs[0].1 = sha256(&xz(&kernel("6.1.5")));
    assert!(world.obtain(&request).unwrap().verified_by.unwrap().contains("known to kpatch-build"));
}

#[test]
fn a_line_resolves_to_the_newest_release_that_is_available() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    world.publish("6.1.5", &kernel("6.1.5"));
    world.publish_list(&[
        ("6.1.5", &file),
        ("6.1.6", b"x"),
        ("6.1.4", b"x"),
        ("6.12.1", b"x"),
        ("6.1", b"x"),
    ]);
    let (release, _) = fetch::offers(&world.cx, &world.request("6.1.y", "kernel.org")).unwrap();
    assert_eq!(release.to_string(), "6.1.5");
    assert!(world.notes().contains("6.1.6 is not available"), "{}", world.notes());
}

#[test]
fn a_missing_release_is_an_error_with_the_nearest_ones() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    world.publish("6.1.5", &kernel("6.1.5"));
    world.publish_list(&[("6.1.5", &file), ("6.1.9", b"x")]);
    world.publish_suite("bookworm", &[("6.1.4", b"a"), ("6.1.10", b"b"), ("5.10.170", b"c")]);
    let error = fetch::offers(&world.cx, &world.request("6.1.7", "auto")).unwrap_err();
    assert_eq!(error.exit() as u8, 3);
    let Error::NotProvided { attempts, nearest, .. } = &error else { panic!("{error:?}") };
    let nearest: Vec<_> = nearest.iter().map(ToString::to_string).collect();
    assert_eq!(nearest, ["6.1.5", "6.1.10", "5.10.170"], "6.1.9 is listed but not available");
    let sources: Vec<_> = attempts.iter().map(|attempt| attempt.source.as_str()).collect();
    assert_eq!(sources, ["kernel.org", "debian"]);
}

#[test]
fn kernel_org_publishes_no_release_candidates() {
    let world = World::new();
    let error = fetch::offers(&world.cx, &world.request("6.1-rc3", "kernel.org")).unwrap_err();
    assert!(error.facts().concat().contains("does not publish release candidates"), "{:?}", error.facts());
}

#[test]
fn the_next_mirror_provides_a_release_that_the_first_lacks() {
    let world = World::new();
    let mut request = world.request("6.1.5", "kernel.org");
    let empty = super::server::Server::start();
    request.kernel_org.insert(0, empty.url.clone());
    world.publish("6.1.5", &kernel("6.1.5"));
    assert!(world.obtain(&request).unwrap().url.starts_with(&world.server.url));
}

#[test]
fn redirects_are_followed() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    world.server.put("/moved", xz(&kernel("6.1.5")));
    world.server.put_as(ARCHIVE, "", Behaviour::Redirects { to: "/moved".to_owned() });
    assert!(world.obtain(&world.request("6.1.5", "kernel.org")).is_ok());
}

#[test]
fn an_archive_that_changed_in_the_store_is_fetched_again() {
    let world = World::new();
    world.publish("6.1.5", &kernel("6.1.5"));
    let request = world.request("6.1.5", "kernel.org");
    let sum = world.obtain(&request).unwrap().sha256;
    let path = world.cx.store.root().join("tarballs").join(&sum).join("archive");
    let original = std::fs::read(&path).unwrap();
    let mut flipped = original.clone();
    flipped[1000] ^= 1;
    for damaged in [&flipped[..], &original[..1000], b""] {
        std::fs::write(&path, damaged).unwrap();
        world.obtain(&request).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), original);
    }
}

#[test]
fn a_list_that_is_older_than_one_that_was_seen_hides_no_release() {
    let world = World::new();
    let archive = |release: &str| xz(&kernel(release));
    for release in ["6.1.5", "6.1.6"] {
        world.publish(release, &kernel(release));
    }
    let list = "/pub/linux/kernel/v6.x/sha256sums.asc";
    let old = world.archive.clearsign(&format!("{}  linux-6.1.5.tar.xz\n", sha256(&archive("6.1.5"))));
    // Signatures have whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world.publish_list(&[("6.1.5", &archive("6.1.5")), ("6.1.6", &archive("6.1.6"))]);
    let newest = || world.obtain(&world.request("6.1.y", "kernel.org")).unwrap().release.to_string();
    assert_eq!((newest().as_str(), world.notes().as_str()), ("6.1.6", ""));

    let stranger = Signer::new("stranger").clearsign(&format!("{}  linux-6.1.5.tar.xz\n", sha256(b"x")));
    for (served, note) in [
        (Some(old), "is older than one that was seen before"),
        (Some(stranger), "an unknown key signed the mirror's checksum list"),
        (None, "no longer has a checksum list"),
    ] {
        match served {
            Some(document) => world.server.put(list, document),
            None => world.server.remove(list),
        }
        assert_eq!(newest(), "6.1.6", "{note}");
        assert!(world.notes().contains(note), "{note}: {}", world.notes());
    }
}
