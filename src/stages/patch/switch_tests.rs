use super::*;
use crate::base::stop::Interrupted;

fn entry(files: &[(&str, &str)]) -> tempfile::TempDir {
    // The tests call fsync hundreds of times: use memory if available.
    let memory = Path::new("/dev/shm");
    let dir = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
    fs::create_dir(dir.path().join("linux")).unwrap();
    for (name, content) in files {
        let path = dir.path().join("linux").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    }
    dir
}

/// Files by their content, links as `-> target`.
fn series(files: &[(&str, Option<&str>)]) -> FileSet {
    let file = |text: &str| match text.strip_prefix("-> ") {
        Some(target) => File { content: target.into(), mode: LINK },
        None => File { content: text.into(), mode: 0o644 },
    };
    files.iter().map(|(path, text)| (path.into(), text.map(file))).collect()
}

fn switch(dir: &Path, target: &FileSet, key: &str) -> Switched {
    Journal::open(dir).unwrap().switch(target, key, &mut |_| Ok(())).unwrap()
}

/// Every file and directory of the tree, with content and mode.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, Option<(String, u32)>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if path.is_symlink() {
                let target = fs::read_link(&path).unwrap().display().to_string();
                found.insert(name, Some((target, LINK)));
            } else if path.is_dir() {
                dirs.push(path);
                found.insert(name, None);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
                found.insert(name, Some((fs::read_to_string(&path).unwrap(), mode)));
            }
        }
    }
    found
}

const TREE: [(&str, &str); 4] = [("a", "a\n"), ("b", "b\n"), ("d/c", "c\n"), ("untouched", "u\n")];

fn one() -> FileSet {
    series(&[("a", Some("A\n")), ("b", None), ("new/deep/n", Some("n\n"))])
}

fn two() -> FileSet {
    series(&[("a", Some("2\n")), ("d/c", Some("C\n")), ("new/m", Some("m\n"))])
}

#[test]
fn a_series_is_applied_replaced_and_removed() {
    let dir = entry(&TREE);
    let linux = dir.path().join("linux");
    let clean = snapshot(&linux);

    let switched = switch(dir.path(), &one(), "1");
    assert_eq!(switched.written, [Path::new("a"), Path::new("new/deep/n")]);
    assert_eq!(switched.removed, [Path::new("b")]);
    assert_eq!(fs::read_to_string(linux.join("a")).unwrap(), "A\n");
    assert!(!linux.join("b").exists());

    switch(dir.path(), &two(), "2");
    assert_eq!(fs::read_to_string(linux.join("b")).unwrap(), "b\n");
    assert_eq!(fs::read_to_string(linux.join("new/m")).unwrap(), "m\n");
    assert!(!linux.join("new/deep").exists());

    switch(dir.path(), &FileSet::new(), "0");
    assert_eq!(snapshot(&linux), clean);
    assert!(!dir.path().join("pristine").exists());
}

#[test]
fn a_switched_tree_equals_a_fresh_one() {
    let (switched, fresh) = (entry(&TREE), entry(&TREE));
    switch(switched.path(), &one(), "1");
    switch(switched.path(), &two(), "2");
    switch(fresh.path(), &two(), "2");
    assert_eq!(snapshot(switched.path()), snapshot(fresh.path()));
}

#[test]
fn a_series_may_touch_a_file_and_its_name_with_new_appended() {
    let dir = entry(&[("x", "x\n"), ("x.new", "x.new\n")]);
    let clean = snapshot(&dir.path().join("linux"));
    switch(dir.path(), &series(&[("x.new", Some("1\n"))]), "1");
    switch(dir.path(), &series(&[("x", Some("2\n")), ("x.new", Some("2\n"))]), "2");
    switch(dir.path(), &FileSet::new(), "0");
    assert_eq!(snapshot(&dir.path().join("linux")), clean);
}

#[test]
fn nothing_is_written_if_the_tree_is_right() {
    let dir = entry(&TREE);
    switch(dir.path(), &one(), "1");
    let mut steps = 0;
    let journal = Journal::open(dir.path()).unwrap();
    journal
        .switch(&one(), "1", &mut |_| {
            steps += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(steps, 0);
}

#[test]
fn a_file_with_the_same_content_in_both_series_is_not_written_again() {
    let dir = entry(&TREE);
    switch(dir.path(), &series(&[("a", Some("A\n")), ("b", Some("B\n"))]), "1");
    let before = fs::metadata(dir.path().join("linux/a")).unwrap().modified().unwrap();
    let switched = switch(dir.path(), &series(&[("a", Some("A\n"))]), "2");
    assert_eq!(switched.written, [Path::new("b")]);
    assert_eq!(fs::metadata(dir.path().join("linux/a")).unwrap().modified().unwrap(), before);
}

#[test]
fn an_untouched_tree_gets_no_journal() {
    let dir = entry(&TREE);
    switch(dir.path(), &FileSet::new(), "0");
    assert!(!dir.path().join("state.json").exists());
}

#[test]
fn a_touched_file_that_another_program_changed_is_restored_with_a_note() {
    let dir = entry(&TREE);
    switch(dir.path(), &one(), "1");
    fs::write(dir.path().join("linux/a"), "edited\n").unwrap();
    let switched = switch(dir.path(), &one(), "1");
    assert_eq!(switched.restored, [Path::new("a")]);
    assert_eq!(fs::read_to_string(dir.path().join("linux/a")).unwrap(), "A\n");
}

#[test]
fn a_directory_with_other_files_stays() {
    let dir = entry(&TREE);
    switch(dir.path(), &one(), "1");
    fs::write(dir.path().join("linux/new/deep/mine"), "").unwrap();
    switch(dir.path(), &FileSet::new(), "0");
    assert!(dir.path().join("linux/new/deep/mine").exists());
    assert!(!dir.path().join("linux/new/deep/n").exists());
}

#[test]
fn a_lost_or_altered_original_is_noticed() {
    for damage in [|path: &Path| fs::write(path, "x").unwrap(), |path: &Path| fs::remove_file(path).unwrap()]
    {
        let dir = entry(&TREE);
        switch(dir.path(), &one(), "1");
        damage(&dir.path().join("pristine/a"));
        let error = Journal::open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::OriginalLost { .. }), "{error:?}");
    }
}

/// A tree with the link `l -> d`.
fn entry_with_link() -> tempfile::TempDir {
    let dir = entry(&TREE);
    std::os::unix::fs::symlink("d", dir.path().join("linux/l")).unwrap();
    dir
}

/// Series that put links, files and directories in place of one another.
fn kinds() -> Vec<(&'static str, FileSet)> {
    vec![
        ("0", FileSet::new()),
        ("1", series(&[("a", Some("-> b")), ("l", Some("-> d/c")), ("n", Some("-> a"))])),
        ("2", series(&[("l", Some("file\n")), ("n", Some("n\n")), ("b", Some("b\0\u{1}"))])),
        ("3", series(&[("l", None), ("l/deep/f", Some("f\n")), ("n/f", Some("f\n")), ("a", Some("A\n"))])),
        ("4", series(&[("l", None), ("l/deep", Some("-> ../a")), ("n", None)])),
    ]
}

#[test]
fn links_files_and_directories_take_the_place_of_one_another() {
    let dir = entry_with_link();
    let clean = snapshot(&dir.path().join("linux"));
    let all = kinds();
    for (from_key, from) in &all {
        for (to_key, to) in &all {
            let fresh = entry_with_link();
            switch(fresh.path(), to, to_key);
            switch(dir.path(), from, from_key);
            switch(dir.path(), to, to_key);
            let what = format!("{from_key} to {to_key}");
            assert_eq!(snapshot(&dir.path().join("linux")), snapshot(&fresh.path().join("linux")), "{what}");
        }
    }
    switch(dir.path(), &FileSet::new(), "0");
    assert_eq!(snapshot(&dir.path().join("linux")), clean);
    assert!(!dir.path().join("pristine").exists());
}

/// The originals stay readable while a series has something else in their place.
#[test]
fn the_original_of_a_link_is_read_whatever_the_series_put_there() {
    for (key, target) in kinds() {
        let dir = entry_with_link();
        switch(dir.path(), &target, key);
        let journal = Journal::open(dir.path()).unwrap();
        let link = journal.file(Path::new("l")).unwrap().unwrap();
        assert_eq!((link.content.as_slice(), link.mode), (&b"d"[..], LINK), "{key}");
        assert_eq!(journal.file(Path::new("n")).unwrap(), None, "{key}");
        for below in ["l/deep/f", "l/c"] {
            assert!(matches!(journal.file(Path::new(below)), Err(ReadError::Refused(_)) | Ok(None)), "{key}");
        }
    }
}

/// Runs a switch that ends after `last` steps as if killed, with half of the file that it was writing. Returns
/// whether it ended early.
fn killed_switch(dir: &Path, target: &FileSet, key: &str, last: usize) -> bool {
    let mut step = 0;
    let mut watch = |now: Step| {
        step += 1;
        if step <= last {
            return Ok(());
        }
        if let Step::Write(_) = now {
            fs::write(dir.join("staged/half"), "ha").unwrap();
        }
        Err(Interrupted.into())
    };
    Journal::open(dir).unwrap().switch(target, key, &mut watch).is_err()
}

/// Switches between each pair of three states, killed before every single step; the next run continues to the target
/// or goes back to the start.
#[test]
fn a_kill_before_any_step_is_repaired_by_the_next_run() {
    repaired_after_kills(&[("0", FileSet::new()), ("1", one()), ("2", two())]);
}

#[test]
fn a_kill_while_links_and_files_are_exchanged_is_repaired_by_the_next_run() {
    repaired_after_kills(&kinds());
}

fn repaired_after_kills(all: &[(&str, FileSet)]) {
    let fresh = |target: &FileSet, key: &str| {
        let dir = entry_with_link();
        switch(dir.path(), target, key);
        snapshot(&dir.path().join("linux"))
    };
    let right: Vec<_> = all.iter().map(|(key, target)| fresh(target, key)).collect();
    let mut kills = 0;
    for (from_at, (from_key, from)) in all.iter().enumerate() {
        for (to_at, (to_key, to)) in all.iter().enumerate() {
            for then in [to_at, from_at] {
                for last in 0.. {
                    let dir = entry_with_link();
                    switch(dir.path(), from, from_key);
                    if !killed_switch(dir.path(), to, to_key, last) {
                        break;
                    }
                    kills += 1;
                    switch(dir.path(), &all[then].1, all[then].0);
                    let now = snapshot(&dir.path().join("linux"));
                    let what = format!("{from_key} to {to_key}, killed after {last} steps, then {then}");
                    assert_eq!(now, right[then], "{what}");
                    assert!(!dir.path().join("staged").exists(), "{what}");
                }
            }
        }
    }
    assert!(kills > 100, "only {kills} kills were tried");
}

#[test]
fn a_full_disk_shows_before_the_tree_changes() {
    let dir = entry(&TREE);
    let linux = dir.path().join("linux");
    let clean = snapshot(&linux);
    let full = |step: Step| match step {
        Step::Write(path) if path.ends_with("n") => {
            Err(Error::Io(io::Error::from(io::ErrorKind::StorageFull)))
        }
        _ => Ok(()),
    };
    let error = Journal::open(dir.path()).unwrap().switch(&one(), "1", &mut { full }).unwrap_err();
    assert!(crate::base::error::full_disk(&error));
    assert_eq!(snapshot(&linux), clean);
    assert!(!dir.path().join("staged").exists());
}

#[test]
fn a_directory_can_replace_a_file_and_be_replaced_by_it() {
    let dir = entry(&TREE);
    let linux = dir.path().join("linux");
    let clean = snapshot(&linux);
    switch(dir.path(), &series(&[("a", None), ("a/x", Some("x\n"))]), "1");
    assert_eq!(fs::read_to_string(linux.join("a/x")).unwrap(), "x\n");
    switch(dir.path(), &FileSet::new(), "0");
    assert_eq!(snapshot(&linux), clean);
}

#[test]
fn a_repair_is_reported() {
    let dir = entry(&TREE);
    assert!(killed_switch(dir.path(), &one(), "1", 5));
    assert!(switch(dir.path(), &one(), "1").repaired);
    assert!(!switch(dir.path(), &one(), "1").repaired);
}
