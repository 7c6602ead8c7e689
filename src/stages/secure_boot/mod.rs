//! Sign: the image for Secure Boot, the modules for a kernel that trusts the key.
//!
//! What is booted and packaged afterwards is the signed kernel, a result of its own in the store: the
//! unsigned one stays as it was. The private key is in memory only.

mod error;
mod image;
mod module;
mod signed_data;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use error::io_error;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::base::cache_key::{Key, hex};
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::store::{Lookup, Room};
use crate::stages::build::KernelBuild;

use crate::base::x509::Signer;
pub use error::Error;
use signed_data::Hash;

/// Counts changes in how a signature is made.
const RECIPE: u32 = 1;

/// Names the signed kernel. The certificate stands for the private key too: there is one for each.
pub fn key(kernel: &Key, signer: &Signer) -> Key {
    #[derive(Serialize)]
    struct Inputs<'a> {
        recipe: u32,
        kernel: &'a Key,
        certificate: &'a str,
    }
    Key::of("sign", &Inputs { recipe: RECIPE, kernel, certificate: &signer.identity().sha256 })
}

/// The same kernel, signed. The same key and the same kernel give the same bytes.
pub fn sign(cx: &Context, signer: &Signer, build: KernelBuild) -> Result<KernelBuild, Error> {
    let key = key(&build.key, signer);
    let (entry, cached) = match cx.lookup(Stage::Sign, Room::Results, key.as_str())? {
        Lookup::Hit(entry) => (entry, true),
        Lookup::Miss(slot) => {
            fill(cx, signer, &build, slot.path())?;
            (slot.commit()?, false)
        }
    };
    let signed = KernelBuild { entry, key, cached, signed_by: Some(signer.identity().clone()), ..build };
    let image_sha256 = hex(&Sha256::digest(read(&signed.image())?));
    Ok(KernelBuild { image_sha256, ..signed })
}

/// Writes what [`KernelBuild`] says is in its folder.
fn fill(cx: &Context, signer: &Signer, build: &KernelBuild, to: &Path) -> Result<(), Error> {
    let path = build.image();
    let image = image::sign(read(&path)?, &path, signer)?;
    write(&to.join("bzImage"), &image)?;
    copy(&build.system_map(), &to.join("System.map"))?;
    copy(&build.config(), &to.join("config"))?;
    let config = String::from_utf8_lossy(&read(&build.config())?).into_owned();
    let tree = Tree { cx, signer, hash: module_hash(&config) };
    tree.sign(&build.modules(), &to.join("modules"))
}

/// What the kernel's own build would sign modules with; its configuration has the algorithm built in.
fn module_hash(config: &str) -> &str {
    let value = config.lines().find_map(|line| line.strip_prefix("CONFIG_MODULE_SIG_HASH="));
    value.unwrap_or_default().trim_matches('"')
}

struct Tree<'a> {
    cx: &'a Context,
    signer: &'a Signer,
    hash: &'a str,
}

impl Tree<'_> {
    /// Copies a folder, signing the modules in it.
    fn sign(&self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::create_dir_all(to).map_err(io_error("create", to))?;
        for entry in fs::read_dir(from).map_err(io_error("list", from))? {
            if self.cx.stop.is_set() {
                return Err(Error::Interrupted);
            }
            let entry = entry.map_err(io_error("list", from))?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(io_error("read", &path))?;
            if kind.is_dir() {
                self.sign(&path, &target)?;
            } else if kind.is_symlink() {
                let place = fs::read_link(&path).map_err(io_error("read", &path))?;
                symlink(place, &target).map_err(io_error("create", &target))?;
            } else if name.ends_with(".ko") {
                let signed = module::sign(read(&path)?, Hash::named(self.hash)?, self.signer)?;
                write(&target, &signed)?;
            } else if name.contains(".ko.") {
                return Err(Error::Compressed { path });
            } else {
                copy(&path, &target)?;
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(io_error("read", path))
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    fs::write(path, content).map_err(io_error("write", path))
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map(drop).map_err(io_error("copy", from))
}
