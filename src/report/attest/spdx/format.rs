//! The parts of an SPDX 2.3 document that a bill of materials here has.
//!
//! Field names are those of <https://github.com/spdx/spdx-spec/blob/v2.3/schemas/spdx-schema.json>.

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::base::cache_key::hex;

/// What is said where nothing is known.
pub const NO_ASSERTION: &str = "NOASSERTION";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub spdx_version: String,
    pub data_license: String,
    #[serde(rename = "SPDXID")]
    pub id: String,
    pub name: String,
    pub document_namespace: String,
    pub creation_info: CreationInfo,
    pub packages: Vec<Element>,
    pub files: Vec<File>,
    pub relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct CreationInfo {
    pub created: String,
    pub creators: Vec<String>,
    pub comment: String,
}

/// What SPDX calls a package: source, tool, kernel, installable package.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Element {
    pub name: String,
    #[serde(rename = "SPDXID")]
    pub id: String,
    pub version_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    pub download_location: String,
    pub files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_info: Option<String>,
    pub license_concluded: String,
    pub license_declared: String,
    pub copyright_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    pub primary_package_purpose: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<ExternalRef>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    pub file_name: String,
    #[serde(rename = "SPDXID")]
    pub id: String,
    pub checksums: Vec<Checksum>,
    pub file_types: Vec<String>,
    pub license_concluded: String,
    pub copyright_text: String,
    pub comment: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checksum {
    pub algorithm: String,
    pub checksum_value: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalRef {
    pub reference_category: String,
    pub reference_type: String,
    pub reference_locator: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relationship {
    pub spdx_element_id: String,
    pub relationship_type: String,
    pub related_spdx_element: String,
}

pub fn sha256(value: &str) -> Checksum {
    Checksum { algorithm: "SHA256".to_owned(), checksum_value: value.to_owned() }
}

/// SPDX 2.3 wants one of every file (section 8.4); nothing relies on it.
pub fn sha1(text: &[u8]) -> Checksum {
    Checksum { algorithm: "SHA1".to_owned(), checksum_value: hex(&Sha1::digest(text)) }
}

impl Element {
    pub fn new() -> Element {
        Element {
            download_location: NO_ASSERTION.to_owned(),
            license_concluded: NO_ASSERTION.to_owned(),
            copyright_text: NO_ASSERTION.to_owned(),
            ..Element::default()
        }
    }

    pub fn sha256(&self) -> Option<&str> {
        sha256_of(&self.checksums)
    }
}

impl File {
    pub fn text() -> File {
        File {
            file_name: String::new(),
            id: String::new(),
            checksums: Vec::new(),
            file_types: vec!["TEXT".to_owned()],
            license_concluded: NO_ASSERTION.to_owned(),
            copyright_text: NO_ASSERTION.to_owned(),
            comment: String::new(),
        }
    }

    pub fn sha256(&self) -> Option<String> {
        sha256_of(&self.checksums).map(str::to_owned)
    }
}

fn sha256_of(checksums: &[Checksum]) -> Option<&str> {
    let found = checksums.iter().find(|checksum| checksum.algorithm == "SHA256");
    found.map(|checksum| checksum.checksum_value.as_str())
}
