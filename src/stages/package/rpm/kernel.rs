//! A kernel's .rpm: where its files go, what it needs, and the scripts that rpm runs.

use ::rpm::{Dependency, DependencyFlags, FileOptions, PackageBuilder, Timestamp};

use super::{Ghost, Rpm, common, header_error, is_below};
use crate::base::options::Part;
use crate::stages::package::elf::{self, Library};
use crate::stages::package::payload::{Kind, Member, PayloadFile, Role, members};
use crate::stages::package::{About, Error, How, Job};

/// The scripts rpm runs, in `packaging/rpm`; `sweep` is part of each package's %post.
const SWEEP: &str = include_str!("../../../../packaging/rpm/sweep");
const POST: &str = include_str!("../../../../packaging/rpm/post");
const POSTTRANS: &str = include_str!("../../../../packaging/rpm/posttrans");
const PREUN: &str = include_str!("../../../../packaging/rpm/preun");
const POSTUN: &str = include_str!("../../../../packaging/rpm/postun");

/// Those of rpm's own GROUPS file, which RHEL's packages keep to.
fn group(part: Part) -> &'static str {
    match part {
        Part::Image => "System Environment/Kernel",
        Part::Headers | Part::LibcDev => "Development/System",
        Part::Debug => "Development/Debuggers",
    }
}

pub(in crate::stages::package) fn documents(about: &About) -> [PayloadFile; 1] {
    [super::licence(about)]
}

/// `documents` are [`documents`]' of the same package.
pub(in crate::stages::package) fn describe<'a>(
    job: &'a Job,
    how: &How,
    about: &'a About,
    documents: &'a [PayloadFile],
) -> Result<Rpm<'a>, Error> {
    let members = layout(job, about, documents);
    let (ghosts, libraries) = (ghosts(job), elf::needed(&job.payload)?);
    let failed = |source| header_error(about, source);
    let mut builder = common::builder(about, how, &members).map_err(failed)?;
    builder.group(group(job.part));
    add_ghosts(&mut builder, how, &ghosts).map_err(failed)?;
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
    Ok(Rpm { about, members, ghosts, builder })
}

fn add_scripts(builder: &mut PackageBuilder, job: &Job, members: &[Member]) {
    let script = |text: &str| text.replace("@RELEASE@", &job.names.release);
    builder
        .post_install_script(sweep(members) + &script(POST))
        .post_trans_script(script(POSTTRANS))
        .pre_uninstall_script(script(PREUN))
        .post_uninstall_script(script(POSTUN));
}

fn add_sweep(builder: &mut PackageBuilder, members: &[Member]) {
    builder.post_install_script(sweep(members));
    builder.requires(Dependency::script_post("findutils"));
}

/// For the outermost folders that are the package's own.
fn sweep(members: &[Member]) -> String {
    let mut folders: Vec<&str> = Vec::new();
    for member in members.iter().filter(|member| matches!(member.kind, Kind::Directory)) {
        let inside =
            |outer: &&str| member.path.strip_prefix(*outer).is_some_and(|rest| rest.starts_with('/'));
        if !folders.iter().any(inside) {
            folders.push(&member.path);
        }
    }
    let quoted: Vec<_> = folders.iter().map(|folder| format!("'/{folder}'")).collect();
    SWEEP.replace("@FOLDERS@", &quoted.join(" "))
}

/// What kernel-install may make, so that erasing the package takes it along.
fn add_ghosts(builder: &mut PackageBuilder, how: &How, ghosts: &[Ghost]) -> Result<(), ::rpm::Error> {
    let time = Timestamp::from(how.timestamp);
    for Ghost { path, mode, .. } in ghosts {
        builder.with_ghost(FileOptions::ghost(path).permissions(*mode).modified_at(time))?;
    }
    Ok(())
}

/// What Fedora's kernel-core has as `%ghost` in its `%files`, and with sizes as there: its `%install`
/// makes an initramfs of 20 MiB for rpm to see. A full /boot is thereby found before anything is
/// written, not by kernel-install, whose failure could no longer stop the transaction.
fn ghosts(job: &Job) -> Vec<Ghost> {
    const INITRAMFS: u64 = 20 << 20;
    let bytes = |role| job.payload.files.iter().find(|file| file.role == role).map_or(0, |file| file.bytes);
    let ghost = |name: &str, mode, bytes| Ghost {
        path: format!("/boot/{}", name.replace("@", &job.names.release)),
        mode,
        bytes,
    };
    if job.part != Part::Image {
        return Vec::new();
    }
    vec![
        ghost("vmlinuz-@", 0o644, bytes(Role::Image)),
        ghost("System.map-@", 0o600, bytes(Role::SystemMap)),
        ghost("config-@", 0o644, bytes(Role::Config)),
        ghost("initramfs-@.img", 0o600, INITRAMFS),
    ]
}

/// Those of Fedora's and RHEL's kernel-core: its scripts' programs, and what others require of a kernel.
fn add_image_relations(builder: &mut PackageBuilder, job: &Job) {
    let needed = DependencyFlags::SCRIPT_POST | DependencyFlags::POSTTRANS | DependencyFlags::SCRIPT_PREUN;
    for name in ["/usr/bin/kernel-install", "coreutils", "dracut", "findutils", "kmod"] {
        builder.requires(Dependency { name: name.to_owned(), flags: needed, version: String::new() });
    }
    builder.recommends(Dependency::any("linux-firmware"));
    add_installonly(builder, job);
    builder.provides(Dependency::eq("kernel", job.names.version()));
    // All of the kernel's modules are here: Fedora has them in packages of their own.
    for name in
        ["kernel-core-uname-r", "kernel-modules-core-uname-r", "kernel-modules-uname-r", "kernel-uname-r"]
    {
        builder.provides(Dependency::eq(name, &job.names.release));
    }
}

/// dnf never replaces what is installonly: it would put a rebuild beside the build before it, whose
/// files it shares, and fail. Fedora's builds do not meet, since their kernel release has the package's
/// release in it; here the rebuild says that it takes the older one's place.
fn add_installonly(builder: &mut PackageBuilder, job: &Job) {
    builder.provides(Dependency::any("installonlypkg(kernel)"));
    builder.obsoletes(Dependency::less(job.names.rpm(job.part), job.names.version()));
}

/// Those of Fedora's kernel-devel.
fn add_headers_relations(builder: &mut PackageBuilder, job: &Job, libraries: &[Library]) {
    common::require_libraries(builder, libraries);
    if job.payload.has_btf() {
        builder.requires(Dependency::any("dwarves"));
    }
    let compiler = job.order.compiler.split(' ').next().unwrap_or_default();
    for name in [compiler, "make"] {
        builder.recommends(Dependency::any(name));
    }
    add_installonly(builder, job);
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
        "usr/lib/debug/.build-id".to_owned(),
        "usr/lib/debug/boot".to_owned(),
        format!("usr/share/licenses/{}", about.name),
    ];
    // Folders above are the filesystem package's; /lib is a link there, not a folder.
    let owned = |path: &str| path.starts_with("usr/include/") || is_below(path, &own);
    members(job.payload.files.iter().chain(licence), |role| place(release, role), owned)
}
