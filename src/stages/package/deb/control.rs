//! The files of `control.tar`: the control file, checksums, configuration files, maintainer scripts.

use super::debian_package::{ControlFile, DebianPackage};
use crate::stages::package::info::{MAINTAINER, PackageInfo};
use crate::stages::package::payload::{FileFlags, Member, MemberKind, PayloadFile};

pub(super) fn files(deb: &DebianPackage) -> Vec<ControlFile> {
    let plain = |name, content| ControlFile { name, mode: 0o644, content };
    let mut files = vec![plain("control", control(deb)), plain("md5sums", md5sums(&deb.members))];
    let conffiles = conffiles(&deb.members);
    if !conffiles.is_empty() {
        files.push(plain("conffiles", conffiles));
    }
    let script =
        |(name, text): &(&'static str, String)| ControlFile { name, mode: 0o755, content: text.clone() };
    files.extend(deb.scripts.iter().map(script));
    files
}

/// The control file, with its fields in the order of Debian Policy 5.3.
fn control(deb: &DebianPackage) -> String {
    let info = deb.info;
    let mut fields: Vec<(&str, String)> = vec![
        ("Package", info.name.clone()),
        ("Version", info.version()),
        ("Architecture", "amd64".into()),
        ("Maintainer", MAINTAINER.into()),
        ("Installed-Size", installed_kib(&deb.members).to_string()),
    ];
    fields.extend(deb.relations.iter().filter(|(_, value)| !value.is_empty()).cloned());
    fields.extend([("Section", deb.section.into()), ("Priority", "optional".into())]);
    fields.extend(info.homepage.map(|homepage| ("Homepage", homepage.into())));
    fields.push(("Description", description(info)));
    fields.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// Each line of the description begins with a space; an empty line is a full stop (Debian Policy 5.6.13).
fn description(info: &PackageInfo) -> String {
    let paragraph = |text: String| format!(" {}", text.replace('\n', "\n "));
    let paragraphs: Vec<_> = info.description().into_iter().map(paragraph).collect();
    format!("{}\n{}", info.summary, paragraphs.join("\n .\n"))
}

/// The installed size in KiB as dpkg-gencontrol computes it: files rounded up, anything else counted as one.
fn installed_kib(members: &[Member]) -> u64 {
    let kib = |member: &Member| match &member.kind {
        MemberKind::Directory | MemberKind::Link(_) => 1,
        MemberKind::File(file) => file.bytes.div_ceil(1024),
    };
    members.iter().map(kib).sum()
}

/// Checksums for `dpkg --verify`, without files that change on the installed system.
fn md5sums(members: &[Member]) -> String {
    let line = |member: &Member| match &member.kind {
        MemberKind::File(PayloadFile { flags: FileFlags::Regenerated | FileFlags::Config, .. })
        | MemberKind::Directory
        | MemberKind::Link(_) => None,
        MemberKind::File(file) => Some(format!("{}  {}\n", file.md5, member.path)),
    };
    members.iter().filter_map(line).collect()
}

/// Configuration files, in which dpkg keeps the administrator's changes (Debian Policy 10.7).
fn conffiles(members: &[Member]) -> String {
    let line = |member: &Member| match &member.kind {
        MemberKind::File(PayloadFile { flags: FileFlags::Config, .. }) => Some(format!("/{}\n", member.path)),
        _ => None,
    };
    members.iter().filter_map(line).collect()
}
