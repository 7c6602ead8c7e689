//! The bill of materials: SPDX 2.3 in JSON (<https://spdx.github.io/spdx-spec/v2.3/>).
//!
//! The document describes the packages. The packages are generated from the kernel and the kernel from
//! the source; the patches are applied to the source, and the toolchain builds the kernel.

mod format;

use std::collections::BTreeMap;

use self::format::{
    CreationInfo, Document, Element, ExternalRef, File, NO_ASSERTION, Relationship, sha1, sha256,
};
use super::Error;
use super::digests::Digests;
use super::facts::{Facts, Program, file_name, patch_name};
use crate::base::digest;
use crate::base::options::Format;
use crate::stages::fetch::Origin;
use crate::stages::package::Package;
use crate::stages::patch::PatchStatus;

/// The license in COPYING of every supported release.
const KERNEL_LICENSE: &str = "GPL-2.0-only WITH Linux-syscall-note";

/// Prefix of the checksum of a source that is not an archive.
const LISTING: &str = "SHA-256 over the listing of the tree: ";

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const SOURCE: &str = "SPDXRef-Source";
const KERNEL: &str = "SPDXRef-Kernel";
const CONFIG: &str = "SPDXRef-Config";

/// Returns the document as JSON. The same facts produce the same bytes.
pub(super) fn document(facts: &Facts) -> Result<String, Error> {
    let (config, config_sha256) = facts.config()?;
    let programs = facts.programs();
    let mut packages: Vec<Element> = facts.packages.iter().map(installable).collect();
    packages.push(kernel(facts));
    packages.push(source(facts));
    packages.extend(programs.iter().enumerate().map(|(number, program)| application(number, program)));
    let mut files = vec![File {
        file_name: "./.config".to_owned(),
        id: CONFIG.to_owned(),
        checksums: vec![sha1(&config), sha256(&config_sha256)],
        comment: format!("the kernel's final configuration, from {}", facts.request.kconfig.join(", ")),
        ..File::text()
    }];
    files.extend(facts.patches().enumerate().map(|(number, (patch, text))| File {
        file_name: format!("./{}", patch_name(patch)),
        id: patch_id(number),
        checksums: vec![sha1(text), sha256(&patch.sha256)],
        comment: match patch.status {
            PatchStatus::Applied => "applied".to_owned(),
            PatchStatus::AlreadyUpstream => "in this release already".to_owned(),
        },
        ..File::text()
    }));
    let mut document = Document {
        spdx_version: "SPDX-2.3".to_owned(),
        data_license: "CC0-1.0".to_owned(),
        id: DOCUMENT.to_owned(),
        name: facts.build.release.clone(),
        document_namespace: String::new(),
        creation_info: CreationInfo {
            created: calendar(facts.timestamp())?,
            creators: vec![format!("Tool: kpatch-build-{}", env!("CARGO_PKG_VERSION"))],
            comment: "the time is that of the source, as in the packages".to_owned(),
        },
        relationships: relationships(facts, programs.len()),
        packages,
        files,
    };
    // SPDX requires a namespace that is unique for each document; the digest also makes it reproducible.
    let digest = digest::sha256(text(&document));
    document.document_namespace =
        format!("https://spdx.org/spdxdocs/kpatch-build-{}-{digest}", facts.build.release);
    Ok(text(&document))
}

fn text(document: &Document) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("plain data");
    text.push('\n');
    text
}

fn calendar(timestamp: i64) -> Result<String, Error> {
    let time = jiff::Timestamp::from_second(timestamp).map_err(|source| Error::Time { timestamp, source })?;
    Ok(time.to_string())
}

fn installable(package: &Package) -> Element {
    let file = file_name(package);
    let version = version(package, &file);
    let purl = match package.format {
        Format::Deb => format!("pkg:deb/{}@{version}?arch=amd64", package.name),
        Format::Rpm => format!("pkg:rpm/{}@{version}?arch=x86_64", package.name),
    };
    Element {
        name: package.name.clone(),
        id: package_id(&file),
        version_info: version,
        package_file_name: Some(file),
        checksums: vec![sha256(&package.sha256)],
        license_declared: KERNEL_LICENSE.to_owned(),
        primary_package_purpose: "INSTALL".to_owned(),
        external_refs: vec![purl_ref(purl)],
        ..Element::new()
    }
}

/// `6.1.187-1` of `name_6.1.187-1_amd64.deb` and `name-6.1.187-1.x86_64.rpm`.
fn version(package: &Package, file: &str) -> String {
    let rest = file.strip_prefix(&package.name).unwrap_or_default();
    let ends = ["_amd64.deb", ".x86_64.rpm"];
    let version = ends.iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest);
    version.trim_start_matches(['_', '-']).to_owned()
}

fn kernel(facts: &Facts) -> Element {
    Element {
        name: "linux".to_owned(),
        id: KERNEL.to_owned(),
        version_info: facts.build.release.clone(),
        package_file_name: Some("bzImage".to_owned()),
        checksums: vec![sha256(&facts.build.image_sha256)],
        license_declared: KERNEL_LICENSE.to_owned(),
        comment: Some(format!("series {}: {}", facts.plan.series.name, facts.plan.series.title)),
        primary_package_purpose: "OPERATING-SYSTEM".to_owned(),
        ..Element::new()
    }
}

fn source(facts: &Facts) -> Element {
    let source = facts.source;
    let release = facts.plan.release;
    let verification = match &source.verified_by {
        Some(chain) => format!("verified by: {chain}"),
        None => "NOT VERIFIED".to_owned(),
    };
    let archive = is_archive(source.origin);
    let remote = source.url.starts_with("http://") || source.url.starts_with("https://");
    Element {
        name: "linux".to_owned(),
        id: SOURCE.to_owned(),
        version_info: release.to_string(),
        supplier: match source.origin {
            Origin::KernelOrg => Some("Organization: kernel.org".to_owned()),
            Origin::Debian => Some("Organization: Debian".to_owned()),
            _ => None,
        },
        download_location: match (remote, source.origin) {
            (true, Origin::Git) => format!("git+{}", source.url.replacen('#', "@", 1)),
            (true, _) => source.url.clone(),
            (false, _) => NO_ASSERTION.to_owned(),
        },
        // SPDX has checksums for archives only.
        checksums: if archive { vec![sha256(&source.sha256)] } else { Vec::new() },
        source_info: Some(match archive {
            true => verification,
            false => format!("{LISTING}{}; {verification}", source.sha256),
        }),
        license_declared: KERNEL_LICENSE.to_owned(),
        primary_package_purpose: "SOURCE".to_owned(),
        external_refs: vec![ExternalRef {
            reference_category: "SECURITY".to_owned(),
            reference_type: "cpe23Type".to_owned(),
            reference_locator: cpe(&release.to_string()),
        }],
        ..Element::new()
    }
}

/// The name of the release in vulnerability databases. A release candidate is an update in CPE terms.
fn cpe(release: &str) -> String {
    let (version, update) = match release.split_once('-') {
        Some((version, candidate)) => (version, candidate),
        None => (release, "*"),
    };
    format!("cpe:2.3:o:linux:linux_kernel:{version}:{update}:*:*:*:*:*:*")
}

fn is_archive(origin: Origin) -> bool {
    matches!(origin, Origin::KernelOrg | Origin::Debian | Origin::Tarball)
}

fn application(number: usize, program: &Program) -> Element {
    Element {
        name: program.name.clone(),
        id: program_id(number),
        version_info: program.version.clone(),
        comment: Some(program.version_text.clone()),
        license_declared: NO_ASSERTION.to_owned(),
        primary_package_purpose: "APPLICATION".to_owned(),
        external_refs: vec![purl_ref(program.purl())],
        ..Element::new()
    }
}

fn relationships(facts: &Facts, programs: usize) -> Vec<Relationship> {
    let relate = |one: &str, kind: &str, other: &str| Relationship {
        spdx_element_id: one.to_owned(),
        relationship_type: kind.to_owned(),
        related_spdx_element: other.to_owned(),
    };
    let mut all = Vec::new();
    for package in facts.packages {
        let id = package_id(&file_name(package));
        all.push(relate(DOCUMENT, "DESCRIBES", &id));
        all.push(relate(&id, "GENERATED_FROM", KERNEL));
    }
    all.push(relate(KERNEL, "GENERATED_FROM", SOURCE));
    all.push(relate(CONFIG, "BUILD_DEPENDENCY_OF", KERNEL));
    for (number, patch) in facts.patches.iter().enumerate() {
        let kind = match patch.status {
            PatchStatus::Applied => "PATCH_APPLIED",
            PatchStatus::AlreadyUpstream => "PATCH_FOR",
        };
        all.push(relate(&patch_id(number), kind, SOURCE));
    }
    all.extend((0..programs).map(|number| relate(&program_id(number), "BUILD_TOOL_OF", KERNEL)));
    all
}

/// SPDX identifiers consist of letters, digits, `.` and `-`.
fn package_id(file: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    format!("SPDXRef-Package-{}", file.chars().map(plain).collect::<String>())
}

fn patch_id(number: usize) -> String {
    format!("SPDXRef-Patch-{}", number + 1)
}

fn program_id(number: usize) -> String {
    format!("SPDXRef-Tool-{}", number + 1)
}

fn purl_ref(purl: String) -> ExternalRef {
    ExternalRef {
        reference_category: "PACKAGE-MANAGER".to_owned(),
        reference_type: "purl".to_owned(),
        // A package URL must escape `+` and `~`.
        reference_locator: purl.replace('+', "%2B").replace('~', "%7E"),
    }
}

/// Reads the digests of a document.
pub(super) fn digests(text: &[u8]) -> serde_json::Result<Digests> {
    let document: Document = serde_json::from_slice(text)?;
    let source = element(&document, SOURCE);
    let listed = source.and_then(|source| source.source_info.as_deref()?.strip_prefix(LISTING)?.get(..64));
    Ok(Digests {
        packages: installables(&document),
        source: source.and_then(|source| source.sha256().or(listed)).map(str::to_owned),
        patches: document.files.iter().filter(|file| file.id != CONFIG).filter_map(File::sha256).collect(),
        image: element(&document, KERNEL).and_then(Element::sha256).map(str::to_owned),
        config: document.files.iter().find(|file| file.id == CONFIG).and_then(File::sha256),
    })
}

fn element<'a>(document: &'a Document, id: &str) -> Option<&'a Element> {
    document.packages.iter().find(|element| element.id == id)
}

fn installables(document: &Document) -> BTreeMap<String, String> {
    let described =
        document.relationships.iter().filter(|relation| relation.relationship_type == "DESCRIBES");
    let named = |element: &Element| Some((element.package_file_name.clone()?, element.sha256()?.to_owned()));
    described.filter_map(|relation| named(element(document, &relation.related_spdx_element)?)).collect()
}
