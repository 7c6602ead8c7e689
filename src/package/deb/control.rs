//! `control.tar`: what dpkg and apt know about a package, and the scripts that dpkg runs.

use std::io::Read;

use super::{ControlFile, HEADERS_SCRIPTS, IMAGE_SCRIPTS, MAINTAINER, shlibs};
use crate::package::payload::{Kind, Member, PayloadFile, Role};
use crate::package::{Error, Job, about, elf};
use crate::plan::Part;

/// What Debian's own images of bullseye and later depend on.
const IMAGE_DEPENDS: &str = "kmod, linux-base (>= 4.3~)";
/// Holds for a kernel with everything built in too: its root file system may be on LVM, LUKS or
/// RAID. dracut provides linux-initramfs-tool.
const INITRAMFS_DEPENDS: &str = ", initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool";
/// As Debian's own suggest them: without one the machine does not come to this kernel.
const BOOT_LOADERS: &str = "grub-pc | grub-efi-amd64 | extlinux";

pub(super) fn files(job: &Job, members: &[Member]) -> Result<Vec<ControlFile>, Error> {
    let scripts: &[_] = match job.part {
        Part::Image => &IMAGE_SCRIPTS,
        Part::Headers => &HEADERS_SCRIPTS,
        Part::Debug | Part::LibcDev => &[],
    };
    let initrd = if configured(job, "BLK_DEV_INITRD")? { "Yes" } else { "No" };
    let script = |(name, text): &(&'static str, &str)| ControlFile {
        name,
        mode: 0o755,
        content: text.replace("@RELEASE@", &job.names.release).replace("@INITRD@", initrd),
    };
    let plain = |name, content| ControlFile { name, mode: 0o644, content };
    let mut files = vec![plain("control", control(job, members)?), plain("md5sums", md5sums(members))];
    files.extend(scripts.iter().map(script));
    Ok(files)
}

/// Whether the packaged kernel has the option built in; only the image's package holds the configuration.
fn configured(job: &Job, symbol: &str) -> Result<bool, Error> {
    let Some(config) = job.payload.files.iter().find(|file| file.role == Role::Config) else {
        return Ok(false);
    };
    let mut text = String::new();
    let read = config.content.open().and_then(|mut content| content.read_to_string(&mut text));
    read.map_err(|source| Error::Read { path: config.content.shown(), source })?;
    Ok(text.lines().any(|line| line == format!("CONFIG_{symbol}=y")))
}

/// Fields in the order of Debian Policy 5.3.
fn control(job: &Job, members: &[Member]) -> Result<String, Error> {
    let mut fields: Vec<(&str, String)> = vec![
        ("Package", job.names.deb(job.part)),
        ("Version", job.names.version()),
        ("Architecture", "amd64".into()),
        ("Maintainer", MAINTAINER.into()),
        ("Installed-Size", installed_kib(members).to_string()),
    ];
    fields.extend(relations(job)?.into_iter().filter(|(_, value)| !value.is_empty()));
    let section = match job.part {
        Part::Image | Part::Headers => "kernel",
        Part::Debug => "debug",
        Part::LibcDev => "devel",
    };
    fields.extend([
        ("Section", section.into()),
        ("Priority", "optional".into()),
        ("Homepage", "https://www.kernel.org/".into()),
        ("Description", description(job)),
    ]);
    Ok(fields.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect())
}

fn relations(job: &Job) -> Result<Vec<(&'static str, String)>, Error> {
    Ok(match job.part {
        Part::Image => vec![
            ("Depends", image_depends(job)?),
            ("Suggests", format!("{}, {BOOT_LOADERS}", job.names.deb(Part::Headers))),
            ("Provides", "linux-image".into()),
        ],
        Part::Headers => vec![
            ("Depends", headers_depends(job)?),
            ("Recommends", format!("{}, make", compiler(&job.order.compiler))),
            // dkms recommends it.
            ("Provides", "linux-headers".into()),
        ],
        Part::Debug => Vec::new(),
        // As Debian's own has them.
        Part::LibcDev => vec![("Provides", "linux-kernel-headers".into()), ("Multi-Arch", "same".into())],
    })
}

fn image_depends(job: &Job) -> Result<String, Error> {
    let initramfs = if configured(job, "BLK_DEV_INITRD")? { INITRAMFS_DEPENDS } else { "" };
    Ok(format!("{IMAGE_DEPENDS}{initramfs}"))
}

/// What the host programs need and, where modules get BTF, what makes it: on Debian 11 it is in dwarves.
fn headers_depends(job: &Job) -> Result<String, Error> {
    let mut depends = shlibs::depends(&elf::needed(&job.payload)?);
    if job.payload.has_btf() {
        depends.push_str(if depends.is_empty() { "pahole | dwarves" } else { ", pahole | dwarves" });
    }
    Ok(depends)
}

/// `gcc 12.2.0`: `gcc-12 | gcc`. Modules are to be made by the compiler that made the kernel.
fn compiler(version: &str) -> String {
    let (name, version) = version.split_once(' ').unwrap_or((version, ""));
    let major = version.split('.').next().unwrap_or_default();
    let same = format!("{name}-{major} | {name}");
    if name == "clang" { format!("{same}, lld-{major} | lld, llvm-{major} | llvm") } else { same }
}

/// Debian Policy 5.6.13: lines begin with a space, empty ones have a full stop.
fn description(job: &Job) -> String {
    let paragraphs = about::description(job).map(|text| format!(" {}", text.replace('\n', "\n ")));
    format!("{}\n{}", about::summary(job), paragraphs.join("\n .\n"))
}

/// As dpkg-gencontrol counts: files in whole KiB, everything else as one.
fn installed_kib(members: &[Member]) -> u64 {
    let kib = |member: &Member| match &member.kind {
        Kind::Directory | Kind::Link(_) => 1,
        Kind::File(file) => file.bytes.div_ceil(1024),
    };
    members.iter().map(kib).sum()
}

/// For `dpkg --verify`. depmod's files are not in it: the next depmod may change them.
fn md5sums(members: &[Member]) -> String {
    let line = |member: &Member| match &member.kind {
        Kind::File(PayloadFile { role: Role::Depmod(_), .. }) | Kind::Directory | Kind::Link(_) => None,
        Kind::File(file) => Some(format!("{}  {}\n", file.md5, member.path)),
    };
    members.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_of_the_kernel_is_recommended() {
        assert_eq!(compiler("gcc 12.2.0"), "gcc-12 | gcc");
        assert_eq!(compiler("clang 14.0.6"), "clang-14 | clang, lld-14 | lld, llvm-14 | llvm");
    }
}
