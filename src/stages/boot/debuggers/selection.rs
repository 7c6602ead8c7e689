//! The debuggers that `--debuggers` selects.

use std::fmt;
use std::path::PathBuf;

use crate::base::error::{Exit, Explain};

/// The name of a debugger, or of the host's debuggers, in `--debuggers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebuggerName {
    /// gdb 10 from Debian 11.
    Gdb10,
    /// gdb 13 from Debian 12.
    Gdb13,
    /// gdb 16 from Debian 13.
    Gdb16,
    /// The host's gdb and strace.
    Host,
}

impl DebuggerName {
    /// Every name, in the order of `all`.
    pub const ALL: [DebuggerName; 4] =
        [DebuggerName::Gdb10, DebuggerName::Gdb13, DebuggerName::Gdb16, DebuggerName::Host];

    /// The name on the command line: `gdb-10`.
    pub fn text(self) -> &'static str {
        match self {
            DebuggerName::Gdb10 => "gdb-10",
            DebuggerName::Gdb13 => "gdb-13",
            DebuggerName::Gdb16 => "gdb-16",
            DebuggerName::Host => "host",
        }
    }

    /// The Debian suite that provides it; `None` for the host's debuggers.
    pub(super) fn suite(self) -> Option<&'static str> {
        match self {
            DebuggerName::Gdb10 => Some("bullseye"),
            DebuggerName::Gdb13 => Some("bookworm"),
            DebuggerName::Gdb16 => Some("trixie"),
            DebuggerName::Host => None,
        }
    }
}

impl fmt::Display for DebuggerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// The debuggers that the user selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All debuggers if a Debian mirror is known, else the host's.
    #[default]
    Default,
    /// All debuggers.
    All,
    /// These debuggers, in this order; empty for none.
    These(Vec<DebuggerName>),
}

/// The request for debuggers.
#[derive(Clone, Debug, Default)]
pub struct DebuggerRequest {
    /// The selected debuggers.
    pub selection: Selection,
    /// URL of the Debian mirror; `None` for the host's.
    pub debian_mirror: Option<String>,
    /// Use indexes of the mirror that are no longer valid.
    pub accept_stale_index: bool,
    /// A file of trusted certificates, in addition to the host's.
    pub keyring: Option<PathBuf>,
}

impl DebuggerRequest {
    /// A request for no debugger.
    pub fn none() -> DebuggerRequest {
        DebuggerRequest { selection: Selection::These(Vec::new()), ..Default::default() }
    }
}

/// An invalid value of `--debuggers`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No debugger has this name.
    #[error("unknown debugger {0:?}")]
    Unknown(String),
    /// `all` or `none` is combined with another value.
    #[error("`{0}` cannot be combined with other debuggers")]
    NotAlone(&'static str),
}

impl Explain for SelectionError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        Some(match self {
            SelectionError::Unknown(_) => {
                let names: Vec<_> = DebuggerName::ALL.iter().map(|name| name.text()).collect();
                format!("use any of {}, or all, or none", names.join(", "))
            }
            SelectionError::NotAlone(word) => format!("use `{word}` alone"),
        })
    }
}

impl Selection {
    /// Reads the values of `--debuggers`; an empty list selects the default.
    ///
    /// # Errors
    /// A value is not a debugger's name, or `all` or `none` is not the only value.
    pub fn parse(values: &[String]) -> Result<Selection, SelectionError> {
        let alone = |word| if values.len() == 1 { Ok(()) } else { Err(SelectionError::NotAlone(word)) };
        let mut names = Vec::new();
        for text in values {
            match text.as_str() {
                "all" => return alone("all").map(|()| Selection::All),
                "none" => return alone("none").map(|()| Selection::These(Vec::new())),
                _ => {}
            }
            let name = DebuggerName::ALL.into_iter().find(|name| name.text() == text);
            let name = name.ok_or_else(|| SelectionError::Unknown(text.clone()))?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(if values.is_empty() { Selection::Default } else { Selection::These(names) })
    }

    /// The selected names, in order.
    pub(super) fn names(&self, mirror_is_known: bool) -> Vec<DebuggerName> {
        match self {
            Selection::All => DebuggerName::ALL.to_vec(),
            Selection::Default if mirror_is_known => DebuggerName::ALL.to_vec(),
            Selection::Default => vec![DebuggerName::Host],
            Selection::These(names) => names.clone(),
        }
    }

    /// Whether nothing is selected.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Selection::These(names) if names.is_empty())
    }

    /// Whether the user names the host's debuggers, which makes a host without any an error.
    pub(super) fn requires_host(&self) -> bool {
        matches!(self, Selection::These(names) if names.contains(&DebuggerName::Host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Result<Selection, SelectionError> {
        Selection::parse(&values.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_keep_their_order_and_appear_once() {
        let selection = parse(&["host", "gdb-10", "host"]).unwrap();
        assert_eq!(selection.names(false), [DebuggerName::Host, DebuggerName::Gdb10]);
        assert!(selection.requires_host());
        assert!(parse(&["none"]).unwrap().names(true).is_empty());
    }

    #[test]
    fn the_default_is_all_with_a_mirror_and_the_host_without() {
        let selection = parse(&[]).unwrap();
        assert_eq!(selection.names(true), DebuggerName::ALL);
        assert_eq!(selection.names(false), [DebuggerName::Host]);
        assert!(!selection.requires_host() && !Selection::All.requires_host());
        assert_eq!(Selection::All.names(false), DebuggerName::ALL);
    }

    #[test]
    fn an_unknown_name_is_reported_with_the_known_ones() {
        let error = parse(&["gdb-11"]).unwrap_err();
        assert_eq!(error.to_string(), "unknown debugger \"gdb-11\"");
        let step = error.next_step().unwrap();
        for name in ["gdb-10", "gdb-13", "gdb-16", "host", "all", "none"] {
            assert!(step.contains(name), "{step}");
        }
        assert_eq!(parse(&["all", "host"]), Err(SelectionError::NotAlone("all")));
        assert_eq!(parse(&["gdb-10", "none"]), Err(SelectionError::NotAlone("none")));
    }
}
