//! What a series says a booted kernel will show, and the judgement on it.
// H5 fills this in; series.toml parsing uses `Claim`.

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct Claim {}
