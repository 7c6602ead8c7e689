//! dpkg can repair an installation after any failure.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kpatch_build::base::options::Format;
use kpatch_build::stages::package::write;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::fixtures::fake_kernel::Machine;
use crate::support::need::have_root;
use crate::support::output::{must, text};
use crate::support::systems::debian_root::Root;

const RELEASE: &str = "6.1.187-copy-segments-boot";
const OTHER: &str = "6.1.187-zeroed-boot";
const NEEDED: [&str; 4] = ["chroot", "mmdebstrap", "apt-get", "mount"];

/// Copies the image package of `release` into the root and returns its path there.
fn deliver(root: &Root, release: &str, revision: u32) -> String {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(release);
    let mut request = machine.request();
    (request.revision, request.formats) = (revision, vec![Format::Deb]);
    let packages = write(&machine.context, &request, &kernel).unwrap();
    let name = packages[0].path.file_name().unwrap().to_str().unwrap();
    fs::copy(&packages[0].path, root.join(name)).unwrap();
    format!("/{name}")
}

fn state(root: &Root, release: &str) -> String {
    let output = root.run(&format!("dpkg-query -W -f '${{db:Status-Status}}' linux-image-{release}"));
    if output.status.success() { text(&output) } else { "unknown".to_owned() }
}

/// Asserts that the kernel is completely installed and that dpkg reports nothing.
fn assert_installed(root: &Root, release: &str) {
    assert_eq!(state(root, release), "installed");
    assert_eq!(root.must("dpkg --audit"), "");
    assert_eq!(root.must(&format!("dpkg --verify linux-image-{release}")), "");
    assert!(root.join(&format!("/boot/initrd.img-{release}")).metadata().unwrap().len() > 0);
    assert!(!root.join(&format!("/lib/modules/{release}/.fresh-install")).exists());
    let link = fs::read_link(root.join("/vmlinuz")).unwrap();
    assert!(root.join(link.to_str().unwrap()).exists(), "/vmlinuz leads to {}", link.display());
}

/// Asserts that purging removes everything, including incomplete files of an interrupted dpkg.
fn assert_purges_completely(root: &Root, release: &str) {
    root.must(&format!("dpkg --purge linux-image-{release}"));
    assert_eq!(root.traces(release), "");
    assert_eq!(state(root, release), "unknown");
}

/// A separate file system at /boot, as small as the free space of a nearly full one.
struct Boot(PathBuf);

impl Boot {
    fn mount(root: &Root, kib: u32) -> Boot {
        let path = root.join("/boot");
        must(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "boot"]).arg(&path));
        Boot(path)
    }

    fn grow(&self, kib: u32) {
        must(Command::new("mount").args(["-o", &format!("remount,size={kib}k")]).arg(&self.0));
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        // Lazily, so that no program that still uses it prevents the removal of the root.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Starts dpkg, waits until the root has a file `/reached`, and kills dpkg with its process group, as a power
/// failure would.
fn kill_when_reached(root: &Root, line: &str) {
    let reached = root.join("/reached");
    let mut command = root.command(&format!("exec {line}"));
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
    let mut dpkg = command.spawn().unwrap();
    let started = Instant::now();
    while !reached.exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "{line} never created /reached");
        assert_eq!(dpkg.try_wait().unwrap(), None, "{line} ended before it created /reached");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process_group(Pid::from_child(&dpkg), Signal::KILL).unwrap();
    dpkg.wait().unwrap();
    fs::remove_file(reached).unwrap();
}

/// Makes dpkg-deb hang after `bytes` bytes of a package's files.
fn hold_unpacking_after(root: &Root, bytes: u64) {
    root.must("mv /usr/bin/dpkg-deb /usr/bin/dpkg-deb.real");
    root.script(
        "/usr/bin/dpkg-deb",
        &format!(
            "case \"$*\" in\n*--fsys-tarfile*)\n\
             dpkg-deb.real \"$@\" | {{ head -c {bytes}; touch /reached; sleep 600; }} ;;\n\
             *) exec dpkg-deb.real \"$@\" ;;\nesac"
        ),
    );
}

fn resume_unpacking(root: &Root) {
    root.must("mv /usr/bin/dpkg-deb.real /usr/bin/dpkg-deb");
}

#[test]
fn real_a_package_whose_initramfs_does_not_fit_on_boot_can_be_configured_later() {
    if !have_root(&NEEDED) {
        return;
    }
    let root = Root::new();
    let boot = Boot::mount(&root, 65536);
    let other = deliver(&root, OTHER, 1);
    root.must(&format!("dpkg -i {other}"));
    let sums = || root.must(&format!("cd /boot && md5sum *-{OTHER}"));
    let before = sums();

    // Space for the image and the other two files, but not for an initramfs.
    let used = root.must("du -sk /boot");
    let used: u32 = used.split_whitespace().next().unwrap().parse().unwrap();
    boot.grow(used + 400);
    let deb = deliver(&root, RELEASE, 1);
    let output = root.run(&format!("dpkg -i {deb}"));
    assert!(!output.status.success() && text(&output).contains("No space left on device"));
    assert_eq!(state(&root, RELEASE), "half-configured");
    assert_eq!(sums(), before, "the other kernel is untouched");
    assert!(!root.run("dpkg --configure -a").status.success(), "there is still no space");

    boot.grow(131_072);
    root.must("dpkg --configure -a");
    assert_installed(&root, RELEASE);
    assert_eq!(sums(), before);
    assert_purges_completely(&root, RELEASE);

    // The alternative: remove the package while there is no space.
    boot.grow(used + 400);
    assert!(!root.run(&format!("dpkg -i {deb}")).status.success());
    assert_purges_completely(&root, RELEASE);
    assert_installed(&root, OTHER);
    assert_eq!(sums(), before);
}

#[test]
fn real_a_package_whose_image_does_not_fit_on_boot_leaves_no_files() {
    if !have_root(&NEEDED) {
        return;
    }
    let root = Root::new();
    let boot = Boot::mount(&root, 32);
    let deb = deliver(&root, RELEASE, 1);
    let output = root.run(&format!("dpkg -i {deb}"));
    assert!(!output.status.success() && text(&output).contains("No space left on device"));
    assert_eq!(root.traces(RELEASE), "");
    assert_eq!(root.must("dpkg --audit"), "");
    boot.grow(131_072);
    root.must(&format!("dpkg -i {deb}"));
    assert_installed(&root, RELEASE);
}

#[test]
fn real_installing_twice_changes_nothing() {
    if !have_root(&NEEDED) {
        return;
    }
    let root = Root::new();
    let deb = deliver(&root, RELEASE, 1);
    let files = || {
        root.must(&format!(
            "find /boot /usr/lib/modules /usr/share/doc/linux-image-{RELEASE} /vmlinuz /initrd.img \
             -not -type d -printf '%M %u %p %l\\n' | sort"
        ))
    };
    for command in ["dpkg -i", "dpkg -i", "apt-get install --yes --reinstall"] {
        root.must(&format!("{command} {deb}"));
        assert_installed(&root, RELEASE);
    }
    let thrice = files();
    assert_purges_completely(&root, RELEASE);
    root.must(&format!("dpkg -i {deb}"));
    assert_eq!(files(), thrice);
}

#[test]
fn real_dpkg_killed_while_unpacking_can_unpack_again() {
    if !have_root(&NEEDED) {
        return;
    }
    // Killed in the middle of the image, and among the modules.
    for bytes in [40_000, 78_000] {
        let root = Root::new();
        let deb = deliver(&root, RELEASE, 1);
        hold_unpacking_after(&root, bytes);
        kill_when_reached(&root, &format!("dpkg -i {deb}"));
        resume_unpacking(&root);
        assert_eq!(state(&root, RELEASE), "half-installed");
        assert!(root.must("dpkg --audit").contains("reinstall"));
        root.must(&format!("dpkg -i {deb}"));
        assert_installed(&root, RELEASE);

        // The same while a rebuild replaces the first build.
        let rebuilt = deliver(&root, RELEASE, 2);
        hold_unpacking_after(&root, bytes);
        kill_when_reached(&root, &format!("dpkg -i {rebuilt}"));
        resume_unpacking(&root);
        assert_ne!(state(&root, RELEASE), "installed");
        // The command that apt-get suggests after an interruption.
        root.must("dpkg --configure -a");
        root.must(&format!("apt-get install --yes --reinstall {rebuilt}"));
        assert_installed(&root, RELEASE);
        assert_purges_completely(&root, RELEASE);
    }
}

#[test]
fn real_dpkg_killed_during_a_hook_can_configure_the_package() {
    if !have_root(&NEEDED) {
        return;
    }
    let root = Root::new();
    let deb = deliver(&root, RELEASE, 1);
    // Killed before the initramfs is created, and after.
    for hook in ["/etc/kernel/postinst.d/aa-waits", "/etc/kernel/postinst.d/zz-waits"] {
        root.script(hook, "touch /reached\nsleep 600");
        kill_when_reached(&root, &format!("dpkg -i {deb}"));
        fs::remove_file(root.join(hook)).unwrap();
        assert_eq!(state(&root, RELEASE), "half-configured");
        root.must("dpkg --configure -a");
        root.must("apt-get check");
        assert_installed(&root, RELEASE);
        assert_purges_completely(&root, RELEASE);
    }
}
