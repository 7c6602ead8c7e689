//! Patch series: their metadata, their patches for a release, and their claims.

pub(crate) mod description;
pub mod diff;
mod error;
pub(crate) mod mail;
pub(crate) mod names;
mod resolved;
pub(crate) mod shipped;
mod user_series;

use std::path::Path;

use crate::base::options::Lang;
use crate::base::release::{Release, ReleaseSpec};
use crate::claims::Claims;
use crate::kernel::toolchain::Toolchain;

pub use error::Error;
pub use names::{BadName, LinkPosition};
pub use resolved::{NONE, PatchFile, Series};
pub(crate) use shipped::names as shipped_names;
pub use shipped::{SeriesDetails, SeriesSummary, VariantDetails, list, show};

/// The default of `--series`.
pub(crate) const DEFAULT: &str = "copy-segments";

/// Loads the series that `--series` names, for one release. `name` is a shipped series, `none`, or the path of an
/// mbox or of a directory with a `series.toml` or a quilt `series` file.
///
/// # Errors
/// The series is unknown, has no patches for this release or language, or cannot be read.
pub fn load(name: &str, release: &Release, lang: Lang, toolchain: &Toolchain) -> Result<Series, Error> {
    let mut series = without_compat(name, release, lang)?;
    series.compat = shipped::compat(release, toolchain)?;
    Ok(series)
}

fn without_compat(name: &str, release: &Release, lang: Lang) -> Result<Series, Error> {
    if name == NONE {
        return Ok(Series::none());
    }
    check_name(name)?;
    match shipped::is_shipped(name) {
        true => shipped::load(name, release, lang),
        false => user_series::load(Path::new(name), release, lang),
    }
}

/// Checks a series as [`load`] does, as far as possible before the exact release is known.
///
/// # Errors
/// See [`load`].
pub(crate) fn check(name: &str, release: ReleaseSpec, lang: Lang) -> Result<(), Error> {
    check_name(name)?;
    let release = match release {
        ReleaseSpec::Exact(release) => release,
        ReleaseSpec::Newest(line) => Release::new(line.major, line.minor, u32::MAX),
        ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm => return Ok(()),
    };
    without_compat(name, &release, lang).map(|_| ())
}

fn check_name(name: &str) -> Result<(), Error> {
    let exists = name == NONE || shipped::is_shipped(name) || Path::new(name).exists();
    if exists { Ok(()) } else { Err(shipped::unknown(name)) }
}

/// The claims of a series, for a kernel that another program built.
///
/// # Errors
/// The series is unknown or cannot be read.
pub fn claims(name: &str) -> Result<Claims, Error> {
    check_name(name)?;
    match shipped::is_shipped(name) {
        true => shipped::claims(name),
        false => user_series::claims(Path::new(name)),
    }
}

#[cfg(test)]
mod tests;
