//! A revision of a git repository: its tag, its commit, and the tree of that commit.

use std::path::PathBuf;

use git2::{ObjectType, Odb, Oid, Repository, TreeWalkMode, TreeWalkResult};
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::base::context::Context;
use crate::base::digest::hex;
use crate::base::release::Release;
use crate::base::store::Entry;
use crate::kernel::version::Version;

/// A tag or commit of a repository that can be read on this host.
#[derive(Debug)]
pub struct Revision {
    /// A local repository of the user, or the store's copy of a remote one.
    pub repository: PathBuf,
    /// The tag object or commit that the reference names.
    object: Oid,
    /// The tag, branch or commit as requested.
    pub(crate) reference: String,
    /// Keeps other runs from changing the store's copy.
    _lease: Option<Entry>,
}

/// An entry of a commit's tree that is not a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// As git stores it, with `/` between directories.
    pub(crate) path: Vec<u8>,
    /// `0o100644`, `0o100755`, `0o120000` (symbolic link) or `0o160000` (submodule).
    pub(crate) mode: i32,
    pub(crate) object: Oid,
}

impl Item {
    pub(crate) fn is_submodule(&self) -> bool {
        self.mode == 0o160_000
    }
}

impl Revision {
    /// `lease` is the store's entry of the repository, if it is in the store.
    pub(crate) fn new(repository: PathBuf, object: Oid, reference: &str, lease: Option<Entry>) -> Revision {
        Revision { repository, object, reference: reference.to_owned(), _lease: lease }
    }

    /// Opens the repository.
    pub(crate) fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open(&self.repository)
    }

    /// Text and signature of the tag object; `None` if the reference is not a signed tag.
    pub(crate) fn signed_tag(&self) -> Result<Option<SignedTag>, git2::Error> {
        let repository = self.open()?;
        let database = repository.odb()?;
        let raw = database.read(self.object)?;
        if raw.kind() != ObjectType::Tag {
            return Ok(None);
        }
        Ok(SignedTag::split(raw.data()))
    }

    /// The release that the commit's top Makefile names, if it names one.
    pub(crate) fn release(&self) -> Result<Option<Release>, git2::Error> {
        let repository = self.open()?;
        let tree = repository.find_commit(self.commit()?)?.tree()?;
        let Some(entry) = tree.get_name("Makefile") else { return Ok(None) };
        let blob = repository.find_blob(entry.id())?;
        Ok(Version::parse(&String::from_utf8_lossy(blob.content())).map(|version| version.release()))
    }

    /// The time of the tag, else of the commit, in seconds since the epoch.
    pub(crate) fn time(&self) -> Result<i64, git2::Error> {
        let repository = self.open()?;
        let tagged = repository.find_tag(self.object).ok();
        let tagged = tagged.and_then(|tag| Some(tag.tagger()?.when().seconds()));
        match tagged {
            Some(seconds) => Ok(seconds),
            None => Ok(repository.find_commit(self.commit()?)?.time().seconds()),
        }
    }

    /// The commit that the reference leads to.
    fn commit(&self) -> Result<Oid, git2::Error> {
        let repository = self.open()?;
        Ok(repository.find_object(self.object, None)?.peel_to_commit()?.id())
    }
}

/// A tag split where git signs it: the signature covers everything before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedTag {
    pub(crate) text: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl SignedTag {
    fn split(raw: &[u8]) -> Option<SignedTag> {
        const BEGIN: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
        // Only at the start of a line; the message may quote others, git appends the last one.
        let start = (0..raw.len())
            .rev()
            .find(|at| raw[*at..].starts_with(BEGIN) && (*at == 0 || raw[at - 1] == b'\n'))?;
        Some(SignedTag { text: raw[..start].to_vec(), signature: raw[start..].to_vec() })
    }

    /// The tag's name inside the signed text; a reference to the tag can have any name.
    pub(crate) fn name(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.text);
        let header = text.split("\n\n").next()?;
        header.lines().find_map(|line| line.strip_prefix("tag ")).map(str::to_owned)
    }
}

fn error(url: &str) -> impl Fn(git2::Error) -> Error {
    let url = url.to_owned();
    move |source| Error::Git { url: url.clone(), source }
}

/// All entries of the commit's tree, in git's order. `url` names the repository in errors.
pub(crate) fn items(url: &str, revision: &Revision) -> Result<Vec<Item>, Error> {
    let repository = revision.open().map_err(error(url))?;
    let commit = revision.commit().map_err(error(url))?;
    let tree = repository.find_commit(commit).and_then(|commit| commit.tree()).map_err(error(url))?;
    let mut items = Vec::new();
    tree.walk(TreeWalkMode::PreOrder, |directory, entry| {
        if entry.kind() != Some(ObjectType::Tree) {
            let path = [directory.as_bytes(), entry.name_bytes()].concat();
            items.push(Item { path, mode: entry.filemode(), object: entry.id() });
        }
        TreeWalkResult::Ok
    })
    .map_err(error(url))?;
    Ok(items)
}

/// SHA-256 over `<mode in octal> <object> <path>\0` for each entry, in git's order.
///
/// Git's own hash names the objects, and the signature of the tag covers no more than that: hashing their
/// content again would add nothing.
///
/// # Errors
/// [`Error::MissingObjects`] for a partial clone.
pub(crate) fn hash(cx: &Context, url: &str, revision: &Revision) -> Result<String, Error> {
    let items = items(url, revision)?;
    let repository = revision.open().map_err(error(url))?;
    let database = repository.odb().map_err(error(url))?;
    check_complete(url, &items, &database)?;
    let mut hasher = Sha256::new();
    for item in &items {
        cx.stop.check()?;
        hasher.update(format!("{:o} {} ", item.mode, item.object));
        hasher.update(&item.path);
        hasher.update([0]);
    }
    Ok(hex(&hasher.finalize()))
}

fn check_complete(url: &str, items: &[Item], database: &Odb) -> Result<(), Error> {
    let files = items.iter().filter(|item| !item.is_submodule());
    let missing: Vec<_> = files.filter(|item| !database.exists(item.object)).collect();
    match missing.first() {
        None => Ok(()),
        Some(example) => Err(Error::MissingObjects {
            url: url.to_owned(),
            missing: missing.len(),
            example: String::from_utf8_lossy(&example.path).into_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_split_before_its_signature() {
        let raw = b"object 0\ntype commit\ntag v6.1\n\nLinux 6.1\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n";
        let tag = SignedTag::split(raw).unwrap();
        assert!(tag.text.ends_with(b"Linux 6.1\n") && tag.signature.starts_with(b"-----BEGIN"));
        assert_eq!(tag.name().as_deref(), Some("v6.1"));
        assert_eq!(SignedTag::split(b"tag v6.1\n\nabout -----BEGIN PGP SIGNATURE-----\n"), None);
    }
}
