//! Keeps `report.json` up to date while a run works.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::base::error::{Exit, Explain, Failure};
use crate::report::{self, ErrorRecord, Report, RequestRecord};

/// The report of the current run, and its path.
pub(super) struct Recorder {
    pub(super) report: Report,
    pub(super) path: PathBuf,
}

/// The report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Error(#[from] io::Error);

impl Explain for Error {}

impl Recorder {
    /// Creates the output directory and writes the first report: from here on, a failed run
    /// has a report.
    pub(super) fn begin(request: RequestRecord, out: &Path) -> Result<Recorder, Failure> {
        let begin = || {
            fs::create_dir_all(out)?;
            let recorder = Recorder { report: Report::new(request), path: out.join(report::FILE) };
            recorder.report.write(&recorder.path)?;
            Ok(recorder)
        };
        begin().map_err(|error| Failure { exit: Exit::Usage, ..failed(error) })
    }

    /// Replaces `report.json`.
    pub(super) fn write(&self) -> Result<(), Failure> {
        self.report.write(&self.path).map(drop).map_err(failed)
    }

    /// Writes the last report of a run that failed.
    pub(super) fn fail(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.report.error = Some(ErrorRecord::from(failure));
        self.write()
    }

    /// The report and its path.
    pub(super) fn into_report(self) -> (Report, PathBuf) {
        (self.report, self.path)
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::new(None, &Error(error))
}
