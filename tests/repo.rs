//! `repo`: what is published is whole, signed, and replaced in one step.

mod fake_kernel;
mod http;
mod repository;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kpatch_build::base::error::{Exit, Explain};
use kpatch_build::base::options::Format::{Deb, Rpm};
use kpatch_build::repo::{Error, Published};
use repository::{Bench, DATE, Key, sha, snapshot, unpacked};

const ONE: &str = "6.1.187-copy-segments-boot";
const TWO: &str = "6.1.187-zeroed-boot";

fn tool(bench: &Bench, change: &[&str]) -> Output {
    let mut command = command(bench, &bench.out());
    command.args(change).output().unwrap()
}

fn command(bench: &Bench, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
    command.arg("repo").arg(bench.packages()).arg("--signing-key").arg(bench.key.path());
    command.arg("--out").arg(out).env_remove("SOURCE_DATE_EPOCH");
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_published_is_what_was_found_and_is_signed() {
    let bench = Bench::new();
    bench.add(ONE, 1, &[Deb, Rpm]);
    bench.add(TWO, 1, &[Deb, Rpm]);
    let published = bench.publish().unwrap();
    let half = |name: &str| Published { path: bench.out().join(name), packages: 2, generation: 1 };
    assert_eq!(published, [half("apt"), half("rpm")]);

    let debs = bench.apt();
    assert_eq!(debs.len(), 2);
    let deb = &debs[0];
    assert_eq!(deb.get("Package").unwrap(), format!("linux-image-{ONE}"));
    assert_eq!(deb.get("Version"), Some("6.1.187-1"));
    assert!(deb.get("Depends").unwrap().contains("linux-base"));
    let pool = format!("pool/main/l/linux-image-{ONE}/linux-image-{ONE}_6.1.187-1_amd64.deb");
    assert_eq!(deb.get("Filename"), Some(pool.as_str()));
    let release = bench.text("apt/dists/kpatch-build/Release");
    for line in ["Date: Sun, 17 Mar 2030 17:46:40 UTC", "Architectures: amd64", "Components: main"] {
        assert!(release.lines().any(|have| have == line), "no {line} in\n{release}");
    }

    let rpms = bench.dnf();
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
fn clients_are_told_how_to_use_it() {
    let bench = Bench::new();
    bench.add(ONE, 1, &[Deb, Rpm]);
    bench.publish_with(|order| order.address = "https://example.org/kernels/".into()).unwrap();
    let apt = bench.text("kpatch-build.sources");
    assert!(apt.contains("URIs: https://example.org/kernels/apt\nSuites: kpatch-build\n"), "{apt}");
    let dnf = bench.text("kpatch-build.repo");
    for line in ["baseurl=https://example.org/kernels/rpm", "repo_gpgcheck=1", "gpgcheck=1"] {
        assert!(dnf.lines().any(|have| have == line), "no {line} in\n{dnf}");
    }
    assert!(dnf.contains("gpgkey=https://example.org/kernels/kpatch-build.asc\n"));
    assert_eq!(bench.text("kpatch-build.asc"), bench.key.load().certificate());
}

#[test]
fn the_same_packages_key_and_time_give_the_same_bytes() {
    let bench = Bench::new();
    bench.add(ONE, 1, &[Deb, Rpm]);
    bench.publish().unwrap();
    let first = snapshot(&bench.out());
    for path in bench.packages().read_dir().unwrap() {
        let later = std::time::SystemTime::now() + Duration::from_secs(5000);
        fs::File::open(path.unwrap().path()).unwrap().set_modified(later).unwrap();
    }
    let elsewhere = bench.dir.path().join("elsewhere");
    bench.publish_with(|order| order.out = elsewhere.clone()).unwrap();
    let second = snapshot(&elsewhere);
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (path, content) in &first {
        assert!(second[path] == *content, "{} differs", path.display());
    }
}

#[test]
fn an_rpm_gets_a_signature_and_stays_the_same_package() {
    let bench = Bench::new();
    let original = bench.add(ONE, 1, &[Rpm]).remove(0);
    bench.publish().unwrap();
    let path = bench.dnf().into_values().next().unwrap().location_href().to_owned();
    let before = rpm::Package::open(&original).unwrap();
    let after = rpm::Package::open(bench.out().join("rpm").join(&path)).unwrap();
    assert!(before.metadata.header_bytes().unwrap() == after.metadata.header_bytes().unwrap());
    assert!(before.payload == after.payload);
    let has = |package: &rpm::Package, tag| package.metadata.signature.entry_is_present(tag);
    assert!(!has(&before, rpm::IndexSignatureTag::RPMSIGTAG_DSA));
    assert!(has(&after, rpm::IndexSignatureTag::RPMSIGTAG_DSA));

    // Signed with another key it is another file: the old one stays for clients that ask for it.
    let key = Key::new();
    bench.publish_with(|order| order.key = key.load()).unwrap();
    assert!(bench.out().join("rpm").join(&path).is_file());
    assert_eq!(bench.out().join("rpm/packages").read_dir().unwrap().count(), 2);
}

#[test]
fn indexes_and_packages_of_the_last_generations_stay_and_older_ones_go() {
    let bench = Bench::new();
    let keep_two = || bench.publish_with(|order| order.keep = 2).unwrap();
    let by_hash = "apt/dists/kpatch-build/main/binary-amd64/by-hash/SHA256";
    bench.add(ONE, 1, &[Deb, Rpm]);
    keep_two();
    let first = bench.read("apt/dists/kpatch-build/main/binary-amd64/Packages.xz");
    let (first_index, first_deb) = (format!("{by_hash}/{}", sha(&first)), bench.apt().remove(0));
    let primary = |bench: &Bench| {
        let repomd = bench.text("rpm/repodata/repomd.xml");
        let href = repomd.lines().find(|line| line.contains("-primary.xml.gz")).unwrap();
        format!("rpm/{}", href.split('"').nth(1).unwrap())
    };
    let (first_primary, first_rpm) = (primary(&bench), bench.dnf().into_values().next().unwrap());

    bench.clear();
    bench.add(TWO, 1, &[Deb, Rpm]);
    keep_two();
    assert_eq!(bench.debs(), [format!("linux-image-{TWO} 6.1.187-1")]);
    assert_eq!(bench.dnf().keys().collect::<Vec<_>>(), [&format!("kernel-kpatch-{TWO}")]);
    assert!(bench.read(&first_index) == first);
    assert!(unpacked(bench.read(&first_primary)).contains(ONE));
    let deb = format!("apt/{}", first_deb.get("Filename").unwrap());
    let rpm = format!("rpm/{}", first_rpm.location_href());
    assert_eq!(Some(sha(&bench.read(&deb)).as_str()), first_deb.get("SHA256"));
    assert_eq!(sha(&bench.read(&rpm)), first_rpm.checksum().to_values().unwrap().1);

    keep_two();
    bench.apt();
    bench.dnf();
    for gone in [first_index, first_primary, deb, rpm] {
        assert!(!bench.out().join(&gone).exists(), "{gone}");
    }
    let left: BTreeSet<_> = snapshot(&bench.out()).into_keys().collect();
    assert!(!left.iter().any(|path| path.to_string_lossy().contains(ONE)), "{left:#?}");
    assert_eq!(bench.out().join("apt/generations").read_dir().unwrap().count(), 2);
}

#[test]
fn a_format_without_packages_gets_no_repository_but_one_that_is_there_is_emptied() {
    let bench = Bench::new();
    let deb = bench.add(ONE, 1, &[Deb]).remove(0);
    assert_eq!(bench.publish().unwrap().len(), 1);
    assert!(!bench.out().join("rpm").exists());
    fs::remove_file(deb).unwrap();
    bench.add(ONE, 1, &[Rpm]);
    bench.publish().unwrap();
    assert_eq!((bench.apt().len(), bench.dnf().len()), (0, 1));
}

#[test]
fn packages_of_several_runs_are_found_and_the_repository_itself_is_not_searched() {
    let bench = Bench::new();
    for (folder, release) in [("a", ONE), ("b/c", TWO), ("d", ONE)] {
        let deb = bench.add(release, 1, &[Deb]).remove(0);
        let to = bench.packages().join(folder);
        fs::create_dir_all(&to).unwrap();
        fs::rename(&deb, to.join(deb.file_name().unwrap())).unwrap();
    }
    fs::write(bench.packages().join(".hidden.deb"), "not one").unwrap();
    let inside = bench.packages().join("repository");
    for _ in 0..2 {
        let published = bench.publish_with(|order| order.out = inside.clone()).unwrap();
        assert_eq!(published[0].packages, 2);
        fs::write(inside.join("broken.deb"), "not one").unwrap();
    }
}

#[test]
fn two_packages_of_one_name_and_version_are_refused_and_both_are_named() {
    for format in [Deb, Rpm] {
        let bench = Bench::new();
        let path = bench.add(ONE, 1, &[format]).remove(0);
        let other = bench.packages().join("other");
        fs::create_dir(&other).unwrap();
        let moved = other.join(path.file_name().unwrap());
        fs::rename(&path, &moved).unwrap();
        let machine = fake_kernel::Machine::new();
        let kernel = machine.kernel(ONE, |modules| fs::write(modules.join("modules.order"), "x\n").unwrap());
        let mut order = machine.order();
        (order.formats, order.out) = (vec![format], bench.packages());
        kpatch_build::stages::package::write(&machine.context, &order, &kernel).unwrap();

        let error = bench.publish().unwrap_err();
        assert!(matches!(error, Error::Differ { .. }), "{error}");
        assert_eq!(error.exit(), Exit::StageFailed);
        for named in [&path, &moved] {
            assert!(error.facts().contains(&named.display().to_string()), "{:?}", error.facts());
        }
        assert!(!bench.out().exists());

        // The one after the other is no better: clients may have the first.
        fs::rename(&path, bench.dir.path().join("kept")).unwrap();
        bench.publish().unwrap();
        fs::remove_file(&moved).unwrap();
        fs::rename(bench.dir.path().join("kept"), &path).unwrap();
        let error = bench.publish().unwrap_err();
        assert!(matches!(error, Error::Published { .. }), "{error}");
        bench.publish_with(|order| order.out = bench.dir.path().join("new")).unwrap();
    }
}

#[test]
fn a_package_that_cannot_be_read_is_named_and_nothing_is_published() {
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
        let bench = Bench::new();
        bench.add(TWO, 1, &[Deb, Rpm]);
        let path = bench.add(ONE, 1, &[format]).remove(0);
        damage(&path);
        let output = tool(&bench, &[]);
        assert_eq!(output.status.code(), Some(3), "damage {number}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(&path.display().to_string()),
            "damage {number}: {}",
            stderr(&output)
        );
        assert!(!bench.out().exists());
    }
}

#[test]
fn wrong_usage_writes_nothing() {
    let bench = Bench::new();
    let empty = tool(&bench, &[]);
    assert_eq!(empty.status.code(), Some(2), "{}", stderr(&empty));
    assert!(stderr(&empty).contains("contains no packages"), "{}", stderr(&empty));
    bench.add(ONE, 1, &[Deb]);
    let foreign = bench.dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "").unwrap();
    for (args, named) in [
        (&["--url", "https://example.org/two words"][..], "two words"),
        (&["--url", "example.org"], "example.org"),
        (&["--keep", "0"], "--keep"),
    ] {
        let output = tool(&bench, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{args:?}: {}", stderr(&output));
        assert!(!bench.out().exists(), "{args:?}");
    }
    let output = command(&bench, &foreign).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("neither empty nor a repository"), "{}", stderr(&output));
    assert_eq!(foreign.read_dir().unwrap().count(), 1);
    let no_folder = Command::new(env!("CARGO_BIN_EXE_kpatch-build"))
        .args(["repo", "nowhere", "--signing-key"])
        .arg(bench.key.path())
        .current_dir(bench.dir.path())
        .output()
        .unwrap();
    assert_eq!(no_folder.status.code(), Some(2), "{}", stderr(&no_folder));
    assert!(!bench.dir.path().join("repository").exists());
    let keyless = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
        command.arg("repo").arg(bench.packages()).current_dir(bench.dir.path());
        command
    };
    let output = keyless().output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--openpgp-key"), "{}", stderr(&output));
    // The configuration file's key will do.
    let line = format!("signing-key = \"{}\"\n", bench.key.path().display());
    fs::write(bench.dir.path().join("kpatch-build.toml"), line).unwrap();
    let output = keyless().env_remove("SOURCE_DATE_EPOCH").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    bench.apt();
}

#[test]
fn a_repository_does_not_grow_older() {
    let bench = Bench::new();
    bench.add(ONE, 1, &[Deb]);
    bench.publish().unwrap();
    bench.publish().unwrap();
    let before = snapshot(&bench.out());
    let error = bench.publish_with(|order| order.date = DATE - 1).unwrap_err();
    assert!(matches!(error, Error::Backwards { .. }), "{error}");
    assert!(snapshot(&bench.out()) == before);
}

#[test]
fn a_run_that_is_killed_leaves_the_repository_as_it_was_or_as_it_should_be() {
    let bench = Bench::new();
    bench.add(ONE, 1, &[Deb, Rpm]);
    // The quicker of two: the first of all finds nothing in any cache.
    let timed = || {
        let started = std::time::Instant::now();
        assert!(tool(&bench, &[]).status.success());
        started.elapsed()
    };
    let whole = timed().min(timed());
    let mut killed = 0;
    for attempt in 1..=10 {
        // Every run has another list of packages to publish.
        bench.add(&format!("{TWO}{attempt}"), 1, &[Deb, Rpm]);
        let debs = bench.debs().len();
        let mut run =
            command(&bench, &bench.out()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * attempt / 10);
        killed += usize::from(run.try_wait().unwrap().is_none());
        let _ = run.kill();
        run.wait().unwrap();
        let seen = bench.debs().len();
        assert!(seen == debs || seen == attempt as usize + 1, "{seen} after {debs}");
        bench.dnf();
    }
    assert!(killed > 0, "every run was over before it was killed");
    let mended = tool(&bench, &["--keep", "1"]);
    assert!(mended.status.success(), "{}", stderr(&mended));
    assert_eq!((bench.apt().len(), bench.dnf().len()), (11, 11));
    for path in snapshot(&bench.out()).into_keys() {
        assert!(!path.to_string_lossy().contains("unfinished"), "{} was left", path.display());
    }
    assert_eq!(bench.out().join("apt/generations").read_dir().unwrap().count(), 1);
}
