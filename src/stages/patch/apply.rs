//! Applies hunks to the content of one file: without fuzz, with offsets, in order.
//!
//! A hunk is first tried where GNU patch expects it: at the line of its header, moved as far as the hunk before it was
//! moved. If it does not fit there, it must fit in one place only that leaves room for the hunks behind it, or in one such
//! place only of the function that its header names, or at the line of its header; git and GNU patch take the nearest place instead, which may be another
//! function. A hunk at the first line belongs at the start of the file, a hunk without context after its change at
//! the end, as in git-apply(1). A hunk never goes above the hunk before it.

use crate::kernel::series::diff::{Hunk, displayed};

/// The content of a file after all hunks, with the place of each hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The new content.
    pub content: Vec<u8>,
    /// By hunk, where it applies.
    pub places: Vec<Place>,
}

/// Where a hunk applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First line of the hunk in the file before the patch, from 1.
    pub line: usize,
    /// Distance in lines between header and actual position; negative towards the start.
    pub offset: i64,
    /// Whether the place is in the function that the header names; `None` if the header names none.
    pub in_function: Option<bool>,
}

/// Why a hunk does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The hunk fits nowhere.
    Misfit(Misfit),
    /// The hunk fits in several places.
    Ambiguous(Ambiguous),
}

/// A hunk that fits in several places, none of them the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// From 1, among the file's hunks.
    pub number: usize,
    /// Line of the patch where the hunk starts, from 1.
    pub patch_line: usize,
    /// The expected line of the file, from 1.
    pub expected: usize,
    /// The lines of the file where the hunk fits, from 1, in ascending order.
    pub lines: Vec<usize>,
}

/// The line that a hunk expects at a position, or that the file has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A line.
    Line {
        /// At most 160 characters, without its end.
        text: String,
        /// Whether the line ends with a line feed.
        ends: bool,
    },
    /// No line before this position.
    StartOfFile,
    /// No line at this position.
    EndOfFile,
}

/// A hunk that fits nowhere, described at the position where most of it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// From 1, among the file's hunks.
    pub number: usize,
    /// Line of the patch where the hunk starts, from 1.
    pub patch_line: usize,
    /// Line of the file, from 1, where the first difference is.
    pub line: usize,
    /// The line of the hunk.
    pub expected: Text,
    /// The line of the file.
    pub found: Text,
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Text::Line { text, ends: true } => write!(f, "{text:?}"),
            Text::Line { text, ends: false } => write!(f, "{text:?} without a line feed at the end"),
            Text::StartOfFile => f.write_str("the start of the file"),
            Text::EndOfFile => f.write_str("the end of the file"),
        }
    }
}

impl Text {
    fn of(line: &[u8]) -> Text {
        Text::Line { text: displayed(line), ends: line.ends_with(b"\n") }
    }
}

/// Applies all hunks, in order.
///
/// # Errors
/// The first hunk that does not fit, or fits in several places.
pub fn apply(content: &[u8], hunks: &[Hunk]) -> Result<Applied, Refusal> {
    let mut image = Image::of(content);
    let mut places = Vec::with_capacity(hunks.len());
    for (index, hunk) in hunks.iter().enumerate() {
        let target = Target::of(hunk);
        let start = image.find(&target, &hunks[index..], index + 1)?;
        places.push(image.place(&target, hunk, start));
        image.replace(start, &target, hunk);
    }
    Ok(Applied { content: image.lines.concat(), places })
}

/// Numbers, from 1, of the hunks whose change is already in `content`, each tried separately.
pub(super) fn present(content: &[u8], hunks: &[Hunk]) -> Vec<usize> {
    let image = Image::of(content);
    let is_present = |hunk: &Hunk| {
        let undo = hunk.reversed();
        let mut target = Target::of(&undo);
        // The header counts lines as if the hunks before it were undone too; here they are not.
        target.start = undo.old_start.saturating_sub(1);
        image.find(&target, std::slice::from_ref(&undo), 1).is_ok()
    };
    hunks.iter().enumerate().filter(|(_, hunk)| is_present(hunk)).map(|(index, _)| index + 1).collect()
}

/// The lines that a hunk replaces, and their expected position.
struct Target<'h> {
    lines: Vec<&'h [u8]>,
    /// First line, from 0, in the file with the earlier hunks applied.
    start: usize,
    at_start: bool,
    at_end: bool,
}

impl<'h> Target<'h> {
    fn of(hunk: &'h Hunk) -> Target<'h> {
        Target {
            lines: hunk.old_lines().collect(),
            start: hunk.new_start.saturating_sub(1),
            at_start: hunk.old_start <= 1,
            at_end: !hunk.ends_with_context(),
        }
    }
}

/// Comparisons of lines after which no better position for a [`Misfit`] is searched.
const COMPARISONS: usize = 20_000_000;

struct Image<'a> {
    lines: Vec<&'a [u8]>,
    /// First line after the hunks so far.
    free: usize,
    /// Lines that the hunks so far added, minus those that they removed.
    grown: i64,
    /// Distance of the last hunk from the line of its header.
    drift: i64,
}

impl<'a> Image<'a> {
    fn of(content: &'a [u8]) -> Image<'a> {
        let lines = content.split_inclusive(|&byte| byte == b'\n').collect();
        Image { lines, free: 0, grown: 0, drift: 0 }
    }

    /// The position of the first of these hunks, which is number `number` of the file.
    fn find(&self, target: &Target, hunks: &[Hunk], number: usize) -> Result<usize, Refusal> {
        let expected = self.expected(target);
        let mut fitting = self.fitting(target);
        match &fitting[..] {
            [] => return Err(Refusal::Misfit(self.misfit(number, &hunks[0], target))),
            [position] => return Ok(*position),
            several if several.contains(&expected) => return Ok(expected),
            _ => {}
        }
        if let Some(bound) = self.latest(&hunks[1..]) {
            fitting.retain(|position| position + target.lines.len() <= bound);
        }
        let only = |positions: &mut dyn Iterator<Item = &usize>| {
            positions.next().copied().filter(|_| positions.next().is_none())
        };
        let in_function = |position: &&usize| self.in_function(**position, &hunks[0]) == Some(true);
        only(&mut fitting.iter())
            .or_else(|| only(&mut fitting.iter().filter(in_function)))
            .or_else(|| Some(target.start).filter(|start| fitting.contains(start)))
            .ok_or_else(|| {
                Refusal::Ambiguous(Ambiguous {
                    number,
                    patch_line: hunks[0].line,
                    expected: self.original(expected),
                    lines: fitting.iter().map(|position| self.original(*position)).collect(),
                })
            })
    }

    /// The last position at which the hunks can begin and all of them fit, in their order; `None` if they do not fit.
    fn latest(&self, hunks: &[Hunk]) -> Option<usize> {
        hunks.iter().rev().try_fold(self.lines.len(), |bound, hunk| {
            let target = Target::of(hunk);
            let fitting = self.fitting(&target);
            fitting.into_iter().rev().find(|position| position + target.lines.len() <= bound)
        })
    }

    fn expected(&self, target: &Target) -> usize {
        (target.start as i64 + self.drift).clamp(0, self.lines.len() as i64) as usize
    }

    /// The line of the file before the patch, from 1, at a position after the hunks so far.
    fn original(&self, position: usize) -> usize {
        (position as i64 - self.grown + 1).max(1) as usize
    }

    fn place(&self, target: &Target, hunk: &Hunk, position: usize) -> Place {
        Place {
            line: self.original(position),
            offset: position as i64 - target.start as i64,
            in_function: self.in_function(position, hunk),
        }
    }

    /// Every position at which the hunk fits, in ascending order.
    fn fitting(&self, target: &Target) -> Vec<usize> {
        let last = self.lines.len().checked_sub(target.lines.len());
        let mut found = match (target.at_start, target.at_end, last) {
            (_, _, None) => return Vec::new(),
            (true, ..) => vec![0],
            (_, true, Some(last)) => vec![last],
            _ => occurrences(&self.lines, &target.lines),
        };
        found.retain(|position| self.fits(target, *position));
        found
    }

    fn fits(&self, target: &Target, position: usize) -> bool {
        let end = position + target.lines.len();
        position >= self.free
            && (!target.at_end || end == self.lines.len())
            && self.lines.get(position..end).is_some_and(|lines| lines == target.lines)
    }

    /// Whether the nearest line above that could begin a function is the one in the header of the hunk.
    ///
    /// Git takes lines that start with a letter, and with the drivers of the kernel's `.gitattributes` no labels but
    /// indented nodes of device trees. The indentation decides here, so that all drivers get the same answer.
    fn in_function(&self, position: usize, hunk: &Hunk) -> Option<bool> {
        let name = hunk.function.trim_ascii();
        if name.is_empty() {
            return None;
        }
        let mut least = usize::MAX;
        for line in self.lines[..position].iter().rev() {
            let text = line.trim_ascii();
            let indentation = line.len() - line.trim_ascii_start().len();
            if text.starts_with(name) {
                return Some(indentation < least);
            }
            if could_begin_a_function(text, indentation) {
                least = least.min(indentation);
            }
            if least == 0 {
                break;
            }
        }
        Some(false)
    }

    fn replace(&mut self, position: usize, target: &Target, hunk: &'a Hunk) {
        let new: Vec<&[u8]> = hunk.new_lines().collect();
        self.free = position + new.len();
        self.drift = position as i64 - target.start as i64;
        self.grown += new.len() as i64 - target.lines.len() as i64;
        self.lines.splice(position..position + target.lines.len(), new);
    }

    fn misfit(&self, number: usize, hunk: &Hunk, target: &Target) -> Misfit {
        let position = self.nearest(target);
        let here = self.lines.get(position..).unwrap_or_default();
        let same = target.lines.iter().zip(here).take_while(|(old, now)| old == now).count();
        let at = |line: usize| self.lines.get(line).map_or(Text::EndOfFile, |line| Text::of(line));
        let (offset, expected, found) = match target.lines.get(same) {
            Some(line) => (same, Text::of(line), at(position + same)),
            // All lines match, but not at the start or the end of the file.
            None if target.at_start && position > 0 => (0, Text::StartOfFile, at(position - 1)),
            None => (same, Text::EndOfFile, at(position + same)),
        };
        let line = (position + offset) as i64 - self.grown + 1;
        Misfit { number, patch_line: hunk.line, line: line.max(1) as usize, expected, found }
    }

    /// The position at which most lines of the hunk match; of several the nearest one.
    fn nearest(&self, target: &Target) -> usize {
        let start = self.expected(target).max(self.free).min(self.lines.len());
        if self.lines.len().saturating_mul(target.lines.len()) > COMPARISONS {
            return start;
        }
        let matching = |position: usize| {
            let here = self.lines[position..].iter().zip(&target.lines);
            here.filter(|(now, old)| now == old).count()
        };
        let positions = self.free.min(self.lines.len())..=self.lines.len();
        let best = positions
            .max_by_key(|&position| (matching(position), std::cmp::Reverse(position.abs_diff(start))));
        best.unwrap_or(start)
    }
}

fn could_begin_a_function(text: &[u8], indentation: usize) -> bool {
    let starts = text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_$&:/".contains(byte));
    let is_comment = text.starts_with(b"/*") || text.starts_with(b"//");
    let is_label = text.iter().position(|&byte| byte == b':').is_some_and(|colon| {
        let name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        text[..colon].iter().all(name) && text[colon + 1..].trim_ascii().is_empty()
    });
    let is_statement = indentation > 0 && text.iter().any(|byte| b";=".contains(byte));
    starts && !is_comment && !is_label && !is_statement
}

/// Every position at which `part` is in `whole`, by the algorithm of Knuth, Morris and Pratt: in time proportional to
/// the number of lines, even if they all look alike.
fn occurrences(whole: &[&[u8]], part: &[&[u8]]) -> Vec<usize> {
    if part.is_empty() {
        return (0..=whole.len()).collect();
    }
    // By number of matching lines, how many of them match still if the part moves on.
    let mut kept = vec![0; part.len() + 1];
    let step = |kept: &[usize], mut matching: usize, line: &[u8]| {
        while matching > 0 && (matching == part.len() || part[matching] != line) {
            matching = kept[matching];
        }
        matching + usize::from(part[matching] == line)
    };
    for at in 1..part.len() {
        kept[at + 1] = step(&kept, kept[at], part[at]);
    }
    let (mut found, mut matching) = (Vec::new(), 0);
    for (at, line) in whole.iter().enumerate() {
        matching = step(&kept, matching, line);
        if matching == part.len() {
            found.push(at + 1 - part.len());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::series::diff::{Change, Reading, parse};

    fn hunks(body: &str) -> Vec<Hunk> {
        let patch = format!("--- a/f\n+++ b/f\n{body}");
        parse(patch.as_bytes(), Reading::default()).unwrap().remove(0).hunks
    }

    fn offsets(applied: &Applied) -> Vec<i64> {
        applied.places.iter().map(|place| place.offset).collect()
    }

    fn misfit(content: &[u8], hunks: &[Hunk]) -> Misfit {
        match apply(content, hunks) {
            Err(Refusal::Misfit(misfit)) => misfit,
            other => panic!("{other:?}"),
        }
    }

    fn lines(numbers: std::ops::RangeInclusive<u32>) -> String {
        numbers.map(|number| format!("line {number}\n")).collect()
    }

    #[test]
    fn a_hunk_goes_to_the_line_in_its_header() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 2\n-line 3\n+changed\n line 4\n");
        let applied = apply(lines(1..=5).as_bytes(), &hunk).unwrap();
        assert_eq!(applied.content, b"line 1\nline 2\nchanged\nline 4\nline 5\n");
        assert_eq!(offsets(&applied), [0]);
    }

    #[test]
    fn a_hunk_that_moved_is_found_with_its_distance() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 12\n-line 13\n+changed\n line 14\n");
        assert_eq!(offsets(&apply(lines(1..=20).as_bytes(), &hunk).unwrap()), [10]);
        let hunk = hunks("@@ -19,3 +19,3 @@\n line 12\n-line 13\n+changed\n line 14\n");
        assert_eq!(offsets(&apply(lines(1..=20).as_bytes(), &hunk).unwrap()), [-7]);
    }

    #[test]
    fn a_hunk_that_fits_in_several_places_is_refused_with_the_places() {
        let content = "x\na\nb\nc\nx\nx\nx\na\nb\nc\nx\n";
        let at = |start| {
            let hunk = hunks(&format!("@@ -{start},3 +{start},3 @@\n a\n-b\n+B\n c\n"));
            apply(content.as_bytes(), &hunk)
        };
        assert_eq!(offsets(&at(2).unwrap()), [0]);
        assert_eq!(offsets(&at(8).unwrap()), [0]);
        let ambiguous = Ambiguous { number: 1, patch_line: 3, expected: 5, lines: vec![2, 8] };
        assert_eq!(at(5).unwrap_err(), Refusal::Ambiguous(ambiguous));
    }

    #[test]
    fn a_place_that_leaves_no_room_for_the_hunks_behind_it_is_none() {
        let content = "x\nx\na\nb\nc\nx\nx\nx\na\nb\nc\n";
        let hunk = |start: usize| format!("@@ -{start},3 +{start},3 @@\n a\n-b\n+B\n c\n");
        let two = hunks(&(hunk(2) + &hunk(6)));
        let applied = apply(content.as_bytes(), &two).unwrap();
        assert_eq!(applied.content, b"x\nx\na\nB\nc\nx\nx\nx\na\nB\nc\n");
        // With a third place, there are three ways.
        let content = format!("{content}x\na\nb\nc\n");
        let Err(Refusal::Ambiguous(ambiguous)) = apply(content.as_bytes(), &two) else {
            panic!("not refused")
        };
        assert_eq!((ambiguous.number, ambiguous.lines), (1, vec![3, 9]));
        // A hunk behind it that fits nowhere says nothing about this one.
        let two = hunks(&(hunk(2) + "@@ -9 +9 @@\n-nowhere\n+x\n"));
        assert!(matches!(apply(content.as_bytes(), &two), Err(Refusal::Ambiguous(_))));
    }

    #[test]
    fn a_hunk_is_expected_as_far_away_as_the_hunk_before_it() {
        let body = "a\nb\nc\nx\n";
        let content = format!("{}first\n{body}{body}", "new\n".repeat(4));
        let both = hunks("@@ -1,2 +1,2 @@\n-first\n+one\n a\n@@ -6,3 +6,3 @@\n a\n-b\n+B\n c\n");
        let mut both = both;
        both[0].old_start = 2;
        both[0].new_start = 2;
        both[1].old_start = 7;
        both[1].new_start = 7;
        let applied = apply(content.as_bytes(), &both).unwrap();
        assert_eq!(offsets(&applied), [3, 3]);
        assert!(applied.content.ends_with(b"a\nb\nc\nx\na\nB\nc\nx\n"));
    }

    #[test]
    fn the_function_in_the_header_decides_between_places() {
        let function = |name: &str| {
            format!("int {name}(void)\n{{\n\tint a;\n\n\tif (a)\n\t\treturn;\nout:\n\tend();\n}}\n\n")
        };
        let content = format!("/* new */\n{}{}{}", function("down"), function("up"), function("other"));
        let at = |header: &str| {
            let hunk =
                hunks(&format!("@@ -3,3 +3,3 @@{header}\n \tif (a)\n-\t\treturn;\n+\t\treturn 1;\n out:\n"));
            apply(content.as_bytes(), &hunk).map(|applied| applied.places[0].line)
        };
        assert_eq!(at(" int down(void)"), Ok(6));
        assert_eq!(at(" int up(void)"), Ok(16));
        assert_eq!(at(" int up(vo"), Ok(16));
        assert!(matches!(at(" int none(void)"), Err(Refusal::Ambiguous(_))));
        assert!(matches!(at(""), Err(Refusal::Ambiguous(_))));
    }

    #[test]
    fn a_device_trees_node_is_a_function() {
        let node = |name: &str| format!("\t{name}: usb {{\n\t\treg = <1>;\n\t\tstatus = \"okay\";\n\t}};\n");
        let content = format!("/* new */\n/ {{\n{}{}}};\n", node("one"), node("two"));
        let hunk = hunks(
            "@@ -1,3 +1,3 @@ two: usb {\n \t\treg = <1>;\n-\t\tstatus = \"okay\";\n+\t\tstatus = \"no\";\n \t};\n",
        );
        let mut hunk = hunk;
        hunk[0].old_start = 3;
        hunk[0].new_start = 3;
        assert_eq!(apply(content.as_bytes(), &hunk).unwrap().places[0].line, 8);
    }

    #[test]
    fn lines_that_all_look_alike_take_no_longer() {
        let content = "same\n".repeat(200_000);
        let body: String = " same\n".repeat(4_500);
        let hunk = hunks(&format!("@@ -9,4501 +9,4501 @@\n{body}-other\n+new\n"));
        let started = std::time::Instant::now();
        assert!(matches!(apply(content.as_bytes(), &hunk), Err(Refusal::Misfit(_))));
        assert!(started.elapsed().as_secs() < 10);
    }

    #[test]
    fn occurrences_may_overlap() {
        let lines = |text: &'static str| text.split_inclusive(' ').map(str::as_bytes).collect::<Vec<_>>();
        assert_eq!(occurrences(&lines("a b a b a b a "), &lines("a b a ")), [0, 2, 4]);
        assert_eq!(occurrences(&lines("a a b a a a b "), &lines("a a b ")), [0, 4]);
        assert!(occurrences(&lines("a "), &lines("a b ")).is_empty());
    }

    #[test]
    fn every_context_line_must_match() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 2\n-line 3\n+changed\n line 4 \n");
        let misfit = misfit(lines(1..=5).as_bytes(), &hunk);
        assert_eq!((misfit.number, misfit.patch_line, misfit.line), (1, 3, 4));
        assert_eq!(misfit.expected.to_string(), "\"line 4 \"");
        assert_eq!(misfit.found.to_string(), "\"line 4\"");
    }

    #[test]
    fn a_misfit_has_the_line_number_of_the_original_file() {
        let both = hunks(
            "@@ -1,3 +1,6 @@\n line 1\n+a\n+b\n+c\n line 2\n line 3\n\
             @@ -6,3 +9,3 @@\n line 6\n-line seven\n+changed\n line 8\n",
        );
        let misfit = misfit(lines(1..=9).as_bytes(), &both);
        assert_eq!((misfit.number, misfit.line), (2, 7));
        assert_eq!(misfit.found, Text::Line { text: "line 7".into(), ends: true });
    }

    #[test]
    fn hunks_keep_their_order() {
        let both = hunks(
            "@@ -5,3 +5,3 @@\n line 5\n-line 6\n+six\n line 7\n\
             @@ -8,3 +8,3 @@\n line 2\n-line 3\n+three\n line 4\n",
        );
        assert_eq!(misfit(lines(1..=20).as_bytes(), &both).number, 2);
    }

    #[test]
    fn a_hunk_without_trailing_context_belongs_at_the_end_of_the_file() {
        let hunk = hunks("@@ -2,2 +2,3 @@\n line 2\n line 3\n+line 4\n");
        assert!(apply(lines(1..=3).as_bytes(), &hunk).is_ok());
        let misfit = misfit(lines(1..=5).as_bytes(), &hunk);
        assert_eq!((misfit.expected, misfit.line), (Text::EndOfFile, 4));
    }

    #[test]
    fn a_hunk_for_the_first_line_belongs_at_the_start_of_the_file() {
        let hunk = hunks("@@ -1,2 +1,3 @@\n+line 0\n line 1\n line 2\n");
        assert!(apply(lines(1..=3).as_bytes(), &hunk).is_ok());
        let misfit = misfit(format!("new\n{}", lines(1..=3)).as_bytes(), &hunk);
        assert_eq!(misfit.expected, Text::StartOfFile);
    }

    #[test]
    fn a_missing_last_line_feed_is_a_difference() {
        let patch = "@@ -1,2 +1,2 @@\n line 1\n-line 2\n\\ No newline at end of file\n+line 2\n";
        let applied = apply(b"line 1\nline 2", &hunks(patch)).unwrap();
        assert_eq!(applied.content, b"line 1\nline 2\n");
        let misfit = misfit(b"line 1\nline 2\n", &hunks(patch));
        assert_eq!(misfit.expected.to_string(), "\"line 2\" without a line feed at the end");
    }

    #[test]
    fn carriage_returns_are_content() {
        let hunk = hunks("@@ -1,3 +1,3 @@\n a\r\n-b\r\n+B\r\n c\r\n");
        assert_eq!(apply(b"a\r\nb\r\nc\r\n", &hunk).unwrap().content, b"a\r\nB\r\nc\r\n");
        assert!(apply(b"a\nb\nc\n", &hunk).is_err());
    }

    #[test]
    fn hunks_that_are_already_present_are_distinguished() {
        let both = hunks(
            "@@ -1,3 +1,3 @@\n line 1\n-line 2\n+two\n line 3\n@@ -6,3 +6,3 @@\n line 6\n-line 7\n+seven\n line 8\n",
        );
        let content = lines(1..=9).replace("line 7", "seven");
        assert_eq!(present(content.as_bytes(), &both), [2]);
    }

    #[test]
    fn a_reversed_patch_restores_the_file() {
        let patch = b"--- a/f\n+++ b/f\n@@ -1,3 +1,4 @@\n line 1\n-line 2\n+two\n+three\n line 3\n";
        let forward = parse(patch, Reading::default()).unwrap().remove(0);
        let reverse = parse(patch, Reading { reverse: true, ..Reading::default() }).unwrap().remove(0);
        assert!(matches!(reverse.change, Change::Modify(_)));
        let patched = apply(lines(1..=4).as_bytes(), &forward.hunks).unwrap().content;
        assert_eq!(apply(&patched, &reverse.hunks).unwrap().content, lines(1..=4).as_bytes());
    }
}
