//! Cache keys: the SHA-256 of everything that can change a stage's output and of nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::sha256;

/// A cache key: 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key(String);

impl Key {
    /// Hashes the canonical JSON of `inputs`: object keys sorted, no white space.
    ///
    /// A stage's input struct holds its parent's key, so that a change anywhere upstream
    /// changes every key downstream.
    pub fn of<T: Serialize>(stage: &str, inputs: &T) -> Key {
        // serde_json::Value keeps objects in a BTreeMap, which makes this JSON canonical.
        let value = serde_json::json!({ "stage": stage, "inputs": inputs });
        Key(sha256(value.to_string()))
    }

    /// The key of content that has a checksum, such as a tarball.
    pub fn from_sha256(digest: &str) -> Key {
        Key(digest.to_ascii_lowercase())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, enough to tell keys apart on a screen.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(12)]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Forward {
        a: u32,
        b: &'static str,
    }

    #[derive(Serialize)]
    struct Backward {
        b: &'static str,
        a: u32,
    }

    #[test]
    fn the_order_of_fields_does_not_change_a_key() {
        assert_eq!(Key::of("x", &Forward { a: 1, b: "2" }), Key::of("x", &Backward { b: "2", a: 1 }));
    }

    #[test]
    fn a_value_or_the_stage_changes_a_key() {
        let key = Key::of("x", &Forward { a: 1, b: "2" });
        assert_ne!(key, Key::of("x", &Forward { a: 2, b: "2" }));
        assert_ne!(key, Key::of("y", &Forward { a: 1, b: "2" }));
        assert_eq!(key.as_str().len(), 64);
    }
}
