//! The cache keys of a plan, for `plan --explain` and to know which results the store has.

use super::check::check;
use super::plan::{self, Plan};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::error::Failure;
use crate::base::events::Stage;
use crate::base::options::{Goal, Part};
use crate::base::store::Bucket;
use crate::doctor;
use crate::kernel::kbuild::build_dir::{self, BuildDir};
use crate::kernel::kbuild::{part_key, requested_parts, result_key};
use crate::pipeline::request::Request;
use crate::stages::unpack::{self, TreeCheck};
use crate::stages::{configure, patch, secure_boot};

/// The cache key of one stage.
#[derive(Debug)]
pub struct StageKey {
    /// The stage.
    pub stage: Stage,
    /// `None` if the key depends on the source and the source is not in the store.
    pub key: Option<Key>,
    /// Whether the store has the stage's result.
    pub stored: bool,
}

/// Resolves a request without fetching anything; returns the plan with its cache keys, in the order
/// of the stages.
///
/// # Errors
/// The request is refused, the host lacks a tool, or no source has the release.
pub fn plan(cx: &Context, request: &Request) -> Result<(Plan, Vec<StageKey>), Failure> {
    check(request, Goal::Everything)?;
    let plan = plan::resolve(cx, request, Goal::Everything)?;
    let keys = keys(cx, &plan);
    Ok((plan, keys))
}

/// The cache keys of the stages as far as they are known before the stages run.
struct CacheKeys {
    source: Option<Key>,
    tree: Option<Key>,
    patched: Option<Key>,
    config: Option<Key>,
    build_dir: Option<Key>,
    built: Option<Key>,
}

impl CacheKeys {
    fn new(cx: &Context, plan: &Plan, source: Option<Key>) -> CacheKeys {
        let kernel = &plan.kernel;
        let tree = source.as_ref().map(unpack::key);
        let patched = tree.as_ref().map(|tree| patch::key(tree, &kernel.series));
        let path = |tree: &Key| cx.store.path(Bucket::Sources, tree.as_str()).join("linux");
        let config = tree.as_ref().zip(patched.as_ref());
        let config = config.map(|(tree, patched)| configure::key(kernel, patched, &path(tree)));
        let build_dir = tree.as_ref().map(|tree| configure::build_dir_key_of(kernel, tree, &path(tree)));
        // Without SOURCE_DATE_EPOCH the time in the image comes from the source.
        let released_at = tree.as_ref().and_then(|tree| unpack::released_at(cx, tree));
        let built = config.as_ref().zip(kernel.time(released_at));
        let built = built.map(|(config, time)| result_key(kernel, time, config));
        CacheKeys { source, tree, patched, config, build_dir, built }
    }
}

/// How thoroughly to check the stored tree of the source with key `source`: not at all if the store has the kernel with its
/// parts, and completely if every object will be compiled or files of the tree become part of a package.
pub(super) fn tree_check(cx: &Context, plan: &Plan, source: &Key) -> Result<TreeCheck, build_dir::Error> {
    if cx.store.verifies() {
        return Ok(TreeCheck::Contents);
    }
    let keys = CacheKeys::new(cx, plan, Some(source.clone()));
    let is_stored = |key: &Key| cx.store.contains(Bucket::Results, key.as_str());
    let is_missing =
        |part: &Part| !keys.built.as_ref().is_some_and(|built| is_stored(&part_key(*part, built)));
    let missing: Vec<_> = requested_parts(&plan.kernel).filter(is_missing).collect();
    if keys.built.as_ref().is_some_and(is_stored) && missing.is_empty() {
        return Ok(TreeCheck::Nothing);
    }
    let (Some(build_dir), Some(tree), false) = (keys.build_dir, keys.tree, missing.contains(&Part::Headers))
    else {
        return Ok(TreeCheck::Contents);
    };
    let build_dir = cx.store.path(Bucket::Builds, build_dir.as_str());
    let tree = cx.store.path(Bucket::Sources, tree.as_str()).join("linux");
    match tree.exists() && BuildDir::keeps_objects(&build_dir, &tree, &cx.stop)? {
        true => Ok(TreeCheck::Times),
        false => Ok(TreeCheck::Contents),
    }
}

/// Fails if the store has neither the kernel nor the space to build it. `source` is the key of the source.
pub(super) fn require_space(cx: &Context, plan: &Plan, source: &Key) -> Result<(), doctor::Error> {
    let built = CacheKeys::new(cx, plan, Some(source.clone())).built;
    match built.is_some_and(|key| cx.store.contains(Bucket::Results, key.as_str())) {
        true => Ok(()),
        false => doctor::require_space(&plan.kernel.kconfig, cx.store.root(), &cx.stop),
    }
}

/// The key of the source, if the first offer names its checksum.
pub(super) fn promised_source(plan: &Plan) -> Option<Key> {
    plan.offers[0].sha256().map(Key::from_sha256)
}

fn keys(cx: &Context, plan: &Plan) -> Vec<StageKey> {
    let keys = CacheKeys::new(cx, plan, promised_source(plan));
    let row = |stage, bucket: Option<Bucket>, key: Option<Key>| {
        let contains = |(bucket, key): (Bucket, &Key)| cx.store.contains(bucket, key.as_str());
        StageKey { stage, stored: bucket.zip(key.as_ref()).is_some_and(contains), key }
    };
    let signer = plan.kernel.signed_by();
    let signed = keys.built.as_ref().zip(signer).map(|(built, signer)| secure_boot::key(built, signer));
    let mut rows = vec![
        row(Stage::Fetch, Some(Bucket::Tarballs), keys.source),
        row(Stage::Unpack, Some(Bucket::Sources), keys.tree),
        row(Stage::Patch, None, keys.patched),
        row(Stage::Configure, None, keys.config),
        row(Stage::Build, Some(Bucket::Results), keys.built),
    ];
    if signer.is_some() {
        rows.push(row(Stage::Sign, Some(Bucket::Results), signed));
    }
    rows
}
