//! The result of building packages again.

use std::fmt;
use std::path::PathBuf;

/// Rebuilt packages compared with the recorded ones. [`fmt::Display`] shows the result in lines for the
/// terminal.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// Differences between the toolchains, one line each.
    pub(crate) toolchain: Vec<String>,
    /// Whether the kernel configurations are identical.
    pub(crate) config: bool,
    /// Whether the images are identical.
    pub(crate) image: bool,
    /// The recorded packages.
    pub(crate) packages: Vec<Compared>,
    /// Directory of the packages that were built here.
    pub(crate) out: PathBuf,
}

/// One recorded package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    /// File name.
    pub(crate) name: String,
    /// Recorded SHA-256.
    pub(crate) recorded: String,
    /// SHA-256 of the package built here; `None` if there is no such package.
    pub(crate) built: Option<String>,
}

impl Compared {
    /// Whether both packages are identical.
    pub(crate) fn is_same(&self) -> bool {
        self.built.as_ref() == Some(&self.recorded)
    }
}

impl Comparison {
    /// Whether every package is identical.
    pub(crate) fn passed(&self) -> bool {
        self.packages.iter().all(Compared::is_same)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.toolchain {
            writeln!(f, "toolchain: {difference}")?;
        }
        for (what, same) in [("configuration", self.config), ("kernel's image", self.image)] {
            writeln!(f, "{what}: {}", if same { "identical" } else { "DIFFERS" })?;
        }
        for package in &self.packages {
            match &package.built {
                _ if package.is_same() => writeln!(f, "{}: identical", package.name)?,
                Some(built) => {
                    writeln!(f, "{}: DIFFERS: {built} here, {} recorded", package.name, package.recorded)?;
                }
                None => writeln!(f, "{}: MISSING", package.name)?,
            }
        }
        if !self.passed() {
            writeln!(f, "packages built here: {}; diffoscope shows the differences", self.out.display())?;
        }
        writeln!(f, "verdict: {}", if self.passed() { "pass" } else { "FAIL" })
    }
}
