//! The compression of both formats' payload: xz, which dpkg of Debian 11 and rpm of RHEL 8 read.

use std::io::{self, Write};

use liblzma::stream::{Check, Filters, LzmaOptions, MtStreamBuilder};
use liblzma::write::XzEncoder;

/// Kernel modules come out 13 % larger than with dpkg's and rpmbuild's level 6, after a sixth
/// of its time: a cloud kernel takes a minute instead of the time of its build.
pub(super) const LEVEL: u32 = 2;
const DICTIONARY: u32 = 4 << 20;
/// Fixed, because the output depends on it. It does not depend on the number of threads.
const BLOCK: u64 = 12 << 20;
/// A thread takes up to 80 MiB (a multiple of the dictionary and three times the block), and
/// the tool is to stay below 300 MiB.
const THREADS: usize = 3;

/// Compresses with up to `jobs` threads. [`XzEncoder::finish`] must be called.
pub(super) fn xz<W: Write>(to: W, jobs: usize) -> io::Result<XzEncoder<W>> {
    xz_in_blocks(to, jobs, BLOCK)
}

fn xz_in_blocks<W: Write>(to: W, jobs: usize, block: u64) -> io::Result<XzEncoder<W>> {
    let mut options = LzmaOptions::new_preset(LEVEL)?;
    options.dict_size(DICTIONARY);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = MtStreamBuilder::new()
        .threads(jobs.clamp(1, THREADS) as u32)
        .block_size(block)
        .filters(filters)
        // dpkg and rpm have always used it; CRC64 is what `xz` itself writes.
        .check(Check::Crc64)
        .encoder()?;
    Ok(XzEncoder::new_stream(to, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_does_not_change_the_output() {
        let mut state = 1u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8
        });
        let input: Vec<u8> = noise.take((2 << 16) + 12_345).collect();
        let compressed = |jobs| {
            let mut encoder = xz_in_blocks(Vec::new(), jobs, 1 << 16).unwrap();
            encoder.write_all(&input).unwrap();
            encoder.finish().unwrap()
        };
        let one = compressed(1);
        assert!(one.len() < input.len());
        assert!(one == compressed(2) && one == compressed(8));
    }
}
