//! Facts about a .deb, read with dpkg-deb and tar.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use kpatch_build::base::digest::hex;
use sha2::{Digest, Sha256};

use super::difference::Facts;
use crate::support::output::printed;

/// Returns the fields of the control file, the other control files, and every path with its type, mode, owner
/// and link target; for the image, System.map and configuration also the content's checksum.
pub fn facts(deb: &Path, release: &str) -> Facts {
    let named = |text: &str| text.replace(release, "@");
    let mut facts = fields(&printed(Command::new("dpkg-deb").arg("--field").arg(deb)), release);
    for entry in entries("--ctrl-tarfile", deb) {
        facts.insert(format!("control {}", entry.path), entry.shown);
    }
    for entry in entries("--fsys-tarfile", deb) {
        let path = named(&entry.path);
        if ["boot/vmlinuz-@", "boot/System.map-@", "boot/config-@"].contains(&path.as_str()) {
            facts.insert(format!("content {path}"), entry.sha256);
        }
        facts.insert(format!("path {path}"), named(&entry.shown));
    }
    facts
}

/// Returns the fields of a control file, by name; the lines of a description are joined.
pub fn fields(control: &str, release: &str) -> Facts {
    let paragraph: deb822_fast::Paragraph = control.parse().expect("dpkg-deb prints a paragraph");
    let field = |field: &deb822_fast::Field| {
        (format!("field {}", field.name), field.value.replace(release, "@").replace('\n', " "))
    };
    paragraph.fields.iter().map(field).collect()
}

struct Entry {
    /// Relative to the root directory, without a trailing slash.
    path: String,
    shown: String,
    /// SHA-256 of the content.
    sha256: String,
}

/// Returns the entries of one of the archives in a .deb.
fn entries(archive: &str, deb: &Path) -> Vec<Entry> {
    let output = Command::new("dpkg-deb").arg(archive).arg(deb).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut archive = tar::Archive::new(output.stdout.as_slice());
    archive.entries().unwrap().map(|entry| read(entry.unwrap())).collect()
}

fn read(mut entry: tar::Entry<&[u8]>) -> Entry {
    let path = entry.path().unwrap().to_str().unwrap().to_owned();
    let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
    let header = entry.header();
    let (mode, kind) = (header.mode().unwrap(), header.entry_type());
    let owner = format!("{}:{}", header.username().unwrap().unwrap(), header.groupname().unwrap().unwrap());
    let shown = match entry.link_name().unwrap() {
        Some(text) => format!("{kind:?} to {} {owner}", text.display()),
        None => format!("{kind:?} {mode:04o} {owner}"),
    };
    let mut content = Vec::new();
    entry.read_to_end(&mut content).unwrap();
    Entry { path, shown, sha256: hex(&Sha256::digest(&content)) }
}
