use super::*;

fn entry(files: &[(&str, &str)]) -> tempfile::TempDir {
    // Hundreds of fsyncs: in memory where that is to be had.
    let memory = Path::new("/dev/shm");
    let dir = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
    fs::create_dir(dir.path().join("linux")).unwrap();
    for (name, content) in files {
        let path = dir.path().join("linux").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    dir
}

fn series(files: &[(&str, Option<&str>)]) -> Files {
    let file = |text: &str| File { content: text.into(), mode: 0o644 };
    files.iter().map(|(path, text)| (path.into(), text.map(file))).collect()
}

fn switch(dir: &Path, target: &Files, key: &str) -> Switched {
    Journal::open(dir).unwrap().switch(target, key, &mut |_| Ok(())).unwrap()
}

/// Every file and folder of the tree, with content and mode.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, Option<(String, u32)>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
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

fn one() -> Files {
    series(&[("a", Some("A\n")), ("b", None), ("new/deep/n", Some("n\n"))])
}

fn two() -> Files {
    series(&[("a", Some("2\n")), ("d/c", Some("C\n")), ("new/m", Some("m\n"))])
}

#[test]
fn a_series_is_put_in_exchanged_and_taken_out() {
    let dir = entry(&TREE);
    let linux = dir.path().join("linux");
    let clean = snapshot(&linux);

    let done = switch(dir.path(), &one(), "1");
    assert_eq!(done.written, [Path::new("a"), Path::new("new/deep/n")]);
    assert_eq!(done.removed, [Path::new("b")]);
    assert_eq!(fs::read_to_string(linux.join("a")).unwrap(), "A\n");
    assert!(!linux.join("b").exists());

    switch(dir.path(), &two(), "2");
    assert_eq!(fs::read_to_string(linux.join("b")).unwrap(), "b\n");
    assert_eq!(fs::read_to_string(linux.join("new/m")).unwrap(), "m\n");
    assert!(!linux.join("new/deep").exists());

    switch(dir.path(), &Files::new(), "0");
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
fn nothing_is_written_when_all_is_right() {
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
fn a_file_that_two_series_give_the_same_content_is_not_written_again() {
    let dir = entry(&TREE);
    switch(dir.path(), &series(&[("a", Some("A\n")), ("b", Some("B\n"))]), "1");
    let before = fs::metadata(dir.path().join("linux/a")).unwrap().modified().unwrap();
    let done = switch(dir.path(), &series(&[("a", Some("A\n"))]), "2");
    assert_eq!(done.written, [Path::new("b")]);
    assert_eq!(fs::metadata(dir.path().join("linux/a")).unwrap().modified().unwrap(), before);
}

#[test]
fn an_untouched_tree_gets_no_journal() {
    let dir = entry(&TREE);
    switch(dir.path(), &Files::new(), "0");
    assert!(!dir.path().join("state.json").exists());
}

#[test]
fn what_somebody_changed_in_a_touched_file_is_put_back_and_told() {
    let dir = entry(&TREE);
    switch(dir.path(), &one(), "1");
    fs::write(dir.path().join("linux/a"), "edited\n").unwrap();
    let done = switch(dir.path(), &one(), "1");
    assert_eq!(done.put_back, [Path::new("a")]);
    assert_eq!(fs::read_to_string(dir.path().join("linux/a")).unwrap(), "A\n");
}

#[test]
fn a_folder_that_somebody_else_uses_stays() {
    let dir = entry(&TREE);
    switch(dir.path(), &one(), "1");
    fs::write(dir.path().join("linux/new/deep/mine"), "").unwrap();
    switch(dir.path(), &Files::new(), "0");
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

/// Runs a switch that ends as a kill would before its step number `last`, leaving half of the
/// file that was being written. Returns whether it was killed at all.
fn killed_switch(dir: &Path, target: &Files, key: &str, last: usize) -> bool {
    let mut step = 0;
    let mut watch = |now: Step| {
        step += 1;
        if step <= last {
            return Ok(());
        }
        if let Step::Write(_) = now {
            fs::write(dir.join("staged/half"), "ha").unwrap();
        }
        Err(Error::Interrupted)
    };
    Journal::open(dir).unwrap().switch(target, key, &mut watch).is_err()
}

/// From each of three states to each of the others, killed before every single step, then run
/// again for where it was going or back to where it came from.
#[test]
fn a_kill_before_any_step_is_repaired_by_the_next_run() {
    let all = [("0", Files::new()), ("1", one()), ("2", two())];
    let fresh = |target: &Files, key: &str| {
        let dir = entry(&TREE);
        switch(dir.path(), target, key);
        snapshot(&dir.path().join("linux"))
    };
    let right: Vec<_> = all.iter().map(|(key, target)| fresh(target, key)).collect();
    let mut kills = 0;
    for (from_at, (from_key, from)) in all.iter().enumerate() {
        for (to_at, (to_key, to)) in all.iter().enumerate() {
            for then in [to_at, from_at] {
                for last in 0.. {
                    let dir = entry(&TREE);
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
fn a_full_disk_is_met_before_the_tree_is_touched() {
    let dir = entry(&TREE);
    let linux = dir.path().join("linux");
    let clean = snapshot(&linux);
    let full = |step: Step| match step {
        Step::Write(path) if path.ends_with("n") => {
            Err(io_error("write", path)(io::Error::from(io::ErrorKind::StorageFull)))
        }
        _ => Ok(()),
    };
    let error = Journal::open(dir.path()).unwrap().switch(&one(), "1", &mut { full }).unwrap_err();
    assert!(crate::base::error::full_disk(&error));
    assert_eq!(snapshot(&linux), clean);
    assert!(!dir.path().join("staged").exists());
}

#[test]
fn a_folder_takes_the_place_of_a_file_and_gives_it_back() {
    let dir = entry(&TREE);
    let linux = dir.path().join("linux");
    let clean = snapshot(&linux);
    switch(dir.path(), &series(&[("a", None), ("a/x", Some("x\n"))]), "1");
    assert_eq!(fs::read_to_string(linux.join("a/x")).unwrap(), "x\n");
    switch(dir.path(), &Files::new(), "0");
    assert_eq!(snapshot(&linux), clean);
}

#[test]
fn a_repair_is_told() {
    let dir = entry(&TREE);
    assert!(killed_switch(dir.path(), &one(), "1", 5));
    assert!(switch(dir.path(), &one(), "1").repaired);
    assert!(!switch(dir.path(), &one(), "1").repaired);
}
