//! Kconfig fragments: the shipped ones, those of the user, and several of them as one.
//!
//! A fragment is an ordinary `.config` with comments that tell the tool more:
//!
//! - `# kpatch-build: base allnoconfig` (or `defconfig`, or `default`): what the options that no
//!   fragment mentions get. The first fragment that says so decides; else `default`.
//! - `# kpatch-build: optional, WHY`: the options from here to the next empty line may vanish.
//! - `# kpatch-build: objects N`: how many objects a build has, for the progress bar only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Error;
use crate::base::options::Lang;

#[derive(rust_embed::RustEmbed)]
#[folder = "kconfigs"]
struct Shipped;

/// What options get that no fragment mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// Off, wherever that is possible.
    AllNoConfig,
    /// As the architecture's defconfig has them.
    Defconfig,
    /// Their default in the Kconfig files.
    #[default]
    Default,
}

/// One option that a fragment asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// As `.config` has it: `y`, `m`, a number, a quoted string; `n` for "is not set".
    pub value: String,
    /// May vanish without failing the run.
    pub optional: bool,
    /// From a `.config` that `conf` wrote: lists every option, also those nobody asked for.
    pub generated: bool,
    /// The fragment, as the user named it; it changes messages only.
    #[serde(skip)]
    pub from: String,
    /// 0 where no file asks.
    #[serde(skip)]
    pub line: u32,
}

impl Wanted {
    /// Who asks: `boot, line 7`.
    pub(super) fn place(&self) -> String {
        match self.line {
            0 => self.from.clone(),
            line => format!("{}, line {line}", self.from),
        }
    }
}

/// The chosen kconfig, loaded.
#[derive(Clone, Debug, Default)]
pub struct Kconfig {
    /// Goes into the kernel release: `boot`, `boot-debug`.
    pub name: String,
    pub base: Base,
    /// By symbol, without `CONFIG_`.
    pub options: BTreeMap<String, Wanted>,
    /// Where a fragment overrides an earlier one, to be told when the stage runs.
    pub overrides: Vec<String>,
    /// Roughly how many objects a complete build makes.
    pub objects: Option<u64>,
}

impl Kconfig {
    /// Loads shipped names and paths, later ones on top of earlier ones.
    pub fn load(names: &[String]) -> Result<Kconfig, Error> {
        let mut kconfig = Kconfig::default();
        let mut base = None;
        for name in names {
            let (stem, text) = read(name)?;
            let fragment = parse(name, &text)?;
            base = base.or(fragment.base);
            kconfig.objects = kconfig.objects.or(fragment.objects);
            if !kconfig.name.is_empty() {
                kconfig.name.push('-');
            }
            kconfig.name.push_str(&sanitise(&stem));
            for (symbol, wanted) in fragment.options {
                kconfig.set(symbol, wanted);
            }
        }
        kconfig.base = base.unwrap_or_default();
        Ok(kconfig)
    }

    /// [`Kconfig::load`], and on top what the language and signing need. The name stays that of the
    /// fragments: the kernel release has places of its own for both.
    pub fn load_for(lang: Lang, signed: bool, names: &[String]) -> Result<Kconfig, Error> {
        let mut kconfig = Kconfig::load(names)?;
        let needed = [(lang == Lang::Rust, RUST), (signed, SECURE_BOOT)];
        let needed = needed.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, name)| name);
        for fragment in needed.filter(|fragment| !names.iter().any(|name| name == fragment)) {
            let (_, text) = read(fragment)?;
            for (symbol, wanted) in parse(fragment, &text)?.options {
                kconfig.set(symbol, wanted);
            }
        }
        Ok(kconfig)
    }

    /// Asks for the symbols that switch on what a series adds.
    pub fn with_switches(mut self, symbols: &[String], series: &str) -> Kconfig {
        for symbol in symbols {
            let from = format!("the series {series}");
            let wanted = Wanted { value: "y".to_owned(), optional: false, generated: false, from, line: 0 };
            self.set(symbol.clone(), wanted);
        }
        self
    }

    /// Names of the shipped fragments, sorted.
    pub fn shipped() -> Vec<String> {
        let mut names: Vec<_> =
            Shipped::iter().filter_map(|file| file.strip_suffix(".config").map(str::to_owned)).collect();
        names.sort();
        names
    }

    pub(crate) fn set(&mut self, symbol: String, wanted: Wanted) {
        if let Some(earlier) = self.options.get(&symbol).filter(|earlier| earlier.value != wanted.value) {
            self.overrides.push(format!("{} overrides {}", asked(&symbol, &wanted), asked(&symbol, earlier)));
        }
        self.options.insert(symbol, wanted);
    }

    /// Why a kernel of this kconfig cannot be boot-tested, where the fragments say so already.
    pub fn boot_obstacle(&self) -> Option<&'static str> {
        BOOT_NEEDS.into_iter().find(|symbol| match self.options.get(*symbol) {
            Some(wanted) => wanted.value != "y",
            None => self.base == Base::AllNoConfig,
        })
    }

    /// Whether the fragments ask for `symbol` at all.
    pub fn asks_for(&self, symbol: &str) -> bool {
        self.options.get(symbol).is_some_and(|wanted| wanted.value != "n")
    }

    /// Whether the fragments ask for debug information: itself until 5.17, by its format since.
    pub fn has_debug_info(&self) -> bool {
        const FORMATS: [&str; 4] =
            ["DEBUG_INFO", "DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT", "DEBUG_INFO_DWARF4", "DEBUG_INFO_DWARF5"];
        FORMATS.iter().any(|symbol| self.asks_for(symbol))
    }

    /// What makes the kernel refuse modules without a signature, where the fragments ask for it.
    pub fn needs_signed_modules(&self) -> Option<&'static str> {
        const DEMANDS: [&str; 3] = [
            "MODULE_SIG_FORCE",
            "LOCK_DOWN_KERNEL_FORCE_INTEGRITY",
            "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY",
        ];
        DEMANDS.into_iter().find(|symbol| self.asks_for("MODULES") && self.asks_for(symbol))
    }

    /// Whether the kernel can check modules' signatures: asked for, or by way of what selects it.
    pub(crate) fn checks_signatures(&self) -> bool {
        ["MODULE_SIG", "IMA_APPRAISE_MODSIG", "SECURITY_LOCKDOWN_LSM"].iter().any(|one| self.asks_for(one))
    }

    /// Whether only what the fragments ask for is built.
    pub fn is_minimal(&self) -> bool {
        self.base == Base::AllNoConfig
    }

    /// The fragments as one that `conf` reads.
    pub(crate) fn merged(&self) -> String {
        self.options
            .iter()
            .map(|(symbol, wanted)| match wanted.value.as_str() {
                "n" => format!("# CONFIG_{symbol} is not set\n"),
                value => format!("CONFIG_{symbol}={value}\n"),
            })
            .collect()
    }
}

/// The fragment for kernels with series in Rust.
const RUST: &str = "rust";
/// The fragment for signed kernels.
const SECURE_BOOT: &str = "secure-boot";

/// Without one of these the boot test's records cannot be made or do not come out.
pub const BOOT_NEEDS: [&str; 5] =
    ["BLK_DEV_INITRD", "SERIAL_8250_CONSOLE", "BINFMT_ELF", "PROC_FS", "IO_URING"];

/// `CONFIG_X=y of boot, line 7`.
pub(super) fn asked(symbol: &str, wanted: &Wanted) -> String {
    format!("{} of {}", setting(symbol, &wanted.value), wanted.place())
}

pub(super) fn setting(symbol: &str, value: &str) -> String {
    format!("CONFIG_{symbol}={value}")
}

fn read(name: &str) -> Result<(String, String), Error> {
    let file = format!("{}.config", name.trim_end_matches(".config"));
    let path = Path::new(name);
    if !name.contains('/')
        && let Some(shipped) = Shipped::get(&file)
    {
        let text = String::from_utf8_lossy(&shipped.data).into_owned();
        return Ok((file.trim_end_matches(".config").to_owned(), text));
    }
    if !name.contains('/') && !path.exists() {
        return Err(unknown(name));
    }
    let read = |source| Error::Read { path: PathBuf::from(path), source };
    let text = String::from_utf8_lossy(&fs::read(path).map_err(read)?).into_owned();
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((stem.trim_end_matches(".config").trim_start_matches('.').to_owned(), text))
}

fn unknown(name: &str) -> Error {
    let known = Kconfig::shipped();
    let nearest = known
        .iter()
        .map(|one| (strsim::jaro_winkler(one, name), one))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, one)| one.clone());
    Error::Unknown { name: name.to_owned(), nearest, known }
}

/// Only what may stand in `uname -r` and in a package's name and version.
fn sanitise(stem: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~' | '-');
    let name: String = stem.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    match name.trim_matches(['-', '.']) {
        "" => "custom".to_owned(),
        name => name.to_owned(),
    }
}

#[derive(Debug, Default)]
struct Fragment {
    base: Option<Base>,
    objects: Option<u64>,
    options: Vec<(String, Wanted)>,
}

fn parse(name: &str, text: &str) -> Result<Fragment, Error> {
    let mut fragment = Fragment::default();
    let (mut optional, mut generated) = (false, false);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let malformed =
            || Error::Malformed { name: name.to_owned(), line: number as u32 + 1, text: line.to_owned() };
        if line.is_empty() {
            optional = false;
        } else if let Some(directive) = line.strip_prefix("# kpatch-build:") {
            match directive.trim().split([' ', ',']).next() {
                Some("optional") => optional = true,
                Some("base") => fragment.base = Some(base(directive).ok_or_else(malformed)?),
                Some("objects") => {
                    fragment.objects = Some(last_word(directive).parse().map_err(|_| malformed())?)
                }
                _ => return Err(malformed()),
            }
        } else if let Some((symbol, value)) = option(line).ok_or_else(malformed)? {
            let wanted =
                Wanted { value, optional, generated, from: name.to_owned(), line: number as u32 + 1 };
            fragment.options.push((symbol, wanted));
        } else if line == "# Automatically generated file; DO NOT EDIT." {
            generated = true;
        }
    }
    Ok(fragment)
}

fn last_word(text: &str) -> &str {
    text.split_whitespace().last().unwrap_or_default()
}

fn base(directive: &str) -> Option<Base> {
    match last_word(directive) {
        "allnoconfig" => Some(Base::AllNoConfig),
        "defconfig" => Some(Base::Defconfig),
        "default" => Some(Base::Default),
        _ => None,
    }
}

/// `Some(None)` for a comment, `None` for what is neither comment nor option.
fn option(line: &str) -> Option<Option<(String, String)>> {
    if let Some(comment) = line.strip_prefix('#') {
        let unset = comment.trim().strip_prefix("CONFIG_").and_then(|rest| rest.strip_suffix(" is not set"));
        return Some(unset.filter(|name| is_symbol(name)).map(|name| (name.to_owned(), "n".to_owned())));
    }
    let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (is_symbol(name) && (quoted || plain)).then(|| Some((name.to_owned(), value.to_owned())))
}

fn is_symbol(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(texts: &[&str]) -> Result<Kconfig, Error> {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = texts
            .iter()
            .enumerate()
            .map(|(nth, text)| {
                let path = dir.path().join(format!("f{nth}.config"));
                fs::write(&path, text).unwrap();
                path.to_string_lossy().into_owned()
            })
            .collect();
        Kconfig::load(&names)
    }

    #[test]
    fn every_shipped_kconfig_loads() {
        let names = Kconfig::shipped();
        for required in ["boot", "cloud", "debug", "rust"] {
            assert!(names.iter().any(|name| name == required), "{required} is not among {names:?}");
        }
        for name in names {
            let kconfig = Kconfig::load(std::slice::from_ref(&name)).unwrap();
            assert_eq!(kconfig.name, name);
            assert!(!kconfig.options.is_empty());
            assert!(kconfig.overrides.is_empty(), "{name}: {:?}", kconfig.overrides);
        }
    }

    #[test]
    fn the_shipped_bases_can_be_boot_tested_also_with_fragments_on_top() {
        for base in ["boot", "cloud"] {
            for top in [None, Some("debug"), Some("rust"), Some("secure-boot")] {
                let names: Vec<_> = [Some(base), top].into_iter().flatten().map(str::to_owned).collect();
                assert_eq!(Kconfig::load(&names).unwrap().boot_obstacle(), None, "{names:?}");
            }
        }
    }

    #[test]
    fn rust_asks_for_what_it_needs_and_keeps_the_name() {
        let names = ["boot".to_owned()];
        let c = Kconfig::load_for(Lang::C, false, &names).unwrap();
        assert!(!c.asks_for("RUST"));
        let rust = Kconfig::load_for(Lang::Rust, false, &names).unwrap();
        assert!(rust.asks_for("RUST") && !rust.options["RUST"].optional);
        assert_eq!((rust.name.as_str(), rust.base), ("boot", Base::AllNoConfig));
    }

    #[test]
    fn a_signed_kernel_asks_for_what_checks_signatures_and_keeps_the_name() {
        for base in ["boot", "cloud"] {
            let names = [base.to_owned()];
            assert!(!Kconfig::load_for(Lang::C, false, &names).unwrap().checks_signatures());
            let signed = Kconfig::load_for(Lang::C, true, &names).unwrap();
            assert!(
                signed.asks_for("EFI_STUB") && signed.asks_for("MODULE_SIG") && signed.checks_signatures()
            );
            assert_eq!((signed.name.as_str(), signed.boot_obstacle()), (base, None));
            assert_eq!(signed.needs_signed_modules(), None, "that is for whoever boots it to say");
        }
    }

    #[test]
    fn who_names_the_rust_fragment_decides_what_lies_on_top_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let mine = dir.path().join("mine.config");
        fs::write(&mine, "CONFIG_MODVERSIONS=y\n").unwrap();
        let mine = mine.to_string_lossy().into_owned();
        let value = |names: &[String]| {
            Kconfig::load_for(Lang::Rust, false, names).unwrap().options["MODVERSIONS"].value.clone()
        };
        assert_eq!(value(&["rust".to_owned(), mine.clone()]), "y");
        assert_eq!(value(&[mine]), "n");
    }

    #[test]
    fn the_switches_of_a_series_are_requested() {
        let kconfig = load(&["CONFIG_A=y"]).unwrap().with_switches(&["B".to_owned()], "mine");
        let wanted = &kconfig.options["B"];
        assert!(!wanted.optional && wanted.value == "y");
        assert_eq!(asked("B", wanted), "CONFIG_B=y of the series mine");
        assert_eq!(kconfig.merged(), "CONFIG_A=y\nCONFIG_B=y\n");
    }

    #[test]
    fn a_later_fragment_wins_and_says_so() {
        let kconfig = load(&["CONFIG_A=y\nCONFIG_B=m\n", "CONFIG_B=m\n# CONFIG_A is not set\n"]).unwrap();
        assert_eq!(kconfig.name, "f0-f1");
        assert_eq!(kconfig.options["A"].value, "n");
        assert_eq!(kconfig.overrides.len(), 1);
        assert!(kconfig.overrides[0].starts_with("CONFIG_A=n of "), "{:?}", kconfig.overrides);
        assert_eq!(kconfig.merged(), "# CONFIG_A is not set\nCONFIG_B=m\n");
    }

    #[test]
    fn optional_reaches_to_the_next_empty_line() {
        let text =
            "CONFIG_A=y\n# kpatch-build: optional, new\nCONFIG_B=y\n# words\nCONFIG_C=1\n\nCONFIG_D=y\n";
        let kconfig = load(&[text]).unwrap();
        let optional: Vec<_> = kconfig.options.iter().filter(|(_, w)| w.optional).map(|(s, _)| s).collect();
        assert_eq!(optional, ["B", "C"]);
    }

    #[test]
    fn the_first_base_decides() {
        assert_eq!(load(&["CONFIG_A=y"]).unwrap().base, Base::Default);
        let texts = ["CONFIG_A=y", "# kpatch-build: base defconfig", "# kpatch-build: base allnoconfig"];
        assert_eq!(load(&texts).unwrap().base, Base::Defconfig);
    }

    #[test]
    fn what_is_no_option_is_refused_with_its_line() {
        for text in
            ["\nCONFIG_A\n", "\nFOO=y\n", "\nCONFIG_A=\"x\n", "\nCONFIG_A=y z\n", "\n# kpatch-build: what\n"]
        {
            assert!(matches!(load(&[text]), Err(Error::Malformed { line: 2, .. })), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_and_all_known_ones() {
        let error = Kconfig::load(&["boto".to_owned()]).unwrap_err();
        assert_eq!(crate::base::error::Explain::exit(&error), crate::base::error::Exit::Usage);
        let Error::Unknown { nearest, known, .. } = error else { panic!("{error:?}") };
        assert_eq!(nearest.as_deref(), Some("boot"));
        assert!(known.contains(&"cloud".to_owned()));
    }

    #[test]
    fn names_keep_only_what_a_kernel_release_may_hold() {
        assert_eq!(sanitise("config-6.1.0+x_y z"), "config-6.1.0+x-y-z");
        assert_eq!(sanitise("é"), "custom");
    }

    #[test]
    fn a_kconfig_that_clearly_cannot_boot_is_known_before_anything_runs() {
        assert_eq!(
            load(&["# CONFIG_BLK_DEV_INITRD is not set"]).unwrap().boot_obstacle(),
            Some("BLK_DEV_INITRD")
        );
        assert_eq!(load(&["CONFIG_A=y"]).unwrap().boot_obstacle(), None);
        let text = "# kpatch-build: base allnoconfig\nCONFIG_BLK_DEV_INITRD=y";
        assert_eq!(load(&[text]).unwrap().boot_obstacle(), Some("SERIAL_8250_CONSOLE"));
    }
}
