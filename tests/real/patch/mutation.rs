//! Small damages of a patch or of the files that it is for, the same for the same seed.

use super::Random;
use super::case::Case;

type Lines = Vec<Vec<u8>>;

fn lines(text: &[u8]) -> Lines {
    text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// The case with one to three damages.
pub fn mutated(case: &Case, seed: u64) -> Case {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let random = &mut random;
    let mut case = case.clone();
    for _ in 0..1 + random.below(3) {
        if random.one_in(3) {
            drift(random, &mut case);
        } else {
            let mut text = lines(&case.patch.content);
            damage(random, &mut text);
            case.patch.content = text.concat();
        }
    }
    case.name = format!("{} (seed {seed})", case.name);
    case
}

/// Lines come, go, repeat and change in a file.
fn drift(random: &mut Random, case: &mut Case) {
    let names: Vec<_> = case.tree.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let file = case.tree.get_mut(&names[random.below(names.len())]).unwrap();
    let mut text = lines(&file.content);
    if text.is_empty() || file.is_link() {
        return;
    }
    let at = random.below(text.len());
    match random.below(5) {
        0 => {
            let count = 1 + random.below(30);
            let new = (0..count).map(|number| format!("/* {number} */\n").into_bytes());
            drop(text.splice(at..at, new).collect::<Vec<_>>());
        }
        1 => drop(text.drain(at..(at + 1 + random.below(10)).min(text.len())).collect::<Vec<_>>()),
        2 => {
            let copy = text[at..(at + 40).min(text.len())].to_vec();
            drop(text.splice(at..at, copy).collect::<Vec<_>>());
        }
        3 => text[at].insert(0, b'x'),
        _ => drop(text.last_mut().unwrap().pop()),
    }
    file.content = text.concat();
}

/// What mail programs, editors, merges and cut transfers do to a patch.
fn damage(random: &mut Random, text: &mut Lines) {
    if text.is_empty() {
        return;
    }
    let at = random.below(text.len());
    match random.below(16) {
        0 => drop(text.remove(at)),
        1 => text.insert(at, text[at].clone()),
        2 if at + 1 < text.len() => text.swap(at, at + 1),
        3 => flip(random, &mut text[at]),
        4 => text.truncate(at + 1),
        5 => {
            text.truncate(at + 1);
            let length = text[at].len();
            text[at].truncate(random.below(length + 1));
        }
        6 => text.insert(at, b"\n".to_vec()),
        7 => text.insert(at, b"some text\n".to_vec()),
        8 => number(random, text),
        9 => text.iter_mut().filter(|line| *line == b" \n").for_each(|line| *line = b"\n".to_vec()),
        10 => text[at] = [text[at].trim_ascii_end(), b"\n"].concat(),
        11 => text[at] = [text[at].trim_ascii_end(), b"\r\n"].concat(),
        12 => header(random, text, |lines, at| drop(lines.remove(at))),
        13 => header(random, text, |lines, at| lines.insert(at, b"\n".to_vec())),
        14 => {
            let end = (at + 1 + random.below(8)).min(text.len());
            drop(text.drain(at..end).collect::<Vec<_>>());
        }
        _ => {
            let part = text[at..(at + 1 + random.below(20)).min(text.len())].to_vec();
            let to = random.below(text.len());
            drop(text.splice(to..to, part).collect::<Vec<_>>());
        }
    }
}

fn flip(random: &mut Random, line: &mut [u8]) {
    if line.len() > 1 {
        let at = random.below(line.len() - 1);
        line[at] = b"+- \tax0@\\\x01\xff"[random.below(11)];
    }
}

/// Changes a number in a hunk header.
fn number(random: &mut Random, text: &mut Lines) {
    let headers: Vec<usize> = (0..text.len()).filter(|at| text[*at].starts_with(b"@@ -")).collect();
    if headers.is_empty() {
        return;
    }
    let line = &mut text[headers[random.below(headers.len())]];
    let digits: Vec<usize> = (0..line.len().min(30)).filter(|at| line[*at].is_ascii_digit()).collect();
    line[digits[random.below(digits.len())]] = b'0' + random.below(10) as u8;
}

/// Changes the lines at a part of a file's header.
fn header(random: &mut Random, text: &mut Lines, change: impl FnOnce(&mut Lines, usize)) {
    const WORDS: [&[u8]; 8] =
        [b"--- ", b"+++ ", b"diff ", b"index ", b"new file", b"deleted file", b"@@ -", b"rename "];
    let headers: Vec<usize> =
        (0..text.len()).filter(|at| WORDS.iter().any(|word| text[*at].starts_with(word))).collect();
    if !headers.is_empty() {
        change(text, headers[random.below(headers.len())]);
    }
}
