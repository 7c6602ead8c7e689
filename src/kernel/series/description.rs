//! The content of `series.toml` files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::base::options::Lang;
use crate::base::release::{Line, Release};
use crate::claims::Claims;
use crate::kernel::toolchain::{Compiler, Toolchain};

/// Name of the file in a directory of patches.
pub(super) const FILE_NAME: &str = "series.toml";

/// Parses the text of a `series.toml`; `path` is for the error.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8], path: &Path) -> Result<T, Error> {
    toml::from_slice(text)
        .map_err(|source| Error::Metadata { path: path.to_owned(), source: Box::new(source) })
}

/// `series.toml` of a series.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(super) title: String,
    /// Author and place of the proposal.
    #[serde(default)]
    pub(super) origin: String,
    /// The effect of the patches.
    #[serde(default)]
    pub(super) summary: String,
    #[serde(default)]
    pub(super) lines: BTreeMap<Line, LineEntry>,
    /// By language, the Kconfig symbols (without `CONFIG_`) that enable the code that the patches add. The
    /// build requests these symbols and fails if one is lost.
    #[serde(default)]
    pub(super) switches: BTreeMap<Lang, Vec<String>>,
    #[serde(flatten)]
    pub(super) claims: Claims,
}

/// `[lines."6.1.y"]`: the series on one release line, by language.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineEntry {
    /// The first later release whose code is known to differ. A release between two lines uses the nearest older
    /// line that still applies.
    pub(super) before: Option<Release>,
    c: Option<Variant>,
    rust: Option<Variant>,
}

/// The series on one line in one language.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Variant {
    /// Patches in the directory of the line (`6.1/` next to `series.toml`), in order.
    Patches(Vec<String>),
    /// Why the release needs no patch.
    Unpatched(String),
}

impl LineEntry {
    pub(super) fn variant(&self, lang: Lang) -> Option<&Variant> {
        match lang {
            Lang::C => self.c.as_ref(),
            Lang::Rust => self.rust.as_ref(),
        }
    }
}

/// `compat/series.toml`: fixes that old releases need for new compilers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Compat {
    pub(super) title: String,
    pub(super) summary: String,
    #[serde(rename = "fix")]
    pub(super) fixes: Vec<BuildFix>,
}

/// `[[fix]]`: one fix.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildFix {
    /// The failure without the fix; for readers of the file.
    #[serde(rename = "summary")]
    _summary: String,
    /// Relative to the directory of `series.toml`.
    pub(super) patches: Vec<String>,
    /// The first release that needs the fix.
    pub(super) from: Release,
    /// The first later release that does not need the fix.
    pub(super) before: Release,
    pub(super) tool: FixedTool,
    /// The first version of the tool that needs the fix: `12`, `1.95`.
    pub(super) tool_from: String,
}

/// The compiler that a fix is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FixedTool {
    Gcc,
    Clang,
    Rustc,
}

impl FixedTool {
    pub(super) const fn name(self) -> &'static str {
        match self {
            FixedTool::Gcc => "gcc",
            FixedTool::Clang => "clang",
            FixedTool::Rustc => "rustc",
        }
    }

    /// The language that it compiles.
    pub(super) const fn lang(self) -> Lang {
        match self {
            FixedTool::Gcc | FixedTool::Clang => Lang::C,
            FixedTool::Rustc => Lang::Rust,
        }
    }

    /// Name and version, such as `gcc 12.2.0`, if the toolchain uses the tool.
    fn find_in(self, toolchain: &Toolchain) -> Option<&str> {
        let c = |compiler| (toolchain.compiler == compiler).then_some(toolchain.cc_version.as_str());
        match self {
            FixedTool::Gcc => c(Compiler::Gcc),
            FixedTool::Clang => c(Compiler::Clang),
            FixedTool::Rustc => toolchain.rust.as_ref().map(|rust| rust.rustc_version.as_str()),
        }
    }
}

impl BuildFix {
    pub(super) fn is_needed(&self, release: &Release, toolchain: &Toolchain) -> bool {
        self.from <= *release
            && *release < self.before
            && self.tool.find_in(toolchain).is_some_and(|name_and_version| {
                let version = name_and_version.split_whitespace().nth(1).unwrap_or_default();
                numbers(version) >= numbers(&self.tool_from)
            })
    }
}

/// `[1, 96, 0]` for `1.96.0`; ends before the first part that is not a number.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}
