//! A patch with each line marked by its kind.

use maud::{Markup, html};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Mail header or text before the first file.
    Head,
    File,
    Hunk,
    Added,
    Removed,
    Context,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Kind::Head => "p-head",
            Kind::File => "p-file",
            Kind::Hunk => "p-hunk",
            Kind::Added => "p-add",
            Kind::Removed => "p-del",
            Kind::Context => "p-ctx",
        }
    }
}

/// The lines of a patch, each with the class of its kind.
pub(super) fn lines(text: &str) -> Markup {
    let marked = marked(text);
    html! {
        @for (kind, line) in marked { span class=(kind.class()) { (line) "\n" } }
    }
}

/// Classifies each line. The line counts of a hunk show where it ends: inside one, `--- a/x` is the
/// removed line `-- a/x`.
fn marked(text: &str) -> Vec<(Kind, &str)> {
    let (mut old, mut new, mut in_files) = (0, 0, false);
    text.lines()
        .map(|line| {
            let kind = if old > 0 || new > 0 {
                let (kind, of_old, of_new) = match line.as_bytes().first() {
                    Some(b'+') => (Kind::Added, 0, 1),
                    Some(b'-') => (Kind::Removed, 1, 0),
                    Some(b'\\') => (Kind::Context, 0, 0),
                    _ => (Kind::Context, 1, 1),
                };
                old -= of_old.min(old);
                new -= of_new.min(new);
                kind
            } else if let Some(counts) = counts(line) {
                (old, new) = counts;
                Kind::Hunk
            } else if ["diff --git ", "--- a/", "--- /dev/null", "+++ "]
                .iter()
                .any(|prefix| line.starts_with(prefix))
            {
                in_files = true;
                Kind::File
            } else if in_files && (line.starts_with("index ") || line.contains("file mode ")) {
                Kind::File
            } else {
                Kind::Head
            };
            (kind, line)
        })
        .collect()
}

/// `@@ -1,4 +1,5 @@`: lines of the old and of the new file.
fn counts(line: &str) -> Option<(u64, u64)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let count = |range: &str| range.split_once(',').map_or(Some(1), |(_, count)| count.parse().ok());
    Some((count(old)?, count(new)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_of_a_hunk_show_where_it_ends() {
        let text = "Subject: x\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@ fn\n--- a/g\n+++ b/g\n same\n-- \n2.39\n";
        let kinds: Vec<_> = marked(text).into_iter().map(|(kind, _)| kind).collect();
        use Kind::*;
        assert_eq!(kinds, [Head, Head, File, File, File, Hunk, Removed, Added, Context, Head, Head]);
    }
}
