//! The needs of one run.

use std::path::Path;

use super::HostRequest;
use crate::base::options::SandboxChoice;
use crate::base::process;
use crate::kernel::host_packages::{self, Need};
use crate::kernel::kconfig::Kconfig;

/// Returns everything that the run needs from its host, including space in the store.
pub(super) fn needs(request: &HostRequest) -> Vec<Need> {
    let mut needs = host_packages::build(request.cc);
    if request.kconfig.requests("DEBUG_INFO_BTF") {
        needs.push(host_packages::pahole());
    }
    if request.kconfig.demands("RUST") {
        needs.extend(host_packages::rust(
            host_packages::codename().as_deref(),
            process::find("cargo").is_some(),
        ));
    }
    if request.boots {
        needs.extend(host_packages::boot());
        needs.push(host_packages::temporary_files());
    }
    match request.sandbox {
        SandboxChoice::Off => {}
        // An installed bubblewrap that does not work is no need that a package meets: the run says why it does not.
        SandboxChoice::Required if process::find("bwrap").is_none() => needs.push(host_packages::sandbox()),
        SandboxChoice::Automatic | SandboxChoice::Required => needs.push(host_packages::sandbox().optional()),
    }
    needs.push(store_space(request.kconfig, request.store));
    needs
}

const GIB: u64 = 1 << 30;
/// Bytes of an unpacked release with its archive, rounded up (1.8 GB for 7.2).
const SOURCE: u64 = 2 * GIB;

/// The free space that a first run with this configuration needs in the store: measured with 6.1 and rounded
/// up, less for the source tree if the store already has one.
pub(super) fn store_space(kconfig: &Kconfig, store: &Path) -> Need {
    let build = match (kconfig.requests("DEBUG_INFO"), kconfig.is_minimal()) {
        (true, true) => 5 * GIB,
        (true, false) => 15 * GIB,
        (false, true) => GIB,
        (false, false) => 4 * GIB,
    };
    let unpacked = std::fs::read_dir(store.join("sources")).is_ok_and(|mut trees| trees.next().is_some());
    let bytes = build + if unpacked { 0 } else { SOURCE };
    let what = format!("{} GiB of free space in {}", bytes / GIB, store.display());
    Need::disk_space(what, "the store", store, bytes)
}

#[cfg(test)]
pub(super) fn finding(what: &str, present: bool, packages: [&str; 3]) -> super::Finding {
    found(Need::program(what, "a test", packages), present)
}

#[cfg(test)]
pub(super) fn found(need: Need, present: bool) -> super::Finding {
    super::Finding { need, presence: present.into(), fault: None }
}

#[cfg(test)]
pub(super) fn of_rust_on_debian_12() -> Vec<super::Finding> {
    host_packages::rust(Some("bookworm"), true).into_iter().map(|need| found(need, false)).collect()
}
