//! The bill of materials: SPDX 2.3 in JSON (<https://spdx.github.io/spdx-spec/v2.3/>).
//!
//! The document describes the packages. They are generated from the kernel, that from the source; the
//! patches are applied to the source, and the toolchain builds the kernel.

mod format;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use self::format::{CreationInfo, Element, ExternalRef, File, NO_ASSERTION, Relationship, sha1, sha256};
use super::Error;
use super::facts::{Facts, Tool, file_name, patch_name};
use super::told::Told;
use crate::base::cache_key::hex;
use crate::base::options::Format;
use crate::stages::fetch::Origin;
use crate::stages::package::Package;
use crate::stages::patch::PatchStatus;

pub(super) use self::format::Document;

/// What COPYING of every supported release says.
const KERNEL_LICENSE: &str = "GPL-2.0-only WITH Linux-syscall-note";

/// What stands in front of the checksum of a source that is no archive.
const LISTING: &str = "SHA-256 over the listing of the tree: ";

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const SOURCE: &str = "SPDXRef-Source";
const KERNEL: &str = "SPDXRef-Kernel";
const CONFIG: &str = "SPDXRef-Config";

/// The document's text. The same facts give the same bytes.
pub(super) fn document(facts: &Facts) -> Result<String, Error> {
    let (config, config_sha256) = facts.config()?;
    let tools = facts.tools();
    let mut packages: Vec<Element> = facts.packages.iter().map(installable).collect();
    packages.push(kernel(facts));
    packages.push(source(facts));
    packages.extend(tools.iter().enumerate().map(|(number, tool)| program(number, tool)));
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
            created: calendar(facts.made())?,
            creators: vec![format!("Tool: kpatch-build-{}", env!("CARGO_PKG_VERSION"))],
            comment: "the time is that of the source, as in the packages".to_owned(),
        },
        relationships: relationships(facts, tools.len()),
        packages,
        files,
    };
    // Unique for each document, as the format wants it, and the same for the same one.
    let digest = hex(&Sha256::digest(text(&document)));
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
    let vouched = match &source.verified_by {
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
        // A tree without an archive has no checksum in SPDX's sense.
        checksums: if archive { vec![sha256(&source.sha256)] } else { Vec::new() },
        source_info: Some(match archive {
            true => vouched,
            false => format!("{LISTING}{}; {vouched}", source.sha256),
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

/// Vulnerability databases know the kernel by this name; a candidate is an update of its release.
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

fn program(number: usize, tool: &Tool) -> Element {
    Element {
        name: tool.name.clone(),
        id: tool_id(number),
        version_info: tool.version.clone(),
        comment: Some(tool.said.clone()),
        license_declared: NO_ASSERTION.to_owned(),
        primary_package_purpose: "APPLICATION".to_owned(),
        external_refs: vec![purl_ref(tool.purl())],
        ..Element::new()
    }
}

fn relationships(facts: &Facts, tools: usize) -> Vec<Relationship> {
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
    all.extend((0..tools).map(|number| relate(&tool_id(number), "BUILD_TOOL_OF", KERNEL)));
    all
}

/// Letters, digits, `.` and `-` may stand in an identifier.
fn package_id(file: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    format!("SPDXRef-Package-{}", file.chars().map(plain).collect::<String>())
}

fn patch_id(number: usize) -> String {
    format!("SPDXRef-Patch-{}", number + 1)
}

fn tool_id(number: usize) -> String {
    format!("SPDXRef-Tool-{}", number + 1)
}

fn purl_ref(purl: String) -> ExternalRef {
    ExternalRef {
        reference_category: "PACKAGE-MANAGER".to_owned(),
        reference_type: "purl".to_owned(),
        // `+` and `~` are not among the characters that a purl may hold as they are.
        reference_locator: purl.replace('+', "%2B").replace('~', "%7E"),
    }
}

impl Document {
    /// What a document that was read says.
    pub fn told(&self) -> Told {
        let source = self.element(SOURCE);
        let listed =
            source.and_then(|source| source.source_info.as_deref()?.strip_prefix(LISTING)?.get(..64));
        Told {
            packages: self.installables(),
            source: source.and_then(|source| source.sha256().or(listed)).map(str::to_owned),
            patches: self.files.iter().filter(|file| file.id != CONFIG).filter_map(File::sha256).collect(),
            image: self.element(KERNEL).and_then(Element::sha256).map(str::to_owned),
            config: self.files.iter().find(|file| file.id == CONFIG).and_then(File::sha256),
        }
    }

    fn element(&self, id: &str) -> Option<&Element> {
        self.packages.iter().find(|element| element.id == id)
    }

    fn installables(&self) -> BTreeMap<String, String> {
        let described = self.relationships.iter().filter(|it| it.relationship_type == "DESCRIBES");
        let named =
            |element: &Element| Some((element.package_file_name.clone()?, element.sha256()?.to_owned()));
        described.filter_map(|it| named(self.element(&it.related_spdx_element)?)).collect()
    }
}
