//! Checks that need only the fragments and run before everything else.

use super::error::Error;
use super::options::Kconfig;
use crate::base::options::Part;

/// The longest `uname -r`, in bytes: `__NEW_UTS_LEN` of include/uapi/linux/utsname.h.
pub(crate) const LONGEST_RELEASE: usize = 64;

/// Refuses package parts that a kernel of this kconfig cannot fill.
///
/// # Errors
/// [`Error::NoDebugInfo`].
pub(crate) fn check_packages(kconfig: &Kconfig, parts: &[Part]) -> Result<(), Error> {
    match parts.contains(&Part::Debug) && !kconfig.has_debug_info() {
        true => Err(Error::NoDebugInfo),
        false => Ok(()),
    }
}

/// Refuses a kernel that would not load its own modules. `signed`: the run signs the modules.
///
/// # Errors
/// [`Error::Unsigned`].
pub fn check_signing(kconfig: &Kconfig, signed: bool) -> Result<(), Error> {
    match kconfig.needs_signed_modules().filter(|_| !signed) {
        Some(symbol) => Err(Error::Unsigned { symbol }),
        None => Ok(()),
    }
}

/// Refuses a kernel release that `uname -r` cannot show.
///
/// # Errors
/// [`Error::ReleaseTooLong`].
pub fn check_release(release: String) -> Result<(), Error> {
    if release.len() > LONGEST_RELEASE {
        return Err(Error::ReleaseTooLong { release });
    }
    Ok(())
}
