//! What this program is called: `kpatch-build`, or whatever its file was installed as. The
//! distributions' packages have it under another name (packaging/README.md says why).

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

const OWN: &str = "kpatch-build";

static CALLED: OnceLock<String> = OnceLock::new();

/// Takes the name from the first word of the command line.
pub fn set(program: &OsStr) {
    if let Some(name) = Path::new(program).file_name().and_then(OsStr::to_str) {
        let _ = CALLED.set(name.to_owned());
    }
}

pub fn get() -> &'static str {
    CALLED.get().map_or(OWN, String::as_str)
}

/// The text with every command line in it (`kpatch-build doctor`) as `name` would be typed.
pub fn in_commands(text: &str, name: &str) -> String {
    text.replace("kpatch-build ", &format!("{name} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_name_and_files_keep_theirs() {
        let text = "run `kpatch-build doctor`, or look into kpatch-build.toml";
        assert_eq!(in_commands(text, "kb"), "run `kb doctor`, or look into kpatch-build.toml");
        assert_eq!(in_commands(text, OWN), text);
    }
}
