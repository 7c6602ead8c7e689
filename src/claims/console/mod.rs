//! The console reader: finds what the kernel complains about in a log of its console.
//!
//! A complaint is a report that the kernel prints about itself: a warning, an oops, a finding of a checker, a stall. Each
//! counts once, whatever follows from it: the oops behind the message with its cause, the panic that ends it.

mod allow;
mod complaint;
mod function;
mod line;
mod quiet;
mod reader;
mod shape;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use allow::{Allowance, AppliedAllowance, allow};
pub use complaint::{Complaint, Kind};

/// Number of complaints by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelMessages {
    /// Warnings, findings of UBSAN and of the lock validator, stalls, hung tasks and memory leaks.
    pub warnings: u32,
    /// Oopses and other bug reports.
    pub oopses: u32,
    /// Panics.
    pub panics: u32,
}

/// What the console of a kernel says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// Number of complaints by severity, allowed ones included. A panic that ends another complaint counts too.
    pub messages: KernelMessages,
    /// The first 1000 complaints, in the order of the log.
    pub complaints: Vec<Complaint>,
    /// Number of complaints beyond these.
    pub further: u64,
    /// The first panic, without its prefixes.
    pub first_panic: Option<String>,
    /// The last line that is not empty.
    pub last: Option<String>,
}

impl Console {
    /// Whether the kernel printed nothing.
    pub fn is_silent(&self) -> bool {
        self.last.is_none()
    }
}
