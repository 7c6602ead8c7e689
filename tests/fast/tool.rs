//! The tool's own packages, and the tool's name in its messages.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use kpatch_build::base::events::Events;
use kpatch_build::base::options::{Compression, Format};
use kpatch_build::base::stop::Stop;
use kpatch_build::stages::package::self_package::{Completions, NAME, SelfPackageRequest, write};

use crate::support::archives::{control, deb_parts, rpm_files, sha256, tar_files};
use crate::support::fixtures::fake_kernel::{TIMESTAMP, compile_program};
use crate::support::fixtures::{copy_program, write_program};
use crate::support::output::text;

const TOOL: &str = env!("CARGO_BIN_EXE_kpatch-build");
/// Files that could conflict, from the live-patching tool's packages: kpatch-build 0.9.11-1.1 in sid.
const OF_KPATCH: [&str; 4] = [
    "usr/bin/kpatch-build",
    "usr/share/man/man1/kpatch-build.1.gz",
    "usr/share/doc/kpatch-build/copyright",
    "usr/lib/kpatch/create-diff-object",
];

struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Fixture {
        Fixture(tempfile::tempdir().unwrap())
    }

    fn request(&self) -> SelfPackageRequest {
        let program = self.0.path().join("program");
        compile_program(&program);
        let out = self.0.path().join("out");
        fs::create_dir_all(&out).unwrap();
        SelfPackageRequest {
            program,
            version: "1.2.0-rc.1".into(),
            commit: Some("c0ffee".into()),
            revision: 3,
            manual: vec![
                (format!("{NAME}.1"), b"page".to_vec()),
                (format!("{NAME}-plan.1"), b"plan".to_vec()),
            ],
            completions: Completions { bash: b"bash".to_vec(), fish: b"fish".to_vec(), zsh: b"zsh".to_vec() },
            timestamp: TIMESTAMP,
            formats: vec![Format::Deb, Format::Rpm],
            compression: Compression::Xz,
            jobs: 2,
            out,
        }
    }

    /// Packages the tool. Returns the .deb and the .rpm.
    fn write(&self) -> [PathBuf; 2] {
        let written = write(&Events::silent(), &Stop::default(), &self.request()).unwrap();
        written.into_iter().map(|package| package.path).collect::<Vec<_>>().try_into().unwrap()
    }
}

#[test]
fn both_formats_contain_the_program_and_its_files() {
    let fixture = Fixture::new();
    let [deb, rpm] = fixture.write();
    assert_eq!(deb.file_name().unwrap(), "kpatch-build-kernel_1.2.0~rc.1-3_amd64.deb");
    assert_eq!(rpm.file_name().unwrap(), "kpatch-build-kernel-1.2.0~rc.1-3.x86_64.rpm");
    let program = fs::read(fixture.0.path().join("program")).unwrap();
    for (files, zsh) in [
        (tar_files(&deb_parts(&deb)["data.tar.xz"]), "usr/share/zsh/vendor-completions"),
        (rpm_files(&rpm), "usr/share/zsh/site-functions"),
    ] {
        let content = |path: &str| files[path].content.clone().unwrap();
        assert_eq!(content("usr/bin/kpatch-build-kernel"), program);
        assert_eq!(files["usr/bin/kpatch-build-kernel"].mode, 0o755);
        assert_eq!(content("usr/share/bash-completion/completions/kpatch-build-kernel"), b"bash");
        assert_eq!(content("usr/share/fish/vendor_completions.d/kpatch-build-kernel.fish"), b"fish");
        assert_eq!(content(&format!("{zsh}/_kpatch-build-kernel")), b"zsh");
        for (name, text) in [("kpatch-build-kernel", "page"), ("kpatch-build-kernel-plan", "plan")] {
            let page = content(&format!("usr/share/man/man1/{name}.1.gz"));
            // No flags and no time, as `gzip -n` writes (RFC 1952, 2.3).
            assert_eq!(page[3..8], [0; 5]);
            assert_eq!(std::io::read_to_string(flate2::read::GzDecoder::new(&page[..])).unwrap(), text);
        }
        for path in OF_KPATCH {
            assert!(!files.contains_key(path), "{path} is the live-patching tool's");
        }
    }
}

#[test]
fn the_units_start_the_program_with_the_packaged_configuration() {
    let fixture = Fixture::new();
    let [deb, _] = fixture.write();
    let files = tar_files(&deb_parts(&deb)["data.tar.xz"]);
    let unit = &files["usr/lib/systemd/system/kpatch-build-kernel@.service"].content;
    let unit = String::from_utf8(unit.clone().unwrap()).unwrap();
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let command = command.replace("%i", "nightly");
    let (program, arguments) = command.split_once(' ').unwrap();
    assert!(files.contains_key(program.trim_start_matches('/')), "{command}");

    // The same command line below another root, for a subcommand that needs no network.
    let root = tempfile::tempdir().unwrap();
    let below = |path: &str| format!("{}{path}", root.path().display());
    let config = "/etc/kpatch-build-kernel/nightly.toml";
    fs::create_dir_all(Path::new(&below(config)).parent().unwrap()).unwrap();
    fs::write(below(config), files[&config[1..]].content.as_ref().unwrap()).unwrap();
    let arguments = arguments.split(' ').map(|word| match word.starts_with('/') {
        true => below(word),
        false => word.to_owned(),
    });
    let output = Command::new(TOOL).arg("doctor").args(arguments).output().unwrap();
    // 69: the host is missing something, which is not an error of the unit.
    assert!(matches!(output.status.code(), Some(0 | 69)), "{command}\n{}", text(&output));
    assert!(text(&output).contains("C compiler"), "{}", text(&output));
}

#[test]
fn upgrades_keep_the_administrators_nightly_configuration() {
    let fixture = Fixture::new();
    let [deb, rpm] = fixture.write();
    assert_eq!(control(&deb, "conffiles"), "/etc/kpatch-build-kernel/nightly.toml\n");
    assert!(!control(&deb, "md5sums").contains("nightly.toml"));
    let metadata = rpm::PackageMetadata::open(&rpm).unwrap();
    let entries = metadata.get_file_entries().unwrap();
    let flags = |end: &str| entries.iter().find(|entry| entry.path().ends_with(end)).unwrap().flags();
    assert!(flags("nightly.toml").contains(rpm::FileFlags::CONFIG | rpm::FileFlags::NOREPLACE));
    assert!(flags("COPYING").contains(rpm::FileFlags::LICENSE));
    assert!(flags("kpatch-build-kernel.1.gz").contains(rpm::FileFlags::DOC));
}

#[test]
fn the_packages_depend_on_the_programs_libraries_and_replace_nothing() {
    let fixture = Fixture::new();
    let [deb, rpm] = fixture.write();
    let fields = control(&deb, "control");
    assert!(fields.contains("\nDepends: libc6 (>= 2."), "{fields}");
    let metadata = rpm::PackageMetadata::open(&rpm).unwrap();
    let requires = metadata.get_requires().unwrap();
    assert!(requires.iter().any(|need| need.name.starts_with("libc.so.6(GLIBC_2.")), "{requires:?}");
    for field in ["Conflicts", "Replaces", "Breaks", "Provides"] {
        assert!(!fields.contains(&format!("\n{field}: ")), "{fields}");
    }
    assert!(metadata.get_conflicts().unwrap().is_empty() && metadata.get_obsoletes().unwrap().is_empty());
}

#[test]
fn the_tools_packages_do_not_depend_on_paths_and_threads() {
    let (one, two) = (Fixture::new(), Fixture::new());
    let program = fs::read(one.request().program).unwrap();
    let sums = |fixture: &Fixture, jobs| -> Vec<_> {
        let request = SelfPackageRequest { jobs, ..fixture.request() };
        fs::write(&request.program, &program).unwrap();
        let written = write(&Events::silent(), &Stop::default(), &request).unwrap();
        for package in &written {
            assert_eq!(sha256(&fs::read(&package.path).unwrap()), package.sha256);
        }
        written.into_iter().map(|package| package.sha256).collect()
    };
    assert_eq!(sums(&one, 1), sums(&two, 4));
}

#[test]
fn the_tool_packages_itself_as_kpatch_build_kernel() {
    let out = tempfile::tempdir().unwrap();
    let run = || {
        Command::new(TOOL)
            .args(["package-self", "--format", "deb", "--compression", "zstd", "--out"])
            .arg(out.path())
            .env("SOURCE_DATE_EPOCH", TIMESTAMP.to_string())
            .output()
            .unwrap()
    };
    let output = run();
    assert!(output.status.success(), "{}", text(&output));
    let path = String::from_utf8(output.stdout).unwrap();
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
    let files = tar_files(&deb_parts(Path::new(path.trim_end()))["data.tar.zst"]);
    assert!(files["usr/bin/kpatch-build-kernel"].content.as_ref().unwrap() == &fs::read(TOOL).unwrap());
    let page = |name: &str| {
        let found = files[&format!("usr/share/man/man1/{name}.1.gz")].content.clone().unwrap();
        std::io::read_to_string(flate2::read::GzDecoder::new(&found[..])).unwrap()
    };
    assert!(page("kpatch-build-kernel").contains("kpatch\\-build\\-kernel \\-\\-release 6.1.y"));
    assert!(page("kpatch-build-kernel-cache-list").contains("kpatch\\-build\\-kernel\\-cache\\-list"));
    let names: BTreeSet<_> = files.keys().filter(|path| path.contains("kpatch-build")).collect();
    let foreign: Vec<_> = names.iter().filter(|path| !path.contains(NAME)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    for (path, found) in &files {
        assert_eq!(found.mtime, TIMESTAMP as u64, "{path}");
    }
}

#[test]
fn an_invalid_time_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let output = Command::new(TOOL)
        .args(["package-self", "--out"])
        .arg(&out)
        .env("SOURCE_DATE_EPOCH", "yesterday")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("SOURCE_DATE_EPOCH is \"yesterday\"") && !out.exists());
}

#[test]
fn usage_errors_and_completions_use_the_name_of_the_program_file() {
    let dir = tempfile::tempdir().unwrap();
    let renamed = dir.path().join("kernel-kit");
    symlink(TOOL, &renamed).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(&renamed).args(args).current_dir(dir.path()).output().unwrap();
        text(&output)
    };
    assert!(run(&["--version"]).starts_with("kernel-kit "));
    let usage = run(&["plan", "--no-such-flag"]);
    assert!(usage.contains("Usage: kernel-kit plan "), "{usage}");
    let error = run(&["cache", "remove", "results/none", "--store", "store"]);
    assert!(error.starts_with("kernel-kit: "), "{error}");
    assert!(error.contains("next: choose one from `kernel-kit cache list`"), "{error}");
    assert!(run(&["completions", "bash"]).contains("complete -F _kernel__kit"));
    assert!(run(&["man"]).contains(".TH kernel-kit 1"));
}

/// An upgrade of the package removes the program's file while a nightly build runs.
#[test]
fn a_run_continues_when_the_programs_file_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("kb");
    copy_program(Path::new(TOOL), &program);
    let cc = dir.path().join("cc");
    write_program(&cc, "rm -f \"${0%/cc}/kb\"\nexec gcc \"$@\"");
    let doctor = |program: &Path, cc: &str| {
        let command = &mut Command::new(program);
        let output = command.args(["doctor", "--cc", cc, "--store"]).arg(dir.path()).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        found.lines().filter(|line| line.contains("headers")).map(str::to_owned).collect::<Vec<_>>()
    };
    let found = doctor(&program, cc.to_str().unwrap());
    assert!(!program.exists(), "the compiler did not run");
    assert_eq!(found, doctor(Path::new(TOOL), "gcc"));
    assert!(!found.is_empty());
}
