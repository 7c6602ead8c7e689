//! A kernel's .deb: where its files go, what it needs, and the scripts that dpkg runs.

use super::{Deb, documents, shlibs};
use crate::package::payload::{Member, PayloadFile, Role, members};
use crate::package::{About, Error, Job, elf};
use crate::plan::Part;

/// The scripts that dpkg runs, in `packaging/deb`.
const IMAGE_SCRIPTS: [(&str, &str); 4] = [
    ("postinst", include_str!("../../../packaging/deb/postinst")),
    ("postrm", include_str!("../../../packaging/deb/postrm")),
    ("preinst", include_str!("../../../packaging/deb/preinst")),
    ("prerm", include_str!("../../../packaging/deb/prerm")),
];
const HEADERS_SCRIPTS: [(&str, &str); 1] =
    [("postinst", include_str!("../../../packaging/deb/headers-postinst"))];
const COPYRIGHT: &str = include_str!("../../../packaging/deb/copyright");

/// What Debian's own images of bullseye and later depend on. It holds for a kernel with
/// everything built in too: its root file system may be on LVM, LUKS or RAID. dracut provides
/// linux-initramfs-tool.
const IMAGE_DEPENDS: &str =
    "kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool";

pub(in crate::package) fn documents(job: &Job, about: &About) -> [PayloadFile; 2] {
    let copyright = COPYRIGHT
        .replace("@UPSTREAM@", &job.order.upstream.to_string())
        .replace("@SERIES@", &job.order.series);
    documents::of(about, &copyright, job.payload.timestamp)
}

/// `documents` are [`documents`]' of the same package.
pub(in crate::package) fn describe<'a>(
    job: &'a Job,
    about: &'a About,
    documents: &'a [PayloadFile],
) -> Result<Deb<'a>, Error> {
    let scripts: &[_] = match job.part {
        Part::Image => &IMAGE_SCRIPTS,
        Part::Headers => &HEADERS_SCRIPTS,
        Part::Debug | Part::LibcDev => &[],
    };
    let script = |(name, text): &(&'static str, &str)| (*name, text.replace("@RELEASE@", &job.names.release));
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

fn relations(job: &Job) -> Result<Vec<(&'static str, String)>, Error> {
    Ok(match job.part {
        Part::Image => vec![
            ("Depends", IMAGE_DEPENDS.into()),
            ("Suggests", job.names.deb(Part::Headers)),
            ("Provides", "linux-image".into()),
        ],
        Part::Headers => vec![
            ("Depends", shlibs::depends(&elf::needed(&job.payload)?)),
            ("Recommends", format!("{}, make", compiler(&job.order.compiler))),
            // dkms recommends it.
            ("Provides", "linux-headers".into()),
        ],
        Part::Debug => Vec::new(),
        // As Debian's own has them.
        Part::LibcDev => vec![("Provides", "linux-kernel-headers".into()), ("Multi-Arch", "same".into())],
    })
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
