//! The request for a boot test.

use std::path::PathBuf;
use std::time::Duration;

use super::debuggers::DebuggerRequest;
use crate::base::options::Accel;
use crate::claims::Claims;
use crate::claims::console::Allowance;

/// How to boot a kernel.
#[derive(Clone, Debug)]
pub struct BootRequest {
    /// The accelerator; `None` selects the one that works on this host.
    pub accel: Option<Accel>,
    /// Longest time from power-on to the end of the probe.
    pub deadline: Duration,
    /// The debuggers to start in the guest.
    pub debuggers: DebuggerRequest,
    /// The allowances of the user and of the kconfig; the series' own are added to them.
    pub allowances: Vec<Allowance>,
}

/// The kernel to boot and the claims that it must meet.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The bzImage.
    pub image: PathBuf,
    /// The compiler for the guest's programs: the one that built the kernel.
    pub cc: PathBuf,
    /// The claims of the series; the side claims are added to them.
    pub claims: &'a Claims,
}
