//! ELF files that name the libraries they need and contain no code.

const HEADER: usize = 64;
const SEGMENT: usize = 56;
const SEGMENTS: usize = 3;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;

/// Returns an ELF file for x86-64 (System V ABI, chapters 4 and 5) whose addresses equal its offsets.
pub fn elf(loader: &str, needed: &[&str]) -> Vec<u8> {
    let interp = HEADER + SEGMENT * SEGMENTS;
    let strings = interp + loader.len() + 1;
    let mut text = vec![0];
    let mut dynamic = Vec::new();
    for name in needed {
        dynamic.extend([DT_NEEDED, text.len() as u64]);
        text.extend(name.bytes().chain([0]));
    }
    dynamic.extend([DT_STRTAB, strings as u64, DT_STRSZ, text.len() as u64, 0, 0]);
    let table = strings + text.len();
    let end = table + dynamic.len() * 8;

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // A shared object for x86-64, without sections.
    file.extend([3u8, 0, 62, 0, 1, 0, 0, 0]);
    for number in [0u64, HEADER as u64, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    // Unused slots are PT_NULL.
    for number in [HEADER, SEGMENT, SEGMENTS, 64, 0, 0] {
        file.extend((number as u16).to_le_bytes());
    }
    let mut segment = |kind: u32, from: usize, to: usize| {
        file.extend(kind.to_le_bytes());
        file.extend(4u32.to_le_bytes());
        let (from, size) = (from as u64, (to - from) as u64);
        for number in [from, from, from, size, size, 8] {
            file.extend(number.to_le_bytes());
        }
    };
    segment(PT_LOAD, 0, end);
    segment(PT_DYNAMIC, table, end);
    segment(if loader.is_empty() { 0 } else { PT_INTERP }, interp, strings);
    file.extend(loader.bytes().chain([0]));
    file.extend(text);
    for number in dynamic {
        file.extend(number.to_le_bytes());
    }
    file
}
