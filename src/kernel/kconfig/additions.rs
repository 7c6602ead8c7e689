//! The options that a series and kpatch-build add to those of the fragments.

use std::path::Path;

use super::options::{Kconfig, RequestedOption};

/// Path of the certificate that the kernel trusts, relative to the `O=` directory.
pub const CERTIFICATE: &str = "certs/kpatch-build.pem";

impl Kconfig {
    /// Adds requests for the symbols (without `CONFIG_`) that enable the code of the series `series`.
    pub fn with_switches(mut self, symbols: &[String], series: &str) -> Kconfig {
        for symbol in symbols {
            let from = format!("the series {series}");
            let option =
                RequestedOption { value: "y".to_owned(), optional: false, generated: false, from, line: 0 };
            self.set(symbol.clone(), option);
        }
        self
    }

    /// Returns the options to configure with: those of the plan, plus those that make the kernel depend on
    /// the plan alone. `signed`: the run signs image and modules. `tree` is the source tree, which need not
    /// exist yet.
    pub(crate) fn effective(&self, signed: bool, tree: &Path) -> Kconfig {
        let mut kconfig = self.clone();
        // make gets the local version as a variable: a new one then relinks the kernel and rebuilds nothing else.
        kconfig.add("LOCALVERSION", "\"\"", "");
        kconfig.add("LOCALVERSION_AUTO", "n", "");
        kconfig.drop_missing_certificates(tree);
        kconfig.drop_build_keys();
        if signed {
            kconfig.trust_certificate();
        }
        kconfig
    }

    /// Distributions name certificates that only their own source packages have.
    fn drop_missing_certificates(&mut self, tree: &Path) {
        for symbol in ["SYSTEM_TRUSTED_KEYS", "SYSTEM_REVOCATION_KEYS"] {
            let file = self.options.get(symbol).map_or("", |option| option.value.trim_matches('"'));
            if !file.is_empty() && !tree.join(file).exists() {
                self.add(symbol, "\"\"", " (the named file does not exist)");
            }
        }
    }

    /// The kernel's build would sign modules with a key that it generates, which no second build has, or with
    /// one that no cache key covers.
    fn drop_build_keys(&mut self) {
        if self.checks_signatures() {
            for (symbol, value) in [("MODULE_SIG_ALL", "n"), ("MODULE_SIG_KEY", "\"\"")] {
                self.add(symbol, value, " (only --secure-boot-key signs modules)");
            }
        }
    }

    fn trust_certificate(&mut self) {
        self.add("SYSTEM_TRUSTED_KEYS", &format!("{CERTIFICATE:?}"), " (for --secure-boot-cert)");
        // The signature is part of the module file; the packages are compressed as a whole.
        for symbol in ["", "_GZIP", "_XZ", "_ZSTD"] {
            let symbol = format!("MODULE_COMPRESS{symbol}");
            if self.requests(&symbol) {
                self.add(&symbol, "n", " (modules are signed uncompressed)");
            }
        }
    }

    /// `why` follows the name of the tool in messages.
    fn add(&mut self, symbol: &str, value: &str, why: &str) {
        let from = format!("kpatch-build{why}");
        let option =
            RequestedOption { value: value.to_owned(), optional: true, generated: false, from, line: 0 };
        self.set(symbol.to_owned(), option);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kconfig(options: &[(&str, &str)]) -> Kconfig {
        let mut kconfig = Kconfig::default();
        for (symbol, value) in options {
            kconfig.add(symbol, value, "");
        }
        kconfig
    }

    fn value<'k>(kconfig: &'k Kconfig, symbol: &str) -> &'k str {
        kconfig.options.get(symbol).map_or("", |option| &option.value)
    }

    #[test]
    fn a_certificate_is_dropped_only_if_the_tree_lacks_it() {
        let tree = tempfile::tempdir().unwrap();
        let request = kconfig(&[("SYSTEM_TRUSTED_KEYS", "\"debian/certs/all.pem\"")]);
        let effective = request.effective(false, tree.path());
        assert_eq!(value(&effective, "SYSTEM_TRUSTED_KEYS"), "\"\"");
        let notes = effective.notes();
        assert!(notes[0].contains("does not exist) overrides "), "{notes:?}");
        std::fs::create_dir_all(tree.path().join("debian/certs")).unwrap();
        std::fs::write(tree.path().join("debian/certs/all.pem"), "").unwrap();
        let effective = request.effective(false, tree.path());
        assert_eq!(value(&effective, "SYSTEM_TRUSTED_KEYS"), "\"debian/certs/all.pem\"");
    }

    #[test]
    fn the_additions_never_change_an_option_that_requires_a_tool() {
        let request = kconfig(&[("RUST", "y"), ("DEBUG_INFO_BTF", "y"), ("MODULE_SIG", "y")]);
        for signed in [false, true] {
            let effective = request.effective(signed, Path::new("/nonexistent"));
            for symbol in ["RUST", "DEBUG_INFO_BTF"] {
                assert_eq!(effective.requests(symbol), request.requests(symbol), "{symbol}");
            }
        }
    }
}
