//! What every .rpm tells rpm and dnf, made with every file empty.

use ::rpm::{
    BuildConfig, CompressionWithLevel, Dependency, FileOptions, FileVerifyFlags, PackageBuilder, Timestamp,
};

use crate::base::options::Compression;
use crate::stages::package::elf::Library;
use crate::stages::package::payload::{Kind, Member, Nature};
use crate::stages::package::{About, How, compress};

/// `.invalid` is a name that no one can have (RFC 2606).
const PACKAGER: &str = "kpatch-build <kpatch-build@kpatch-build.invalid>";

/// With everything but group, relations, ghosts and scripts.
pub(super) fn builder(about: &About, how: &How, members: &[Member]) -> Result<PackageBuilder, ::rpm::Error> {
    let mut builder =
        PackageBuilder::new(&about.name, &about.version, "GPL-2.0-only", "x86_64", &about.summary);
    let time = Timestamp::from(how.timestamp);
    builder.using_config(BuildConfig::v4().source_date(time).compression(compression(how.compression)));
    builder
        .release(about.revision.to_string())
        .description(about.description().join("\n\n"))
        .vendor("kpatch-build")
        .packager(PACKAGER)
        .build_host("kpatch-build.invalid")
        .add_changelog_entry(
            format!("{PACKAGER} - {}", about.version()),
            about.changes.iter().map(|change| format!("- {change}")).collect::<Vec<_>>().join("\n"),
            time,
        );
    if let Some(homepage) = about.homepage {
        builder.url(homepage);
    }
    add_files(&mut builder, how, members)?;
    add_compression(&mut builder, how.compression);
    Ok(builder)
}

fn compression(compression: Compression) -> CompressionWithLevel {
    match compression {
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

fn add_files(builder: &mut PackageBuilder, how: &How, members: &[Member]) -> Result<(), ::rpm::Error> {
    let time = Timestamp::from(how.timestamp);
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
                let options = FileOptions::new(path).permissions(file.mode as u16).modified_at(time);
                let options = match file.nature {
                    Nature::Plain => options,
                    // The next depmod may change them, and `kernel-install remove` deletes them
                    // (systemd's 50-depmod.install) before rpm comes to it.
                    Nature::Rewritten => options
                        .verify(FileVerifyFlags::USER | FileVerifyFlags::GROUP | FileVerifyFlags::MODE)
                        .missingok(),
                    Nature::Configuration => options.config().noreplace(),
                    Nature::Documentation => options.doc(),
                    Nature::Licence => options.license(),
                };
                builder.with_file_contents(Vec::new(), options)?;
            }
        }
    }
    Ok(())
}

/// What rpmbuild would have found that programs need.
pub(super) fn require_libraries(builder: &mut PackageBuilder, libraries: &[Library]) {
    for Library { soname, versions } in libraries {
        builder.requires(Dependency::any(format!("{soname}()(64bit)")));
        for version in versions {
            builder.requires(Dependency::any(format!("{soname}({version})(64bit)")));
        }
    }
}
