//! Did every requested option survive, and if not, why?

use std::path::Path;

use super::expression::{Expression, Tristate, Values};
use super::fragment::{Kconfig, Wanted, asked, setting};
use super::parser::{Condition, Definition, Language};

/// A requested option that does not have its requested value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// The request, with fragment and line.
    pub asked: String,
    /// What `.config` has instead; `n` for nothing.
    pub got: String,
    pub reason: Reason,
}

/// Why an option has not the value that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No Kconfig file of the tree defines it.
    Undefined,
    /// What it depends on and what that has, each with file and line.
    Depends(Vec<String>),
    /// Another member of its choice was taken.
    Rival(String),
    /// On because these select it.
    Selected(Vec<String>),
    /// Nobody can set it: it has no prompt, or none under these conditions.
    Promptless(Vec<String>),
    /// None of the above.
    Unexplained,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.asked)?;
        match &self.reason {
            Reason::Undefined => f.write_str("does not exist in this release"),
            reason => write!(f, "{}: {reason}", became(&self.got)),
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Undefined => f.write_str("no Kconfig file defines it"),
            Reason::Depends(unmet) => write!(f, "it depends on {}", unmet.join(" and on ")),
            Reason::Rival(rival) => write!(f, "{rival} of the same choice was taken"),
            Reason::Selected(by) => write!(f, "it is selected by {}", by.join(" and by ")),
            Reason::Promptless(conditions) if conditions.is_empty() => {
                f.write_str("it has no prompt, so only other options can set it")
            }
            Reason::Promptless(conditions) => {
                write!(f, "it can be set only with {}", conditions.join(" and with "))
            }
            Reason::Unexplained => f.write_str("kconfig did not accept the value"),
        }
    }
}

fn became(got: &str) -> String {
    match got {
        "n" => "is not set".to_owned(),
        got => format!("became {got}"),
    }
}

/// What the comparison found.
#[derive(Debug, Default)]
pub struct Survival {
    pub lost: Vec<Lost>,
    /// What the user wants to know although it fails nothing.
    pub notes: Vec<String>,
}

/// Reads what `conf` wrote.
pub fn values(config: &str) -> Values {
    let option = |line: &str| {
        let (symbol, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        Some((symbol.to_owned(), value.to_owned()))
    };
    config.lines().filter_map(option).collect()
}

/// `tree` is read only if something was lost.
pub fn compare(kconfig: &Kconfig, values: &Values, tree: &Path) -> Survival {
    let mut survival = Survival::default();
    let differs: Vec<_> = kconfig
        .options
        .iter()
        .filter(|(symbol, wanted)| !same(&wanted.value, value(values, symbol)))
        .collect();
    if differs.is_empty() {
        return survival;
    }
    let language = Language::read(tree);
    let explain = Explain { kconfig, values, language: &language };
    let mut gone = Vec::new();
    for (symbol, wanted) in differs {
        let got = value(values, symbol);
        if wanted.value == "m" && got == "y" {
            survival.notes.push(format!("{} became y: {}", asked(symbol, wanted), explain.promoted(symbol)));
            continue;
        }
        if wanted.generated {
            if language.definitions(symbol).is_empty() && wanted.value != "n" {
                gone.push(symbol.as_str());
                continue;
            }
            // A generated file lists also what follows from the rest; that is nobody's request.
            if wanted.value == "n" || !language.has_prompt(symbol) {
                continue;
            }
        }
        let lost = Lost {
            symbol: symbol.clone(),
            asked: asked(symbol, wanted),
            got: got.to_owned(),
            reason: explain.reason(symbol, wanted),
        };
        match wanted.optional {
            true => survival.notes.push(format!("optional {lost}")),
            false => survival.lost.push(lost),
        }
    }
    if !gone.is_empty() {
        survival.notes.push(format!(
            "{} options of the given configuration do not exist in this release: {}",
            gone.len(),
            gone.join(" ")
        ));
    }
    survival
}

fn value<'a>(values: &'a Values, symbol: &str) -> &'a str {
    values.get(symbol).map_or("n", String::as_str)
}

fn same(wanted: &str, got: &str) -> bool {
    let number = |text: &str| {
        let digits = text.strip_prefix("0x").or(text.strip_prefix("0X"))?;
        u64::from_str_radix(digits, 16).ok()
    };
    // An empty string and an option that is not there mean the same to every reader.
    wanted == got
        || number(wanted).is_some_and(|n| number(got) == Some(n))
        || (wanted == "\"\"" && got == "n")
}

struct Explain<'a> {
    kconfig: &'a Kconfig,
    values: &'a Values,
    language: &'a Language,
}

impl Explain<'_> {
    fn reason(&self, symbol: &str, wanted: &Wanted) -> Reason {
        let definitions = self.language.definitions(symbol);
        if definitions.is_empty() {
            return Reason::Undefined;
        }
        if wanted.value == "n" {
            let by = self.selectors(symbol);
            return if by.is_empty() { self.prompt(definitions) } else { Reason::Selected(by) };
        }
        let need = if wanted.value == "y" { Tristate::Yes } else { Tristate::Module };
        // With several entries one that can be met is enough; the nearest to it is told.
        let unmet = definitions
            .iter()
            .map(|definition| self.unmet(&definition.depends, need, 1))
            .min_by_key(Vec::len)
            .unwrap_or_default();
        if !unmet.is_empty() {
            return Reason::Depends(unmet);
        }
        let taken = |rival: &&str| value(self.values, rival) == "y";
        match self.language.rivals(symbol).into_iter().find(taken) {
            Some(rival) => Reason::Rival(self.told(rival)),
            None => self.prompt(definitions),
        }
    }

    fn promoted(&self, symbol: &str) -> String {
        match self.selectors(symbol) {
            by if by.is_empty() => "it cannot be a module here".to_owned(),
            by => Reason::Selected(by).to_string(),
        }
    }

    fn selectors(&self, symbol: &str) -> Vec<String> {
        let active = |condition: &Option<Expression>| {
            condition.as_ref().is_none_or(|one| one.evaluate(self.values) != Some(Tristate::No))
        };
        let all = self.language.selections.get(symbol).into_iter().flatten();
        all.filter(|one| value(self.values, &one.by) != "n" && active(&one.condition))
            .map(|one| format!("{} ({}:{})", one.by, one.file, one.line))
            .collect()
    }

    fn prompt(&self, definitions: &[Definition]) -> Reason {
        let prompts: Vec<_> = definitions.iter().filter_map(|one| one.prompt.as_ref()).collect();
        let Some(conditions) = prompts.first() else { return Reason::Promptless(Vec::new()) };
        match self.unmet(conditions, Tristate::Module, 0) {
            unmet if unmet.is_empty() => Reason::Unexplained,
            unmet => Reason::Promptless(unmet),
        }
    }

    /// The conjuncts below `need`, described. Those that only kconfig can answer (compiler
    /// tests) count only if nothing else explains the loss. `deeper`: levels of causes to add.
    fn unmet(&self, conditions: &[Condition], need: Tristate, deeper: u32) -> Vec<String> {
        let parts: Vec<_> = conditions
            .iter()
            .flat_map(|one| one.expression.conjuncts().into_iter().map(move |part| (one, part)))
            .collect();
        let describe = |wanted: fn(Option<Tristate>, Tristate) -> bool| {
            let mut texts = Vec::new();
            for (condition, part) in &parts {
                if wanted(part.evaluate(self.values), need) {
                    let text = self.describe(part, condition, deeper);
                    if !texts.contains(&text) {
                        texts.push(text);
                    }
                }
            }
            texts
        };
        let certain = describe(|value, need| value.is_some_and(|value| value < need));
        if certain.is_empty() { describe(|value, _| value.is_none()) } else { certain }
    }

    fn describe(&self, part: &Expression, condition: &Condition, deeper: u32) -> String {
        let place = format!("({}:{})", condition.file, condition.line);
        let mut symbols = part.symbols();
        symbols.dedup();
        match (part, symbols.as_slice()) {
            (_, []) => format!("{part}, which this compiler or host does not meet {place}"),
            (Expression::Symbol(_), [symbol]) => {
                format!(
                    "{symbol}, which is {}{} {place}",
                    self.told_value(symbol),
                    self.cause(symbol, deeper)
                )
            }
            (_, symbols) => {
                let values: Vec<_> = symbols
                    .iter()
                    .take(6)
                    .map(|symbol| format!("{symbol} is {}", self.told_value(symbol)))
                    .collect();
                format!("{part}, where {} {place}", values.join(", "))
            }
        }
    }

    /// ` because it depends on …`, for an option that is off and that nobody turned off.
    fn cause(&self, symbol: &str, deeper: u32) -> String {
        let definitions = self.language.definitions(symbol);
        if deeper == 0 || self.kconfig.options.get(symbol).is_some_and(|wanted| wanted.value == "n") {
            return String::new();
        }
        if definitions.is_empty() {
            return " because it does not exist in this release".to_owned();
        }
        let unmet = definitions
            .iter()
            .map(|one| self.unmet(&one.depends, Tristate::Module, deeper - 1))
            .min_by_key(Vec::len);
        match unmet {
            Some(unmet) if !unmet.is_empty() => format!(" because it depends on {}", unmet.join(" and on ")),
            _ => String::new(),
        }
    }

    /// The value, and the fragment that asked for just that.
    fn told_value(&self, symbol: &str) -> String {
        let value = value(self.values, symbol);
        match self.kconfig.options.get(symbol) {
            Some(wanted) if wanted.value == value => {
                format!("{value} by {}", wanted.place())
            }
            _ => value.to_owned(),
        }
    }

    fn told(&self, symbol: &str) -> String {
        match self.kconfig.options.get(symbol) {
            Some(wanted) if wanted.value == "y" => asked(symbol, wanted),
            _ => setting(symbol, value(self.values, symbol)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::kconfig::fragment::Base;

    const TREE: &str = "\
config EXPERT\n\tbool \"expert\"\n\
config CGROUPS\n\tbool \"cgroups\"\n\tdepends on KERNFS\n\
config KERNFS\n\tbool \"kernfs\"\n\
if CGROUPS\nconfig FREEZER\n\tbool \"freezer\"\nendif\n\
config HIDDEN\n\tbool\n\
config TUNED\n\tbool \"tuned\" if EXPERT\n\
config ASM\n\tbool \"asm\"\n\tdepends on $(as-instr,foo)\n\
config FORCE\n\tbool \"force\"\n\tselect FORCED if EXPERT\n\
config FORCED\n\tbool \"forced\"\n\
choice\nconfig ONE\n\tbool \"one\"\nconfig TWO\n\tbool \"two\"\nendchoice\n";

    fn wanted(value: &str) -> Wanted {
        Wanted { value: value.into(), optional: false, generated: false, from: "mine".into(), line: 4 }
    }

    fn survival(wanted: &[(&str, Wanted)], config: &str) -> Survival {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("Kconfig"), TREE).unwrap();
        let options = wanted.iter().map(|(symbol, wanted)| (symbol.to_string(), wanted.clone())).collect();
        let kconfig = Kconfig { base: Base::Default, options, ..Kconfig::default() };
        compare(&kconfig, &values(config), tree.path())
    }

    fn loss(wanted: &[(&str, Wanted)], config: &str) -> String {
        let survival = survival(wanted, config);
        assert_eq!(survival.lost.len(), 1, "{:?}", survival.lost);
        survival.lost[0].to_string()
    }

    #[test]
    fn an_option_without_its_dependency_is_told_with_it() {
        assert_eq!(
            loss(&[("FREEZER", wanted("y"))], "CONFIG_KERNFS=y"),
            "CONFIG_FREEZER=y of mine, line 4 is not set: it depends on CGROUPS, which is n (Kconfig:8)"
        );
    }

    #[test]
    fn the_fragment_that_turned_the_dependency_off_is_named() {
        let text = loss(&[("FREEZER", wanted("y")), ("CGROUPS", wanted("n"))], "CONFIG_KERNFS=y");
        assert!(text.contains("CGROUPS, which is n by mine, line 4 (Kconfig:8)"), "{text}");
    }

    #[test]
    fn the_cause_of_the_cause_is_named() {
        let text = loss(&[("FREEZER", wanted("y"))], "");
        assert!(
            text.contains("CGROUPS, which is n because it depends on KERNFS, which is n (Kconfig:5)"),
            "{text}"
        );
    }

    #[test]
    fn an_option_that_the_release_does_not_have_is_told_as_such() {
        assert_eq!(
            loss(&[("NEWER", wanted("y"))], ""),
            "CONFIG_NEWER=y of mine, line 4 does not exist in this release"
        );
    }

    #[test]
    fn other_reasons_are_told_apart() {
        for (symbol, value, config, part) in [
            ("HIDDEN", "y", "", "it has no prompt"),
            ("TUNED", "n", "CONFIG_TUNED=y", "it can be set only with EXPERT, which is n"),
            ("ASM", "y", "", "$(as-instr,foo), which this compiler or host does not meet"),
            (
                "FORCED",
                "n",
                "CONFIG_FORCED=y\nCONFIG_FORCE=y\nCONFIG_EXPERT=y",
                "selected by FORCE (Kconfig:21)",
            ),
            ("ONE", "y", "CONFIG_TWO=y", "CONFIG_TWO=y of the same choice was taken"),
            ("FORCE", "y", "", "kconfig did not accept the value"),
        ] {
            let text = loss(&[(symbol, wanted(value))], config);
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn an_optional_option_may_vanish_with_a_note() {
        let survival = survival(&[("FREEZER", Wanted { optional: true, ..wanted("y") })], "");
        assert!(survival.lost.is_empty());
        assert!(survival.notes[0].starts_with("optional CONFIG_FREEZER=y"), "{:?}", survival.notes);
    }

    #[test]
    fn a_module_may_be_built_in_but_not_the_other_way_round() {
        assert!(survival(&[("FORCE", wanted("m"))], "CONFIG_FORCE=y").lost.is_empty());
        assert_eq!(survival(&[("FORCE", wanted("y"))], "CONFIG_FORCE=m").lost.len(), 1);
    }

    #[test]
    fn numbers_and_strings_are_compared_by_value() {
        let config = "CONFIG_FORCE=0x1000\nCONFIG_ASM=\"a\"";
        assert!(survival(&[("FORCE", wanted("0X1000")), ("HIDDEN", wanted("\"\""))], config).lost.is_empty());
        assert_eq!(survival(&[("ASM", wanted("\"b\""))], config).lost.len(), 1);
    }

    #[test]
    fn a_generated_file_requests_only_what_a_user_can_set_and_the_release_has() {
        let generated = |value| Wanted { generated: true, ..wanted(value) };
        let survival = survival(
            &[
                ("HIDDEN", generated("y")),
                ("OLDER", generated("y")),
                ("ONE", generated("n")),
                ("FREEZER", generated("y")),
            ],
            "CONFIG_ONE=y",
        );
        assert_eq!(survival.lost.iter().map(|lost| lost.symbol.as_str()).collect::<Vec<_>>(), ["FREEZER"]);
        assert!(survival.notes[0].contains("OLDER"), "{:?}", survival.notes);
    }
}
