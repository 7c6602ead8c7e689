//! Inputs without end, and inputs of a gigabyte: the tool refuses each one with little memory and leaves no process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use pgp::composed::KeyType;
use tar::{EntryType, Header};

use super::Campaign;
use crate::support::fixtures::packages::{Workspace, armoured, secret_key};
use crate::support::memory::{LIMIT, MIB};
use crate::support::need::have;

const GIB: u64 = 1 << 30;
const RELEASE: [&str; 2] = ["--release", "6.1.5"];

/// Runs the tool, which must fail with one of these statuses and say what to do.
fn flood(campaign: &mut Campaign, workspace: &Workspace, what: &str, tool: &mut Command, expected: &[i32]) {
    let messages = File::create(workspace.path("messages")).unwrap();
    let mut run = tool.stdout(Stdio::null()).stderr(messages).spawn().unwrap();
    let highest = std::mem::take(&mut campaign.peak);
    let code = campaign.end(&mut run, what);
    let messages = std::fs::read_to_string(workspace.path("messages")).unwrap();
    let error = messages.lines().find(|line| line.starts_with("kpatch-build: ")).unwrap_or_default();
    eprintln!("{what}: {code:?}, {} MiB: {error:.200}", campaign.peak / MIB);
    assert!(code.is_some_and(|code| expected.contains(&code)), "{what}: {code:?}: {messages:.2000}");
    assert!(campaign.peak < LIMIT, "{what}: {} MiB", campaign.peak / MIB);
    assert!(messages.len() < 64 << 10, "{what}: {} bytes of messages", messages.len());
    campaign.peak = campaign.peak.max(highest);
    campaign.assert_nothing_lives(workspace.dir.path(), what);
    campaign.count("floods");
}

/// A file of a gigabyte that takes no space: `head`, then zeros.
fn sparse(path: &Path, head: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = File::create(path).unwrap();
    file.write_all(head).unwrap();
    file.set_len(GIB).unwrap();
}

/// A gigabyte in place of each file that the command line names, that a directory contains, or that the tool finds by
/// itself.
#[test]
fn an_input_of_a_gigabyte_is_refused() {
    let mut campaign = Campaign::start("large inputs");
    let workspace = Workspace::new();
    let key = secret_key(KeyType::Ed25519Legacy, true, None);
    workspace.write("key", armoured(&key));
    for (path, head) in [
        ("big", &b""[..]),
        ("big.tar.xz", b""),
        ("big.patch", b""),
        ("listed/series", b""),
        ("described/series.toml", b""),
        ("settings/kpatch-build.toml", b"# "),
        ("debs/a_1_amd64.deb", b"!<arch>\n"),
        ("rpms/a.rpm", b"\xed\xab\xee\xdb\x03\0"),
    ] {
        sparse(&workspace.path(path), head);
    }
    workspace.write("described/series", "one.patch\n");
    let inputs = [
        &["plan", "--kconfig", "./big"][..],
        &["plan", "--config", "big"],
        &["plan", "--series", "./big.patch"],
        &["plan", "--series", "./listed"],
        &["plan", "--series", "./described"],
        &["package", "--source", "tarball:big.tar.xz", "--keyring", "big"],
        &["package", "--source", "tarball:big", "--no-verify"],
        &["package", "--source", "tarball:big.tar.xz", "--no-verify"],
        &["package", "--openpgp-key", "big"],
        &["package", "--secure-boot-key", "big", "--secure-boot-cert", "big"],
    ];
    for args in campaign.chosen(4, inputs) {
        let tool = &mut workspace.tool();
        flood(&mut campaign, &workspace, &args.join(" "), tool.args(args).args(RELEASE), &[2, 3]);
    }
    for args in [
        &["reproduce", "big"][..],
        &["repo", "debs", "--openpgp-key", "key"],
        &["repo", "rpms", "--openpgp-key", "key"],
    ] {
        flood(&mut campaign, &workspace, &args.join(" "), workspace.tool().args(args), &[2, 3]);
    }
    let tool = &mut workspace.tool();
    tool.current_dir(workspace.path("settings")).arg("plan").args(RELEASE);
    flood(&mut campaign, &workspace, "kpatch-build.toml of the working directory", tool, &[2]);
    // Zeros are no complaint.
    flood(&mut campaign, &workspace, "console", workspace.tool().args(["console", "big"]), &[0]);
    campaign.finish();
}

/// Compresses `head` and a gigabyte of zeros.
fn bomb(path: &Path, head: &[u8]) {
    let zeros = io::repeat(0).take(GIB);
    zstd::stream::copy_encode(head.chain(zeros), File::create(path).unwrap(), 1).unwrap();
}

fn header(kind: EntryType, name: &str, size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path(format!("linux-6.1.5/{name}")).unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn a_small_archive_with_much_in_it_is_refused() {
    let mut campaign = Campaign::start("archives");
    let workspace = Workspace::new();
    let heads = [
        ("a long name", header(EntryType::GNULongName, "x", GIB)),
        ("a long link", header(EntryType::GNULongLink, "x", GIB)),
        ("an extended header", header(EntryType::XHeader, "x", GIB)),
        ("a global header", header(EntryType::XGlobalHeader, "x", GIB)),
        ("a file of a terabyte", header(EntryType::Regular, "x", 1 << 40)),
        (
            "half a million files",
            (0..500_000).flat_map(|n| header(EntryType::Regular, &n.to_string(), 0)).collect(),
        ),
        ("no archive", Vec::new()),
    ];
    for (what, head) in campaign.chosen(3, heads) {
        bomb(&workspace.path("bomb.tar.zst"), &head);
        let mut tool = workspace.tool();
        tool.args(["package", "--no-verify", "--source", "tarball:bomb.tar.zst"]).args(RELEASE);
        flood(&mut campaign, &workspace, what, &mut tool, &[3]);
    }
    std::fs::create_dir(workspace.path("bomb")).unwrap();
    workspace.write("bomb/series", "a.patch.zst\n");
    bomb(&workspace.path("bomb/a.patch.zst"), b"");
    bomb(&workspace.path("config.zst"), b"#");
    for args in [&["--series", "./bomb"], &["--kconfig", "./config.zst"]] {
        let tool = &mut workspace.tool();
        flood(&mut campaign, &workspace, args[1], tool.arg("plan").args(args).args(RELEASE), &[2]);
    }
    campaign.finish();
}

/// A series whose size grows where the tool could spend memory: messages, files, hunks, lines, numbers.
#[test]
fn a_series_at_the_limit_needs_little_memory() {
    let mut campaign = Campaign::start("series");
    let workspace = Workspace::new();
    let of_size = |unit: &dyn Fn(usize) -> String, bytes: usize| {
        let mut text = String::new();
        for number in 1.. {
            text += &unit(number);
            if text.len() > bytes {
                break;
            }
        }
        text
    };
    let mail = |number: usize| {
        format!(
            "From {:040} Mon Sep 17 00:00:00 2001\nFrom: A <a@b.org>\nSubject: [PATCH {number}/9223372036854775807] x\n\n\
             ---\n--- a/f{number}\n+++ b/f{number}\n@@ -1 +1 @@\n-a\n+b\n",
            0
        )
    };
    let file = |number: usize| format!("--- a/f{number}\n+++ b/f{number}\n@@ -1 +1 @@\n-a\n+b\n");
    let created = |number: usize| format!("--- /dev/null\n+++ b/d/f{number}\n@@ -0,0 +1 @@\n+b\n");
    let hunk = |number: usize| match number {
        1 => "--- a/lost\n+++ b/lost\n".to_owned(),
        _ => format!("@@ -{number} +{number} @@\n-a\n+b\n"),
    };
    let line = |number: usize| match number {
        1 => "--- a/lost\n+++ b/lost\n@@ -1 +1,949980 @@\n NOTHING\n".to_owned(),
        _ => "+\n".to_owned(),
    };
    let word = |number: usize| if number == 1 { "diff --git".to_owned() } else { " a".to_owned() };
    // Just below the limits: a million lines, 100,000 files, 36 MiB.
    let series = [
        ("mails.mbox", of_size(&mail, 16 << 20)),
        ("files.patch", of_size(&file, 4 << 20)),
        ("created.patch", of_size(&created, 4 << 20)),
        ("hunks.patch", of_size(&hunk, 6 << 20)),
        ("lines.patch", of_size(&line, 1_900_000)),
        ("words.patch", of_size(&word, 35 << 20)),
        (
            "long.patch",
            format!("--- a/lost\n+++ b/lost\n@@ -1 +1,2 @@\n NOTHING\n+{}\n", "x".repeat(35 << 20)),
        ),
    ];
    for (name, text) in campaign.chosen(3, series) {
        workspace.write(name, text);
        let mut tool = workspace.tool();
        tool.args(["build", "--kconfig", "./mine.config", "--no-sandbox", "--series"]);
        tool.arg(format!("./{name}"))
            .args(RELEASE)
            .arg("--source")
            .arg(format!("dir:{}", workspace.tree.path().display()));
        flood(&mut campaign, &workspace, name, &mut tool, &[0, 2, 3]);
    }
    campaign.finish();
}

#[test]
fn a_build_that_prints_without_end_is_stopped() {
    if !have(&["make", "gcc"]) {
        return;
    }
    let mut campaign = Campaign::start("build output");
    let steps = ["yes", "tr '\\0' x < /dev/zero", "tr '\\0' '\\377' < /dev/zero", "yes >&2"];
    for step in campaign.chosen(1, steps) {
        let workspace = Workspace::new();
        workspace.change_tree("Makefile", "modules:\n\t@true", &format!("modules:\n\t@{step}"));
        let mut tool = workspace.tool();
        tool.args(["build", "--series", "none", "--kconfig", "./mine.config"]).args(RELEASE).arg("--source");
        tool.arg(format!("dir:{}", workspace.tree.path().display()));
        flood(&mut campaign, &workspace, step, &mut tool, &[3]);
        let log = std::fs::metadata(workspace.path("dist/logs/build.log")).unwrap().len();
        assert!(log < 300 * MIB, "{step}: a log of {} MiB", log / MIB);
    }
    campaign.finish();
}

/// The build writes a file of a gigabyte where the tool expects a small one.
#[test]
fn a_build_result_of_a_gigabyte_is_refused_or_read_in_parts() {
    if !have(&["make", "gcc", "truncate"]) {
        return;
    }
    let mut campaign = Campaign::start("build results");
    let results = [
        (".config", &[3][..]),
        ("include/config/kernel.release", &[3]),
        ("arch/x86/boot/bzImage", &[0, 3]),
        ("System.map", &[0, 3]),
    ];
    for (file, expected) in campaign.chosen(2, results) {
        let workspace = Workspace::new();
        let step = format!("modules: bzImage\n\t@truncate -s 1G $(O)/{file}");
        workspace.change_tree("Makefile", "modules:\n\t@true", &step);
        let mut tool = workspace.tool();
        tool.args(["package", "--series", "none", "--kconfig", "./mine.config", "--packages", "image"])
            .args(RELEASE);
        tool.args(["--compression", "zstd", "--source"]);
        tool.arg(format!("dir:{}", workspace.tree.path().display()));
        flood(&mut campaign, &workspace, file, &mut tool, expected);
    }
    campaign.finish();
}

/// What a guest writes to the console, and to the port of the records.
#[test]
fn a_guest_that_writes_without_end_fails() {
    const CONSOLE: &str = "for argument; do case \"$argument\" in file,id=console,path=*) console=\"${argument#*path=}\" ;; esac; done\n";
    let mut campaign = Campaign::start("guest");
    let guests = [
        ("lines on the console", "exec yes 'a line of the kernel, as long as they are' > \"$console\""),
        ("zeros on the console", "exec cat /dev/zero > \"$console\""),
        ("bytes on the console", "exec tr '\\0' '\\377' < /dev/zero > \"$console\""),
        ("lines as records", "echo x > \"$console\"; exec yes"),
        ("one line as records", "echo x > \"$console\"; exec tr '\\0' x < /dev/zero"),
    ];
    for (what, script) in campaign.chosen(1, guests) {
        let workspace = Workspace::bootable(&format!("{CONSOLE}{script}"));
        let mut tool = workspace.tool();
        tool.env("PATH", workspace.path_variable());
        tool.args(["boot", "--series", "none", "--kconfig", "./mine.config", "--accel", "tcg"]).args(RELEASE);
        tool.args(["--boot-deadline", "600", "--debuggers", "none", "--source"]);
        tool.arg(format!("dir:{}", workspace.tree.path().display()));
        flood(&mut campaign, &workspace, what, &mut tool, &[1, 3]);
    }
    campaign.finish();
}
