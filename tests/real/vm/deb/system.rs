//! The booted Debian and its package tools.

use std::collections::BTreeSet;

use kpatch_build::claims::console::KernelMessages;

use crate::support::systems::vm::{Finished, Guest, Machine};

const APT: &str = "apt-get --yes --quiet";

pub struct System {
    pub guest: Guest,
}

/// Remains of a kernel.
#[derive(Debug, PartialEq, Eq)]
pub enum Installed {
    Nothing,
    /// Paths and packages.
    Traces(Vec<String>),
}

impl System {
    /// Boots and mounts the delivery at `/mnt`.
    pub fn boot(machine: &mut Machine) -> System {
        let mut guest = machine.boot();
        guest.must("mount -o ro /dev/disk/by-id/virtio-delivery /mnt");
        System { guest }
    }

    pub fn shut_down(self) {
        self.guest.shut_down();
    }

    /// `uname -r`.
    pub fn release(&mut self) -> String {
        self.guest.must("uname -r").trim_end().to_owned()
    }

    fn apt(&mut self, arguments: &str) -> Finished {
        // The guest has no network: apt uses only installed packages and the delivery.
        self.guest.run(&format!("{APT} {arguments}"))
    }

    /// Installs both packages of a build from files, as a user does.
    pub fn install(&mut self, release: &str, build: u32) {
        let result =
            self.apt(&format!("install /mnt/{build}/linux-image-*.deb /mnt/{build}/linux-headers-*.deb"));
        assert_eq!(result.status, 0, "{}", result.output);
        for word in ["W: ", "warning:", "Error! "] {
            assert!(!result.output.contains(word), "{}", result.output);
        }
        for package in ["linux-image", "linux-headers"] {
            let shown = format!("dpkg-query -W -f '${{db:Status-Status}} ${{Version}}' {package}-{release}");
            let status = self.guest.must(&shown);
            assert!(status.starts_with("installed ") && status.ends_with(&format!("-{build}")), "{status}");
        }
        assert_eq!(self.guest.must("dpkg --audit"), "");
        self.is_the_default(release);
    }

    /// Asserts that GRUB starts the kernel by default, and that its initramfs has the modules for the root
    /// file system.
    fn is_the_default(&mut self, release: &str) {
        let first = self.guest.must("grep -m1 -P '^\\tlinux' /boot/grub/grub.cfg");
        assert!(first.contains(&format!("/boot/vmlinuz-{release} root=UUID=")), "{first}");
        let initrd = self.guest.must(&format!("lsinitramfs /boot/initrd.img-{release}"));
        for module in ["virtio_blk.ko", "virtio_pci.ko", "ext4.ko"] {
            let at = format!("lib/modules/{release}/");
            let has = |line: &str| line.contains(&at) && line.ends_with(&format!("/{module}"));
            assert!(initrd.lines().any(has), "no {module} in\n{initrd}");
        }
        let link = self.guest.must("readlink -f /vmlinuz");
        assert_eq!(link.trim_end(), format!("/boot/vmlinuz-{release}"));
    }

    /// Asserts that GRUB started this build of the kernel, and that the system works.
    pub fn runs(&mut self, release: &str, build: u32) {
        assert_eq!(self.release(), release);
        let version = self.guest.must("uname -v");
        assert!(version.starts_with(&format!("#{build} ")), "{version}");
        let line = self.guest.must("cat /proc/cmdline");
        assert!(line.starts_with(&format!("BOOT_IMAGE=/boot/vmlinuz-{release} ")), "{line}");
        self.guest.must("test -d /sys/firmware/efi && findmnt /boot/efi");
        self.is_well();
    }

    /// Asserts that no unit failed, the kernel reports no problem, and dpkg has no incomplete package.
    pub fn is_well(&mut self) {
        let state = self.guest.run("systemctl is-system-running --wait");
        let failed = self.guest.must("systemctl --failed --no-legend --plain");
        assert_eq!((state.output.trim_end(), failed.as_str()), ("running", ""));
        let console = self.guest.kernel_messages();
        assert_eq!(console.messages, KernelMessages::default(), "{console:?}");
        assert_eq!(self.guest.must("dpkg --audit"), "");
    }

    /// Asserts that linux-base stops the removal, which requires a confirmation. The frontend is readline, because a
    /// noninteractive one would confirm by default.
    pub fn refuses_to_remove_the_running_kernel(&mut self, release: &str) {
        let result = self.guest.run(&format!("DEBIAN_FRONTEND=readline {APT} remove linux-image-{release}"));
        assert_ne!(result.status, 0, "{}", result.output);
        assert!(result.output.contains("Aborting removal of the running kernel"), "{}", result.output);
        self.guest.must(&format!(
            "dpkg-query -W -f '${{db:Status-Status}}' linux-image-{release} | grep -qx installed"
        ));
        self.guest.must(&format!("test -e /boot/vmlinuz-{release} -a -e /boot/initrd.img-{release}"));
        self.is_the_default(release);
    }

    /// Chooses another kernel in GRUB's menu, for one boot.
    pub fn boot_next(&mut self, release: &str) {
        let id = "sed -n \"s/^submenu .*menuentry_id_option '\\(.*\\)' {/\\1/p\" /boot/grub/grub.cfg";
        let submenu = self.guest.must(id).trim_end().to_owned();
        let entry = submenu.replace("gnulinux-advanced-", &format!("gnulinux-{release}-advanced-"));
        self.guest
            .must(&format!("grep -q -- '{entry}' /boot/grub/grub.cfg && grub-reboot '{submenu}>{entry}'"));
    }

    pub fn remove(&mut self, release: &str) {
        let packages = format!("linux-image-{release} linux-headers-{release}");
        let result = self.apt(&format!("remove {packages}"));
        assert_eq!(result.status, 0, "{}", result.output);
        assert!(!result.output.contains("not empty"), "{}", result.output);
        let result = self.apt(&format!("purge {packages}"));
        assert_eq!(result.status, 0, "{}", result.output);
    }

    pub fn installed(&mut self, release: &str) -> Installed {
        let paths = "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /run -prune -o -print";
        // The logs of apt and dpkg and the journal keep the name, so only their file names are searched.
        let traces = self.guest.must(&format!(
            "{{ {paths} | grep -F -- {release}; dpkg-query -W | grep -F -- {release}; \
             grep -rlF --exclude-dir=journal -- {release} /boot/grub /etc /var/lib; }} || :"
        ));
        if traces.is_empty() {
            return Installed::Nothing;
        }
        Installed::Traces(traces.lines().map(str::to_owned).collect())
    }

    pub fn has_nothing_of(&mut self, release: &str) {
        assert_eq!(self.installed(release), Installed::Nothing);
    }

    /// Returns every path except logs, caches, apt's state and files that each boot recreates.
    pub fn files(&mut self) -> BTreeSet<String> {
        let listed = self.guest.must(
            "find / -xdev -not -path '/proc/*' -not -path '/sys/*' -not -path '/run/*' -not -path '/dev/*'",
        );
        let kept = |path: &&str| {
            !["/var/log/", "/var/cache/", "/tmp/", "/var/tmp/", "/var/lib/systemd/", "/var/lib/apt/", "/mnt/"]
                .iter()
                .any(|dir| path.starts_with(dir))
        };
        listed.lines().filter(kept).map(str::to_owned).collect()
    }
}
