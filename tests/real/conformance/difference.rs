//! Differences between two packages, and the intended ones.

use std::collections::{BTreeMap, BTreeSet};

/// Facts about a package: `field Depends`, `path boot/vmlinuz-@` … `@` is the kernel release.
pub type Facts = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Ours,
    /// The other package: kbuild's or Debian's.
    Theirs,
    /// Both have the fact, with different values.
    Both,
}

/// An intended difference: which side has the fact, the fact (`*` matches any text, including `/`), and the
/// reason.
pub type Meant = (Side, &'static str, &'static str);

/// Returns every difference that `meant` does not list and every listed one that no longer exists.
pub fn compare(what: &str, ours: &Facts, theirs: &Facts, meant: &[Meant]) -> Vec<String> {
    let mut unlisted = Vec::new();
    let mut met = BTreeSet::new();
    for (side, fact, shown) in differences(ours, theirs) {
        let listed: Vec<_> = (0..meant.len())
            .filter(|index| meant[*index].0 == side && matches(meant[*index].1, fact))
            .collect();
        if listed.is_empty() {
            unlisted.push(format!("{what}: {shown}"));
        }
        met.extend(listed);
    }
    let gone = (0..meant.len()).filter(|index| !met.contains(index));
    unlisted
        .extend(gone.map(|index| format!("{what}: listed, but no longer a difference: {:?}", meant[index])));
    unlisted
}

fn differences<'a>(ours: &'a Facts, theirs: &'a Facts) -> Vec<(Side, &'a str, String)> {
    let all: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let differ = |fact: &'a String| match (ours.get(fact), theirs.get(fact)) {
        (Some(our), None) => Some((Side::Ours, fact.as_str(), format!("only ours:   {fact}: {our}"))),
        (None, Some(their)) => Some((Side::Theirs, fact.as_str(), format!("only theirs: {fact}: {their}"))),
        (Some(our), Some(their)) if our != their => {
            Some((Side::Both, fact.as_str(), format!("{fact}:\n  ours:   {our}\n  theirs: {their}")))
        }
        _ => None,
    };
    all.into_iter().filter_map(differ).collect()
}

/// Returns whether `text` matches `pattern`; each `*` matches any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|end| text.is_char_boundary(*end)).any(|end| matches(rest, &text[end..]))
}

#[test]
fn a_star_matches_any_text() {
    for (pattern, text) in [("a*", "a"), ("a*", "a/b/c"), ("*.o", "x/y.o"), ("a*c*e", "abcde"), ("ab", "ab")]
    {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("a*", "b"), ("*.o", "x.old"), ("a*c*e", "abde"), ("ab", "abc")] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn an_unlisted_difference_fails_and_so_does_a_listed_one_that_is_gone() {
    let facts = |pairs: &[(&str, &str)]| -> Facts {
        pairs.iter().map(|(fact, value)| ((*fact).to_owned(), (*value).to_owned())).collect()
    };
    let (ours, theirs) = (facts(&[("a", "1"), ("b", "1")]), facts(&[("a", "2"), ("b", "1"), ("c", "3")]));
    let (both, theirs_only): (Meant, Meant) = ((Side::Both, "a", "why"), (Side::Theirs, "c", "why"));
    let found = |meant: &[Meant]| compare("package", &ours, &theirs, meant).len();
    assert_eq!(found(&[both, theirs_only]), 0);
    assert_eq!((found(&[both]), found(&[both, theirs_only, (Side::Ours, "d", "why")])), (1, 1));
    assert_eq!(found(&[(Side::Ours, "a", "why"), theirs_only]), 2);
}
