//! A requested option that does not have its value: why, and what to do about it.

use std::fmt;

/// A requested option that does not have its requested value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostOption {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// The request, with fragment and line: `CONFIG_X=y from boot, line 7`.
    pub request: String,
    /// The shipped kconfig that requests it, if one does.
    pub shipped: Option<String>,
    /// The value in `.config`; `n` for an option that is off.
    pub actual: String,
    /// Why the values differ.
    pub reason: Reason,
}

/// Why an option does not have the requested value. Texts have the file and line of each dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No Kconfig file of the tree defines it. The most similar option, if one is similar.
    Undefined(Option<String>),
    /// The value does not fit the option's type or range.
    Value(Misfit),
    /// The dependencies that are not met, each with its value.
    Depends(Vec<String>),
    /// The tests of compiler or host that fail.
    Host(Vec<String>, HostLack),
    /// Another member of the same choice is on.
    Rival(String),
    /// The option is on because these options select it.
    Selected(Vec<String>),
    /// A user cannot set the option: it has no prompt, or the conditions of its prompt are not met.
    Promptless(Vec<String>),
    /// The option was requested as a module and is built in, because it cannot be a module.
    BuiltIn,
    /// The option is on because one of its choice must be.
    Chosen,
    /// None of the above.
    Unexplained,
}

/// Why a value does not fit an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// `m` for an option that is on or off.
    Module,
    /// Another word than `y` and `n`.
    NotBool(String),
    /// Another word than `y`, `m` and `n`.
    NotTristate(String),
    /// A text without quotes.
    Unquoted(String),
    /// Not a decimal number.
    NotDecimal,
    /// Not a hexadecimal number.
    NotHexadecimal,
    /// Outside of the least and the largest value, both as `.config` has them.
    Range(String, String),
}

/// What compiler or host lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostLack {
    /// The headers of gcc's plugins; the major version of gcc, if it is known.
    GccPlugins(Option<u32>),
    /// Something that only a test of the Kconfig files knows.
    Test,
}

impl fmt::Display for LostOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.request)?;
        match &self.reason {
            Reason::Undefined(None) => f.write_str("does not exist in this release"),
            Reason::Undefined(Some(nearest)) => {
                write!(f, "does not exist in this release; CONFIG_{nearest} does")
            }
            reason if self.actual == "n" => write!(f, "is not set: {reason}"),
            reason => write!(f, "became {}: {reason}", self.actual),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Undefined(_) => f.write_str("no Kconfig file defines it"),
            Reason::Value(misfit) => misfit.fmt(f),
            Reason::Depends(unmet) | Reason::Host(unmet, _) => {
                write!(f, "it depends on {}", unmet.join(" and on "))
            }
            Reason::Rival(rival) => write!(f, "{rival} of the same choice is on"),
            Reason::Selected(by) => write!(f, "it is selected by {}", by.join(" and by ")),
            Reason::Promptless(conditions) if conditions.is_empty() => {
                f.write_str("it has no prompt, so only other options can set it")
            }
            Reason::Promptless(conditions) => {
                write!(f, "it can be set only with {}", conditions.join(" and with "))
            }
            Reason::BuiltIn => f.write_str("it cannot be a module here"),
            Reason::Chosen => f.write_str("one option of its choice must be on, and no other is"),
            Reason::Unexplained => f.write_str("kconfig did not accept the value"),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Module => f.write_str("it is y or n, never a module"),
            Misfit::NotBool(_) => f.write_str("it is y or n, in lower case and without quotes"),
            Misfit::NotTristate(_) => f.write_str("it is y, m or n, in lower case and without quotes"),
            Misfit::Unquoted(value) => write!(f, "it is a string: write \"{value}\""),
            Misfit::NotDecimal => f.write_str("it is a decimal number"),
            Misfit::NotHexadecimal => f.write_str("it is a hexadecimal number, such as 0x1000"),
            Misfit::Range(least, most) => write!(f, "it must be from {least} to {most}"),
        }
    }
}

const OPTIONAL: &str = "put \"# kpatch-build: optional\" above it";

impl LostOption {
    /// What the user can do.
    pub(crate) fn next_step(&self) -> String {
        match (&self.reason, &self.shipped) {
            (Reason::Value(misfit), _) => misfit.next_step(&self.symbol),
            (Reason::Undefined(Some(nearest)), _) => {
                format!("write CONFIG_{nearest} if that is what you mean")
            }
            (Reason::Host(_, lack), _) => lack.next_step(),
            (_, Some(shipped)) => format!(
                "your options exclude what the kconfig {shipped} needs: change them, or start from another kconfig"
            ),
            (Reason::Depends(_), None) => format!("request its dependencies too, or {OPTIONAL}"),
            (Reason::Promptless(conditions), None) if !conditions.is_empty() => {
                format!("request its dependencies too, or {OPTIONAL}")
            }
            (Reason::Promptless(_), None) => "request an option that sets it, or remove this one".to_owned(),
            (Reason::Rival(rival), None) => format!("remove {rival}, or this option"),
            (Reason::Chosen, None) => "request another option of its choice".to_owned(),
            (Reason::Selected(_), None) => "turn off what selects it, or remove this line".to_owned(),
            _ => format!("remove the option, or {OPTIONAL}"),
        }
    }
}

impl Misfit {
    fn next_step(&self, symbol: &str) -> String {
        let word = |value: &str| match value.trim_matches('"').to_lowercase().as_str() {
            word @ ("y" | "m" | "n") => Some(word.to_owned()),
            "yes" | "true" | "1" => Some("y".to_owned()),
            "no" | "false" | "0" => Some("n".to_owned()),
            _ => None,
        };
        match self {
            Misfit::Module => format!("write CONFIG_{symbol}=y"),
            Misfit::NotBool(value) => match word(value).filter(|word| word != "m") {
                Some(word) => format!("write CONFIG_{symbol}={word}"),
                None => format!("write CONFIG_{symbol}=y or CONFIG_{symbol}=n"),
            },
            Misfit::NotTristate(value) => match word(value) {
                Some(word) => format!("write CONFIG_{symbol}={word}"),
                None => format!("write CONFIG_{symbol}=y, CONFIG_{symbol}=m or CONFIG_{symbol}=n"),
            },
            Misfit::Unquoted(value) => format!("write CONFIG_{symbol}=\"{value}\""),
            Misfit::NotDecimal => format!("write CONFIG_{symbol} as a decimal number"),
            Misfit::NotHexadecimal => format!("write CONFIG_{symbol} as a hexadecimal number"),
            Misfit::Range(least, most) => format!("choose a value from {least} to {most}"),
        }
    }
}

impl HostLack {
    fn next_step(self) -> String {
        match self {
            HostLack::GccPlugins(version) => {
                let version = version.map_or("N".to_owned(), |version| version.to_string());
                format!("install gcc-{version}-plugin-dev (Fedora: gcc-plugin-devel, openSUSE: gcc-devel)")
            }
            HostLack::Test => format!("use another compiler (--cc), or {OPTIONAL}"),
        }
    }
}
