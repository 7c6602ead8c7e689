//! Unpacking of source archives, including malicious ones.

use kpatch_build::base::archive::path::Unsafe;
use kpatch_build::base::error::Explain;
use kpatch_build::stages::unpack::{Error, TreeCheck};
use tar::EntryType;

use super::world::{Failure, Tar, World, kernel, makefile, xz};

/// Unpacks a local archive with the right checksum.
fn unpack(
    world: &World,
    name: &str,
    file: &[u8],
) -> Result<kpatch_build::stages::unpack::SourceTree, Failure> {
    let path = world.write(name, file);
    let sum = super::world::sha256(file);
    world.tree(&world.request("6.1.5", &format!("tarball:{}#{sum}", path.display())))
}

fn archive(build: impl FnOnce(&mut Tar)) -> Vec<u8> {
    let mut tar = Tar::new();
    tar.directory("linux-6.1.5/", 0o755);
    tar.file("linux-6.1.5/Makefile", 0o644, makefile("6.1.5").as_bytes());
    build(&mut tar);
    tar.finish()
}

/// Returns why the archive is refused; nothing outside the tree changes and the store gets no tree.
fn refused(build: impl FnOnce(&mut Tar)) -> Unsafe {
    let world = World::new();
    let before = std::fs::read_dir(world.dir.path()).unwrap().count();
    let failure = unpack(&world, "linux-6.1.5.tar", &archive(build)).unwrap_err();
    assert_eq!(failure.exit(), 3);
    assert_eq!(world.bucket("sources"), Vec::<String>::new());
    // Only the archive and the keyring are new.
    assert_eq!(std::fs::read_dir(world.dir.path()).unwrap().count(), before + 2);
    match failure {
        Failure::Unpack(Error::Unsafe { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_out_of_the_tree_are_refused() {
    assert_eq!(refused(|tar| tar.file("linux-6.1.5/../../evil", 0o644, b"x")), Unsafe::LeavesTree);
    assert_eq!(refused(|tar| tar.file("/tmp/evil", 0o644, b"x")), Unsafe::Absolute);
    assert_eq!(refused(|tar| tar.directory("linux-6.1.5/../evil/", 0o755)), Unsafe::LeavesTree);
}

#[test]
fn links_out_of_the_tree_are_refused() {
    for target in ["/etc/passwd", "../evil", "a/../../evil", ".."] {
        let reason = refused(|tar| tar.link("linux-6.1.5/link", target, EntryType::Symlink));
        assert_eq!(reason, Unsafe::LinkLeavesTree { target: target.into() });
    }
    for target in ["/etc/passwd", "../evil", "other/evil"] {
        let reason = refused(|tar| tar.link("linux-6.1.5/link", target, EntryType::Link));
        assert_eq!(reason, Unsafe::LinkLeavesTree { target: target.into() });
    }
}

#[test]
fn no_entry_is_written_through_a_link() {
    let reason = refused(|tar| {
        tar.directory("linux-6.1.5/real/", 0o755);
        tar.link("linux-6.1.5/link", "real", EntryType::Symlink);
        tar.file("linux-6.1.5/link/file", 0o644, b"x");
    });
    assert_eq!(reason, Unsafe::ThroughLink);
    let reason = refused(|tar| {
        tar.link("linux-6.1.5/link", "Makefile", EntryType::Symlink);
        tar.file("linux-6.1.5/link", 0o644, b"x");
    });
    assert_eq!(reason, Unsafe::Twice);
    let reason = refused(|tar| {
        tar.link("linux-6.1.5/link", "Makefile", EntryType::Symlink);
        tar.link("linux-6.1.5/hard", "linux-6.1.5/link", EntryType::Link);
    });
    assert!(matches!(reason, Unsafe::LinkToNothing { .. }));
}

#[test]
fn devices_pipes_and_set_id_files_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let reason = refused(|tar| tar.entry("linux-6.1.5/dev", 0o644, kind, "", b""));
        assert_eq!(reason, Unsafe::Device);
    }
    for mode in [0o4755, 0o2755, 0o6755] {
        assert_eq!(refused(|tar| tar.file("linux-6.1.5/su", mode, b"x")), Unsafe::SetId);
    }
    let sparse = refused(|tar| tar.entry("linux-6.1.5/x", 0o644, EntryType::new(b'V'), "", b""));
    assert!(matches!(sparse, Unsafe::OtherKind { .. }), "{sparse:?}");
}

#[test]
fn a_hard_link_becomes_a_separate_file() {
    let world = World::new();
    let file = archive(|tar| tar.link("linux-6.1.5/hard", "linux-6.1.5/Makefile", EntryType::Link));
    let tree = unpack(&world, "linux-6.1.5.tar", &file).unwrap();
    std::fs::write(tree.path().join("hard"), "changed").unwrap();
    assert_eq!(std::fs::read_to_string(tree.path().join("Makefile")).unwrap(), makefile("6.1.5"));
}

#[test]
fn an_archive_has_a_single_top_directory() {
    let world = World::new();
    let file = archive(|tar| tar.file("README", 0o644, b"x"));
    let failure = unpack(&world, "linux-6.1.5.tar", &file).unwrap_err();
    assert!(matches!(&failure, Failure::Unpack(Error::SeveralTops { .. })), "{failure:?}");
    let mut flat = Tar::new();
    flat.file("Makefile", 0o644, makefile("6.1.5").as_bytes());
    let failure = unpack(&world, "linux-6.1.5.tar", &flat.finish()).unwrap_err();
    assert!(matches!(&failure, Failure::Unpack(Error::SeveralTops { .. })), "{failure:?}");
}

#[test]
fn the_makefile_must_name_the_release() {
    let world = World::new();
    let failure = unpack(&world, "linux-6.1.5.tar", &kernel("6.1.4")).unwrap_err();
    let Failure::Unpack(error @ Error::OtherRelease { .. }) = &failure else { panic!("{failure:?}") };
    assert!(error.to_string().contains("contains 6.1.4, not 6.1.5"), "{error}");
    assert_eq!(error.next_step().unwrap(), "request the release that it contains: --release 6.1.4");

    let mut other = Tar::new();
    other.file("x-1/main.c", 0o644, b"int main;");
    let failure = unpack(&world, "linux-6.1.5.tar", &other.finish()).unwrap_err();
    assert!(matches!(&failure, Failure::Unpack(Error::NotAKernel { .. })), "{failure:?}");
}

#[test]
fn a_truncated_archive_is_damaged_wherever_it_was_cut() {
    let world = World::new();
    let packed = xz(&kernel("6.1.5"));
    for length in [packed.len() / 2, packed.len() - 1] {
        let failure = unpack(&world, "linux-6.1.5.tar.xz", &packed[..length]).unwrap_err();
        assert!(matches!(&failure, Failure::Unpack(Error::Damaged { .. })), "{failure:?}");
    }
    assert_eq!(world.bucket("sources"), Vec::<String>::new());
}

#[test]
fn compressions_are_recognised_by_content() {
    use std::io::Write;
    let tar = kernel("6.1.5");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    for packed in [tar.clone(), gzip.finish().unwrap(), zstd::encode_all(&tar[..], 1).unwrap()] {
        assert!(unpack(&World::new(), "linux-6.1.5.tar", &packed).is_ok());
    }
}

#[test]
fn an_interrupted_unpack_leaves_no_tree() {
    let world = World::new();
    let path = world.write("linux-6.1.5.tar", kernel("6.1.5"));
    let sum = super::world::sha256(&kernel("6.1.5"));
    let source = world.obtain(&world.request("6.1.5", &format!("tarball:{}#{sum}", path.display()))).unwrap();
    world.cx.stop.set();
    let error = kpatch_build::stages::unpack::unpack(&world.cx, &source, TreeCheck::Contents).unwrap_err();
    assert!(matches!(error, Error::Interrupted(_)) && error.exit() as u8 == 130);
    assert_eq!(world.bucket("sources"), Vec::<String>::new());
}

fn damage(archive: &[u8]) -> String {
    let world = World::new();
    let error = unpack(&world, "linux-6.1.5.tar.xz", archive).expect_err("the archive is refused");
    assert_eq!(error.exit(), 3);
    assert_eq!(world.bucket("sources"), Vec::<String>::new());
    match error {
        Failure::Unpack(Error::Damaged { source, .. }) => source.to_string(),
        other => panic!("{other:?}"),
    }
}

fn block(name: &str, kind: EntryType, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A few kilobytes must not become gigabytes of memory or of disk.
#[test]
fn an_archive_that_expands_without_end_is_refused() {
    let start = archive(|_| {});
    let start = &start[..start.len() - 1024];
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader]
    {
        let long = [start, &block("x", kind, 3 << 30), &vec![b'a'; 1 << 20]].concat();
        assert!(damage(&xz(&long)).contains("3221225472 bytes"), "{kind:?}");
    }
    let pax = b"19 size=99999999999\n";
    let mut hidden = [start, &block("x", EntryType::XHeader, pax.len() as u64), pax].concat();
    hidden.resize(hidden.len().next_multiple_of(512), 0);
    hidden.extend(block("linux-6.1.5/f", EntryType::Regular, 0));
    hidden.extend([0; 1024]);
    assert!(damage(&xz(&hidden)).contains("changes the size"));
}

#[test]
fn a_sparse_file_is_refused() {
    let pax = b"22 GNU.sparse.major=1\n";
    let start = archive(|_| {});
    let start = &start[..start.len() - 1024];
    let mut sparse = [start, &block("x", EntryType::XHeader, pax.len() as u64), pax].concat();
    sparse.resize(sparse.len().next_multiple_of(512), 0);
    sparse.extend(block("linux-6.1.5/GNUSparseFile.1/f", EntryType::Regular, 0));
    sparse.extend([0; 1024]);
    let world = World::new();
    match unpack(&world, "linux-6.1.5.tar", &sparse) {
        Err(Failure::Unpack(Error::Unsafe { reason: Unsafe::OtherKind { kind }, .. })) => {
            assert_eq!(kind, "sparse file");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_may_pass_its_group_on() {
    let world = World::new();
    let tar = archive(|tar| {
        tar.directory("linux-6.1.5/shared/", 0o2775);
        tar.file("linux-6.1.5/shared/f", 0o644, b"x");
    });
    let tree = unpack(&world, "linux-6.1.5.tar", &tar).unwrap();
    assert_eq!(super::world::mode(&tree.path().join("shared")) & 0o7777, 0o755);
}

#[test]
fn other_compressions_and_formats_are_named() {
    for (content, reason) in [
        (&b"BZh91AY&SY"[..], "bzip2 is not supported; xz, gzip and zstd are"),
        (b"PK\x03\x04zip", "it is not a tar archive"),
        (&[0x5d, 0, 0, 0x80, 0, 0xff, 0xff], "it is not a tar archive"),
    ] {
        let world = World::new();
        let content = [content, &[0xfe; 2000]].concat();
        let error = unpack(&world, "linux-6.1.5.tar.bz2", &content).unwrap_err();
        let Failure::Unpack(error @ Error::NotATar { .. }) = error else { panic!("{error:?}") };
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().is_ascii(), "{error}");
    }
}
