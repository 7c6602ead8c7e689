//! The provenance: an in-toto statement, version 1, with an SLSA provenance predicate, version 1
//! (<https://in-toto.io/Statement/v1>, <https://slsa.dev/spec/v1.0/provenance>).
//!
//! The statement has a detached OpenPGP signature, as the other files have, instead of a DSSE envelope:
//! one key and one procedure check all documents.
//!
//! Build type `urn:x-kpatch-build:kernel:v1`: `externalParameters` are `request` of `report.json`,
//! field by field; `internalParameters` are the values that the request resolved to; `resolvedDependencies` are
//! the source, the patches in the order in which they were applied, and the programs. The builder
//! `urn:x-kpatch-build:local` is this tool on the machine of the signing key's owner; no build
//! service attests to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digests::Digests;
use super::facts::{Facts, file_name, patch_name};
use crate::report::Tool;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
const BUILD_TYPE: &str = "urn:x-kpatch-build:kernel:v1";
const BUILDER: &str = "urn:x-kpatch-build:local";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Resource>,
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: Value,
    internal_parameters: Value,
    resolved_dependencies: Vec<Resource>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RunDetails {
    builder: Builder,
    byproducts: Vec<Resource>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Builder {
    id: String,
    version: BTreeMap<String, String>,
}

/// `ResourceDescriptor` of in-toto
/// (<https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md>).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Resource {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    digest: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, Value>,
}

impl Resource {
    fn new(name: &str, sha256: &str) -> Resource {
        let digest = BTreeMap::from([("sha256".to_owned(), sha256.to_owned())]);
        Resource { name: name.to_owned(), digest, ..Resource::default() }
    }

    fn annotate(mut self, name: &str, value: Value) -> Resource {
        self.annotations.insert(name.to_owned(), value);
        self
    }

    fn sha256(&self) -> Option<&str> {
        self.digest.get("sha256").map(String::as_str)
    }
}

/// Names of the resources that are neither packages nor patches.
const SOURCE: &str = "source";
const IMAGE: &str = "bzImage";
const CONFIG: &str = ".config";

/// Reads the digests of a statement.
pub(super) fn digests(text: &[u8]) -> serde_json::Result<Digests> {
    let statement: Statement = serde_json::from_slice(text)?;
    let sum = |resource: &Resource| resource.sha256().map(str::to_owned);
    let Predicate { build_definition, run_details } = &statement.predicate;
    let (dependencies, products) = (&build_definition.resolved_dependencies, &run_details.byproducts);
    let named =
        |list: &[Resource], name: &str| list.iter().find(|resource| resource.name == name).and_then(sum);
    Ok(Digests {
        packages: statement
            .subject
            .iter()
            .filter_map(|package| Some((package.name.clone(), sum(package)?)))
            .collect(),
        source: named(dependencies, SOURCE),
        // Programs have no checksum.
        patches: dependencies.iter().filter(|dependency| dependency.name != SOURCE).filter_map(sum).collect(),
        image: named(products, IMAGE),
        config: named(products, CONFIG),
    })
}

/// Returns the statement as JSON. The same facts produce the same bytes.
pub(super) fn statement(facts: &Facts) -> String {
    let statement = Statement {
        kind: STATEMENT.to_owned(),
        subject: facts
            .packages
            .iter()
            .map(|package| Resource::new(&file_name(package), &package.sha256))
            .collect(),
        predicate_type: PREDICATE.to_owned(),
        predicate: Predicate { build_definition: definition(facts), run_details: details(facts) },
    };
    let mut text = serde_json::to_string_pretty(&statement).expect("plain data");
    text.push('\n');
    text
}

fn definition(facts: &Facts) -> BuildDefinition {
    let mut dependencies = vec![source(facts)];
    dependencies.extend(facts.patches.iter().map(|patch| {
        Resource::new(patch_name(patch), &patch.sha256).annotate("status", json!(patch.status))
    }));
    dependencies.extend(facts.programs().into_iter().map(|program| {
        let uri = Some(program.purl());
        Resource { name: program.name, uri, ..Resource::default() }
            .annotate("version", json!(program.version_text))
    }));
    BuildDefinition {
        build_type: BUILD_TYPE.to_owned(),
        external_parameters: json!(facts.request),
        internal_parameters: json!({
            "release": facts.plan.release,
            "kernelRelease": facts.build.release,
            "timestamp": facts.timestamp(),
        }),
        resolved_dependencies: dependencies,
    }
}

fn source(facts: &Facts) -> Resource {
    let source = facts.source;
    let mut resource = Resource::new(SOURCE, &source.sha256);
    resource.uri = source.url.contains("://").then(|| source.url.clone());
    resource.annotate("origin", json!(source.origin)).annotate("verifiedBy", json!(source.verified_by))
}

fn details(facts: &Facts) -> RunDetails {
    let tool = Tool::this();
    let mut version = BTreeMap::from([("kpatch-build".to_owned(), tool.version)]);
    version.extend(tool.commit.map(|commit| ("commit".to_owned(), commit)));
    RunDetails {
        builder: Builder { id: BUILDER.to_owned(), version },
        byproducts: vec![
            Resource::new(IMAGE, &facts.build.image_sha256),
            Resource::new(CONFIG, &facts.build.config_sha256),
        ],
    }
}
