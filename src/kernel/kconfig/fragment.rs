//! Kconfig fragments: shipped files and the user's, merged into one [`Kconfig`].
//!
//! A fragment is an ordinary `.config` with comments for kpatch-build:
//!
//! - `# kpatch-build: base allnoconfig` (or `defconfig`, or `default`): the value of options that no fragment
//!   mentions. The first fragment with this comment decides; without one it is `default`.
//! - `# kpatch-build: optional, WHY`: the options from here to the next empty line may vanish.
//! - `# kpatch-build: allow { pattern = "WARNING in foo", reason = "WHY" }`: a complaint that the boot test accepts, with
//!   the keys of an `[[allow]]` table.
//! - `# kpatch-build: objects N`: the number of objects of a build, for the progress bar only.

use std::io::Read;
use std::path::Path;

use fs_err as fs;
use serde::Deserialize;

use super::error::Error;
use super::options::{Base, FileKind, Kconfig, KconfigFile, RequestedOption};
use super::whole::{is_whole, other_architecture};
use crate::base::archive::decompress::decompress;
use crate::base::digest::sha256;
use crate::base::options::Lang;
use crate::claims::console::Allowance;

#[derive(rust_embed::RustEmbed)]
#[folder = "kconfigs"]
struct Shipped;

const CONFIG: &str = ".config";
/// Bytes of the largest configuration. The largest real one has 300 KiB.
const LONGEST_FILE: u64 = 16 << 20;

/// The fragment for kernels with series in Rust.
const RUST: &str = "rust";
/// The fragment for signed kernels.
const SECURE_BOOT: &str = "secure-boot";

impl Kconfig {
    /// Loads shipped fragments by name and files by path; later ones override earlier ones.
    ///
    /// # Errors
    /// An unknown name, an unreadable file, a line that is neither an option nor a comment.
    pub fn load(names: &[String]) -> Result<Kconfig, Error> {
        let mut kconfig = Kconfig::default();
        let mut base = None;
        for name in names {
            let Text { stem, text, is_shipped } = read(name)?;
            let fragment = parse(name, &text)?;
            let taken_for = match is_shipped {
                true => FileKind::Shipped,
                false if is_whole(&text) => FileKind::Whole,
                false => FileKind::Fragment,
            };
            kconfig.files.push(KconfigFile { name: name.clone(), taken_for });
            if !is_shipped && Shipped::get(name).is_some() {
                kconfig.hiding.push(format!("{name} is the file ./{name}, not the shipped kconfig"));
            }
            base = base.or(fragment.base);
            kconfig.objects = kconfig.objects.or(fragment.objects);
            if !kconfig.name.is_empty() {
                kconfig.name.push('-');
            }
            kconfig.name.push_str(&release_part(&stem));
            kconfig.allowances.extend(fragment.allowances);
            for (symbol, option) in fragment.options {
                kconfig.set(symbol, option);
            }
        }
        kconfig.base = base.unwrap_or_default();
        Ok(kconfig)
    }

    /// Loads as [`Kconfig::load`] does, plus the options that the language and signing need. The name does
    /// not change: the kernel release has separate words for language and signature.
    ///
    /// # Errors
    /// See [`Kconfig::load`].
    pub fn load_for(lang: Lang, signed: bool, names: &[String]) -> Result<Kconfig, Error> {
        let mut kconfig = Kconfig::load(names)?;
        let implied = [(lang == Lang::Rust, RUST), (signed, SECURE_BOOT)];
        let implied = implied.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, name)| name);
        for fragment in implied.filter(|fragment| !names.iter().any(|name| name == fragment)) {
            let shipped = read(fragment)?;
            for (symbol, option) in parse(fragment, &shipped.text)?.options {
                kconfig.set(symbol, option);
            }
        }
        Ok(kconfig)
    }

    /// Names of the shipped fragments, sorted.
    pub fn shipped() -> Vec<String> {
        let mut names: Vec<_> =
            Shipped::iter().filter_map(|file| file.strip_suffix(".config").map(str::to_owned)).collect();
        names.sort();
        names
    }
}

/// The text of a kconfig, and its name without directory and suffix.
struct Text {
    stem: String,
    text: String,
    is_shipped: bool,
}

/// Reads a shipped kconfig or the user's file. `debug.config` is a file if there is one, `debug` is not.
fn read(name: &str) -> Result<Text, Error> {
    let path = Path::new(name);
    let is_path = name.contains('/') || name.ends_with(CONFIG) && path.is_file();
    let shipped = name.trim_end_matches(CONFIG);
    if !is_path && let Some(file) = Shipped::get(&format!("{shipped}{CONFIG}")) {
        let text = String::from_utf8_lossy(&file.data).into_owned();
        return Ok(Text { stem: shipped.to_owned(), text, is_shipped: true });
    }
    if !is_path && !path.exists() {
        return Err(unknown(name));
    }
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let compressed = [".gz", ".xz", ".zst"].iter().find_map(|suffix| file_name.strip_suffix(suffix));
    let stem = compressed.unwrap_or(&file_name).trim_end_matches(CONFIG).trim_start_matches('.').to_owned();
    Ok(Text { stem, text: user_text(name)?, is_shipped: false })
}

/// The text of the user's file, which may be compressed, as `/proc/config.gz` is.
fn user_text(name: &str) -> Result<String, Error> {
    let unreadable = |source| Error::Read { name: name.to_owned(), source };
    let mut bytes = Vec::new();
    let plain = decompress(fs::File::open(name).map_err(unreadable)?).map_err(unreadable)?;
    plain.take(LONGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let is_binary = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if bytes.len() as u64 > LONGEST_FILE || bytes.iter().any(is_binary) {
        return Err(Error::NotText { name: name.to_owned() });
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match other_architecture(&text) {
        Some(architecture) => {
            let (name, architecture) = (name.to_owned(), architecture.to_owned());
            Err(Error::OtherArchitecture { name, architecture })
        }
        None => Ok(text),
    }
}

fn unknown(name: &str) -> Error {
    let known = Kconfig::shipped();
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(candidate, name), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.clone());
    Error::Unknown { name: name.to_owned(), nearest, known }
}

/// Returns the part of the kernel release that stands for a file.
///
/// It has only the characters that names of packages allow (Debian Policy 5.6.1), because Debian's packages of two
/// kernels must not share a name. If that changes the file's name, four digits of the name's SHA-256 follow: `x_y` and
/// `x-y`, or `My` and `my`, are two kernels.
fn release_part(stem: &str) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '+' | '-');
    let folded: String =
        stem.chars().map(|c| c.to_ascii_lowercase()).map(|c| if allowed(c) { c } else { '-' }).collect();
    let folded = match folded.trim_matches(['-', '.']) {
        "" => "custom",
        folded => folded,
    };
    match folded == stem || stem.is_empty() {
        true => folded.to_owned(),
        false => format!("{folded}-{}", &sha256(stem.as_bytes())[..4]),
    }
}

#[derive(Debug, Default)]
struct Fragment {
    base: Option<Base>,
    objects: Option<u64>,
    options: Vec<(String, RequestedOption)>,
    allowances: Vec<Allowance>,
}

fn parse(name: &str, text: &str) -> Result<Fragment, Error> {
    let mut fragment = Fragment::default();
    let mut optional = false;
    let generated = is_whole(text);
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
                    fragment.objects = Some(last_word(directive).parse().map_err(|_| malformed())?);
                }
                Some("allow") => fragment.allowances.push(allowance(directive).ok_or_else(malformed)?),
                _ => return Err(malformed()),
            }
        } else if let Some((symbol, value)) = option(line).ok_or_else(malformed)? {
            let (from, line) = (name.to_owned(), number as u32 + 1);
            fragment.options.push((symbol, RequestedOption { value, optional, generated, from, line }));
        }
    }
    Ok(fragment)
}

/// Reads `allow { pattern = "…", reason = "…" }`, with the keys of an `[[allow]]` table.
fn allowance(directive: &str) -> Option<Allowance> {
    #[derive(Deserialize)]
    struct Line {
        allow: Allowance,
    }
    let table = directive.trim().strip_prefix("allow")?;
    Some(toml::from_str::<Line>(&format!("allow = {}", table.trim())).ok()?.allow)
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

/// Parses a line: `Some(None)` for a comment, `None` for a line that is neither a comment nor an option.
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
    use crate::base::error::Explain;
    use crate::kernel::kconfig::check_boot_testable;
    use crate::kernel::kconfig::options::described;

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
            assert!(kconfig.notes().is_empty(), "{name}: {:?}", kconfig.notes());
        }
    }

    #[test]
    fn the_shipped_bases_can_be_boot_tested_with_any_fragment_on_top() {
        for base in ["boot", "cloud"] {
            for top in [None, Some("debug"), Some("rust"), Some("secure-boot")] {
                let names: Vec<_> = [Some(base), top].into_iter().flatten().map(str::to_owned).collect();
                check_boot_testable(&Kconfig::load(&names).unwrap(), None).unwrap();
            }
        }
    }

    #[test]
    fn rust_adds_its_options_and_keeps_the_name() {
        let names = ["boot".to_owned()];
        let c = Kconfig::load_for(Lang::C, false, &names).unwrap();
        assert!(!c.requests("RUST"));
        let rust = Kconfig::load_for(Lang::Rust, false, &names).unwrap();
        assert!(rust.requests("RUST") && !rust.options["RUST"].optional);
        assert_eq!((rust.name.as_str(), rust.base), ("boot", Base::AllNoConfig));
    }

    #[test]
    fn signing_adds_the_options_that_check_signatures_and_keeps_the_name() {
        for base in ["boot", "cloud"] {
            let names = [base.to_owned()];
            assert!(!Kconfig::load_for(Lang::C, false, &names).unwrap().checks_signatures());
            let signed = Kconfig::load_for(Lang::C, true, &names).unwrap();
            assert!(
                signed.requests("EFI_STUB") && signed.requests("MODULE_SIG") && signed.checks_signatures()
            );
            check_boot_testable(&signed, None).unwrap();
            assert_eq!(signed.name, base);
            assert_eq!(signed.needs_signed_modules(), None, "only the user decides to enforce signatures");
        }
    }

    #[test]
    fn a_user_who_names_the_rust_fragment_decides_what_overrides_it() {
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
        let option = &kconfig.options["B"];
        assert!(!option.optional && option.value == "y");
        assert_eq!(described("B", option), "CONFIG_B=y from the series mine");
        assert_eq!(kconfig.merged(), "CONFIG_A=y\nCONFIG_B=y\n");
    }

    fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        (dir, path.display().to_string())
    }

    fn taken_for(content: &[u8], name: &str) -> FileKind {
        let (_dir, path) = file(name, content);
        Kconfig::load(&[path]).unwrap().files[0].taken_for
    }

    #[test]
    fn a_whole_configuration_is_told_from_a_fragment() {
        let options = |count: usize| (0..count).map(|n| format!("CONFIG_A{n}=y\n")).collect::<String>();
        let header =
            "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.187 Kernel Configuration\n#\n";
        for (text, kind) in [
            (options(3), FileKind::Fragment),
            (format!("{header}{}", options(3)), FileKind::Whole),
            (options(1100), FileKind::Fragment),
            (format!("{}CONFIG_X86_64=y\n", options(1100)), FileKind::Whole),
            (format!("{}CONFIG_X86_64=y\n", options(10)), FileKind::Fragment),
        ] {
            assert_eq!(taken_for(text.as_bytes(), "mine.config"), kind);
        }
        let shipped = Kconfig::load(&["boot".to_owned()]).unwrap();
        assert_eq!(shipped.files[0].taken_for, FileKind::Shipped);
    }

    #[test]
    fn a_configuration_may_be_compressed_and_nothing_else_is_read() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, b"CONFIG_A=y\n").unwrap();
        let (_dir, path) = file("config.gz", &gzip.finish().unwrap());
        let kconfig = Kconfig::load(&[path]).unwrap();
        assert_eq!((kconfig.name.as_str(), kconfig.requests("A")), ("config", true));
        for bytes in [&b"\x7fELF\0\0"[..], b"CONFIG_A=y\n\x01\n"] {
            let (_dir, path) = file("config", bytes);
            let error = Kconfig::load(&[path]).unwrap_err();
            assert!(matches!(error, Error::NotText { .. }) && error.next_step().is_some(), "{error}");
        }
        let (_dir, path) = file("config.bz2", b"BZh91AY&SY");
        let error = Kconfig::load(&[path]).unwrap_err();
        assert!(error.next_step().unwrap().contains("gzip, xz or zstd"), "{error}");
    }

    #[test]
    fn a_configuration_of_another_architecture_is_refused_in_one_sentence() {
        let (_dir, path) = file("config", b"#\n# Linux/arm64 6.1.0 Kernel Configuration\nCONFIG_ARM64=y\n");
        let error = Kconfig::load(std::slice::from_ref(&path)).unwrap_err();
        let text = format!("the kconfig {path} is for arm64, but kpatch-build builds kernels for x86-64");
        assert_eq!((error.to_string(), error.exit() as u8), (text, 2));
        assert!(error.next_step().unwrap().contains("x86-64"));
    }

    #[test]
    fn two_files_share_one_note_about_all_options_that_one_overrides() {
        let kconfig = load(&["CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=y\n", "CONFIG_A=m\n# CONFIG_B is not set\n"]);
        let notes = kconfig.unwrap().notes();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("f1.config overrides 2 options of "), "{notes:?}");
        assert!(notes[0].ends_with("f0.config: CONFIG_A=m (was y), CONFIG_B=n (was m)"), "{notes:?}");
    }

    #[test]
    fn a_whole_configuration_does_not_request_what_it_has() {
        let whole = "# Automatically generated file; DO NOT EDIT.\nCONFIG_RUST=y\n";
        let demands = |texts: &[&str]| {
            let kconfig = load(texts).unwrap();
            assert!(kconfig.requests("RUST"));
            kconfig.demands("RUST")
        };
        assert!(!demands(&[whole]));
        assert!(demands(&["CONFIG_RUST=y\n"]));
        assert!(demands(&[whole, "CONFIG_RUST=y\n"]));
        assert!(demands(&["CONFIG_RUST=y\n", whole]), "an equal line takes no request back");
        assert!(Kconfig { strict: true, ..load(&[whole]).unwrap() }.demands("RUST"));
        assert!(!load(&["# CONFIG_RUST is not set\n"]).unwrap().demands("RUST"));
    }

    #[test]
    fn a_later_fragment_wins_with_a_note() {
        let kconfig = load(&["CONFIG_A=y\nCONFIG_B=m\n", "CONFIG_B=m\n# CONFIG_A is not set\n"]).unwrap();
        assert_eq!(kconfig.name, "f0-f1");
        assert_eq!(kconfig.options["A"].value, "n");
        let notes = kconfig.notes();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("CONFIG_A=n from "), "{notes:?}");
        assert_eq!(kconfig.merged(), "# CONFIG_A is not set\nCONFIG_B=m\n");
    }

    #[test]
    fn optional_applies_up_to_the_next_empty_line() {
        let text =
            "CONFIG_A=y\n# kpatch-build: optional, new\nCONFIG_B=y\n# words\nCONFIG_C=1\n\nCONFIG_D=y\n";
        let kconfig = load(&[text]).unwrap();
        let optional: Vec<_> =
            kconfig.options.iter().filter(|(_, option)| option.optional).map(|(symbol, _)| symbol).collect();
        assert_eq!(optional, ["B", "C"]);
    }

    #[test]
    fn the_first_base_wins() {
        assert_eq!(load(&["CONFIG_A=y"]).unwrap().base, Base::Default);
        let texts = ["CONFIG_A=y", "# kpatch-build: base defconfig", "# kpatch-build: base allnoconfig"];
        assert_eq!(load(&texts).unwrap().base, Base::Defconfig);
    }

    #[test]
    fn a_line_that_is_no_option_is_refused_with_its_number() {
        for text in
            ["\nCONFIG_A\n", "\nFOO=y\n", "\nCONFIG_A=\"x\n", "\nCONFIG_A=y z\n", "\n# kpatch-build: what\n"]
        {
            assert!(matches!(load(&[text]), Err(Error::Malformed { line: 2, .. })), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_and_all_known_names() {
        let error = Kconfig::load(&["boto".to_owned()]).unwrap_err();
        assert_eq!(error.exit(), crate::base::error::Exit::Usage);
        let Error::Unknown { nearest, known, .. } = error else { panic!("{error:?}") };
        assert_eq!(nearest.as_deref(), Some("boot"));
        assert!(known.contains(&"cloud".to_owned()));
    }

    #[test]
    fn a_file_name_that_debian_allows_in_a_package_name_is_unchanged() {
        for name in ["config-6.1.0-18-amd64", "x-y", "a+b.c"] {
            assert_eq!(release_part(name), name);
        }
        assert_eq!(release_part(""), "custom", "the file .config has no other name");
    }

    #[test]
    fn two_files_never_share_a_part_of_the_kernel_release() {
        let names = ["x_y", "x-y", "x~y", "x y", "X-Y", "x-Y", "My", "my", "é", "ü", "-my", "my."];
        let parts: std::collections::BTreeSet<_> = names.iter().map(|name| release_part(name)).collect();
        assert_eq!(parts.len(), names.len(), "{parts:?}");
        for part in parts {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
            assert!(part.chars().all(allowed), "{part}");
        }
    }
}
