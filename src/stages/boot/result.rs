//! The result of a boot test: `boot` in `report.json`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::options::Accel;
use crate::base::stage_result::StageResult;
use crate::base::text;
use crate::claims::console::{AppliedAllowance, Complaint, KernelMessages};
use crate::claims::{DebuggerRun, Judgement, Observation};

/// The verdict of a boot test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every claim held and nothing went wrong in the guest.
    Pass,
    /// A claim did not hold, or something went wrong in the guest.
    Fail,
    /// The kernel was not booted.
    Skipped,
}

impl Verdict {
    /// The word in `report.json`: `pass`, `fail` or `skipped`.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Skipped => "skipped",
        }
    }
}

/// A kind of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The kernel panicked.
    Panic,
    /// The kernel printed an oops or another bug report.
    Oops,
    /// The kernel printed a warning or another complaint.
    Complaint,
    /// The deadline passed before the probe ended.
    Hang,
    /// The deadline passed and the kernel had printed nothing.
    Silent,
    /// The guest ended before the probe, without a panic.
    Died,
    /// Records of the probe are damaged or missing.
    Records,
}

/// A failure in the guest, independent of the claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The kind of failure.
    pub kind: ProblemKind,
    /// A sentence with the evidence.
    pub message: String,
}

/// The result of a boot test: `boot` in `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BootResult {
    /// The verdict.
    pub verdict: Verdict,
    /// The accelerator that ran the guest.
    pub accelerator: Accel,
    /// Seconds from power-on to the end of the guest.
    pub seconds: f64,
    /// Number of complaints on the kernel's console.
    pub kernel_messages: KernelMessages,
    /// What the kernel complained about. A complaint that no allowance matches fails the verdict.
    #[serde(default)]
    pub complaints: Vec<Complaint>,
    /// The allowances for this release and accelerator.
    #[serde(default)]
    pub allowances: Vec<AppliedAllowance>,
    /// `uname -r` of the guest; `null` if the probe did not start.
    pub guest_release: Option<String>,
    /// One entry for each thread of each tracee.
    pub observations: Vec<Observation>,
    /// One entry for each debugger and tracee.
    pub debuggers: Vec<DebuggerRun>,
    /// The judgement on each claim; empty if the probe did not start.
    pub claims: Vec<Judgement>,
    /// Failures in the guest, independent of the claims.
    pub problems: Vec<Problem>,
    /// Sentences about missing observations.
    pub notes: Vec<String>,
    /// The log of the kernel's console.
    pub console: PathBuf,
}

impl BootResult {
    /// Whether the verdict is [`Verdict::Pass`].
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }

    /// One line with the verdict and its reason.
    pub fn headline(&self) -> String {
        let accel = match self.accelerator {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        };
        match self.failures().as_slice() {
            [] => format!("pass: {} claims held ({accel})", self.claims.len()),
            [failure] => format!("FAIL: {failure} ({accel})"),
            [first, rest @ ..] => format!("FAIL: {first}, and {} more ({accel})", rest.len()),
        }
    }

    /// A table with a line for each io thread, then the reasons for the verdict, then the verdict.
    pub fn summary(&self) -> String {
        fn cell(value: Option<impl ToString>) -> String {
            value.map_or_else(|| "-".into(), |value| value.to_string())
        }
        let mut rows = vec![["tracee", "thread", "cs", "regset", "ip", "sp"].map(str::to_owned).to_vec()];
        for seen in self.observations.iter().filter(|seen| seen.is_io_thread()) {
            rows.push(vec![
                format!("{}-bit", seen.tracee_bits),
                seen.thread.clone(),
                cell(seen.peekuser_cs.as_ref()),
                cell(seen.regset_bytes.map(|bytes| format!("{bytes} bytes"))),
                cell(seen.ip),
                cell(seen.sp),
            ]);
        }
        let mut summary = text::columns(&rows);
        for failure in self.failures() {
            summary += &format!("failed: {failure}\n");
        }
        for (complaint, reason) in self.complaints.iter().filter_map(|c| Some((c, c.allowed.as_ref()?))) {
            summary += &format!("allowed: the kernel complained: {} ({reason})\n", complaint.name);
        }
        summary + &format!("verdict: {}\n", if self.passed() { "pass" } else { "FAIL" })
    }

    /// Returns a sentence for each reason why the verdict is not [`Verdict::Pass`].
    pub fn failures(&self) -> Vec<String> {
        let problems = self.problems.iter().map(|problem| problem.message.clone());
        problems.chain(self.claims.iter().filter_map(Judgement::failure)).collect()
    }
}

impl StageResult for BootResult {
    fn summary(&self) -> String {
        self.headline()
    }
}
