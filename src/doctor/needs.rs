//! What one run needs from its host.

use super::Job;
use crate::base::process;
use crate::kernel::host_packages::{self, Need};

/// What a run that builds needs, and what packaging and booting add.
pub(super) fn needs(job: &Job) -> Vec<Need> {
    let mut needs = host_packages::build(job.cc);
    if job.kconfig.requests("DEBUG_INFO_BTF") {
        needs.push(host_packages::pahole());
    }
    if job.kconfig.requests("RUST") {
        needs.extend(host_packages::rust(
            host_packages::codename().as_deref(),
            process::find("cargo").is_some(),
        ));
    }
    if job.boots {
        needs.extend(host_packages::boot());
    }
    needs.push(room(job));
    needs
}

const GIB: u64 = 1 << 30;
/// An unpacked release (1.8 GB for 7.2) with its archive, rounded up.
const SOURCE: u64 = 2 * GIB;

/// Space in the store. What a first run of that kind takes there, as measured on 6.1 and rounded
/// up; a tree that is there already needs no second place.
fn room(job: &Job) -> Need {
    let kconfig = job.kconfig;
    let build = match (kconfig.requests("DEBUG_INFO"), kconfig.is_minimal()) {
        (true, true) => 5 * GIB,
        (true, false) => 15 * GIB,
        (false, true) => GIB,
        (false, false) => 4 * GIB,
    };
    let unpacked = std::fs::read_dir(job.store.join("sources")).is_ok_and(|mut trees| trees.next().is_some());
    let bytes = build + if unpacked { 0 } else { SOURCE };
    let what = format!("{} GiB of free space in {}", bytes / GIB, job.store.display());
    Need::disk_space(what, "the store", job.store, bytes)
}

#[cfg(test)]
pub(super) fn finding(what: &str, present: bool, packages: [&str; 3]) -> super::Finding {
    super::Finding { need: Need::program(what, "a test", packages), present }
}

#[cfg(test)]
pub(super) fn of_rust_on_debian_12() -> Vec<super::Finding> {
    host_packages::rust(Some("bookworm"), true)
        .into_iter()
        .map(|need| super::Finding { need, present: false })
        .collect()
}
