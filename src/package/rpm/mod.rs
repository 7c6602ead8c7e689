//! The .rpm, version 4: lead, signature header, header, payload.
//!
//! The header is the rpm crate's, made from files without content, and then told the sizes and
//! checksums: given the content, that crate would compress it into memory, on one thread.

mod header;

use std::io::Write;
use std::path::Path;

use ::rpm::{
    Header, HeaderEntry, IndexData, IndexSignatureTag, IndexTag, PackageMetadata, SignatureHeaderBuilder,
};

use super::output::{Ready, Spool, assemble};
use super::payload::{Kind, Member, PayloadFile, Role, members};
use super::{Error, Job, cpio, elf};
use crate::plan::Format;

/// The text of the kernel's licence, which is this tool's too.
const LICENCE: &str = include_str!("../../../LICENSE");

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

pub(super) fn write(job: &Job) -> Result<Ready, Error> {
    let licence = licence(job);
    let members = layout(job, &licence);
    let target = job.order.out.join(job.names.rpm_file(job.part));
    let how = (job.order.compression, job.order.jobs);
    let payload = Spool::fill(&target, how, |out| write_payload(job, &members, &target, out))?;
    let metadata = metadata(job, &members, &payload)?;
    assemble((Format::Rpm, job.part), job.names.rpm(job.part), target.clone(), |mut out| {
        metadata.write(&mut out).map_err(|source| header_error(job, source))?;
        std::io::copy(&mut &payload.file, out)
            .map_err(|source| Error::Write { path: target.clone(), source })?;
        Ok(())
    })
}

fn header_error(job: &Job, source: ::rpm::Error) -> Error {
    Error::RpmHeader { package: job.names.rpm(job.part), source: Box::new(source) }
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
        Role::Documentation(path) => path.clone(),
    }
}

fn licence(job: &Job) -> [PayloadFile; 1] {
    let path = format!("usr/share/licenses/{}/COPYING", job.names.rpm(job.part));
    [PayloadFile::in_memory(Role::Documentation(path), LICENCE.as_bytes().to_vec())]
}

fn layout<'a>(job: &'a Job, licence: &'a [PayloadFile]) -> Vec<Member<'a>> {
    let release = &job.names.release;
    let own = [
        format!("lib/modules/{release}"),
        format!("usr/src/kernels/{release}"),
        format!("usr/lib/debug/lib/modules/{release}"),
        "usr/lib/debug/.build-id".to_owned(),
        "usr/lib/debug/boot".to_owned(),
        format!("usr/share/licenses/{}", job.names.rpm(job.part)),
    ];
    // Folders above are the filesystem package's; /lib is a link there, not a folder.
    let owned = |path: &str| {
        let below = |own: &String| {
            path.strip_prefix(own.as_str()).is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/', ..]))
        };
        path.starts_with("usr/include/") || own.iter().any(below)
    };
    members(job.payload.files.iter().chain(licence), |role| place(release, role), owned)
}

fn write_payload(job: &Job, members: &[Member], target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    for (index, member) in members.iter().enumerate() {
        let (mode, links, bytes) = match &member.kind {
            Kind::Directory => (DIRECTORY | 0o755, 2, 0),
            Kind::File(file) => (REGULAR | file.mode, 1, size(job, file.bytes)?),
            Kind::Link(text) => (LINK | 0o777, 1, text.len() as u32),
        };
        let name = format!("./{}", member.path);
        let inode = index as u32 + 1;
        cpio::Header { name: &name, inode, mode, links, mtime: job.payload.timestamp, bytes }
            .write(out)
            .map_err(failed)?;
        match &member.kind {
            Kind::Directory => {}
            Kind::File(file) => job.meter.copy(file, out, target)?,
            Kind::Link(text) => out.write_all(text.as_bytes()).map_err(failed)?,
        }
        cpio::pad(out, u64::from(bytes)).map_err(failed)?;
    }
    cpio::finish(out).map_err(failed)
}

/// Beyond 4 GiB rpm wants other tags and cpio headers.
fn size(job: &Job, bytes: u64) -> Result<u32, Error> {
    u32::try_from(bytes).map_err(|_| Error::TooLarge { package: job.names.rpm(job.part), bytes })
}

/// Everything in front of the payload.
fn metadata(job: &Job, members: &[Member], payload: &Spool) -> Result<PackageMetadata, Error> {
    let failed = |source| header_error(job, source);
    let needed = elf::needed(&job.payload)?;
    let PackageMetadata { lead, header, signature } = header::builder(job, members, &needed)
        .and_then(|mut builder| builder.build())
        .map_err(failed)?
        .metadata;
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
        let (bytes, digest) = match member.map(|found| &members[found].kind) {
            Ok(Kind::File(file)) => (size(job, file.bytes)?, file.sha256.clone()),
            Ok(Kind::Link(text)) => (text.len() as u32, String::new()),
            // A ghost, or a folder.
            _ => (0, String::new()),
        };
        result.0.push(bytes);
        result.1.push(digest);
    }
    Ok(result)
}
