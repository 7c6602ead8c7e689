//! Checks of a request before anything is written.

use crate::base::error::{Explain, Failure};
use crate::base::options::Goal;
use crate::kernel::{kconfig, series};
use crate::pipeline::request::{self, Request};
use crate::stages::boot::BootRequest;

/// Refuses a request that can never succeed.
///
/// # Errors
/// The release, the series, the kconfig or their combination with the goal is not usable.
pub fn check(request: &Request, goal: Goal) -> Result<(), Failure> {
    request.check().map_err(refused)?;
    series::check(&request.series, request.sources.release, request.lang).map_err(refused)?;
    if goal == Goal::Boot {
        boot_request(request)?;
    }
    let kconfig = &request.kconfig;
    kconfig::check_signing(kconfig, request.keys.secure_boot.is_some()).map_err(refused)?;
    kconfig::check_packages(kconfig, request.parts.as_deref().unwrap_or_default()).map_err(refused)?;
    if goal.boots() && request.boot.is_some() {
        kconfig::check_boot_testable(kconfig, None).map_err(refused)?;
    }
    Ok(())
}

/// Returns the boot part of the request.
///
/// # Errors
/// The request excludes the boot (`--no-boot`).
pub(super) fn boot_request(request: &Request) -> Result<&BootRequest, Failure> {
    request.boot.as_ref().ok_or_else(|| refused(request::Error::NothingToBoot))
}

fn refused<E: Explain>(error: E) -> Failure {
    Failure::new(None, &error)
}
