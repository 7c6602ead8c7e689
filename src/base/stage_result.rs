//! The facts about a stage's result that progress output and the report show.

/// The result of a stage; implemented next to each stage's result type.
pub trait StageResult {
    /// Whether the store already had the result.
    fn cached(&self) -> bool {
        false
    }

    /// The stage's cache key, for stages that have one.
    fn key(&self) -> Option<String> {
        None
    }

    /// One line for the user.
    fn summary(&self) -> String;
}
