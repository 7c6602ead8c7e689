//! The keys and checksums of kernel.org that are built into this tool.

use crate::base::release::Release;

/// A trusted signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Fingerprint of the primary key, 40 hexadecimal digits.
    pub fingerprint: String,
    /// The mail address under which the Web Key Directory has the certificate.
    pub address: String,
}

/// The trusted keys and checksums of kernel.org. The default has the real ones; tests use others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The signers of releases and tags.
    pub releases: Vec<Pin>,
    /// The signers of `sha256sums.asc`.
    pub checksums: Vec<Pin>,
    /// Releases with the SHA-256 of their `.tar.xz`, 64 lower-case hexadecimal digits.
    pub tarballs: Vec<(Release, String)>,
    /// Base addresses of Web Key Directories, tried after the mirrors.
    pub key_directories: Vec<String>,
}

impl Pin {
    fn new(fingerprint: &str, address: &str) -> Pin {
        Pin { fingerprint: fingerprint.to_owned(), address: address.to_owned() }
    }

    /// Whether `fingerprint` belongs to this signer, in upper or lower case.
    pub(super) fn is(&self, fingerprint: &str) -> bool {
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
    /// The fingerprints of [`Pins::releases`].
    pub fn release_fingerprints(&self) -> Vec<String> {
        self.releases.iter().map(|pin| pin.fingerprint.clone()).collect()
    }

    /// The pinned SHA-256 of the release's `.tar.xz`.
    pub(super) fn tarball(&self, release: &Release) -> Option<&str> {
        self.tarballs.iter().find(|(known, _)| known == release).map(|(_, sha256)| sha256.as_str())
    }
}
