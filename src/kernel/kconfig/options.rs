//! The options that a run requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::claims::console::Allowance;

/// The value of options that no fragment mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// Off, wherever that is possible (`make allnoconfig`).
    AllNoConfig,
    /// The value in the architecture's defconfig (`make defconfig`).
    Defconfig,
    /// The default in the Kconfig files (`make olddefconfig`).
    #[default]
    Default,
}

/// One option that a fragment requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestedOption {
    /// The value as `.config` writes it: `y`, `m`, a number, a quoted string; `n` for "is not set".
    pub value: String,
    /// The option may vanish without failing the run.
    pub optional: bool,
    /// The option comes from a whole configuration, which lists every option, requested or not.
    pub generated: bool,
    /// The fragment, as named on the command line; part of messages only.
    #[serde(skip)]
    pub from: String,
    /// Line of the fragment, from 1; 0 for an option that is not from a file.
    #[serde(skip)]
    pub line: u32,
}

impl RequestedOption {
    /// The origin of the request: `boot, line 7`.
    pub(super) fn origin(&self) -> String {
        match self.line {
            0 => self.from.clone(),
            line => format!("{}, line {line}", self.from),
        }
    }
}

/// What a file of `--kconfig` was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A kconfig that ships with this program.
    Shipped,
    /// A file whose every line is a request.
    Fragment,
    /// The configuration of a kernel, such as a distribution's: what this release does not have is left out.
    Whole,
}

/// A file of `--kconfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KconfigFile {
    /// Shipped name or path, as on the command line.
    pub name: String,
    /// What it was taken for.
    pub taken_for: FileKind,
}

/// A request that replaces an earlier one for another value.
#[derive(Clone, Debug)]
pub(super) struct Override {
    symbol: String,
    new: RequestedOption,
    old: RequestedOption,
}

/// The requested kernel configuration: all fragments as one.
#[derive(Clone, Debug, Default)]
pub struct Kconfig {
    /// Part of the kernel release: `boot`, `boot-debug`.
    pub name: String,
    /// The value of all other options.
    pub base: Base,
    /// By symbol, without `CONFIG_`.
    pub options: BTreeMap<String, RequestedOption>,
    /// Each line that overrides one of an earlier file.
    pub(super) overrides: Vec<Override>,
    /// One sentence for each file that hides a shipped kconfig.
    pub(super) hiding: Vec<String>,
    /// Roughly the number of objects of a complete build.
    pub objects: Option<u64>,
    /// The files, in the order of the command line.
    pub files: Vec<KconfigFile>,
    /// The kernel must have every line of a whole configuration that a user can set.
    pub strict: bool,
    /// The complaints that a kernel with these options may have; for the boot test alone.
    pub allowances: Vec<Allowance>,
}

impl Kconfig {
    /// Requests an option; an earlier request for another value is overridden with a note. A whole configuration that
    /// has the value already does not take the request back.
    pub(super) fn set(&mut self, symbol: String, option: RequestedOption) {
        if let Some(earlier) = self.options.get(&symbol) {
            if earlier.value != option.value {
                let (new, old) = (option.clone(), earlier.clone());
                self.overrides.push(Override { symbol: symbol.clone(), new, old });
            } else if option.generated && !earlier.generated {
                return;
            }
        }
        self.options.insert(symbol, option);
    }

    /// The notes of the configure stage: one for each pair of files of which one overrides the other.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut pairs: Vec<Vec<&Override>> = Vec::new();
        for each in &self.overrides {
            let is_pair = |pair: &&mut Vec<&Override>| {
                pair[0].new.from == each.new.from && pair[0].old.from == each.old.from
            };
            match pairs.iter_mut().find(is_pair) {
                Some(pair) => pair.push(each),
                None => pairs.push(vec![each]),
            }
        }
        self.hiding.iter().cloned().chain(pairs.iter().map(|pair| override_note(pair))).collect()
    }

    /// Whether `name` is a shipped kconfig of this request.
    pub(super) fn is_shipped(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name && file.taken_for == FileKind::Shipped)
    }

    /// Whether the fragments request `symbol` with a value other than `n`.
    pub fn requests(&self, symbol: &str) -> bool {
        self.options.get(symbol).is_some_and(|option| option.value != "n")
    }

    /// Whether the kernel must have `symbol`: a whole configuration requests nothing, unless it is held to every line.
    pub fn demands(&self, symbol: &str) -> bool {
        let is_request = |option: &RequestedOption| !option.generated || self.strict;
        self.options.get(symbol).is_some_and(|option| option.value != "n" && is_request(option))
    }

    /// Whether the fragments request debug information: by `DEBUG_INFO` before Linux 5.18, by its format since then.
    pub fn has_debug_info(&self) -> bool {
        const FORMATS: [&str; 4] =
            ["DEBUG_INFO", "DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT", "DEBUG_INFO_DWARF4", "DEBUG_INFO_DWARF5"];
        FORMATS.iter().any(|symbol| self.requests(symbol))
    }

    /// The requested option that makes the kernel refuse unsigned modules, without `CONFIG_`.
    pub(super) fn needs_signed_modules(&self) -> Option<&'static str> {
        const DEMANDS: [&str; 3] = [
            "MODULE_SIG_FORCE",
            "LOCK_DOWN_KERNEL_FORCE_INTEGRITY",
            "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY",
        ];
        DEMANDS.into_iter().find(|symbol| self.requests("MODULES") && self.requests(symbol))
    }

    /// Whether the kernel can check signatures of modules: requested, or selected by a requested option.
    pub(super) fn checks_signatures(&self) -> bool {
        ["MODULE_SIG", "IMA_APPRAISE_MODSIG", "SECURITY_LOCKDOWN_LSM"]
            .iter()
            .any(|symbol| self.requests(symbol))
    }

    /// Whether the kernel contains only what the fragments request.
    pub fn is_minimal(&self) -> bool {
        self.base == Base::AllNoConfig
    }

    /// All requests as one fragment that `conf` reads.
    pub(crate) fn merged(&self) -> String {
        self.options
            .iter()
            .map(|(symbol, option)| match option.value.as_str() {
                "n" => format!("# CONFIG_{symbol} is not set\n"),
                value => format!("CONFIG_{symbol}={value}\n"),
            })
            .collect()
    }
}

/// One sentence about the options that one file overrides in another; never empty.
fn override_note(pair: &[&Override]) -> String {
    if let [only] = pair {
        let Override { symbol, new, old } = only;
        return format!("{} overrides {}", described(symbol, new), described(symbol, old));
    }
    let change =
        |each: &&Override| format!("{} (was {})", setting(&each.symbol, &each.new.value), each.old.value);
    let changes: Vec<_> = pair.iter().map(change).collect();
    let (new, old) = (&pair[0].new.from, &pair[0].old.from);
    format!("{new} overrides {} options of {old}: {}", pair.len(), changes.join(", "))
}

/// `CONFIG_X=y from boot, line 7`.
pub(super) fn described(symbol: &str, option: &RequestedOption) -> String {
    format!("{} from {}", setting(symbol, &option.value), option.origin())
}

/// `CONFIG_X=y`.
pub(super) fn setting(symbol: &str, value: &str) -> String {
    format!("CONFIG_{symbol}={value}")
}
