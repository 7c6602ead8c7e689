//! The Secure Boot stage: signs the image for the firmware and the modules for the kernel.
//!
//! The signed kernel is a separate result in the store; later stages package and boot it, and the unsigned
//! kernel stays unchanged. The private key is never written anywhere.

mod error;
mod image;
mod module;

use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use serde::Serialize;

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::digest::hash_file;
use crate::base::events::Stage;
use crate::base::files;
use crate::base::store::{Bucket, Lookup};
use crate::base::x509::{Hash, Identity, SHA256, Signer, SignerFiles};
use crate::kernel::KernelPlan;
use crate::stages::build::KernelBuild;

pub use error::Error;

/// The most bytes of an image or a module, of which signing needs two copies.
const LARGEST: u64 = 100 << 20;
/// Version of the signing procedure, part of the cache key.
const RECIPE: u32 = 1;

/// Returns the cache key of the signed kernel. The certificate identifies the private key.
pub fn key(kernel: &Key, signer: &Identity) -> Key {
    #[derive(Serialize)]
    struct Inputs<'a> {
        recipe: u32,
        kernel: &'a Key,
        certificate: &'a str,
    }
    Key::of("sign", &Inputs { recipe: RECIPE, kernel, certificate: &signer.sha256 })
}

/// Signs the kernel with the Secure Boot key of its plan; without one, returns it unchanged.
///
/// # Errors
/// As [`sign_with`].
pub(crate) fn sign(cx: &Context, plan: &KernelPlan, build: KernelBuild) -> Result<KernelBuild, Error> {
    match &plan.keys.secure_boot {
        Some(files) => sign_with(cx, files, build),
        None => Ok(build),
    }
}

/// Signs a kernel, or returns the signed kernel from the store. The same key and kernel yield the same bytes. The private
/// key is in memory only here.
///
/// # Errors
/// [`Error::Key`] if the key can no longer be loaded, [`Error::Image`] if the image cannot hold a signature, [`Error::Hash`] and [`Error::Compressed`] if its
/// modules cannot be signed.
pub fn sign_with(cx: &Context, files: &SignerFiles, build: KernelBuild) -> Result<KernelBuild, Error> {
    let key = key(&build.key, files.identity());
    let (entry, cached) = match cx.lookup(Stage::Sign, Bucket::Results, key.as_str())? {
        Lookup::Hit(entry) => (entry, true),
        Lookup::Miss(slot) => {
            fill(cx, &files.load()?, &build, slot.path())?;
            (slot.commit()?, false)
        }
    };
    let signed = KernelBuild { entry, key, cached, signed_by: Some(files.identity().clone()), ..build };
    let image_sha256 = hash_file::<Error>(&signed.image(), &cx.stop)?;
    Ok(KernelBuild { image_sha256, ..signed })
}

/// Writes the signed kernel in the layout of [`KernelBuild`]'s directory.
fn fill(cx: &Context, signer: &Signer, build: &KernelBuild, to: &Path) -> Result<(), Error> {
    let path = build.image();
    let image = image::sign(files::read(&path, LARGEST)?, &path, |kind, content| {
        signer.sign_enclosed(kind, content, SHA256)
    })?;
    fs::write(to.join("bzImage"), &image)?;
    fs::copy(build.system_map(), to.join("System.map"))?;
    fs::copy(build.config(), to.join("config"))?;
    let config = files::read_text(&build.config())?;
    let tree = ModuleTree { cx, signer, hash: module_hash(&config) };
    tree.sign(&build.modules(), &to.join("modules"))
}

/// Returns the hash that the kernel's own build would use; the kernel has this algorithm built in.
fn module_hash(config: &str) -> &str {
    let value = config.lines().find_map(|line| line.strip_prefix("CONFIG_MODULE_SIG_HASH="));
    value.unwrap_or_default().trim_matches('"')
}

/// Settings for signing the modules of a directory.
struct ModuleTree<'a> {
    cx: &'a Context,
    signer: &'a Signer,
    hash: &'a str,
}

impl ModuleTree<'_> {
    fn signed(&self, module: Vec<u8>) -> Result<Vec<u8>, Error> {
        let hash = Hash::named(self.hash).ok_or_else(|| Error::Hash { name: self.hash.to_owned() })?;
        let signature = self.signer.sign_detached(&module, hash)?;
        Ok(module::with_signature(module, &signature))
    }

    /// Copies the directory `from` to `to` and signs the modules in it.
    fn sign(&self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            self.cx.stop.check()?;
            let entry = entry?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.sign(&path, &target)?;
            } else if kind.is_symlink() {
                symlink(fs::read_link(&path)?, &target)?;
            } else if name.ends_with(".ko") {
                fs::write(&target, self.signed(files::read(&path, LARGEST)?)?)?;
            } else if name.contains(".ko.") {
                return Err(Error::Compressed { path });
            } else {
                fs::copy(&path, &target)?;
            }
        }
        Ok(())
    }
}
