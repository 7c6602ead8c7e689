//! The probe's output: one record per line, with a number and a checksum.
//!
//! A line is `@kpatch-build <number> <crc32> <JSON>`; the last record is `end`. The number and the checksum
//! reveal a line that is damaged, lost or was never written; such a line never becomes an observation.

use serde::Deserialize;

use crate::claims::{Answer, Observation, TraceeAfter};

const MARK: &str = "@kpatch-build ";

/// A record, in the order in which the probe prints them.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase", deny_unknown_fields)]
enum Record {
    /// `uname -r` and `uname -v` of the guest.
    Guest {
        release: String,
        #[serde(rename = "version")]
        _version: String,
    },
    /// The probe's next step.
    Step {
        what: String,
        tracee_bits: u8,
    },
    /// A value that the probe could not observe.
    Note {
        what: String,
        error: Answer,
    },
    /// The probe finished with a tracee, or could not start it.
    Tracee {
        tracee_bits: u8,
        missing: Option<MissingTracee>,
        threads: usize,
    },
    Thread(Box<Observation>),
    /// A debugger starts on a new tracee.
    Debugger(Attempt),
    /// A part of the debugger's output.
    Output {
        text: String,
    },
    #[serde(rename = "debugger-end")]
    DebuggerEnd(AttemptEnd),
    End,
}

/// A debugger's attempt at a tracee.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Attempt {
    /// Number of the debugger's directory in the initramfs: 0 for `/debugger0`.
    pub number: usize,
    /// Word size of the tracee: 64 or 32.
    pub tracee_bits: u8,
    /// Process id of the tracee, which is also its leader's thread id.
    pub pid: u32,
    /// Number of the tracee's threads when the debugger started.
    pub threads: u64,
    /// Number of these threads that `/proc/PID/task` lists.
    pub listed: u64,
    /// The debugger's output.
    #[serde(skip)]
    pub output: String,
    /// How the debugger ended; `None` if the guest ended first.
    #[serde(skip)]
    pub end: Option<AttemptEnd>,
}

/// How a debugger ended.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct AttemptEnd {
    /// The reason.
    pub ending: AttemptEnding,
    /// Exit status or signal number.
    pub status: u32,
    /// Milliseconds from start to end.
    pub milliseconds: u64,
    /// State of the tracee afterwards.
    pub tracee_after: TraceeAfter,
}

/// Why a debugger ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptEnding {
    /// It exited.
    Exit,
    /// A signal killed it.
    Signal,
    /// The probe killed it at its deadline.
    Deadline,
    /// The probe killed it because it printed too much.
    OutputLimit,
    /// The probe could not start it.
    NotStarted,
}

/// Why the probe observed no tracee of a word size.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingTracee {
    /// The step that failed, as a clause.
    pub what: String,
    /// The result of that step.
    pub error: Answer,
}

/// A fault in the sequence of records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The checksum does not match.
    #[error("record {number} is damaged")]
    Checksum {
        /// Number of the record, from 0.
        number: u32,
    },
    /// A number is skipped or repeated.
    #[error("record {expected} is missing; record {found} arrived instead")]
    Gap {
        /// The next number.
        expected: u32,
        /// The number that arrived.
        found: u32,
    },
    /// A record with a valid checksum has unknown content.
    #[error("record {number} is invalid ({reason})")]
    Content {
        /// Number of the record, from 0.
        number: u32,
        /// The parser's message.
        reason: String,
    },
    /// The threads of a tracee are not complete.
    #[error("the {bits}-bit tracee had {announced} threads, but {reported} were reported")]
    Threads {
        /// Word size of the tracee: 64 or 32.
        bits: u8,
        /// Number of threads in the tracee's record.
        announced: usize,
        /// Number of thread records.
        reported: usize,
    },
    /// The last record is missing.
    #[error("the records stop after {received}, before the probe's end")]
    Truncated {
        /// Number of records received.
        received: u32,
    },
    /// The probe printed another record after its last one.
    #[error("record {number} follows the last record")]
    AfterEnd {
        /// Number of the record, from 0.
        number: u32,
    },
}

/// The content of all records received.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// `uname -r` of the guest.
    pub release: Option<String>,
    /// The last step that the probe announced.
    pub last_step: Option<String>,
    /// Sentences about values that the probe could not observe.
    pub notes: Vec<String>,
    /// One entry for each thread of each tracee.
    pub observations: Vec<Observation>,
    /// Word sizes, 64 or 32, that have no tracee.
    pub missing: Vec<(u8, MissingTracee)>,
    /// One entry for each debugger and tracee.
    pub attempts: Vec<Attempt>,
    /// The first fault in the sequence of records.
    pub damage: Option<Damage>,
    announced: Vec<(u8, usize)>,
    received: u32,
    ended: bool,
}

/// The kind of a line of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A record, damaged or not.
    Record,
    /// Output of QEMU, or noise.
    Foreign,
}

impl Records {
    /// Reads one line, without its line break.
    pub fn read_line(&mut self, line: &str) -> LineKind {
        let Some((number, checksum, body)) = line.strip_prefix(MARK).and_then(split) else {
            return LineKind::Foreign;
        };
        match self.check(number, checksum, body) {
            Ok(record) => self.add(record),
            Err(damage) => self.note_damage(damage),
        }
        self.received = number.saturating_add(1);
        LineKind::Record
    }

    fn check(&mut self, number: u32, checksum: u32, body: &str) -> Result<Record, Damage> {
        if crc32(body.as_bytes()) != checksum {
            return Err(Damage::Checksum { number });
        }
        if self.ended {
            return Err(Damage::AfterEnd { number });
        }
        if number != self.received {
            // The record itself is sound, and its step or end still helps to explain a failure.
            self.note_damage(Damage::Gap { expected: self.received, found: number });
        }
        serde_json::from_str(body).map_err(|error| Damage::Content { number, reason: error.to_string() })
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Guest { release, .. } => self.release = Some(release),
            Record::Step { what, tracee_bits } => {
                self.last_step = Some(format!("{what} ({tracee_bits}-bit tracee)"));
            }
            Record::Note { what, error } => self.notes.push(format!("{what} ({error})")),
            Record::Tracee { tracee_bits, missing: Some(missing), .. } => {
                self.missing.push((tracee_bits, missing));
            }
            Record::Tracee { tracee_bits, missing: None, threads } => {
                self.announced.push((tracee_bits, threads));
            }
            Record::Thread(observation) => self.observations.push(*observation),
            Record::Debugger(attempt) => self.attempts.push(attempt),
            Record::Output { text } => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.output.push_str(&text);
                }
            }
            Record::DebuggerEnd(end) => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.end = Some(end);
                }
            }
            Record::End => self.ended = true,
        }
    }

    fn note_damage(&mut self, damage: Damage) {
        self.damage.get_or_insert(damage);
    }

    /// Whether the probe reached its end.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the probe started.
    pub fn started(&self) -> bool {
        self.received > 0
    }

    /// Checks the sequence as a whole; call it after the last line.
    pub fn finish(&mut self) {
        if !self.ended {
            self.note_damage(Damage::Truncated { received: self.received });
            return;
        }
        for (bits, announced) in self.announced.clone() {
            let reported = self.observations.iter().filter(|seen| seen.tracee_bits == bits).count();
            if reported != announced {
                self.note_damage(Damage::Threads { bits, announced, reported });
            }
        }
    }
}

fn split(rest: &str) -> Option<(u32, u32, &str)> {
    let (number, rest) = rest.split_once(' ')?;
    let (checksum, body) = rest.split_once(' ')?;
    Some((number.parse().ok()?, u32::from_str_radix(checksum, 16).ok()?, body))
}

/// The CRC-32 of IEEE 802.3, as in zlib.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(number: u32, body: &str) -> String {
        format!("{MARK}{number} {:08x} {body}", crc32(body.as_bytes()))
    }

    fn whole() -> Vec<String> {
        [
            r#"{"record":"guest","release":"6.1.187","version":"1 SMP"}"#,
            r#"{"record":"step","what":"start a tracee","tracee_bits":64}"#,
            r#"{"record":"tracee","tracee_bits":64,"missing":{"what":"fork failed","error":"EAGAIN"},"threads":0}"#,
            r#"{"record":"end"}"#,
        ]
        .iter()
        .enumerate()
        .map(|(number, body)| framed(number as u32, body))
        .collect()
    }

    fn read(lines: &[String]) -> Records {
        let mut records = Records::default();
        for line in lines {
            records.read_line(line);
        }
        records.finish();
        records
    }

    #[test]
    fn undamaged_records_are_read() {
        let records = read(&whole());
        assert_eq!(records.damage, None);
        assert_eq!(records.release.as_deref(), Some("6.1.187"));
        assert!(records.missing[0].1.error.is_errno("EAGAIN"));
    }

    #[test]
    fn an_observation_keeps_the_probes_text_in_the_report() {
        let recordings = [
            include_str!("../../../tests/data/boot/user-frame-6.1.187.records"),
            include_str!("../../../tests/data/boot/einval-regs-6.1.187.records"),
            include_str!("../../../tests/data/boot/einval-attach-6.1.187.records"),
        ];
        let bodies = recordings.iter().flat_map(|text| text.lines()).filter_map(|line| {
            let (_, _, body) = split(line.strip_prefix(MARK)?)?;
            body.starts_with(r#"{"record":"thread""#).then_some(body)
        });
        let mut threads = 0;
        for body in bodies {
            let mut printed: serde_json::Value = serde_json::from_str(body).unwrap();
            let observation: Observation = serde_json::from_value(printed.clone()).unwrap();
            printed.as_object_mut().unwrap().remove("record");
            assert_eq!(serde_json::to_value(observation).unwrap(), printed);
            threads += 1;
        }
        assert_eq!(threads, 18);
    }

    #[test]
    fn the_checksum_is_the_one_the_probe_computes() {
        // A guest printed this line.
        let line = r#"@kpatch-build 1 c5f9cf12 {"record":"step","what":"start a tracee","tracee_bits":64}"#;
        let (_, checksum, body) = split(line.strip_prefix(MARK).unwrap()).unwrap();
        assert_eq!(crc32(body.as_bytes()), checksum);
    }

    #[test]
    fn any_changed_byte_is_detected() {
        let lines = whole();
        for at in 0..lines[0].len() {
            let mut bytes = lines[0].clone().into_bytes();
            bytes[at] ^= 1;
            let mut changed = lines.clone();
            changed[0] = String::from_utf8_lossy(&bytes).into_owned();
            assert!(read(&changed).damage.is_some(), "byte {at} of {}", changed[0]);
        }
    }

    #[test]
    fn a_lost_line_is_detected_at_any_position() {
        let lines = whole();
        for lost in 0..lines.len() {
            let mut rest = lines.clone();
            rest.remove(lost);
            assert!(read(&rest).damage.is_some(), "line {lost}");
        }
    }

    #[test]
    fn a_missing_end_is_a_truncation() {
        assert_eq!(read(&whole()[..3]).damage, Some(Damage::Truncated { received: 3 }));
        assert_eq!(read(&[]).damage, Some(Damage::Truncated { received: 0 }));
    }

    #[test]
    fn other_lines_are_not_records() {
        let mut records = Records::default();
        assert_eq!(records.read_line("qemu-system-x86_64: warning: something"), LineKind::Foreign);
        assert_eq!(records.read_line("@kpatch-build"), LineKind::Foreign);
        assert!(!records.started());
    }

    #[test]
    fn announced_threads_must_be_reported() {
        let mut lines = whole();
        lines[2] = framed(2, r#"{"record":"tracee","tracee_bits":64,"missing":null,"threads":3}"#);
        assert_eq!(read(&lines).damage, Some(Damage::Threads { bits: 64, announced: 3, reported: 0 }));
    }
}
