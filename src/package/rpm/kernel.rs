//! A kernel's .rpm: where its files go, what it needs, and the scripts that rpm runs.

use ::rpm::{Dependency, DependencyFlags, FileOptions, PackageBuilder, Timestamp};

use super::{Rpm, common, header_error, is_below};
use crate::package::elf::{self, Library};
use crate::package::payload::{Member, PayloadFile, Role, members};
use crate::package::{About, Error, How, Job};
use crate::plan::Part;

/// The scripts rpm runs, in `packaging/rpm`.
const POST: &str = include_str!("../../../packaging/rpm/post");
const POSTTRANS: &str = include_str!("../../../packaging/rpm/posttrans");
const PREUN: &str = include_str!("../../../packaging/rpm/preun");
const POSTUN: &str = include_str!("../../../packaging/rpm/postun");

pub(in crate::package) fn documents(about: &About) -> [PayloadFile; 1] {
    [super::licence(about)]
}

/// `documents` are [`documents`]' of the same package.
pub(in crate::package) fn describe<'a>(
    job: &'a Job,
    how: &How,
    about: &'a About,
    documents: &'a [PayloadFile],
) -> Result<Rpm<'a>, Error> {
    let members = layout(job, about, documents);
    let libraries = elf::needed(&job.payload)?;
    let builder =
        builder(job, how, (about, &members), &libraries).map_err(|source| header_error(about, source))?;
    Ok(Rpm { about, members, builder })
}

fn builder(
    job: &Job,
    how: &How,
    (about, members): (&About, &[Member]),
    libraries: &[Library],
) -> Result<PackageBuilder, ::rpm::Error> {
    let mut builder = common::builder(about, how, members)?;
    builder.group("System Environment/Kernel");
    match job.part {
        Part::Image => {
            add_ghosts(&mut builder, job)?;
            add_image_relations(&mut builder, job);
            add_scripts(&mut builder, job);
        }
        Part::Headers => add_headers_relations(&mut builder, job, libraries),
        Part::Debug => {}
        Part::LibcDev => add_libc_relations(&mut builder, job),
    }
    Ok(builder)
}

fn add_scripts(builder: &mut PackageBuilder, job: &Job) {
    let script = |text: &str| text.replace("@RELEASE@", &job.names.release);
    builder
        .post_install_script(script(POST))
        .post_trans_script(script(POSTTRANS))
        .pre_uninstall_script(script(PREUN))
        .post_uninstall_script(script(POSTUN));
}

/// What kernel-install may make, so that erasing the package takes it along.
fn add_ghosts(builder: &mut PackageBuilder, job: &Job) -> Result<(), ::rpm::Error> {
    let (release, time) = (&job.names.release, Timestamp::from(job.payload.timestamp));
    for (name, mode) in [
        (format!("vmlinuz-{release}"), 0o644),
        (format!("System.map-{release}"), 0o600),
        (format!("config-{release}"), 0o644),
        (format!("initramfs-{release}.img"), 0o600),
    ] {
        builder
            .with_ghost(FileOptions::ghost(format!("/boot/{name}")).permissions(mode).modified_at(time))?;
    }
    Ok(())
}

/// Those of Fedora's and RHEL's kernel-core. `installonlypkg(kernel)` makes dnf keep older
/// ones beside it, and what others require of a kernel is provided.
fn add_image_relations(builder: &mut PackageBuilder, job: &Job) {
    let needed = DependencyFlags::SCRIPT_POST | DependencyFlags::POSTTRANS | DependencyFlags::SCRIPT_PREUN;
    for name in ["/usr/bin/kernel-install", "coreutils", "dracut", "kmod"] {
        builder.requires(Dependency { name: name.to_owned(), flags: needed, version: String::new() });
    }
    builder.recommends(Dependency::any("linux-firmware"));
    builder.provides(Dependency::any("installonlypkg(kernel)"));
    builder.provides(Dependency::eq("kernel", job.names.version()));
    for name in ["kernel-core-uname-r", "kernel-uname-r"] {
        builder.provides(Dependency::eq(name, &job.names.release));
    }
}

/// Those of Fedora's kernel-devel.
fn add_headers_relations(builder: &mut PackageBuilder, job: &Job, libraries: &[Library]) {
    common::require_libraries(builder, libraries);
    let compiler = job.order.compiler.split(' ').next().unwrap_or_default();
    for name in [compiler, "make"] {
        builder.recommends(Dependency::any(name));
    }
    builder.provides(Dependency::any("installonlypkg(kernel)"));
    builder.provides(Dependency::eq("kernel-devel", job.names.version()));
    builder.provides(Dependency::eq("kernel-devel-uname-r", &job.names.release));
}

/// It has the place of the distribution's, but is never taken for an update of it: no Obsoletes.
fn add_libc_relations(builder: &mut PackageBuilder, job: &Job) {
    for name in ["kernel-headers", "glibc-kernheaders"] {
        builder.provides(Dependency::eq(name, job.names.version()));
    }
    builder.conflicts(Dependency::any("kernel-headers"));
}

/// Where a file of the payload goes: as Fedora has it, everything is in the modules' folder,
/// and kernel-install makes what belongs into /boot.
pub fn place(release: &str, role: &Role) -> String {
    let below = |path: &str| format!("lib/modules/{release}/{path}");
    match role {
        Role::Image => below("vmlinuz"),
        Role::SystemMap => below("System.map"),
        Role::Config => below("config"),
        Role::Modules(path) | Role::Depmod(path) => below(path),
        Role::Headers(path) => format!("usr/src/kernels/{release}/{path}").trim_end_matches('/').to_owned(),
        Role::Vmlinux => format!("usr/lib/debug/{}", below("vmlinux")),
        Role::VmlinuxLink(0) => format!("usr/lib/debug/vmlinux-{release}"),
        Role::VmlinuxLink(_) => format!("usr/lib/debug/boot/vmlinux-{release}"),
        Role::ModuleDebug(path) => format!("usr/lib/debug/{}", below(path)),
        Role::BuildId(id) => format!("usr/lib/debug/.build-id/{}/{}.debug", &id[..2], &id[2..]),
        Role::Uapi(path) => format!("usr/include/{path}"),
        Role::At(path) => path.clone(),
    }
}

fn layout<'a>(job: &'a Job, about: &About, licence: &'a [PayloadFile]) -> Vec<Member<'a>> {
    let release = &job.names.release;
    let own = [
        format!("lib/modules/{release}"),
        format!("usr/src/kernels/{release}"),
        format!("usr/lib/debug/lib/modules/{release}"),
        format!("usr/share/licenses/{}", about.name),
    ];
    // Folders above are the filesystem package's; /lib is a link there, not a folder.
    let owned = |path: &str| is_below(path, &own);
    members(job.payload.files.iter().chain(licence), |role| place(release, role), owned)
}
