//! The picture of an io thread's register frame.

use maud::{Markup, html};

use crate::claims::{Hex, Observation, Register};

/// The origin of a register's value, as far as the value shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Zero,
    /// The creator's value at the entry of the system call. A constant with the same value looks
    /// alike.
    Creator,
    /// One of the segment selectors for user programs.
    Constant,
    Unreadable,
    Other,
}

impl Kind {
    pub(super) const ALL: [Kind; 5] =
        [Kind::Zero, Kind::Creator, Kind::Constant, Kind::Unreadable, Kind::Other];

    pub(super) fn letter(self) -> &'static str {
        match self {
            Kind::Zero => "Z",
            Kind::Creator => "C",
            Kind::Constant => "K",
            Kind::Unreadable => "?",
            Kind::Other => "O",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Zero => "zero",
            Kind::Creator => "its creator’s value",
            Kind::Constant => "a user constant",
            Kind::Unreadable => "unreadable",
            Kind::Other => "another value",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Kind::Zero => "k-zero",
            Kind::Creator => "k-creator",
            Kind::Constant => "k-constant",
            Kind::Unreadable => "k-unreadable",
            Kind::Other => "k-other",
        }
    }
}

/// `__USER_CS`, `__USER32_CS` and `__USER_DS` of arch/x86/include/asm/segment.h, with their privilege level.
const SELECTORS: [u64; 3] = [0x33, 0x23, 0x2b];

/// The kind of one register.
pub(super) fn kind(seen: &Observation, register: Register) -> Kind {
    let is_segment = matches!(register, Register::Cs | Register::Ss);
    match seen.regs[register] {
        None => Kind::Unreadable,
        Some(Hex(0)) => Kind::Zero,
        value if value == seen.creator_register(register) => Kind::Creator,
        Some(Hex(value)) if is_segment && SELECTORS.contains(&value) => Kind::Constant,
        Some(_) => Kind::Other,
    }
}

/// The kinds of all registers of the frame, in its order.
pub(super) fn kinds(seen: &Observation) -> Vec<Kind> {
    Register::FRAME.iter().map(|register| kind(seen, *register)).collect()
}

const COLUMNS: usize = 7;
const WIDTH: usize = 60;
const HEIGHT: usize = 50;
const GAP: usize = 4;

/// The frame as seven boxes in each of three rows, in the order of `struct pt_regs`.
///
/// `id` must be unique on the page; `who` names the threads.
pub(super) fn picture(id: &str, who: &str, seen: &Observation) -> Markup {
    let (width, height) = (COLUMNS * (WIDTH + GAP) - GAP, 3 * (HEIGHT + GAP) - GAP);
    html! {
        svg class="frame" viewBox=(format!("-1 -1 {} {}", width + 2, height + 2)) role="img"
            aria-labelledby=(format!("{id}-title {id}-desc")) {
            title id=(format!("{id}-title")) { "Register frame of " (who) }
            desc id=(format!("{id}-desc")) { (described(seen)) }
            @for (number, register) in Register::FRAME.iter().enumerate() {
                (register_box(number, *register, seen))
            }
        }
    }
}

fn register_box(number: usize, register: Register, seen: &Observation) -> Markup {
    let (x, y) = ((number % COLUMNS) * (WIDTH + GAP), (number / COLUMNS) * (HEIGHT + GAP));
    let kind = kind(seen, register);
    let value = seen.regs[register].map(|value| value.to_string()).filter(|text| text.len() <= 6);
    html! {
        g class=(kind.class()) transform=(format!("translate({x} {y})")) {
            rect class="box" width=(WIDTH) height=(HEIGHT) rx="3" {}
            rect class="pattern" width=(WIDTH) height=(HEIGHT) rx="3" {}
            text class="name" x="7" y="19" { (register) }
            text class="letter" x=(WIDTH - 7) y="41" text-anchor="end" { (kind.letter()) }
            @if let Some(value) = value { text class="value" x="7" y="41" { (value) } }
        }
    }
}

/// The picture in words, for screen readers: `zero: r15, r14. its creator’s value: cs, ss.`
fn described(seen: &Observation) -> String {
    let of = |wanted: Kind| {
        let of_kind = Register::FRAME.iter().filter(|register| kind(seen, **register) == wanted);
        let names: Vec<_> = of_kind.map(|register| register.name()).collect();
        (!names.is_empty()).then(|| format!("{}: {}.", wanted.words(), names.join(", ")))
    };
    Kind::ALL.into_iter().filter_map(of).collect::<Vec<_>>().join(" ")
}

/// The patterns and symbols that the whole page uses, by id.
pub(super) fn definitions() -> Markup {
    html! {
        svg class="definitions" width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect class="ink" width="1.6" height="7" {}
                }
                pattern id="dots" width="7" height="7" patternUnits="userSpaceOnUse" {
                    circle class="ink" cx="2" cy="2" r="1.1" {}
                }
                pattern id="cross" width="8" height="8" patternUnits="userSpaceOnUse" {
                    path class="line" d="M0 0L8 8M8 0L0 8" {}
                }
                pattern id="bars" width="6" height="6" patternUnits="userSpaceOnUse" {
                    rect class="ink" width="6" height="1.2" {}
                }
                symbol id="s-good" viewBox="0 0 16 16" { path d="M2.5 8.5l3.6 3.8L13.5 4" {} }
                symbol id="s-bad" viewBox="0 0 16 16" { path d="M3.5 3.5l9 9M12.5 3.5l-9 9" {} }
                symbol id="s-caution" viewBox="0 0 16 16" { path d="M8 2.2L14.4 13.6H1.6ZM8 6.4v3.4M8 11.6v.4" {} }
                symbol id="s-missing" viewBox="0 0 16 16" { path d="M3.5 8h9" {} }
            }
        }
    }
}
