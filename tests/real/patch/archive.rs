//! Debian's source packages, fetched by apt from the mirror that the host is configured with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use kpatch_build::stages::patch::tree::{File, LINK};

use super::case::Tree;

/// The directory for downloads that stay between runs; by default, a directory of Cargo's.
const CACHE: &str = "KPATCH_BUILD_TEST_CACHE";
/// Suites that a mirror may offer. One that it does not offer is left out.
const SUITES: [&str; 8] = [
    "bullseye",
    "bookworm",
    "bookworm-backports",
    "trixie",
    "trixie-backports",
    "forky",
    "sid",
    "experimental",
];
const SECURITY: [&str; 3] = ["bullseye-security", "bookworm-security", "trixie-security"];
/// Packages with many patches for their size.
const NAMES: [&str; 40] = [
    "linux",
    "cron",
    "chkrootkit",
    "procmail",
    "dash",
    "rsync",
    "logrotate",
    "unzip",
    "mdadm",
    "openssh",
    "ltrace",
    "avahi",
    "cyrus-sasl2",
    "pam",
    "libxml2",
    "nfs-utils",
    "libsndfile",
    "grub2",
    "ntpsec",
    "exim4",
    "imagemagick",
    "tiff",
    "net-snmp",
    "cpio",
    "sendmail",
    "wpa",
    "gnutls28",
    "glib2.0",
    "curl",
    "busybox",
    "dovecot",
    "bash",
    "perl",
    "cups",
    "systemd",
    "screen",
    "procps",
    "openldap",
    "inetutils",
    "shadow",
];
/// Versions of one upstream version that are tried: mirrors drop files before they drop the index that names them.
const TRIES: usize = 12;

/// A source package in the format 3.0 (quilt) with one upstream archive.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub version: String,
    debian: PathBuf,
    orig: PathBuf,
}

impl Package {
    /// The major and minor number of a kernel.
    pub fn line(&self) -> (u32, u32) {
        let mut numbers = self.version.split(['.', '-', '~']).map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap(), numbers.next().unwrap_or(0))
    }

    /// Whether both archives are there.
    fn is_complete(&self) -> bool {
        self.debian.is_file() && self.orig.is_file()
    }

    /// Unpacks the directory `debian` into `dir`.
    pub fn unpack_debian(&self, dir: &Path) {
        let status = Command::new("tar").arg("-xf").arg(&self.debian).arg("-C").arg(dir).status().unwrap();
        assert!(status.success(), "{}", self.debian.display());
    }

    /// The files and symbolic links of the upstream archive that are in `wanted`.
    pub fn extract(&self, wanted: &BTreeSet<PathBuf>) -> Tree {
        let program = match self.orig.extension().and_then(|extension| extension.to_str()) {
            Some("xz") => "xz",
            Some("bz2") => "bzip2",
            Some("zst") => "zstd",
            _ => "gzip",
        };
        let mut packed = Command::new(program);
        let mut child = packed
            .args(["-dc"])
            .arg(&self.orig)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut archive = tar::Archive::new(child.stdout.take().unwrap());
        let mut tree = Tree::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path: PathBuf = entry
                .path()
                .unwrap()
                .components()
                .filter(|part| *part != Component::CurDir)
                .skip(1)
                .collect();
            if !wanted.contains(&path) {
                continue;
            }
            let kind = entry.header().entry_type();
            if kind.is_symlink() {
                let content = entry.link_name_bytes().unwrap().into_owned();
                tree.insert(path, File { content, mode: LINK });
            } else if kind.is_file() {
                let mode = if entry.header().mode().unwrap() & 0o100 == 0 { 0o644 } else { 0o755 };
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                tree.insert(path, File { content, mode });
            }
        }
        std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).unwrap();
        assert!(child.wait().unwrap().success(), "{}", self.orig.display());
        tree
    }
}

/// apt with lists and downloads of its own.
struct Apt(PathBuf);

impl Apt {
    fn new(dir: PathBuf) -> Apt {
        for part in ["lists/partial", "cache/archives/partial", "files"] {
            fs::create_dir_all(dir.join(part)).unwrap();
        }
        let host = Command::new("apt-get")
            .args(["indextargets", "--format", "$(REPO_URI) $(LABEL)"])
            .output()
            .unwrap();
        let host = String::from_utf8(host.stdout).unwrap();
        let base = |label: &str| {
            host.lines()
                .filter_map(|line| line.split_once(' '))
                .find(|(_, of)| *of == label)
                .map(|(uri, _)| uri)
        };
        let archive = base("Debian").expect("apt has an index of Debian; run apt-get update").to_owned();
        let security = base("Debian-Security").map(str::to_owned);
        let security = security.unwrap_or_else(|| format!("{}-security/", archive.trim_end_matches('/')));
        let line = |uri: &str, suite: &&str| format!("deb-src {uri} {suite} main\n");
        let list: String = SUITES
            .iter()
            .map(|suite| line(&archive, suite))
            .chain(SECURITY.iter().map(|suite| line(&security, suite)))
            .collect();
        fs::write(dir.join("sources.list"), list).unwrap();
        let path = dir.display();
        let text = format!(
            "Dir::Etc::SourceList \"{path}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
             Dir::State::Lists \"{path}/lists\";\nDir::Cache \"{path}/cache\";\nAPT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\nAcquire::Check-Valid-Until \"false\";\nAcquire::Retries \"2\";\n"
        );
        fs::write(dir.join("apt.conf"), text).unwrap();
        Apt(dir)
    }

    /// Runs one of apt's programs; it may fail in part, as for a suite that the mirror does not have.
    fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.0.join("apt.conf")).current_dir(self.0.join("files")).args(args);
        let out = command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Downloads a part of the `nth` package of each group without a complete package, if `is_wanted`.
    fn fetch(&self, part: &str, groups: &[Vec<Package>], nth: usize, is_wanted: impl Fn(&Package) -> bool) {
        let open = groups.iter().filter(|group| !group.iter().any(Package::is_complete));
        let wanted: Vec<String> = open
            .filter_map(|group| group.get(nth))
            .filter(|package| is_wanted(package))
            .map(|package| format!("{}={}", package.name, package.version))
            .collect();
        if !wanted.is_empty() {
            let words: Vec<&str> = wanted.iter().map(String::as_str).collect();
            self.run("apt-get", &[&["-q", "source", "--download-only", part][..], &words].concat());
        }
    }

    /// Every version of the packages.
    fn versions(&self) -> Vec<Package> {
        let mut found = BTreeMap::new();
        let text = self.run("apt-cache", &[&["showsrc", "--only-source"][..], &NAMES].concat());
        for stanza in text.split("\n\n") {
            let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let (Some(name), Some(version)) = (field("Package:"), field("Version:")) else { continue };
            let files: BTreeSet<&str> = stanza
                .lines()
                .filter(|line| line.starts_with(' '))
                .filter_map(|line| line.split(' ').nth(3))
                .collect();
            let with = |part: &str| {
                let mut files = files.iter().filter(|file| file.contains(part) && !file.ends_with(".asc"));
                files.next().filter(|_| files.next().is_none()).map(|file| self.0.join("files").join(file))
            };
            if let (Some("3.0 (quilt)"), Some(debian), Some(orig)) =
                (field("Format:"), with(".debian.tar."), with(".orig.tar."))
            {
                let package = Package { name: name.to_owned(), version: version.to_owned(), debian, orig };
                found.insert((name.to_owned(), version.to_owned()), package);
            }
        }
        found.into_values().collect()
    }
}

/// The newest available version of each upstream version; of Linux, of each line.
pub fn packages() -> Vec<Package> {
    let root =
        std::env::var_os(CACHE).map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let apt = Apt::new(std::path::absolute(root.join("source-packages")).unwrap());
    apt.run("apt-get", &["-q", "update"]);
    let mut groups: BTreeMap<(String, String), Vec<Package>> = BTreeMap::new();
    for package in newest_first(apt.versions()) {
        let upstream = package
            .version
            .rsplit_once('-')
            .map_or(package.version.clone(), |(upstream, _)| upstream.to_owned());
        let group = if package.name == "linux" { format!("{:?}", package.line()) } else { upstream };
        groups.entry((package.name.clone(), group)).or_default().push(package);
    }
    let groups: Vec<Vec<Package>> = groups.into_values().collect();
    for nth in 0..TRIES {
        // First the small file: if the mirror has it, it usually has the large one.
        apt.fetch("--diff-only", &groups, nth, |_| true);
        apt.fetch("--tar-only", &groups, nth, |package| package.debian.is_file());
    }
    groups.into_iter().filter_map(|group| group.into_iter().find(Package::is_complete)).collect()
}

/// Sorts by version, the newest first, as sort -V compares.
fn newest_first(packages: Vec<Package>) -> Vec<Package> {
    use std::io::Write;
    let by_version: BTreeMap<String, Vec<Package>> =
        packages.into_iter().fold(BTreeMap::new(), |mut all, package| {
            all.entry(package.version.clone()).or_insert_with(Vec::new).push(package);
            all
        });
    let text: String = by_version.keys().map(|version| format!("{version}\n")).collect();
    let mut sort =
        Command::new("sort").arg("-Vr").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = sort.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let sorted = String::from_utf8(sort.wait_with_output().unwrap().stdout).unwrap();
    writer.join().unwrap();
    sorted.lines().flat_map(|version| by_version[version].clone()).collect()
}
