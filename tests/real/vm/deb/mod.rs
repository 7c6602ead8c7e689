//! Debian 12: apt installs the packages of a real kernel, initramfs-tools and GRUB boot it, modules are built
//! for it, and it is removed again.

mod base;
mod modules;
mod packages;
mod system;

use packages::{Delivery, SERIES};
use system::{Installed, System};

use crate::support::need::have_root;
use crate::support::systems::vm;
use crate::support::tool::can_boot;

/// One test, because each step needs the state that the step before left on the machine.
#[test]
fn real_debian_installs_boots_upgrades_and_removes_the_kernel() {
    if !can_boot() || !have_root(&vm::PROGRAMS) || !have_root(&["mmdebstrap"]) {
        return;
    }
    let delivery = Delivery::new();
    let release = delivery.release.clone();
    let mut machine = base::machine("vm-deb");
    machine.deliver(delivery.dir.path());

    let mut system = System::boot(&mut machine);
    let other = system.release();
    assert!(other.ends_with("-cloud-amd64"), "{other}");
    let before = system.files();
    modules::add_to_dkms(&mut system.guest);
    system.install(&release, 1);
    modules::dkms_has_built(&mut system.guest, &release);
    system.shut_down();

    let mut system = System::boot(&mut machine);
    system.runs(&release, 1);
    vm::probe::passes(&mut system.guest, "/mnt/probe", SERIES);
    modules::out_of_tree(&mut system.guest);
    modules::dkms_loads(&mut system.guest);
    system.install(&release, 2);
    modules::dkms_has_built(&mut system.guest, &release);
    system.shut_down();

    let mut system = System::boot(&mut machine);
    system.runs(&release, 2);
    modules::dkms_loads(&mut system.guest);
    system.refuses_to_remove_the_running_kernel(&release);
    system.boot_next(&other);
    system.shut_down();

    // The other kernel from GRUB's menu, with ours installed; then without it.
    let mut system = System::boot(&mut machine);
    assert_eq!(system.release(), other);
    system.remove(&release);
    assert_eq!(system.installed(&release), Installed::Nothing);
    modules::dkms_forgot(&mut system.guest);
    system.shut_down();

    let mut system = System::boot(&mut machine);
    assert_eq!(system.release(), other);
    system.is_well();
    system.has_nothing_of(&release);
    modules::remove_source(&mut system.guest);
    let after = system.files();
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), [""; 0], "left behind");
    assert_eq!(before.difference(&after).collect::<Vec<_>>(), [""; 0], "gone");
    system.shut_down();
}
