//! What rpm and dnf know about a package, made with every file empty.

use ::rpm::{
    BuildConfig, CompressionWithLevel, Dependency, DependencyFlags, FileOptions, FileVerifyFlags,
    PackageBuilder, Timestamp,
};

use crate::package::elf::Library;
use crate::package::payload::{Kind, Member, Role};
use crate::package::{Job, about, compress};
use crate::plan::{Compression, Part};

/// The scripts rpm runs, in `packaging/rpm`; `sweep` is part of each package's %post.
const SWEEP: &str = include_str!("../../../packaging/rpm/sweep");
const POST: &str = include_str!("../../../packaging/rpm/post");
const POSTTRANS: &str = include_str!("../../../packaging/rpm/posttrans");
const PREUN: &str = include_str!("../../../packaging/rpm/preun");
const POSTUN: &str = include_str!("../../../packaging/rpm/postun");

pub(super) fn builder(
    job: &Job,
    members: &[Member],
    libraries: &[Library],
) -> Result<PackageBuilder, ::rpm::Error> {
    let name = job.names.rpm(job.part);
    let summary = about::summary(job);
    let mut builder = PackageBuilder::new(&name, &job.names.upstream, "GPL-2.0-only", "x86_64", &summary);
    let time = Timestamp::from(job.payload.timestamp);
    builder.using_config(BuildConfig::v4().source_date(time).compression(compression(job)));
    builder
        .release(job.names.revision.to_string())
        .description(about::description(job).join("\n\n"))
        .group("System Environment/Kernel")
        .url("https://www.kernel.org/")
        .vendor("kpatch-build")
        .build_host("kpatch-build.invalid")
        .add_changelog_entry(
            format!("kpatch-build <kpatch-build@kpatch-build.invalid> - {}", job.names.version()),
            changelog(job),
            time,
        );
    add_files(&mut builder, job, members)?;
    add_compression(&mut builder, job.order.compression);
    match job.part {
        Part::Image => {
            add_ghosts(&mut builder, job)?;
            add_image_relations(&mut builder, job);
            add_scripts(&mut builder, job, members);
        }
        Part::Headers => {
            add_headers_relations(&mut builder, job, libraries);
            add_sweep(&mut builder, members);
        }
        Part::Debug => add_sweep(&mut builder, members),
        Part::LibcDev => add_libc_relations(&mut builder, job),
    }
    Ok(builder)
}

fn compression(job: &Job) -> CompressionWithLevel {
    match job.order.compression {
        Compression::Xz => CompressionWithLevel::Xz(compress::XZ_LEVEL),
        Compression::Zstd => CompressionWithLevel::Zstd(compress::ZSTD_LEVEL),
        Compression::Gzip => CompressionWithLevel::Gzip(compress::GZIP_LEVEL),
    }
}

/// The crate says by itself what zstd needs.
fn add_compression(builder: &mut PackageBuilder, compression: Compression) {
    if compression == Compression::Xz {
        builder.requires(Dependency::rpmlib("PayloadIsXz", "5.2-1"));
    }
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

fn changelog(job: &Job) -> String {
    let mut text =
        format!("- Linux {}, series {}: {}", job.order.upstream, job.order.series, job.order.title);
    for patch in &job.order.patches {
        text.push_str(&format!("\n- {}", patch));
    }
    text
}

fn add_files(builder: &mut PackageBuilder, job: &Job, members: &[Member]) -> Result<(), ::rpm::Error> {
    let time = Timestamp::from(job.payload.timestamp);
    for member in members {
        let path = format!("/{}", member.path);
        match &member.kind {
            Kind::Directory => {
                builder.with_dir_entry(FileOptions::dir(path).permissions(0o755).modified_at(time))?;
            }
            Kind::Link(text) => {
                builder.with_symlink(FileOptions::symlink(path, text).modified_at(time))?;
            }
            Kind::File(file) => {
                let mut options = FileOptions::new(path).permissions(file.mode as u16).modified_at(time);
                options = match file.role {
                    // The next depmod may change them, and `kernel-install remove` deletes them
                    // (systemd's 50-depmod.install) before rpm comes to it.
                    Role::Depmod(_) => options
                        .verify(FileVerifyFlags::USER | FileVerifyFlags::GROUP | FileVerifyFlags::MODE)
                        .missingok(),
                    Role::Documentation(_) => options.license(),
                    _ => options,
                };
                builder.with_file_contents(Vec::new(), options)?;
            }
        }
    }
    Ok(())
}

/// What kernel-install may make, so that erasing the package takes it along.
fn add_ghosts(builder: &mut PackageBuilder, job: &Job) -> Result<(), ::rpm::Error> {
    let time = Timestamp::from(job.payload.timestamp);
    for Ghost { path, mode, .. } in ghosts(job) {
        builder.with_ghost(FileOptions::ghost(path).permissions(mode).modified_at(time))?;
    }
    Ok(())
}

/// A file that the package owns but does not hold.
pub(super) struct Ghost {
    pub path: String,
    mode: u16,
    /// What rpm reckons with when it looks whether a transaction fits on the disk.
    pub bytes: u64,
}

/// What Fedora's kernel-core has as `%ghost` in its `%files`, and with sizes as there: its `%install`
/// makes an initramfs of 20 MiB for rpm to see. A full /boot is thereby found before anything is
/// written, not by kernel-install, whose failure could no longer stop the transaction.
pub(super) fn ghosts(job: &Job) -> Vec<Ghost> {
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
    for name in ["kernel-core-uname-r", "kernel-uname-r"] {
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

/// Those of Fedora's kernel-devel; the host programs need what rpmbuild would have found.
fn add_headers_relations(builder: &mut PackageBuilder, job: &Job, libraries: &[Library]) {
    for Library { soname, versions } in libraries {
        builder.requires(Dependency::any(format!("{soname}()(64bit)")));
        for version in versions {
            builder.requires(Dependency::any(format!("{soname}({version})(64bit)")));
        }
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
