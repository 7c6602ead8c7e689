//! Compares `.config` with the requested options, and explains each difference.

use std::path::Path;

use super::expression::{Expression, Tristate, Values};
use super::loss::{HostLack, LostOption, Misfit, Reason};
use super::options::{Kconfig, RequestedOption, described, setting};
use super::tree::{Condition, Definition, KconfigTree, OptionType};

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
}

struct Explainer<'a> {
    kconfig: &'a Kconfig,
    values: &'a Values,
    tree: &'a KconfigTree,
}

impl Explainer<'_> {
    fn classify(&self, symbol: &str, option: &RequestedOption) -> Difference {
        let actual = value(self.values, symbol);
        let is_built_in = option.value == "m" && actual == "y";
        let lost = LostOption {
            symbol: symbol.to_owned(),
            request: described(symbol, option),
            shipped: self.kconfig.is_shipped(&option.from).then(|| option.from.clone()),
            actual: actual.to_owned(),
            reason: self.reason(symbol, option),
        };
        match option {
            _ if option.generated && (is_built_in || !self.is_strict(symbol)) => Difference::Dropped(lost),
            _ if is_built_in => Difference::Noted(lost.to_string()),
            _ if option.optional => Difference::Noted(format!("optional {lost}")),
            _ => Difference::Lost(lost),
        }
    }

    /// Whether the option of a whole configuration must have its value: an option without a prompt follows from others.
    fn is_strict(&self, symbol: &str) -> bool {
        let is_defined = !self.tree.definitions(symbol).is_empty();
        self.kconfig.strict && (!is_defined || self.tree.has_prompt(symbol))
    }

    fn reason(&self, symbol: &str, option: &RequestedOption) -> Reason {
        if option.value == "m" && value(self.values, symbol) == "y" {
            return match self.selectors(symbol) {
                by if by.is_empty() => Reason::BuiltIn,
                by => Reason::Selected(by),
            };
        }
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
            return match self.prompt(definitions) {
                _ if !by.is_empty() => Reason::Selected(by),
                Reason::Unexplained if !self.tree.rivals(symbol).is_empty() => Reason::Chosen,
                reason => reason,
            };
        }
        let need = if option.value == "y" { Tristate::Yes } else { Tristate::Module };
        // One entry whose dependencies are met is enough; explain the entry that is nearest to that.
        let unmet = definitions
            .iter()
            .map(|definition| self.unmet(&definition.depends, need, 1))
            .min_by_key(Vec::len)
            .unwrap_or_default();
        if let Some(first) = unmet.first() {
            let lack = first.lack.filter(|_| unmet.iter().all(|unmet| unmet.lack.is_some()));
            let texts = texts(unmet);
            return match lack {
                Some(lack) => Reason::Host(texts, lack),
                None => Reason::Depends(texts),
            };
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
    fn misfit(&self, symbol: &str, value: &str) -> Option<Misfit> {
        let is_quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        match self.tree.kind(symbol)? {
            OptionType::Bool if value == "m" => Some(Misfit::Module),
            OptionType::Bool if !matches!(value, "y" | "n") => Some(Misfit::NotBool(value.to_owned())),
            OptionType::Tristate if !matches!(value, "y" | "m" | "n") => {
                Some(Misfit::NotTristate(value.to_owned()))
            }
            OptionType::String if !is_quoted => Some(Misfit::Unquoted(value.to_owned())),
            OptionType::Int if value.parse::<i64>().is_err() => Some(Misfit::NotDecimal),
            OptionType::Hex if hexadecimal(value).is_none() => Some(Misfit::NotHexadecimal),
            OptionType::Int | OptionType::Hex => self.beyond_range(symbol, value),
            _ => None,
        }
    }

    fn beyond_range(&self, symbol: &str, value: &str) -> Option<Misfit> {
        let number = |text: &str| text.parse::<i64>().ok().or(hexadecimal(text));
        let applies = |condition: &Option<Expression>| {
            condition.as_ref().is_none_or(|condition| condition.evaluate(self.values) != Some(Tristate::No))
        };
        let mut ranges = self.tree.definitions(symbol).iter().flat_map(|definition| &definition.ranges);
        let (least, most, _) = ranges.find(|(_, _, condition)| applies(condition))?;
        // A bound may be another option, as for NR_CPUS.
        let [least, most] = [least, most].map(|bound| self.values.get(bound).unwrap_or(bound));
        let is_within = number(least)? <= number(value)? && number(value)? <= number(most)?;
        (!is_within).then(|| Misfit::Range(least.clone(), most.clone()))
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
            unmet => Reason::Promptless(texts(unmet)),
        }
    }

    /// Describes the conjuncts below `need`. Conjuncts that only `conf` can evaluate (compiler tests) count
    /// only if no other one explains the loss. `levels`: how many levels of causes to add.
    fn unmet(&self, conditions: &[Condition], need: Tristate, levels: u32) -> Vec<Unmet> {
        let conjuncts: Vec<_> = conditions
            .iter()
            .flat_map(|condition| {
                condition.expression.conjuncts().into_iter().map(move |conjunct| (condition, conjunct))
            })
            .collect();
        let describe = |applies: fn(Option<Tristate>, Tristate) -> bool| {
            let mut found = Vec::new();
            for (condition, conjunct) in &conjuncts {
                if applies(conjunct.evaluate(self.values), need) {
                    let unmet = self.describe(conjunct, condition, levels);
                    if !found.contains(&unmet) {
                        found.push(unmet);
                    }
                }
            }
            found
        };
        let certain = describe(|value, need| value.is_some_and(|value| value < need));
        if certain.is_empty() { describe(|value, _| value.is_none()) } else { certain }
    }

    fn describe(&self, conjunct: &Expression, condition: &Condition, levels: u32) -> Unmet {
        let position = format!("({}:{})", condition.file, condition.line);
        let mut symbols = conjunct.symbols();
        symbols.dedup();
        match (conjunct, symbols.as_slice()) {
            (_, []) => self.describe_test(conjunct, &position),
            (Expression::Symbol(_), [symbol]) => {
                let (value, cause) = (self.describe_value(symbol), self.cause(symbol, levels));
                let text = format!("{symbol}, which is {value}{} {position}", cause.text);
                Unmet { text, lack: cause.lack }
            }
            (_, symbols) => {
                let values: Vec<_> = symbols
                    .iter()
                    .take(6)
                    .map(|symbol| format!("{symbol} is {}", self.describe_value(symbol)))
                    .collect();
                Unmet::option(format!("{conjunct}, where {} {position}", values.join(", ")))
            }
        }
    }

    /// Describes a condition without options: a test of compiler or host.
    fn describe_test(&self, test: &Expression, position: &str) -> Unmet {
        if test.to_string().contains(GCC_PLUGINS) {
            let gcc = value(self.values, "GCC_VERSION").parse::<u32>().ok();
            let text = format!("the headers of gcc's plugins, which this host lacks {position}");
            // The kernel writes 12.2.0 as 120200.
            return Unmet { text, lack: Some(HostLack::GccPlugins(gcc.map(|version| version / 10000))) };
        }
        let text = format!("{test}, which this compiler or host does not meet {position}");
        Unmet { text, lack: Some(HostLack::Test) }
    }

    /// ` because it depends on …`, for an option that is off although no fragment turns it off.
    fn cause(&self, symbol: &str, levels: u32) -> Unmet {
        let definitions = self.tree.definitions(symbol);
        if levels == 0 || self.kconfig.options.get(symbol).is_some_and(|option| option.value == "n") {
            return Unmet::option(String::new());
        }
        if definitions.is_empty() {
            return Unmet::option(" because it does not exist in this release".to_owned());
        }
        let unmet = definitions
            .iter()
            .map(|definition| self.unmet(&definition.depends, Tristate::Module, levels - 1))
            .min_by_key(Vec::len)
            .unwrap_or_default();
        let lack = unmet.first().and_then(|unmet| unmet.lack);
        match unmet.is_empty() {
            true => Unmet::option(String::new()),
            false => {
                Unmet { text: format!(" because it depends on {}", texts(unmet).join(" and on ")), lack }
            }
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

/// The test of scripts/gcc-plugins/Kconfig for the headers that plugins of gcc are compiled with.
const GCC_PLUGINS: &str = "-print-file-name=plugin";

/// A condition that is not met.
#[derive(Debug, PartialEq)]
struct Unmet {
    text: String,
    /// What the host lacks; `None` if other options can meet the condition.
    lack: Option<HostLack>,
}

impl Unmet {
    /// A condition about other options.
    fn option(text: String) -> Unmet {
        Unmet { text, lack: None }
    }
}

fn texts(unmet: Vec<Unmet>) -> Vec<String> {
    unmet.into_iter().map(|unmet| unmet.text).collect()
}

#[cfg(test)]
#[path = "option_check_tests.rs"]
mod tests;
