//! Reads the Kconfig files of a kernel tree, as far as an explanation of an option's value needs them.
//!
//! Documentation/kbuild/kconfig-language.rst defines the grammar. Defaults are ignored: the kernel's
//! `conf` computes the values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_err as fs;

use super::expression::Expression;
use crate::base::archive::path::relative;

/// A dependency with its position.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) expression: Expression,
    /// Relative to the tree.
    pub(super) file: String,
    /// From 1.
    pub(super) line: u32,
}

/// One `config` or `menuconfig` entry; a symbol may have several.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// The dependencies of the entry and of the blocks around it; all must be met.
    pub(super) depends: Vec<Condition>,
    /// The conditions under which a user can set the option; `None` without a prompt.
    pub(super) prompt: Option<Vec<Condition>>,
    /// The type, if this entry has it.
    pub(super) kind: Option<OptionType>,
    /// The ranges of a number: least and largest value, and the condition.
    pub(super) ranges: Vec<(String, String, Option<Expression>)>,
    /// Number of the choice that the option belongs to; its members exclude each other.
    pub(super) choice: Option<usize>,
}

/// The type of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionType {
    Bool,
    Tristate,
    String,
    Int,
    Hex,
}

impl OptionType {
    /// The type that a line of an entry defines: `bool`, `def_bool`, `tristate` and so on.
    fn of(word: &str) -> Option<OptionType> {
        match word {
            "bool" | "boolean" | "def_bool" => Some(OptionType::Bool),
            "tristate" | "def_tristate" => Some(OptionType::Tristate),
            "string" => Some(OptionType::String),
            "int" => Some(OptionType::Int),
            "hex" => Some(OptionType::Hex),
            _ => None,
        }
    }
}

/// A `select` with its position.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The symbol that selects.
    pub(super) by: String,
    pub(super) condition: Option<Expression>,
    /// Relative to the tree.
    pub(super) file: String,
    /// From 1.
    pub(super) line: u32,
}

/// All options that a tree defines for x86.
#[derive(Debug, Default)]
pub(super) struct KconfigTree {
    symbols: BTreeMap<String, Vec<Definition>>,
    /// By the selected symbol.
    selections: BTreeMap<String, Vec<Selection>>,
    choices: usize,
}

#[derive(Debug)]
struct Block {
    end: &'static str,
    conditions: Vec<Condition>,
    /// `visible if` of a menu; hides prompts only.
    visible: Vec<Condition>,
    choice: Option<usize>,
}

/// The owner of the properties that follow.
#[derive(Debug)]
enum Subject {
    Symbol(String),
    Block,
    Other,
}

struct Reader<'a> {
    kconfig: &'a mut KconfigTree,
    tree: &'a Path,
    blocks: Vec<Block>,
    subject: Subject,
    depth: usize,
    budget: Budget,
}

/// What may still be read and kept: a tree may be a stranger's.
struct Budget {
    bytes: u64,
    conditions: usize,
}

/// A file counts as this many bytes at least. Linux 7.2 has about 1,700 files.
const SMALLEST: u64 = 16 << 10;
/// Several times as much as the largest kernel has.
const ALL_FILES: Budget = Budget { bytes: 64 << 20, conditions: 1_000_000 };

/// Deeper nesting than any tree has; guards against a file that sources itself.
const DEEPEST: usize = 32;
/// More blocks around an entry than any tree has: each entry looks at all of them.
const MOST_BLOCKS: usize = 32;
/// More entries of one symbol than any tree has: an explanation looks at all of them, and at those of each dependency.
const MOST_DEFINITIONS: usize = 32;

impl KconfigTree {
    /// Reads `Kconfig` and every file that it sources. Missing files are skipped: source archives of
    /// distributions drop some.
    pub(super) fn read(tree: &Path) -> KconfigTree {
        let mut kconfig = KconfigTree::default();
        let mut reader = Reader {
            kconfig: &mut kconfig,
            tree,
            blocks: Vec::new(),
            subject: Subject::Other,
            depth: 0,
            budget: ALL_FILES,
        };
        reader.file("Kconfig");
        kconfig
    }

    /// All entries of a symbol; empty for one that the tree does not define.
    pub(super) fn definitions(&self, symbol: &str) -> &[Definition] {
        self.symbols.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// The names of all options.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.symbols.keys().map(String::as_str)
    }

    /// The type of an option.
    pub(super) fn kind(&self, symbol: &str) -> Option<OptionType> {
        self.definitions(symbol).iter().find_map(|definition| definition.kind)
    }

    /// Whether a user can ever set the option.
    pub(super) fn has_prompt(&self, symbol: &str) -> bool {
        self.definitions(symbol).iter().any(|definition| definition.prompt.is_some())
    }

    /// The `select` lines that name `symbol`.
    pub(super) fn selections(&self, symbol: &str) -> &[Selection] {
        self.selections.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// The other members of the choices that `symbol` belongs to.
    pub(super) fn rivals(&self, symbol: &str) -> Vec<&str> {
        let choices: BTreeSet<_> =
            self.definitions(symbol).iter().filter_map(|definition| definition.choice).collect();
        let shares =
            |definition: &Definition| definition.choice.is_some_and(|choice| choices.contains(&choice));
        self.symbols
            .iter()
            .filter(|(name, definitions)| *name != symbol && definitions.iter().any(shares))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl Reader<'_> {
    fn file(&mut self, name: &str) {
        if self.depth == DEEPEST {
            return;
        }
        let Some(text) = self.text(name) else { return };
        self.depth += 1;
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let mut line = line.to_owned();
            while line.ends_with('\\') {
                line.pop();
                line.push_str(lines.next().map_or("", |(_, next)| next));
            }
            let (word, rest) = first_word(line.trim());
            if matches!(word, "help" | "---help---") {
                let mut depth = None;
                while let Some((_, line)) = lines.peek() {
                    let indented = indentation(line);
                    if !line.trim().is_empty() && indented < *depth.get_or_insert(indented.max(1)) {
                        break;
                    }
                    lines.next();
                }
                continue;
            }
            self.statement(name, number as u32 + 1, word, rest);
        }
        self.depth -= 1;
    }

    /// The text of a regular file within the tree; `None` if it is missing or the budget is used up.
    fn text(&mut self, name: &str) -> Option<String> {
        let path = self.tree.join(relative(name.as_bytes()).ok()?);
        let bytes = fs::metadata(&path).ok().filter(|meta| meta.is_file())?.len();
        self.budget.bytes = self.budget.bytes.checked_sub(bytes.max(SMALLEST))?;
        Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned())
    }

    fn statement(&mut self, file: &str, line: u32, word: &str, rest: &str) {
        match word {
            "config" | "menuconfig" => self.define(rest),
            "source" => {
                let path =
                    rest.trim_matches('"').replace("$(SRCARCH)", "x86").replace("$(HEADER_ARCH)", "x86");
                self.file(&path);
                self.subject = Subject::Other;
            }
            "menu" => self.open("endmenu", Vec::new(), None),
            "choice" => {
                self.kconfig.choices += 1;
                self.open("endchoice", Vec::new(), Some(self.kconfig.choices));
            }
            "if" => self.open("endif", condition(file, line, rest).into_iter().collect(), None),
            "endmenu" | "endchoice" | "endif" => {
                if let Some(at) = self.blocks.iter().rposition(|block| block.end == word) {
                    self.blocks.truncate(at);
                }
                self.subject = Subject::Other;
            }
            "comment" | "mainmenu" => self.subject = Subject::Other,
            _ => self.property(file, line, word, rest),
        }
    }

    fn open(&mut self, end: &'static str, conditions: Vec<Condition>, choice: Option<usize>) {
        if self.blocks.len() < MOST_BLOCKS {
            self.blocks.push(Block { end, conditions, visible: Vec::new(), choice });
        }
        self.subject = Subject::Block;
    }

    fn define(&mut self, name: &str) {
        let conditions: usize =
            self.blocks.iter().map(|block| block.conditions.len() + block.visible.len()).sum();
        let is_full = self.kconfig.definitions(name).len() >= MOST_DEFINITIONS;
        let left = self.budget.conditions.checked_sub(conditions + 1);
        let Some(left) = left.filter(|_| !is_full) else {
            self.subject = Subject::Other;
            return;
        };
        self.budget.conditions = left;
        let definition = Definition {
            depends: self.blocks.iter().flat_map(|block| block.conditions.clone()).collect(),
            prompt: None,
            kind: None,
            ranges: Vec::new(),
            choice: self.blocks.iter().rev().find_map(|block| block.choice),
        };
        self.kconfig.symbols.entry(name.to_owned()).or_default().push(definition);
        self.subject = Subject::Symbol(name.to_owned());
    }

    fn property(&mut self, file: &str, line: u32, word: &str, rest: &str) {
        if let (Some(kind), Some(definition)) = (OptionType::of(word), self.current()) {
            definition.kind = Some(kind);
        }
        match (word, &self.subject) {
            ("depends", _) => {
                let (_, text) = first_word(rest);
                if let Some(condition) = dependency(file, line, text) {
                    self.depend(condition);
                }
            }
            ("visible", Subject::Block) => {
                let (_, text) = first_word(rest);
                let visible = condition(file, line, text);
                if let Some(block) = self.blocks.last_mut() {
                    block.visible.extend(visible);
                }
            }
            ("bool" | "tristate" | "string" | "int" | "hex" | "prompt", Subject::Symbol(_))
                if rest.starts_with(['"', '\'']) =>
            {
                self.prompt(file, line, rest);
            }
            ("range", Subject::Symbol(_)) => {
                let (least, rest) = first_word(rest);
                let (most, rest) = first_word(rest);
                let condition = rest.strip_prefix("if").and_then(Expression::parse);
                let range = (least.to_owned(), most.to_owned(), condition);
                self.current().into_iter().for_each(|definition| definition.ranges.push(range.clone()));
            }
            ("select", Subject::Symbol(by)) => {
                let (target, rest) = first_word(rest);
                let condition = rest.strip_prefix("if").and_then(Expression::parse);
                let selection = Selection { by: by.clone(), condition, file: file.to_owned(), line };
                self.kconfig.selections.entry(target.to_owned()).or_default().push(selection);
            }
            _ => {}
        }
    }

    fn depend(&mut self, condition: Condition) {
        match &self.subject {
            Subject::Symbol(_) => {
                if let Some(definition) = self.current() {
                    definition.depends.push(condition);
                }
            }
            Subject::Block => {
                if let Some(block) = self.blocks.last_mut() {
                    block.conditions.push(condition);
                }
            }
            Subject::Other => {}
        }
    }

    fn prompt(&mut self, file: &str, line: u32, rest: &str) {
        let mut conditions: Vec<_> = self.blocks.iter().flat_map(|block| block.visible.clone()).collect();
        let quote = &rest[..1];
        let after = rest[1..].find(quote).map_or("", |end| rest[end + 2..].trim_start());
        conditions.extend(after.strip_prefix("if").and_then(|text| condition(file, line, text)));
        if let Some(definition) = self.current() {
            definition.prompt = Some(conditions);
        }
    }

    fn current(&mut self) -> Option<&mut Definition> {
        match &self.subject {
            Subject::Symbol(name) => self.kconfig.symbols.get_mut(name)?.last_mut(),
            _ => None,
        }
    }
}

fn first_word(line: &str) -> (&str, &str) {
    let end = line.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(line.len());
    (&line[..end], line[end..].trim())
}

/// Columns before the first character; a tab goes to the next multiple of 8.
fn indentation(line: &str) -> usize {
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).fold(0, |column, character| match character {
        '\t' => (column / 8 + 1) * 8,
        _ => column + 1,
    })
}

fn condition(file: &str, line: u32, text: &str) -> Option<Condition> {
    // kpatch-build builds for x86-64 only.
    let text = text.replace("$(ARCH)", "x86_64").replace("$(SRCARCH)", "x86");
    let expression = Expression::parse(&text)?;
    Some(Condition { expression, file: file.to_owned(), line })
}

/// Reads `depends on A`, and the newer `depends on A if B`, which is met if B is not.
fn dependency(file: &str, line: u32, text: &str) -> Option<Condition> {
    match text.split_once(" if ") {
        Some((then, when)) => condition(file, line, &format!("!({when}) || ({then})")),
        None => condition(file, line, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kconfig(files: &[(&str, &str)]) -> KconfigTree {
        let tree = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        KconfigTree::read(tree.path())
    }

    fn depends(kconfig: &KconfigTree, symbol: &str) -> Vec<String> {
        let definition = &kconfig.definitions(symbol)[0];
        definition
            .depends
            .iter()
            .map(|condition| format!("{} {}:{}", condition.expression, condition.file, condition.line))
            .collect()
    }

    #[test]
    fn dependencies_come_from_the_entry_and_all_blocks_around_it() {
        let kconfig = kconfig(&[
            ("Kconfig", "mainmenu \"x\"\nsource \"arch/$(SRCARCH)/Kconfig\"\nconfig LAST\n\tbool \"last\"\n"),
            (
                "arch/x86/Kconfig",
                "menu \"m\"\n\tdepends on A\nif B && \\\n  C\nconfig X\n\ttristate \"x\" if EXPERT\n\
                 \tdepends on D || E\n\thelp\n\t  depends on HELP\n\n\t  config HELP\nendif\nendmenu\n",
            ),
        ]);
        assert_eq!(
            depends(&kconfig, "X"),
            ["A arch/x86/Kconfig:2", "B && C arch/x86/Kconfig:3", "D || E arch/x86/Kconfig:7"]
        );
        let prompt = kconfig.definitions("X")[0].prompt.as_ref().unwrap();
        assert_eq!(prompt[0].expression.to_string(), "EXPERT");
        assert!(kconfig.definitions("HELP").is_empty());
        assert_eq!(depends(&kconfig, "LAST"), Vec::<String>::new());
    }

    #[test]
    fn members_of_a_choice_are_rivals() {
        let kconfig = kconfig(&[(
            "Kconfig",
            "choice\n\tprompt \"c\"\nconfig ONE\n\tbool \"one\"\nconfig TWO\n\tbool \"two\"\nendchoice\n\
             config THREE\n\tbool\n",
        )]);
        assert_eq!(kconfig.rivals("ONE"), ["TWO"]);
        assert!(kconfig.rivals("THREE").is_empty());
        assert!(kconfig.has_prompt("ONE") && !kconfig.has_prompt("THREE"));
    }

    #[test]
    fn selections_are_found_by_their_target() {
        let kconfig = kconfig(&[("Kconfig", "config A\n\tbool\n\tselect B if C\n\tselect D\n")]);
        assert_eq!(kconfig.selections("B")[0].by, "A");
        assert_eq!(kconfig.selections("B")[0].condition.as_ref().unwrap().to_string(), "C");
        assert!(kconfig.selections("D")[0].condition.is_none());
    }

    #[test]
    fn a_conditional_dependency_is_met_if_its_condition_is_not() {
        let kconfig = kconfig(&[("Kconfig", "config A\n\tbool \"a\"\n\tdepends on B if C\n")]);
        assert_eq!(depends(&kconfig, "A"), ["!C || B Kconfig:3"]);
    }

    #[test]
    fn a_hostile_tree_is_read_within_limits() {
        let kconfig = kconfig(&[(
            "Kconfig",
            "source \"Kconfig\"\nconfig A\n\tbool \"a\"\nsource \"Kconfig\"\nsource \"/dev/zero\"\n",
        )]);
        assert!(!kconfig.definitions("A").is_empty());
        let nested = format!("{}config A\n\tbool \"a\"\n", "if B\n".repeat(3000));
        let deep = self::kconfig(&[("Kconfig", &nested)]);
        assert_eq!(deep.definitions("A")[0].depends.len(), MOST_BLOCKS);
        let open = "source \"Kconfig\"\nchoice\nconfig A\n\tbool \"a\"\nconfig B\n\tbool \"b\"\nsource \"Kconfig\"\n";
        assert_eq!(self::kconfig(&[("Kconfig", open)]).rivals("A"), ["B"]);
    }

    #[test]
    fn a_file_that_sources_itself_does_not_loop_forever() {
        let kconfig = kconfig(&[("Kconfig", "source \"Kconfig\"\nconfig A\n\tbool\n")]);
        assert!(!kconfig.definitions("A").is_empty());
    }
}
