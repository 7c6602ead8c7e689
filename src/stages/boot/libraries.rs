//! The libraries of a program of the host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::context::Context;
use crate::base::process;

/// Returns the dynamic loader and the libraries of a program; none for a static one.
pub(super) fn libraries(cx: &Context, program: &Path) -> Result<Vec<PathBuf>, process::Error> {
    let output = process::Command::new("ldd")
        .arg(program)
        .capture()
        .any_status()
        .deadline(Duration::from_secs(20))
        .run(&cx.stop)?;
    Ok(parse_ldd(&output.text()))
}

/// Reads `libc.so.6 => /lib/…/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`; the vDSO has no path.
fn parse_ldd(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let (file, _address) = line.rsplit_once(" (0x")?;
        let file = file.rsplit_once("=> ").map_or(file, |(_, file)| file).trim();
        file.starts_with('/').then(|| PathBuf::from(file))
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_that_ldd_prints_is_returned() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f01)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f02)\n";
        assert_eq!(
            parse_ldd(text),
            [Path::new("/lib/x86_64-linux-gnu/libc.so.6"), Path::new("/lib64/ld-linux-x86-64.so.2")]
        );
        assert!(parse_ldd("\tnot a dynamic executable\n").is_empty());
    }
}
