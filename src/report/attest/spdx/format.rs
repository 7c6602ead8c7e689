//! The part of SPDX 2.3 that the bill of materials uses.
//!
//! Field names are those of <https://github.com/spdx/spdx-spec/blob/v2.3/schemas/spdx-schema.json>.

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::base::digest::hex;

/// The value of a field without information.
pub(super) const NO_ASSERTION: &str = "NOASSERTION";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) spdx_version: String,
    pub(super) data_license: String,
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) document_namespace: String,
    pub(super) creation_info: CreationInfo,
    pub(super) packages: Vec<Element>,
    pub(super) files: Vec<File>,
    pub(super) relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CreationInfo {
    pub(super) created: String,
    pub(super) creators: Vec<String>,
    pub(super) comment: String,
}

/// A package in the sense of SPDX: source, program, kernel or installable package.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Element {
    pub(super) name: String,
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    pub(super) version_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) package_file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) supplier: Option<String>,
    pub(super) download_location: String,
    pub(super) files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_info: Option<String>,
    pub(super) license_concluded: String,
    pub(super) license_declared: String,
    pub(super) copyright_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    pub(super) primary_package_purpose: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) external_refs: Vec<ExternalRef>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) file_name: String,
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    pub(super) checksums: Vec<Checksum>,
    pub(super) file_types: Vec<String>,
    pub(super) license_concluded: String,
    pub(super) copyright_text: String,
    pub(super) comment: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksum {
    pub(super) algorithm: String,
    pub(super) checksum_value: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExternalRef {
    pub(super) reference_category: String,
    pub(super) reference_type: String,
    pub(super) reference_locator: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Relationship {
    pub(super) spdx_element_id: String,
    pub(super) relationship_type: String,
    pub(super) related_spdx_element: String,
}

pub(super) fn sha256(value: &str) -> Checksum {
    Checksum { algorithm: "SHA256".to_owned(), checksum_value: value.to_owned() }
}

/// SPDX 2.3 requires a SHA-1 of every file (section 8.4). Nothing relies on it.
pub(super) fn sha1(text: &[u8]) -> Checksum {
    Checksum { algorithm: "SHA1".to_owned(), checksum_value: hex(&Sha1::digest(text)) }
}

impl Element {
    pub(super) fn new() -> Element {
        Element {
            download_location: NO_ASSERTION.to_owned(),
            license_concluded: NO_ASSERTION.to_owned(),
            copyright_text: NO_ASSERTION.to_owned(),
            ..Element::default()
        }
    }

    pub(super) fn sha256(&self) -> Option<&str> {
        sha256_of(&self.checksums)
    }
}

impl File {
    pub(super) fn text() -> File {
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

    pub(super) fn sha256(&self) -> Option<String> {
        sha256_of(&self.checksums).map(str::to_owned)
    }
}

fn sha256_of(checksums: &[Checksum]) -> Option<&str> {
    let found = checksums.iter().find(|checksum| checksum.algorithm == "SHA256");
    found.map(|checksum| checksum.checksum_value.as_str())
}
