//! The fuzzer's corpora without the fuzzer: no parser crashes on an input that was kept.

use std::fs;
use std::path::Path;

use kpatch_build::fuzz::TARGETS;

#[test]
fn every_target_reads_its_corpus() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut directories: Vec<_> =
        fs::read_dir(&corpora).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    directories.sort();
    assert_eq!(directories, TARGETS.map(|(name, _)| name), "a corpus without a target, or the reverse");
    for (name, target) in TARGETS {
        let inputs: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().collect();
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            target(&fs::read(input.unwrap().path()).unwrap());
        }
    }
}
