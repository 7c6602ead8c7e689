//! Recognises a kernel image before QEMU gets it.

use std::io::Read;
use std::path::Path;

use fs_err as fs;

use super::error::Error;

/// Checks the signatures of the x86 boot protocol (Documentation/arch/x86/boot.rst): 0xaa55 at 0x1fe and
/// `HdrS` at 0x202.
///
/// QEMU treats any other file as a Multiboot or PVH image and reports little about it.
pub(super) fn check_image(image: &Path) -> Result<(), Error> {
    let mut head = Vec::new();
    fs::File::open(image)?.take(0x206).read_to_end(&mut head)?;
    let is_kernel = head.get(0x1fe..0x200) == Some(&[0x55, 0xaa]) && head.get(0x202..0x206) == Some(b"HdrS");
    if is_kernel { Ok(()) } else { Err(Error::NotAKernel { path: image.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::{Exit, Explain};

    #[test]
    fn only_a_kernel_image_is_booted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bzImage");
        for content in [vec![], vec![0; 4096], b"\x7fELF".repeat(300)] {
            fs::write(&path, content).unwrap();
            let error = check_image(&path).unwrap_err();
            assert!(matches!(error, Error::NotAKernel { .. }), "{error:?}");
            assert_eq!(error.exit(), Exit::StageFailed);
        }
        let error = check_image(&dir.path().join("none")).unwrap_err();
        assert!(matches!(error, Error::Io(_)) && error.to_string().contains("none"), "{error:?}");
    }
}
