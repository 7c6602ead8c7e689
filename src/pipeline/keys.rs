//! The cache keys of a plan, for `plan --explain`.

use super::check::check;
use super::plan::{self, Plan};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::error::Failure;
use crate::base::events::Stage;
use crate::base::options::Goal;
use crate::base::store::Bucket;
use crate::kernel::kbuild::result_key;
use crate::pipeline::request::Request;
use crate::stages::{configure, patch, secure_boot, unpack};

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

fn keys(cx: &Context, plan: &Plan) -> Vec<StageKey> {
    let source = plan.offers[0].sha256().map(Key::from_sha256);
    let tree = source.as_ref().map(unpack::key);
    let patched = tree.as_ref().map(|tree| patch::key(tree, &plan.kernel.series));
    let released_at = tree.as_ref().and_then(|tree| unpack::released_at(cx, tree));
    let config = tree.as_ref().zip(patched.as_ref()).map(|(tree, patched)| {
        configure::key(&plan.kernel, patched, &cx.store.path(Bucket::Sources, tree.as_str()).join("linux"))
    });
    // Without SOURCE_DATE_EPOCH the time in the image comes from the source.
    let built = config
        .as_ref()
        .zip(plan.kernel.time(released_at))
        .map(|(config, time)| result_key(&plan.kernel, time, config));
    let row = |stage, bucket: Option<Bucket>, key: Option<Key>| {
        let contains = |(bucket, key): (Bucket, &Key)| cx.store.contains(bucket, key.as_str());
        StageKey { stage, stored: bucket.zip(key.as_ref()).is_some_and(contains), key }
    };
    let signed = built
        .as_ref()
        .zip(plan.kernel.keys.secure_boot.as_ref())
        .map(|(built, signer)| secure_boot::key(built, signer));
    let mut rows = vec![
        row(Stage::Fetch, Some(Bucket::Tarballs), source),
        row(Stage::Unpack, Some(Bucket::Sources), tree),
        row(Stage::Patch, None, patched),
        row(Stage::Configure, None, config),
        row(Stage::Build, Some(Bucket::Results), built),
    ];
    if plan.kernel.signed_by().is_some() {
        rows.push(row(Stage::Sign, Some(Bucket::Results), signed));
    }
    rows
}
