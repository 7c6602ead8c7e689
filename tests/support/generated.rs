//! Files of the repository that are generated from the code.

use std::path::Path;

/// Fails if the file differs from `content`. With `KPATCH_BUILD_UPDATE=1` it writes the file first.
pub fn check(path: &Path, content: &str) {
    if std::env::var_os("KPATCH_BUILD_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(path, content).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let name = path.display();
    assert!(written == content, "{name} is stale: KPATCH_BUILD_UPDATE=1 cargo test --test fast docs::");
}
