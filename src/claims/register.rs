//! Registers of a thread, as `PTRACE_GETREGS` shows them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Index, IndexMut};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::text_serde::as_text;
use crate::base::text_schema::text_schema;

/// The value of a register; `"0x33"` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Hex, String> {
        text.strip_prefix("0x")
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Hex)
            .ok_or_else(|| format!("{text:?} is not a hexadecimal number that starts with 0x"))
    }
}

/// A register of `struct user_regs_struct` (arch/x86/include/asm/user_64.h), in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum Register {
    R15,
    R14,
    R13,
    R12,
    Bp,
    Bx,
    R11,
    R10,
    R9,
    R8,
    Ax,
    Cx,
    Dx,
    Si,
    Di,
    OrigAx,
    Ip,
    Cs,
    Flags,
    Sp,
    Ss,
    FsBase,
    GsBase,
    Ds,
    Es,
    Fs,
    Gs,
}

const COUNT: usize = 27;

/// Registers in `struct pt_regs`; the rest are in `struct thread_struct`.
const IN_FRAME: usize = 21;

const NAMES: [&str; COUNT] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
];

impl Register {
    /// All 27 registers.
    pub const ALL: [Register; COUNT] = {
        use Register::*;
        [
            R15, R14, R13, R12, Bp, Bx, R11, R10, R9, R8, Ax, Cx, Dx, Si, Di, OrigAx, Ip, Cs, Flags, Sp, Ss,
            FsBase, GsBase, Ds, Es, Fs, Gs,
        ]
    };

    /// The 21 registers that the kernel saves in a thread's `struct pt_regs`.
    pub const FRAME: &[Register] = Register::ALL.split_at(IN_FRAME).0;

    /// The 6 registers that the kernel keeps in `struct thread_struct`.
    pub const THREAD: &[Register] = Register::ALL.split_at(IN_FRAME).1;

    /// The kernel's name, in lower case: `r15`, `orig_ax`, `fs_base`.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// Whether the register does not exist in 32-bit mode: `r8` to `r15`.
    pub(super) fn is_64_bit_only(self) -> bool {
        use Register::*;
        matches!(self, R8 | R9 | R10 | R11 | R12 | R13 | R14 | R15)
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Register {
    type Err = String;

    fn from_str(name: &str) -> Result<Register, String> {
        Register::ALL
            .into_iter()
            .find(|register| register.name() == name)
            .ok_or_else(|| format!("{name:?} is not a register of user_regs_struct"))
    }
}

/// The values of all 27 registers; `None` for a register that cannot be read.
///
/// In JSON an object with a key for each register, sorted by name. Reading accepts any order, and
/// a register without a key is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<String, Option<Hex>>", try_from = "BTreeMap<String, Option<Hex>>")]
pub struct Registers([Option<Hex>; COUNT]);

impl Registers {
    /// Every register with its value, in the order of [`Register::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Register, Option<Hex>)> {
        Register::ALL.into_iter().zip(self.0)
    }
}

impl Index<Register> for Registers {
    type Output = Option<Hex>;

    fn index(&self, register: Register) -> &Option<Hex> {
        &self.0[register as usize]
    }
}

impl IndexMut<Register> for Registers {
    fn index_mut(&mut self, register: Register) -> &mut Option<Hex> {
        &mut self.0[register as usize]
    }
}

impl From<Registers> for BTreeMap<String, Option<Hex>> {
    fn from(registers: Registers) -> Self {
        registers.iter().map(|(register, value)| (register.name().to_owned(), value)).collect()
    }
}

impl TryFrom<BTreeMap<String, Option<Hex>>> for Registers {
    type Error = String;

    fn try_from(values: BTreeMap<String, Option<Hex>>) -> Result<Registers, String> {
        let mut registers = Registers::default();
        for (name, value) in values {
            registers[name.parse::<Register>()?] = value;
        }
        Ok(registers)
    }
}

as_text!(Hex);
text_schema!(Hex, "The value of a register: `0x33`.", "^0x[0-9a-f]{1,16}$");

impl JsonSchema for Registers {
    fn schema_name() -> Cow<'static, str> {
        "Registers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Option<Hex>>();
        let properties: BTreeMap<_, _> = NAMES.iter().map(|name| (*name, value.clone())).collect();
        json_schema!({
            "description": "The values of all 27 registers of `struct user_regs_struct`; null for a register that cannot be read.",
            "type": "object",
            "properties": properties,
            "required": NAMES,
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_register_has_the_name_at_its_place() {
        for (position, register) in Register::ALL.into_iter().enumerate() {
            assert_eq!(register as usize, position);
            assert_eq!(register.name().parse(), Ok(register));
        }
        let lower_case = |register: Register| format!("{register:?}").to_lowercase();
        assert!(Register::ALL.iter().all(|name| name.name().replace('_', "") == lower_case(*name)));
        assert!("eax".parse::<Register>().is_err());
    }

    #[test]
    fn registers_are_written_sorted_by_name() {
        let mut registers = Registers::default();
        registers[Register::Cs] = Some(Hex(0x33));
        let json = serde_json::to_string(&registers).unwrap();
        assert!(json.starts_with(r#"{"ax":null,"bp":null,"bx":null,"cs":"0x33","cx":null"#), "{json}");
        let names: Vec<_> = json.split('"').filter(|part| part.parse::<Register>().is_ok()).collect();
        assert!(names.len() == COUNT && names.is_sorted(), "{names:?}");
        assert_eq!(serde_json::from_str::<Registers>(&json).unwrap(), registers);
    }

    #[test]
    fn an_unknown_register_is_refused_by_name() {
        let error = serde_json::from_str::<Registers>(r#"{"eax":"0x0"}"#).unwrap_err().to_string();
        assert!(error.contains("eax"), "{error}");
    }
}
