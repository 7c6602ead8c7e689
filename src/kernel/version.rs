//! The release number in the top Makefile of a kernel tree.

use crate::base::release::Release;

/// The release number as the Makefile splits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `VERSION`, `PATCHLEVEL` and `SUBLEVEL`.
    pub numbers: (u32, u32, u32),
    /// `EXTRAVERSION`: empty in a release, `-rc3` in a candidate, any text in a modified tree.
    pub extra: String,
}

impl From<Release> for Version {
    fn from(release: Release) -> Version {
        let extra = release.candidate.map_or(String::new(), |candidate| format!("-rc{candidate}"));
        Version { numbers: release.makefile_numbers(), extra }
    }
}

impl Version {
    /// Reads the text of a Makefile; returns `None` if one of the three numbers is missing.
    pub(crate) fn parse(makefile: &str) -> Option<Version> {
        let value = |name: &str| {
            // The assignments are at the top; later lines assign other variables.
            makefile.lines().take(40).find_map(|line| {
                let (left, right) = line.split_once('=')?;
                (left.trim() == name).then(|| right.trim().to_owned())
            })
        };
        let number = |name: &str| value(name)?.parse().ok();
        let numbers = (number("VERSION")?, number("PATCHLEVEL")?, number("SUBLEVEL")?);
        Some(Version { numbers, extra: value("EXTRAVERSION").unwrap_or_default() })
    }

    /// The release number, without other text in `EXTRAVERSION`.
    pub(crate) fn release(&self) -> Release {
        let (major, minor, point) = self.numbers;
        let candidate = self.extra.strip_prefix("-rc").and_then(|number| number.parse().ok());
        Release { major, minor, point, candidate }
    }

    /// Whether this is exactly `release`: text that `EXTRAVERSION` adds would become part of `uname -r`.
    pub(crate) fn is(&self, release: &Release) -> bool {
        *self == Version::from(*release)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (major, minor, point) = self.numbers;
        write!(f, "{major}.{minor}.{point}{}", self.extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn makefile(point: &str, extra: &str) -> String {
        format!(
            "# SPDX-License-Identifier: GPL-2.0\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = {point}\n\
             EXTRAVERSION ={extra}\nNAME = Baby Opossum\n"
        )
    }

    #[test]
    fn numbers_and_candidates_are_read() {
        let release = |text: &str| text.parse::<Release>().unwrap();
        assert!(Version::parse(&makefile("3", "")).unwrap().is(&release("7.2.3")));
        assert!(Version::parse(&makefile("0", " -rc4")).unwrap().is(&release("7.2-rc4")));
        assert!(!Version::parse(&makefile("0", " -rc4")).unwrap().is(&release("7.2")));
        assert_eq!(Version::parse(&makefile("3", " -custom")).unwrap().to_string(), "7.2.3-custom");
    }

    #[test]
    fn a_makefile_without_the_numbers_has_no_version() {
        assert_eq!(Version::parse("all:\n\tcc -o x x.c\n"), None);
        assert_eq!(Version::parse(&makefile("x", "")), None);
    }
}
