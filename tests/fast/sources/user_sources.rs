//! Sources that the user names: git repositories, archives and directories.

use std::path::Path;

use git2::{Repository, Signature, Time};
use kpatch_build::base::download;
use kpatch_build::base::error::Explain;
use kpatch_build::base::release::ReleaseSpec;
use kpatch_build::stages::fetch::source::Error::MissingObjects;
use kpatch_build::stages::fetch::{self, Error};
use kpatch_build::stages::unpack::{Error as UnpackError, TreeCheck};
use kpatch_build::stages::verify;
use pgp::crypto::hash::HashAlgorithm;

use super::world::{Failure, Signer, World, kernel, makefile, mode, sha256, xz};

/// A repository with one commit of release 6.1.5 and a tag, signed by `signer` if present.
fn repository(world: &World, signer: Option<&Signer>) -> Repository {
    let repository = Repository::init_bare(world.path("linux.git")).unwrap();
    commit(&repository, "6.1.5", signer);
    repository
}

fn commit(repository: &Repository, release: &str, signer: Option<&Signer>) {
    let blob = |content: &str| repository.blob(content.as_bytes()).unwrap();
    let mut scripts = repository.treebuilder(None).unwrap();
    scripts.insert("run.sh", blob("#!/bin/sh\n"), 0o100_755).unwrap();
    scripts.insert("here", blob("../Makefile"), 0o120_000).unwrap();
    let mut root = repository.treebuilder(None).unwrap();
    root.insert("Makefile", blob(&makefile(release)), 0o100_644).unwrap();
    root.insert("scripts", scripts.write().unwrap(), 0o040_000).unwrap();
    let tree = repository.find_tree(root.write().unwrap()).unwrap();
    let author = Signature::new("a", "a@example.org", &Time::new(1_500_000_000, 0)).unwrap();
    let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<_> = parent.iter().collect();
    let id = repository.commit(Some("HEAD"), &author, &author, "m", &tree, &parents).unwrap();
    tag(repository, &format!("v{release}"), id, signer);
}

fn tag(repository: &Repository, name: &str, commit: git2::Oid, signer: Option<&Signer>) {
    let text =
        format!("object {commit}\ntype commit\ntag {name}\ntagger a <a@example.org> 1600000000 +0000\n\nx\n");
    let signature = signer.map(|signer| signer.sign(text.as_bytes(), HashAlgorithm::Sha256));
    let raw = text + &signature.unwrap_or_default();
    let id = repository.odb().unwrap().write(git2::ObjectType::Tag, raw.as_bytes()).unwrap();
    repository.reference(&format!("refs/tags/{name}"), id, true, "").unwrap();
}

fn git(world: &World, suffix: &str) -> String {
    format!("git:{}{suffix}", world.path("linux.git").display())
}

#[test]
fn a_signed_tag_becomes_a_tree() {
    let world = World::new();
    repository(&world, Some(&world.releaser));
    let source = world.obtain(&world.request("6.1.5", &git(&world, ""))).unwrap();
    assert!(source.verified_by.as_ref().unwrap().contains("the tag v6.1.5 signed by releaser"));
    let tree = kpatch_build::stages::unpack::unpack(&world.cx, &source, TreeCheck::Contents).unwrap();
    assert_eq!(tree.released_at, 1_600_000_000);
    assert_eq!(mode(&tree.path().join("scripts/run.sh")), 0o755);
    assert_eq!(std::fs::read_link(tree.path().join("scripts/here")).unwrap(), Path::new("../Makefile"));
    // The same commit has the same checksum in every repository.
    let other = World::new();
    repository(&other, None);
    let mut request = other.request("6.1.5", &git(&other, ""));
    request.no_verify = true;
    assert_eq!(other.obtain(&request).unwrap().sha256, source.sha256);
}

#[test]
fn a_line_resolves_to_the_newest_tag() {
    let world = World::new();
    let repository = repository(&world, Some(&world.releaser));
    commit(&repository, "6.1.10", Some(&world.releaser));
    for (release, expected) in [("6.1.y", "6.1.10"), ("latest", "6.1.10"), ("6.1.5", "6.1.5")] {
        let source = world.obtain(&world.request(release, &git(&world, ""))).unwrap();
        assert_eq!(source.release.to_string(), expected);
    }
    let error = fetch::offers(&world.cx, &world.request("6.12.y", &git(&world, ""))).unwrap_err();
    assert!(matches!(error, Error::NoReference { .. }), "{error:?}");
}

#[test]
fn an_unsigned_reference_needs_no_verify() {
    let world = World::new();
    repository(&world, None);
    let mut request = world.request("6.1.5", &git(&world, "#HEAD"));
    let failure = world.obtain(&request).unwrap_err();
    let Failure::Verify(error @ verify::Error::Unverified { .. }) = &failure else { panic!("{failure:?}") };
    assert!(error.next_step().unwrap().contains("--no-verify"));
    request.no_verify = true;
    let source = world.obtain(&request).unwrap();
    assert_eq!((source.verified_by, source.release.to_string()), (None, "6.1.5".to_owned()));
    // Without --release, the Makefile of the commit names the release.
    request.release = ReleaseSpec::NewestLongTerm;
    assert_eq!(world.obtain(&request).unwrap().release.to_string(), "6.1.5");
    request.release = "6.1.6".parse().unwrap();
    let failure = world.tree(&request).unwrap_err();
    assert!(matches!(failure, Failure::Unpack(UnpackError::OtherRelease { .. })), "{failure:?}");
}

#[test]
fn a_tag_by_an_unknown_signer_or_with_another_name_is_refused() {
    let world = World::new();
    let repository = repository(&world, Some(&Signer::new("stranger")));
    let request = world.request("6.1.5", &git(&world, ""));
    let failure = world.obtain(&request).unwrap_err();
    assert!(matches!(&failure, Failure::Verify(verify::Error::Unverified { .. })), "{failure:?}");
    // The signed tag of an old release, under the name of the new one.
    tag(&repository, "v6.1.4", repository.head().unwrap().target().unwrap(), Some(&world.releaser));
    let old = repository.refname_to_id("refs/tags/v6.1.4").unwrap();
    repository.reference("refs/tags/v6.1.5", old, true, "").unwrap();
    let failure = world.obtain(&request).unwrap_err();
    let Failure::Verify(verify::Error::OtherTag { signed, .. }) = &failure else { panic!("{failure:?}") };
    assert_eq!(signed, "v6.1.4");
}

#[test]
fn an_altered_tag_is_refused_even_with_no_verify() {
    let world = World::new();
    let repository = repository(&world, Some(&world.releaser));
    let id = repository.refname_to_id("refs/tags/v6.1.5").unwrap();
    let database = repository.odb().unwrap();
    let raw = String::from_utf8(database.read(id).unwrap().data().to_vec()).unwrap();
    let altered = raw.replace("tagger a ", "tagger b ");
    let id = database.write(git2::ObjectType::Tag, altered.as_bytes()).unwrap();
    repository.reference("refs/tags/v6.1.5", id, true, "").unwrap();
    let mut request = world.request("6.1.5", &git(&world, ""));
    request.no_verify = true;
    let failure = world.obtain(&request).unwrap_err();
    assert!(matches!(&failure, Failure::Verify(verify::Error::Signature { .. })), "{failure:?}");
}

#[test]
fn a_repository_without_some_of_its_blobs_is_refused() {
    let world = World::new();
    let repository = repository(&world, Some(&world.releaser));
    let blob = git2::Oid::hash_object(git2::ObjectType::Blob, b"#!/bin/sh\n").unwrap().to_string();
    std::fs::remove_file(repository.path().join("objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let failure = world.obtain(&world.request("6.1.5", &git(&world, ""))).unwrap_err();
    let Failure::Verify(verify::Error::Content(MissingObjects { missing, example, .. })) = &failure else {
        panic!("{failure:?}")
    };
    assert_eq!((*missing, example.as_str()), (1, "scripts/run.sh"));
}

#[test]
fn an_archive_without_checksum_or_signature_needs_no_verify() {
    let world = World::new();
    let path = world.write("linux-6.1.5.tar.xz", xz(&kernel("6.1.5")));
    let mut request = world.request("6.1.5", &format!("tarball:{}", path.display()));
    let error = fetch::offers(&world.cx, &request).unwrap_err();
    assert!(matches!(&error, Error::Unverifiable { .. }) && error.exit() as u8 == 3, "{error:?}");
    assert!(error.next_step().unwrap().contains("--no-verify"));
    request.no_verify = true;
    assert_eq!(world.obtain(&request).unwrap().verified_by, None);
    request.no_verify = false;

    let signature = world.releaser.sign(&kernel("6.1.5"), HashAlgorithm::Sha512);
    world.write("linux-6.1.5.tar.sign", signature);
    assert!(world.obtain(&request).unwrap().verified_by.unwrap().contains("releaser"));
    world.write("linux-6.1.5.tar.sign", world.releaser.sign(b"other", HashAlgorithm::Sha512));
    let failure = world.obtain(&request).unwrap_err();
    assert!(matches!(&failure, Failure::Verify(verify::Error::Signature { .. })), "{failure:?}");
}

#[test]
fn a_wrong_checksum_is_refused_and_the_name_contains_the_release() {
    let world = World::new();
    let file = xz(&kernel("6.1.5"));
    let path = world.write("linux-6.1.5.tar.xz", &file);
    let source = |sum: &str| format!("tarball:{}#{sum}", path.display());
    let failure = world.obtain(&world.request("6.1.5", &source(&"0".repeat(64)))).unwrap_err();
    assert!(
        matches!(&failure, Failure::Fetch(Error::Download(download::Error::Altered { .. }))),
        "{failure:?}"
    );
    let tree = world.tree(&world.request("6.1.y", &source(&sha256(&file)))).unwrap();
    assert_eq!(tree.release.to_string(), "6.1.5");
    let error = fetch::offers(&world.cx, &world.request("6.12.y", &source(&sha256(&file)))).unwrap_err();
    assert!(matches!(&error, Error::OtherRelease { .. }), "{error:?}");
}

fn directory(world: &World) -> std::path::PathBuf {
    let path = world.path("tree");
    std::fs::create_dir_all(path.join("scripts")).unwrap();
    std::fs::create_dir_all(path.join(".git")).unwrap();
    std::fs::write(path.join(".git/config"), "x").unwrap();
    std::fs::write(path.join("Makefile"), makefile("6.1.5")).unwrap();
    std::fs::write(path.join("scripts/run.sh"), "#!/bin/sh\n").unwrap();
    std::os::unix::fs::symlink("../Makefile", path.join("scripts/here")).unwrap();
    path
}

#[test]
fn a_source_directory_is_copied_and_never_changed() {
    let world = World::new();
    let path = directory(&world);
    let mut request = world.request("latest", &format!("dir:{}", path.display()));
    request.release = ReleaseSpec::NewestLongTerm;
    let tree = world.tree(&request).unwrap();
    assert_eq!(tree.release.to_string(), "6.1.5");
    assert!(!tree.path().join(".git").exists());
    std::fs::write(tree.path().join("Makefile"), "patched").unwrap();
    assert_eq!(std::fs::read_to_string(path.join("Makefile")).unwrap(), makefile("6.1.5"));
    drop(tree);
    // The copy was changed, so it is made again.
    assert!(!world.tree(&request).unwrap().cached);
    assert!(world.tree(&request).unwrap().cached);
    // An edited directory is another tree.
    std::fs::write(path.join("scripts/run.sh"), "#!/bin/bash\n").unwrap();
    assert!(!world.tree(&request).unwrap().cached);
}

#[test]
fn what_the_run_writes_into_a_source_directory_is_no_part_of_it() {
    let world = World::new();
    let path = directory(&world);
    let mut request = world.request("6.1.5", &format!("dir:{}", path.display()));
    request.outputs = vec![path.join("dist")];
    for growing in ["report.json", "linux-image.deb"] {
        std::fs::create_dir_all(path.join("dist/logs")).unwrap();
        std::fs::write(path.join("dist").join(growing), growing).unwrap();
        let tree = world.tree(&request).unwrap();
        assert!(!tree.path().join("dist").exists());
        assert_eq!(tree.cached, growing != "report.json");
    }
    assert!(world.notes().contains("copied without dist, which this run writes to"), "{}", world.notes());
}

#[test]
fn a_run_does_not_write_among_the_files_of_its_source() {
    let world = World::new();
    let path = directory(&world);
    let mut request = world.request("6.1.5", &format!("dir:{}", path.display()));
    std::fs::write(path.join("scripts/Kconfig"), "").unwrap();
    for output in [path.clone(), path.join("scripts")] {
        request.outputs = vec![output];
        let error = fetch::offers(&world.cx, &request).unwrap_err();
        assert!(matches!(error, Error::OutputInSource { .. }), "{error:?}");
        assert!(error.next_step().unwrap().contains("--out"));
    }
}

#[test]
fn links_that_leave_a_source_directory_are_left_out_of_its_copy() {
    let world = World::new();
    let path = directory(&world);
    for (name, target) in [("patches", "/srv/patches"), ("source", ".."), ("scripts/up", "../../x")] {
        std::os::unix::fs::symlink(target, path.join(name)).unwrap();
    }
    let request = world.request("6.1.5", &format!("dir:{}", path.display()));
    let tree = world.tree(&request).unwrap();
    assert!(tree.path().join("scripts/here").is_symlink());
    for name in ["patches", "source", "scripts/up"] {
        assert!(!tree.path().join(name).is_symlink(), "{name}");
    }
    let note = "copied without the symbolic links that leave the directory: patches, scripts/up, source";
    assert!(world.notes().contains(note), "{}", world.notes());
}

#[test]
fn a_directory_with_build_output_is_refused_with_the_fix() {
    let world = World::new();
    let path = directory(&world);
    std::fs::write(path.join(".config"), "").unwrap();
    let error =
        fetch::offers(&world.cx, &world.request("6.1.5", &format!("dir:{}", path.display()))).unwrap_err();
    assert!(matches!(&error, Error::NotClean { found, .. } if found == ".config"), "{error:?}");
    assert!(error.next_step().unwrap().contains("mrproper"));
}

#[test]
fn a_directory_with_another_release_is_refused() {
    let world = World::new();
    let path = directory(&world);
    let source = format!("dir:{}", path.display());
    for release in ["6.1.6", "6.12.y"] {
        let error = fetch::offers(&world.cx, &world.request(release, &source)).unwrap_err();
        assert!(matches!(&error, Error::OtherRelease { .. }), "{error:?}");
    }
    let error = fetch::offers(&world.cx, &world.request("6.1.5", "dir:/nonexistent")).unwrap_err();
    assert!(matches!(&error, Error::NotATree { .. }), "{error:?}");
}
