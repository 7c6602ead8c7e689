//! Keeps `report.json` up to date while a run works.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::base::error::{Exit, Explain, Failure};
use crate::base::events::{Note, Notes};
use crate::report::{self, ErrorRecord, Report, RequestRecord};

/// The report of the current run, and its path.
pub(super) struct Recorder {
    pub(super) report: Report,
    pub(super) path: PathBuf,
    notes: Notes,
    /// `notes.log`, one line for each note.
    log: PathBuf,
}

/// The report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Error(#[from] io::Error);

impl Explain for Error {}

impl Recorder {
    /// Creates the output directory and writes the first report: from here on, a failed run
    /// has a report.
    pub(super) fn begin(
        request: RequestRecord,
        out: &Path,
        notes: Notes,
        logs: &Path,
    ) -> Result<Recorder, Failure> {
        let begin = || {
            fs::create_dir_all(out)?;
            let log = logs.join("notes.log");
            // The notes of an earlier run would mislead.
            let _ = std::fs::remove_file(&log);
            let (report, path) = (Report::new(request), out.join(report::FILE));
            let recorder = Recorder { report, path, notes, log };
            recorder.report.write(&recorder.path)?;
            Ok(recorder)
        };
        begin().map_err(|error| Failure { exit: Exit::Usage, ..failed(error) })
    }

    /// Replaces `report.json`.
    pub(super) fn write(&mut self) -> Result<(), Failure> {
        self.take_notes().map_err(failed)?;
        self.report.write(&self.path).map(drop).map_err(failed)
    }

    /// Moves the notes so far into the report and the log.
    pub(super) fn take_notes(&mut self) -> io::Result<()> {
        let notes = self.notes.so_far();
        if notes.len() == self.report.notes.len() {
            return Ok(());
        }
        let line = |note: &Note| format!("{}: {}\n", note.stage, note.text);
        let text: String = notes.iter().map(line).collect();
        self.report.notes = notes;
        fs::create_dir_all(self.log.parent().expect("the log is in a directory"))?;
        fs::write(&self.log, text)
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

pub(super) fn failed(error: io::Error) -> Failure {
    Failure::new(None, &Error(error))
}
