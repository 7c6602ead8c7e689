//! Commits: the signature of their tag, and a checksum over what they hold.

use std::io;

use git2::{ObjectType, Oid, TreeWalkMode, TreeWalkResult};
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::base::cache_key::hex;
use crate::base::context::Context;
use crate::base::openpgp::verify::{Certificates, SignatureError};
use crate::base::release::Release;
use crate::stages::fetch::git::Checkout;

/// One entry of a commit's tree that is not itself a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Bytes as git has them, `/` between the folders.
    pub path: Vec<u8>,
    /// `0o100644`, `0o100755`, `0o120000` (link) or `0o160000` (submodule).
    pub mode: i32,
    pub object: Oid,
}

impl Item {
    pub fn is_submodule(&self) -> bool {
        self.mode == 0o160_000
    }
}

fn error(url: &str) -> impl Fn(git2::Error) -> Error {
    let url = url.to_owned();
    move |source| Error::Git { url: url.clone(), source }
}

/// Checks the tag's signature, when it has one. In words, who signed.
pub fn check(
    url: &str,
    checkout: &Checkout,
    certificates: &Certificates,
    release: &Release,
    accept_unverified: bool,
) -> Result<Option<String>, Error> {
    let unverified = |why: String| match accept_unverified {
        true => Ok(None),
        false => Err(Error::Unverified { url: url.to_owned(), why }),
    };
    let Some(tag) = checkout.signed_tag().map_err(error(url))? else {
        return unverified(format!("{} is not a signed tag", checkout.reference));
    };
    let expected = format!("v{release}");
    let signed = tag.name().unwrap_or_default();
    if checkout.reference == expected && signed != expected {
        return Err(Error::OtherTag { url: url.to_owned(), signed });
    }
    let text = tag.text.clone();
    match certificates.check_detached(&tag.signature, || Ok(Box::new(io::Cursor::new(text.clone())))) {
        Ok(signer) => Ok(Some(format!("the tag {signed} signed by {signer}; git's own object names"))),
        Err(error @ SignatureError::NoTrustedSigner { .. }) => unverified(error.to_string()),
        Err(source) => Err(Error::Signature { url: url.to_owned(), source }),
    }
}

/// SHA-256 over a line `<mode in octal> <object> <path>\0` for each entry, in git's order.
///
/// The objects are named by git's own hash, which is what a tag's signature covers as well;
/// reading each of them to hash it again would add nothing to that.
pub fn hash(cx: &Context, url: &str, checkout: &Checkout) -> Result<String, Error> {
    let items = items(url, checkout)?;
    let repository = checkout.open().map_err(error(url))?;
    let database = repository.odb().map_err(error(url))?;
    let mut hasher = Sha256::new();
    let mut missing = Vec::new();
    for item in &items {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        if !item.is_submodule() && !database.exists(item.object) {
            missing.push(String::from_utf8_lossy(&item.path).into_owned());
        }
        hasher.update(format!("{:o} {} ", item.mode, item.object));
        hasher.update(&item.path);
        hasher.update([0]);
    }
    match missing.first() {
        None => Ok(hex(&hasher.finalize())),
        Some(example) => Err(Error::MissingObjects {
            url: url.to_owned(),
            missing: missing.len(),
            example: example.clone(),
        }),
    }
}

/// All entries of the commit's tree, in git's order.
pub fn items(url: &str, checkout: &Checkout) -> Result<Vec<Item>, Error> {
    let repository = checkout.open().map_err(error(url))?;
    let commit = checkout.commit().map_err(error(url))?;
    let tree = repository.find_commit(commit).and_then(|commit| commit.tree()).map_err(error(url))?;
    let mut items = Vec::new();
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() != Some(ObjectType::Tree) {
            let path = [folder.as_bytes(), entry.name_bytes()].concat();
            items.push(Item { path, mode: entry.filemode(), object: entry.id() });
        }
        TreeWalkResult::Ok
    })
    .map_err(error(url))?;
    Ok(items)
}
