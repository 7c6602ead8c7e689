//! The part of the header that every `.rpm` has, built from empty files.

use ::rpm::{
    BuildConfig, CompressionWithLevel, Dependency, FileOptions, FileVerifyFlags, PackageBuilder, Timestamp,
};

use crate::base::options::Compression;
use crate::stages::package::compress;
use crate::stages::package::elf::Library;
use crate::stages::package::info::{MAINTAINER, PackageInfo};
use crate::stages::package::job::WriteOptions;
use crate::stages::package::payload::{FileFlags, Member, MemberKind};

/// Returns a builder that lacks only group, relations, ghosts and scripts.
pub(super) fn builder(
    info: &PackageInfo,
    options: &WriteOptions,
    members: &[Member],
) -> Result<PackageBuilder, ::rpm::Error> {
    let mut builder = PackageBuilder::new(&info.name, &info.version, info.licence, "x86_64", &info.summary);
    let time = Timestamp::from(options.timestamp);
    builder.using_config(BuildConfig::v4().source_date(time).compression(compression(options.compression)));
    builder
        .release(info.revision.to_string())
        .description(info.description().join("\n\n"))
        .vendor("kpatch-build")
        .packager(MAINTAINER)
        .build_host("kpatch-build.invalid")
        .add_changelog_entry(
            format!("{MAINTAINER} - {}", info.version()),
            info.changes.iter().map(|change| format!("- {change}")).collect::<Vec<_>>().join("\n"),
            time,
        );
    if let Some(homepage) = info.homepage {
        builder.url(homepage);
    }
    add_files(&mut builder, options, members)?;
    add_compression(&mut builder, options.compression);
    Ok(builder)
}

fn compression(compression: Compression) -> CompressionWithLevel {
    match compression {
        Compression::Xz => CompressionWithLevel::Xz(compress::XZ_LEVEL),
        Compression::Zstd => CompressionWithLevel::Zstd(compress::ZSTD_LEVEL),
        Compression::Gzip => CompressionWithLevel::Gzip(compress::GZIP_LEVEL),
    }
}

/// Adds rpm's requirement for xz; the crate adds the one for zstd.
fn add_compression(builder: &mut PackageBuilder, compression: Compression) {
    if compression == Compression::Xz {
        builder.requires(Dependency::rpmlib("PayloadIsXz", "5.2-1"));
    }
}

fn add_files(
    builder: &mut PackageBuilder,
    options: &WriteOptions,
    members: &[Member],
) -> Result<(), ::rpm::Error> {
    let time = Timestamp::from(options.timestamp);
    for member in members {
        let path = format!("/{}", member.path);
        match &member.kind {
            MemberKind::Directory => {
                builder.with_dir_entry(FileOptions::dir(path).permissions(0o755).modified_at(time))?;
            }
            MemberKind::Link(target) => {
                builder.with_symlink(FileOptions::symlink(path, target).modified_at(time))?;
            }
            MemberKind::File(file) => {
                let plain = FileOptions::new(path).permissions(file.mode as u16).modified_at(time);
                let flagged = match file.flags {
                    FileFlags::Plain => plain,
                    // The next depmod may change these files, and `kernel-install remove` deletes them
                    // (systemd's 50-depmod.install) before rpm does.
                    FileFlags::Regenerated => plain
                        .verify(FileVerifyFlags::USER | FileVerifyFlags::GROUP | FileVerifyFlags::MODE)
                        .missingok(),
                    FileFlags::Config => plain.config().noreplace(),
                    FileFlags::Documentation => plain.doc(),
                    FileFlags::Licence => plain.license(),
                };
                builder.with_file_contents(Vec::new(), flagged)?;
            }
        }
    }
    Ok(())
}

/// Adds the requirements that rpmbuild generates for programs.
pub(super) fn require_libraries(builder: &mut PackageBuilder, libraries: &[Library]) {
    for Library { soname, versions } in libraries {
        builder.requires(Dependency::any(format!("{soname}()(64bit)")));
        for version in versions {
            builder.requires(Dependency::any(format!("{soname}({version})(64bit)")));
        }
    }
}
