//! Reads what the probe prints: one line a record, with its number and checksum.
//!
//! `@kpatch-build <number> <crc32> <JSON>`; the last record is `end`. A line that was damaged,
//! lost or never written is noticed by its number or checksum, never taken for an observation.

use serde::Deserialize;

use crate::claims::{Observation, TraceeAfter};

const MARK: &str = "@kpatch-build ";

/// What the probe says, in the order in which it says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase", deny_unknown_fields)]
pub enum Record {
    /// `uname -r` and `uname -v` of the guest.
    Guest {
        release: String,
        version: String,
    },
    /// What the probe does next.
    Step {
        what: String,
        tracee_bits: u8,
    },
    /// Something that could not be observed.
    Note {
        what: String,
        error: String,
    },
    /// A tracee was looked at, or could not be started.
    Tracee {
        tracee_bits: u8,
        missing: Option<Missing>,
        threads: usize,
    },
    Thread(Box<Observation>),
    /// A debugger starts on a tracee of its own.
    Debugger(Attempt),
    /// Some of what it printed.
    Output {
        text: String,
    },
    #[serde(rename = "debugger-end")]
    DebuggerEnd(AttemptEnd),
    End,
}

/// What the probe knew when it started a debugger.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Attempt {
    /// Its place in the initramfs: `/debugger0` is 0.
    pub number: usize,
    pub tracee_bits: u8,
    /// The tracee's process id, which is its leader's thread id.
    pub pid: u32,
    pub threads: u64,
    /// Of these, threads that `/proc/PID/task` shows.
    pub listed: u64,
    #[serde(skip)]
    pub output: String,
    #[serde(skip)]
    pub end: Option<AttemptEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct AttemptEnd {
    pub ending: AttemptEnding,
    /// Exit status or signal.
    pub status: u32,
    pub milliseconds: u64,
    pub tracee_after: TraceeAfter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptEnding {
    Exit,
    Signal,
    Deadline,
    OutputLimit,
    NotStarted,
}

/// Why there is no tracee of a size.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    pub what: String,
    /// Name of an errno.
    pub error: String,
}

/// What is wrong with the records as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("record {number} arrived damaged")]
    Checksum { number: u32 },
    #[error("record {expected} is missing, record {found} came instead")]
    Gap { expected: u32, found: u32 },
    #[error("record {number} cannot be understood ({reason})")]
    Content { number: u32, reason: String },
    #[error("the {bits}-bit tracee had {announced} threads, {reported} were reported")]
    Threads { bits: u8, announced: usize, reported: usize },
    #[error("the records end before the probe did, after {received} of them")]
    Truncated { received: u32 },
    #[error("record {number} comes after the end")]
    AfterEnd { number: u32 },
}

/// Everything that was received.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub release: Option<String>,
    pub last_step: Option<String>,
    pub notes: Vec<String>,
    pub observations: Vec<Observation>,
    pub missing: Vec<(u8, Missing)>,
    pub attempts: Vec<Attempt>,
    /// The first thing that was wrong.
    pub damage: Option<Damage>,
    announced: Vec<(u8, usize)>,
    received: u32,
    ended: bool,
}

/// What one line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Record,
    /// QEMU's own words, or noise.
    Foreign,
}

impl Records {
    pub fn line(&mut self, line: &str) -> Line {
        let Some(rest) = line.strip_prefix(MARK) else { return Line::Foreign };
        let Some((number, checksum, body)) = split(rest) else { return Line::Foreign };
        match self.check(number, checksum, body) {
            Ok(record) => self.take(record),
            Err(damage) => self.damaged(damage),
        }
        self.received = number.saturating_add(1);
        Line::Record
    }

    fn check(&mut self, number: u32, checksum: u32, body: &str) -> Result<Record, Damage> {
        if crc32(body.as_bytes()) != checksum {
            return Err(Damage::Checksum { number });
        }
        if self.ended {
            return Err(Damage::AfterEnd { number });
        }
        if number != self.received {
            // What did arrive is sound; the last step and the end are still worth knowing.
            self.damaged(Damage::Gap { expected: self.received, found: number });
        }
        serde_json::from_str(body).map_err(|error| Damage::Content { number, reason: error.to_string() })
    }

    fn take(&mut self, record: Record) {
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

    fn damaged(&mut self, damage: Damage) {
        self.damage.get_or_insert(damage);
    }

    /// Whether the probe came to its end.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the guest came as far as running the probe.
    pub fn started(&self) -> bool {
        self.received > 0
    }

    /// Call once nothing more will come.
    pub fn finish(&mut self) {
        if !self.ended {
            self.damaged(Damage::Truncated { received: self.received });
            return;
        }
        for (bits, announced) in self.announced.clone() {
            let reported = self.observations.iter().filter(|seen| seen.tracee_bits == bits).count();
            if reported != announced {
                self.damaged(Damage::Threads { bits, announced, reported });
            }
        }
    }
}

fn split(rest: &str) -> Option<(u32, u32, &str)> {
    let (number, rest) = rest.split_once(' ')?;
    let (checksum, body) = rest.split_once(' ')?;
    Some((number.parse().ok()?, u32::from_str_radix(checksum, 16).ok()?, body))
}

/// The checksum of IEEE 802.3, as in zlib.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn framed(number: u32, body: &str) -> String {
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
            records.line(line);
        }
        records.finish();
        records
    }

    #[test]
    fn undamaged_records_are_understood() {
        let records = read(&whole());
        assert_eq!(records.damage, None);
        assert_eq!(records.release.as_deref(), Some("6.1.187"));
        assert_eq!(records.missing[0].1.error, "EAGAIN");
    }

    #[test]
    fn the_checksum_is_the_one_the_probe_computes() {
        // Printed by a guest.
        let line = r#"@kpatch-build 1 c5f9cf12 {"record":"step","what":"start a tracee","tracee_bits":64}"#;
        let (_, checksum, body) = split(line.strip_prefix(MARK).unwrap()).unwrap();
        assert_eq!(crc32(body.as_bytes()), checksum);
    }

    #[test]
    fn any_changed_byte_is_noticed() {
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
    fn a_lost_line_is_noticed_wherever_it_was() {
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
        assert_eq!(records.line("qemu-system-x86_64: warning: something"), Line::Foreign);
        assert_eq!(records.line("@kpatch-build"), Line::Foreign);
        assert!(!records.started());
    }

    #[test]
    fn threads_that_were_announced_must_be_reported() {
        let mut lines = whole();
        lines[2] = framed(2, r#"{"record":"tracee","tracee_bits":64,"missing":null,"threads":3}"#);
        assert_eq!(read(&lines).damage, Some(Damage::Threads { bits: 64, announced: 3, reported: 0 }));
    }
}
