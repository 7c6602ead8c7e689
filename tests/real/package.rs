//! dpkg and rpm accept the packages, install them next to others and remove them without leftovers.

use std::fs;
use std::path::Path;
use std::process::Command;

use kpatch_build::base::options::Format;
use kpatch_build::stages::package::{Package, write};

use crate::support::fixtures::fake_kernel::{DISKLESS_CONFIG, Machine};
use crate::support::need::have_root;
use crate::support::output::{must, text};
use crate::support::systems::debian_root::Root;

const RELEASE: &str = "6.1.187-copy-segments-boot";
const OTHER: &str = "6.1.187-zeroed-boot";

fn of(packages: &[Package], format: Format) -> &Path {
    &packages.iter().find(|package| package.format == format).unwrap().path
}

/// Packages `release`, copies the package to the root directory of `root` and returns its path there.
fn deliver(machine: &Machine, root: &Root, release: &str, revision: u32, format: Format) -> String {
    let kernel = machine.modular_kernel(release);
    let mut request = machine.request();
    (request.revision, request.formats) = (revision, vec![format]);
    let packages = write(&machine.context, &request, &kernel).unwrap();
    let name = packages[0].path.file_name().unwrap().to_str().unwrap();
    fs::copy(&packages[0].path, root.join(name)).unwrap();
    format!("/{name}")
}

#[test]
fn real_dpkg_deb_reads_the_intended_fields_and_files() {
    if !have_root(&["dpkg-deb", "dpkg"]) {
        return;
    }
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let deb = of(&packages, Format::Deb);
    let info = must(Command::new("dpkg-deb").arg("--info").arg(deb));
    assert!(info.contains(" new Debian package, version 2.0."), "{info}");
    let fields = must(Command::new("dpkg-deb").arg("--field").arg(deb));
    assert!(fields.contains("Depends: kmod, linux-base"), "{fields}");
    let contents = must(Command::new("dpkg-deb").arg("--contents").arg(deb));
    for (mode, path) in [
        ("-rw-r--r-- root/root", format!("./boot/vmlinuz-{RELEASE}")),
        ("-rw------- root/root", format!("./boot/System.map-{RELEASE}")),
        ("drwxr-xr-x root/root", format!("./lib/modules/{RELEASE}/kernel/")),
        ("-rw-r--r-- root/root", format!("./lib/modules/{RELEASE}/modules.dep.bin")),
    ] {
        let listed = |line: &str| line.starts_with(mode) && line.ends_with(&format!(" {path}"));
        assert!(contents.lines().any(listed), "no {mode} {path} in\n{contents}");
    }
    for (older, newer) in [("7.2~rc3-1", "7.2-1"), ("6.1.187-1", "6.1.187-2"), ("6.1.99-1", "6.1.187-1")] {
        must(Command::new("dpkg").args(["--compare-versions", older, "lt", newer]));
    }
}

#[test]
fn real_dpkg_installs_a_kernel_without_disks_beside_the_boot_loader() {
    if !have_root(&["chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let (machine, root) = (Machine::new(), Root::new());
    for when in ["preinst", "postinst", "prerm", "postrm"] {
        root.script(
            &format!("/etc/kernel/{when}.d/zz-record"),
            &format!("echo {when} \"$1\" \"$2\" >> /hooks"),
        );
    }
    let product = deliver(&machine, &root, OTHER, 1, Format::Deb);
    root.must(&format!("dpkg -i {product}"));
    fs::remove_file(root.join("/hooks")).unwrap();
    let kernel = machine.modular_kernel(RELEASE);
    fs::write(kernel.config(), DISKLESS_CONFIG).unwrap();
    let packages = machine.package(&kernel).unwrap();
    fs::copy(of(&packages, Format::Deb), root.join("/diskless.deb")).unwrap();
    let said = root.must("dpkg -i /diskless.deb");
    assert!(said.contains("cannot start a machine with a disk"), "{said}");
    assert!(root.must("dpkg --audit").is_empty());
    assert!(!root.join("/hooks").exists(), "{}", root.read("/hooks"));
    assert_eq!(fs::read_link(root.join("/vmlinuz")).unwrap(), Path::new(&format!("boot/vmlinuz-{OTHER}")));
    // What update-grub lists.
    assert_eq!(root.must("ls /boot | grep ^vmlinuz").trim_end(), format!("vmlinuz-{OTHER}"));
    let image = format!("/lib/modules/{RELEASE}/vmlinuz");
    assert!(root.join(&image).exists());
    let needs = root.must(&format!("modprobe --show-depends -S {RELEASE} provider"));
    assert!(needs.contains("provider.ko"), "{needs}");
    root.must(&format!("dpkg --remove linux-image-{RELEASE}"));
    assert_eq!(root.read("/hooks"), format!("prerm {RELEASE} {image}\n"));
    assert_eq!(root.traces(RELEASE), "");
}

#[test]
fn real_dpkg_installs_upgrades_removes_and_purges() {
    if !have_root(&["chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let (machine, root) = (Machine::new(), Root::new());
    let before = root.must("find / -xdev -not -path '/proc/*' | sort");
    for when in ["preinst", "postinst", "prerm", "postrm"] {
        let hook = format!("echo {when} \"$1\" \"$2\" \"$DEB_MAINT_PARAMS\" >> /hooks");
        root.script(&format!("/etc/kernel/{when}.d/zz-record"), &hook);
    }
    let deb = deliver(&machine, &root, RELEASE, 1, Format::Deb);
    root.must(&format!("dpkg -i {deb}"));
    let image = format!("/boot/vmlinuz-{RELEASE}");
    assert_eq!(
        root.read("/hooks"),
        format!("preinst {RELEASE} {image} install\npostinst {RELEASE} {image} configure \n")
    );
    assert_eq!(fs::read_link(root.join("/vmlinuz")).unwrap(), Path::new(&format!("boot/vmlinuz-{RELEASE}")));
    assert!(root.join(&format!("/boot/initrd.img-{RELEASE}")).exists());
    // depmod ran again, but did not change a file that dpkg verifies.
    assert_eq!(root.must(&format!("dpkg --verify linux-image-{RELEASE}")), "");
    let needs = root.must(&format!("modprobe --show-depends -S {RELEASE} provider"));
    assert!(needs.contains("provider.ko"), "{needs}");
    assert!(!root.join(&format!("/lib/modules/{RELEASE}/.fresh-install")).exists());

    // Another variant next to it, and a rebuild in its place.
    let other = deliver(&machine, &root, OTHER, 1, Format::Deb);
    root.must(&format!("dpkg -i {other}"));
    let rebuilt = {
        let second = Machine::new();
        deliver(&second, &root, RELEASE, 2, Format::Deb)
    };
    fs::remove_file(root.join("/hooks")).unwrap();
    root.must(&format!("dpkg -i {rebuilt}"));
    let hooks = root.read("/hooks");
    assert!(hooks.contains(&format!("postinst {RELEASE} {image} configure 6.1.187-1\n")), "{hooks}");
    assert!(!hooks.contains("prerm"), "{hooks}");
    assert!(root.must("dpkg --audit").is_empty());

    fs::remove_file(root.join("/hooks")).unwrap();
    root.must(&format!("dpkg --remove linux-image-{RELEASE}"));
    let hooks = root.read("/hooks");
    assert_eq!(hooks, format!("prerm {RELEASE} {image} remove\npostrm {RELEASE} {image} remove\n"));
    assert_eq!(root.traces(RELEASE), "");
    assert!(root.join(&format!("/boot/vmlinuz-{OTHER}")).exists());
    assert_eq!(fs::read_link(root.join("/vmlinuz")).unwrap(), Path::new(&format!("boot/vmlinuz-{OTHER}")));

    root.must(&format!("dpkg --purge linux-image-{RELEASE} linux-image-{OTHER}"));
    assert_eq!(root.traces("6.1.187"), "");
    let after = root.must("find / -xdev -not -path '/proc/*' | sort");
    let left: Vec<_> = after
        .lines()
        .filter(|path| !before.lines().any(|old| old == *path))
        .filter(|path| !path.ends_with("zz-record") && !path.ends_with(".deb") && *path != "/hooks")
        // Files of dpkg, directories of hooks, and files that depmod and debconf keep for all packages.
        .filter(|path| !path.starts_with("/var/") && !path.starts_with("/etc/kernel"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn real_after_a_failing_hook_the_package_can_be_repaired() {
    if !have_root(&["chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let (machine, root) = (Machine::new(), Root::new());
    let deb = deliver(&machine, &root, RELEASE, 1, Format::Deb);
    let state = || root.must(&format!("dpkg-query -W -f '${{db:Status-Status}}' linux-image-{RELEASE}"));

    root.script("/etc/kernel/preinst.d/fails", "exit 3");
    assert!(!root.run(&format!("dpkg -i {deb}")).status.success());
    assert_eq!(root.traces(RELEASE), "", "a failed preinst leaves nothing");
    fs::remove_file(root.join("/etc/kernel/preinst.d/fails")).unwrap();

    root.script("/etc/kernel/postinst.d/fails", "exit 3");
    let output = root.run(&format!("dpkg -i {deb}"));
    assert!(!output.status.success() && text(&output).contains("/etc/kernel/postinst.d/fails"));
    assert_eq!(state(), "half-configured");
    fs::remove_file(root.join("/etc/kernel/postinst.d/fails")).unwrap();
    root.must("dpkg --configure -a");
    assert_eq!(state(), "installed");

    root.script("/etc/kernel/prerm.d/fails", "exit 3");
    assert!(!root.run(&format!("dpkg --remove linux-image-{RELEASE}")).status.success());
    assert_eq!(state(), "installed");
    assert!(root.join(&format!("/boot/vmlinuz-{RELEASE}")).exists());
    fs::remove_file(root.join("/etc/kernel/prerm.d/fails")).unwrap();
    root.must(&format!("dpkg --purge linux-image-{RELEASE}"));
    assert_eq!(root.traces(RELEASE), "");
}

#[test]
fn real_lintian_finds_no_error() {
    if !have_root(&["lintian"]) {
        return;
    }
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let output = Command::new("lintian")
        .args(["--allow-root", "--tag-display-limit", "0"])
        .arg(of(&packages, Format::Deb))
        .output()
        .unwrap();
    let errors: Vec<_> =
        text(&output).lines().filter(|line| line.starts_with("E: ")).map(str::to_owned).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Runs rpm with a separate database; of the host's configuration, it uses only the macros.
fn rpm(root: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("rpm");
    command.arg("--root").arg(root).args(["--dbpath", "/var/lib/rpm"]).args(arguments);
    command.output().unwrap()
}

fn must_rpm(root: &Path, arguments: &[&str]) -> String {
    let output = rpm(root, arguments);
    assert!(output.status.success(), "rpm {arguments:?}\n{}", text(&output));
    assert!(!text(&output).contains("warning"), "rpm {arguments:?}\n{}", text(&output));
    text(&output)
}

/// Installs one empty package that provides everything a kernel requires.
fn install_stand_in(root: &Root) {
    let mut builder =
        rpm::PackageBuilder::new("stand-in", "1", "GPL-2.0-only", "noarch", "What a kernel requires");
    for name in ["/bin/sh", "/usr/bin/kernel-install", "coreutils", "dracut", "findutils", "kmod"] {
        builder.provides(rpm::Dependency::any(name));
    }
    builder.build().unwrap().write_file(root.join("/stand-in.rpm")).unwrap();
    must_rpm(root.path(), &["--install", root.join("/stand-in.rpm").to_str().unwrap()]);
    root.script(
        "/usr/bin/kernel-install",
        "echo kernel-install \"$@\" >> /hooks\ncp \"$3\" /boot/vmlinuz-\"$2\" 2>/dev/null || :",
    );
}

#[test]
fn real_rpm_reads_the_intended_fields_and_files() {
    if !have_root(&["rpm"]) {
        return;
    }
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let file = of(&packages, Format::Rpm).to_str().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let digests = must_rpm(empty.path(), &["--checksig", "--nosignature", "--verbose", file]);
    assert!(digests.contains("Payload SHA256 digest: OK") && !digests.contains("BAD"), "{digests}");
    let short = must_rpm(empty.path(), &["-K", file]);
    assert!(short.trim_end().ends_with(": digests OK"), "{short}");
    let info = must_rpm(empty.path(), &["-qip", file]);
    for line in
        ["Version     : 6.1.187", "Release     : 1", "License     : GPL-2.0-only", "Architecture: x86_64"]
    {
        assert!(info.contains(line), "no {line} in\n{info}");
    }
    let files = must_rpm(empty.path(), &["-qlvp", file]);
    assert!(
        files.lines().any(|line| line.starts_with("-rw-r--r--")
            && line.ends_with(&format!("/lib/modules/{RELEASE}/vmlinuz"))),
        "{files}"
    );
    let requires = must_rpm(empty.path(), &["-qp", "--requires", file]);
    assert!(
        requires.contains("/usr/bin/kernel-install\n") && requires.contains("rpmlib(PayloadIsXz) <= 5.2-1"),
        "{requires}"
    );
}

#[test]
fn real_rpm_detects_one_changed_byte_of_the_payload() {
    if !have_root(&["rpm"]) {
        return;
    }
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let file = of(&packages, Format::Rpm);
    let mut content = fs::read(file).unwrap();
    let place = content.len() - 100;
    content[place] ^= 1;
    fs::write(file, content).unwrap();
    let empty = tempfile::tempdir().unwrap();
    assert!(!rpm(empty.path(), &["-K", file.to_str().unwrap()]).status.success());
}

#[test]
fn real_rpm_installs_side_by_side_and_erases() {
    if !have_root(&["rpm", "chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let (machine, root) = (Machine::new(), Root::new());
    let file = deliver(&machine, &root, RELEASE, 1, Format::Rpm);
    let first = root.join(&file);
    let output = rpm(root.path(), &["--install", first.to_str().unwrap()]);
    assert!(!output.status.success() && text(&output).contains("kmod is needed by"), "{}", text(&output));

    install_stand_in(&root);
    must_rpm(root.path(), &["--install", first.to_str().unwrap()]);
    let other = deliver(&machine, &root, OTHER, 1, Format::Rpm);
    must_rpm(root.path(), &["--install", root.join(&other).to_str().unwrap()]);
    let add = |release: &str| format!("kernel-install add {release} /lib/modules/{release}/vmlinuz\n");
    let remove = |release: &str| format!("kernel-install remove {release} /lib/modules/{release}/vmlinuz\n");
    assert_eq!(root.read("/hooks"), add(RELEASE) + &add(OTHER));
    let name = format!("kernel-kpatch-{RELEASE}");
    assert_eq!(must_rpm(root.path(), &["--verify", &name]), "");
    // Like packages of modules that are built for one kernel.
    for (name, release, satisfied) in [("mod-a", RELEASE, true), ("mod-b", "6.1.187-other-boot", false)] {
        let mut builder = rpm::PackageBuilder::new(name, "1", "GPL-2.0-only", "noarch", "A module");
        builder.requires(rpm::Dependency::eq("kernel-uname-r", release));
        let file = root.join(&format!("/{name}.rpm"));
        builder.build().unwrap().write_file(&file).unwrap();
        let output = rpm(root.path(), &["--install", "--test", file.to_str().unwrap()]);
        assert_eq!(output.status.success(), satisfied, "{}", text(&output));
    }
    let needs = root.must(&format!("modprobe --show-depends -S {RELEASE} provider"));
    assert!(needs.contains("provider.ko"), "{needs}");

    // A rebuild replaces the first build and nothing else.
    let second = Machine::new();
    let rebuilt = deliver(&second, &root, RELEASE, 2, Format::Rpm);
    fs::remove_file(root.join("/hooks")).unwrap();
    must_rpm(root.path(), &["--upgrade", root.join(&rebuilt).to_str().unwrap()]);
    assert_eq!(root.read("/hooks"), add(RELEASE));
    assert_eq!(must_rpm(root.path(), &["--verify", &name]), "");
    assert!(must_rpm(root.path(), &["-qa"]).contains(OTHER));

    fs::remove_file(root.join("/hooks")).unwrap();
    must_rpm(root.path(), &["--erase", &name]);
    assert_eq!(root.read("/hooks"), remove(RELEASE));
    assert_eq!(root.traces(RELEASE), "");
    must_rpm(root.path(), &["--erase", &format!("kernel-kpatch-{OTHER}")]);
    assert_eq!(root.traces("6.1.187"), "");
}

#[test]
fn real_rpm_installs_a_kernel_without_disks_beside_the_boot_loader() {
    if !have_root(&["rpm", "chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let (machine, root) = (Machine::new(), Root::new());
    install_stand_in(&root);
    let kernel = machine.modular_kernel(RELEASE);
    fs::write(kernel.config(), DISKLESS_CONFIG).unwrap();
    let packages = machine.package(&kernel).unwrap();
    must_rpm(root.path(), &["--install", of(&packages, Format::Rpm).to_str().unwrap()]);
    assert!(!root.join("/hooks").exists(), "{}", root.read("/hooks"));
    assert_eq!(root.must(&format!("ls /boot | grep {RELEASE} || :")), "");
    assert!(root.join(&format!("/lib/modules/{RELEASE}/vmlinuz")).exists());
    must_rpm(root.path(), &["--erase", &format!("kernel-kpatch-{RELEASE}")]);
    assert_eq!(root.traces(RELEASE), "");
}

#[test]
fn real_without_kernel_install_the_image_is_copied_to_boot() {
    if !have_root(&["rpm", "chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let (machine, root) = (Machine::new(), Root::new());
    root.script("/usr/bin/dracut", "echo dracut \"$@\" >> /hooks");
    let file = deliver(&machine, &root, RELEASE, 1, Format::Rpm);
    must_rpm(root.path(), &["--install", "--nodeps", root.join(&file).to_str().unwrap()]);
    assert_eq!(root.read("/hooks"), format!("dracut --force /boot/initramfs-{RELEASE}.img {RELEASE}\n"));
    for name in ["vmlinuz", "System.map", "config"] {
        assert!(root.join(&format!("/boot/{name}-{RELEASE}")).exists(), "{name}");
    }
    must_rpm(root.path(), &["--erase", "--nodeps", &format!("kernel-kpatch-{RELEASE}")]);
    assert_eq!(root.traces(RELEASE), "");
}
