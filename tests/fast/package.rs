//! Both formats contain the same kernel, and packages appear only when they are complete.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use kpatch_build::base::error::Explain;
use kpatch_build::base::events::{Event, Events, Notes, Sink};
use kpatch_build::base::options::{Compression, Format, Part};
use kpatch_build::base::stop::Stop;
use kpatch_build::stages::package::{Error, Package, write};
use sha2::Digest;

use crate::support::archives::{control, deb_parts, rpm_files, sha256, tar_files};
use crate::support::events::Seen;
use crate::support::fixtures::fake_kernel::{DISKLESS_CONFIG, Machine, TIMESTAMP, compile_program};

const RELEASE: &str = "6.1.187-copy-segments-boot";

fn of(packages: &[Package], format: Format) -> &Package {
    part_of(packages, format, Part::Image)
}

fn part_of(packages: &[Package], format: Format, part: Part) -> &Package {
    packages.iter().find(|package| (package.format, package.part) == (format, part)).unwrap()
}

#[test]
fn both_formats_contain_the_same_files_at_the_paths_of_their_distributions() {
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let mut deb = tar_files(&deb_parts(&of(&packages, Format::Deb).path)["data.tar.xz"]);
    let mut rpm = rpm_files(&of(&packages, Format::Rpm).path);

    for (name, in_rpm) in [("vmlinuz", "vmlinuz"), ("System.map", "System.map"), ("config", "config")] {
        let found = deb.remove(&format!("boot/{name}-{RELEASE}")).unwrap();
        assert_eq!(rpm.remove(&format!("lib/modules/{RELEASE}/{in_rpm}")).unwrap(), found, "{name}");
    }
    let own = format!("lib/modules/{RELEASE}");
    deb.retain(|path, _| path.starts_with(&own));
    rpm.retain(|path, _| path.starts_with(&own));
    assert!(deb.contains_key(&format!("{own}/kernel/lib/provider.ko")));
    assert!(!deb.contains_key(&format!("{own}/build")));
    assert_eq!(deb, rpm);
    for (path, found) in deb {
        assert_eq!(found.mtime, TIMESTAMP as u64, "{path}");
        assert_eq!(found.mode, if found.content.is_some() { 0o644 } else { 0o755 }, "{path}");
    }
}

#[test]
fn the_packages_contain_depmods_data_about_their_modules() {
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let files = rpm_files(&of(&packages, Format::Rpm).path);
    let text = |name: &str| {
        let found = &files[&format!("lib/modules/{RELEASE}/{name}")];
        String::from_utf8(found.content.clone().unwrap()).unwrap()
    };
    let needs = text("modules.dep");
    assert!(needs.lines().any(|line| line.ends_with(".ko: kernel/lib/provider.ko")), "{needs}");
    assert!(text("modules.alias").contains("alias pci:v00001234d* provider"));
    assert!(text("modules.symbols").contains("provided_symbol"));
    for binary in ["modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin"] {
        assert!(files.contains_key(&format!("lib/modules/{RELEASE}/{binary}")), "{binary}");
    }
}

#[test]
fn the_control_file_has_the_fields_that_dpkg_and_apt_need() {
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let deb = &of(&packages, Format::Deb).path;
    let control_file = control(deb, "control");
    for line in [
        "Package: linux-image-6.1.187-copy-segments-boot",
        "Version: 6.1.187-1",
        "Architecture: amd64",
        "Provides: linux-image",
        "Section: kernel",
    ] {
        assert!(control_file.lines().any(|found| found == line), "no {line} in:\n{control_file}");
    }
    assert!(control_file.ends_with('\n'));

    let files = tar_files(&deb_parts(deb)["data.tar.xz"]);
    let sums = control(deb, "md5sums");
    assert!(sums.contains(&format!("  boot/vmlinuz-{RELEASE}\n")));
    for line in sums.lines() {
        let (sum, path) = line.split_once("  ").unwrap();
        let content = files[path].content.as_ref().unwrap();
        assert_eq!(kpatch_build::base::digest::hex(&<md5::Md5 as Digest>::digest(content)), sum, "{path}");
    }
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        let text = control(deb, script);
        assert!(text.starts_with("#!/bin/sh\n") && text.contains(RELEASE) && !text.contains('@'), "{script}");
        assert!(text.contains("INITRD=Yes\n"), "{script}");
    }
}

#[test]
fn a_kernel_without_initramfs_support_depends_on_no_generator() {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(RELEASE);
    let config =
        "CONFIG_BLOCK=y\nCONFIG_VIRTIO_BLK=y\nCONFIG_EXT4_FS=y\n# CONFIG_BLK_DEV_INITRD is not set\n";
    fs::write(kernel.config(), config).unwrap();
    let packages = machine.package(&kernel).unwrap();
    let deb = &of(&packages, Format::Deb).path;
    let control_file = control(deb, "control");
    assert!(control_file.contains("\nDepends: kmod, linux-base (>= 4.3~)\n"), "{control_file}");
    assert!(control(deb, "postinst").contains("INITRD=No\n"));
}

#[test]
fn the_description_says_that_a_kernel_without_disks_is_for_tests() {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(RELEASE);
    let descriptions = || {
        let packages = machine.package(&kernel).unwrap();
        let rpm = rpm::PackageMetadata::open(&of(&packages, Format::Rpm).path).unwrap();
        let rpm = rpm.get_description().unwrap().to_owned();
        [control(&of(&packages, Format::Deb).path, "control"), rpm]
    };
    for text in descriptions() {
        assert!(!text.contains("for tests"), "{text}");
    }
    fs::write(kernel.config(), DISKLESS_CONFIG).unwrap();
    for text in descriptions() {
        assert!(text.contains("for tests in a virtual machine") && text.contains("CONFIG_BLOCK"), "{text}");
    }
}

#[test]
fn no_boot_loader_gets_a_kernel_without_disks() {
    let notes = Notes::default();
    let machine = Machine::with_events(notes.keep(&Events::silent()));
    let kernel = machine.modular_kernel(RELEASE);
    fs::write(kernel.config(), DISKLESS_CONFIG).unwrap();
    let packages = machine.package(&kernel).unwrap();
    let notes = notes.so_far();
    assert_eq!(notes.len(), 1, "one note for both formats: {notes:?}");
    assert!(notes[0].text.contains("CONFIG_BLOCK") && notes[0].text.contains("--kconfig cloud"), "{notes:?}");

    // Boot loaders list every vmlinuz in /boot.
    let deb = &of(&packages, Format::Deb).path;
    let files = tar_files(&deb_parts(deb)["data.tar.xz"]);
    assert!(files.contains_key(&format!("lib/modules/{RELEASE}/vmlinuz")));
    assert!(!files.keys().any(|path| path.starts_with("boot/vmlinuz")));
    let control_file = control(deb, "control");
    assert!(
        control_file.contains("\nDepends: kmod\n") && !control_file.contains("Provides:"),
        "{control_file}"
    );
    let postinst = control(deb, "postinst");
    assert!(!postinst.contains("linux-update-symlinks") && !postinst.contains("run-parts"), "{postinst}");
    assert!(postinst.contains(&format!("Its image: /lib/modules/{RELEASE}/vmlinuz")), "{postinst}");

    let rpm = rpm::PackageMetadata::open(&of(&packages, Format::Rpm).path).unwrap();
    assert!(rpm.get_post_trans_script().is_err() && rpm.get_pre_uninstall_script().is_err());
    let ghosts = rpm.get_file_entries().unwrap();
    assert!(!ghosts.iter().any(|entry| entry.path().starts_with("/boot")), "{ghosts:?}");
    let provides = rpm.get_provides().unwrap();
    assert!(provides.iter().any(|provided| provided.name == "kernel-uname-r"));
    assert!(!provides.iter().any(|provided| provided.name == "kernel"), "{provides:?}");
}

#[test]
fn the_changelog_has_the_kernels_date_and_lists_the_patches() {
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let files = tar_files(&deb_parts(&of(&packages, Format::Deb).path)["data.tar.xz"]);
    let path = format!("usr/share/doc/linux-image-{RELEASE}/changelog.Debian.gz");
    let mut text = String::new();
    let compressed = files[&path].content.as_ref().unwrap();
    flate2::read::GzDecoder::new(compressed.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.starts_with("linux-image-6.1.187-copy-segments-boot (6.1.187-1) unstable;"), "{text}");
    assert!(text.contains("0001-x.patch") && text.contains("  Tue, 14 Nov 2023 22:13:20 +0000\n"), "{text}");
}

#[test]
fn the_rpm_is_installed_next_to_the_distributions_kernels() {
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let metadata = rpm::PackageMetadata::open(&of(&packages, Format::Rpm).path).unwrap();
    assert_eq!(metadata.get_name().unwrap(), format!("kernel-kpatch-{RELEASE}"));
    let provides = metadata.get_provides().unwrap();
    let provided = |name: &str, version: &str| {
        provides.iter().any(|found| found.name == name && found.version == version)
    };
    assert!(provided("installonlypkg(kernel)", ""));
    assert!(provided("kernel", "6.1.187-1"));
    assert!(provided("kernel-uname-r", RELEASE));
    assert_eq!(metadata.get_build_time().unwrap(), TIMESTAMP as u64);
    // The package replaces only earlier builds of the same kernel.
    let earlier = rpm::Dependency::less(format!("kernel-kpatch-{RELEASE}"), "6.1.187-1");
    assert_eq!(metadata.get_obsoletes().unwrap(), [earlier]);
}

#[test]
fn the_rpm_owns_the_files_of_kernel_install_and_announces_their_size() {
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let metadata = rpm::PackageMetadata::open(&of(&packages, Format::Rpm).path).unwrap();
    let files = metadata.get_file_entries().unwrap();
    let file = |path: String| {
        files.iter().find(|file| file.path() == Path::new(&path)).expect("the package lists it")
    };
    let ghosts = files.iter().filter(|file| file.flags().contains(rpm::FileFlags::GHOST));
    assert_eq!(ghosts.count(), 4);
    for name in ["vmlinuz", "System.map", "config"] {
        let real = file(format!("/lib/modules/{RELEASE}/{name}"));
        let ghost = file(format!("/boot/{name}-{RELEASE}"));
        assert!(ghost.flags().contains(rpm::FileFlags::GHOST), "{name}");
        assert_eq!((ghost.size(), ghost.permissions()), (real.size(), real.permissions()), "{name}");
    }
    assert_eq!(file(format!("/boot/initramfs-{RELEASE}.img")).size(), 20 << 20);
    let depmods = file(format!("/lib/modules/{RELEASE}/modules.dep.bin"));
    assert!(depmods.flags().contains(rpm::FileFlags::MISSINGOK), "kernel-install removes modules.dep.bin");
}

/// Packages every part of a kernel in both formats.
fn all_parts(machine: &Machine) -> Vec<Package> {
    let mut kernel = machine.modular_kernel(RELEASE);
    let write = |path: &Path, content: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    machine.add_part(&mut kernel, Part::Headers, |dir| {
        write(&dir.join("Makefile"), b"all:\n");
        write(&dir.join("include/linux/io_uring.h"), b"#pragma once\n");
        compile_program(&dir.join("scripts/modpost"));
        std::os::unix::fs::symlink("../include", dir.join("scripts/include")).unwrap();
    });
    machine.add_part(&mut kernel, Part::Debug, |dir| {
        compile_program(&dir.join("vmlinux"));
        write(&dir.join("kernel/lib/provider.ko"), b"debug");
    });
    machine.add_part(&mut kernel, Part::LibcDev, |dir| {
        write(&dir.join("linux/io_uring.h"), b"#pragma once\n");
        write(&dir.join("asm/ptrace.h"), b"#pragma once\n");
    });
    let mut request = machine.request();
    request.parts = vec![Part::Image, Part::Headers, Part::Debug, Part::LibcDev];
    kpatch_build::stages::package::write(&machine.context, &request, &kernel).unwrap()
}

fn link(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

#[test]
fn headers_are_where_module_builds_expect_them_and_depend_on_the_libraries_of_their_programs() {
    let machine = Machine::new();
    let packages = all_parts(&machine);
    let deb = &part_of(&packages, Format::Deb, Part::Headers).path;
    let rpm = &part_of(&packages, Format::Rpm, Part::Headers).path;
    for (files, home) in [
        (tar_files(&deb_parts(deb)["data.tar.xz"]), format!("usr/src/linux-headers-{RELEASE}")),
        (rpm_files(rpm), format!("usr/src/kernels/{RELEASE}")),
    ] {
        let build = &files[&format!("lib/modules/{RELEASE}/build")];
        assert_eq!((build.link, &build.content), (true, &link(&format!("/{home}"))));
        let modpost = &files[&format!("{home}/scripts/modpost")];
        assert!(modpost.mode == 0o755 && modpost.content.as_ref().unwrap().starts_with(b"\x7fELF"));
        assert_eq!(files[&format!("{home}/Makefile")].mode, 0o644);
        assert_eq!(files[&format!("{home}/scripts/include")].content, link("../include"));
        assert!(
            !files.contains_key(&format!("lib/modules/{RELEASE}/kernel")),
            "the modules are in the image package"
        );
    }
    let text = control(deb, "control");
    let depends =
        text.lines().find(|line| line.starts_with("Depends: ")).expect("the headers have a program");
    assert!(depends.contains("libc6 (>= 2."), "{depends}");
    // The Makefile calls gcc, which the package gcc-12 does not contain.
    assert!(depends.ends_with(", gcc, make") && !text.contains("gcc-12"), "{text}");
    assert!(control(deb, "postinst").contains("/etc/kernel/header_postinst.d"));
    let metadata = rpm::PackageMetadata::open(rpm).unwrap();
    let requires = metadata.get_requires().unwrap();
    assert!(requires.iter().any(|need| need.name.starts_with("libc.so.6(GLIBC_2.")), "{requires:?}");
    for name in ["gcc", "make"] {
        assert!(requires.iter().any(|need| need.name == name), "{requires:?}");
    }
    assert!(metadata.get_recommends().unwrap().is_empty());
    let provides = metadata.get_provides().unwrap();
    assert!(
        provides
            .iter()
            .any(|provided| provided.name == "kernel-devel-uname-r" && provided.version == RELEASE)
    );
}

#[test]
fn programs_of_the_headers_that_require_libraries_are_noted() {
    let seen = Seen::default();
    all_parts(&Machine::with_events(Events::new(seen.clone())));
    let expected = "the headers package requires libraries as new as this host's: scripts/modpost is not linked statically";
    assert_eq!(seen.notes(), [expected]);
}

#[test]
fn only_the_headers_name_the_licences_of_static_libraries() {
    let machine = Machine::new();
    let packages = all_parts(&machine);
    for part in [Part::Image, Part::Headers, Part::Debug, Part::LibcDev] {
        let deb = part_of(&packages, Format::Deb, part);
        let files = tar_files(&deb_parts(&deb.path)["data.tar.xz"]);
        let copyright = files[&format!("usr/share/doc/{}/copyright", deb.name)].content.clone().unwrap();
        let copyright = String::from_utf8(copyright).unwrap();
        assert_eq!(copyright.contains("libelf"), part == Part::Headers, "{copyright}");
        assert!(!copyright.contains('@'), "{copyright}");
    }
}

#[test]
fn debug_information_is_found_by_path_and_by_build_id() {
    let machine = Machine::new();
    let packages = all_parts(&machine);
    let deb = &part_of(&packages, Format::Deb, Part::Debug).path;
    let rpm = &part_of(&packages, Format::Rpm, Part::Debug).path;
    let own = format!("usr/lib/debug/lib/modules/{RELEASE}");
    for files in [tar_files(&deb_parts(deb)["data.tar.xz"]), rpm_files(rpm)] {
        assert_eq!(files[&format!("{own}/kernel/lib/provider.ko")].content, link("debug"));
        let vmlinux = &files[&format!("usr/lib/debug/vmlinux-{RELEASE}")];
        assert_eq!(vmlinux.content, link(&format!("lib/modules/{RELEASE}/vmlinux")));
        let systemtap = &files[&format!("usr/lib/debug/boot/vmlinux-{RELEASE}")];
        assert_eq!(systemtap.content, link(&format!("../lib/modules/{RELEASE}/vmlinux")));
        let ids: Vec<_> = files.iter().filter(|(path, _)| path.ends_with(".debug")).collect();
        let [(path, id)] = ids[..] else { panic!("vmlinux alone has a build id: {ids:?}") };
        assert!(path.starts_with("usr/lib/debug/.build-id/"), "{path}");
        assert_eq!(id.content, link(&format!("../../lib/modules/{RELEASE}/vmlinux")));
    }
    assert!(control(deb, "control").contains("\nSection: debug\n"));
}

#[test]
fn user_space_headers_replace_the_distributions_only_on_request() {
    let machine = Machine::new();
    let packages = all_parts(&machine);
    let deb = part_of(&packages, Format::Deb, Part::LibcDev);
    let rpm = part_of(&packages, Format::Rpm, Part::LibcDev);
    assert_eq!((deb.name.as_str(), rpm.name.as_str()), ("linux-libc-dev", "kernel-kpatch-headers"));
    let files = tar_files(&deb_parts(&deb.path)["data.tar.xz"]);
    assert!(files.contains_key("usr/include/linux/io_uring.h"));
    // The package takes the place of those of both architectures, so it has the headers of both.
    for architecture in ["x86_64", "i386"] {
        assert!(files.contains_key(&format!("usr/include/{architecture}-linux-gnu/asm/ptrace.h")));
    }
    assert!(control(&deb.path, "md5sums").contains("  usr/include/i386-linux-gnu/asm/ptrace.h\n"));
    assert!(control(&deb.path, "control").contains("\nMulti-Arch: foreign\n"));
    let files = rpm_files(&rpm.path);
    assert!(files.contains_key("usr/include/asm/ptrace.h"));
    // Erasing the package removes only directories that it owns; /usr/include belongs to the distribution.
    assert!(files.contains_key("usr/include/asm") && !files.contains_key("usr/include"));
    let metadata = rpm::PackageMetadata::open(&rpm.path).unwrap();
    assert!(metadata.get_obsoletes().unwrap().is_empty(), "an update must not install the package");
    assert!(metadata.get_conflicts().unwrap().iter().any(|conflict| conflict.name == "kernel-headers"));
}

#[test]
fn a_part_that_the_build_did_not_keep_is_an_error() {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(RELEASE);
    let mut request = machine.request();
    request.parts.push(Part::Debug);
    let error = write(&machine.context, &request, &kernel).unwrap_err();
    assert!(matches!(error, Error::NotKept { part: Part::Debug }), "{error:?}");
    assert!(machine.outputs().is_empty());
}

#[test]
fn every_compression_packages_the_same_files() {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(RELEASE);
    let mut seen = Vec::new();
    for (compression, member) in [
        (Compression::Xz, "data.tar.xz"),
        (Compression::Zstd, "data.tar.zst"),
        (Compression::Gzip, "data.tar.gz"),
    ] {
        let mut request = machine.request();
        request.compression = compression;
        let packages = write(&machine.context, &request, &kernel).unwrap();
        let deb = tar_files(&deb_parts(&of(&packages, Format::Deb).path)[member]);
        seen.push((deb, rpm_files(&of(&packages, Format::Rpm).path)));
    }
    assert!(seen[0].0.len() > 5 && seen[0] == seen[1] && seen[0] == seen[2]);
}

#[test]
fn release_candidates_sort_before_their_release() {
    let machine = Machine::new();
    let mut request = machine.request();
    request.upstream = "7.2-rc3".parse().unwrap();
    let kernel = machine.modular_kernel("7.2.0-rc3-copy-segments-boot");
    let packages = write(&machine.context, &request, &kernel).unwrap();
    let names = machine.outputs();
    assert_eq!(
        names,
        [
            "kernel-kpatch-7.2.0-rc3-copy-segments-boot-7.2~rc3-1.x86_64.rpm",
            "linux-image-7.2.0-rc3-copy-segments-boot_7.2~rc3-1_amd64.deb"
        ]
    );
    assert!(control(&of(&packages, Format::Deb).path, "control").contains("\nVersion: 7.2~rc3-1\n"));
}

#[test]
fn the_returned_packages_describe_the_files() {
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    assert_eq!(packages.iter().map(|package| package.format).collect::<Vec<_>>(), [Format::Deb, Format::Rpm]);
    for package in packages {
        let content = fs::read(&package.path).unwrap();
        assert_eq!((package.bytes, package.sha256), (content.len() as u64, sha256(&content)));
    }
}

#[test]
fn packages_do_not_depend_on_paths_threads_and_file_times() {
    let (one, two) = (Machine::new(), Machine::new());
    let first = one.package(&one.modular_kernel(RELEASE)).unwrap();

    let kernel = two.modular_kernel(RELEASE);
    let past = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    for path in [kernel.image(), kernel.config()] {
        File::open(path).unwrap().set_modified(past).unwrap();
    }
    let mut request = two.request();
    request.jobs = 1;
    let second = write(&two.context, &request, &kernel).unwrap();
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first.sha256, second.sha256, "{}", first.path.display());
    }
    let again = write(&two.context, &request, &kernel).unwrap();
    assert_eq!(again[0].sha256, second[0].sha256);
}

#[test]
fn a_kernel_without_modules_is_packaged() {
    let machine = Machine::new();
    let kernel = machine.kernel(RELEASE, |modules| {
        let all = modules.ancestors().nth(3).unwrap();
        fs::remove_dir_all(all).unwrap();
    });
    let packages = machine.package(&kernel).unwrap();
    let files = rpm_files(&of(&packages, Format::Rpm).path);
    for name in ["vmlinuz", "modules.order", "modules.builtin", "modules.dep"] {
        assert!(files.contains_key(&format!("lib/modules/{RELEASE}/{name}")), "{name}");
    }
}

/// Stops the run at the n-th progress event.
struct StopAt(std::sync::atomic::AtomicI64, Stop);

impl Sink for StopAt {
    fn event(&self, event: &Event) {
        let count = &self.0;
        if matches!(event, Event::Progress { .. })
            && count.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) == 0
        {
            self.1.set();
        }
    }
}

#[test]
fn an_interrupted_run_leaves_the_output_as_it_was() {
    let pieces = {
        let machine = Machine::new();
        let kernel = machine.modular_kernel(RELEASE);
        let files = machine.package(&kernel).unwrap();
        // The number of progress events of the checksums and the .deb, so that the last stop is in the .rpm.
        tar_files(&deb_parts(&files[0].path)["data.tar.xz"]).len() as i64
    };
    for at in [0, pieces / 2, pieces] {
        let stop = Stop::default();
        let mut machine = Machine::with_events(Events::new(StopAt(at.into(), stop.clone())));
        machine.context.stop = stop;
        let kernel = machine.modular_kernel(RELEASE);
        let old = machine.out().join(format!("linux-image-{RELEASE}_6.1.187-1_amd64.deb"));
        fs::write(&old, "old").unwrap();
        let error = machine.package(&kernel).unwrap_err();
        assert!(matches!(error, Error::Interrupted(_)), "{error:?}");
        assert_eq!(error.exit() as u8, 130);
        assert_eq!(fs::read_to_string(&old).unwrap(), "old", "stopped at {at}");
        assert_eq!(machine.outputs().len(), 1, "stopped at {at}");
    }
}

#[test]
fn a_package_replaces_an_older_file_with_its_name() {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(RELEASE);
    let old = machine.out().join(format!("linux-image-{RELEASE}_6.1.187-1_amd64.deb"));
    fs::write(&old, "old").unwrap();
    let packages = machine.package(&kernel).unwrap();
    assert_eq!(of(&packages, Format::Deb).path, old);
    assert_eq!(fs::metadata(&old).unwrap().len(), packages[0].bytes);
    assert_eq!(machine.outputs().len(), 2);
}

#[test]
fn a_missing_output_directory_is_named() {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(RELEASE);
    fs::remove_dir(machine.out()).unwrap();
    let error = machine.package(&kernel).unwrap_err();
    assert!(matches!(&error, Error::Write { path, .. } if path.starts_with(machine.out())), "{error:?}");
    assert_eq!(error.exit() as u8, 3);
}

#[test]
fn progress_ends_at_its_total() {
    struct Last(std::sync::Mutex<(u64, u64)>);
    impl Sink for Last {
        fn event(&self, event: &Event) {
            if let Event::Progress { done, total, .. } = event {
                let mut last = self.0.lock().unwrap();
                assert!(*done >= last.0);
                *last = (*done, total.unwrap());
            }
        }
    }
    let last = std::sync::Arc::new(Last(Default::default()));
    struct Shared(std::sync::Arc<Last>);
    impl Sink for Shared {
        fn event(&self, event: &Event) {
            self.0.event(event);
        }
    }
    let machine = Machine::with_events(Events::new(Shared(last.clone())));
    machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let (done, total) = *last.0.lock().unwrap();
    assert!(done > 0);
    assert_eq!(done, total);
}
