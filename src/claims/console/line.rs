//! One line of a console: what printk, syslog and serial consoles put in front of a message.

use std::sync::LazyLock;

use regex::Regex;

/// A message without its prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'t> {
    /// The task (`T27`) or processor (`C0`) that printed it, with CONFIG_PRINTK_CALLER.
    pub(super) caller: Option<&'t str>,
    /// The message; its own indentation stays.
    pub(super) text: &'t str,
}

/// `[    1.234567]`, and behind it `[    T1] `: kernel/printk/printk.c, `print_prefix`.
static STAMP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\[ *[0-9]+\.[0-9]{1,9}\](?:\[ *([TC][0-9]+)\])? ?").expect("a valid expression")
});

/// Bytes of a log level, or of a syslog's date, host and facility.
const LONGEST_PREFIX: usize = 80;

/// Prefixes in front of a message without a time stamp: a log level, a caller, and the host's name in a syslog.
static BARE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:<[0-9]{1,3}>|\[ *([TC][0-9]+)\] ?|[A-Z][a-z]{2} +[0-9]+ [0-9:]{8} \S+ kernel: )+")
        .expect("a valid expression")
});

/// The messages of a line: a message can interrupt another, or a line of user space.
pub(super) fn messages(line: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> = STAMP.find_iter(line).map(|stamp| stamp.start()).collect();
    match starts.first_mut() {
        Some(first) if *first <= LONGEST_PREFIX => *first = 0,
        // What precedes the first time stamp is a message too.
        _ => starts.insert(0, 0),
    }
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([line.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &line[start..end])
}

impl<'t> Line<'t> {
    /// Removes what stands before the message: everything up to the time stamp.
    pub(super) fn of(line: &'t str) -> Line<'t> {
        let line = line.trim_end();
        if let Some(stamp) = STAMP.captures(line) {
            let whole = stamp.get(0).expect("the match");
            return Line { caller: stamp.get(1).map(|caller| caller.as_str()), text: &line[whole.end()..] };
        }
        match BARE.captures(line) {
            Some(bare) => {
                let end = bare.get(0).map_or(0, |whole| whole.end());
                Line { caller: bare.get(1).map(|caller| caller.as_str()), text: &line[end..] }
            }
            None => Line { caller: None, text: line },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_removed_and_the_indentation_of_a_trace_stays() {
        for (line, caller, text) in [
            ("[    1.234567] Run /init", None, "Run /init"),
            ("[    1.234567][   T27]  do_exit+0x1/0x2", Some("T27"), " do_exit+0x1/0x2"),
            ("<4>[   61.0][    C1] INFO: x\r", Some("C1"), "INFO: x"),
            ("<6>BUG: y", None, "BUG: y"),
            ("Nov 27 05:12:01 host kernel: [   12.5] WARNING: z", None, "WARNING: z"),
            ("Nov 27 05:12:01 host kernel: WARNING: z", None, "WARNING: z"),
            ("login: [   36.852785][ T3615] BUG: w", Some("T3615"), "BUG: w"),
            ("x86/fpu: xstate_offset[2]:  576", None, "x86/fpu: xstate_offset[2]:  576"),
            ("[<ffffffff81012345>] dump_stack+0x1/0x2", None, "[<ffffffff81012345>] dump_stack+0x1/0x2"),
        ] {
            assert_eq!(Line::of(line), Line { caller, text }, "{line}");
        }
    }
}
