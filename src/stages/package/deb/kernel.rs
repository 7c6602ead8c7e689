//! A kernel's .deb: where its files go, what it needs, and the scripts that dpkg runs.

use std::io::Read;

use super::{Deb, documents, shlibs};
use crate::base::options::Part;
use crate::stages::package::payload::{Member, PayloadFile, Role, members};
use crate::stages::package::{About, Error, Job, elf};

/// The scripts that dpkg runs, in `packaging/deb`.
const IMAGE_SCRIPTS: [(&str, &str); 4] = [
    ("postinst", include_str!("../../../../packaging/deb/postinst")),
    ("postrm", include_str!("../../../../packaging/deb/postrm")),
    ("preinst", include_str!("../../../../packaging/deb/preinst")),
    ("prerm", include_str!("../../../../packaging/deb/prerm")),
];
const HEADERS_SCRIPTS: [(&str, &str); 1] =
    [("postinst", include_str!("../../../../packaging/deb/headers-postinst"))];
const COPYRIGHT: &str = include_str!("../../../../packaging/deb/copyright");

/// What Debian's own images of bullseye and later depend on.
const IMAGE_DEPENDS: &str = "kmod, linux-base (>= 4.3~)";
/// Holds for a kernel with everything built in too: its root file system may be on LVM, LUKS or
/// RAID. dracut provides linux-initramfs-tool.
const INITRAMFS_DEPENDS: &str = ", initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool";
/// As Debian's own suggest them: without one the machine does not come to this kernel.
const BOOT_LOADERS: &str = "grub-pc | grub-efi-amd64 | extlinux";

pub(in crate::stages::package) fn documents(job: &Job, about: &About) -> [PayloadFile; 2] {
    let copyright = COPYRIGHT
        .replace("@UPSTREAM@", &job.order.upstream.to_string())
        .replace("@SERIES@", &job.order.series)
        .replace("@YEAR@", &documents::time(job.payload.timestamp).year().to_string());
    documents::of(about, &copyright, job.payload.timestamp)
}

/// `documents` are [`documents`]' of the same package.
pub(in crate::stages::package) fn describe<'a>(
    job: &'a Job,
    about: &'a About,
    documents: &'a [PayloadFile],
) -> Result<Deb<'a>, Error> {
    let scripts: &[_] = match job.part {
        Part::Image => &IMAGE_SCRIPTS,
        Part::Headers => &HEADERS_SCRIPTS,
        Part::Debug | Part::LibcDev => &[],
    };
    let initrd = if configured(job, "BLK_DEV_INITRD")? { "Yes" } else { "No" };
    let script = |(name, text): &(&'static str, &str)| {
        (*name, text.replace("@RELEASE@", &job.names.release).replace("@INITRD@", initrd))
    };
    Ok(Deb {
        about,
        section: match job.part {
            Part::Image | Part::Headers => "kernel",
            Part::Debug => "debug",
            Part::LibcDev => "devel",
        },
        relations: relations(job)?,
        scripts: scripts.iter().map(script).collect(),
        members: layout(job, documents),
    })
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

/// Where a file of the payload goes.
///
/// `/lib/modules` and not `/usr/lib/modules`: on bullseye without merged /usr kmod looks
/// nowhere else, and where /usr is merged dpkg follows the link.
pub fn place(release: &str, role: &Role) -> String {
    match role {
        Role::Image => format!("boot/vmlinuz-{release}"),
        Role::SystemMap => format!("boot/System.map-{release}"),
        Role::Config => format!("boot/config-{release}"),
        Role::Modules(path) | Role::Depmod(path) => format!("lib/modules/{release}/{path}"),
        Role::Headers(path) => {
            format!("usr/src/linux-headers-{release}/{path}").trim_end_matches('/').to_owned()
        }
        Role::Vmlinux => format!("usr/lib/debug/lib/modules/{release}/vmlinux"),
        Role::VmlinuxLink(0) => format!("usr/lib/debug/vmlinux-{release}"),
        Role::VmlinuxLink(_) => format!("usr/lib/debug/boot/vmlinux-{release}"),
        Role::ModuleDebug(path) => format!("usr/lib/debug/lib/modules/{release}/{path}"),
        Role::BuildId(id) => format!("usr/lib/debug/.build-id/{}/{}.debug", &id[..2], &id[2..]),
        Role::Uapi(path) => match path.strip_prefix("asm/") {
            // The C library's multiarch folder: asm differs between architectures.
            Some(rest) => format!("usr/include/x86_64-linux-gnu/asm/{rest}"),
            None => format!("usr/include/{path}"),
        },
        Role::At(path) => path.clone(),
    }
}

fn layout<'a>(job: &'a Job, documents: &'a [PayloadFile]) -> Vec<Member<'a>> {
    // dpkg shares folders between packages, so all of them are listed.
    members(job.payload.files.iter().chain(documents), |role| place(&job.names.release, role), |_| true)
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
