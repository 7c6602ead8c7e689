//! A check of an `.rpm`'s headers before the crate `rpm` parses them: the crate trusts the numbers in them, so a damaged
//! header would make it panic or request gigabytes.
//!
//! Format: rpm's manual, "RPM v4 package format" (docs/manual/format_v4.md) and "Header structure"
//! (docs/manual/format_header.md).

use std::io::{self, Read};

const LEAD_BYTES: usize = 96;
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
const INDEX_ENTRY_BYTES: u64 = 16;

/// Reads the lead and both headers, and checks every entry against the file, `length` bytes long.
///
/// # Errors
/// The first contradiction, for an error message.
pub(super) fn check(file: &mut impl Read, length: u64) -> Result<(), &'static str> {
    let mut lead = [0; LEAD_BYTES];
    read(file, &mut lead)?;
    let left = length.saturating_sub(LEAD_BYTES as u64);
    let signature = check_header(file, left)?;
    // The main header starts at a multiple of eight bytes.
    let padding = signature.next_multiple_of(8) - signature;
    read(file, &mut [0; 8][..padding as usize])?;
    check_header(file, left.saturating_sub(signature + padding)).map(drop)
}

/// Returns the length of the header in bytes.
fn check_header(file: &mut impl Read, left: u64) -> Result<u64, &'static str> {
    let mut start = [0; 16];
    read(file, &mut start)?;
    if start[..4] != HEADER_MAGIC {
        return Err("a header does not start with the magic number");
    }
    let (entries, data) = (u64::from(number(&start[8..])), u64::from(number(&start[12..])));
    let bytes = entries * INDEX_ENTRY_BYTES + data;
    // The crate adds both in 32 bits.
    if bytes > left || u32::try_from(bytes).is_err() {
        return Err("a header is longer than the file");
    }
    let mut index = vec![0; (entries * INDEX_ENTRY_BYTES) as usize];
    let mut store = vec![0; data as usize];
    read(file, &mut index)?;
    read(file, &mut store)?;
    for entry in index.chunks_exact(INDEX_ENTRY_BYTES as usize) {
        check_entry(entry, &store)?;
    }
    Ok(start.len() as u64 + bytes)
}

fn check_entry(entry: &[u8], store: &[u8]) -> Result<(), &'static str> {
    let (kind, offset, count) = (number(&entry[4..]), number(&entry[8..]) as usize, number(&entry[12..]));
    let data = store.get(offset..).ok_or("an entry of a header lies outside of its data")?;
    let count = count as usize;
    let width = match kind {
        0 => return Ok(()),
        1 | 2 | 7 => 1,
        3 => 2,
        4 => 4,
        5 => 8,
        6 if count != 1 => return Err("a header has a string with another count than 1"),
        6 | 8 | 9 => {
            let strings = data.iter().filter(|byte| **byte == 0).take(count).count();
            return if strings == count { Ok(()) } else { Err("a string of a header does not end") };
        }
        _ => return Err("an entry of a header has an unknown type"),
    };
    match count.checked_mul(width) {
        Some(bytes) if bytes <= data.len() => Ok(()),
        _ => Err("an entry of a header is longer than its data"),
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn read(file: &mut impl Read, buffer: &mut [u8]) -> Result<(), &'static str> {
    file.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file is truncated",
        _ => "the file cannot be read",
    })
}
