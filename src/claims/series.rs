//! All claims of a series, and the side claims that every series makes.

use std::sync::LazyLock;

use serde::Deserialize;

use super::claim::Claim;
use super::console::Allowance;
use super::debugger_claim::DebuggerClaim;
use super::observed::Observed;

/// The claims of a series.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Claims {
    /// The `[[claim]]` tables.
    #[serde(default, rename = "claim")]
    pub threads: Vec<Claim>,
    /// The `[[debugger]]` tables.
    #[serde(default, rename = "debugger")]
    pub debuggers: Vec<DebuggerClaim>,
    /// The `[[allow]]` tables.
    #[serde(default, rename = "allow")]
    pub allowances: Vec<Allowance>,
}

impl Claims {
    /// Returns a sentence for each group of claims that this boot did not test.
    pub fn untested(&self, observed: &Observed) -> Vec<String> {
        let mut untested = Vec::new();
        if observed.requested.is_empty() && !self.debuggers.is_empty() {
            untested.push("claims about debuggers were not tested: no debugger was started".into());
        }
        let lines = self.threads.iter().map(|claim| &claim.lines);
        let mut lines = lines.chain(self.debuggers.iter().map(|claim| &claim.lines));
        if observed.line.is_none() && lines.any(Option::is_some) {
            untested.push(
                "claims about single release lines were not tested: the guest's release belongs to no known line"
                    .into(),
            );
        }
        untested
    }
}

/// The claims of `side.toml`, which every series makes.
pub(super) fn side_claims() -> &'static [Claim] {
    #[derive(Deserialize)]
    struct File {
        claim: Vec<Claim>,
    }
    static CLAIMS: LazyLock<Vec<Claim>> = LazyLock::new(|| {
        toml::from_str::<File>(include_str!("side.toml")).expect("the shipped side claims parse").claim
    });
    &CLAIMS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Threads;

    #[test]
    fn every_series_makes_the_side_claims() {
        let claimed = |key| {
            side_claims().iter().any(|claim| claim.threads == Threads::Io && claim.shows.get(key).is_some())
        };
        for key in [
            "listed",
            "dies_with_group",
            "attach",
            "stops_on_interrupt",
            "stops_on_attach",
            "stops_on_sigstop",
            "resumes_on_sigcont",
            "freezes",
            "kernel_addresses",
        ] {
            assert!(claimed(key), "{key}");
        }
    }
}
