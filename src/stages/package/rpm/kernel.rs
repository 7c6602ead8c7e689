//! A kernel's `.rpm`: paths, relations and scripts.

use ::rpm::{Dependency, DependencyFlags, FileOptions, PackageBuilder, Timestamp};

use super::builder::{self, require_libraries};
use super::rpm_package::{Ghost, RpmPackage, header_error, is_below, licence};
use crate::base::options::Part;
use crate::stages::package::elf::{self, Library};
use crate::stages::package::error::Error;
use crate::stages::package::info::{PackageInfo, build_tools};
use crate::stages::package::job::{PackageJob, WriteOptions};
use crate::stages::package::payload::{Member, MemberKind, PayloadFile, Role, members};

/// Scripts, in `packaging/rpm`; `sweep` is part of each package's %post.
const SWEEP: &str = include_str!("../../../../packaging/rpm/sweep");
const POST: &str = include_str!("../../../../packaging/rpm/post");
const POSTTRANS: &str = include_str!("../../../../packaging/rpm/posttrans");
const PREUN: &str = include_str!("../../../../packaging/rpm/preun");
const POSTUN: &str = include_str!("../../../../packaging/rpm/postun");

/// Returns the group from rpm's GROUPS file, which RHEL's packages follow.
fn group(part: Part) -> &'static str {
    match part {
        Part::Image => "System Environment/Kernel",
        Part::Headers | Part::LibcDev => "Development/System",
        Part::Debug => "Development/Debuggers",
    }
}

/// Returns the documents of the package.
pub(in crate::stages::package) fn documents(info: &PackageInfo) -> [PayloadFile; 1] {
    [licence(info)]
}

/// Describes the package for rpm; `documents` is the result of [`documents`] for the same package.
pub(in crate::stages::package) fn describe<'a>(
    job: &'a PackageJob,
    options: &WriteOptions,
    info: &'a PackageInfo,
    documents: &'a [PayloadFile],
) -> Result<RpmPackage<'a>, Error> {
    let members = layout(job, info, documents);
    let (ghosts, libraries) = (ghosts(job), elf::required_libraries(&job.payload)?);
    let failed = |source| header_error(info, source);
    let mut builder = builder::builder(info, options, &members).map_err(failed)?;
    builder.group(group(job.part));
    add_ghosts(&mut builder, options, &ghosts).map_err(failed)?;
    match job.part {
        Part::Image => {
            add_image_relations(&mut builder, job);
            add_scripts(&mut builder, job, &members);
        }
        Part::Headers => {
            add_headers_relations(&mut builder, job, &libraries);
            add_sweep(&mut builder, &members);
        }
        Part::Debug => add_sweep(&mut builder, &members),
        Part::LibcDev => add_libc_relations(&mut builder, job),
    }
    Ok(RpmPackage { info, members, ghosts, builder })
}

fn add_scripts(builder: &mut PackageBuilder, job: &PackageJob, members: &[Member]) {
    let script = |text: &str| text.replace("@RELEASE@", &job.names.release);
    builder.post_install_script(sweep(members) + &script(POST)).post_uninstall_script(script(POSTUN));
    if job.missing_for_disk.is_none() {
        builder.post_trans_script(script(POSTTRANS)).pre_uninstall_script(script(PREUN));
    }
}

fn add_sweep(builder: &mut PackageBuilder, members: &[Member]) {
    builder.post_install_script(sweep(members));
    builder.requires(Dependency::script_post("findutils"));
}

/// Returns the part of %post that removes leftovers of killed installations, for the outermost directories
/// that the package owns.
fn sweep(members: &[Member]) -> String {
    let mut dirs: Vec<&str> = Vec::new();
    for member in members.iter().filter(|member| matches!(member.kind, MemberKind::Directory)) {
        let inside =
            |outer: &&str| member.path.strip_prefix(*outer).is_some_and(|rest| rest.starts_with('/'));
        if !dirs.iter().any(inside) {
            dirs.push(&member.path);
        }
    }
    let quoted: Vec<_> = dirs.iter().map(|dir| format!("'/{dir}'")).collect();
    SWEEP.replace("@DIRS@", &quoted.join(" "))
}

/// Adds files that kernel-install may create, so that erasing the package removes them.
fn add_ghosts(
    builder: &mut PackageBuilder,
    options: &WriteOptions,
    ghosts: &[Ghost],
) -> Result<(), ::rpm::Error> {
    let time = Timestamp::from(options.timestamp);
    for Ghost { path, mode, .. } in ghosts {
        builder.with_ghost(FileOptions::ghost(path).permissions(*mode).modified_at(time))?;
    }
    Ok(())
}

/// Returns the `%ghost` files of Fedora's kernel-core, with the same sizes: its `%install` creates an
/// initramfs of 20 MiB for rpm to count. rpm then detects a full /boot before it writes anything; a failure
/// of kernel-install could no longer stop the transaction.
fn ghosts(job: &PackageJob) -> Vec<Ghost> {
    const INITRAMFS: u64 = 20 << 20;
    let bytes = |role| job.payload.files.iter().find(|file| file.role == role).map_or(0, |file| file.bytes);
    let ghost = |name: &str, mode, bytes| Ghost {
        path: format!("/boot/{}", name.replace("@", &job.names.release)),
        mode,
        bytes,
    };
    if job.part != Part::Image || job.missing_for_disk.is_some() {
        return Vec::new();
    }
    vec![
        ghost("vmlinuz-@", 0o644, bytes(Role::Image)),
        ghost("System.map-@", 0o600, bytes(Role::SystemMap)),
        ghost("config-@", 0o644, bytes(Role::Config)),
        ghost("initramfs-@.img", 0o600, INITRAMFS),
    ]
}

/// Adds the relations of Fedora's and RHEL's kernel-core: the programs that its scripts run, and the names
/// that other packages require of a kernel.
fn add_image_relations(builder: &mut PackageBuilder, job: &PackageJob) {
    let in_scripts =
        DependencyFlags::SCRIPT_POST | DependencyFlags::POSTTRANS | DependencyFlags::SCRIPT_PREUN;
    let is_for_disk = job.missing_for_disk.is_none();
    let for_boot_loader =
        ["/usr/bin/kernel-install", "coreutils", "dracut"].into_iter().filter(|_| is_for_disk);
    for name in for_boot_loader.chain(["findutils", "kmod"]) {
        builder.requires(Dependency { name: name.to_owned(), flags: in_scripts, version: String::new() });
    }
    add_installonly(builder, job);
    if is_for_disk {
        builder.recommends(Dependency::any("linux-firmware"));
        builder.provides(Dependency::eq("kernel", job.names.version()));
    }
    // This package includes all modules; Fedora splits them into several packages.
    for name in
        ["kernel-core-uname-r", "kernel-modules-core-uname-r", "kernel-modules-uname-r", "kernel-uname-r"]
    {
        builder.provides(Dependency::eq(name, &job.names.release));
    }
}

/// Lets dnf keep several kernels, and lets a rebuild replace the earlier build.
///
/// dnf never replaces an installonly package: it would install a rebuild next to the earlier build, whose
/// files it shares, and fail. Fedora's rebuilds do not conflict because their kernel release contains the
/// package's release; here the rebuild obsoletes the earlier build.
fn add_installonly(builder: &mut PackageBuilder, job: &PackageJob) {
    builder.provides(Dependency::any("installonlypkg(kernel)"));
    builder.obsoletes(Dependency::less(job.names.rpm(job.part), job.names.version()));
}

/// Adds the relations of Fedora's kernel-devel.
fn add_headers_relations(builder: &mut PackageBuilder, job: &PackageJob, libraries: &[Library]) {
    require_libraries(builder, libraries);
    if job.payload.has_btf() {
        builder.requires(Dependency::any("dwarves"));
    }
    for name in build_tools(&job.request.compiler) {
        builder.requires(Dependency::any(*name));
    }
    add_installonly(builder, job);
    builder.provides(Dependency::eq("kernel-devel", job.names.version()));
    builder.provides(Dependency::eq("kernel-devel-uname-r", &job.names.release));
}

/// Adds relations that replace the distribution's headers only on request: without Obsoletes, no update does.
fn add_libc_relations(builder: &mut PackageBuilder, job: &PackageJob) {
    for name in ["kernel-headers", "glibc-kernheaders"] {
        builder.provides(Dependency::eq(name, job.names.version()));
    }
    builder.conflicts(Dependency::any("kernel-headers"));
}

/// Returns the path of a file, relative to the root directory. As on Fedora, all files of the kernel are in
/// the modules' directory, and kernel-install creates those in /boot.
fn path_of(release: &str, role: &Role) -> String {
    let below = |path: &str| format!("lib/modules/{release}/{path}");
    match role {
        Role::Image => below("vmlinuz"),
        Role::SystemMap => below("System.map"),
        Role::Config => below("config"),
        Role::Modules(path) | Role::Depmod(path) => below(path),
        Role::Headers(path) => format!("usr/src/kernels/{release}/{path}").trim_end_matches('/').to_owned(),
        Role::Vmlinux => format!("usr/lib/debug/{}", below("vmlinux")),
        Role::VmlinuxForKdump => format!("usr/lib/debug/vmlinux-{release}"),
        Role::VmlinuxForSystemtap => format!("usr/lib/debug/boot/vmlinux-{release}"),
        Role::ModuleDebug(path) => format!("usr/lib/debug/{}", below(path)),
        Role::BuildId(id) => format!("usr/lib/debug/.build-id/{}/{}.debug", &id[..2], &id[2..]),
        Role::Uapi(path) => format!("usr/include/{path}"),
        Role::At(path) => path.clone(),
    }
}

fn layout<'a>(job: &'a PackageJob, info: &PackageInfo, documents: &'a [PayloadFile]) -> Vec<Member<'a>> {
    let release = &job.names.release;
    let own = [
        format!("lib/modules/{release}"),
        format!("usr/src/kernels/{release}"),
        format!("usr/lib/debug/lib/modules/{release}"),
        "usr/lib/debug/.build-id".to_owned(),
        "usr/lib/debug/boot".to_owned(),
        format!("usr/share/licenses/{}", info.name),
    ];
    // The parent directories belong to the package filesystem, where /lib is a symbolic link.
    let is_owned = |path: &str| path.starts_with("usr/include/") || is_below(path, &own);
    members(job.payload.files.iter().chain(documents), |role| path_of(release, role), is_owned)
}
