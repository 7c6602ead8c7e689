//! The .rpm, version 4: lead, signature header, header, payload.
//!
//! The header is the rpm crate's, made from files without content, and then told the sizes and
//! checksums: given the content, that crate would compress it into memory, on one thread.

use std::io::Write;
use std::path::Path;

use ::rpm::{
    BuildConfig, CompressionWithLevel, Dependency, DependencyFlags, FileOptions, FileVerifyFlags, Header,
    HeaderEntry, IndexData, IndexSignatureTag, IndexTag, PackageBuilder, PackageMetadata,
    SignatureHeaderBuilder, Timestamp,
};

use super::output::{Ready, Spool, assemble};
use super::payload::{Kind, Member, PayloadFile, Role, members};
use super::{Error, Job, compress, cpio};
use crate::plan::Format;

/// The scripts rpm runs, in `packaging/rpm`.
const POST: &str = include_str!("../../packaging/rpm/post");
const POSTTRANS: &str = include_str!("../../packaging/rpm/posttrans");
const PREUN: &str = include_str!("../../packaging/rpm/preun");
const POSTUN: &str = include_str!("../../packaging/rpm/postun");
/// The text of the kernel's licence, which is this tool's too.
const LICENCE: &str = include_str!("../../LICENSE");

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

pub(super) fn write(job: &Job) -> Result<Ready, Error> {
    let licence = licence(job);
    let members = layout(job, &licence);
    let target = job.order.out.join(job.names.rpm_file());
    let payload = Spool::xz(&target, job.order.jobs, |out| write_payload(job, &members, &target, out))?;
    let metadata = metadata(job, &members, &payload)?;
    assemble(Format::Rpm, &job.names.rpm, target.clone(), |mut out| {
        metadata.write(&mut out).map_err(|source| header_error(job, source))?;
        std::io::copy(&mut &payload.file, out)
            .map_err(|source| Error::Write { path: target.clone(), source })?;
        Ok(())
    })
}

fn header_error(job: &Job, source: ::rpm::Error) -> Error {
    Error::RpmHeader { package: job.names.rpm.clone(), source: Box::new(source) }
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
        Role::Documentation(path) => path.clone(),
    }
}

fn licence(job: &Job) -> [PayloadFile; 1] {
    let path = format!("usr/share/licenses/{}/COPYING", job.names.rpm);
    [PayloadFile::in_memory(Role::Documentation(path), LICENCE.as_bytes().to_vec())]
}

fn layout<'a>(job: &'a Job, licence: &'a [PayloadFile]) -> Vec<Member<'a>> {
    let placed = |file: &'a PayloadFile| (place(&job.names.release, &file.role), file);
    let own = [format!("lib/modules/{}", job.names.release), format!("usr/share/licenses/{}", job.names.rpm)];
    // Folders above are the filesystem package's; /lib is a link there, not a folder.
    let owned = |path: &str| {
        own.iter().any(|own| {
            path.strip_prefix(own.as_str()).is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/', ..]))
        })
    };
    members(job.payload.files.iter().chain(licence).map(placed), owned)
}

fn write_payload(job: &Job, members: &[Member], target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    for (index, member) in members.iter().enumerate() {
        let (mode, links, bytes) = match member.kind {
            Kind::Directory => (DIRECTORY | 0o755, 2, 0),
            Kind::File(file) => (REGULAR | file.mode, 1, size(job, file.bytes)?),
        };
        let name = format!("./{}", member.path);
        let inode = index as u32 + 1;
        cpio::Header { name: &name, inode, mode, links, mtime: job.payload.timestamp, bytes }
            .write(out)
            .map_err(failed)?;
        if let Kind::File(file) = member.kind {
            job.meter.copy(file, out, target)?;
            cpio::pad(out, file.bytes).map_err(failed)?;
        }
    }
    cpio::finish(out).map_err(failed)
}

/// Beyond 4 GiB rpm wants other tags and cpio headers.
fn size(job: &Job, bytes: u64) -> Result<u32, Error> {
    u32::try_from(bytes).map_err(|_| Error::TooLarge { package: job.names.rpm.clone(), bytes })
}

/// Everything in front of the payload.
fn metadata(job: &Job, members: &[Member], payload: &Spool) -> Result<PackageMetadata, Error> {
    let failed = |source| header_error(job, source);
    let PackageMetadata { lead, header, signature } =
        builder(job, members).and_then(|mut builder| builder.build()).map_err(failed)?.metadata;
    let header = with_contents(job, members, payload, &header)?;
    let mut metadata = PackageMetadata { lead, signature, header };
    let bytes = metadata.header_bytes().map_err(failed)?;
    metadata.signature = signature_header(&bytes, payload).map_err(failed)?;
    Ok(metadata)
}

fn signature_header(header: &[u8], payload: &Spool) -> Result<Header<IndexSignatureTag>, ::rpm::Error> {
    SignatureHeaderBuilder::new()
        .format(::rpm::RpmFormat::V4)
        .reserved_space(Some(SignatureHeaderBuilder::DEFAULT_RESERVED_SPACE))
        .set_content_length(header.len() as u64 + payload.bytes)
        .calculate_digests(header)
        .build()
}

/// The header with the tags replaced that say what is in the files.
fn with_contents(
    job: &Job,
    members: &[Member],
    payload: &Spool,
    header: &Header<IndexTag>,
) -> Result<Header<IndexTag>, Error> {
    let failed = |source| header_error(job, source);
    let mut entries = header.get_all_entries().map_err(failed)?;
    let (sizes, digests) = contents(job, members, header)?;
    let total = sizes.iter().map(|size| u64::from(*size)).sum();
    let replaced = [
        (IndexTag::RPMTAG_SIZE, IndexData::Int32(vec![size(job, total)?])),
        (IndexTag::RPMTAG_FILESIZES, IndexData::Int32(sizes)),
        (IndexTag::RPMTAG_FILEDIGESTS, IndexData::StringArray(digests)),
        (IndexTag::RPMTAG_BUILDTIME, IndexData::Int32(vec![job.payload.timestamp])),
        (IndexTag::RPMTAG_PAYLOADSHA256, IndexData::StringArray(vec![payload.sha256.clone()])),
        (IndexTag::RPMTAG_PAYLOADSHA256ALT, IndexData::StringArray(vec![payload.plain_sha256.clone()])),
    ];
    for (tag, data) in replaced {
        entries.retain(|(present, _)| *present != tag as u32);
        entries.push((tag as u32, data));
    }
    // from_entries makes the region's tag anew.
    entries.retain(|(tag, _)| *tag != IndexTag::RPMTAG_HEADERIMMUTABLE as u32);
    let entries = entries.into_iter().map(|(tag, data)| HeaderEntry::new(tag, data));
    Ok(Header::from_entries(entries, IndexTag::RPMTAG_HEADERIMMUTABLE))
}

/// Sizes and checksums in the order that the header has its files in, ghosts among them.
fn contents(
    job: &Job,
    members: &[Member],
    header: &Header<IndexTag>,
) -> Result<(Vec<u32>, Vec<String>), Error> {
    let failed = |source| header_error(job, source);
    let folders = header.get_entry_data_as_string_array(IndexTag::RPMTAG_DIRNAMES).map_err(failed)?;
    let names = header.get_entry_data_as_string_array(IndexTag::RPMTAG_BASENAMES).map_err(failed)?;
    let indexes = header.get_entry_data_as_u32_array(IndexTag::RPMTAG_DIRINDEXES).map_err(failed)?;
    let mut result = (Vec::new(), Vec::new());
    for (name, index) in names.iter().zip(indexes) {
        let path = format!("{}{name}", folders[index as usize]);
        let member = members.binary_search_by(|member| member.path.as_str().cmp(&path[1..]));
        let (bytes, digest) = match member.map(|found| members[found].kind) {
            Ok(Kind::File(file)) => (size(job, file.bytes)?, file.sha256.clone()),
            // A ghost, or a folder.
            _ => (0, String::new()),
        };
        result.0.push(bytes);
        result.1.push(digest);
    }
    Ok(result)
}

/// The package with every file empty.
fn builder(job: &Job, members: &[Member]) -> Result<PackageBuilder, ::rpm::Error> {
    let mut builder = PackageBuilder::new(
        &job.names.rpm,
        &job.names.upstream,
        "GPL-2.0-only",
        "x86_64",
        &format!("Linux {} with the io_thread series {}", job.order.upstream, job.order.series),
    );
    let time = Timestamp::from(job.payload.timestamp);
    let compression = CompressionWithLevel::Xz(compress::LEVEL);
    builder.using_config(BuildConfig::v4().source_date(time).compression(compression));
    builder
        .release(job.names.revision.to_string())
        .description(format!(
            "The Linux kernel, its modules and the data to load them, as {}.\n\nThe series {}: {}.",
            job.names.release,
            job.order.series,
            job.order.title.trim_end_matches('.')
        ))
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
    add_dependencies(&mut builder, job);
    let script = |text: &str| text.replace("@RELEASE@", &job.names.release);
    builder
        .post_install_script(script(POST))
        .post_trans_script(script(POSTTRANS))
        .pre_uninstall_script(script(PREUN))
        .post_uninstall_script(script(POSTUN));
    Ok(builder)
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
        match member.kind {
            Kind::Directory => {
                builder.with_dir_entry(FileOptions::dir(path).permissions(0o755).modified_at(time))?;
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
    // What kernel-install may make, so that erasing the package takes it along.
    let release = &job.names.release;
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
fn add_dependencies(builder: &mut PackageBuilder, job: &Job) {
    let needed = DependencyFlags::SCRIPT_POST | DependencyFlags::POSTTRANS | DependencyFlags::SCRIPT_PREUN;
    for name in ["/usr/bin/kernel-install", "coreutils", "dracut", "kmod"] {
        builder.requires(Dependency { name: name.to_owned(), flags: needed, version: String::new() });
    }
    // The crate knows the compression but says so only for zstd.
    builder.requires(Dependency::rpmlib("PayloadIsXz", "5.2-1"));
    builder.recommends(Dependency::any("linux-firmware"));
    builder.provides(Dependency::any("installonlypkg(kernel)"));
    builder.provides(Dependency::eq("kernel", job.names.version()));
    for name in ["kernel-core-uname-r", "kernel-uname-r"] {
        builder.provides(Dependency::eq(name, &job.names.release));
    }
}
