//! dnf and rpm with their real scripts, kernel-install and its plugins: two kernels side by side,
//! a rebuild, and everything that can go wrong in between. The kernels are small fakes, so what makes
//! the initramfs is one too; the suite `vm` has real ones.

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

/// With an initramfs that takes no dracut, which would want modules that can be loaded.
fn root() -> RpmRoot {
    let root = RpmRoot::new();
    root.script(
        "/etc/kernel/install.d/50-dracut.install",
        "[ \"$1\" = add ] || exit 0\necho initramfs > \"$3/initrd\"",
    );
    root
}

/// Makes the package and puts it into the root.
fn deliver(root: &RpmRoot, release: &str, revision: u32) -> String {
    let machine = Machine::new();
    let mut order = machine.order();
    (order.revision, order.formats) = (revision, vec![Format::Rpm]);
    let mut kernel = machine.modular_kernel(release);
    // As an image that was built again is another one.
    kernel.timestamp += i64::from(revision);
    let packages = write(&machine.context, &order, &kernel).unwrap();
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

/// What a boot loader of the Boot Loader Specification shows.
fn entries(root: &RpmRoot) -> Vec<String> {
    let entries = fs::read_dir(root.esp().join("loader/entries")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn entry(release: &str) -> String {
    format!("{MACHINE_ID}-{release}.conf")
}

/// The entry, and that what it leads to is there.
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
fn real_dnf_keeps_kernels_side_by_side_and_lets_a_rebuild_take_its_own_place() {
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
    // A second time it is there already, and nothing happens.
    let said = root.must(&format!("dnf -y install {first}"));
    assert!(said.contains("already installed"), "{said}");
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
fn real_a_failing_plugin_leaves_what_can_be_repaired() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let plugin = "/etc/kernel/install.d/60-fails.install";
    let file = deliver(&root, RELEASE, 1);
    root.script(plugin, "exit 3");
    let said = root.must(&format!("dnf -y install {file}"));
    assert!(said.contains("kernel-install failed: this kernel may not boot"), "{said}");
    assert_eq!(installed(&root), package(RELEASE, 1), "rpm takes nothing back for %posttrans");
    assert_eq!(entries(&root), [""; 0], "what is not whole is not offered");
    fs::remove_file(root.join(plugin)).unwrap();
    let (_, repair) = said.split_once("Once the cause is fixed, run: ").expect("the next step");
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
fn real_a_full_boot_is_found_before_anything_is_written() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let file = deliver(&root, RELEASE, 1);
    root.limit_boot(16);
    for line in [format!("dnf -y install {file}"), format!("rpm --install {file}")] {
        let output = root.run(&line);
        let said = text(&output);
        assert!(!output.status.success() && said.contains("more space on the /boot filesystem"), "{said}");
        assert_eq!(installed(&root), "");
        assert_eq!(root.must(&traces(RELEASE)), "");
    }
    root.limit_boot(32);
    root.quietly(&format!("dnf -y install {file}"));
    assert_sound(&root, RELEASE);
}

#[test]
fn real_a_boot_that_fills_up_on_the_way_leaves_the_other_kernel_and_can_be_repaired() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let (other, file) = (deliver(&root, OTHER, 1), deliver(&root, RELEASE, 1));
    root.quietly(&format!("dnf -y install {other}"));
    // An initramfs of another size than rpm reckons with.
    let plugin = "/etc/kernel/install.d/50-dracut.install";
    root.script(plugin, "[ \"$1\" = add ] || exit 0\nhead -c 32M /dev/zero > \"$3/initrd\"");
    root.limit_boot(24);
    let said = root.must(&format!("dnf -y install {file}"));
    assert!(said.contains("No space left on device") && said.contains("this kernel may not boot"), "{said}");
    assert_eq!(installed(&root), package(RELEASE, 1) + &package(OTHER, 1));
    assert_eq!(entries(&root), [entry(OTHER)], "what is not whole is not offered");
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
fn real_an_installation_that_is_killed_can_be_repeated() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let file = deliver(&root, RELEASE, 1);
    // At the third file that gets its name, where rpm has not yet noted the package.
    let renames = "rename,renameat,renameat2";
    let output = root.run(&format!(
        "exec strace -qq -o /dev/null -e trace={renames} -e inject={renames}:signal=KILL:when=3 rpm --install {file}"
    ));
    assert!(!output.status.success());
    assert_eq!(installed(&root), "");
    assert!(!root.must(&traces(RELEASE)).is_empty(), "it was killed before it wrote anything");
    // rpm calls half a file by the second in which it began, and finds those of the same second in its way.
    std::thread::sleep(Duration::from_secs(1));
    root.quietly(&format!("dnf -y install {file}"));
    assert_sound(&root, RELEASE);
    root.quietly(&format!("dnf -y remove kernel-kpatch-{RELEASE}"));
    assert_eq!(root.must(&traces(RELEASE)), "");

    // In kernel-install, where rpm has noted it.
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
fn real_a_removal_and_a_replacement_that_are_killed_can_be_repeated() {
    if !have_root(&PROGRAMS) {
        return;
    }
    let root = root();
    let (file, rebuilt) = (deliver(&root, RELEASE, 1), deliver(&root, RELEASE, 2));
    root.quietly(&format!("dnf -y install {file}"));
    // In %post of the new one: both are noted as installed.
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
