//! Compares `.config` with the requested options, and explains each difference.

use std::path::Path;

use super::expression::{Expression, Tristate, Values};
use super::options::{Kconfig, RequestedOption, described, setting};
use super::tree::{Condition, Definition, KconfigTree, OptionType};

/// A requested option that does not have its requested value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostOption {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// The request, with fragment and line: `CONFIG_X=y from boot, line 7`.
    pub request: String,
    /// The shipped kconfig that requests it, if one does.
    pub shipped: Option<String>,
    /// The value in `.config`; `n` for an option that is off.
    pub actual: String,
    /// Why the values differ.
    pub reason: Reason,
}

/// Why an option does not have the requested value. Texts have the file and line of each dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No Kconfig file of the tree defines it. The most similar option, if one is similar.
    Undefined(Option<String>),
    /// The value does not fit the option's type or range.
    Value(String),
    /// The dependencies that are not met, each with its value.
    Depends(Vec<String>),
    /// Another member of the same choice is on.
    Rival(String),
    /// The option is on because these options select it.
    Selected(Vec<String>),
    /// A user cannot set the option: it has no prompt, or the conditions of its prompt are not met.
    Promptless(Vec<String>),
    /// None of the above.
    Unexplained,
}

impl std::fmt::Display for LostOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.request)?;
        match &self.reason {
            Reason::Undefined(None) => f.write_str("does not exist in this release"),
            Reason::Undefined(Some(nearest)) => {
                write!(f, "does not exist in this release; CONFIG_{nearest} does")
            }
            reason => write!(f, "{}: {reason}", became(&self.actual)),
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Undefined(_) => f.write_str("no Kconfig file defines it"),
            Reason::Value(why) => f.write_str(why),
            Reason::Depends(unmet) => write!(f, "it depends on {}", unmet.join(" and on ")),
            Reason::Rival(rival) => write!(f, "{rival} of the same choice is on"),
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

fn became(actual: &str) -> String {
    match actual {
        "n" => "is not set".to_owned(),
        actual => format!("became {actual}"),
    }
}

/// The result of [`compare`].
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Options whose loss fails the run.
    pub(crate) lost: Vec<LostOption>,
    /// Options of a whole configuration that this kernel does not have as that configuration says.
    pub(crate) dropped: Vec<LostOption>,
    /// One sentence for each difference that does not fail the run.
    pub(crate) notes: Vec<String>,
}

/// Reads the text of a `.config` that `conf` wrote.
pub(crate) fn values(config: &str) -> Values {
    let option = |line: &str| {
        let (symbol, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        Some((symbol.to_owned(), value.to_owned()))
    };
    config.lines().filter_map(option).collect()
}

/// Compares `values` with the requests. `tree`, the source tree, is read only if an option differs.
pub(crate) fn compare(kconfig: &Kconfig, values: &Values, tree: &Path) -> Comparison {
    let differing: Vec<_> = kconfig
        .options
        .iter()
        .filter(|(symbol, option)| !same(&option.value, value(values, symbol)))
        .collect();
    if differing.is_empty() {
        return Comparison::default();
    }
    let tree = KconfigTree::read(tree);
    let explainer = Explainer { kconfig, values, tree: &tree };
    let mut comparison = Comparison::default();
    for (symbol, option) in differing {
        match explainer.classify(symbol, option) {
            Difference::Lost(lost) => comparison.lost.push(lost),
            Difference::Noted(note) => comparison.notes.push(note),
            Difference::Dropped(dropped) => comparison.dropped.push(dropped),
            Difference::Irrelevant => {}
        }
    }
    comparison
}

fn value<'a>(values: &'a Values, symbol: &str) -> &'a str {
    values.get(symbol).map_or("n", String::as_str)
}

fn same(requested: &str, actual: &str) -> bool {
    let number = |text: &str| {
        let digits = text.strip_prefix("0x").or(text.strip_prefix("0X"))?;
        u64::from_str_radix(digits, 16).ok()
    };
    // Every reader treats an empty string and an absent option alike.
    requested == actual
        || number(requested).is_some_and(|n| number(actual) == Some(n))
        || (requested == "\"\"" && actual == "n")
}

/// The value of `0x1000`, or of `1000` in the same notation.
fn hexadecimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
    i64::from_str_radix(digits, 16).ok()
}

enum Difference {
    Lost(LostOption),
    Noted(String),
    /// An option of a whole configuration that this release does not have, or not with this value.
    Dropped(LostOption),
    /// An option of a whole configuration that follows from others: not a request.
    Irrelevant,
}

struct Explainer<'a> {
    kconfig: &'a Kconfig,
    values: &'a Values,
    tree: &'a KconfigTree,
}

impl Explainer<'_> {
    fn classify(&self, symbol: &str, option: &RequestedOption) -> Difference {
        let actual = value(self.values, symbol);
        if option.value == "m" && actual == "y" {
            let note = format!("{} became y: {}", described(symbol, option), self.promotion(symbol));
            return Difference::Noted(note);
        }
        let is_defined = !self.tree.definitions(symbol).is_empty();
        if option.generated && (option.value == "n" || is_defined && !self.tree.has_prompt(symbol)) {
            return Difference::Irrelevant;
        }
        let lost = LostOption {
            symbol: symbol.to_owned(),
            request: described(symbol, option),
            shipped: self.kconfig.is_shipped(&option.from).then(|| option.from.clone()),
            actual: actual.to_owned(),
            reason: self.reason(symbol, option),
        };
        match option {
            _ if option.optional => Difference::Noted(format!("optional {lost}")),
            _ if option.generated && !self.kconfig.strict => Difference::Dropped(lost),
            _ => Difference::Lost(lost),
        }
    }

    fn reason(&self, symbol: &str, option: &RequestedOption) -> Reason {
        let definitions = self.tree.definitions(symbol);
        if definitions.is_empty() {
            // A whole configuration has hundreds of them, and the user wrote none.
            return Reason::Undefined((!option.generated).then(|| self.nearest(symbol)).flatten());
        }
        if option.value != "n"
            && let Some(why) = self.misfit(symbol, &option.value)
        {
            return Reason::Value(why);
        }
        if option.value == "n" {
            let by = self.selectors(symbol);
            return if by.is_empty() { self.prompt(definitions) } else { Reason::Selected(by) };
        }
        let need = if option.value == "y" { Tristate::Yes } else { Tristate::Module };
        // One entry whose dependencies are met is enough; explain the entry that is nearest to that.
        let unmet = definitions
            .iter()
            .map(|definition| self.unmet(&definition.depends, need, 1))
            .min_by_key(Vec::len)
            .unwrap_or_default();
        if !unmet.is_empty() {
            return Reason::Depends(unmet);
        }
        let is_on = |rival: &&str| value(self.values, rival) == "y";
        match self.tree.rivals(symbol).into_iter().find(is_on) {
            Some(rival) => Reason::Rival(self.describe_rival(rival)),
            None => self.prompt(definitions),
        }
    }

    /// The option whose name is most similar.
    fn nearest(&self, symbol: &str) -> Option<String> {
        let wanted = symbol.to_uppercase();
        let likeness = |name: &&str| strsim::jaro_winkler(name, &wanted);
        let best = self.tree.names().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        (likeness(&best) > 0.9).then(|| best.to_owned())
    }

    /// Why the option's type or range excludes the value.
    fn misfit(&self, symbol: &str, value: &str) -> Option<String> {
        let is_quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        match self.tree.kind(symbol)? {
            OptionType::Bool if value == "m" => Some("it is y or n, never a module".to_owned()),
            OptionType::Bool if !matches!(value, "y" | "n") => {
                Some("it is y or n, in lower case and without quotes".to_owned())
            }
            OptionType::Tristate if !matches!(value, "y" | "m" | "n") => {
                Some("it is y, m or n, in lower case and without quotes".to_owned())
            }
            OptionType::String if !is_quoted => Some(format!("it is a string: write \"{value}\"")),
            OptionType::Int if value.parse::<i64>().is_err() => Some("it is a decimal number".to_owned()),
            OptionType::Hex if hexadecimal(value).is_none() => {
                Some("it is a hexadecimal number, such as 0x1000".to_owned())
            }
            OptionType::Int | OptionType::Hex => self.beyond_range(symbol, value),
            _ => None,
        }
    }

    fn beyond_range(&self, symbol: &str, value: &str) -> Option<String> {
        let number = |text: &str| {
            let text = self.values.get(text).map_or(text, String::as_str);
            text.parse::<i64>().ok().or(hexadecimal(text))
        };
        let applies = |condition: &Option<Expression>| {
            condition.as_ref().is_none_or(|condition| condition.evaluate(self.values) != Some(Tristate::No))
        };
        let mut ranges = self.tree.definitions(symbol).iter().flat_map(|definition| &definition.ranges);
        let (least, most, _) = ranges.find(|(_, _, condition)| applies(condition))?;
        let is_within = number(least)? <= number(value)? && number(value)? <= number(most)?;
        (!is_within).then(|| format!("it must be from {least} to {most}"))
    }

    /// Why an option that was requested as a module is built in.
    fn promotion(&self, symbol: &str) -> String {
        match self.selectors(symbol) {
            by if by.is_empty() => "it cannot be a module here".to_owned(),
            by => Reason::Selected(by).to_string(),
        }
    }

    /// The options that select `symbol` now, each with its position.
    fn selectors(&self, symbol: &str) -> Vec<String> {
        let active = |condition: &Option<Expression>| {
            condition.as_ref().is_none_or(|condition| condition.evaluate(self.values) != Some(Tristate::No))
        };
        let selections = self.tree.selections(symbol).iter();
        selections
            .filter(|selection| value(self.values, &selection.by) != "n" && active(&selection.condition))
            .map(|selection| format!("{} ({}:{})", selection.by, selection.file, selection.line))
            .collect()
    }

    fn prompt(&self, definitions: &[Definition]) -> Reason {
        let prompt = definitions.iter().find_map(|definition| definition.prompt.as_ref());
        let Some(conditions) = prompt else { return Reason::Promptless(Vec::new()) };
        match self.unmet(conditions, Tristate::Module, 0) {
            unmet if unmet.is_empty() => Reason::Unexplained,
            unmet => Reason::Promptless(unmet),
        }
    }

    /// Describes the conjuncts below `need`. Conjuncts that only `conf` can evaluate (compiler tests) count
    /// only if no other one explains the loss. `levels`: how many levels of causes to add.
    fn unmet(&self, conditions: &[Condition], need: Tristate, levels: u32) -> Vec<String> {
        let conjuncts: Vec<_> = conditions
            .iter()
            .flat_map(|condition| {
                condition.expression.conjuncts().into_iter().map(move |conjunct| (condition, conjunct))
            })
            .collect();
        let describe = |applies: fn(Option<Tristate>, Tristate) -> bool| {
            let mut texts = Vec::new();
            for (condition, conjunct) in &conjuncts {
                if applies(conjunct.evaluate(self.values), need) {
                    let text = self.describe(conjunct, condition, levels);
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

    fn describe(&self, conjunct: &Expression, condition: &Condition, levels: u32) -> String {
        let position = format!("({}:{})", condition.file, condition.line);
        let mut symbols = conjunct.symbols();
        symbols.dedup();
        match (conjunct, symbols.as_slice()) {
            (_, []) => format!("{conjunct}, which this compiler or host does not meet {position}"),
            (Expression::Symbol(_), [symbol]) => {
                let (value, cause) = (self.describe_value(symbol), self.cause(symbol, levels));
                format!("{symbol}, which is {value}{cause} {position}")
            }
            (_, symbols) => {
                let values: Vec<_> = symbols
                    .iter()
                    .take(6)
                    .map(|symbol| format!("{symbol} is {}", self.describe_value(symbol)))
                    .collect();
                format!("{conjunct}, where {} {position}", values.join(", "))
            }
        }
    }

    /// ` because it depends on …`, for an option that is off although no fragment turns it off.
    fn cause(&self, symbol: &str, levels: u32) -> String {
        let definitions = self.tree.definitions(symbol);
        if levels == 0 || self.kconfig.options.get(symbol).is_some_and(|option| option.value == "n") {
            return String::new();
        }
        if definitions.is_empty() {
            return " because it does not exist in this release".to_owned();
        }
        let unmet = definitions
            .iter()
            .map(|definition| self.unmet(&definition.depends, Tristate::Module, levels - 1))
            .min_by_key(Vec::len);
        match unmet {
            Some(unmet) if !unmet.is_empty() => format!(" because it depends on {}", unmet.join(" and on ")),
            _ => String::new(),
        }
    }

    /// The value, and the fragment that requests exactly this value.
    fn describe_value(&self, symbol: &str) -> String {
        let value = value(self.values, symbol);
        match self.kconfig.options.get(symbol) {
            Some(option) if option.value == value => format!("{value} by {}", option.origin()),
            _ => value.to_owned(),
        }
    }

    fn describe_rival(&self, symbol: &str) -> String {
        match self.kconfig.options.get(symbol) {
            Some(option) if option.value == "y" => described(symbol, option),
            _ => setting(symbol, value(self.values, symbol)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::kconfig::options::Base;

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

    fn requested(value: &str) -> RequestedOption {
        RequestedOption {
            value: value.into(),
            optional: false,
            generated: false,
            from: "mine".into(),
            line: 4,
        }
    }

    const TYPES: &str = "
config CPUS
\tint \"cpus\"
\trange 2 512
config BASE
\thex \"base\"
\trange 0x1000 0x8000
config SMP
\tbool \"smp\"
config WATCH
\ttristate \"watch\"
config HOST
\tstring \"host\"
";

    fn comparison(requests: &[(&str, RequestedOption)], config: &str) -> Comparison {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("Kconfig"), format!("{TREE}{TYPES}")).unwrap();
        let options = requests.iter().map(|(symbol, option)| (symbol.to_string(), option.clone())).collect();
        let kconfig = Kconfig { base: Base::Default, options, ..Kconfig::default() };
        compare(&kconfig, &values(config), tree.path())
    }

    fn loss(requests: &[(&str, RequestedOption)], config: &str) -> String {
        let comparison = comparison(requests, config);
        assert_eq!(comparison.lost.len(), 1, "{:?}", comparison.lost);
        comparison.lost[0].to_string()
    }

    #[test]
    fn an_option_without_its_dependency_is_reported_with_it() {
        assert_eq!(
            loss(&[("FREEZER", requested("y"))], "CONFIG_KERNFS=y"),
            "CONFIG_FREEZER=y from mine, line 4 is not set: it depends on CGROUPS, which is n (Kconfig:8)"
        );
    }

    #[test]
    fn the_fragment_that_turned_the_dependency_off_is_named() {
        let text = loss(&[("FREEZER", requested("y")), ("CGROUPS", requested("n"))], "CONFIG_KERNFS=y");
        assert!(text.contains("CGROUPS, which is n by mine, line 4 (Kconfig:8)"), "{text}");
    }

    #[test]
    fn the_cause_of_the_cause_is_named() {
        let text = loss(&[("FREEZER", requested("y"))], "");
        assert!(
            text.contains("CGROUPS, which is n because it depends on KERNFS, which is n (Kconfig:5)"),
            "{text}"
        );
    }

    #[test]
    fn an_option_that_the_release_lacks_is_reported_as_such() {
        assert_eq!(
            loss(&[("NEWER", requested("y"))], ""),
            "CONFIG_NEWER=y from mine, line 4 does not exist in this release"
        );
    }

    #[test]
    fn other_reasons_are_distinguished() {
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
            ("ONE", "y", "CONFIG_TWO=y", "CONFIG_TWO=y of the same choice is on"),
            ("FORCE", "y", "", "kconfig did not accept the value"),
        ] {
            let text = loss(&[(symbol, requested(value))], config);
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn an_optional_option_may_vanish_with_a_note() {
        let comparison = comparison(&[("FREEZER", RequestedOption { optional: true, ..requested("y") })], "");
        assert!(comparison.lost.is_empty());
        assert!(comparison.notes[0].starts_with("optional CONFIG_FREEZER=y"), "{:?}", comparison.notes);
    }

    #[test]
    fn a_module_may_be_built_in_but_not_the_other_way_round() {
        assert!(comparison(&[("FORCE", requested("m"))], "CONFIG_FORCE=y").lost.is_empty());
        assert_eq!(comparison(&[("FORCE", requested("y"))], "CONFIG_FORCE=m").lost.len(), 1);
    }

    #[test]
    fn numbers_and_strings_are_compared_by_value() {
        let config = "CONFIG_FORCE=0x1000\nCONFIG_ASM=\"a\"";
        assert!(
            comparison(&[("FORCE", requested("0X1000")), ("HIDDEN", requested("\"\""))], config)
                .lost
                .is_empty()
        );
        assert_eq!(comparison(&[("ASM", requested("\"b\""))], config).lost.len(), 1);
    }

    #[test]
    fn a_whole_configuration_loses_what_the_release_lacks() {
        let generated = |value| RequestedOption { generated: true, ..requested(value) };
        let comparison = comparison(
            &[
                ("HIDDEN", generated("y")),
                ("OLDER", generated("y")),
                ("ONE", generated("n")),
                ("FREEZER", generated("y")),
            ],
            "CONFIG_ONE=y",
        );
        let symbols =
            |options: &[LostOption]| options.iter().map(|lost| lost.symbol.clone()).collect::<Vec<_>>();
        assert_eq!(
            (symbols(&comparison.lost), symbols(&comparison.dropped)),
            (vec![], ["FREEZER", "OLDER"].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn a_strict_request_holds_a_whole_configuration_to_every_line() {
        let mut kconfig = Kconfig { strict: true, ..Kconfig::default() };
        kconfig.options.insert("OLDER".into(), RequestedOption { generated: true, ..requested("y") });
        let comparison = compare(&kconfig, &values(""), tempfile::tempdir().unwrap().path());
        assert_eq!((comparison.lost.len(), comparison.dropped.len()), (1, 0));
    }

    #[test]
    fn a_refused_value_says_what_the_option_takes() {
        for (symbol, value, reason) in [
            ("CPUS", "99999", "it must be from 2 to 512"),
            ("CPUS", "many", "it is a decimal number"),
            ("BASE", "0xfffff", "it must be from 0x1000 to 0x8000"),
            ("SMP", "m", "it is y or n, never a module"),
            ("SMP", "\"y\"", "it is y or n, in lower case and without quotes"),
            ("WATCH", "Y", "it is y, m or n, in lower case and without quotes"),
            ("HOST", "foo", "it is a string: write \"foo\""),
            ("smp", "y", "does not exist in this release; CONFIG_SMP does"),
            ("WATCHH", "y", "does not exist in this release; CONFIG_WATCH does"),
        ] {
            let comparison = comparison(&[(symbol, requested(value))], "");
            let text = comparison.lost.first().map(LostOption::to_string).unwrap_or_default();
            assert!(text.contains(reason), "{symbol}={value}: {text}");
        }
    }
}
