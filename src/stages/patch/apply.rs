//! Hunks onto the content of one file: without fuzz, with offsets, in order.
//!
//! Where a hunk goes is decided as git-apply(1) does it: first where its header says, then
//! ever farther away, forward before backward; a hunk for the first line only there, one
//! without lines of context behind its change only at the end of the file. Stricter than git
//! in one point: a hunk never goes above the one before it.

use crate::kernel::series::diff::{Hunk, shown};

/// A file's content after all hunks, and how far each of them went from where it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub content: Vec<u8>,
    /// In lines, one for each hunk; negative is towards the start.
    pub offsets: Vec<i64>,
}

/// What a hunk wants at a place, or what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    Line { text: String, ends: bool },
    StartOfFile,
    EndOfFile,
}

/// A hunk that fits nowhere, described at the place where most of it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// From 1, among the file's hunks.
    pub number: usize,
    /// Line of the patch where the hunk starts, from 1.
    pub patch_line: usize,
    /// Line of the file, from 1, where the first difference is.
    pub line: usize,
    pub expected: Text,
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
        Text::Line { text: shown(line), ends: line.ends_with(b"\n") }
    }
}

/// Applies all hunks or tells which one does not fit.
pub fn apply(content: &[u8], hunks: &[Hunk]) -> Result<Applied, Misfit> {
    let mut image = Image::of(content);
    let mut offsets = Vec::with_capacity(hunks.len());
    for (index, hunk) in hunks.iter().enumerate() {
        let wanted = Wanted::by(hunk);
        let place = image.find(&wanted).ok_or_else(|| image.misfit(index + 1, hunk, &wanted))?;
        offsets.push(place as i64 - wanted.place as i64);
        image.replace(place, &wanted, hunk);
    }
    Ok(Applied { content: image.lines.concat(), offsets })
}

/// Numbers, from 1, of the hunks whose change stands in `content` already, each tried alone.
pub fn present(content: &[u8], hunks: &[Hunk]) -> Vec<usize> {
    let image = Image::of(content);
    let there = |hunk: &Hunk| {
        let undo = hunk.reversed();
        let mut wanted = Wanted::by(&undo);
        // Where the undone hunk would start had the ones before it been undone is not known here.
        wanted.place = undo.old_start.saturating_sub(1);
        image.find(&wanted).is_some()
    };
    hunks.iter().enumerate().filter(|(_, hunk)| there(hunk)).map(|(index, _)| index + 1).collect()
}

/// The lines that a hunk replaces, and where it wants to find them.
struct Wanted<'h> {
    lines: Vec<&'h [u8]>,
    /// From 0, in the file with the earlier hunks applied.
    place: usize,
    at_start: bool,
    at_end: bool,
}

impl<'h> Wanted<'h> {
    fn by(hunk: &'h Hunk) -> Wanted<'h> {
        Wanted {
            lines: hunk.old_lines().collect(),
            place: hunk.new_start.saturating_sub(1),
            at_start: hunk.old_start <= 1,
            at_end: !hunk.ends_with_context(),
        }
    }
}

struct Image<'a> {
    lines: Vec<&'a [u8]>,
    /// First line that no hunk has used yet.
    free: usize,
    /// Lines that the hunks so far have added, less those removed.
    grown: i64,
}

impl<'a> Image<'a> {
    fn of(content: &'a [u8]) -> Image<'a> {
        Image { lines: content.split_inclusive(|&byte| byte == b'\n').collect(), free: 0, grown: 0 }
    }

    fn find(&self, wanted: &Wanted) -> Option<usize> {
        let last = self.lines.len().checked_sub(wanted.lines.len())?;
        let start = match wanted {
            Wanted { at_start: true, .. } => 0,
            Wanted { at_end: true, .. } => last,
            _ => wanted.place.min(self.lines.len()),
        };
        self.places(start).find(|&place| self.fits(wanted, place))
    }

    /// Every line from `start` on, nearest first, forward before backward.
    fn places(&self, start: usize) -> impl Iterator<Item = usize> + use<> {
        let end = self.lines.len();
        let farthest = start.max(end - start.min(end));
        (0..=farthest).flat_map(move |distance| {
            let forward = Some(start + distance).filter(|place| *place <= end);
            let backward = if distance == 0 { None } else { start.checked_sub(distance) };
            forward.into_iter().chain(backward)
        })
    }

    fn fits(&self, wanted: &Wanted, place: usize) -> bool {
        place >= self.free
            && (!wanted.at_start || place == 0)
            && (!wanted.at_end || place + wanted.lines.len() == self.lines.len())
            && self.lines.get(place..place + wanted.lines.len()).is_some_and(|lines| lines == wanted.lines)
    }

    fn replace(&mut self, place: usize, wanted: &Wanted, hunk: &'a Hunk) {
        let new: Vec<&[u8]> = hunk.new_lines().collect();
        self.free = place + new.len();
        self.grown += new.len() as i64 - wanted.lines.len() as i64;
        self.lines.splice(place..place + wanted.lines.len(), new);
    }

    fn misfit(&self, number: usize, hunk: &Hunk, wanted: &Wanted) -> Misfit {
        let place = self.nearly(wanted);
        let here = self.lines.get(place..).unwrap_or_default();
        let same = wanted.lines.iter().zip(here).take_while(|(old, now)| old == now).count();
        let at = |place: usize| self.lines.get(place).map_or(Text::EndOfFile, |line| Text::of(line));
        let (offset, expected, found) = match wanted.lines.get(same) {
            Some(line) => (same, Text::of(line), at(place + same)),
            // All lines are there: it is the start or the end that is not.
            None if wanted.at_start && place > 0 => (0, Text::StartOfFile, at(place - 1)),
            None => (same, Text::EndOfFile, at(place + same)),
        };
        let line = (place + offset) as i64 - self.grown + 1;
        Misfit { number, patch_line: hunk.line, line: line.max(1) as usize, expected, found }
    }

    /// The place where most of the hunk's lines stand, the nearest one of several.
    fn nearly(&self, wanted: &Wanted) -> usize {
        let start = wanted.place.max(self.free).min(self.lines.len());
        let matching = |place: usize| {
            let here = self.lines[place..].iter().zip(&wanted.lines);
            here.filter(|(now, old)| now == old).count()
        };
        let mut best = (start, matching(start));
        for place in self.places(start).filter(|place| *place >= self.free) {
            let count = matching(place);
            if count > best.1 {
                best = (place, count);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::diff::{Change, Reading, parse};
    use super::*;

    fn hunks(body: &str) -> Vec<Hunk> {
        let patch = format!("--- a/f\n+++ b/f\n{body}");
        parse(patch.as_bytes(), Reading::default()).unwrap().remove(0).hunks
    }

    fn lines(numbers: std::ops::RangeInclusive<u32>) -> String {
        numbers.map(|number| format!("line {number}\n")).collect()
    }

    #[test]
    fn a_hunk_goes_where_it_says() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 2\n-line 3\n+changed\n line 4\n");
        let applied = apply(lines(1..=5).as_bytes(), &hunk).unwrap();
        assert_eq!(applied.content, b"line 1\nline 2\nchanged\nline 4\nline 5\n");
        assert_eq!(applied.offsets, [0]);
    }

    #[test]
    fn a_hunk_that_moved_is_found_and_the_distance_told() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 12\n-line 13\n+changed\n line 14\n");
        assert_eq!(apply(lines(1..=20).as_bytes(), &hunk).unwrap().offsets, [10]);
        let hunk = hunks("@@ -19,3 +19,3 @@\n line 12\n-line 13\n+changed\n line 14\n");
        assert_eq!(apply(lines(1..=20).as_bytes(), &hunk).unwrap().offsets, [-7]);
    }

    #[test]
    fn of_two_places_the_nearer_one_is_taken_and_the_later_one_at_the_same_distance() {
        let content = "x\na\nb\nc\nx\nx\nx\na\nb\nc\nx\n";
        let at = |start| {
            let hunk = hunks(&format!("@@ -{start},3 +{start},3 @@\n a\n-b\n+B\n c\n"));
            apply(content.as_bytes(), &hunk).unwrap().offsets[0]
        };
        assert_eq!([at(3), at(5), at(6)], [-1, 3, 2]);
    }

    #[test]
    fn no_context_line_is_ever_given_up() {
        let hunk = hunks("@@ -2,3 +2,3 @@\n line 2\n-line 3\n+changed\n line 4 \n");
        let misfit = apply(lines(1..=5).as_bytes(), &hunk).unwrap_err();
        assert_eq!((misfit.number, misfit.patch_line, misfit.line), (1, 3, 4));
        assert_eq!(misfit.expected.to_string(), "\"line 4 \"");
        assert_eq!(misfit.found.to_string(), "\"line 4\"");
    }

    #[test]
    fn a_misfit_is_numbered_by_the_lines_of_the_file_as_it_was() {
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
    fn a_hunk_without_context_behind_it_belongs_at_the_end_of_the_file() {
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
    fn hunks_that_are_there_already_are_told_apart() {
        let both = hunks(
            "@@ -1,3 +1,3 @@\n line 1\n-line 2\n+two\n line 3\n@@ -6,3 +6,3 @@\n line 6\n-line 7\n+seven\n line 8\n",
        );
        let content = lines(1..=9).replace("line 7", "seven");
        assert_eq!(present(content.as_bytes(), &both), [2]);
    }

    #[test]
    fn an_undone_patch_restores_the_file() {
        let patch = b"--- a/f\n+++ b/f\n@@ -1,3 +1,4 @@\n line 1\n-line 2\n+two\n+three\n line 3\n";
        let there = parse(patch, Reading::default()).unwrap().remove(0);
        let back = parse(patch, Reading { reverse: true, ..Reading::default() }).unwrap().remove(0);
        assert!(matches!(back.change, Change::Modify(_)));
        let patched = apply(lines(1..=4).as_bytes(), &there.hunks).unwrap().content;
        assert_eq!(apply(&patched, &back.hunks).unwrap().content, lines(1..=4).as_bytes());
    }
}
