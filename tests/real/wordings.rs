//! The console reader against the wordings in the sources of real kernels: whatever the core of the kernel prints as a warning
//! or a bug is a complaint, or stands below with the reason why it is none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kpatch_build::claims::console::Console;
use regex::Regex;
use walkdir::WalkDir;

use crate::support::kernel;
use crate::support::tool::can_boot;

/// The kernel without drivers, whose remarks have no fixed form.
const DIRECTORIES: [&str; 10] =
    ["arch/x86", "block", "fs", "include/linux", "init", "kernel", "lib", "mm", "net/core", "security"];

/// Beginnings of messages that are no complaint, even if a stack trace follows them.
const QUIET: [(&str, &str); 17] = [
    ("BUG in find_next_ancestor", "the mount of a file system goes on without it"),
    ("INFO: NMI handler", "the hardware or the host was slow"),
    ("INFO: 0x", "part of a report of SLUB, until 5.11"),
    ("INFO: Object ", "part of a report of SLUB, until 5.11"),
    ("INFO: Slab ", "part of a report of SLUB, until 5.11"),
    ("INFO: rcu_preempt in ", "part of a report of SLUB, until 5.11"),
    ("INFO: Expedited stall ended before state dump start", "a stall that is over"),
    ("INFO: Stall ended before state dump start", "a stall that is over"),
    ("INFO: Stall ended during stack backtracing", "a stall that is over"),
    ("INFO: task some_word:1 <some_word> blocked on", "part of a report of a hung task"),
    ("INFO: task some_word:1 blocked on", "part of a report of a hung task"),
    ("INFO: task some_word:1 is blocked on", "part of a report of a hung task"),
    ("INFO: lockdep is turned off", "the end of another report"),
    ("INFO: timekeeping: Cycle offset", "the processor slept for long"),
    ("KASAN internal error", "part of the description of a stack frame"),
    ("KASAN: some_word in range", "part of a general protection fault"),
    ("WARNING!!! This test", "a benchmark's remark"),
];

/// The messages of a source tree that begin like a complaint, each with its file.
fn messages(tree: &Path) -> BTreeMap<String, String> {
    let call = r#"(?:pr_[a-z_]+|printk[a-z_]*)\s*\(\s*(?:KERN_[A-Z]+\s*)?""#;
    let start = r"((?:\\n)?(?:watchdog: )?(?:WARNING|BUG|INFO|UBSAN|KASAN)";
    let literal = Regex::new(&format!(r#"{call}{start}(?:[^"\\]|\\.)*)""#)).unwrap();
    let mut found = BTreeMap::new();
    for directory in DIRECTORIES {
        let files = WalkDir::new(tree.join(directory)).into_iter().flatten();
        for file in files.filter(|file| file.path().extension().is_some_and(|end| end == "c" || end == "h")) {
            let text = fs::read(file.path()).unwrap();
            for message in literal.captures_iter(&String::from_utf8_lossy(&text)) {
                let path = file.path().strip_prefix(tree).unwrap().display().to_string();
                found.insert(message[1].to_owned(), path);
            }
        }
    }
    found
}

/// The first line of a message with values for its conversions (Documentation/core-api/printk-formats.rst).
fn printed(format: &str) -> String {
    let line =
        format.replace("\\n", "\n").trim_start_matches('\n').lines().next().unwrap_or_default().to_owned();
    // As each is used by its only caller.
    let line = line
        .replace("BUG %s (%s)", "BUG kmalloc-64 (Not tainted)")
        .replace("INFO: %s ", "INFO: rcu_preempt ");
    let values = [
        (r"%p[sS]b?", "some_function+0x10/0x20"),
        (r"%pV", "Object already free"),
        (r"%p[a-zA-Z]*", "00000000deadbeef"),
        (r"%[-0-9.*]*(?:ll|l|z|h)*x", "ffff"),
        (r"%[-0-9.*]*(?:ll|l|z|h)*[dui]", "1"),
        (r"%[-0-9.*]*c", "D"),
        (r"BUG at %s", "BUG at lib/some_file.c"),
        (r"blocked%s", "blocked in I/O wait"),
        (r"%[-0-9.*]*s", "some_word"),
        ("%%", "%"),
    ];
    let replaced = |line: String, (pattern, value): &(&str, &str)| {
        Regex::new(pattern).unwrap().replace_all(&line, *value).into_owned()
    };
    values.iter().fold(line.replace("\\\"", "\""), replaced)
}

/// Whether a message with a stack trace, as all reports of the core have one, is a complaint.
fn complains(message: &str) -> bool {
    let log = format!(
        "[    1.000000] {message}\n[    1.000001] Call Trace:\n[    1.000002]  <TASK>\n\
         [    1.000003]  dump_stack_lvl+0x34/0x44\n[    1.000004]  some_caller+0x10/0x20\n[    1.000005]  </TASK>\n\
         [    9.000000] eth0: link up\n"
    );
    !Console::read(log.as_bytes()).unwrap().complaints.is_empty()
}

#[test]
fn real_what_the_kernels_core_prints_as_a_bug_is_a_complaint() {
    if !can_boot() {
        return;
    }
    for tree in kernel::trees() {
        let messages = messages(&tree);
        let count = messages.len();
        assert!(count > 60, "only {count} messages in {}", tree.display());
        let mut wrong = Vec::new();
        for (format, file) in messages {
            let message = printed(&format);
            // The rest is a macro's argument: `"WARNING: " fmt`.
            if message.split_whitespace().count() == 1 {
                continue;
            }
            let quiet = QUIET.iter().find(|(start, _)| message.starts_with(start));
            match (complains(&message), quiet) {
                (true, None) | (false, Some(_)) => {}
                (false, None) => wrong.push(format!("{file}: not recognised: {message}")),
                (true, Some((_, reason))) => {
                    wrong.push(format!("{file}: {reason}, but a complaint: {message}"));
                }
            }
        }
        println!("{}: {count} messages", tree.display());
        assert!(wrong.is_empty(), "{}:\n{}", tree.display(), wrong.join("\n"));
    }
}
