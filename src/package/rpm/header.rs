//! What rpm and dnf know about a package, made with every file empty.

use ::rpm::{
    BuildConfig, CompressionWithLevel, Dependency, DependencyFlags, FileOptions, FileVerifyFlags,
    PackageBuilder, Timestamp,
};

use crate::package::elf::Library;
use crate::package::payload::{Kind, Member, Role};
use crate::package::{Job, about, compress};
use crate::plan::{Compression, Part};

/// The scripts rpm runs, in `packaging/rpm`.
const POST: &str = include_str!("../../../packaging/rpm/post");
const POSTTRANS: &str = include_str!("../../../packaging/rpm/posttrans");
const PREUN: &str = include_str!("../../../packaging/rpm/preun");
const POSTUN: &str = include_str!("../../../packaging/rpm/postun");

/// `.invalid` is a name that no one can have (RFC 2606).
const PACKAGER: &str = "kpatch-build <kpatch-build@kpatch-build.invalid>";

/// Those of rpm's own GROUPS file, which RHEL's packages keep to.
fn group(part: Part) -> &'static str {
    match part {
        Part::Image => "System Environment/Kernel",
        Part::Headers | Part::LibcDev => "Development/System",
        Part::Debug => "Development/Debuggers",
    }
}

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
        .group(group(job.part))
        .url("https://www.kernel.org/")
        .vendor("kpatch-build")
        .packager(PACKAGER)
        .build_host("kpatch-build.invalid")
        .add_changelog_entry(format!("{PACKAGER} - {}", job.names.version()), changelog(job), time);
    add_files(&mut builder, job, members)?;
    add_compression(&mut builder, job.order.compression);
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

fn add_scripts(builder: &mut PackageBuilder, job: &Job) {
    let script = |text: &str| text.replace("@RELEASE@", &job.names.release);
    builder
        .post_install_script(script(POST))
        .post_trans_script(script(POSTTRANS))
        .pre_uninstall_script(script(PREUN))
        .post_uninstall_script(script(POSTUN));
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
                    // The next depmod may change them.
                    Role::Depmod(_) => {
                        options.verify(FileVerifyFlags::USER | FileVerifyFlags::GROUP | FileVerifyFlags::MODE)
                    }
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
    // All of the kernel's modules are here: Fedora has them in packages of their own.
    for name in
        ["kernel-core-uname-r", "kernel-modules-core-uname-r", "kernel-modules-uname-r", "kernel-uname-r"]
    {
        builder.provides(Dependency::eq(name, &job.names.release));
    }
}

/// Those of Fedora's kernel-devel; the host programs need what rpmbuild would have found.
fn add_headers_relations(builder: &mut PackageBuilder, job: &Job, libraries: &[Library]) {
    for Library { soname, versions } in libraries {
        builder.requires(Dependency::any(format!("{soname}()(64bit)")));
        for version in versions {
            builder.requires(Dependency::any(format!("{soname}({version})(64bit)")));
        }
    }
    if job.payload.has_btf() {
        builder.requires(Dependency::any("dwarves"));
    }
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
