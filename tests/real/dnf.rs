//! dnf and rpm with the packages' scripts, kernel-install and its plugins: two kernels side by side, a
//! rebuild, and failures at every step. The kernels are small fakes, and a fake plugin creates their
//! initramfs; the suite `vm` uses real ones.

use std::fs;
use std::time::Duration;

use kpatch_build::base::options::Format;
use kpatch_build::stages::package::write;

use crate::support::fixtures::fake_kernel::Machine;
use crate::support::need::have_root;
use crate::support::output::text;
use crate::support::systems::rpm_root::{MACHINE_ID, PROGRAMS, RpmRoot, traces};

const RELEASE: &str = "6.1.187-copy-segments-boot";
const OTHER: &str = "6.1.187-zeroed-boot";

/// A system without dracut, which would need loadable modules: a plugin creates the initramfs.
fn root() -> RpmRoot {
    let root = RpmRoot::new();
    root.script(
        "/etc/kernel/install.d/50-dracut.install",
        "[ \"$1\" = add ] || exit 0\necho initramfs > \"$3/initrd\"",
    );
    root
}

/// Packages the kernel, copies the package into the root and returns its path there.
fn deliver(root: &RpmRoot, release: &str, revision: u32) -> String {
    let machine = Machine::new();
    let mut request = machine.request();
    (request.revision, request.formats) = (revision, vec![Format::Rpm]);
    let mut kernel = machine.modular_kernel(release);
    // A rebuilt image differs from the first one.
    kernel.timestamp += i64::from(revision);
    let packages = write(&machine.context, &request, &kernel).unwrap();
    let name = packages[0].path.file_name().unwrap().to_str().unwrap();
    fs::copy(&packages[0].path, root.join(name)).unwrap();
    format!("/{name}")
}

fn installed(root: &RpmRoot) -> String {
    root.must("rpm -qa 'kernel-kpatch-*' | sort")
}

fn package(release: &str, revision: u32) -> String {
    format!("kernel-kpatch-{release}-6.1.187-{revision}.x86_64\n")
}

/// Entries that a boot loader shows (Boot Loader Specification).
fn entries(root: &RpmRoot) -> Vec<String> {
    let entries = fs::read_dir(root.esp().join("loader/entries")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn entry(release: &str) -> String {
    format!("{MACHINE_ID}-{release}.conf")
}

/// Asserts that the kernel has an entry and that the files in it exist.
fn assert_bootable(root: &RpmRoot, release: &str) {
    let text = fs::read_to_string(root.esp().join("loader/entries").join(entry(release))).unwrap();
    for (key, name) in [("linux", "linux"), ("initrd", "initrd")] {
        let path = format!("/{MACHINE_ID}/{release}/{name}");
        assert!(text.lines().any(|line| line.split_whitespace().eq([key, &path])), "no {path} in\n{text}");
        assert!(root.esp().join(&path[1..]).exists(), "{path}");
    }
}

fn assert_sound(root: &RpmRoot, release: &str) {
    assert_bootable(root, release);
    assert_eq!(root.must(&format!("rpm --verify kernel-kpatch-{release}")), "");
}

#[test]
fn real_dnf_keeps_kernels_side_by_side_and_replaces_a_kernel_with_its_rebuild() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let (first, other, rebuilt) =
        (deliver(&root, RELEASE, 1), deliver(&root, OTHER, 1), deliver(&root, RELEASE, 2));
    root.quietly(&format!("dnf -y install {first}"));
    assert_sound(&root, RELEASE);
    root.quietly(&format!("dnf -y install {other}"));
    for release in [RELEASE, OTHER] {
        assert_sound(&root, release);
        for path in [format!("/lib/modules/{release}/vmlinuz"), format!("/boot/initramfs-{release}.img")] {
            assert_eq!(root.must(&format!("rpm -qf {path}")), package(release, 1), "{path}");
        }
    }
    // A second installation changes nothing.
    let message = root.must(&format!("dnf -y install {first}"));
    assert!(message.contains("already installed"), "{message}");
    let output = root.run(&format!("rpm --install {first}"));
    assert!(!output.status.success() && text(&output).contains("already installed"));
    assert_eq!(installed(&root), package(RELEASE, 1) + &package(OTHER, 1));

    root.quietly(&format!("dnf -y install {rebuilt}"));
    assert_eq!(installed(&root), package(RELEASE, 2) + &package(OTHER, 1));
    assert_sound(&root, RELEASE);
    assert_sound(&root, OTHER);

    root.quietly(&format!("dnf -y remove kernel-kpatch-{RELEASE}"));
    assert_eq!(root.must(&traces(RELEASE)), "");
    assert_eq!(entries(&root), [entry(OTHER)]);
    assert_sound(&root, OTHER);
    root.quietly(&format!("rpm --erase kernel-kpatch-{OTHER}"));
    assert_eq!(root.must(&traces("6.1.187")), "");
    assert_eq!(entries(&root), [""; 0]);
}

#[test]
fn real_after_a_failing_plugin_the_kernel_can_be_repaired() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let plugin = "/etc/kernel/install.d/60-fails.install";
    let file = deliver(&root, RELEASE, 1);
    root.script(plugin, "exit 3");
    let message = root.must(&format!("dnf -y install {file}"));
    assert!(message.contains("kernel-install failed: this kernel may not boot"), "{message}");
    assert_eq!(
        installed(&root),
        package(RELEASE, 1),
        "rpm does not undo the installation if %posttrans fails"
    );
    assert_eq!(entries(&root), [""; 0], "an incomplete kernel has no entry");
    fs::remove_file(root.join(plugin)).unwrap();
    let (_, repair) = message.split_once("Once the cause is fixed, run: ").expect("the next step");
    root.quietly(repair.lines().next().unwrap());
    assert_sound(&root, RELEASE);

    root.script(plugin, "exit 3");
    assert!(!root.run(&format!("dnf -y remove kernel-kpatch-{RELEASE}")).status.success());
    assert_eq!(installed(&root), package(RELEASE, 1));
    assert!(root.join(&format!("/lib/modules/{RELEASE}/vmlinuz")).exists());
    fs::remove_file(root.join(plugin)).unwrap();
    root.quietly(&format!("dnf -y remove kernel-kpatch-{RELEASE}"));
    assert_eq!(root.must(&traces(RELEASE)), "");
}

#[test]
fn real_a_full_boot_is_detected_before_anything_is_written() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let file = deliver(&root, RELEASE, 1);
    root.limit_boot(16);
    for line in [format!("dnf -y install {file}"), format!("rpm --install {file}")] {
        let output = root.run(&line);
        let message = text(&output);
        assert!(
            !output.status.success() && message.contains("more space on the /boot filesystem"),
            "{message}"
        );
        assert_eq!(installed(&root), "");
        assert_eq!(root.must(&traces(RELEASE)), "");
    }
    root.limit_boot(32);
    root.quietly(&format!("dnf -y install {file}"));
    assert_sound(&root, RELEASE);
}

#[test]
fn real_when_boot_fills_up_the_other_kernel_stays_and_the_new_one_can_be_repaired() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let (other, file) = (deliver(&root, OTHER, 1), deliver(&root, RELEASE, 1));
    root.quietly(&format!("dnf -y install {other}"));
    // An initramfs larger than the size in the header.
    let plugin = "/etc/kernel/install.d/50-dracut.install";
    root.script(plugin, "[ \"$1\" = add ] || exit 0\nhead -c 32M /dev/zero > \"$3/initrd\"");
    root.limit_boot(24);
    let message = root.must(&format!("dnf -y install {file}"));
    assert!(
        message.contains("No space left on device") && message.contains("this kernel may not boot"),
        "{message}"
    );
    assert_eq!(installed(&root), package(RELEASE, 1) + &package(OTHER, 1));
    assert_eq!(entries(&root), [entry(OTHER)], "an incomplete kernel has no entry");
    assert_sound(&root, OTHER);

    root.limit_boot(64);
    root.quietly(&format!("dnf -y reinstall {file}"));
    assert_sound(&root, RELEASE);
    root.quietly(&format!("dnf -y remove kernel-kpatch-{RELEASE}"));
    assert_eq!(root.must(&traces(RELEASE)), "");
    assert_sound(&root, OTHER);
}

/// Part of a script: kills the package manager that runs it.
const KILL: &str = "pid=$$
until grep -qxE 'dnf|rpm' /proc/$pid/comm; do pid=$(awk '/^PPid:/ { print $2 }' /proc/$pid/status); done
kill -KILL \"$pid\"
exit 1";

#[test]
fn real_a_killed_installation_can_be_repeated() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let file = deliver(&root, RELEASE, 1);
    // Killed at the third rename, before rpm records the package as installed.
    let renames = "rename,renameat,renameat2";
    let output = root.run(&format!(
        "exec strace -qq -o /dev/null -e trace={renames} -e inject={renames}:signal=KILL:when=3 rpm --install {file}"
    ));
    assert!(!output.status.success());
    assert_eq!(installed(&root), "");
    assert!(!root.must(&traces(RELEASE)).is_empty(), "rpm was killed before it wrote anything");
    // rpm names incomplete files after the time of the transaction in seconds, so a repetition in the same second
    // would conflict.
    std::thread::sleep(Duration::from_secs(1));
    root.quietly(&format!("dnf -y install {file}"));
    assert_sound(&root, RELEASE);
    root.quietly(&format!("dnf -y remove kernel-kpatch-{RELEASE}"));
    assert_eq!(root.must(&traces(RELEASE)), "");

    // Killed in kernel-install, after rpm recorded the package.
    let plugin = "/etc/kernel/install.d/60-kills.install";
    root.script(plugin, KILL);
    assert!(!root.run(&format!("dnf -y install {file}")).status.success());
    assert_eq!(entries(&root), [""; 0]);
    fs::remove_file(root.join(plugin)).unwrap();
    assert_eq!(installed(&root), package(RELEASE, 1));
    root.quietly(&format!("dnf -y reinstall {file}"));
    assert_sound(&root, RELEASE);
}

#[test]
fn real_a_killed_removal_and_a_killed_replacement_can_be_repeated() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let (file, rebuilt) = (deliver(&root, RELEASE, 1), deliver(&root, RELEASE, 2));
    root.quietly(&format!("dnf -y install {file}"));
    // Killed in %post of the rebuild: rpm has recorded both builds as installed.
    let depmod = root.join("/usr/sbin/depmod");
    let link = fs::read_link(&depmod).unwrap();
    fs::remove_file(&depmod).unwrap();
    root.script("/usr/sbin/depmod", KILL);
    assert!(!root.run(&format!("dnf -y install {rebuilt}")).status.success());
    fs::remove_file(&depmod).unwrap();
    std::os::unix::fs::symlink(link, &depmod).unwrap();
    assert_eq!(installed(&root), package(RELEASE, 1) + &package(RELEASE, 2));
    root.quietly(&format!("dnf -y remove kernel-kpatch-{RELEASE}-6.1.187-1"));
    root.quietly(&format!("dnf -y reinstall {rebuilt}"));
    assert_eq!(installed(&root), package(RELEASE, 2));
    assert_sound(&root, RELEASE);

    let plugin = "/etc/kernel/install.d/60-kills.install";
    root.script(plugin, KILL);
    assert!(!root.run(&format!("dnf -y remove kernel-kpatch-{RELEASE}")).status.success());
    fs::remove_file(root.join(plugin)).unwrap();
    assert_eq!(installed(&root), package(RELEASE, 2));
    root.quietly(&format!("dnf -y remove kernel-kpatch-{RELEASE}"));
    assert_eq!(root.must(&traces(RELEASE)), "");
}
