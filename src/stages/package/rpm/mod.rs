//! The .rpm, version 4: lead, signature header, header, payload.
//!
//! The header is the rpm crate's, made from files without content, and then told the sizes and
//! checksums: given the content, that crate would compress it into memory, on one thread.

mod common;
pub mod kernel;
pub(super) mod tool;

use std::io::Write;
use std::path::Path;

use ::rpm::{
    Header, HeaderEntry, IndexData, IndexSignatureTag, IndexTag, PackageBuilder, PackageMetadata,
    SignatureHeaderBuilder,
};

use super::output::{Ready, Spool, assemble};
use super::payload::{Kind, Member, Nature, PayloadFile, Role};
use super::{About, Error, How};
use crate::base::archive::cpio::{self, Digits};

/// The text of the kernel's licence, which is this tool's too.
const LICENCE: &str = include_str!("../../../../LICENSE");

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// A package as rpm is to have it.
pub(super) struct Rpm<'a> {
    pub about: &'a About,
    pub members: Vec<Member<'a>>,
    pub ghosts: Vec<Ghost>,
    /// [`common::builder`]'s, with group, relations, ghosts and scripts.
    pub builder: PackageBuilder,
}

/// A file that the package owns but does not hold.
pub(super) struct Ghost {
    /// With a slash in front, as in the header.
    path: String,
    mode: u16,
    /// What rpm reckons with when it looks whether a transaction fits on the disk.
    bytes: u64,
}

pub(super) fn write(mut rpm: Rpm, how: &How) -> Result<Ready, Error> {
    let about = rpm.about;
    let target = how.out.join(format!("{}-{}.x86_64.rpm", about.name, about.version()));
    let payload = Spool::fill(&target, how.compression(), |out| write_payload(&rpm, how, &target, out))?;
    let metadata = metadata(&mut rpm, how, &payload)?;
    assemble(about.name.clone(), target.clone(), |mut out| {
        metadata.write(&mut out).map_err(|source| header_error(about, source))?;
        std::io::copy(&mut &payload.file, out)
            .map_err(|source| Error::Write { path: target.clone(), source })?;
        Ok(())
    })
}

fn header_error(about: &About, source: ::rpm::Error) -> Error {
    Error::RpmHeader { package: about.name.clone(), source: Box::new(source) }
}

/// A package owns its licence's folder, too.
fn licence(about: &About) -> PayloadFile {
    let path = format!("usr/share/licenses/{}/COPYING", about.name);
    PayloadFile::in_memory(Role::At(path), LICENCE.as_bytes().to_vec()).of_nature(Nature::Licence)
}

/// Whether `path` is one of `own` or below one.
fn is_below(path: &str, own: &[String]) -> bool {
    own.iter().any(|own| {
        path.strip_prefix(own.as_str()).is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/', ..]))
    })
}

fn write_payload(rpm: &Rpm, how: &How, target: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    for (index, member) in rpm.members.iter().enumerate() {
        let (mode, links, bytes) = match &member.kind {
            Kind::Directory => (DIRECTORY | 0o755, 2, 0),
            Kind::File(file) => (REGULAR | file.mode, 1, size(rpm, file.bytes)?),
            Kind::Link(text) => (LINK | 0o777, 1, text.len() as u32),
        };
        let name = format!("./{}", member.path);
        let inode = index as u32 + 1;
        let mtime = how.timestamp;
        let header = cpio::Header { name: &name, inode, mode, links, mtime, bytes, device: (0, 0) };
        header.write(Digits::Upper, out).map_err(failed)?;
        match &member.kind {
            Kind::Directory => {}
            Kind::File(file) => how.meter.copy(file, out, target)?,
            Kind::Link(text) => out.write_all(text.as_bytes()).map_err(failed)?,
        }
        cpio::pad(out, u64::from(bytes)).map_err(failed)?;
    }
    cpio::Header::trailer(0).write(Digits::Upper, out).map_err(failed)
}

/// Beyond 4 GiB rpm wants other tags and cpio headers.
fn size(rpm: &Rpm, bytes: u64) -> Result<u32, Error> {
    u32::try_from(bytes).map_err(|_| Error::TooLarge { package: rpm.about.name.clone(), bytes })
}

/// Everything in front of the payload.
fn metadata(rpm: &mut Rpm, how: &How, payload: &Spool) -> Result<PackageMetadata, Error> {
    let about = rpm.about;
    let failed = |source| header_error(about, source);
    let PackageMetadata { lead, header, signature } = rpm.builder.build().map_err(failed)?.metadata;
    let header = with_contents(rpm, how, payload, &header)?;
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
    rpm: &Rpm,
    how: &How,
    payload: &Spool,
    header: &Header<IndexTag>,
) -> Result<Header<IndexTag>, Error> {
    let failed = |source| header_error(rpm.about, source);
    let mut entries = header.get_all_entries().map_err(failed)?;
    let (sizes, digests) = contents(rpm, header)?;
    let total = sizes.iter().map(|size| u64::from(*size)).sum();
    let replaced = [
        (IndexTag::RPMTAG_SIZE, IndexData::Int32(vec![size(rpm, total)?])),
        (IndexTag::RPMTAG_FILESIZES, IndexData::Int32(sizes)),
        (IndexTag::RPMTAG_FILEDIGESTS, IndexData::StringArray(digests)),
        (IndexTag::RPMTAG_BUILDTIME, IndexData::Int32(vec![how.timestamp])),
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
fn contents(rpm: &Rpm, header: &Header<IndexTag>) -> Result<(Vec<u32>, Vec<String>), Error> {
    let failed = |source| header_error(rpm.about, source);
    let folders = header.get_entry_data_as_string_array(IndexTag::RPMTAG_DIRNAMES).map_err(failed)?;
    let names = header.get_entry_data_as_string_array(IndexTag::RPMTAG_BASENAMES).map_err(failed)?;
    let indexes = header.get_entry_data_as_u32_array(IndexTag::RPMTAG_DIRINDEXES).map_err(failed)?;
    let mut result = (Vec::new(), Vec::new());
    for (name, index) in names.iter().zip(indexes) {
        let path = format!("{}{name}", folders[index as usize]);
        let member = rpm.members.binary_search_by(|member| member.path.as_str().cmp(&path[1..]));
        let (bytes, digest) = match member.map(|found| &rpm.members[found].kind) {
            Ok(Kind::File(file)) => (size(rpm, file.bytes)?, file.sha256.clone()),
            Ok(Kind::Link(text)) => (text.len() as u32, String::new()),
            Ok(Kind::Directory) => (0, String::new()),
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
