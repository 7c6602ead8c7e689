//! `control.tar`: what dpkg and apt know about a package, and the scripts that dpkg runs.

use super::{ControlFile, Deb, MAINTAINER};
use crate::stages::package::About;
use crate::stages::package::payload::{Kind, Member, Nature, PayloadFile};

pub(super) fn files(deb: &Deb) -> Vec<ControlFile> {
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

/// Fields in the order of Debian Policy 5.3.
fn control(deb: &Deb) -> String {
    let about = deb.about;
    let mut fields: Vec<(&str, String)> = vec![
        ("Package", about.name.clone()),
        ("Version", about.version()),
        ("Architecture", "amd64".into()),
        ("Maintainer", MAINTAINER.into()),
        ("Installed-Size", installed_kib(&deb.members).to_string()),
    ];
    fields.extend(deb.relations.iter().filter(|(_, value)| !value.is_empty()).cloned());
    fields.extend([("Section", deb.section.into()), ("Priority", "optional".into())]);
    fields.extend(about.homepage.map(|homepage| ("Homepage", homepage.into())));
    fields.push(("Description", description(about)));
    fields.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// Debian Policy 5.6.13: lines begin with a space, empty ones have a full stop.
fn description(about: &About) -> String {
    let paragraph = |text: String| format!(" {}", text.replace('\n', "\n "));
    let paragraphs: Vec<_> = about.description().into_iter().map(paragraph).collect();
    format!("{}\n{}", about.summary, paragraphs.join("\n .\n"))
}

/// As dpkg-gencontrol counts: files in whole KiB, everything else as one.
fn installed_kib(members: &[Member]) -> u64 {
    let kib = |member: &Member| match &member.kind {
        Kind::Directory | Kind::Link(_) => 1,
        Kind::File(file) => file.bytes.div_ceil(1024),
    };
    members.iter().map(kib).sum()
}

/// For `dpkg --verify`. Not in it are files that will be written again, and those of the administrator.
fn md5sums(members: &[Member]) -> String {
    let line = |member: &Member| match &member.kind {
        Kind::File(PayloadFile { nature: Nature::Rewritten | Nature::Configuration, .. })
        | Kind::Directory
        | Kind::Link(_) => None,
        Kind::File(file) => Some(format!("{}  {}\n", file.md5, member.path)),
    };
    members.iter().filter_map(line).collect()
}

/// The administrator's files: dpkg keeps what was changed in them (Debian Policy 10.7).
fn conffiles(members: &[Member]) -> String {
    let line = |member: &Member| match &member.kind {
        Kind::File(PayloadFile { nature: Nature::Configuration, .. }) => Some(format!("/{}\n", member.path)),
        _ => None,
    };
    members.iter().filter_map(line).collect()
}
