//! The peak memory of a process.

use std::fs;
use std::process::{Child, ExitStatus};
use std::time::Duration;

pub const MIB: u64 = 1 << 20;
/// The most memory in bytes that the tool may use at any time.
pub const LIMIT: u64 = 300 * MIB;

/// `VmHWM` of proc(5), in bytes; `None` once the process has ended.
pub fn peak_so_far(process: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024)
}

/// Returns the exit status and the peak resident size of the process in bytes. The kernel reports a maximum, so the
/// samples can miss only growth in the last milliseconds, in which the packages are renamed.
pub fn wait_with_peak(process: &mut Child) -> (ExitStatus, u64) {
    let mut peak = 0;
    loop {
        peak = peak.max(peak_so_far(process).unwrap_or(0));
        if let Some(status) = process.try_wait().unwrap() {
            return (status, peak);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
