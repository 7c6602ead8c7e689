//! Packages stream: memory does not grow with the payload. Alone in its process, because the
//! peak is the process'.

mod fake_kernel;

use std::fs::{self, File};
use std::io::{BufWriter, Write};

use fake_kernel::Machine;

const MIB: u64 = 1 << 20;

/// `VmHWM` of proc(5), in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// At first neither constant nor noise, so that xz has to work; then zeros, which are quick.
fn write_large(path: &std::path::Path, bytes: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let block: Vec<u8> = (0..MIB as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for number in 0..64u64 {
        file.write_all(&number.to_le_bytes()).unwrap();
        file.write_all(&block[..MIB as usize - 8]).unwrap();
    }
    file.into_inner().unwrap().set_len(bytes).unwrap();
}

#[test]
fn real_a_payload_larger_than_the_limit_keeps_memory_below_300_mib() {
    let machine = Machine::new();
    let kernel = machine.kernel("6.1.187-large", |modules| {
        fs::create_dir(modules.join("kernel")).unwrap();
        write_large(&modules.join("kernel/large.debug"), 400 * MIB);
    });
    let mut order = machine.order();
    order.jobs = 16;
    let before = std::time::Instant::now();
    let packages = kpatch_build::package::write(&machine.context, &order, &kernel).unwrap();
    eprintln!(
        "{} and {} bytes in {:?}, peak {} MiB",
        packages[0].bytes,
        packages[1].bytes,
        before.elapsed(),
        peak() / MIB
    );
    assert!(peak() < 300 * MIB, "{} MiB", peak() / MIB);
}
