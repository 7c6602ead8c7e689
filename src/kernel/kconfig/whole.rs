//! Whole configurations of kernels, as distributions ship them.

/// The second line that `conf` writes (scripts/kconfig/confdata.c).
const GENERATED: &str = "# Automatically generated file; DO NOT EDIT.";
/// The lines of a file in which `conf` writes its header.
const HEADER_LINES: usize = 10;
/// Options that a fragment has at most.
const MOST_REQUESTS: usize = 1000;
/// Words of the header for kernels that may be x86-64 ones.
const OURS: [&str; 2] = ["x86", "x86_64"];
/// The option that each other architecture sets, without `CONFIG_`, and the name of the architecture.
const OTHERS: [(&str, &str); 19] = [
    ("X86_32", "i386"),
    ("ARM64", "arm64"),
    ("ARM", "arm"),
    ("RISCV", "riscv"),
    ("PPC", "powerpc"),
    ("S390", "s390"),
    ("LOONGARCH", "loongarch"),
    ("MIPS", "mips"),
    ("SPARC", "sparc"),
    ("PARISC", "parisc"),
    ("M68K", "m68k"),
    ("ALPHA", "alpha"),
    ("ARC", "arc"),
    ("CSKY", "csky"),
    ("IA64", "ia64"),
    ("MICROBLAZE", "microblaze"),
    ("OPENRISC", "openrisc"),
    ("SUPERH", "sh"),
    ("XTENSA", "xtensa"),
];

/// Whether a text is the configuration of a kernel: with the first lines that `conf` writes, or with as many options as no
/// fragment has, an architecture's among them.
pub(super) fn is_whole(text: &str) -> bool {
    let is_option = |line: &&str| {
        line.starts_with("CONFIG_") || line.starts_with("# CONFIG_") && line.ends_with(" is not set")
    };
    let has_header = text.lines().take(HEADER_LINES).any(|line| line.trim() == GENERATED);
    has_header
        || text.lines().map(str::trim).filter(is_option).count() > MOST_REQUESTS
            && (["X86_64", "X86", "64BIT"].iter().any(|symbol| is_set(text, symbol))
                || OTHERS.iter().any(|(symbol, _)| is_set(text, symbol)))
}

/// The architecture of a whole configuration, unless it is x86-64.
pub(super) fn other_architecture(text: &str) -> Option<&str> {
    let header = text.lines().take(HEADER_LINES).find_map(|line| {
        let line = line.trim().strip_prefix("# Linux/")?.strip_suffix(" Kernel Configuration")?;
        line.split(' ').next()
    });
    if let Some(architecture) = header.filter(|word| !OURS.contains(word)) {
        return Some(architecture);
    }
    if !is_whole(text) || is_set(text, "X86_64") {
        return None;
    }
    OTHERS.iter().find(|(symbol, _)| is_set(text, symbol)).map(|(_, name)| *name)
}

fn is_set(text: &str, symbol: &str) -> bool {
    text.lines().any(|line| {
        line.trim().strip_prefix("CONFIG_").and_then(|rest| rest.strip_suffix("=y")) == Some(symbol)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(architecture: &str) -> String {
        let options: String = (0..1100).map(|n| format!("CONFIG_A{n}=y\n")).collect();
        format!("{options}{architecture}")
    }

    fn generated(architecture: &str, options: &str) -> String {
        format!("#\n{GENERATED}\n# Linux/{architecture} 6.1.187 Kernel Configuration\n#\n{options}")
    }

    #[test]
    fn a_configuration_of_another_architecture_is_recognised() {
        for (text, architecture) in [
            (generated("arm64", "CONFIG_64BIT=y\n"), "arm64"),
            (generated("i386", ""), "i386"),
            (generated("x86", "# CONFIG_64BIT is not set\nCONFIG_X86_32=y\nCONFIG_X86=y\n"), "i386"),
            (generated("um", "CONFIG_X86_64=y\n"), "um"),
            (sorted("CONFIG_64BIT=y\nCONFIG_ARM64=y\n"), "arm64"),
            (sorted("CONFIG_ARM=y\n"), "arm"),
        ] {
            assert_eq!((is_whole(&text), other_architecture(&text)), (true, Some(architecture)));
        }
    }

    #[test]
    fn a_configuration_for_x86_64_and_a_fragment_are_not_of_another_architecture() {
        let ours = "CONFIG_64BIT=y\nCONFIG_X86=y\nCONFIG_X86_64=y\n# CONFIG_ARM64 is not set\n";
        for (text, whole) in [
            (generated("x86", ours), true),
            (generated("x86_64", ours), true),
            (sorted(ours), true),
            ("CONFIG_ARM64=y\n".to_owned(), false),
            (sorted(""), false),
        ] {
            assert_eq!((is_whole(&text), other_architecture(&text)), (whole, None));
        }
    }
}
