//! Values of flags that shells complete, although any other value is valid too.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};

use crate::kernel::series;

/// Accepts any text; shells complete the names that the function returns.
#[derive(Clone)]
pub(super) struct Suggested(pub(super) fn() -> Vec<String>);

impl TypedValueParser for Suggested {
    type Value = String;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(cmd, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.0)().into_iter().map(PossibleValue::new)))
    }
}

/// The names for `--series`.
pub(super) fn series() -> Vec<String> {
    let shipped = series::list().unwrap_or_default();
    let selectable = shipped.into_iter().filter(|series| series.selectable).map(|series| series.name);
    selectable.chain([series::NONE.to_owned()]).collect()
}
