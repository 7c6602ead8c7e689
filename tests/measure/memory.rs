//! The tool streams packages: its memory does not grow with the payload.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::fixtures::fake;
use crate::support::memory::{LIMIT, MIB, wait_with_peak};

/// Writes data that compresses slowly, then zeros, which compress quickly.
fn write_large(path: &Path, bytes: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let block: Vec<u8> = (0..MIB as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for number in 0..96u64 {
        file.write_all(&number.to_le_bytes()).unwrap();
        file.write_all(&block[..MIB as usize - 8]).unwrap();
    }
    file.into_inner().unwrap().set_len(bytes).unwrap();
}

#[test]
fn real_packaging_a_gigabyte_of_debug_information_keeps_the_tool_below_300_mib() {
    let dir = tempfile::tempdir().unwrap();
    let tree = fake::tree();
    let vmlinux = dir.path().join("vmlinux");
    write_large(&vmlinux, 1024 * MIB);
    let makefile = fs::read_to_string(tree.path().join("Makefile")).unwrap();
    let rule = format!("\nbzImage: large\nlarge:\n\t@ln -f {} $(O)/vmlinux\n", vmlinux.display());
    fs::write(tree.path().join("Makefile"), makefile + &rule).unwrap();
    fake::put(tree.path(), "Kconfig", "config DEBUG_INFO\n\tbool \"debug\"\n");
    let kconfig = dir.path().join("large.config");
    fs::write(&kconfig, "# kpatch-build: base allnoconfig\nCONFIG_DEBUG_INFO=y\n").unwrap();

    for compression in ["xz", "zstd", "gzip"] {
        let out = dir.path().join(compression);
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
        command.args(["package", "--release", "6.1.5", "--series", "none", "--jobs", "16"]);
        // The build links a file from outside.
        command.arg("--no-sandbox");
        command.args(["--packages", "debug", "--format", "deb,rpm", "--compression", compression]);
        command.arg("--source").arg(format!("dir:{}", tree.path().display()));
        command.arg("--kconfig").arg(&kconfig).arg("--out").arg(&out);
        command.arg("--store").arg(dir.path().join("store"));
        let started = Instant::now();
        let (status, peak) = wait_with_peak(&mut command.stdout(Stdio::null()).spawn().unwrap());
        let packages: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|name| name == "deb" || name == "rpm"))
            .collect();
        eprintln!("{compression}: peak {} MiB in {:?}", peak / MIB, started.elapsed());
        assert!(status.success() && packages.len() == 2, "{packages:?}");
        assert!(peak > 0 && peak < LIMIT, "{compression}: {} MiB", peak / MIB);
    }
}
