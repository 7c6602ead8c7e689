//! A kernel's `.deb`: paths, relations and maintainer scripts.

use super::debian_package::DebianPackage;
use super::{documents, shlibs};
use crate::base::options::Part;
use crate::stages::package::elf;
use crate::stages::package::error::Error;
use crate::stages::package::info::{PackageInfo, build_tools};
use crate::stages::package::job::PackageJob;
use crate::stages::package::payload::{Member, PayloadFile, Role, members};

/// Maintainer scripts, in `packaging/deb`.
const IMAGE_SCRIPTS: [(&str, &str); 4] = [
    ("postinst", include_str!("../../../../packaging/deb/postinst")),
    ("postrm", include_str!("../../../../packaging/deb/postrm")),
    ("preinst", include_str!("../../../../packaging/deb/preinst")),
    ("prerm", include_str!("../../../../packaging/deb/prerm")),
];
/// The scripts of an image that no boot loader is to start.
const TEST_IMAGE_SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("../../../../packaging/deb/test-postinst")),
    ("postrm", include_str!("../../../../packaging/deb/test-postrm")),
    ("prerm", include_str!("../../../../packaging/deb/test-prerm")),
];
const HEADERS_SCRIPTS: [(&str, &str); 1] =
    [("postinst", include_str!("../../../../packaging/deb/headers-postinst"))];
const COPYRIGHT: &str = include_str!("../../../../packaging/deb/copyright");

/// A stanza of the headers' copyright file, for the libraries in programs that are linked statically.
const STATIC_LIBRARIES: &str = "
Files: usr/src/*/scripts/* usr/src/*/tools/*
Copyright: 1991-@YEAR@ Linus Torvalds and the other authors of the Linux kernel
License: GPL-2 with Linux-syscall-note
Comment: Programs among these files may contain parts of the build host's libraries: the GNU C
 Library (LGPL-2.1 or later), libelf (GPL-2 or later, or LGPL-3 or later), zlib (Zlib), Zstandard
 (BSD-3-Clause or GPL-2) and OpenSSL (Apache-2.0).
";

/// Dependencies of Debian's own images since bullseye.
const IMAGE_DEPENDS: &str = "kmod, linux-base (>= 4.3~)";
/// Also for a kernel without modules, because its root file system may be on LVM, LUKS or RAID. dracut
/// provides linux-initramfs-tool.
const INITRAMFS_DEPENDS: &str = ", initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool";
/// Suggested by Debian's own images too: without a boot loader the machine cannot start this kernel.
const BOOT_LOADERS: &str = "grub-pc | grub-efi-amd64 | extlinux";

/// Returns the documents of the package, and the headers that it has for a second architecture.
pub(in crate::stages::package) fn documents(job: &PackageJob, info: &PackageInfo) -> Vec<PayloadFile> {
    let copyright = match job.part {
        Part::Headers => COPYRIGHT.replacen("\n\nLicense:", &format!("\n{STATIC_LIBRARIES}\nLicense:"), 1),
        Part::Image | Part::Debug | Part::LibcDev => COPYRIGHT.to_owned(),
    };
    let copyright = copyright
        .replace("@UPSTREAM@", &job.request.upstream.to_string())
        .replace("@SERIES@", &job.request.series)
        .replace("@YEAR@", &documents::time(job.payload.timestamp).year().to_string());
    let mut files: Vec<_> = documents::of(info, &copyright, job.payload.timestamp).into();
    files.extend(job.payload.files.iter().filter_map(for_i386));
    files
}

/// Returns the copy of an architecture's header for the C library of i386, which has the same headers: arch/x86 of the
/// kernel. A link to the other directory would not replace the directory of Debian's package.
fn for_i386(file: &PayloadFile) -> Option<PayloadFile> {
    let Role::Uapi(path) = &file.role else { return None };
    let path = path.strip_prefix("asm/")?;
    let role = Role::At(format!("usr/include/i386-linux-gnu/asm/{path}"));
    Some(PayloadFile { role, ..file.clone() })
}

/// Describes the package for dpkg; `documents` is the result of [`documents`] for the same package.
pub(in crate::stages::package) fn describe<'a>(
    job: &'a PackageJob,
    info: &'a PackageInfo,
    documents: &'a [PayloadFile],
) -> Result<DebianPackage<'a>, Error> {
    let scripts: &[_] = match job.part {
        Part::Image if job.missing_for_disk.is_some() => &TEST_IMAGE_SCRIPTS,
        Part::Image => &IMAGE_SCRIPTS,
        Part::Headers => &HEADERS_SCRIPTS,
        Part::Debug | Part::LibcDev => &[],
    };
    let initrd = if configured(job, "BLK_DEV_INITRD")? { "Yes" } else { "No" };
    let script = |(name, text): &(&'static str, &str)| {
        let text = text.replace("@RELEASE@", &job.names.release).replace("@INITRD@", initrd);
        (*name, text.replace("@IMAGE@", &image_path(job)))
    };
    Ok(DebianPackage {
        info,
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

/// Whether the kernel has the option built in; only the image package includes the configuration.
fn configured(job: &PackageJob, symbol: &str) -> Result<bool, Error> {
    Ok(job.payload.config()?.lines().any(|line| line == format!("CONFIG_{symbol}=y")))
}

fn relations(job: &PackageJob) -> Result<Vec<(&'static str, String)>, Error> {
    Ok(match job.part {
        // The scripts only run depmod.
        Part::Image if job.missing_for_disk.is_some() => {
            vec![("Depends", "kmod".into()), ("Suggests", job.names.deb(Part::Headers))]
        }
        Part::Image => vec![
            ("Depends", image_depends(job)?),
            ("Suggests", format!("{}, {BOOT_LOADERS}", job.names.deb(Part::Headers))),
            ("Provides", "linux-image".into()),
        ],
        Part::Headers => vec![
            ("Depends", headers_depends(job)?),
            // dkms recommends it.
            ("Provides", "linux-headers".into()),
        ],
        Part::Debug => Vec::new(),
        // As Debian's own package since Debian 13, it serves the C libraries of other architectures. With
        // `same`, dpkg would require their packages in this version, which no archive has.
        Part::LibcDev => vec![("Provides", "linux-kernel-headers".into()), ("Multi-Arch", "foreign".into())],
    })
}

fn image_depends(job: &PackageJob) -> Result<String, Error> {
    let initramfs = if configured(job, "BLK_DEV_INITRD")? { INITRAMFS_DEPENDS } else { "" };
    Ok(format!("{IMAGE_DEPENDS}{initramfs}"))
}

/// The libraries of the host programs, the programs that the Makefile runs and, if modules get BTF, pahole, which
/// Debian 11 has in dwarves.
fn headers_depends(job: &PackageJob) -> Result<String, Error> {
    let libraries = shlibs::depends(&elf::required_libraries(&job.payload)?);
    let mut depends: Vec<&str> =
        Some(libraries.as_str()).filter(|list| !list.is_empty()).into_iter().collect();
    depends.extend(build_tools(&job.request.compiler));
    if job.payload.has_btf() {
        depends.push("pahole | dwarves");
    }
    Ok(depends.join(", "))
}

/// Returns the path of the image, relative to the root directory. Boot loaders list every `vmlinuz` in `/boot`, so an
/// image that cannot start the machine is not there.
fn image_path(job: &PackageJob) -> String {
    let release = &job.names.release;
    match job.missing_for_disk {
        Some(_) => format!("lib/modules/{release}/vmlinuz"),
        None => path_of(release, &Role::Image),
    }
}

/// Returns the path of a file, relative to the root directory.
///
/// It is `/lib/modules`, not `/usr/lib/modules`: on bullseye without merged /usr, kmod searches only there,
/// and with merged /usr dpkg follows the link.
fn path_of(release: &str, role: &Role) -> String {
    match role {
        Role::Image => format!("boot/vmlinuz-{release}"),
        Role::SystemMap => format!("boot/System.map-{release}"),
        Role::Config => format!("boot/config-{release}"),
        Role::Modules(path) | Role::Depmod(path) => format!("lib/modules/{release}/{path}"),
        Role::Headers(path) => {
            format!("usr/src/linux-headers-{release}/{path}").trim_end_matches('/').to_owned()
        }
        Role::Vmlinux => format!("usr/lib/debug/lib/modules/{release}/vmlinux"),
        Role::VmlinuxForKdump => format!("usr/lib/debug/vmlinux-{release}"),
        Role::VmlinuxForSystemtap => format!("usr/lib/debug/boot/vmlinux-{release}"),
        Role::ModuleDebug(path) => format!("usr/lib/debug/lib/modules/{release}/{path}"),
        Role::BuildId(id) => format!("usr/lib/debug/.build-id/{}/{}.debug", &id[..2], &id[2..]),
        Role::Uapi(path) => match path.strip_prefix("asm/") {
            // asm differs between architectures: the C library's multiarch directory.
            Some(rest) => format!("usr/include/x86_64-linux-gnu/asm/{rest}"),
            None => format!("usr/include/{path}"),
        },
        Role::At(path) => path.clone(),
    }
}

fn layout<'a>(job: &'a PackageJob, documents: &'a [PayloadFile]) -> Vec<Member<'a>> {
    // dpkg shares directories between packages, so the package lists all of them.
    let path = |role: &Role| match role {
        Role::Image => image_path(job),
        role => path_of(&job.names.release, role),
    };
    members(job.payload.files.iter().chain(documents), path, |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_kernel_is_at_the_path_that_debians_packages_use() {
        assert_eq!(path_of("6.1.1-x", &Role::Image), "boot/vmlinuz-6.1.1-x");
        assert_eq!(path_of("6.1.1-x", &Role::Uapi("asm/a.h".into())), "usr/include/x86_64-linux-gnu/asm/a.h");
    }
}
