//! One form for all errors: sentence, causes, facts, log and next step.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::base::events::Stage;
use crate::base::program_name as name;
use crate::base::stop::Interrupted;
use crate::base::text::shown;

/// Exit codes of the tool; a public interface (docs/src/reference/exit-status.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The run passed.
    Passed = 0,
    /// A claim does not hold, the kernel panicked, or `verify` or `reproduce` found a difference.
    VerdictFailed = 1,
    /// Wrong usage or configuration; nothing was written.
    Usage = 2,
    /// A stage failed.
    StageFailed = 3,
    /// The host lacks a tool or disk space.
    HostLacks = 69,
    /// A signal ended the run.
    Interrupted = 130,
}

/// The details that the top level prints below an error's sentence.
///
/// An error that wraps another one returns it from [`Explain::inner`]; the other methods then forward to it.
pub trait Explain: std::error::Error {
    /// The wrapped error that explains this one.
    fn inner(&self) -> Option<&dyn Explain> {
        None
    }

    /// The exit code of a run that this error ends.
    fn exit(&self) -> Exit {
        self.inner().map_or(Exit::StageFailed, Explain::exit)
    }

    /// Whole sentences or `name: value` lines, most helpful first.
    fn facts(&self) -> Vec<String> {
        self.inner().map_or_else(Vec::new, Explain::facts)
    }

    /// The next step for the user, as an imperative.
    fn next_step(&self) -> Option<String> {
        self.inner()?.next_step()
    }

    /// The log of the program that failed, and its last lines.
    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        self.inner().map_or((None, &[]), Explain::log_and_tail)
    }
}

impl Explain for Interrupted {
    fn exit(&self) -> Exit {
        Exit::Interrupted
    }
}

/// An error in printable form, with the stage that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// `None` before the first stage.
    pub stage: Option<Stage>,
    /// The exit code of the run.
    pub exit: Exit,
    /// The error and its causes, outermost first.
    pub chain: Vec<String>,
    /// Whole sentences or `name: value` lines.
    pub facts: Vec<String>,
    /// The next step for the user.
    pub next_step: Option<String>,
    /// The log of the program that failed.
    pub log: Option<PathBuf>,
    /// The last lines of its output.
    pub tail: Vec<String>,
}

impl Failure {
    /// Collects the texts of `error`. A full disk always exits with [`Exit::HostLacks`].
    pub fn new(stage: Option<Stage>, error: &dyn Explain) -> Failure {
        let (log, tail) = error.log_and_tail();
        let full = full_disk(error);
        Failure {
            stage,
            exit: if full { Exit::HostLacks } else { error.exit() },
            chain: chain(error).iter().map(|text| shown(text)).collect(),
            facts: error.facts().iter().map(|text| shown(text)).collect(),
            next_step: if full {
                Some(FREE_SPACE.into())
            } else {
                error.next_step().map(|text| shown(&text))
            },
            log: log.map(Path::to_owned),
            tail: tail.iter().map(|text| shown(text)).collect(),
        }
    }

    /// An interruption that left `stage` unfinished.
    pub fn interrupted(stage: Option<Stage>) -> Failure {
        Failure {
            stage,
            exit: Exit::Interrupted,
            chain: vec!["interrupted".into()],
            facts: Vec::new(),
            next_step: Some("run the same command again; it continues where this run stopped".into()),
            log: None,
            tail: Vec::new(),
        }
    }

    /// The error and its causes as one sentence.
    pub fn message(&self) -> String {
        self.chain.join(": ")
    }
}

fn chain(error: &dyn Explain) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // A transparent variant repeats its cause.
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts
}

/// The next step when a file system is full.
pub(crate) const FREE_SPACE: &str = "free space on that file system (`kpatch-build cache list` shows what the store uses), \
     or use another --store, --out or TMPDIR";

/// Whether a full disk or an exhausted quota caused `error`, in any stage.
pub fn full_disk(error: &dyn std::error::Error) -> bool {
    let is_full = |error: &std::io::Error| {
        matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
    };
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref().is_some_and(is_full) {
            return true;
        }
        source = cause.source();
    }
    false
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stage {
            Some(stage) => write!(f, "{}: {stage}: {}", name::get(), self.message())?,
            None => write!(f, "{}: {}", name::get(), self.message())?,
        }
        for fact in &self.facts {
            write!(f, "\n  {fact}")?;
        }
        if let Some(log) = &self.log {
            write!(f, "\n  log: {}", log.display())?;
        }
        for line in &self.tail {
            write!(f, "\n  | {line}")?;
        }
        match &self.next_step {
            Some(step) => write!(f, "\n  next: {}", name::in_commands(step, name::get())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write {path}")]
    struct Write {
        path: &'static str,
        source: std::io::Error,
    }

    impl Explain for Write {
        fn facts(&self) -> Vec<String> {
            vec!["needs: 3 GiB".into()]
        }
        fn next_step(&self) -> Option<String> {
            Some("free 3 GiB".into())
        }
    }

    #[test]
    fn an_error_is_shown_with_stage_cause_facts_and_next_step() {
        let error = Write { path: "x", source: std::io::Error::other("broken") };
        let failure = Failure::new(Some(Stage::Unpack), &error);
        assert_eq!(failure.exit, Exit::StageFailed);
        assert_eq!(
            failure.to_string(),
            "kpatch-build: unpack: cannot write x: broken\n  needs: 3 GiB\n  next: free 3 GiB"
        );
    }

    #[test]
    fn a_full_disk_exits_with_host_lacks() {
        let error = Write { path: "x", source: std::io::ErrorKind::StorageFull.into() };
        let failure = Failure::new(None, &error);
        assert_eq!(failure.exit, Exit::HostLacks);
        assert!(failure.next_step.unwrap().starts_with("free space"));
    }
}
