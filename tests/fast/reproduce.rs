//! `reproduce` builds the packages of a report again and names every difference.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::fixtures::packages::{Workspace, files};
use crate::support::keys::Keys;
use crate::support::output::{must, stderr, stdout};
use crate::support::pe;

/// Runs `reproduce` with the flags that repeat what the report names of this machine.
fn reproduce(workspace: &Workspace, more: &[&str]) -> std::process::Output {
    let tree = format!("dir:{}", workspace.tree.path().display());
    let mut tool = workspace.tool();
    tool.args(["reproduce", "dist/report.json", "--source", &tree, "--series", "./own"]);
    tool.args(["--kconfig", "./mine.config"]).args(more).output().unwrap()
}

fn change_report(workspace: &Workspace, change: impl FnOnce(&mut Value)) {
    let path = workspace.path("dist/report.json");
    let mut report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut report);
    fs::write(path, serde_json::to_vec(&report).unwrap()).unwrap();
}

#[test]
fn the_packages_of_a_report_are_reproduced_identically() {
    let workspace = Workspace::new();
    let more = ["--revision", "3", "--compression", "gzip", "--localversion", "-again", "--jobs", "1"];
    let Some(out) = workspace.packages("dist", &more) else { return };
    let again = reproduce(&workspace, &["--out", "rebuilt", "--jobs", "2"]);
    let text = stdout(&again);
    assert_eq!(again.status.code(), Some(0), "{text}{}", stderr(&again));
    assert_eq!(text.matches(": identical\n").count(), 4, "{text}");
    assert!(text.ends_with("verdict: pass\n") && !text.contains("toolchain"), "{text}");
    for name in files(&out).iter().filter(|name| name.ends_with(".deb") || name.ends_with(".rpm")) {
        assert!(name.contains("-3"), "{name}");
        assert_eq!(
            fs::read(out.join(name)).unwrap(),
            fs::read(workspace.path("rebuilt").join(name)).unwrap()
        );
    }
    assert!(!workspace.path("rebuilt/.store").exists());
    // The kernel does not come from the first run's store.
    assert!(
        stderr(&again).contains("build") && !stderr(&again).contains("build  cached"),
        "{}",
        stderr(&again)
    );
}

#[test]
fn a_difference_outside_the_image_is_found_in_the_packages() {
    let workspace = Workspace::new();
    workspace.change_tree("Makefile", "@echo map >", "@date +%N >");
    let Some(_) = workspace.packages("dist", &["--format", "deb"]) else { return };
    let again = reproduce(&workspace, &[]);
    let text = stdout(&again);
    assert_eq!(again.status.code(), Some(1), "{text}{}", stderr(&again));
    assert!(text.contains("kernel's image: identical\n"), "{text}");
    assert!(text.contains("_amd64.deb: DIFFERS: ") && text.ends_with("verdict: FAIL\n"), "{text}");
    assert!(workspace.path("reproduced/report.json").exists());
}

#[test]
fn a_different_toolchain_is_named_first() {
    let workspace = Workspace::new();
    let Some(_) = workspace.packages("dist", &[]) else { return };
    change_report(&workspace, |report| report["toolchain"]["cc_text"] = "gcc (Other) 14.1".into());
    let again = reproduce(&workspace, &[]);
    assert!(stdout(&again).starts_with("toolchain: gcc "), "{}{}", stdout(&again), stderr(&again));
    assert!(stdout(&again).lines().next().unwrap().ends_with("gcc (Other) 14.1 recorded"));
}

#[test]
fn a_different_source_or_patch_is_refused() {
    let workspace = Workspace::new();
    let Some(_) = workspace.packages("dist", &[]) else { return };
    let patch = fs::read_to_string(workspace.path("own/one.patch")).unwrap();
    workspace.write("own/one.patch", patch.replace("AT ALL", "MORE"));
    let other = reproduce(&workspace, &[]);
    assert_eq!(other.status.code(), Some(3), "{}", stderr(&other));
    assert!(stderr(&other).contains("the patches are not the recorded ones"), "{}", stderr(&other));
    workspace.write("own/one.patch", patch);

    workspace.change_tree("Makefile", "@echo map >", "@echo mop >");
    let other = reproduce(&workspace, &[]);
    assert_eq!(other.status.code(), Some(3), "{}", stderr(&other));
    assert!(stderr(&other).contains("the source is not the recorded one"), "{}", stderr(&other));
}

/// Gives the tree an image that can be signed, and the options that a signed kernel requires.
fn make_signable(workspace: &Workspace) {
    fs::write(workspace.tree.path().join("kernel.efi"), pe::image()).unwrap();
    workspace.change_tree("Makefile", "@echo kernel $(LOCALVERSION) >", "@cp kernel.efi");
    let options =
        ["EFI", "EFI_STUB", "EFIVAR_FS", "CRYPTO", "CRYPTO_SHA256", "SECURITY", "SECURITY_LOCKDOWN_LSM"];
    let options: String = options.map(|name| format!("config {name}\n\tbool \"needed\"\n")).concat();
    workspace.change_tree("Kconfig", "config LOCALVERSION", &format!("{options}config LOCALVERSION"));
}

#[test]
fn a_signed_kernel_is_reproduced_only_with_its_own_key() {
    let (workspace, keys, others) = (Workspace::new(), Keys::new("My kernels"), Keys::new("Other kernels"));
    make_signable(&workspace);
    let signer = |keys: &Keys| {
        ["--secure-boot-key", keys.key.to_str().unwrap(), "--secure-boot-cert", keys.cert.to_str().unwrap()]
            .map(str::to_owned)
    };
    let reproduce =
        |signer: &[String]| reproduce(&workspace, &signer.iter().map(String::as_str).collect::<Vec<_>>());
    let own = signer(&keys);
    let Some(_) = workspace.packages("dist", &own.each_ref().map(String::as_str)) else { return };
    let again = reproduce(&own);
    let text = stdout(&again);
    assert_eq!(again.status.code(), Some(0), "{text}{}", stderr(&again));
    assert_eq!(text.matches(": identical\n").count(), 4, "{text}");

    for (given, fact) in
        [(&[][..], "signed by: CN=My kernels"), (&signer(&others), "given: CN=Other kernels")]
    {
        let refused = reproduce(given);
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(
            stderr(&refused).contains(fact) && stderr(&refused).contains("--secure-boot-key"),
            "{}",
            stderr(&refused)
        );
    }
    change_report(&workspace, |report| report["kernel"]["signed_by"] = Value::Null);
    let refused = reproduce(&own);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("the recorded kernel is not signed"), "{}", stderr(&refused));
}

#[test]
fn a_report_that_cannot_be_reproduced_is_a_usage_error() {
    let workspace = Workspace::new();
    workspace.write("not.json", "{}");
    let Some(_) = workspace.packages("dist", &[]) else { return };
    let run = |args: &[&str]| {
        let output = workspace.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        stderr(&output)
    };
    assert!(run(&["reproduce", "nowhere.json"]).contains("nowhere.json"));
    assert!(run(&["reproduce", "not.json"]).contains("not a report"));
    let own = ["--source", "dir:tree", "--series", "./own", "--kconfig", "./mine.config"];
    assert!(
        run(&[&["reproduce", "dist/report.json", "--out", "dist"], &own[..]].concat())
            .contains("the directory of the report")
    );
    change_report(&workspace, |report| report["artifacts"] = Value::Array(Vec::new()));
    assert!(run(&["reproduce", "dist/report.json"]).contains("lists no packages"));
}

/// A report may be a stranger's: it alone must not make a build use files and programs of this machine.
#[test]
fn a_report_names_no_file_and_no_program_that_a_build_would_run() {
    let workspace = Workspace::new();
    let Some(_) = workspace.packages("dist", &[]) else { return };
    let evil = workspace.write("evil", "#!/bin/sh\ntouch executed\n");
    fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    change_report(&workspace, |report| report["request"]["cc"] = evil.to_str().unwrap().into());
    let refused = workspace.run(&["reproduce", "dist/report.json"]);
    let text = stderr(&refused);
    assert_eq!(refused.status.code(), Some(2), "{text}");
    for value in ["a source: dir:/", "a series: ./own", "a kconfig: ./mine.config", "a compiler: /"] {
        assert!(text.contains(value), "{value}: {text}");
    }
    assert!(text.contains("--series './own' --kconfig './mine.config' --cc '/"), "{text}");
    assert!(!workspace.path("executed").exists() && !workspace.path("reproduced").exists());
}

/// What the report says of its source proves nothing: each kind of source is looked for and verified as in any run.
#[test]
fn an_archive_that_only_the_report_vouches_for_is_not_built() {
    let workspace = Workspace::new();
    let Some(_) = workspace.packages("dist", &[]) else { return };
    let git = |words: &[&str]| {
        let author = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"];
        must(Command::new("git").arg("-C").arg(workspace.tree.path()).args(author).args(words));
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Linux 6.1.5"]);
    git(&["tag", "--annotate", "--message", "Linux 6.1.5", "v6.1.5"]);
    let tree = workspace.tree.path().display();
    for (origin, url, status, reason) in [
        (
            "kernel.org",
            format!("{tree}"),
            3,
            "the store does not have 6.1.5, and --offline forbids downloads",
        ),
        ("debian", format!("{tree}"), 3, "the store does not have 6.1.5, and --offline forbids downloads"),
        (
            "git",
            format!("{tree}#v6.1.5"),
            2,
            "the report names a source of this machine, which the build would run",
        ),
        (
            "tarball",
            format!("{tree}"),
            2,
            "the report names a source of this machine, which the build would run",
        ),
    ] {
        change_report(&workspace, |report| {
            report["source"]["origin"] = origin.into();
            report["source"]["url"] = url.into();
            report["source"]["verified_by"] = "the detached signature by Greg Kroah-Hartman".into();
        });
        let own = ["--series", "./own", "--kconfig", "./mine.config", "--offline"];
        let refused = workspace.run(&[&["reproduce", "dist/report.json"], &own[..]].concat());
        let text = stderr(&refused);
        assert_eq!(refused.status.code(), Some(status), "{origin}: {text}");
        assert!(text.contains(reason), "{origin}: {text}");
        assert!(!text.contains("unpack  done") && !text.contains("builds /"), "{origin}: {text}");
    }
    // Repeated on the command line, the repository is a source like any other.
    let git = format!("git:{tree}#v6.1.5");
    let own = ["--series", "./own", "--kconfig", "./mine.config", "--source", &git];
    let refused = workspace.run(&[&["reproduce", "dist/report.json"], &own[..]].concat());
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("is not a signed tag"), "{}", stderr(&refused));
}

/// The store has an archive that an earlier run accepted with `--no-verify`. Nothing vouches for it.
#[test]
fn an_archive_that_was_never_verified_is_asked_for_again() {
    let workspace = Workspace::new();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all("linux-6.1.5", workspace.tree.path()).unwrap();
    workspace.write("linux-6.1.5.tar", archive.into_inner().unwrap());
    let Some(_) = workspace.packages("first", &[]) else { return };
    let mut tool = workspace.tool();
    tool.args(["package", "--release", "6.1.5", "--source", "tarball:linux-6.1.5.tar", "--no-verify"]);
    tool.args(["--series", "./own", "--kconfig", "./mine.config", "--packages", "image"]);
    let output = tool.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let own = ["--series", "./own", "--kconfig", "./mine.config"];
    let refused = workspace.run(&[&["reproduce", "dist/report.json"], &own[..]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("--source"), "{}", stderr(&refused));
}
