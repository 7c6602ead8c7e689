//! Debuggers from the packages of a Debian mirror.

use kpatch_build::base::archive::path::Unsafe;
use kpatch_build::base::debian::error as debian;
use kpatch_build::base::download;
use kpatch_build::base::error::Explain;
use kpatch_build::stages::boot::debuggers::{
    self, Debugger, DebuggerName, DebuggerRequest, Error, Selection,
};
use tar::EntryType;

use super::elf::elf;
use super::server::Behaviour;
use super::world::{Signer, Tar, World, sha256, xz};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const SUITE: &str = "/debian/dists/bullseye";

struct Package {
    name: &'static str,
    version: &'static str,
    depends: &'static str,
    deb: Vec<u8>,
}

fn package(
    name: &'static str,
    version: &'static str,
    depends: &'static str,
    fill: impl FnOnce(&mut Tar),
) -> Package {
    let mut data = Tar::new();
    data.directory("./", 0o755);
    fill(&mut data);
    Package { name, version, depends, deb: deb(&data.finish()) }
}

fn deb(data: &[u8]) -> Vec<u8> {
    let mut file = ar::Builder::new(Vec::new());
    for (name, content) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar.xz", xz(b"")), ("data.tar.xz", xz(data))]
    {
        let header = ar::Header::new(name.as_bytes().to_vec(), content.len() as u64);
        file.append(&header, &content[..]).unwrap();
    }
    file.into_inner().unwrap()
}

fn gdb(depends: &'static str, fill: impl FnOnce(&mut Tar)) -> Package {
    package("gdb-minimal", "10.1-1.7", depends, |tar| {
        tar.file("./usr/bin/gdb", 0o755, &elf(LOADER, &["liba.so.1", "libc.so.6"]));
        tar.file("./usr/share/doc/gdb/copyright", 0o644, b"x");
        tar.file("./usr/share/gdb/syscalls/amd64-linux.xml", 0o644, b"<x/>");
        fill(tar);
    })
}

/// The C library of a system without a merged `/usr`.
fn libc() -> Package {
    package("libc6", "2.31-13", "libgcc-s1", |tar| {
        let name = "./lib/x86_64-linux-gnu/ld-2.31.so";
        tar.file(name, 0o755, &elf("", &[]));
        tar.link("./lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-2.31.so", EntryType::Symlink);
        tar.file("./lib/x86_64-linux-gnu/libc-2.31.so", 0o755, &elf("", &["ld-linux-x86-64.so.2"]));
        tar.link("./lib/x86_64-linux-gnu/libc.so.6", "libc-2.31.so", EntryType::Symlink);
        tar.file("./lib/x86_64-linux-gnu/libthread_db.so.1", 0o644, &elf("", &["libc.so.6"]));
        tar.file("./usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", 0o644, &elf("", &[]));
        tar.file("./lib/x86_64-linux-gnu/libunused.so.1", 0o644, &elf("", &[]));
    })
}

fn liba() -> Package {
    package("liba1", "1:1-1", "libc6 (>= 2.29), debconf | perl, python3:any", |tar| {
        tar.file("./usr/lib/x86_64-linux-gnu/liba.so.1.0", 0o644, &elf("", &["libz.so.1", "libc.so.6"]));
        tar.link("./usr/lib/x86_64-linux-gnu/liba.so.1", "liba.so.1.0", EntryType::Symlink);
    })
}

fn zlib() -> Package {
    package("zlib1g", "1:1.2", "libc6", |tar| {
        tar.file("./lib/x86_64-linux-gnu/libz.so.1", 0o644, &elf("", &["libc.so.6"]));
    })
}

/// gdb's dependencies, with an alternative that the suite lacks.
const DEPENDS: &str = "libgone1 | liba1 (>= 1), libc6 (>= 2.29), zlib1g, perl";

fn good() -> Vec<Package> {
    vec![
        gdb(DEPENDS, |_| {}),
        libc(),
        liba(),
        zlib(),
        package("libgcc-s1", "10", "gcc-10-base", |_| {}),
        package("libother1", "1", "", |_| {}),
        package("perl", "5", "", |_| {}),
    ]
}

fn publish(world: &World, packages: &[Package]) {
    publish_as(world, packages, &world.archive);
}

fn publish_as(world: &World, packages: &[Package], signer: &Signer) {
    let paragraphs: Vec<_> = packages
        .iter()
        .map(|package| {
            let Package { name, version, depends, deb } = package;
            let file = pool(name);
            world.server.put(&format!("/debian/{file}"), deb.clone());
            format!(
                "Package: {name}\nVersion: {version}\nDepends: {depends}\nFilename: {file}\nSize: {}\nSHA256: {}\n\n",
                deb.len(),
                sha256(deb)
            )
        })
        .collect();
    let index = xz(paragraphs.concat().as_bytes());
    let release = format!(
        "Origin: Debian\nSuite: oldoldstable\nCodename: bullseye\n\
         SHA256:\n {} {} main/binary-amd64/Packages.xz\n",
        sha256(&index),
        index.len()
    );
    world.server.put(&format!("{SUITE}/main/binary-amd64/Packages.xz"), index);
    world.server.put(&format!("{SUITE}/InRelease"), signer.clearsign(&release));
}

fn pool(name: &str) -> String {
    format!("pool/main/{name}.deb")
}

fn request(world: &World, names: &[DebuggerName]) -> DebuggerRequest {
    let request = world.request("6.1.5", "debian");
    DebuggerRequest {
        selection: Selection::These(names.to_vec()),
        debian_mirror: request.debian_mirror,
        accept_stale_index: false,
        keyring: request.keyring,
    }
}

fn obtain(world: &World) -> Result<Debugger, Error> {
    let mut debuggers = debuggers::obtain(&world.cx, &request(world, &[DebuggerName::Gdb10]))?;
    assert_eq!(debuggers.len(), 1);
    Ok(debuggers.remove(0))
}

/// The error with its causes, as the user sees it.
fn shown(error: &Error) -> String {
    kpatch_build::base::error::Failure::new(None, error).to_string()
}

/// Returns all files and links of a root.
fn files(debugger: &Debugger) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![debugger.root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            match meta.is_dir() {
                true => directories.push(path),
                false => found.push(path.strip_prefix(&debugger.root).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_root_contains_the_program_its_data_and_its_libraries() {
    let world = World::new();
    publish(&world, &good());
    let debugger = obtain(&world).unwrap();
    assert_eq!((debugger.name().as_str(), debugger.program.as_str()), ("gdb 10.1", "/usr/bin/gdb"));
    let library = |name: &str| format!("{LIBRARIES}/{name}");
    let expected = [
        "bin".to_owned(),
        "lib".to_owned(),
        "lib64".to_owned(),
        "usr/bin/gdb".to_owned(),
        library("liba.so.1"),
        library("libc.so.6"),
        library("libthread_db.so.1"),
        library("libz.so.1"),
        "usr/lib64/ld-linux-x86-64.so.2".to_owned(),
        "usr/share/gdb/syscalls/amd64-linux.xml".to_owned(),
    ];
    assert_eq!(files(&debugger), expected);
    let loader = std::fs::read(debugger.root.join("lib64/ld-linux-x86-64.so.2")).unwrap();
    assert_eq!(loader, elf("", &[]));
}

#[test]
fn only_dependencies_with_libraries_are_downloaded() {
    let world = World::new();
    publish(&world, &good());
    obtain(&world).unwrap();
    let requests = world.server.take_requests();
    let requested = |name: &str| requests.iter().any(|line| line.contains(&pool(name)));
    for name in ["gdb-minimal", "libc6", "liba1", "zlib1g", "libgcc-s1"] {
        assert!(requested(name), "{name}: {requests:?}");
    }
    for name in ["perl", "libother1"] {
        assert!(!requested(name), "{name}: {requests:?}");
    }
}

#[test]
fn the_second_run_needs_no_network() {
    let mut world = World::new();
    publish(&world, &good());
    let first = obtain(&world).unwrap();
    world.server.take_requests();
    let again = obtain(&world).unwrap();
    world.cx.offline = true;
    let offline = obtain(&world).unwrap();
    assert_eq!((&again.root, &offline.root), (&first.root, &first.root));
    assert_eq!(offline.name(), "gdb 10.1");
    assert_eq!(world.server.take_requests(), Vec::<String>::new());
}

#[test]
fn a_stored_root_counts_only_while_its_signer_is_trusted() {
    let mut world = World::new();
    publish(&world, &good());
    obtain(&world).unwrap();
    world.cx.offline = true;
    let stranger = DebuggerRequest { keyring: None, ..request(&world, &[DebuggerName::Gdb10]) };
    let error = debuggers::obtain(&world.cx, &stranger).unwrap_err();
    assert!(shown(&error).contains("--offline"), "{}", shown(&error));
}

#[test]
fn offline_without_a_stored_root_is_an_error_with_the_fix() {
    let mut world = World::new();
    world.cx.offline = true;
    let error = obtain(&world).unwrap_err();
    let text = shown(&error);
    for part in ["gdb-10", "bullseye", "is not in the store", "--debuggers host or --debuggers none"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(error.exit() as u8, 3);
    assert_eq!(world.server.take_requests(), Vec::<String>::new());
}

#[test]
fn a_run_without_debuggers_requests_nothing() {
    let world = World::new();
    assert!(debuggers::obtain(&world.cx, &request(&world, &[])).unwrap().is_empty());
    assert_eq!(world.server.take_requests(), Vec::<String>::new());
}

#[test]
fn an_altered_deb_is_refused() {
    let world = World::new();
    publish(&world, &good());
    let mut altered = liba().deb;
    *altered.last_mut().unwrap() ^= 1;
    world.server.put(&format!("/debian/{}", pool("liba1")), altered);
    let error = obtain(&world).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Debian { source: debian::Error::Download(download::Error::Altered { .. }), .. }
        ),
        "{error:?}"
    );
    assert_eq!(world.bucket("debuggers"), Vec::<String>::new());
}

#[test]
fn a_deb_that_changed_in_the_store_is_fetched_again() {
    let world = World::new();
    publish(&world, &good());
    obtain(&world).unwrap();
    let root = world.cx.store.root().join("debuggers");
    std::fs::remove_dir_all(&root).unwrap();
    std::fs::create_dir(&root).unwrap();
    let deb = liba().deb;
    let stored = world.cx.store.root().join("tarballs").join(sha256(&deb)).join("archive");
    std::fs::write(&stored, b"!<arch>\n").unwrap();
    obtain(&world).unwrap();
    assert_eq!(std::fs::read(stored).unwrap(), deb);
}

#[test]
fn an_altered_index_or_an_unknown_signer_is_refused() {
    let world = World::new();
    publish(&world, &good());
    world.server.put(&format!("{SUITE}/main/binary-amd64/Packages.xz"), xz(b"Package: gdb-minimal\n"));
    let text = shown(&obtain(&world).unwrap_err());
    assert!(text.contains("Packages index is not the one that InRelease names"), "{text}");

    let stranger = Signer::new("stranger");
    publish_as(&world, &good(), &stranger);
    let text = shown(&obtain(&world).unwrap_err());
    assert!(text.contains("is not trusted") && text.contains(&stranger.fingerprint()), "{text}");
    assert_eq!(world.bucket("debuggers"), Vec::<String>::new());
}

#[test]
fn the_error_names_what_the_mirror_lacks() {
    let world = World::new();
    let text = shown(&obtain(&world).unwrap_err());
    assert!(text.contains("bullseye (404)") && text.contains("--debuggers"), "{text}");

    publish(&world, &[libc()]);
    let text = shown(&obtain(&world).unwrap_err());
    assert!(text.contains("no package gdb-minimal"), "{text}");

    publish(&world, &good());
    world.server.remove(&format!("/debian/{}", pool("liba1")));
    let text = shown(&obtain(&world).unwrap_err());
    assert!(text.contains("liba1.deb") && text.contains("404"), "{text}");
}

#[test]
fn another_version_than_requested_is_refused() {
    let world = World::new();
    let mut packages = good();
    packages[0].version = "13.1-3";
    publish(&world, &packages);
    let error = obtain(&world).unwrap_err();
    assert!(matches!(&error, Error::OtherVersion { found, .. } if found == "13.1"), "{error:?}");
}

#[test]
fn the_error_names_a_library_that_no_package_contains() {
    let world = World::new();
    let packages: Vec<_> = good().into_iter().filter(|package| package.name != "zlib1g").collect();
    publish(&world, &packages);
    let error = obtain(&world).unwrap_err();
    let Error::Incomplete { library, needed_by, .. } = &error else { panic!("{error:?}") };
    assert_eq!((library.as_str(), needed_by.as_str()), ("libz.so.1", "/usr/lib/x86_64-linux-gnu/liba.so.1"));
    assert_eq!(world.bucket("debuggers"), Vec::<String>::new());
}

#[test]
fn a_package_with_unsafe_paths_is_refused() {
    let refused = |fill: fn(&mut Tar)| {
        let world = World::new();
        let mut packages = good();
        packages[0] = gdb(DEPENDS, fill);
        publish(&world, &packages);
        let error = obtain(&world).unwrap_err();
        assert_eq!(world.bucket("debuggers"), Vec::<String>::new());
        match error {
            Error::Unsafe { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|tar| tar.file("./usr/bin/../../evil", 0o755, b"x")), Unsafe::LeavesTree);
    assert_eq!(refused(|tar| tar.file("/usr/bin/evil", 0o755, b"x")), Unsafe::Absolute);
    assert_eq!(refused(|tar| tar.entry("./usr/bin/evil", 0o644, EntryType::Char, "", b"")), Unsafe::Device);
    assert_eq!(refused(|tar| tar.file("./bin/gdb", 0o755, b"x")), Unsafe::Twice);
}

#[test]
fn a_link_out_of_the_package_copies_nothing_of_the_host() {
    let world = World::new();
    let mut packages = good();
    packages[3] = package("zlib1g", "1", "", |tar| {
        tar.link("./lib/x86_64-linux-gnu/libz.so.1", "/../../../../../etc/passwd", EntryType::Symlink);
    });
    publish(&world, &packages);
    assert!(matches!(obtain(&world).unwrap_err(), Error::Incomplete { .. }));
}

#[test]
fn a_file_that_is_not_a_deb_is_refused() {
    let world = World::new();
    let mut packages = good();
    packages[2].deb = b"no archive".to_vec();
    publish(&world, &packages);
    let error = obtain(&world).unwrap_err();
    assert!(matches!(&error, Error::NotADeb { package, .. } if package == "liba1"), "{error:?}");
}

#[test]
fn a_transitional_package_is_followed_to_its_successor() {
    let world = World::new();
    let mut packages = good();
    let mut real = gdb(DEPENDS, |_| {});
    real.name = "gdb";
    packages[0] = package("gdb-minimal", "10.1-1.7", "gdb (>= 10)", |_| {});
    packages.push(real);
    publish(&world, &packages);
    assert!(obtain(&world).unwrap().root.join("usr/bin/gdb").is_file());
}

#[test]
fn a_broken_download_is_resumed() {
    let world = World::new();
    publish(&world, &good());
    let file = libc().deb;
    let broken = Behaviour::Breaks { bytes: file.len() / 2, times: 1 };
    world.server.put_as(&format!("/debian/{}", pool("libc6")), file, broken);
    obtain(&world).unwrap();
    let requests = world.server.take_requests();
    assert!(requests.iter().any(|line| line.contains("libc6.deb bytes=")), "{requests:?}");
}
