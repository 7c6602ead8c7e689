//! Files for clients: the signing key, and an entry for the configuration of apt and of dnf.

use std::io::Write;
use std::path::Path;

use super::apt::SUITE;
use super::error::Error;
use super::generation::{remove_unfinished, write_atomically};
use crate::base::files;

const KEY: &str = "kpatch-build.asc";
const APT: &str = "kpatch-build.sources";
const DNF: &str = "kpatch-build.repo";

/// Address in the files if the user names none. A `.invalid` domain never exists (RFC 2606), so a client with
/// an unedited entry fails at once.
pub const PLACEHOLDER: &str = "https://kernels.invalid";

/// Fails unless `address` is a URL without spaces, as both configurations require.
pub(super) fn check(address: &str) -> Result<(), Error> {
    let scheme = ["http://", "https://", "file:/", "ftp://"].iter().any(|scheme| address.starts_with(scheme));
    let one_word = !address.chars().any(|c| c.is_whitespace() || c.is_control());
    match scheme && one_word {
        true => Ok(()),
        false => Err(Error::Address { given: address.to_owned() }),
    }
}

/// Writes the key and both entries to `out`.
pub(super) fn write(out: &Path, address: &str, certificate: &str) -> Result<(), Error> {
    remove_unfinished(out)?;
    let address = address.trim_end_matches('/');
    let write = |name: &str, text: String| {
        let path = out.join(name);
        let failed = |error| files::at("write", &path, error);
        write_atomically(&path, |file| Ok(file.write_all(text.as_bytes()).map_err(failed)?))
    };
    write(KEY, certificate.to_owned())?;
    write(APT, sources(address))?;
    write(DNF, repo(address))
}

/// Returns the entry for apt (sources.list(5)).
fn sources(address: &str) -> String {
    format!(
        "# Put this file into /etc/apt/sources.list.d, and the key {address}/{KEY} where Signed-By names it.\n\
         Types: deb\nURIs: {address}/apt\nSuites: {SUITE}\nComponents: main\n\
         Signed-By: /etc/apt/keyrings/{KEY}\n"
    )
}

/// Returns the entry for dnf (dnf.conf(5)). The same key signs metadata and packages.
fn repo(address: &str) -> String {
    format!(
        "# Put this file into /etc/yum.repos.d.\n[{SUITE}]\nname=Linux kernels built by kpatch-build\nbaseurl={address}/rpm\n\
         enabled=1\nrepo_gpgcheck=1\ngpgcheck=1\ngpgkey={address}/{KEY}\n"
    )
}
