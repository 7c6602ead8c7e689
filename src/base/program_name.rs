//! The name of this program: `kpatch-build`, or the name of the file that was started.
//!
//! Distribution packages install it under another name; docs/src/install.md explains why.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

const DEFAULT: &str = "kpatch-build";

static NAME: OnceLock<String> = OnceLock::new();

/// Sets the name to the file name of `program`, the first word of the command line. Later calls have no effect.
pub fn set(program: &OsStr) {
    if let Some(name) = Path::new(program).file_name().and_then(OsStr::to_str) {
        let _ = NAME.set(name.to_owned());
    }
}

/// The name of this program.
pub fn get() -> &'static str {
    NAME.get().map_or(DEFAULT, String::as_str)
}

/// Replaces the program in each command line of `text` (`kpatch-build doctor`) with `name`.
pub fn in_commands(text: &str, name: &str) -> String {
    text.replace("kpatch-build ", &format!("{name} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_get_the_name_and_file_names_stay() {
        let text = "run `kpatch-build doctor`, or look into kpatch-build.toml";
        assert_eq!(in_commands(text, "kb"), "run `kb doctor`, or look into kpatch-build.toml");
        assert_eq!(in_commands(text, DEFAULT), text);
    }
}
