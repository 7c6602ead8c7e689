//! Reads a log line by line, groups the lines of each report, and names the reports.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::mem;

use super::Console;
use super::complaint::{Complaint, Kind, Severity};
use super::function::{cached, function};
use super::line::{Line, messages};
use super::shape::{REBOOT, Role, Shape, shape};
use crate::base::text::shortened;

/// Bytes of the longest line that is kept whole.
const LONGEST_LINE: u64 = 64 << 10;
/// Complaints that are kept; further ones only count.
const MOST_COMPLAINTS: usize = 1000;
/// Reports that may be open at the same time: one for each processor and task that prints.
const MOST_OPEN: usize = 16;
/// Lines that belong to a report at most.
const LONGEST_REPORT: usize = 1000;
/// Bytes of a report's lines at most.
const LARGEST_REPORT: usize = 128 << 10;
/// A stack trace this many lines behind a warning's words shows that the kernel printed them.
const TRACE_WITHIN: usize = 30;
/// An oops this many lines behind the opening of a report is part of it.
const PART_WITHIN: u64 = 100;
/// A panic this many lines behind a complaint is its end.
const END_WITHIN: u64 = 400;

/// What a stack trace, or the registers in front of it, look like.
const TRACED: &str = r"Call [Tt]race:|\bRIP:|-\[ end trace|Modules linked in:|CPU: ?[0-9]+ .*PID:|PC is at";

/// A report that is being printed.
struct Open {
    shape: &'static Shape,
    line: u64,
    caller: Option<String>,
    /// The opening and what follows, by the same caller.
    lines: Vec<String>,
    bytes: usize,
}

/// The state between two lines.
#[derive(Default)]
struct Reader {
    console: Console,
    number: u64,
    open: Vec<Open>,
    /// The line of the latest complaint that is not open any more.
    latest_ended: Option<u64>,
    /// Whether the kernel printed a time stamp after its first second.
    is_up: bool,
}

impl Console {
    /// Reads a log. A line longer than 64 KiB counts as several: a guest may print anything.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn read(mut log: impl BufRead) -> io::Result<Console> {
        let mut reader = Reader::default();
        let mut line = Vec::new();
        while log.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
            reader.read_line(ascii(&line).trim_end());
            line.clear();
        }
        Ok(reader.finish())
    }
}

/// The line with `\xff` for bytes that are not ASCII, as /dev/kmsg writes them. No message that is searched has any, and
/// the search for words is slow in other texts.
fn ascii(line: &[u8]) -> Cow<'_, str> {
    if line.is_ascii() {
        return String::from_utf8_lossy(line);
    }
    let mut text = String::with_capacity(line.len());
    for byte in line {
        match byte.is_ascii() {
            true => text.push(char::from(*byte)),
            false => text.extend(byte.escape_ascii().map(char::from)),
        }
    }
    Cow::Owned(text)
}

impl Reader {
    fn read_line(&mut self, whole: &str) {
        self.number += 1;
        if whole.trim().is_empty() {
            return;
        }
        self.console.last = Some(shortened(whole).into_owned());
        for message in messages(whole) {
            self.read_message(message);
        }
    }

    fn read_message(&mut self, whole: &str) {
        let line = Line::of(whole);
        let opened = self.restart(whole, line.text).or_else(|| shape(line.text));
        for open in self.open.iter_mut().filter(|open| open.is_by(line.caller)) {
            open.push(line.text);
        }
        if let Some(shape) = opened {
            self.begin(shape, line);
        }
        let complete: Vec<_> = self.open.extract_if(.., |open| open.is_complete()).collect();
        complete.into_iter().for_each(|open| self.end(open));
    }

    /// The shape of a restart, if this line begins one: the decompressor's or the kernel's first words, after a kernel
    /// was up.
    fn restart(&mut self, whole: &str, text: &str) -> Option<&'static Shape> {
        let is_start = text.starts_with("Linux version ") || whole.starts_with("Booting the kernel.");
        if self.is_up && is_start {
            self.is_up = false;
            return Some(&REBOOT);
        }
        self.is_up |= cached(r"^\[ *(?:[1-9][0-9]*)\.[0-9]{6}\]").is_match(whole);
        None
    }

    fn begin(&mut self, shape: &'static Shape, line: Line<'_>) {
        if shape.kind.is_panic() {
            self.console.messages.panics += 1;
            self.console.first_panic.get_or_insert_with(|| shortened(line.text.trim_start()).into_owned());
        }
        if self.belongs_to_another(shape, line.caller) {
            return;
        }
        // The stack trace that follows is this report's, not that of a driver's words before it.
        self.open.retain(|open| open.is_complaint() || !open.is_by(line.caller));
        if self.open.len() == MOST_OPEN {
            let oldest = self.open.remove(0);
            self.end(oldest);
        }
        let caller = line.caller.map(str::to_owned);
        let mut open = Open { shape, line: self.number, caller, lines: Vec::new(), bytes: 0 };
        open.push(line.text);
        self.open.push(open);
    }

    /// Whether the words are part of a report that is being printed, or its end.
    fn belongs_to_another(&self, shape: &Shape, caller: Option<&str>) -> bool {
        let is_open = |kind: Kind| self.open.iter().any(|open| open.shape.kind == kind && open.is_by(caller));
        match shape.role {
            Role::Part => self.open.iter().any(|open| {
                open.is_by(caller)
                    && open.is_complaint()
                    && open.may_contain(shape)
                    && self.number - open.line <= PART_WITHIN
            }),
            Role::End => self.latest_complaint().is_some_and(|line| self.number - line <= END_WITHIN),
            // BUG() implements the panic of Rust code: rust/helpers/bug.c.
            _ if shape.kind == Kind::KernelBug => is_open(Kind::RustPanic),
            // Each processor that waits for a grace period may report it.
            _ if shape.kind == Kind::RcuStall => {
                self.open.iter().any(|open| open.shape.kind == Kind::RcuStall)
            }
            _ => false,
        }
    }

    /// The line where the latest complaint begins.
    fn latest_complaint(&self) -> Option<u64> {
        let open = self.open.iter().filter(|open| open.is_complaint()).map(|open| open.line);
        open.chain(self.latest_ended).max()
    }

    fn end(&mut self, open: Open) {
        if !open.is_complaint() {
            return;
        }
        self.latest_ended = self.latest_ended.max(Some(open.line));
        let messages = &mut self.console.messages;
        match open.shape.kind.severity() {
            Severity::Warning => messages.warnings += 1,
            Severity::Oops => messages.oopses += 1,
            // Counted where it was read.
            Severity::Panic => {}
        }
        if self.console.complaints.len() < MOST_COMPLAINTS {
            self.console.complaints.push(open.complaint());
        } else {
            self.console.further += 1;
        }
    }

    fn finish(mut self) -> Console {
        mem::take(&mut self.open).into_iter().for_each(|open| self.end(open));
        self.console.complaints.sort_by_key(|complaint| complaint.line);
        self.console
    }
}

impl Open {
    /// Whether a line by `caller` may belong to the report: without callers in the log, any line may.
    fn is_by(&self, caller: Option<&str>) -> bool {
        self.caller.as_deref().zip(caller).is_none_or(|(own, other)| own == other)
    }

    fn push(&mut self, text: &str) {
        self.bytes += text.len();
        self.lines.push(text.to_owned());
    }

    fn is_complete(&self) -> bool {
        let ended = self.lines.last().is_some_and(|line| line.contains("-[ end trace "));
        ended || self.lines.len() >= LONGEST_REPORT || self.bytes >= LARGEST_REPORT
    }

    fn is_complaint(&self) -> bool {
        let traced = cached(TRACED);
        self.shape.role != Role::IfTraced
            || self.lines.iter().take(TRACE_WITHIN).any(|line| traced.is_match(line))
    }

    /// Whether such a part may belong to the report: a warning does not end in an oops.
    fn may_contain(&self, part: &Shape) -> bool {
        part.kind.severity() == Severity::Warning || self.shape.kind.severity() != Severity::Warning
    }

    fn complaint(self) -> Complaint {
        let name = shortened(&self.name()).into_owned();
        let text = shortened(self.lines[0].trim_start()).into_owned();
        Complaint { kind: self.shape.kind, name, line: self.line, text, allowed: None }
    }

    fn name(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        let mut name = self.shape.name.to_owned();
        let opening = cached(self.shape.opening).captures(lines[0]);
        for group in 1..opening.as_ref().map_or(0, regex::Captures::len) {
            let value =
                opening.as_ref().and_then(|opening| opening.get(group)).map_or("", |group| group.as_str());
            name = name.replace(&format!("{{{group}}}"), without_offsets(value).trim());
        }
        if let Some(detail) = self.shape.detail {
            let mut behind = lines[1..].iter().copied();
            let found =
                behind.find_map(|line| cached(detail).captures(line)?.get(1)).map(|group| group.as_str());
            name = name.replace("{detail}", found.unwrap_or_default());
        }
        if name.contains("{fn}") {
            name = match function(&lines, self.shape.search, self.shape.skip) {
                Some(function) => name.replace("{fn}", &function),
                None => name.split(" in {fn}").next().unwrap_or_default().to_owned(),
            };
        }
        name.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The text without the offsets and sizes of functions, and without the compiler's suffixes.
fn without_offsets(text: &str) -> String {
    cached(r"(?:\.(?:isra|constprop|part|cold)(?:\.[0-9]+)?)*\+0x[0-9a-f]+/0x[0-9a-f]+")
        .replace_all(text, "")
        .into_owned()
}
