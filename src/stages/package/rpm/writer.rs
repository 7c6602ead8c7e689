//! Writes an `.rpm` file.

use std::io::Write;
use std::path::Path;

use ::rpm::{
    Header, HeaderEntry, IndexData, IndexSignatureTag, IndexTag, PackageMetadata, SignatureHeaderBuilder,
};

use super::rpm_package::{RpmPackage, header_error};
use crate::base::archive::cpio::{self, Digits};
use crate::stages::package::error::Error;
use crate::stages::package::job::WriteOptions;
use crate::stages::package::output::{PendingPackage, Spool, assemble};
use crate::stages::package::payload::MemberKind;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Writes the package into an unnamed file.
pub(in crate::stages::package) fn write(
    mut rpm: RpmPackage,
    options: &WriteOptions,
) -> Result<PendingPackage, Error> {
    let info = rpm.info;
    let target = options.out.join(format!("{}-{}.x86_64.rpm", info.name, info.version()));
    let payload = Spool::fill(&target, options.compression, options.jobs, |out| {
        write_payload(&rpm, options, &target, out)
    })?;
    let metadata = metadata(&mut rpm, options, &payload)?;
    assemble(info.name.clone(), target.clone(), |mut out| {
        metadata.write(&mut out).map_err(|source| header_error(info, source))?;
        std::io::copy(&mut &payload.file, out)
            .map_err(|source| Error::Write { path: target.clone(), source })?;
        Ok(())
    })
}

fn write_payload(
    rpm: &RpmPackage,
    options: &WriteOptions,
    target: &Path,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    for (index, member) in rpm.members.iter().enumerate() {
        let (mode, links, bytes) = match &member.kind {
            MemberKind::Directory => (DIRECTORY | 0o755, 2, 0),
            MemberKind::File(file) => (REGULAR | file.mode, 1, size(rpm, file.bytes)?),
            MemberKind::Link(target) => (LINK | 0o777, 1, target.len() as u32),
        };
        let name = format!("./{}", member.path);
        let inode = index as u32 + 1;
        let mtime = options.timestamp;
        let header = cpio::Header { name: &name, inode, mode, links, mtime, bytes, device: (0, 0) };
        header.write(Digits::Upper, out).map_err(failed)?;
        match &member.kind {
            MemberKind::Directory => {}
            MemberKind::File(file) => options.reader.copy(file, out, target)?,
            MemberKind::Link(link_target) => out.write_all(link_target.as_bytes()).map_err(failed)?,
        }
        cpio::pad(out, u64::from(bytes)).map_err(failed)?;
    }
    cpio::Header::trailer(0).write(Digits::Upper, out).map_err(failed)
}

/// Returns the size as rpm stores it; above 4 GiB rpm requires other tags and cpio headers.
fn size(rpm: &RpmPackage, bytes: u64) -> Result<u32, Error> {
    u32::try_from(bytes).map_err(|_| Error::TooLarge { package: rpm.info.name.clone(), bytes })
}

/// Everything before the payload.
fn metadata(rpm: &mut RpmPackage, options: &WriteOptions, payload: &Spool) -> Result<PackageMetadata, Error> {
    let info = rpm.info;
    let failed = |source| header_error(info, source);
    let PackageMetadata { lead, header, signature } = rpm.builder.build().map_err(failed)?.metadata;
    let header = with_contents(rpm, options, payload, &header)?;
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

/// Returns the header with the tags that depend on the files' contents.
fn with_contents(
    rpm: &RpmPackage,
    options: &WriteOptions,
    payload: &Spool,
    header: &Header<IndexTag>,
) -> Result<Header<IndexTag>, Error> {
    let failed = |source| header_error(rpm.info, source);
    let mut entries = header.get_all_entries().map_err(failed)?;
    let (sizes, digests) = contents(rpm, header)?;
    let total = sizes.iter().map(|size| u64::from(*size)).sum();
    let replaced = [
        (IndexTag::RPMTAG_SIZE, IndexData::Int32(vec![size(rpm, total)?])),
        (IndexTag::RPMTAG_FILESIZES, IndexData::Int32(sizes)),
        (IndexTag::RPMTAG_FILEDIGESTS, IndexData::StringArray(digests)),
        (IndexTag::RPMTAG_BUILDTIME, IndexData::Int32(vec![options.timestamp])),
        (IndexTag::RPMTAG_PAYLOADSHA256, IndexData::StringArray(vec![payload.sha256.clone()])),
        (IndexTag::RPMTAG_PAYLOADSHA256ALT, IndexData::StringArray(vec![payload.plain_sha256.clone()])),
    ];
    for (tag, data) in replaced {
        entries.retain(|(present, _)| *present != tag as u32);
        entries.push((tag as u32, data));
    }
    // from_entries adds this tag again.
    entries.retain(|(tag, _)| *tag != IndexTag::RPMTAG_HEADERIMMUTABLE as u32);
    let entries = entries.into_iter().map(|(tag, data)| HeaderEntry::new(tag, data));
    Ok(Header::from_entries(entries, IndexTag::RPMTAG_HEADERIMMUTABLE))
}

/// Sizes and checksums in the header's order of files, ghosts included.
fn contents(rpm: &RpmPackage, header: &Header<IndexTag>) -> Result<(Vec<u32>, Vec<String>), Error> {
    let failed = |source| header_error(rpm.info, source);
    let dirs = header.get_entry_data_as_string_array(IndexTag::RPMTAG_DIRNAMES).map_err(failed)?;
    let names = header.get_entry_data_as_string_array(IndexTag::RPMTAG_BASENAMES).map_err(failed)?;
    let indexes = header.get_entry_data_as_u32_array(IndexTag::RPMTAG_DIRINDEXES).map_err(failed)?;
    let mut result = (Vec::new(), Vec::new());
    for (name, index) in names.iter().zip(indexes) {
        let path = format!("{}{name}", dirs[index as usize]);
        let member = rpm.members.binary_search_by(|member| member.path.as_str().cmp(&path[1..]));
        let (bytes, digest) = match member.map(|found| &rpm.members[found].kind) {
            Ok(MemberKind::File(file)) => (size(rpm, file.bytes)?, file.sha256.clone()),
            Ok(MemberKind::Link(target)) => (target.len() as u32, String::new()),
            Ok(MemberKind::Directory) => (0, String::new()),
            Err(_) => {
                let ghost = rpm.ghosts.iter().find(|ghost| ghost.path == path);
                (size(rpm, ghost.map_or(0, |ghost| ghost.bytes))?, String::new())
            }
        };
        result.0.push(bytes);
        result.1.push(digest);
    }
    Ok(result)
}
