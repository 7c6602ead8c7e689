//! Where the certificates of the pinned signers come from.

use std::path::{Path, PathBuf};

use pgp::crypto::hash::HashAlgorithm;

use super::error::Error;
use super::http::{Failure, Http};
use crate::base::openpgp::verify::Certificates;
use crate::stages::fetch::pins::{Pin, Pins};

/// A certificate has a few kilobytes, with all third-party signatures some hundred.
const CERTIFICATE_LIMIT: u64 = 4 << 20;

/// A keyring of the user's; where it holds none of the pinned keys, the Web Key Directory.
#[derive(Clone, Debug)]
pub struct KeySource {
    pub keyring: Option<PathBuf>,
    /// Base addresses, in the order to ask.
    pub directories: Vec<String>,
    pub pins: Pins,
    pub offline: bool,
}

impl KeySource {
    /// The certificates of `pins` that can be had. Where none can, `Err` says why in words.
    pub fn certificates(&self, http: &Http, pins: &[Pin]) -> Result<Certificates, KeysMissing> {
        let fingerprints: Vec<_> = pins.iter().map(|pin| pin.fingerprint.clone()).collect();
        if let Some(path) = &self.keyring {
            let found = read_keyring(path).map_err(|error| KeysMissing::Other(error.to_string()))?;
            let found = found.only(&fingerprints);
            if !found.is_empty() {
                return Ok(found);
            }
            if self.offline || self.directories.is_empty() {
                return Err(KeysMissing::NotInKeyring(path.clone()));
            }
        }
        if self.offline {
            return Err(KeysMissing::Other("keys are not fetched with --offline".to_owned()));
        }
        let mut found = Certificates::default();
        let mut reason = "no key directory is known".to_owned();
        for pin in pins {
            match self.look_up(http, pin) {
                Ok(certificates) => found.add(certificates.only(&fingerprints)),
                Err(Failure::Interrupted) => return Err(KeysMissing::Interrupted),
                Err(failure) => reason = failure.to_string(),
            }
        }
        if found.is_empty() { Err(KeysMissing::Other(reason)) } else { Ok(found) }
    }

    fn look_up(&self, http: &Http, pin: &Pin) -> Result<Certificates, Failure> {
        let mut last = None;
        for base in &self.directories {
            match http.get(&directory_url(base, &pin.address), CERTIFICATE_LIMIT) {
                Ok(bytes) => return Ok(Certificates::parse(&bytes)),
                Err(Failure::Interrupted) => return Err(Failure::Interrupted),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or(Failure::Address {
            url: pin.address.clone(),
            reason: "no key directory is known".to_owned(),
        }))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum KeysMissing {
    #[error("the keyring {} holds none of the pinned keys", .0.display())]
    NotInKeyring(PathBuf),
    #[error("the signers' keys cannot be had: {0}")]
    Other(String),
    #[error("interrupted")]
    Interrupted,
}

pub fn read_keyring(path: &Path) -> Result<Certificates, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Keyring { path: path.to_owned(), source })?;
    let certificates = Certificates::parse(&bytes);
    if certificates.is_empty() {
        return Err(Error::EmptyKeyring { path: path.to_owned() });
    }
    Ok(certificates)
}

/// The direct method of draft-koch-openpgp-webkey-service, section 3.1.
fn directory_url(base: &str, address: &str) -> String {
    let local = address.split('@').next().unwrap_or(address).to_lowercase();
    let digest = HashAlgorithm::Sha1.digest(local.as_bytes()).expect("SHA-1 is built in");
    let base = base.trim_end_matches('/');
    format!("{base}/.well-known/openpgpkey/hu/{}?l={local}", zbase32(&digest))
}

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
    fn the_directory_address_is_that_of_the_draft() {
        // The example of draft-koch-openpgp-webkey-service, section 3.1.
        assert_eq!(
            directory_url("https://example.org", "Joe.Doe@Example.ORG"),
            "https://example.org/.well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=joe.doe"
        );
    }
}
