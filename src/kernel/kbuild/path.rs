//! Paths that the kernel's build can work in.

use std::path::Path;

/// Characters that make or the shell reads as more than a part of a name.
///
/// The top Makefile itself refuses white space and colons. Everything else is passed unquoted to make's variables,
/// targets and functions (GNU make manual, 3.1 and 4.2) and to `/bin/sh` (POSIX, Shell Command Language, 2.2).
const REFUSED: &str = ":#$();&|<>\\'\"`=";

/// Returns the first character of an absolute path for which the kernel's build fails, or runs a part of the path as a
/// command. `None` if there is none.
pub fn refused_character(path: &Path) -> Option<char> {
    let is_refused = |c: &char| c.is_whitespace() || c.is_control() || REFUSED.contains(*c);
    path.to_string_lossy().chars().find(is_refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_make_or_the_shell_interprets_are_found() {
        for c in " \t\n\u{a0}:#$();&|<>\\'\"`=".chars() {
            assert_eq!(refused_character(Path::new(&format!("/a/x{c}y"))), Some(c), "{c:?}");
        }
    }

    #[test]
    fn other_characters_are_a_part_of_a_name() {
        assert_eq!(refused_character(Path::new("/a.b/c,d%e*f~gö@h+i_j-k")), None);
    }
}
