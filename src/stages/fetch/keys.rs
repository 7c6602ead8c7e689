//! The certificates of the pinned signers, and where they are found.

use std::path::PathBuf;

use pgp::crypto::hash::HashAlgorithm;

use super::pins::{Pin, Pins};
use crate::base::http::{self, Http};
use crate::base::openpgp::keyring::read_keyring;
use crate::base::openpgp::verify::Certificates;
use crate::base::stop::Interrupted;

/// A certificate has a few kilobytes, with all third-party signatures a few hundred.
const CERTIFICATE_LIMIT: u64 = 4 << 20;

/// The user's keyring, and the Web Key Directory for keys that the keyring lacks.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// A file of OpenPGP certificates.
    pub(crate) keyring: Option<PathBuf>,
    /// Base addresses of Web Key Directories, in the order to try.
    pub(crate) directories: Vec<String>,
    /// The trusted signers.
    pub(crate) pins: Pins,
    /// Whether the network must not be used.
    pub(crate) offline: bool,
}

impl KeySource {
    /// The available certificates of `pins`, at least one.
    ///
    /// # Errors
    /// The keyring and the key directories have none of them, or a stop was requested.
    pub(super) fn certificates(&self, http: &Http, pins: &[Pin]) -> Result<Certificates, KeysMissing> {
        let fingerprints: Vec<_> = pins.iter().map(|pin| pin.fingerprint.clone()).collect();
        if let Some(path) = &self.keyring {
            let found = read_keyring(path).map_err(|error| KeysMissing::Unavailable(error.to_string()))?;
            let found = found.only(&fingerprints);
            if !found.is_empty() {
                return Ok(found);
            }
            if self.offline || self.directories.is_empty() {
                return Err(KeysMissing::NotInKeyring(path.clone()));
            }
        }
        if self.offline {
            return Err(KeysMissing::Unavailable("--offline forbids downloading them".to_owned()));
        }
        let mut found = Certificates::default();
        let mut reason = NO_DIRECTORY.to_owned();
        for pin in pins {
            match self.look_up(http, pin) {
                Ok(certificates) => found.add(certificates.only(&fingerprints)),
                Err(http::Error::Interrupted(interrupted)) => return Err(interrupted.into()),
                Err(error) => reason = error.to_string(),
            }
        }
        if found.is_empty() { Err(KeysMissing::Unavailable(reason)) } else { Ok(found) }
    }

    /// The certificates that may sign a repository or an archive that the user names: all of the user's keyring, and
    /// those of kernel.org's releases.
    ///
    /// # Errors
    /// As [`KeySource::certificates`]; a keyring with any certificate is enough.
    pub(super) fn of_users_source(&self, http: &Http) -> Result<Certificates, KeysMissing> {
        let own = match &self.keyring {
            Some(path) => read_keyring(path).map_err(|error| KeysMissing::Unavailable(error.to_string()))?,
            None => Certificates::default(),
        };
        match self.certificates(http, &self.pins.releases) {
            Ok(mut pinned) => {
                pinned.add(own);
                Ok(pinned)
            }
            Err(KeysMissing::NotInKeyring(_) | KeysMissing::Unavailable(_)) if !own.is_empty() => Ok(own),
            Err(missing) => Err(missing),
        }
    }

    fn look_up(&self, http: &Http, pin: &Pin) -> Result<Certificates, http::Error> {
        let mut failure = None;
        for base in &self.directories {
            match http.get(&directory_url(base, &pin.address), CERTIFICATE_LIMIT) {
                Ok(bytes) => return Ok(Certificates::parse(&bytes)),
                Err(interrupted @ http::Error::Interrupted(_)) => return Err(interrupted),
                Err(error) => failure = Some(error),
            }
        }
        let url = pin.address.clone();
        Err(failure.unwrap_or(http::Error::InvalidUrl { url, reason: NO_DIRECTORY.to_owned() }))
    }
}

const NO_DIRECTORY: &str = "no key directory is known";

/// Why no certificate of the pinned signers is available.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysMissing {
    #[error("the keyring {} contains none of the pinned keys", .0.display())]
    NotInKeyring(PathBuf),
    #[error("cannot get the signers' keys: {0}")]
    Unavailable(String),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The address of a certificate by the direct method of draft-koch-openpgp-webkey-service, section 3.1.
fn directory_url(base: &str, address: &str) -> String {
    let local = address.split('@').next().unwrap_or(address).to_lowercase();
    let digest = HashAlgorithm::Sha1.digest(local.as_bytes()).expect("SHA-1 is built in");
    let base = base.trim_end_matches('/');
    format!("{base}/.well-known/openpgpkey/hu/{}?l={local}", zbase32(&digest))
}

/// Encodes in the alphabet of RFC 6189, section 5.1.6.
fn zbase32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    bytes
        .chunks(5)
        .flat_map(|chunk| {
            let mut group = [0; 8];
            group[3..3 + chunk.len()].copy_from_slice(chunk);
            let bits = u64::from_be_bytes(group);
            let digits = (chunk.len() * 8).div_ceil(5);
            (0..digits).map(move |digit| ALPHABET[(bits >> (35 - 5 * digit)) as usize & 31] as char)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_address_follows_the_draft() {
        // The example of draft-koch-openpgp-webkey-service, section 3.1.
        assert_eq!(
            directory_url("https://example.org", "Joe.Doe@Example.ORG"),
            "https://example.org/.well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=joe.doe"
        );
    }
}
