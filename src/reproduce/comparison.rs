//! What building again came to.

use std::fmt;
use std::path::PathBuf;

/// What came of it.
#[derive(Debug)]
pub struct Comparison {
    /// Sentences on what the toolchain has otherwise.
    pub toolchain: Vec<String>,
    pub config: bool,
    pub image: bool,
    pub packages: Vec<Compared>,
    /// Where the packages are that were built here.
    pub out: PathBuf,
}

/// A package's file name and its two SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub name: String,
    pub recorded: String,
    /// `None`: none was built.
    pub built: Option<String>,
}

impl Compared {
    pub fn is_same(&self) -> bool {
        self.built.as_ref() == Some(&self.recorded)
    }
}

impl Comparison {
    pub fn passed(&self) -> bool {
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
            writeln!(f, "what was built here is in {}; diffoscope shows what differs", self.out.display())?;
        }
        writeln!(f, "verdict: {}", if self.passed() { "pass" } else { "FAIL" })
    }
}
