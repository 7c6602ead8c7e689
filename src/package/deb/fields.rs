//! `control.tar`: what dpkg and apt know about a package, and the scripts that dpkg runs.

use super::{ControlFile, Deb, MAINTAINER};
use crate::package::payload::{Kind, Member, Nature, PayloadFile};

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
    let paragraphs: Vec<_> = about.paragraphs.iter().map(|text| wrap(text)).collect();
    fields.extend([("Section", deb.section.into()), ("Priority", "optional".into())]);
    fields.extend(about.homepage.map(|homepage| ("Homepage", homepage.into())));
    fields.push(("Description", format!("{}\n{}", about.summary, paragraphs.join("\n .\n"))));
    fields.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// Debian Policy 5.6.13: lines begin with a space, empty ones have a full stop.
fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + word.len() >= 78) {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("never empty");
        line.push(' ');
        line.push_str(word);
    }
    lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paragraphs_are_wrapped_with_a_space_in_front() {
        let wrapped = wrap(&"word ".repeat(40));
        assert!(wrapped.lines().all(|line| line.starts_with(" word") && line.len() <= 79), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 40);
    }
}
