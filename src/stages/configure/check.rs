//! Checks the finished `.config`.

use std::path::Path;

use fs_err as fs;

use super::error::Error;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::kernel::kconfig::{self, BOOT_NEEDS, Kconfig, option_check};

/// Fails if a requested option was lost; sends a note for every other difference.
pub(super) fn check_options(
    cx: &Context,
    kconfig: &Kconfig,
    config: &Path,
    tree: &Path,
) -> Result<(), Error> {
    let values = option_check::values(&fs::read_to_string(config)?);
    let comparison = option_check::compare(kconfig, &values, tree);
    for note in comparison.notes {
        cx.events.note(Stage::Configure, note);
    }
    if values.get("MODULE_SIG_KEY").is_some_and(|key| key == "\"certs/signing_key.pem\"")
        && !tree.join("certs/signing_key.pem").exists()
    {
        let note = "the build signs modules with a key that it generates: it is not reproducible";
        cx.events.note(Stage::Configure, note);
    }
    match comparison.lost {
        lost if lost.is_empty() => Ok(()),
        lost => Err(Error::Lost { lost }),
    }
}

/// Fails if the kernel cannot be boot-tested. `text` is the content of `.config`.
pub(super) fn check_boot_needs(text: &str) -> Result<(), Error> {
    let values = option_check::values(text);
    let is_built_in = |symbol: &str| values.get(symbol).is_some_and(|value| value == "y");
    match BOOT_NEEDS.into_iter().find(|symbol| !is_built_in(symbol)) {
        Some(symbol) => Err(kconfig::Error::NotBootTestable { symbol }.into()),
        None => Ok(()),
    }
}
