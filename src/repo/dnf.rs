//! The dnf repository: signed packages, and `repodata` in the layout of createrepo_c.

use std::collections::BTreeMap;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;

use ::rpm::{Header, HeaderEntry, IndexData, IndexSignatureTag, PackageMetadata};
use fs_err::File;
use pgp::composed::{Deserializable, DetachedSignature};
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::PacketTrait;
use rpmrepo_metadata::utils::create_xml_writer;
use rpmrepo_metadata::{
    Checksum, FilelistsXml, MetadataError, OtherXml, Package, PackageOptions, PackageSource, PrimaryXml,
    RepomdData, RepomdRecord, RepomdXml,
};

use super::apt::gzip;
use super::error::Error;
use super::found::{self, Rpm, is_plain, not_an_rpm};
use super::generation::{Draft, Repository, write_atomically};
use super::request::Publication;
use crate::base::digest::sha256;
use crate::base::files;
use crate::base::openpgp::sign::SigningKey;

/// Opens the repository below `root`.
pub(super) fn repository(root: PathBuf) -> Result<Repository, Error> {
    Repository::open(root, "repodata", "packages")
}

/// Signs `rpms`, publishes exactly these and returns the number of the new generation.
pub(super) fn publish(
    repository: &Repository,
    rpms: &BTreeMap<String, Rpm>,
    publication: &Publication,
) -> Result<u64, Error> {
    let mut draft = repository.begin(publication.date)?;
    let mut packages = Vec::new();
    for (name, rpm) in rpms {
        let path = pool_path(rpm, publication.key)?;
        let signed = add_signed(repository, name, rpm, &path, publication)?;
        packages.push(describe(&signed, &path)?);
        draft.package(&path);
    }
    let repomd = write_indexes(&mut draft, &packages, publication.date)?;
    draft.file("repomd.xml", &repomd)?;
    draft.file("repomd.xml.asc", publication.key.detached(&repomd[..], publication.date)?.as_bytes())?;
    draft.publish(publication.keep)
}

/// Returns the path in the pool, below a directory named after the key: a package signed with another key
/// is another file, and clients of earlier generations still request the first one.
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

/// Adds the signed package to the pool and returns the file that clients get.
fn add_signed(
    repository: &Repository,
    name: &str,
    rpm: &Rpm,
    path: &str,
    publication: &Publication,
) -> Result<Rpm, Error> {
    let target = repository.root.join(path);
    if !target.exists() {
        let metadata = sign(rpm, publication.key)?;
        write_atomically(&target, |file| copy_with(rpm, &metadata, file))?;
    }
    let signed = found::rpm(&target, publication.stop)?;
    if signed.content == rpm.content {
        return Ok(signed);
    }
    Err(Error::Published { name: name.to_owned(), path: rpm.path.clone(), published: target })
}

/// Writes the package with other `metadata`.
fn copy_with(rpm: &Rpm, metadata: &PackageMetadata, to: &mut std::fs::File) -> Result<(), Error> {
    let mut front = Vec::new();
    metadata.write(&mut front).map_err(not_an_rpm(&rpm.path))?;
    let payload = rpm.metadata.get_package_segment_offsets().payload;
    let mut source = File::open(&rpm.path)?;
    let mut copy = || {
        source.seek(SeekFrom::Start(payload))?;
        to.write_all(&front)?;
        io::copy(&mut source, to).map(drop)
    };
    Ok(copy().map_err(|error| files::at("copy", &rpm.path, error))?)
}

/// Returns the package's metadata with its signatures replaced by one of the header, which contains the
/// payload's checksum.
///
/// The signature has the package's build time as its date: signing the package again yields the same file.
/// The rpm crate could sign too, but only with a second OpenPGP library.
fn sign(rpm: &Rpm, key: &SigningKey) -> Result<PackageMetadata, Error> {
    let failed = not_an_rpm(&rpm.path);
    let header = rpm.metadata.header_bytes().map_err(&failed)?;
    let built = rpm.metadata.get_build_time().unwrap_or_default();
    let armoured = key.detached(&header[..], i64::try_from(built).unwrap_or(i64::MAX))?;
    let (tag, signature) = header_signature(&armoured)?;
    let entries = rpm.metadata.signature.get_all_entries().map_err(&failed)?;
    let signature_tags = [
        IndexSignatureTag::HEADER_SIGNATURES,
        IndexSignatureTag::RPMSIGTAG_OPENPGP,
        IndexSignatureTag::RPMSIGTAG_RSA,
        IndexSignatureTag::RPMSIGTAG_DSA,
        IndexSignatureTag::RPMSIGTAG_PGP,
        IndexSignatureTag::RPMSIGTAG_GPG,
    ];
    let kept =
        entries.into_iter().filter(|(tag, _)| !signature_tags.iter().any(|known| *known as u32 == *tag));
    let entries =
        kept.chain([(tag as u32, IndexData::Bin(signature))]).map(|(tag, data)| HeaderEntry::new(tag, data));
    let signature = Header::from_entries(entries, IndexSignatureTag::HEADER_SIGNATURES);
    Ok(PackageMetadata { lead: rpm.metadata.lead.clone(), signature, header: rpm.metadata.header.clone() })
}

/// Returns the tag under which rpm reads this signature, and the signature packet.
fn header_signature(armoured: &str) -> Result<(IndexSignatureTag, Vec<u8>), Error> {
    let (parsed, _) = DetachedSignature::from_string(armoured).expect("signed above");
    let algorithm = parsed.signature.config().map(|config| config.pub_alg);
    let tag = match algorithm {
        Some(PublicKeyAlgorithm::RSA) => IndexSignatureTag::RPMSIGTAG_RSA,
        // The tag is named after DSA, but rpm reads all three here.
        Some(PublicKeyAlgorithm::DSA | PublicKeyAlgorithm::ECDSA | PublicKeyAlgorithm::EdDSALegacy) => {
            IndexSignatureTag::RPMSIGTAG_DSA
        }
        other => return Err(Error::Algorithm { algorithm: format!("{other:?}") }),
    };
    let mut packet = Vec::new();
    parsed.signature.to_writer_with_header(&mut packet).expect("writing to a Vec cannot fail");
    Ok((tag, packet))
}

fn describe(rpm: &Rpm, path: &str) -> Result<Package, Error> {
    let source = PackageSource {
        checksum: Some(Checksum::Sha256(rpm.sha256.clone())),
        size_package: Some(rpm.bytes),
        // The file's modification time is that of the copy.
        time_file: rpm.metadata.get_build_time().unwrap_or_default(),
        location_href: path.to_owned(),
        location_base: None,
    };
    Package::from_package_metadata(&rpm.metadata, source, PackageOptions::default())
        .map_err(|source| Error::Describe { path: rpm.path.clone(), source: Box::new(source) })
}

/// Writes the indexes, with checksums in their names, and returns the `repomd.xml` that lists them.
fn write_indexes(draft: &mut Draft, packages: &[Package], date: i64) -> Result<Vec<u8>, Error> {
    let mut repomd = RepomdData::default();
    repomd.set_revision(&date.to_string());
    for (kind, write) in KINDS {
        let plain = write(packages).map_err(described)?;
        let packed = gzip(&plain);
        let (open_sha256, sha256) = (sha256(&plain), sha256(&packed));
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
