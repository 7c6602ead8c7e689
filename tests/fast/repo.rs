//! `repo`: a published repository is complete, signed and replaced atomically.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kpatch_build::base::error::{Exit, Explain};
use kpatch_build::base::options::Format::{Deb, Rpm};
use kpatch_build::repo::{Error, Published};

use crate::support::fixtures::fake_kernel;
use crate::support::output::stderr;
use crate::support::repository::{Fixture, Key, date, sha, snapshot, unpacked};

const ONE: &str = "6.1.187-copy-segments-boot";
const TWO: &str = "6.1.187-zeroed-boot";

fn tool(fixture: &Fixture, change: &[&str]) -> Output {
    let mut command = command(fixture, &fixture.out());
    command.args(change).output().unwrap()
}

fn command(fixture: &Fixture, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
    command.arg("repo").arg(fixture.packages()).arg("--openpgp-key").arg(fixture.key.path());
    command.arg("--out").arg(out).env_remove("SOURCE_DATE_EPOCH");
    command
}

#[test]
fn every_package_found_is_published_and_signed() {
    let fixture = Fixture::new();
    fixture.add(ONE, 1, &[Deb, Rpm]);
    fixture.add(TWO, 1, &[Deb, Rpm]);
    let published = fixture.publish().unwrap();
    let repository = |name: &str| Published { path: fixture.out().join(name), packages: 2, generation: 1 };
    assert_eq!(published, [repository("apt"), repository("rpm")]);

    let debs = fixture.apt();
    assert_eq!(debs.len(), 2);
    let deb = &debs[0];
    assert_eq!(deb.get("Package").unwrap(), format!("linux-image-{ONE}"));
    assert_eq!(deb.get("Version"), Some("6.1.187-1"));
    assert!(deb.get("Depends").unwrap().contains("linux-base"));
    let pool = format!("pool/main/l/linux-image-{ONE}/linux-image-{ONE}_6.1.187-1_amd64.deb");
    assert_eq!(deb.get("Filename"), Some(pool.as_str()));
    let release = fixture.text("apt/dists/kpatch-build/Release");
    let date = jiff::Timestamp::from_second(date()).unwrap().strftime("%a, %d %b %Y %H:%M:%S UTC");
    for line in [&*format!("Date: {date}"), "Architectures: amd64", "Components: main"] {
        assert!(release.lines().any(|have| have == line), "no {line} in\n{release}");
    }

    let rpms = fixture.dnf();
    assert_eq!(rpms.len(), 2);
    let rpm = &rpms[&format!("kernel-kpatch-{ONE}")];
    assert_eq!(rpm.as_evr().to_string(), "0:6.1.187-1");
    let provided: Vec<_> = rpm.provides().iter().map(|provided| provided.name()).collect();
    assert!(
        provided.contains(&"kernel-uname-r") && provided.contains(&"installonlypkg(kernel)"),
        "{provided:?}"
    );
    let script = rpm.requires().iter().find(|required| required.name() == "/usr/bin/kernel-install").unwrap();
    assert!(script.preinstall());
    assert!(rpm.files().iter().any(|file| file.path() == format!("/lib/modules/{ONE}/vmlinuz")));
}

#[test]
fn the_repository_contains_configuration_files_for_its_clients() {
    let fixture = Fixture::new();
    fixture.add(ONE, 1, &[Deb, Rpm]);
    fixture.publish_with(|request| request.address = "https://example.org/kernels/".into()).unwrap();
    let apt = fixture.text("kpatch-build.sources");
    assert!(apt.contains("URIs: https://example.org/kernels/apt\nSuites: kpatch-build\n"), "{apt}");
    let dnf = fixture.text("kpatch-build.repo");
    for line in ["baseurl=https://example.org/kernels/rpm", "repo_gpgcheck=1", "gpgcheck=1"] {
        assert!(dnf.lines().any(|have| have == line), "no {line} in\n{dnf}");
    }
    assert!(dnf.contains("gpgkey=https://example.org/kernels/kpatch-build.asc\n"));
    assert_eq!(fixture.text("kpatch-build.asc"), fixture.key.load().certificate());
}

#[test]
fn the_same_packages_key_and_date_give_the_same_bytes() {
    let fixture = Fixture::new();
    fixture.add(ONE, 1, &[Deb, Rpm]);
    fixture.publish().unwrap();
    let first = snapshot(&fixture.out());
    for path in fixture.packages().read_dir().unwrap() {
        let later = std::time::SystemTime::now() + Duration::from_secs(5000);
        fs::File::open(path.unwrap().path()).unwrap().set_modified(later).unwrap();
    }
    let other_out = fixture.dir.path().join("other");
    fixture.publish_with(|request| request.out = other_out.clone()).unwrap();
    let second = snapshot(&other_out);
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (path, content) in &first {
        assert!(second[path] == *content, "{} differs", path.display());
    }
}

#[test]
fn signing_an_rpm_changes_neither_its_header_nor_its_payload() {
    let fixture = Fixture::new();
    let original = fixture.add(ONE, 1, &[Rpm]).remove(0);
    fixture.publish().unwrap();
    let path = fixture.dnf().into_values().next().unwrap().location_href().to_owned();
    let before = rpm::Package::open(&original).unwrap();
    let after = rpm::Package::open(fixture.out().join("rpm").join(&path)).unwrap();
    assert!(before.metadata.header_bytes().unwrap() == after.metadata.header_bytes().unwrap());
    assert!(before.payload == after.payload);
    let has = |package: &rpm::Package, tag| package.metadata.signature.entry_is_present(tag);
    assert!(!has(&before, rpm::IndexSignatureTag::RPMSIGTAG_DSA));
    assert!(has(&after, rpm::IndexSignatureTag::RPMSIGTAG_DSA));

    // Another key gives another file; the old file stays for clients that request it.
    let key = Key::new();
    fixture.publish_with(|request| request.key = key.load()).unwrap();
    assert!(fixture.out().join("rpm").join(&path).is_file());
    assert_eq!(fixture.out().join("rpm/packages").read_dir().unwrap().count(), 2);
}

#[test]
fn only_indexes_and_packages_of_kept_generations_stay() {
    let fixture = Fixture::new();
    let keep_two = || fixture.publish_with(|request| request.keep = 2).unwrap();
    let by_hash = "apt/dists/kpatch-build/main/binary-amd64/by-hash/SHA256";
    fixture.add(ONE, 1, &[Deb, Rpm]);
    keep_two();
    let first = fixture.read("apt/dists/kpatch-build/main/binary-amd64/Packages.xz");
    let (first_index, first_deb) = (format!("{by_hash}/{}", sha(&first)), fixture.apt().remove(0));
    let primary = |fixture: &Fixture| {
        let repomd = fixture.text("rpm/repodata/repomd.xml");
        let href = repomd.lines().find(|line| line.contains("-primary.xml.gz")).unwrap();
        format!("rpm/{}", href.split('"').nth(1).unwrap())
    };
    let (first_primary, first_rpm) = (primary(&fixture), fixture.dnf().into_values().next().unwrap());

    fixture.clear();
    fixture.add(TWO, 1, &[Deb, Rpm]);
    keep_two();
    assert_eq!(fixture.debs(), [format!("linux-image-{TWO} 6.1.187-1")]);
    assert_eq!(fixture.dnf().keys().collect::<Vec<_>>(), [&format!("kernel-kpatch-{TWO}")]);
    assert!(fixture.read(&first_index) == first);
    assert!(unpacked(fixture.read(&first_primary)).contains(ONE));
    let deb = format!("apt/{}", first_deb.get("Filename").unwrap());
    let rpm = format!("rpm/{}", first_rpm.location_href());
    assert_eq!(Some(sha(&fixture.read(&deb)).as_str()), first_deb.get("SHA256"));
    assert_eq!(sha(&fixture.read(&rpm)), first_rpm.checksum().to_values().unwrap().1);

    keep_two();
    fixture.apt();
    fixture.dnf();
    for gone in [first_index, first_primary, deb, rpm] {
        assert!(!fixture.out().join(&gone).exists(), "{gone}");
    }
    let left: BTreeSet<_> = snapshot(&fixture.out()).into_keys().collect();
    assert!(!left.iter().any(|path| path.to_string_lossy().contains(ONE)), "{left:#?}");
    assert_eq!(fixture.out().join("apt/generations").read_dir().unwrap().count(), 2);
}

#[test]
fn a_format_without_packages_gets_no_repository_and_an_existing_one_becomes_empty() {
    let fixture = Fixture::new();
    let deb = fixture.add(ONE, 1, &[Deb]).remove(0);
    assert_eq!(fixture.publish().unwrap().len(), 1);
    assert!(!fixture.out().join("rpm").exists());
    fs::remove_file(deb).unwrap();
    fixture.add(ONE, 1, &[Rpm]);
    fixture.publish().unwrap();
    assert_eq!((fixture.apt().len(), fixture.dnf().len()), (0, 1));
}

#[test]
fn packages_of_several_runs_are_found_and_the_repository_itself_is_not_searched() {
    let fixture = Fixture::new();
    for (dir, release) in [("a", ONE), ("b/c", TWO), ("d", ONE)] {
        let deb = fixture.add(release, 1, &[Deb]).remove(0);
        let to = fixture.packages().join(dir);
        fs::create_dir_all(&to).unwrap();
        fs::rename(&deb, to.join(deb.file_name().unwrap())).unwrap();
    }
    fs::write(fixture.packages().join(".hidden.deb"), "not a package").unwrap();
    let inside = fixture.packages().join("repository");
    for _ in 0..2 {
        let published = fixture.publish_with(|request| request.out = inside.clone()).unwrap();
        assert_eq!(published[0].packages, 2);
        fs::write(inside.join("broken.deb"), "not a package").unwrap();
    }
}

#[test]
fn two_different_packages_with_the_same_name_and_version_are_refused_and_named() {
    for format in [Deb, Rpm] {
        let fixture = Fixture::new();
        let path = fixture.add(ONE, 1, &[format]).remove(0);
        let other = fixture.packages().join("other");
        fs::create_dir(&other).unwrap();
        let moved = other.join(path.file_name().unwrap());
        fs::rename(&path, &moved).unwrap();
        let machine = fake_kernel::Machine::new();
        let kernel = machine.kernel(ONE, |modules| fs::write(modules.join("modules.order"), "x\n").unwrap());
        let mut request = machine.request();
        (request.formats, request.out) = (vec![format], fixture.packages());
        kpatch_build::stages::package::write(&machine.context, &request, &kernel).unwrap();

        let error = fixture.publish().unwrap_err();
        assert!(matches!(error, Error::Differ { .. }), "{error}");
        assert_eq!(error.exit(), Exit::StageFailed);
        for named in [&path, &moved] {
            assert!(error.facts().contains(&named.display().to_string()), "{:?}", error.facts());
        }
        assert!(!fixture.out().exists());

        // Publishing one after the other is refused too, because clients may have installed the first.
        fs::rename(&path, fixture.dir.path().join("kept")).unwrap();
        fixture.publish().unwrap();
        fs::remove_file(&moved).unwrap();
        fs::rename(fixture.dir.path().join("kept"), &path).unwrap();
        let error = fixture.publish().unwrap_err();
        assert!(matches!(error, Error::Published { .. }), "{error}");
        fixture.publish_with(|request| request.out = fixture.dir.path().join("new")).unwrap();
    }
}

#[test]
fn an_unreadable_package_is_named_and_nothing_is_published() {
    let cut = |path: &Path| {
        let content = fs::read(path).unwrap();
        fs::write(path, &content[..content.len() - 300]).unwrap();
    };
    let garbage = |path: &Path| fs::write(path, "garbage").unwrap();
    let payload = |path: &Path| {
        let mut content = fs::read(path).unwrap();
        let place = content.len() - 100;
        content[place] ^= 1;
        fs::write(path, content).unwrap();
    };
    let header = |path: &Path| {
        let mut content = fs::read(path).unwrap();
        let place = content.windows(6).rposition(|word| word == b"x86_64").unwrap();
        content[place] ^= 1;
        fs::write(path, content).unwrap();
    };
    type Damage<'a> = &'a dyn Fn(&Path);
    let damages: [(_, Damage); 6] =
        [(Deb, &cut), (Deb, &garbage), (Rpm, &cut), (Rpm, &garbage), (Rpm, &payload), (Rpm, &header)];
    for (number, (format, damage)) in damages.into_iter().enumerate() {
        let fixture = Fixture::new();
        fixture.add(TWO, 1, &[Deb, Rpm]);
        let path = fixture.add(ONE, 1, &[format]).remove(0);
        damage(&path);
        let output = tool(&fixture, &[]);
        assert_eq!(output.status.code(), Some(3), "damage {number}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(&path.display().to_string()),
            "damage {number}: {}",
            stderr(&output)
        );
        assert!(!fixture.out().exists());
    }
}

/// Every number in the indexes of both headers (format_header.md) takes values that a length or an offset never has.
#[test]
fn an_rpm_with_a_damaged_header_is_refused_without_a_crash() {
    let fixture = Fixture::new();
    let path = fixture.add(ONE, 1, &[Rpm]).remove(0);
    let original = fs::read(&path).unwrap();
    let number = |at: usize| u32::from_be_bytes(original[at..at + 4].try_into().unwrap()) as usize;
    let (lead, start, entry) = (96, 16, 16);
    let signature = start + number(lead + 8) * entry + number(lead + 12);
    let main = lead + signature.next_multiple_of(8);
    let mut refused = 0;
    for header in [lead, main] {
        let words = (0..number(header + 8) * entry / 4).map(|word| header + start + word * 4);
        for place in [header, header + 8, header + 12].into_iter().chain(words) {
            let values = [0x7fff_ffff_u32, 0xffff_fff0, number(place) as u32 ^ 0x100];
            let value = values[place / 4 % values.len()];
            let mut damaged = original.clone();
            damaged[place..place + 4].copy_from_slice(&value.to_be_bytes());
            fs::write(&path, damaged).unwrap();
            match fixture.publish() {
                // No checksum covers the signature header, and publishing replaces it.
                Ok(_) => assert_eq!(header, lead, "{value:#x} at {place}"),
                Err(error) => {
                    assert_eq!(error.exit(), Exit::StageFailed, "{value:#x} at {place}: {error}");
                    assert!(error.to_string().contains(".rpm"), "{value:#x} at {place}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 150, "{refused}");
}

#[test]
fn a_later_change_of_a_package_does_not_reach_the_repository() {
    let fixture = Fixture::new();
    let paths = fixture.add(ONE, 1, &[Deb, Rpm]);
    let kept = fixture.dir.path().join("kept.deb");
    fs::rename(&paths[0], &kept).unwrap();
    std::os::unix::fs::symlink(&kept, &paths[0]).unwrap();
    fixture.publish().unwrap();
    for path in paths {
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, b"!").unwrap();
    }
    // Both compare every file with the signed indexes.
    assert_eq!((fixture.apt().len(), fixture.dnf().len()), (1, 1));
}

#[test]
fn usage_errors_write_nothing() {
    let fixture = Fixture::new();
    let empty = tool(&fixture, &[]);
    assert_eq!(empty.status.code(), Some(2), "{}", stderr(&empty));
    assert!(stderr(&empty).contains("contains no packages"), "{}", stderr(&empty));
    fixture.add(ONE, 1, &[Deb]);
    let foreign = fixture.dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "").unwrap();
    for (args, named) in [
        (&["--url", "https://example.org/two words"][..], "two words"),
        (&["--url", "example.org"], "example.org"),
        (&["--keep", "0"], "--keep"),
    ] {
        let output = tool(&fixture, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{args:?}: {}", stderr(&output));
        assert!(!fixture.out().exists(), "{args:?}");
    }
    let output = command(&fixture, &foreign).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("neither empty nor a repository"), "{}", stderr(&output));
    assert_eq!(foreign.read_dir().unwrap().count(), 1);
    let missing = Command::new(env!("CARGO_BIN_EXE_kpatch-build"))
        .args(["repo", "nowhere", "--openpgp-key"])
        .arg(fixture.key.path())
        .current_dir(fixture.dir.path())
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2), "{}", stderr(&missing));
    assert!(!fixture.dir.path().join("repository").exists());
    let keyless = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
        command.arg("repo").arg(fixture.packages()).current_dir(fixture.dir.path());
        command
    };
    let output = keyless().output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--openpgp-key"), "{}", stderr(&output));
    // The configuration file may provide the key.
    let line = format!("openpgp-key = \"{}\"\n", fixture.key.path().display());
    fs::write(fixture.dir.path().join("kpatch-build.toml"), line).unwrap();
    let output = keyless().env_remove("SOURCE_DATE_EPOCH").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    fixture.apt();
}

#[test]
fn a_repository_never_gets_an_older_date() {
    let fixture = Fixture::new();
    fixture.add(ONE, 1, &[Deb]);
    fixture.publish().unwrap();
    fixture.publish().unwrap();
    let before = snapshot(&fixture.out());
    let error = fixture.publish_with(|request| request.date = date() - 1).unwrap_err();
    assert!(matches!(error, Error::Backwards { .. }), "{error}");
    assert!(snapshot(&fixture.out()) == before);
}

#[test]
fn a_killed_run_leaves_the_old_repository_or_the_new_one() {
    let fixture = Fixture::new();
    fixture.add(ONE, 1, &[Deb, Rpm]);
    // The faster of two runs, because the first one starts with cold caches.
    let timed = || {
        let started = std::time::Instant::now();
        assert!(tool(&fixture, &[]).status.success());
        started.elapsed()
    };
    let whole = timed().min(timed());
    let mut killed = 0;
    for attempt in 1..=10 {
        // Each run publishes another list of packages.
        fixture.add(&format!("{TWO}{attempt}"), 1, &[Deb, Rpm]);
        let debs = fixture.debs().len();
        let mut run =
            command(&fixture, &fixture.out()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * attempt / 10);
        killed += usize::from(run.try_wait().unwrap().is_none());
        let _ = run.kill();
        run.wait().unwrap();
        let seen = fixture.debs().len();
        assert!(seen == debs || seen == attempt as usize + 1, "{seen} after {debs}");
        fixture.dnf();
    }
    assert!(killed > 0, "every run ended before it was killed");
    let repaired = tool(&fixture, &["--keep", "1"]);
    assert!(repaired.status.success(), "{}", stderr(&repaired));
    assert_eq!((fixture.apt().len(), fixture.dnf().len()), (11, 11));
    for path in snapshot(&fixture.out()).into_keys() {
        assert!(!path.to_string_lossy().contains("unfinished"), "{} was left", path.display());
    }
    assert_eq!(fixture.out().join("apt/generations").read_dir().unwrap().count(), 1);
}
