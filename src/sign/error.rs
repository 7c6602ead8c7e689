use std::io;
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;

use crate::error::{Exit, Explain};
use crate::store;

/// What `--sign-key` and `--sign-cert` name cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} has no private key in PEM form", path.display())]
    NoKey { path: PathBuf, source: ErrorStack },
    #[error("the private key in {} is encrypted", path.display())]
    Encrypted { path: PathBuf },
    #[error("{} is not an X.509 certificate in PEM or DER form", path.display())]
    NoCertificate { path: PathBuf, source: ErrorStack },
    #[error("the certificate in {} is not valid DER", path.display())]
    Malformed { path: PathBuf, source: cms::cert::x509::der::Error },
    #[error("the private key in {} is not the one of the certificate in {}", key.display(), certificate.display())]
    Mismatch { key: PathBuf, certificate: PathBuf },
    #[error("the private key in {} is {found}: firmware verifies RSA of at least {SMALLEST} bits", path.display())]
    NotUsable { path: PathBuf, found: String },
}

/// Bits: what UEFI demands of every firmware is RSA of 2048 (UEFI 2.10, section 32.4.1).
pub(super) const SMALLEST: u32 = 2048;

impl Explain for KeyError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        match self {
            KeyError::Encrypted { path } => {
                Some(format!("decrypt it where only you can read it: openssl pkey -in {} -out KEY", path.display()))
            }
            KeyError::NoKey { .. } | KeyError::NotUsable { .. } => Some(
                "make one: openssl req -new -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=NAME/ -keyout KEY -out CERT"
                    .to_owned(),
            ),
            KeyError::Mismatch { .. } => {
                Some("name the key and the certificate that were made together".to_owned())
            }
            _ => None,
        }
    }
}

/// Signing failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the image {} is not a PE file that can be signed: {why}", path.display())]
    Image { path: PathBuf, why: &'static str },
    #[error("modules cannot be signed by CONFIG_MODULE_SIG_HASH={name:?}")]
    Hash { name: String },
    #[error("the module {} is compressed, so the kernel would not find a signature in it", path.display())]
    Compressed { path: PathBuf },
    #[error("OpenSSL did not sign")]
    OpenSsl(#[from] ErrorStack),
    #[error("cannot encode a signature")]
    Encoding(#[from] cms::cert::x509::der::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Store(store::Error::Interrupted { .. }) | Error::Interrupted => Exit::Interrupted,
            _ => Exit::StageFailed,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Image { .. } => Some("the kernel needs CONFIG_EFI_STUB=y".to_owned()),
            Error::Hash { .. } => Some("put CONFIG_MODULE_SIG_SHA512=y into the kconfig".to_owned()),
            Error::Compressed { .. } => {
                Some("leave the modules as they are: the packages are compressed as a whole".to_owned())
            }
            _ => None,
        }
    }
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
