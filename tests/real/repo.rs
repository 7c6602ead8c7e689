//! apt and dnf update and install from the repositories of `repo` over HTTP, and refuse a changed byte. Both
//! run on Debian; the kernels are small fakes.

use std::fs;
use std::process::Output;
use std::sync::Arc;

use kpatch_build::base::options::Format::{self, Deb, Rpm};

use crate::support::need::have_root;
use crate::support::output::text;
use crate::support::repository::server::Server;
use crate::support::repository::{Fixture, Key};
use crate::support::systems::debian_root::Root;
use crate::support::systems::rpm_root::RpmRoot;

const ONE: &str = "6.1.187-copy-segments-boot";
const TWO: &str = "6.1.187-zeroed-boot";
const NEEDED: [&str; 5] = ["chroot", "unshare", "mmdebstrap", "apt-get", "gpg"];

/// A served repository with a package of the kernel [`ONE`].
struct Site {
    fixture: Arc<Fixture>,
    server: Server,
}

impl Site {
    fn new(algorithm: &str, format: Format) -> Site {
        let fixture = Fixture { key: Key::of_gpg(algorithm), ..Fixture::new() };
        let server = Server::of(&fixture.out());
        fixture.add(ONE, 1, &[format]);
        let site = Site { fixture: Arc::new(fixture), server };
        site.publish();
        site
    }

    fn publish(&self) {
        publish(&self.fixture, &self.server.url, 3);
    }

    fn replace_with_one(&self, format: Format) {
        self.server.behave();
        self.fixture.clear();
        self.fixture.add(ONE, 1, &[format]);
        self.publish();
    }

    /// Replaces the kernel [`ONE`] with [`TWO`] just before the answer to the first matching request.
    fn swap_before(&self, matches: fn(&str) -> bool, format: Format, keep: usize) {
        let (fixture, address) = (self.fixture.clone(), self.server.url.clone());
        self.server.before(matches, move || {
            fixture.clear();
            fixture.add(TWO, 1, &[format]);
            publish(&fixture, &address, keep);
        });
    }
}

/// Publishes with the current time, because apt refuses a date in the future.
fn publish(fixture: &Fixture, address: &str, keep: usize) {
    let now = jiff::Timestamp::now().as_second();
    fixture
        .publish_with(|request| {
            (request.address, request.keep, request.date) = (address.to_owned(), keep, now);
        })
        .unwrap();
}

/// A system whose only package source is the site, configured as documented.
struct Apt(Root);

impl Apt {
    fn new(site: &Site) -> Apt {
        let root = Root::new();
        let _ = fs::remove_file(root.join("/etc/apt/sources.list"));
        let copy = |name: &str, to: &str| {
            fs::create_dir_all(root.join(to)).unwrap();
            fs::copy(site.fixture.out().join(name), root.join(to).join(name)).unwrap();
        };
        copy("kpatch-build.sources", "/etc/apt/sources.list.d");
        copy("kpatch-build.asc", "/etc/apt/keyrings");
        Apt(root)
    }

    /// Runs apt-get update so that every warning about a source is an error.
    fn update(&self) -> Output {
        self.0.run("apt-get -o APT::Update::Error-Mode=any update")
    }

    fn updated(&self) -> String {
        let output = self.update();
        let message = text(&output);
        assert!(output.status.success() && !message.contains("W:") && !message.contains("E:"), "{message}");
        message
    }

    fn install(&self, release: &str) -> Output {
        self.0.run(&format!("apt-get install -y linux-image-{release}"))
    }

    fn version(&self, release: &str) -> String {
        let query = format!("dpkg-query -W -f '${{db:Status-Status}} ${{Version}}' linux-image-{release}");
        let output = self.0.run(&query);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Removes everything that an update downloaded.
    fn forget(&self) {
        self.0.must(
            "rm -rf /var/lib/apt/lists /var/cache/apt/archives/*.deb && mkdir -p /var/lib/apt/lists/partial",
        );
    }
}

#[test]
fn real_apt_updates_installs_and_upgrades() {
    if !have_root(&NEEDED) {
        return;
    }
    let site = Site::new("ed25519", Deb);
    let apt = Apt::new(&site);
    apt.updated();
    let requests = site.server.requests();
    assert!(requests.iter().any(|path| path.contains("/by-hash/SHA256/")), "{requests:#?}");
    let output = apt.install(ONE);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(apt.version(ONE), "installed 6.1.187-1");
    assert!(apt.0.join(&format!("/boot/vmlinuz-{ONE}")).exists());
    let policy = apt.0.must(&format!("apt-cache policy linux-image-{ONE}"));
    assert!(policy.contains("kpatch-build/main amd64 Packages"), "{policy}");

    site.fixture.add(TWO, 1, &[Deb]);
    site.fixture.add(ONE, 2, &[Deb]);
    site.publish();
    apt.updated();
    apt.0.must("apt-get upgrade -y");
    assert_eq!(apt.version(ONE), "installed 6.1.187-2");
    assert!(apt.install(TWO).status.success());
    assert_eq!(apt.version(TWO), "installed 6.1.187-1");
    // The first build is still available.
    apt.0.must(&format!("apt-get install -y --allow-downgrades linux-image-{ONE}=6.1.187-1"));

    // Without InRelease, like the oldest clients, which read the detached signature.
    apt.forget();
    site.server.hook(|path, content| content.filter(|_| !path.ends_with("/InRelease")));
    let output = apt.update();
    assert!(output.status.success(), "{}", text(&output));
    assert!(site.server.requests().iter().any(|path| path.ends_with("/Release.gpg")));
}

#[test]
fn real_apt_refuses_one_changed_byte() {
    if !have_root(&NEEDED) {
        return;
    }
    let site = Site::new("rsa3072", Deb);
    let apt = Apt::new(&site);
    let changed: [fn(&str) -> bool; 3] = [
        |path| path.ends_with("/InRelease"),
        |path| path.ends_with("Release") || path.ends_with("Release.gpg"),
        |path| path.contains("/binary-amd64/"),
    ];
    for (number, changed) in changed.into_iter().enumerate() {
        apt.forget();
        site.server.corrupt(changed);
        let output = apt.update();
        assert!(!output.status.success(), "{number}: {}", text(&output));
        assert!(!apt.install(ONE).status.success(), "{number}");
        site.server.behave();
        apt.updated();
    }
    // A changed Release is refused without InRelease too.
    apt.forget();
    site.server.hook(|path, content| {
        let mut content = content.filter(|_| !path.ends_with("/InRelease"))?;
        if path.ends_with("/Release") {
            content[20] ^= 1;
        }
        Some(content)
    });
    assert!(!apt.update().status.success());

    site.server.corrupt(|path| path.ends_with(".deb"));
    apt.updated();
    let output = apt.install(ONE);
    assert!(!output.status.success() && text(&output).contains("Hash Sum mismatch"), "{}", text(&output));
    assert_eq!(apt.version(ONE), "");
    site.server.behave();
    assert!(apt.install(ONE).status.success());
}

#[test]
fn real_apt_update_during_a_swap_succeeds() {
    if !have_root(&NEEDED) {
        return;
    }
    let index = |path: &str| path.contains("/binary-amd64/");
    let site = Site::new("ed25519", Deb);
    let apt = Apt::new(&site);
    site.swap_before(index, Deb, 3);
    apt.updated();
    let output = apt.install(ONE);
    assert!(output.status.success(), "the packages of the old index still exist: {}", text(&output));
    apt.updated();
    assert!(apt.install(TWO).status.success());

    // Without the older generation it fails.
    apt.forget();
    site.replace_with_one(Deb);
    site.swap_before(index, Deb, 1);
    let output = apt.update();
    assert!(!output.status.success(), "{}", text(&output));
}

struct Dnf(RpmRoot);

impl Dnf {
    fn new(site: &Site) -> Dnf {
        let root = RpmRoot::new();
        // A plugin instead of dracut, which would need loadable modules.
        root.script(
            "/etc/kernel/install.d/50-dracut.install",
            "[ \"$1\" = add ] || exit 0\necho initramfs > \"$3/initrd\"",
        );
        fs::create_dir_all(root.join("/etc/yum.repos.d")).unwrap();
        let entry = "kpatch-build.repo";
        fs::copy(site.fixture.out().join(entry), root.join("/etc/yum.repos.d").join(entry)).unwrap();
        Dnf(root)
    }

    /// Runs dnf so that a refused repository is an error; by default Debian's dnf skips it.
    fn run(&self, arguments: &str) -> Output {
        self.0.run(&format!("dnf -y --setopt=skip_if_unavailable=False {arguments}"))
    }

    fn update(&self) -> Output {
        self.run("--refresh makecache")
    }

    fn install(&self, release: &str) -> Output {
        self.run(&format!("install kernel-kpatch-{release}"))
    }

    fn installed(&self) -> String {
        self.0.must("rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\\n' 'kernel-kpatch-*' | sort")
    }

    fn forget(&self) {
        self.0.must("dnf clean all");
    }
}

#[test]
fn real_dnf_updates_installs_and_upgrades() {
    if !have_root(&NEEDED) {
        return;
    }
    let site = Site::new("ed25519", Rpm);
    let dnf = Dnf::new(&site);
    let output = dnf.update();
    assert!(output.status.success(), "{}", text(&output));
    let output = dnf.install(ONE);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(dnf.installed(), format!("kernel-kpatch-{ONE} 6.1.187-1\n"));

    site.fixture.add(TWO, 1, &[Rpm]);
    site.fixture.add(ONE, 2, &[Rpm]);
    site.publish();
    assert!(dnf.update().status.success());
    assert!(dnf.install(TWO).status.success());
    dnf.0.must(&format!("dnf -y upgrade kernel-kpatch-{ONE}"));
    assert_eq!(dnf.installed(), format!("kernel-kpatch-{ONE} 6.1.187-2\nkernel-kpatch-{TWO} 6.1.187-1\n"));
    let provided = dnf.0.must("dnf -q repoquery --repo kpatch-build --whatprovides kernel-uname-r");
    assert_eq!(provided.lines().count(), 3, "{provided}");
    let owner =
        dnf.0.must(&format!("dnf -q repoquery --repo kpatch-build --file /lib/modules/{TWO}/vmlinuz"));
    assert!(owner.contains(TWO), "{owner}");
}

#[test]
fn real_rpm_accepts_the_signatures_of_rsa_and_ed25519_keys() {
    if !have_root(&NEEDED) {
        return;
    }
    for algorithm in ["rsa3072", "ed25519"] {
        let site = Site::new(algorithm, Rpm);
        let dnf = Dnf::new(&site);
        let package = site.fixture.dnf().into_values().next().unwrap();
        fs::copy(site.fixture.out().join("rpm").join(package.location_href()), dnf.0.join("/signed.rpm"))
            .unwrap();
        fs::copy(site.fixture.out().join("kpatch-build.asc"), dnf.0.join("/key.asc")).unwrap();
        assert!(!dnf.0.run("rpm -K /signed.rpm").status.success(), "the key is not imported yet");
        let message = dnf.0.must("rpmkeys --import /key.asc && rpm -Kv /signed.rpm");
        assert!(message.contains("Signature, key ID") && !message.contains("BAD"), "{algorithm}: {message}");
        let short = dnf.0.must("rpm -K /signed.rpm");
        assert_eq!(short.trim_end(), "/signed.rpm: digests signatures OK", "{algorithm}");
    }
}

#[test]
fn real_dnf_refuses_one_changed_byte() {
    if !have_root(&NEEDED) {
        return;
    }
    let site = Site::new("rsa3072", Rpm);
    let dnf = Dnf::new(&site);
    let changed: [fn(&str) -> bool; 3] = [
        |path| path.ends_with("/repomd.xml"),
        |path| path.ends_with("/repomd.xml.asc"),
        |path| path.ends_with("-primary.xml.gz"),
    ];
    for (number, changed) in changed.into_iter().enumerate() {
        dnf.forget();
        site.server.corrupt(changed);
        let output = dnf.update();
        assert!(!output.status.success(), "{number}: {}", text(&output));
        assert!(!dnf.install(ONE).status.success(), "{number}");
        site.server.behave();
        assert!(dnf.update().status.success(), "{number}");
    }
    site.server.corrupt(|path| path.ends_with(".rpm"));
    let output = dnf.install(ONE);
    assert!(!output.status.success(), "{}", text(&output));
    assert_eq!(dnf.installed(), "");
    site.server.behave();
    assert!(dnf.install(ONE).status.success());
}

#[test]
fn real_dnf_makecache_during_a_swap_succeeds() {
    if !have_root(&NEEDED) {
        return;
    }
    let index = |path: &str| path.ends_with("-primary.xml.gz");
    let site = Site::new("ed25519", Rpm);
    let dnf = Dnf::new(&site);
    site.swap_before(index, Rpm, 3);
    let output = dnf.update();
    assert!(output.status.success(), "{}", text(&output));
    let output = dnf.install(ONE);
    assert!(output.status.success(), "the packages of the old index still exist: {}", text(&output));
    assert!(dnf.update().status.success());
    assert!(dnf.install(TWO).status.success());
    dnf.0.must(&format!("dnf -y remove kernel-kpatch-{TWO}"));

    // Without the older generation it fails.
    dnf.forget();
    site.replace_with_one(Rpm);
    site.swap_before(index, Rpm, 1);
    let output = dnf.update();
    assert!(!output.status.success(), "{}", text(&output));

    // A swap between the list and its signature: they do not match, so dnf requests key, list and signature again.
    assert!(dnf.update().status.success());
    site.replace_with_one(Rpm);
    site.swap_before(|path| path.ends_with("/repomd.xml.asc"), Rpm, 3);
    site.server.requests();
    let output = dnf.update();
    assert!(output.status.success(), "{}", text(&output));
    let signatures = site.server.requests().iter().filter(|path| path.ends_with("/repomd.xml.asc")).count();
    assert!(signatures > 1, "dnf did not request the signature again");
    assert!(dnf.install(TWO).status.success());
}
