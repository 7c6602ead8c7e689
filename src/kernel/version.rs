//! The release that a kernel tree says it is, in the first lines of its top Makefile.

use crate::base::release::Release;

/// `VERSION`, `PATCHLEVEL`, `SUBLEVEL` and `EXTRAVERSION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub numbers: (u32, u32, u32),
    /// `-rc3` in a candidate, empty in a release; anything in a tree of somebody's own.
    pub extra: String,
}

impl From<Release> for Version {
    fn from(release: Release) -> Version {
        let extra = release.candidate.map_or(String::new(), |candidate| format!("-rc{candidate}"));
        Version { numbers: release.makefile_numbers(), extra }
    }
}

impl Version {
    /// `None` where one of the three numbers is missing.
    pub fn parse(makefile: &str) -> Option<Version> {
        let value = |name: &str| {
            // The assignments stand at the top; a later one belongs to something else.
            makefile.lines().take(40).find_map(|line| {
                let (left, right) = line.split_once('=')?;
                (left.trim() == name).then(|| right.trim().to_owned())
            })
        };
        let number = |name: &str| value(name)?.parse().ok();
        let numbers = (number("VERSION")?, number("PATCHLEVEL")?, number("SUBLEVEL")?);
        Some(Version { numbers, extra: value("EXTRAVERSION").unwrap_or_default() })
    }

    /// As a release number. What follows the number in a tree of the user's own is left out.
    pub fn release(&self) -> Release {
        let (major, minor, point) = self.numbers;
        let candidate = self.extra.strip_prefix("-rc").and_then(|number| number.parse().ok());
        Release { major, minor, point, candidate }
    }

    /// Whether this is that release and nothing else: what `EXTRAVERSION` adds would show in the
    /// kernel's own name.
    pub fn is(&self, release: &Release) -> bool {
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
    fn the_numbers_and_a_candidate_are_read() {
        let release = |text: &str| text.parse::<Release>().unwrap();
        assert!(Version::parse(&makefile("3", "")).unwrap().is(&release("7.2.3")));
        assert!(Version::parse(&makefile("0", " -rc4")).unwrap().is(&release("7.2-rc4")));
        assert!(!Version::parse(&makefile("0", " -rc4")).unwrap().is(&release("7.2")));
        assert_eq!(Version::parse(&makefile("3", " -custom")).unwrap().to_string(), "7.2.3-custom");
    }

    #[test]
    fn a_makefile_without_the_numbers_is_not_a_kernels() {
        assert_eq!(Version::parse("all:\n\tcc -o x x.c\n"), None);
        assert_eq!(Version::parse(&makefile("x", "")), None);
    }
}
