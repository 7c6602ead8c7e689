//! The keys and checksums that are known without asking anybody.

use crate::base::release::Release;

/// A signer that is known by fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Of the primary key, 40 hexadecimal digits.
    pub fingerprint: String,
    /// Where the Web Key Directory has the certificate.
    pub address: String,
}

/// What kernel.org is trusted by. The default is the real thing; tests bring their own keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// Who signs releases and tags.
    pub releases: Vec<Pin>,
    /// Who signs `sha256sums.asc`.
    pub checksums: Vec<Pin>,
    /// Checksums of the `.tar.xz` on kernel.org that were known before.
    pub tarballs: Vec<(Release, String)>,
    /// Base addresses of the Web Key Directory, asked after the mirrors themselves.
    pub key_directories: Vec<String>,
}

impl Pin {
    fn new(fingerprint: &str, address: &str) -> Pin {
        Pin { fingerprint: fingerprint.to_owned(), address: address.to_owned() }
    }

    /// Whether `fingerprint` is this pin's, in either case of letters.
    pub fn is(&self, fingerprint: &str) -> bool {
        self.fingerprint.eq_ignore_ascii_case(fingerprint)
    }
}

impl Default for Pins {
    fn default() -> Self {
        Pins {
            // https://www.kernel.org/signature.html lists all four.
            releases: vec![
                Pin::new("ABAF11C65A2970B130ABE3C479BE3E4300411886", "torvalds@kernel.org"),
                Pin::new("647F28654894E3BD457199BE38DBBDC86092693E", "gregkh@kernel.org"),
                Pin::new("E27E5D8A3403A2EF66873BBCDEA66FF797772CDC", "sashal@kernel.org"),
            ],
            checksums: vec![Pin::new("B8868C80BA62A1FFFAF5FDA9632D3A06589DA6B1", "autosigner@kernel.org")],
            tarballs: vec![(
                Release::new(5, 12, 0),
                "7d0df6f2bf2384d68d0bd8e1fe3e071d64364dcdc6002e7b5c87c92d48fac366".to_owned(),
            )],
            key_directories: vec!["https://www.kernel.org".to_owned()],
        }
    }
}

impl Pins {
    pub fn release_fingerprints(&self) -> Vec<String> {
        self.releases.iter().map(|pin| pin.fingerprint.clone()).collect()
    }

    pub fn checksum_fingerprints(&self) -> Vec<String> {
        self.checksums.iter().map(|pin| pin.fingerprint.clone()).collect()
    }

    /// The checksum that a release's `.tar.xz` is known to have.
    pub fn tarball(&self, release: &Release) -> Option<&str> {
        self.tarballs.iter().find(|(known, _)| known == release).map(|(_, sha256)| sha256.as_str())
    }
}
