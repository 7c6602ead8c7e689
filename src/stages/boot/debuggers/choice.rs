//! `--debuggers`: which ones.

use std::fmt;
use std::path::PathBuf;

/// One that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Gdb10,
    Gdb13,
    Gdb16,
    /// The host's own gdb and strace.
    Host,
}

impl Name {
    pub const ALL: [Name; 4] = [Name::Gdb10, Name::Gdb13, Name::Gdb16, Name::Host];

    pub fn text(self) -> &'static str {
        match self {
            Name::Gdb10 => "gdb-10",
            Name::Gdb13 => "gdb-13",
            Name::Gdb16 => "gdb-16",
            Name::Host => "host",
        }
    }

    /// The release of Debian that has it.
    pub fn suite(self) -> Option<&'static str> {
        match self {
            Name::Gdb10 => Some("bullseye"),
            Name::Gdb13 => Some("bookworm"),
            Name::Gdb16 => Some("trixie"),
            Name::Host => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// All where a Debian mirror is known, else the host's.
    #[default]
    Default,
    All,
    /// In that order; empty for none.
    These(Vec<Name>),
}

/// Which debuggers, and where Debian's come from.
#[derive(Clone, Debug, Default)]
pub struct DebuggerRequest {
    pub wanted: Wanted,
    pub debian_mirror: Option<String>,
    /// Certificates besides the host's.
    pub keyring: Option<PathBuf>,
}

impl DebuggerRequest {
    pub fn none() -> DebuggerRequest {
        DebuggerRequest { wanted: Wanted::These(Vec::new()), ..Default::default() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    #[error("{0:?} is not a debugger that is known; write {known}", known = known())]
    Unknown(String),
    #[error("{0} stands alone in --debuggers")]
    NotAlone(&'static str),
}

fn known() -> String {
    let names: Vec<_> = Name::ALL.iter().map(|name| name.text()).collect();
    format!("some of {}, or all, or none", names.join(", "))
}

impl Wanted {
    /// `--debuggers` as it was given; nothing for the default.
    pub fn parse(given: &[String]) -> Result<Wanted, ChoiceError> {
        let alone = |word| if given.len() == 1 { Ok(()) } else { Err(ChoiceError::NotAlone(word)) };
        let mut names = Vec::new();
        for text in given {
            match text.as_str() {
                "all" => return alone("all").map(|()| Wanted::All),
                "none" => return alone("none").map(|()| Wanted::These(Vec::new())),
                _ => {}
            }
            let name = Name::ALL.into_iter().find(|name| name.text() == text);
            let name = name.ok_or_else(|| ChoiceError::Unknown(text.clone()))?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(if given.is_empty() { Wanted::Default } else { Wanted::These(names) })
    }

    /// The names, in order.
    pub fn names(&self, mirror_is_known: bool) -> Vec<Name> {
        match self {
            Wanted::All => Name::ALL.to_vec(),
            Wanted::Default if mirror_is_known => Name::ALL.to_vec(),
            Wanted::Default => vec![Name::Host],
            Wanted::These(names) => names.clone(),
        }
    }

    /// Whether the user named the host's debuggers, so that having none is an error.
    pub fn insists_on_host(&self) -> bool {
        matches!(self, Wanted::These(names) if names.contains(&Name::Host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &[&str]) -> Result<Wanted, ChoiceError> {
        Wanted::parse(&given.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_keep_their_order_and_come_once() {
        let wanted = parse(&["host", "gdb-10", "host"]).unwrap();
        assert_eq!(wanted.names(false), [Name::Host, Name::Gdb10]);
        assert!(wanted.insists_on_host());
        assert!(parse(&["none"]).unwrap().names(true).is_empty());
    }

    #[test]
    fn the_default_is_all_where_a_mirror_is_known() {
        let wanted = parse(&[]).unwrap();
        assert_eq!(wanted.names(true), Name::ALL);
        assert_eq!(wanted.names(false), [Name::Host]);
        assert!(!wanted.insists_on_host() && !Wanted::All.insists_on_host());
        assert_eq!(Wanted::All.names(false), Name::ALL);
    }

    #[test]
    fn a_wrong_name_is_told_with_the_known_ones() {
        let error = parse(&["gdb-11"]).unwrap_err().to_string();
        for name in ["gdb-11", "gdb-10", "gdb-13", "gdb-16", "host", "all", "none"] {
            assert!(error.contains(name), "{error}");
        }
        assert_eq!(parse(&["all", "host"]), Err(ChoiceError::NotAlone("all")));
        assert_eq!(parse(&["gdb-10", "none"]), Err(ChoiceError::NotAlone("none")));
    }
}
