//! Results of the probe's system calls.

use std::fmt;
use std::str::FromStr;

use super::register::Hex;
use super::text_serde::as_text;
use crate::base::text_schema::text_schema;

/// The error of a system call: the name of its errno, such as `EINVAL`, or `errno 095` for a number
/// whose name the probe does not know (`errno_name` in probe/records.c).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Errno(String);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Errno {
    type Err = String;

    fn from_str(text: &str) -> Result<Errno, String> {
        let is_name = text.strip_prefix('E').is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        });
        let is_number = text
            .strip_prefix("errno ")
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        if is_name || is_number {
            Ok(Errno(text.to_owned()))
        } else {
            Err(format!("{text:?} is not the name of an errno"))
        }
    }
}

/// The result of a request that returns no value; `"ok"` or an errno in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request succeeded.
    Ok,
    /// The request failed.
    Errno(Errno),
}

impl Answer {
    /// Whether the request succeeded.
    pub fn is_ok(&self) -> bool {
        *self == Answer::Ok
    }

    /// The error of a failed request.
    pub fn errno(&self) -> Option<&Errno> {
        match self {
            Answer::Ok => None,
            Answer::Errno(errno) => Some(errno),
        }
    }

    /// Whether the request failed with the errno of this name, such as `EINVAL`.
    pub fn is_errno(&self, name: &str) -> bool {
        matches!(self, Answer::Errno(errno) if errno.0 == name)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ok => f.pad("ok"),
            Answer::Errno(errno) => errno.fmt(f),
        }
    }
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Answer, String> {
        if text == "ok" { Ok(Answer::Ok) } else { text.parse().map(Answer::Errno) }
    }
}

/// The result of `PTRACE_PEEKUSER`; the value (`"0x33"`) or an errno in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peek {
    /// The register's value.
    Value(Hex),
    /// The request failed.
    Errno(Errno),
}

impl Peek {
    /// Whether the request failed with the errno of this name, such as `EINVAL`.
    pub fn is_errno(&self, name: &str) -> bool {
        matches!(self, Peek::Errno(errno) if errno.0 == name)
    }
}

impl fmt::Display for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peek::Value(value) => value.fmt(f),
            Peek::Errno(errno) => errno.fmt(f),
        }
    }
}

impl FromStr for Peek {
    type Err = String;

    fn from_str(text: &str) -> Result<Peek, String> {
        if text.starts_with("0x") { text.parse().map(Peek::Value) } else { text.parse().map(Peek::Errno) }
    }
}

as_text!(Errno, Answer, Peek);
text_schema!(
    Answer,
    "The result of a request: `ok`, or the name or number of an errno.",
    "^(ok|E[A-Z0-9]+|errno [0-9]+)$"
);
text_schema!(
    Peek,
    "The result of `PTRACE_PEEKUSER`: the value of the register, or the name or number of an errno.",
    "^(0x[0-9a-f]{1,16}|E[A-Z0-9]+|errno [0-9]+)$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_the_text_that_the_probe_prints() {
        for text in ["ok", "EINVAL", "E2BIG", "errno 095"] {
            assert_eq!(text.parse::<Answer>().unwrap().to_string(), text);
        }
        for text in ["0x33", "0xffffffffffffffda", "EIO"] {
            assert_eq!(text.parse::<Peek>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn any_other_text_is_refused() {
        for text in ["", "E", "OK", "Einval", "33", "<script>", "errno ", "EINVAL "] {
            assert!(text.parse::<Answer>().is_err(), "{text}");
            assert!(text.parse::<Peek>().is_err(), "{text}");
        }
        assert!("0xg".parse::<Peek>().is_err() && "ok".parse::<Peek>().is_err());
    }
}
