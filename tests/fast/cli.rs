//! The command line: help, usage errors, exit codes. No network, no kernel.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::fixtures::Fixture;
use crate::support::need::have_root;
use crate::support::output::{stderr, stdout};

#[test]
fn help_shows_three_examples_and_every_default() {
    let help = stdout(&Fixture::new().run(&["--help"]));
    let examples = help.split("Examples:").nth(1).expect("there are examples");
    assert_eq!(examples.matches("      kpatch-build --").count(), 3, "{examples}");
    for default in ["copy-segments", "deb,rpm", "dist", "[default: boot]", "[default: auto"] {
        assert!(help.contains(default), "no {default} in {help}");
    }
}

#[test]
fn unknown_and_malformed_names_are_usage_errors_and_write_nothing() {
    for (args, named) in [
        (&["--release", "six"][..], "six"),
        (&["--release", "5.4.200"], "io threads"),
        (&["--release", "5.10.161"], "io threads"),
        (&["--series", "copy-segment"], "copy-segments"),
        (&["--series", "./nowhere"], "nowhere"),
        (&["--kconfig", "bott"], "boot"),
        (&["--debuggers", "gdb-11"], "gdb-10, gdb-13, gdb-16, host, or all, or none"),
        (&["--debuggers", "none,gdb-10"], "`none` cannot be combined"),
        (&["--kconfig", "./nowhere.config"], "nowhere.config"),
        (&["--format", "tar"], "tar"),
        (&["--source", "ftp"], "ftp"),
        (&["--jobs", "0"], "jobs"),
        (&["--localversion", "x y"], "x y"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--config", "nowhere.toml"], "nowhere.toml"),
        (&["--store", "a b"], "a b"),
        (&["--store", "a;touch b"], "';'"),
        (&["--boot-deadline", "0"], "boot-deadline"),
        (&["--format", "deb,none"], "`none` cannot be combined"),
        (&["series", "show", "zeroe"], "zeroed"),
        (&["--release", "6.1.y", "--lang", "rust"], "Rust"),
        (&["boot", "--no-boot"], "--no-boot"),
        (&["--secure-boot-key", "k.pem"], "add --secure-boot-cert"),
        (&["--secure-boot-cert", "c.pem"], "add --secure-boot-key"),
        (&["--secure-boot-key", "k.pem", "--secure-boot-cert", "c.pem"], "failed to open file `k.pem`"),
        (&["boot", "--image", "x", "--series", "nope"], "nope"),
        (&["releases", "--format", "deb"], "--format"),
        (&["--format", "deb", "releases"], "`--format` has no effect on `releases`"),
        (&["--format", "deb,none"], "`none` cannot be combined"),
        (&["fetch", "--kconfig", "boot"], "--kconfig"),
        (&["--sign-key", "k.pem"], "add --secure-boot-cert"),
    ] {
        let fixture = Fixture::new();
        let output = fixture.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{args:?} does not name {named}: {}", stderr(&output));
        assert!(fixture.is_untouched(), "{args:?} wrote something");
    }
}

/// The file of the working directory may be a stranger's: `cd` must not run anything.
#[test]
fn a_strangers_configuration_file_is_not_read() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let fixture = Fixture::new();
    let file = fixture.path("kpatch-build.toml");
    fs::write(&file, "cc = \"./evil\"\n").unwrap();
    let evil = fixture.path("evil");
    fs::write(&evil, "#!/bin/sh\ntouch executed\n").unwrap();
    fs::set_permissions(&evil, PermissionsExt::from_mode(0o755)).unwrap();
    let refused = |reason: &str, next: &str| {
        let output = fixture.run(&["doctor"]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(reason) && text.contains(next), "{text}");
        assert!(!fixture.path("executed").exists());
    };
    refused("names the compiler", "--config kpatch-build.toml");
    fs::write(&file, "release = \"6.1.y\"\n").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o646)).unwrap();
    refused("is writable for everyone", "--config kpatch-build.toml");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let text = stderr(&fixture.run(&["plan", "--offline"]));
    assert!(text.contains("settings from kpatch-build.toml"), "{text}");
    let own = fixture.path("own.toml");
    fs::rename(&file, &own).unwrap();
    std::os::unix::fs::symlink(&own, &file).unwrap();
    refused("is a symbolic link", "--config kpatch-build.toml");
    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    refused("is not a regular file", "--config kpatch-build.toml");
    fs::remove_file(&file).unwrap();
    fs::rename(&own, &file).unwrap();
    if have_root(&[]) {
        chown(&file, Some(65534), None).unwrap();
        refused("belongs to another user (uid 65534)", "--config kpatch-build.toml");
        let text = stderr(&fixture.run(&["plan", "--offline", "--config", "kpatch-build.toml"]));
        assert!(text.contains("settings from kpatch-build.toml"), "{text}");
    }
}

#[test]
fn an_error_in_the_configuration_file_is_reported_with_its_line() {
    let fixture = Fixture::new();
    fs::write(fixture.path("kpatch-build.toml"), "release = \"6.1.y\"\nserie = \"zeroed\"\n").unwrap();
    let output = fixture.run(&["plan"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("serie") && stderr(&output).contains("line 2"), "{}", stderr(&output));
}

#[test]
fn the_configuration_file_may_hold_keys_that_a_command_does_not_use() {
    let fixture = Fixture::new();
    let text = "format = [\"deb\"]\ndebuggers = [\"none\"]\nno-boot = true\nboot-deadline = 9\n";
    fs::write(fixture.path("kpatch-build.toml"), text).unwrap();
    let output = fixture.run(&["releases", "--offline"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = fixture.run(&["fetch", "--release", "6.1.187", "--offline"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

/// A pipe can be read only once: a second open waits for another writer.
#[test]
fn the_configuration_file_is_opened_once() {
    let fixture = Fixture::new();
    let file = fixture.path("settings");
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let name = file.to_str().unwrap();
    for args in [&["--release", "6.1.187"][..], &["fetch"], &["doctor"], &["cache", "list"], &["releases"]] {
        let mut command = fixture.command(&[args, &["--config", name]].concat());
        let mut tool = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pipe = file.clone();
        let writer = std::thread::spawn(move || fs::write(pipe, "offline = true\nstore = \"store\"\n"));
        let start = Instant::now();
        while tool.try_wait().unwrap().is_none() {
            if start.elapsed() > Duration::from_secs(60) {
                tool.kill().unwrap();
                panic!("{args:?} opens the configuration file again");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(writer.is_finished(), "{args:?} does not open the configuration file");
        writer.join().unwrap().unwrap();
    }
    assert!(fixture.path("store/tarballs").is_dir(), "the configuration file was not used");
}

#[test]
fn an_output_directory_that_cannot_be_written_is_refused() {
    let fixture = Fixture::new();
    fs::write(fixture.path("file"), "").unwrap();
    let output = fixture.run(&["--release", "6.1.187", "--offline", "--out", "file/dist"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("file/dist"), "{}", stderr(&output));
}

#[test]
fn offline_with_an_empty_store_fails_at_once_and_leaves_a_report() {
    let fixture = Fixture::new();
    let output = fixture.run(&["fetch", "--release", "6.1.187", "--offline"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("6.1.187") && stderr(&output).contains("offline"),
        "{}",
        stderr(&output)
    );
    let report = fs::read(fixture.path("dist/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["error"]["stage"], "fetch");
    assert_eq!(report["error"]["exit"], 3);
}

#[test]
fn store_and_config_work_before_and_after_a_subcommand() {
    for args in [["--store", "s", "cache", "list"], ["cache", "list", "--store", "s"]] {
        let fixture = Fixture::new();
        let output = fixture.run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(fixture.path("s/tarballs").is_dir());
    }
}

#[test]
fn an_entry_that_the_store_does_not_have_cannot_be_removed() {
    let output = Fixture::new().run(&["cache", "remove", "tarballs/abc"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("tarballs/abc"), "{}", stderr(&output));
}

#[test]
fn completions_and_the_manual_page_come_from_the_same_definition() {
    let completions = stdout(&Fixture::new().run(&["completions", "bash"]));
    assert!(completions.contains("--localversion"));
    for name in ["copy-segments", "debug-info"] {
        assert!(completions.contains(name), "{name} is not completed");
    }
    let page = stdout(&Fixture::new().run(&["man"]));
    assert!(page.starts_with(".ie") || page.starts_with(".TH"), "{}", &page[..60.min(page.len())]);
    assert!(page.contains("localversion"));
}

#[test]
fn a_directory_of_manual_pages_has_one_page_for_each_subcommand_with_its_own_flags() {
    let dir = tempfile::tempdir().unwrap();
    stdout(&Fixture::new().run(&["man", dir.path().to_str().unwrap()]));
    let page = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(page("kpatch-build.1").contains("localversion"));
    assert!(page("kpatch-build-plan.1").contains("explain"));
    assert!(page("kpatch-build-boot.1").contains("image"));
}

#[test]
fn every_shipped_series_can_be_listed_and_shown() {
    let fixture = Fixture::new();
    let list = stdout(&fixture.run(&["series", "list"]));
    for series in [
        "copy-segments",
        "einval-attach",
        "einval-regs",
        "hide-threads",
        "user-frame",
        "user-segments",
        "zeroed",
    ] {
        assert!(list.contains(series), "{list}");
        let shown = stdout(&fixture.run(&["series", "show", series]));
        assert!(shown.contains(series) && shown.contains("6.1"), "{shown}");
    }
    assert!(fixture.is_untouched());
}

#[test]
fn a_command_that_is_refused_before_its_first_stage_ends_with_an_event_too() {
    let fixture = Fixture::new();
    fs::write(fixture.path("json.toml"), "progress = \"json\"\n").unwrap();
    for (args, exit, named) in [
        (&["--progress", "json", "--release", "six"][..], 2, "six"),
        (&["--progress", "json", "--kconfig", "bott"], 2, "bott"),
        (&["--config", "json.toml", "--series", "zeroe"], 2, "zeroe"),
        (&["compare", "--progress", "json", "--release", "6.1.187", "--offline"], 3, "6.1.187"),
        (&["--progress", "json", "--release", "6.1.187", "--offline"], 3, "6.1.187"),
    ] {
        let output = stdout(&fixture.run(args));
        let events: Vec<serde_json::Value> =
            output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let failed: Vec<_> = events.iter().filter(|event| event["event"] == "failed").collect();
        assert_eq!(failed.len(), 1, "{args:?}: {output}");
        assert_eq!(Some(failed[0]), events.last(), "{args:?}: {output}");
        assert_eq!(failed[0]["exit"], exit, "{args:?}: {output}");
        assert!(failed[0]["message"].as_str().unwrap().contains(named), "{args:?}: {output}");
    }
}

#[test]
fn a_missing_compiler_is_reported_as_missing_from_the_host() {
    let fixture = Fixture::new();
    let output = fixture.run(&["--release", "6.1.187", "--offline", "--cc", "no-such-cc"]);
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    assert!(stderr(&output).contains("C compiler"), "{}", stderr(&output));
}
