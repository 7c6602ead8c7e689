//! Applies hunks to the content of one file: without fuzz, with offsets, in order.
//!
//! The position of a hunk is chosen as in git-apply(1): first the line in its header, then lines farther and
//! farther away, forward before backward; for a hunk at the first line only the start of the file, for a hunk
//! without context after its change only the end of the file. One rule is stricter than git: a hunk never goes
//! above the hunk before it.

use crate::kernel::series::diff::{Hunk, displayed};

/// The content of a file after all hunks, with the offset of each hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The new content.
    pub content: Vec<u8>,
    /// By hunk, the distance in lines between header and actual position; negative towards the start.
    pub offsets: Vec<i64>,
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
/// The first hunk that does not fit.
pub fn apply(content: &[u8], hunks: &[Hunk]) -> Result<Applied, Misfit> {
    let mut image = Image::of(content);
    let mut offsets = Vec::with_capacity(hunks.len());
    for (index, hunk) in hunks.iter().enumerate() {
        let target = Target::of(hunk);
        let start = image.find(&target).ok_or_else(|| image.misfit(index + 1, hunk, &target))?;
        offsets.push(start as i64 - target.start as i64);
        image.replace(start, &target, hunk);
    }
    Ok(Applied { content: image.lines.concat(), offsets })
}

/// Numbers, from 1, of the hunks whose change is already in `content`, each tried separately.
pub(super) fn present(content: &[u8], hunks: &[Hunk]) -> Vec<usize> {
    let image = Image::of(content);
    let is_present = |hunk: &Hunk| {
        let undo = hunk.reversed();
        let mut target = Target::of(&undo);
        // The header counts lines as if the hunks before it were undone too; here they are not.
        target.start = undo.old_start.saturating_sub(1);
        image.find(&target).is_some()
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

struct Image<'a> {
    lines: Vec<&'a [u8]>,
    /// First line after the hunks so far.
    free: usize,
    /// Lines that the hunks so far added, minus those that they removed.
    grown: i64,
}

impl<'a> Image<'a> {
    fn of(content: &'a [u8]) -> Image<'a> {
        Image { lines: content.split_inclusive(|&byte| byte == b'\n').collect(), free: 0, grown: 0 }
    }

    fn find(&self, target: &Target) -> Option<usize> {
        let last = self.lines.len().checked_sub(target.lines.len())?;
        let start = match target {
            Target { at_start: true, .. } => 0,
            Target { at_end: true, .. } => last,
            _ => target.start.min(self.lines.len()),
        };
        self.positions(start).find(|&position| self.fits(target, position))
    }

    /// Every line, the nearest to `start` first, forward before backward.
    fn positions(&self, start: usize) -> impl Iterator<Item = usize> + use<> {
        let end = self.lines.len();
        let farthest = start.max(end - start.min(end));
        (0..=farthest).flat_map(move |distance| {
            let forward = Some(start + distance).filter(|position| *position <= end);
            let backward = if distance == 0 { None } else { start.checked_sub(distance) };
            forward.into_iter().chain(backward)
        })
    }

    fn fits(&self, target: &Target, position: usize) -> bool {
        let end = position + target.lines.len();
        position >= self.free
            && (!target.at_start || position == 0)
            && (!target.at_end || end == self.lines.len())
            && self.lines.get(position..end).is_some_and(|lines| lines == target.lines)
    }

    fn replace(&mut self, position: usize, target: &Target, hunk: &'a Hunk) {
        let new: Vec<&[u8]> = hunk.new_lines().collect();
        self.free = position + new.len();
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
        let start = target.start.max(self.free).min(self.lines.len());
        let matching = |position: usize| {
            let here = self.lines[position..].iter().zip(&target.lines);
            here.filter(|(now, old)| now == old).count()
        };
        let mut best = (start, matching(start));
        for position in self.positions(start).filter(|position| *position >= self.free) {
            let count = matching(position);
            if count > best.1 {
                best = (position, count);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::series::diff::{Change, Reading, parse};

    fn hunks(body: &str) -> Vec<Hunk> {
        let patch = format!("--- a/f\n+++ b/f\n{body}");
        parse(patch.as_bytes(), Reading::default()).unwrap().remove(0).hunks
    }

    fn lines(numbers: std::ops::RangeInclusive<u32>) -> String {
        numbers.map(|number| format!("line {number}\n")).collect()
    }

    #[test]
    fn a_hunk_goes_to_the_line_in_its_header() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 2\n-line 3\n+changed\n line 4\n");
        let applied = apply(lines(1..=5).as_bytes(), &hunk).unwrap();
        assert_eq!(applied.content, b"line 1\nline 2\nchanged\nline 4\nline 5\n");
        assert_eq!(applied.offsets, [0]);
    }

    #[test]
    fn a_hunk_that_moved_is_found_with_its_distance() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 12\n-line 13\n+changed\n line 14\n");
        assert_eq!(apply(lines(1..=20).as_bytes(), &hunk).unwrap().offsets, [10]);
        let hunk = hunks("@@ -19,3 +19,3 @@\n line 12\n-line 13\n+changed\n line 14\n");
        assert_eq!(apply(lines(1..=20).as_bytes(), &hunk).unwrap().offsets, [-7]);
    }

    #[test]
    fn the_nearest_position_wins_and_at_equal_distance_the_later_one() {
        let content = "x\na\nb\nc\nx\nx\nx\na\nb\nc\nx\n";
        let at = |start| {
            let hunk = hunks(&format!("@@ -{start},3 +{start},3 @@\n a\n-b\n+B\n c\n"));
            apply(content.as_bytes(), &hunk).unwrap().offsets[0]
        };
        assert_eq!([at(3), at(5), at(6)], [-1, 3, 2]);
    }

    #[test]
    fn every_context_line_must_match() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 2\n-line 3\n+changed\n line 4 \n");
        let misfit = apply(lines(1..=5).as_bytes(), &hunk).unwrap_err();
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
        let misfit = apply(lines(1..=9).as_bytes(), &both).unwrap_err();
        assert_eq!((misfit.number, misfit.line), (2, 7));
        assert_eq!(misfit.found, Text::Line { text: "line 7".into(), ends: true });
    }

    #[test]
    fn hunks_keep_their_order() {
        let both = hunks(
            "@@ -5,3 +5,3 @@\n line 5\n-line 6\n+six\n line 7\n\
             @@ -8,3 +8,3 @@\n line 2\n-line 3\n+three\n line 4\n",
        );
        assert_eq!(apply(lines(1..=20).as_bytes(), &both).unwrap_err().number, 2);
    }

    #[test]
    fn a_hunk_without_trailing_context_belongs_at_the_end_of_the_file() {
        let hunk = hunks("@@ -2,2 +2,3 @@\n line 2\n line 3\n+line 4\n");
        assert!(apply(lines(1..=3).as_bytes(), &hunk).is_ok());
        let misfit = apply(lines(1..=5).as_bytes(), &hunk).unwrap_err();
        assert_eq!((misfit.expected, misfit.line), (Text::EndOfFile, 4));
    }

    #[test]
    fn a_hunk_for_the_first_line_belongs_at_the_start_of_the_file() {
        let hunk = hunks("@@ -1,2 +1,3 @@\n+line 0\n line 1\n line 2\n");
        assert!(apply(lines(1..=3).as_bytes(), &hunk).is_ok());
        let misfit = apply(format!("new\n{}", lines(1..=3)).as_bytes(), &hunk).unwrap_err();
        assert_eq!(misfit.expected, Text::StartOfFile);
    }

    #[test]
    fn a_missing_last_line_feed_is_a_difference() {
        let patch = "@@ -1,2 +1,2 @@\n line 1\n-line 2\n\\ No newline at end of file\n+line 2\n";
        let applied = apply(b"line 1\nline 2", &hunks(patch)).unwrap();
        assert_eq!(applied.content, b"line 1\nline 2\n");
        let misfit = apply(b"line 1\nline 2\n", &hunks(patch)).unwrap_err();
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
