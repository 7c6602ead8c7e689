//! Next steps for repositories that libgit2 cannot read.

/// What to do about a repository that libgit2 cannot read; it only names the fact.
pub(super) fn advice(url: &str, error: &git2::Error) -> Option<String> {
    let message = error.message();
    if error.code() == git2::ErrorCode::Owner {
        Some(format!(
            "run as the owner of {url}, or trust it: git config --global --add safe.directory {url}"
        ))
    } else if message.contains("object format") {
        Some("use a clone with SHA-1 objects, or a checkout as --source dir:PATH".to_owned())
    } else if message.contains("refstorage") {
        Some(format!(
            "run `git -C {url} refs migrate --ref-format=files`, or use a checkout as --source dir:PATH"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use git2::Repository;

    use super::*;

    #[test]
    fn what_libgit2_cannot_read_has_a_next_step() {
        let dir = tempfile::tempdir().unwrap();
        for (key, value, step) in [
            ("objectFormat", "sha256", "SHA-1 objects"),
            ("refStorage", "reftable", "refs migrate --ref-format=files"),
        ] {
            let path = dir.path().join(key);
            let repository = Repository::init(&path).unwrap();
            let mut config = repository.config().unwrap();
            config.set_i32("core.repositoryFormatVersion", 1).unwrap();
            config.set_str(&format!("extensions.{key}"), value).unwrap();
            let error = Repository::open(&path).err().expect("the repository is not readable");
            let advice = advice("/srv/linux", &error).unwrap_or_else(|| panic!("{error}"));
            assert!(advice.contains(step), "{advice}");
        }
    }
}
