//! Expressions of the Kconfig language (Documentation/kbuild/kconfig-language.rst, "Menu
//! dependencies"), evaluated against a finished `.config`.

use std::collections::BTreeMap;
use std::fmt;

/// The values of a `.config` by symbol without `CONFIG_`: `y`, `m`, or a literal as written there. Symbols that
/// are off are absent.
pub(crate) type Values = BTreeMap<String, String>;

/// The value of an expression, as Kconfig orders them: `n` < `m` < `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tristate {
    No,
    Module,
    Yes,
}

impl Tristate {
    /// Everything except `y` and `m` is `n`.
    pub(super) fn of(text: &str) -> Tristate {
        match text {
            "y" => Tristate::Yes,
            "m" => Tristate::Module,
            _ => Tristate::No,
        }
    }
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Symbol(String),
    Literal(String),
    /// A macro such as `$(cc-option,…)`; only a run of `conf` can expand it.
    Macro(String),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Compare(&'static str, Box<Expression>, Box<Expression>),
}

use Expression::{And, Compare, Literal, Macro, Not, Or, Symbol};

impl Expression {
    /// Parses the text after `depends on` or `if`; returns `None` if it is not an expression.
    pub(super) fn parse(text: &str) -> Option<Expression> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, next: 0 };
        let expression = parser.or()?;
        (parser.next == tokens.len()).then_some(expression)
    }

    /// The value with these options; `None` if it depends on a macro.
    pub(super) fn evaluate(&self, values: &Values) -> Option<Tristate> {
        match self {
            Symbol(_) | Literal(_) => Some(Tristate::of(self.text(values)?)),
            Macro(_) => None,
            Not(inner) => inner.evaluate(values).map(|value| match value {
                Tristate::No => Tristate::Yes,
                Tristate::Module => Tristate::Module,
                Tristate::Yes => Tristate::No,
            }),
            And(left, right) => match (left.evaluate(values), right.evaluate(values)) {
                (Some(Tristate::No), _) | (_, Some(Tristate::No)) => Some(Tristate::No),
                (left, right) => Some(left?.min(right?)),
            },
            Or(left, right) => match (left.evaluate(values), right.evaluate(values)) {
                (Some(Tristate::Yes), _) | (_, Some(Tristate::Yes)) => Some(Tristate::Yes),
                (left, right) => Some(left?.max(right?)),
            },
            Compare(operator, left, right) => {
                let holds = compare(operator, left.text(values)?, right.text(values)?);
                Some(if holds { Tristate::Yes } else { Tristate::No })
            }
        }
    }

    fn text<'a>(&'a self, values: &'a Values) -> Option<&'a str> {
        match self {
            Symbol(name) if matches!(name.as_str(), "y" | "m" | "n") => Some(name),
            // Numbers need no quotes.
            Symbol(name) if is_number(name) => Some(name),
            Symbol(name) => Some(values.get(name).map_or("n", |value| value.trim_matches('"'))),
            Literal(text) if text.contains("$(") => None,
            Literal(text) => Some(text),
            _ => None,
        }
    }

    /// The operands of `&&`: each must be met.
    pub(super) fn conjuncts(&self) -> Vec<&Expression> {
        match self {
            And(left, right) => [left.conjuncts(), right.conjuncts()].concat(),
            other => vec![other],
        }
    }

    /// The symbols in the expression, without constants, in its order, with repetitions.
    pub(super) fn symbols(&self) -> Vec<&str> {
        match self {
            Symbol(name) if matches!(name.as_str(), "y" | "m" | "n") => Vec::new(),
            Symbol(name) if is_number(name) => Vec::new(),
            Symbol(name) => vec![name],
            Literal(_) | Macro(_) => Vec::new(),
            Not(inner) => inner.symbols(),
            And(left, right) | Or(left, right) | Compare(_, left, right) => {
                [left.symbols(), right.symbols()].concat()
            }
        }
    }
}

/// Whether a word is a number: `64` and `0x40` are, the option `64BIT` is not.
fn is_number(word: &str) -> bool {
    match word.strip_prefix("0x") {
        Some(digits) => !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit()),
        None => word.chars().all(|c| c.is_ascii_digit()),
    }
}

fn compare(operator: &str, left: &str, right: &str) -> bool {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let order = match (number(left), number(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.cmp(right),
    };
    match operator {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbol(text) | Macro(text) => f.write_str(text),
            Literal(text) => write!(f, "\"{text}\""),
            Not(inner) if matches!(**inner, Symbol(_) | Macro(_)) => write!(f, "!{inner}"),
            Not(inner) => write!(f, "!({inner})"),
            And(left, right) => {
                for (nth, side) in [left, right].into_iter().enumerate() {
                    let separator = if nth == 0 { "" } else { " && " };
                    match **side {
                        Or(..) => write!(f, "{separator}({side})")?,
                        _ => write!(f, "{separator}{side}")?,
                    }
                }
                Ok(())
            }
            Or(left, right) => write!(f, "{left} || {right}"),
            Compare(operator, left, right) => write!(f, "{left}{operator}{right}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Operator(&'static str),
    Operand(Expression),
}

const OPERATORS: [&str; 11] = ["&&", "||", "!=", "<=", ">=", "=", "<", ">", "!", "(", ")"];

/// More than any expression of a kernel has. A longer one is not parsed: its nesting could exhaust the stack.
const MOST_TOKENS: usize = 1000;

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('#') {
            break;
        }
        if tokens.len() == MOST_TOKENS {
            return None;
        }
        let length;
        if rest.starts_with("$(") {
            length = macro_length(rest)?;
            tokens.push(Token::Operand(Macro(rest[..length].to_owned())));
        } else if let Some(operator) = OPERATORS.into_iter().find(|operator| rest.starts_with(operator)) {
            length = operator.len();
            tokens.push(Token::Operator(operator));
        } else if let Some(quote) = rest.chars().next().filter(|first| matches!(first, '"' | '\'')) {
            let inside = &rest[1..1 + rest[1..].find(quote)?];
            length = inside.len() + 2;
            tokens.push(Token::Operand(Literal(inside.to_owned())));
        } else {
            length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            if length == 0 {
                return None;
            }
            tokens.push(Token::Operand(Symbol(rest[..length].to_owned())));
        }
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

fn macro_length(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
}

impl Parser<'_> {
    /// Consumes the next token if it is one of `operators`.
    fn take(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        match self.tokens.get(self.next)? {
            Token::Operator(operator) if operators.contains(operator) => {
                self.next += 1;
                Some(operator)
            }
            _ => None,
        }
    }

    fn or(&mut self) -> Option<Expression> {
        let mut left = self.and()?;
        while self.take(&["||"]).is_some() {
            left = Or(Box::new(left), Box::new(self.and()?));
        }
        Some(left)
    }

    fn and(&mut self) -> Option<Expression> {
        let mut left = self.comparison()?;
        while self.take(&["&&"]).is_some() {
            left = And(Box::new(left), Box::new(self.comparison()?));
        }
        Some(left)
    }

    fn comparison(&mut self) -> Option<Expression> {
        let left = self.unary()?;
        match self.take(&["=", "!=", "<", "<=", ">", ">="]) {
            Some(operator) => Some(Compare(operator, Box::new(left), Box::new(self.unary()?))),
            None => Some(left),
        }
    }

    fn unary(&mut self) -> Option<Expression> {
        if self.take(&["!"]).is_some() {
            return Some(Not(Box::new(self.unary()?)));
        }
        if self.take(&["("]).is_some() {
            let inner = self.or()?;
            return self.take(&[")"]).map(|_| inner);
        }
        match self.tokens.get(self.next)? {
            Token::Operand(operand) => {
                self.next += 1;
                Some(operand.clone())
            }
            Token::Operator(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<Tristate> {
        let set = [("A", "y"), ("M", "m"), ("N", "12"), ("S", "\"text\""), ("64BIT", "y")];
        let values = set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Expression::parse(text).unwrap_or_else(|| panic!("{text:?} does not parse")).evaluate(&values)
    }

    #[test]
    fn an_endless_expression_is_refused() {
        for part in ["!", "(", "A && ", "A || "] {
            assert_eq!(Expression::parse(&format!("{}A", part.repeat(100_000))), None, "{part}");
        }
        assert!(Expression::parse(&format!("{}A", "A && ".repeat(100))).is_some());
    }

    #[test]
    fn operators_work_on_tristates() {
        for (text, expected) in [
            ("A", Tristate::Yes),
            ("B", Tristate::No),
            ("!B", Tristate::Yes),
            ("!M", Tristate::Module),
            ("A && M", Tristate::Module),
            ("B || M", Tristate::Module),
            ("A && !(B || M)", Tristate::Module),
            ("A || B && B", Tristate::Yes),
            ("(A || B) && B", Tristate::No),
            ("M=m", Tristate::Yes),
            ("B = n", Tristate::Yes),
            ("64BIT", Tristate::Yes),
            ("!64BIT", Tristate::No),
            ("!32BIT && A", Tristate::Yes),
            ("N >= 9", Tristate::Yes),
            ("N = 12", Tristate::Yes),
            ("N<0x0c", Tristate::No),
            ("S = \"text\" && A!=n", Tristate::Yes),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn an_option_whose_name_begins_with_a_digit_is_no_number() {
        let symbols = |text| Expression::parse(text).unwrap().symbols().join(" ");
        assert_eq!(symbols("!64BIT && A < 64 && 0x40 = N && 6LOWPAN"), "64BIT A N 6LOWPAN");
    }

    #[test]
    fn a_macro_is_unknown_unless_the_other_operand_decides() {
        assert_eq!(value("$(cc-option,-mfoo=$(bar))"), None);
        assert_eq!(value("A && $(success,true)"), None);
        assert_eq!(value("B && $(success,true)"), Some(Tristate::No));
        assert_eq!(value("A || $(success,true)"), Some(Tristate::Yes));
    }

    #[test]
    fn a_text_that_is_no_expression_is_refused() {
        for text in ["", "A &&", "(A", "A B", "&& A", "\"open", "$(open"] {
            assert_eq!(Expression::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_expression_is_displayed_as_written() {
        for text in ["A && (B || !C)", "!(A && B)", "A=\"x\"", "$(cc-option,-m)"] {
            assert_eq!(Expression::parse(text).unwrap().to_string(), text);
        }
    }
}
