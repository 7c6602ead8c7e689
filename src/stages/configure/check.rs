//! Checks the finished `.config`.

use std::path::Path;

use fs_err as fs;

use super::error::Error;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::kernel::KernelPlan;
use crate::kernel::kconfig::{self, Kconfig, LostOption, option_check};

/// Name of the list, among the logs, of the options that differ from a whole configuration.
const DROPPED: &str = "configure-dropped.txt";

/// Fails if a requested option was lost; sends a note for every other difference. Returns the options that differ from a
/// whole configuration.
pub(super) fn check_options(
    cx: &Context,
    kconfig: &Kconfig,
    config: &str,
    tree: &Path,
) -> Result<Vec<LostOption>, Error> {
    let values = option_check::values(config);
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
    list_dropped(cx, &comparison.dropped)?;
    match comparison.lost {
        lost if lost.is_empty() => Ok(comparison.dropped),
        lost => Err(Error::Lost { lost }),
    }
}

/// Writes the list, and a note with its length and its path.
fn list_dropped(cx: &Context, dropped: &[LostOption]) -> Result<(), Error> {
    if dropped.is_empty() {
        return Ok(());
    }
    let list = cx.logs.join(DROPPED);
    fs::create_dir_all(&cx.logs)?;
    fs::write(&list, dropped.iter().map(|option| format!("{option}\n")).collect::<String>())?;
    let note = format!(
        "{} options of the configuration do not apply to this release, see {}",
        dropped.len(),
        list.display()
    );
    cx.events.note(Stage::Configure, note);
    Ok(())
}

/// Fails if the kernel of the plan cannot be boot-tested. `text` is the content of `.config`.
pub(super) fn check_boot_needs(plan: &KernelPlan, text: &str) -> Result<(), Error> {
    Ok(kconfig::check_boot_config(&option_check::values(text), plan.boot_claims())?)
}
