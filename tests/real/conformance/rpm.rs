//! Facts about an .rpm, read with rpm.

use std::path::Path;
use std::process::Command;

use super::difference::Facts;
use crate::support::output::printed;

/// For each file: path, permissions, owner, flags (`g` ghost, `l` licence), link target, checksum.
const FILES: &str = "[%{FILENAMES}\t%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags}\t\
                     %{FILELINKTOS}\t%{FILEDIGESTS}\n]";
const TAGS: [&str; 8] = ["NAME", "VERSION", "RELEASE", "ARCH", "LICENSE", "GROUP", "URL", "VENDOR"];
const RELATIONS: [&str; 6] = ["REQUIRE", "PROVIDE", "CONFLICT", "OBSOLETE", "RECOMMEND", "SUGGEST"];
const SCRIPTS: [&str; 8] =
    ["PREIN", "POSTIN", "PREUN", "POSTUN", "PRETRANS", "POSTTRANS", "PREUNTRANS", "TRIGGERSCRIPTS"];

fn query(rpm: &Path, format: &str) -> String {
    printed(
        Command::new("rpm").args(["--query", "--nosignature", "--queryformat", format, "--package"]).arg(rpm),
    )
}

/// Returns fields, relations, scripts, and every path with its attributes. The image, System.map and
/// configuration are separate facts with checksums, because the two packages have them at different paths.
pub fn facts(rpm: &Path, release: &str) -> Facts {
    // rpm's versions have no hyphens.
    let named = |text: &str| text.replace(release, "@").replace(&release.replace('-', "_"), "@");
    let mut facts = Facts::new();
    for tag in TAGS {
        facts.insert(format!("field {tag}"), named(&query(rpm, &format!("%{{{tag}}}"))));
    }
    for relation in RELATIONS {
        let format = format!("[%{{{relation}NEVRS}}\n]");
        for line in query(rpm, &format).lines() {
            facts.insert(format!("{} {}", relation.to_lowercase(), named(line)), String::new());
        }
    }
    for script in SCRIPTS {
        if query(rpm, &format!("%{{{script}}}")) != "(none)" {
            facts.insert(format!("script {script}"), String::new());
        }
    }
    for line in query(rpm, FILES).lines() {
        let [path, shown, link, digest] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let path = named(path);
        if let Some(what) = kernel_file(&path).filter(|_| !shown.contains('g')) {
            facts.insert(format!("content {what}"), digest.to_owned());
        }
        facts.insert(format!("path {path}"), format!("{shown} {}", named(link)).trim_end().to_owned());
    }
    facts
}

/// `vmlinuz` of `/boot/vmlinuz-@` and of `/lib/modules/@/vmlinuz`.
fn kernel_file(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/boot/").and_then(|name| name.strip_suffix("-@"));
    name.or(path.strip_prefix("/lib/modules/@/"))
        .filter(|name| ["vmlinuz", "System.map", "config"].contains(name))
}
