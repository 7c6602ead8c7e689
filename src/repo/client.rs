//! What a client needs beside the two repositories: the key, and an entry for its configuration.

use std::io::Write;
use std::path::Path;

use super::apt::SUITE;
use super::error::Error;
use super::generation::{place, remove_unfinished};

pub const KEY: &str = "kpatch-build.asc";
pub const APT: &str = "kpatch-build.sources";
pub const DNF: &str = "kpatch-build.repo";

/// Nobody can have it (RFC 2606), so an entry that was not edited fails at once.
pub const PLACEHOLDER: &str = "https://kernels.invalid";

/// One word that is an address, as both configurations want it.
pub fn check(address: &str) -> Result<(), Error> {
    let scheme = ["http://", "https://", "file:/", "ftp://"].iter().any(|scheme| address.starts_with(scheme));
    let one_word = !address.chars().any(|c| c.is_whitespace() || c.is_control());
    match scheme && one_word {
        true => Ok(()),
        false => Err(Error::Address { given: address.to_owned() }),
    }
}

pub fn write(out: &Path, address: &str, certificate: &str) -> Result<(), Error> {
    remove_unfinished(out)?;
    let address = address.trim_end_matches('/');
    let write = |name: &str, text: String| {
        let path = out.join(name);
        place(&path, |file| file.write_all(text.as_bytes()).map_err(Error::io("write", &path)))
    };
    write(KEY, certificate.to_owned())?;
    write(APT, sources(address))?;
    write(DNF, repo(address))
}

/// sources.list(5).
fn sources(address: &str) -> String {
    format!(
        "# For /etc/apt/sources.list.d; the key from {address}/{KEY} belongs where Signed-By says.\n\
         Types: deb\nURIs: {address}/apt\nSuites: {SUITE}\nComponents: main\n\
         Signed-By: /etc/apt/keyrings/{KEY}\n"
    )
}

/// dnf.conf(5). Metadata and packages are signed with the same key.
fn repo(address: &str) -> String {
    format!(
        "# For /etc/yum.repos.d.\n[{SUITE}]\nname=Linux kernels made by kpatch-build\nbaseurl={address}/rpm\n\
         enabled=1\nrepo_gpgcheck=1\ngpgcheck=1\ngpgkey={address}/{KEY}\n"
    )
}
