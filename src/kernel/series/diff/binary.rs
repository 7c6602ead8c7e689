//! Binary patches of git: `GIT binary patch`, the two directions of a change as deflated literals or deltas in base 85.
//!
//! The format is that of git-apply(1); git documents it in `apply.c` (`parse_binary`), `base85.c` and
//! gitformat-pack(5), "Deltified representation".

use std::io::Read;

use flate2::read::ZlibDecoder;
use sha1::{Digest as _, Sha1};
use sha2::{Digest as _, Sha256};

use crate::base::digest::hex;

/// Largest content in bytes. The largest file of a kernel tree has about 20 megabytes.
const LARGEST: u64 = 64 << 20;

/// The change of one binary file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryPatch {
    /// Git's name of the content before the change: 40 or 64 hexadecimal digits, zeros for a missing file.
    pub old: String,
    /// Git's name of the content after the change.
    pub new: String,
    /// `None` in the reverse of a patch that has only one direction: git always writes both, and `git apply` does
    /// without the second.
    pub(super) forward: Option<Fragment>,
    pub(super) reverse: Option<Fragment>,
}

/// One direction of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fragment {
    Literal(Vec<u8>),
    Delta(Vec<u8>),
}

/// Why a binary patch does not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinaryFault {
    /// The file is not the one that the patch is for.
    #[error("the binary patch is for the content {expected}, but it is {found}")]
    OtherContent {
        /// Git's name of the content that the patch is for.
        expected: String,
        /// Git's name of the content.
        found: String,
    },
    /// The result does not have the name in the patch.
    #[error("the binary patch is damaged: it does not lead to the content {expected}")]
    OtherResult {
        /// Git's name of the promised content.
        expected: String,
    },
    /// The delta does not fit the content.
    #[error("the delta of the binary patch is damaged")]
    Delta,
    /// The patch must be undone, and has only one direction.
    #[error("the binary patch has no data for the reverse direction")]
    OneWay,
}

impl BinaryPatch {
    /// The content after the change. `content` is `None` for a file that the patch creates.
    ///
    /// # Errors
    /// The content is not the one that the patch is for, or the patch is damaged.
    pub fn apply(&self, content: Option<&[u8]>) -> Result<Vec<u8>, BinaryFault> {
        if let Some(content) = content {
            let found = blob_name(content, self.old.len());
            if found != self.old {
                return Err(BinaryFault::OtherContent { expected: self.old.clone(), found });
            }
        }
        if is_null(&self.new) {
            return Ok(Vec::new());
        }
        let after = match self.forward.as_ref().ok_or(BinaryFault::OneWay)? {
            Fragment::Literal(after) => after.clone(),
            Fragment::Delta(delta) => {
                apply_delta(content.unwrap_or_default(), delta).ok_or(BinaryFault::Delta)?
            }
        };
        match blob_name(&after, self.new.len()) == self.new {
            true => Ok(after),
            false => Err(BinaryFault::OtherResult { expected: self.new.clone() }),
        }
    }

    /// The patch that undoes this one.
    pub fn reversed(&self) -> BinaryPatch {
        BinaryPatch {
            old: self.new.clone(),
            new: self.old.clone(),
            forward: self.reverse.clone(),
            reverse: self.forward.clone(),
        }
    }
}

/// Whether git's name of a content stands for a missing file.
fn is_null(name: &str) -> bool {
    name.bytes().all(|byte| byte == b'0')
}

/// Git's name of a file's content; of `digits` hexadecimal digits, by the hash that has so many.
fn blob_name(content: &[u8], digits: usize) -> String {
    let header = format!("blob {}\0", content.len());
    match digits {
        64 => hex(&Sha256::new().chain_update(header).chain_update(content).finalize()),
        _ => hex(&Sha1::new().chain_update(header).chain_update(content).finalize()),
    }
}

/// Reads `literal N` or `delta N` with its lines up to the empty one that ends it. Returns the fragment and the number
/// of lines; `None` if they are malformed.
pub(super) fn fragment(lines: &[&[u8]]) -> Option<(Fragment, usize)> {
    let (first, body) = lines.split_first()?;
    let first = std::str::from_utf8(first).ok()?.trim_ascii_end();
    let literal = first.strip_prefix("literal ");
    let length: u64 = literal.or_else(|| first.strip_prefix("delta "))?.parse().ok()?;
    let end = body.iter().position(|line| line.trim_ascii_end().is_empty())?;
    let mut deflated = Vec::new();
    for line in &body[..end] {
        decode(line.trim_ascii_end(), &mut deflated)?;
    }
    let data = inflated(&deflated, length)?;
    let fragment = if literal.is_some() { Fragment::Literal(data) } else { Fragment::Delta(data) };
    Some((fragment, end + 2))
}

/// Exactly `length` bytes.
fn inflated(deflated: &[u8], length: u64) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let limit = length.min(LARGEST);
    ZlibDecoder::new(deflated).take(limit + 1).read_to_end(&mut data).ok()?;
    (data.len() as u64 == length).then_some(data)
}

/// Reads a line: its number of bytes as a letter, then groups of five digits for four bytes.
fn decode(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    const DIGITS: &[u8] =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let (&letter, groups) = line.split_first()?;
    let length = match letter {
        b'A'..=b'Z' => usize::from(letter - b'A') + 1,
        b'a'..=b'z' => usize::from(letter - b'a') + 27,
        _ => return None,
    };
    if groups.len() != length.div_ceil(4) * 5 {
        return None;
    }
    let end = out.len() + length;
    for group in groups.chunks(5) {
        let mut value: u64 = 0;
        for digit in group {
            value = value * 85 + DIGITS.iter().position(|known| known == digit)? as u64;
        }
        out.extend(u32::try_from(value).ok()?.to_be_bytes());
    }
    out.truncate(end);
    Some(())
}

/// The result of a delta; `None` if it is malformed or for another content.
fn apply_delta(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta;
    let (before, after) = (length(&mut rest)?, length(&mut rest)?);
    if before != base.len() as u64 || after > LARGEST {
        return None;
    }
    let mut out = Vec::new();
    while let Some((&command, tail)) = rest.split_first() {
        rest = tail;
        let part = match command {
            0 => return None,
            1..0x80 => {
                let (part, tail) = rest.split_at_checked(usize::from(command))?;
                rest = tail;
                part
            }
            _ => {
                let offset = copied_number(&mut rest, command, 4)?;
                let size = match copied_number(&mut rest, command >> 4, 3)? {
                    0 => 0x1_0000,
                    size => size,
                };
                base.get(offset..offset.checked_add(size)?)?
            }
        };
        out.extend_from_slice(part);
        if out.len() as u64 > after {
            return None;
        }
    }
    (out.len() as u64 == after).then_some(out)
}

/// Up to `bytes` bytes, the lowest first; a bit of `present` tells for each whether it is there.
fn copied_number(rest: &mut &[u8], present: u8, bytes: usize) -> Option<usize> {
    let mut value = 0;
    for at in (0..bytes).filter(|at| present & (1 << at) != 0) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= usize::from(byte) << (8 * at);
    }
    Some(value)
}

/// A number of seven bits a byte, the lowest first.
fn length(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..9 {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_copies_and_inserts() {
        // 11 to 9 bytes: copy 5 bytes from 6, insert "!", copy 3 bytes from 0.
        let delta = [11, 9, 0x91, 6, 5, 1, b'!', 0x90, 3];
        assert_eq!(apply_delta(b"01234 56789", &delta).unwrap(), b"56789!012");
        for cut in 0..delta.len() {
            assert_eq!(apply_delta(b"01234 56789", &delta[..cut]), None, "{cut}");
        }
        assert_eq!(apply_delta(b"01234 5678", &delta), None);
    }

    #[test]
    fn a_line_has_as_many_bytes_as_its_letter_says() {
        let mut out = Vec::new();
        decode(b"D00000", &mut out).unwrap();
        decode(b"A00000", &mut out).unwrap();
        assert_eq!(out, [0; 5]);
        for bad in ["", "E00000", "D0000", "D0000\"", "D~~~~~", "000000"] {
            assert_eq!(decode(bad.as_bytes(), &mut out), None, "{bad}");
        }
    }

    #[test]
    fn names_are_those_of_git() {
        assert_eq!(blob_name(b"", 40), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(blob_name(b"", 64), "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813");
    }

    #[test]
    fn no_more_is_inflated_than_announced() {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&[0; 1 << 16]).unwrap();
        let deflated = encoder.finish().unwrap();
        assert_eq!(inflated(&deflated, 1 << 16).unwrap().len(), 1 << 16);
        for length in [5, (1 << 16) - 1, (1 << 16) + 1, u64::MAX] {
            assert_eq!(inflated(&deflated, length), None, "{length}");
        }
    }
}
