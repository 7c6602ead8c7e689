use std::io;
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;

use crate::base::error::{Exit, Explain};
use crate::base::store;

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
