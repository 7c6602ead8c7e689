//! The dnf repository: signed packages, and `repodata` as createrepo_c lays it out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use ::rpm::{Header, HeaderEntry, IndexData, IndexSignatureTag, PackageMetadata};
use pgp::composed::{Deserializable, DetachedSignature};
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::PacketTrait;
use rpmrepo_metadata::utils::create_xml_writer;
use rpmrepo_metadata::{
    Checksum, FilelistsXml, MetadataError, OtherXml, Package, PackageOptions, PackageSource, PrimaryXml,
    RepomdData, RepomdRecord, RepomdXml,
};
use sha2::{Digest, Sha256};

use super::Release;
use super::apt::gzip;
use super::error::Error;
use super::found::{self, Rpm, is_plain, not_an_rpm};
use super::generation::{Draft, Half, place};
use crate::base::cache_key::hex;
use crate::base::openpgp::sign::SigningKey;

pub fn half(root: std::path::PathBuf) -> Result<Half, Error> {
    Half::open(root, "repodata", "packages")
}

/// Publishes `rpms`, signed, and nothing else; the generation's number.
pub fn publish(half: &Half, rpms: &BTreeMap<String, Rpm>, release: &Release) -> Result<u64, Error> {
    let mut draft = half.begin(release.date)?;
    let mut packages = Vec::new();
    for (name, rpm) in rpms {
        let path = pool_path(rpm, release.key)?;
        let signed = place_signed(half, name, rpm, &path, release)?;
        packages.push(describe(&signed, &path)?);
        draft.package(&path);
    }
    let repomd = write_indexes(&mut draft, &packages, release.date)?;
    draft.file("repomd.xml", &repomd)?;
    draft.file("repomd.xml.asc", release.key.detached(&repomd[..], release.date)?.as_bytes())?;
    draft.publish(release.keep)
}

/// Below a folder named after the key: signed with another one, a package is another file, and clients
/// of earlier generations still ask for the first one.
fn pool_path(rpm: &Rpm, key: &SigningKey) -> Result<String, Error> {
    let failed = not_an_rpm(&rpm.path);
    let metadata = &rpm.metadata;
    let architecture =
        if metadata.is_source_package() { "src" } else { metadata.get_arch().map_err(&failed)? };
    let parts = [
        ("the name", metadata.get_name().map_err(&failed)?),
        ("the version", metadata.get_version().map_err(&failed)?),
        ("the release", metadata.get_release().map_err(&failed)?),
        ("the architecture", architecture),
    ];
    if let Some((what, value)) = parts.iter().find(|(_, value)| !is_plain(value)) {
        return Err(Error::Name { path: rpm.path.clone(), what, value: (*value).to_owned() });
    }
    let [name, version, release, architecture] = parts.map(|(_, value)| value);
    let fingerprint = key.fingerprint();
    let id = &fingerprint[fingerprint.len().saturating_sub(16)..];
    Ok(format!("packages/{id}/{name}-{version}-{release}.{architecture}.rpm"))
}

/// The package as clients get it.
fn place_signed(half: &Half, name: &str, rpm: &Rpm, path: &str, release: &Release) -> Result<Rpm, Error> {
    let target = half.root.join(path);
    if !target.exists() {
        let metadata = sign(rpm, release.key)?;
        place(&target, |file| copy_as(rpm, &metadata, file))?;
    }
    let placed = found::rpm(&target, release.stop)?;
    if placed.content == rpm.content {
        return Ok(placed);
    }
    Err(Error::Published { name: name.to_owned(), path: rpm.path.clone(), published: target })
}

fn copy_as(rpm: &Rpm, metadata: &PackageMetadata, to: &mut File) -> Result<(), Error> {
    let mut front = Vec::new();
    metadata.write(&mut front).map_err(not_an_rpm(&rpm.path))?;
    let payload = rpm.metadata.get_package_segment_offsets().payload;
    let mut source = File::open(&rpm.path).map_err(Error::io("read", &rpm.path))?;
    let mut copy = || {
        source.seek(SeekFrom::Start(payload))?;
        to.write_all(&front)?;
        io::copy(&mut source, to).map(drop)
    };
    copy().map_err(Error::io("copy", &rpm.path))
}

/// The package's metadata with a signature of its header, which has the payload's checksum, in place of
/// those that it has.
///
/// The signature bears the package's own time: the same package signed again is the same file. Written
/// here, since the rpm crate brings an OpenPGP library of its own for it.
fn sign(rpm: &Rpm, key: &SigningKey) -> Result<PackageMetadata, Error> {
    let failed = not_an_rpm(&rpm.path);
    let header = rpm.metadata.header_bytes().map_err(&failed)?;
    let built = rpm.metadata.get_build_time().unwrap_or_default();
    let armoured = key.detached(&header[..], i64::try_from(built).unwrap_or(i64::MAX))?;
    let (tag, signature) = header_signature(&armoured)?;
    let entries = rpm.metadata.signature.get_all_entries().map_err(&failed)?;
    let of_a_signature = [
        IndexSignatureTag::HEADER_SIGNATURES,
        IndexSignatureTag::RPMSIGTAG_OPENPGP,
        IndexSignatureTag::RPMSIGTAG_RSA,
        IndexSignatureTag::RPMSIGTAG_DSA,
        IndexSignatureTag::RPMSIGTAG_PGP,
        IndexSignatureTag::RPMSIGTAG_GPG,
    ];
    let kept =
        entries.into_iter().filter(|(tag, _)| !of_a_signature.iter().any(|known| *known as u32 == *tag));
    let entries =
        kept.chain([(tag as u32, IndexData::Bin(signature))]).map(|(tag, data)| HeaderEntry::new(tag, data));
    let signature = Header::from_entries(entries, IndexSignatureTag::HEADER_SIGNATURES);
    Ok(PackageMetadata { lead: rpm.metadata.lead.clone(), signature, header: rpm.metadata.header.clone() })
}

/// Where rpm looks for a signature of this kind, and the packet.
fn header_signature(armoured: &str) -> Result<(IndexSignatureTag, Vec<u8>), Error> {
    let (parsed, _) = DetachedSignature::from_string(armoured).expect("it was made here");
    let algorithm = parsed.signature.config().map(|config| config.pub_alg);
    let tag = match algorithm {
        Some(PublicKeyAlgorithm::RSA) => IndexSignatureTag::RPMSIGTAG_RSA,
        // The tag is named after the first of them.
        Some(PublicKeyAlgorithm::DSA | PublicKeyAlgorithm::ECDSA | PublicKeyAlgorithm::EdDSALegacy) => {
            IndexSignatureTag::RPMSIGTAG_DSA
        }
        other => return Err(Error::Algorithm { algorithm: format!("{other:?}") }),
    };
    let mut packet = Vec::new();
    parsed.signature.to_writer_with_header(&mut packet).expect("a Vec takes every byte");
    Ok((tag, packet))
}

fn describe(rpm: &Rpm, path: &str) -> Result<Package, Error> {
    let source = PackageSource {
        checksum: Some(Checksum::Sha256(rpm.sha256.clone())),
        size_package: Some(rpm.bytes),
        // Not the file's own, which says when it was copied here.
        time_file: rpm.metadata.get_build_time().unwrap_or_default(),
        location_href: path.to_owned(),
        location_base: None,
    };
    Package::from_package_metadata(&rpm.metadata, source, PackageOptions::default())
        .map_err(|source| Error::Describe { path: rpm.path.clone(), source: Box::new(source) })
}

/// Writes the indexes under names with their checksums, and returns the `repomd.xml` that lists them.
fn write_indexes(draft: &mut Draft, packages: &[Package], date: i64) -> Result<Vec<u8>, Error> {
    let mut repomd = RepomdData::default();
    repomd.set_revision(&date.to_string());
    for (kind, write) in KINDS {
        let plain = write(packages).map_err(described)?;
        let packed = gzip(&plain);
        let (open_sha256, sha256) = (hex(&Sha256::digest(&plain)), hex(&Sha256::digest(&packed)));
        let name = format!("{sha256}-{kind}.xml.gz");
        draft.index(&name, &packed)?;
        let mut record = RepomdRecord::default();
        record.metadata_name = kind.to_owned();
        record.location_href = format!("repodata/{name}").into();
        record.timestamp = date;
        record.size = Some(packed.len() as u64);
        record.checksum = Checksum::Sha256(sha256);
        record.open_size = Some(plain.len() as u64);
        record.open_checksum = Some(Checksum::Sha256(open_sha256));
        repomd.add_record(record);
    }
    let mut writer = create_xml_writer(Vec::new());
    RepomdXml::write_data(&repomd, &mut writer).map_err(described)?;
    Ok(writer.into_inner())
}

fn described(source: MetadataError) -> Error {
    Error::Describe { path: "repodata".into(), source: Box::new(source) }
}

type Writer = fn(&[Package]) -> Result<Vec<u8>, MetadataError>;

const KINDS: [(&str, Writer); 3] = [("primary", primary), ("filelists", filelists), ("other", other)];

fn primary(packages: &[Package]) -> Result<Vec<u8>, MetadataError> {
    let mut writer = PrimaryXml::new_writer(create_xml_writer(Vec::new()));
    writer.write_header(packages.len())?;
    packages.iter().try_for_each(|package| writer.write_package(package))?;
    writer.finish()?;
    Ok(writer.into_inner())
}

fn filelists(packages: &[Package]) -> Result<Vec<u8>, MetadataError> {
    let mut writer = FilelistsXml::new_writer(create_xml_writer(Vec::new()));
    writer.write_header(packages.len())?;
    packages.iter().try_for_each(|package| writer.write_package(package))?;
    writer.finish()?;
    Ok(writer.into_inner())
}

fn other(packages: &[Package]) -> Result<Vec<u8>, MetadataError> {
    let mut writer = OtherXml::new_writer(create_xml_writer(Vec::new()));
    writer.write_header(packages.len())?;
    packages.iter().try_for_each(|package| writer.write_package(package))?;
    writer.finish()?;
    Ok(writer.into_inner())
}
