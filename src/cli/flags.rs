//! Flags in groups: each command flattens the groups that it uses. The flags are the configuration file's keys too.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::suggested::{self, Suggested};
use crate::base::options::{Accel, Compression, Format, Lang, Part, ProgressMode, SandboxChoice};
use crate::claims::console::Allowance;
use crate::kernel::kconfig::Kconfig;

/// The release to build.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Source options")]
pub(crate) struct ReleaseArgs {
    /// Kernel release: exact (5.12, 6.1.187), a line (6.1.y) or latest
    /// [default: the newest supported long-term line]
    #[arg(short, long)]
    pub(crate) release: Option<String>,
}

/// Where the source comes from and how it is trusted.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Source options")]
pub(crate) struct SourceArgs {
    /// auto (kernel.org, then Debian), kernel.org, debian, git:URL-or-PATH[#REF], tarball:PATH-or-URL[#SHA256]
    /// or dir:PATH [default: auto]
    #[arg(long)]
    pub(crate) source: Option<String>,

    /// Base address of a kernel.org mirror; repeatable [default: kernel.org's own hosts]
    #[arg(long, value_name = "URL")]
    pub(crate) kernel_org_mirror: Vec<String>,

    /// Base address of a Debian mirror [default: the one in this host's apt configuration]
    #[arg(long, value_name = "URL")]
    pub(crate) debian_mirror: Option<String>,

    /// Use indexes of the Debian mirror that are no longer valid (Valid-Until): they may lack releases that repair holes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        hide_possible_values = true)]
    pub(crate) accept_stale_index: Option<bool>,

    /// OpenPGP certificates to verify sources with, besides the host's and kernel.org's
    /// [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) keyring: Option<PathBuf>,

    /// Accept a source without a signature or checksum
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        hide_possible_values = true)]
    pub(crate) no_verify: Option<bool>,
}

/// The patch series and its language.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Kernel options")]
pub(crate) struct SeriesArgs {
    /// Patch series: a shipped name (see `series list`), none, or the path of your own directory or
    /// mbox [default: copy-segments]
    #[arg(short, long, value_name = "NAME|PATH", value_parser = Suggested(suggested::series),
        hide_possible_values = true)]
    pub(crate) series: Option<String>,

    /// Language of the patches [default: c]
    #[arg(long, value_enum, value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_several")]
    pub(crate) lang: Vec<Lang>,
}

/// The compiler.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Kernel options")]
pub(crate) struct CompilerArgs {
    /// C compiler: gcc, clang, or the path of one [default: gcc]
    #[arg(long, value_name = "COMPILER")]
    pub(crate) cc: Option<String>,
}

/// The kernel's configuration, name, revision and Secure Boot key.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Kernel options")]
pub(crate) struct KernelArgs {
    /// Kernel configuration: shipped names (boot, cloud, debug-info, rust, …) or files; later ones override
    /// earlier ones [default: boot]
    #[arg(short, long, value_delimiter = ',', value_name = "NAME|FILE",
        value_parser = Suggested(Kconfig::shipped), hide_possible_values = true)]
    pub(crate) kconfig: Vec<String>,

    /// Refuse a whole configuration, such as a distribution's, of which this release does not have every option
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        hide_possible_values = true)]
    pub(crate) strict_kconfig: Option<bool>,

    /// Suffix of the kernel release in `uname -r`
    /// [default: -<series>[-rust]-<kconfig>[-signed]]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) localversion: Option<String>,

    /// Package revision; increase it to rebuild the same kernel [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) revision: Option<NonZeroU32>,

    /// RSA private key (unencrypted PEM) that signs the image and the modules for Secure Boot; adds the
    /// kconfig secure-boot [default: none]
    #[arg(long, value_name = "FILE", alias = "sign-key")]
    #[serde(alias = "sign-key")]
    pub(crate) secure_boot_key: Option<PathBuf>,

    /// Certificate (X.509, PEM or DER) of --secure-boot-key; the kernel trusts modules signed with it
    /// [default: none]
    #[arg(long, value_name = "FILE", alias = "sign-cert")]
    #[serde(alias = "sign-cert")]
    pub(crate) secure_boot_cert: Option<PathBuf>,
}

/// The packages, their compression and their signature.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Package options")]
pub(crate) struct PackageArgs {
    /// Package formats, or none [default: deb,rpm]
    #[arg(short, long, value_enum, value_delimiter = ',', value_name = "FORMAT")]
    pub(crate) format: Vec<FormatChoice>,

    /// Packages to build [default: image,headers and, if the kconfig has DEBUG_INFO, debug]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PACKAGE")]
    pub(crate) packages: Vec<Part>,

    /// Compression of the packages [default: xz]
    #[arg(long, value_enum, value_name = "METHOD")]
    pub(crate) compression: Option<Compression>,

    /// OpenPGP secret key that signs SHA256SUMS, the bill of materials and the provenance; its passphrase
    /// is the first line of the file in $KPATCH_BUILD_SIGNING_PASSPHRASE_FILE [default: none]
    #[arg(long, value_name = "FILE", alias = "signing-key")]
    #[serde(alias = "signing-key")]
    pub(crate) openpgp_key: Option<PathBuf>,
}

/// A word of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatChoice {
    /// Debian and Ubuntu
    Deb,
    /// Fedora, RHEL and openSUSE
    Rpm,
    /// No packages
    None,
}

impl FormatChoice {
    /// Returns the package format; `None` for the word `none`.
    pub(crate) fn format(self) -> Option<Format> {
        match self {
            FormatChoice::Deb => Some(Format::Deb),
            FormatChoice::Rpm => Some(Format::Rpm),
            FormatChoice::None => None,
        }
    }
}

/// Whether to boot.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Boot test options")]
pub(crate) struct NoBootArgs {
    /// Skip the boot test (also allows kconfigs that cannot be booted)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        hide_possible_values = true)]
    pub(crate) no_boot: Option<bool>,
}

/// The accelerator, the debuggers and the timeout of the boot test.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Boot test options")]
pub(crate) struct GuestArgs {
    /// QEMU accelerator [default: kvm if it works on this host, else tcg]
    #[arg(long, value_enum)]
    pub(crate) accel: Option<Accel>,

    /// Debuggers to run in the guest: gdb-10, gdb-13 and gdb-16 (from Debian), host (this host's gdb and
    /// strace), all or none [default: all if a Debian mirror is known, else host]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) debuggers: Vec<String>,

    /// Boot timeout in seconds [default: 180]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) boot_deadline: Option<NonZeroU64>,
    /// The `[[allow]]` tables of the configuration file.
    #[arg(skip)]
    #[serde(default)]
    pub(crate) allow: Vec<Allowance>,
}

/// The number of parallel jobs.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Run options")]
pub(crate) struct JobsArgs {
    /// Number of parallel jobs [default: the number of processors]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// Whether the build is confined.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Run options")]
pub(crate) struct SandboxArgs {
    /// Require the sandbox of the build, which is used anyway if this host allows it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        hide_possible_values = true, conflicts_with = "no_sandbox")]
    pub(crate) sandbox: Option<bool>,

    /// Build without a sandbox
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        hide_possible_values = true)]
    pub(crate) no_sandbox: Option<bool>,
}

impl SandboxArgs {
    /// Returns the choice. `no-sandbox` wins in a file that has both.
    pub(crate) fn choice(&self) -> SandboxChoice {
        match (self.sandbox, self.no_sandbox) {
            (_, Some(true)) | (Some(false), _) => SandboxChoice::Off,
            (Some(true), _) => SandboxChoice::Required,
            (None, _) => SandboxChoice::Automatic,
        }
    }
}

/// The output directory.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Run options")]
pub(crate) struct OutArgs {
    /// Directory for packages, report.json and logs [default: dist]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// The switch that installs dependencies, for commands that build or boot.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Run options")]
pub(crate) struct InstallArgs {
    /// Install missing dependencies first (requires root)
    #[arg(long)]
    pub(crate) install_deps: bool,
}

/// Flags that every command accepts, before or after its name.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Cache directory for downloads, source trees and builds
    /// [default: kpatch-build in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,

    /// Configuration file [default: kpatch-build.toml in the working directory, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// Use only the store, never the network
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_name = "BOOL", hide_possible_values = true)]
    pub(crate) offline: Option<bool>,

    /// Check every file of the source tree and of the build directory before a build
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_name = "BOOL", hide_possible_values = true)]
    pub(crate) verify_store: Option<bool>,

    /// Progress display; json writes one event per line to standard output [default: auto]
    #[arg(long, global = true, value_enum, value_name = "MODE")]
    pub(crate) progress: Option<ProgressMode>,
}

/// Reads `lang = "rust"` and `lang = ["c", "rust"]`.
fn one_or_several<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Lang>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "lang is \"c\", \"rust\" or a list of them")]
    enum Langs {
        One(Lang),
        Several(Vec<Lang>),
    }
    Langs::deserialize(deserializer).map(|langs| match langs {
        Langs::One(lang) => vec![lang],
        Langs::Several(langs) => langs,
    })
}
