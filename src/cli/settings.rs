//! Settings: the merged choices of the command line and the configuration file; the command line wins.

use std::path::Path;

use clap::Args;
use serde::Deserialize;

use super::flags::{
    CompilerArgs, GlobalArgs, GuestArgs, InstallArgs, JobsArgs, KernelArgs, NoBootArgs, OutArgs, PackageArgs,
    ReleaseArgs, SandboxArgs, SeriesArgs, SourceArgs,
};

/// All groups of flags: those of a whole run.
///
/// An unset field is `None` or an empty list; its default depends on the command.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// `--release`.
    #[command(flatten)]
    pub(crate) release: ReleaseArgs,
    /// Where the source comes from.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The patches.
    #[command(flatten)]
    pub(crate) series: SeriesArgs,
    /// The kernel's configuration, name and keys.
    #[command(flatten)]
    pub(crate) kernel: KernelArgs,
    /// `--cc`.
    #[command(flatten)]
    pub(crate) compiler: CompilerArgs,
    /// The packages.
    #[command(flatten)]
    pub(crate) package: PackageArgs,
    /// `--no-boot`.
    #[command(flatten)]
    pub(crate) no_boot: NoBootArgs,
    /// The boot test.
    #[command(flatten)]
    pub(crate) guest: GuestArgs,
    /// `--out`.
    #[command(flatten)]
    pub(crate) out: OutArgs,
    /// `--jobs`.
    #[command(flatten)]
    pub(crate) jobs: JobsArgs,
    /// `--sandbox` and `--no-sandbox`.
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
    /// `--install-deps`, for commands that have it; not in the configuration file.
    #[arg(skip)]
    pub(crate) install: InstallArgs,
    /// Flags of every command, defined once for all of them.
    #[arg(skip)]
    pub(crate) global: GlobalArgs,
}

/// Fills unset fields.
trait Merge {
    /// Returns `self` with unset fields from `fallback`.
    fn or(self, fallback: Self) -> Self;
}

impl<T> Merge for Option<T> {
    fn or(self, fallback: Self) -> Self {
        Option::or(self, fallback)
    }
}

impl<T> Merge for Vec<T> {
    fn or(self, fallback: Self) -> Self {
        if self.is_empty() { fallback } else { self }
    }
}

impl Merge for InstallArgs {
    fn or(self, fallback: Self) -> Self {
        InstallArgs { install_deps: self.install_deps || fallback.install_deps }
    }
}

/// The two flags contradict each other, so one of the command line replaces both of the file.
impl Merge for SandboxArgs {
    fn or(self, fallback: Self) -> Self {
        if self == SandboxArgs::default() { fallback } else { self }
    }
}

/// Merges field by field; a list that lacks a field does not compile.
macro_rules! merge {
    ($($group:ident { $($field:ident),+ })+) => {
        $(impl Merge for $group {
            fn or(self, fallback: Self) -> Self {
                $group { $($field: Merge::or(self.$field, fallback.$field)),+ }
            }
        })+
    };
}

merge! {
    ReleaseArgs { release }
    SourceArgs { source, kernel_org_mirror, debian_mirror, accept_stale_index, keyring, no_verify }
    SeriesArgs { series, lang }
    KernelArgs { kconfig, strict_kconfig, localversion, revision, secure_boot_key, secure_boot_cert }
    CompilerArgs { cc }
    PackageArgs { format, packages, compression, openpgp_key }
    NoBootArgs { no_boot }
    GuestArgs { accel, debuggers, boot_deadline, allow }
    OutArgs { out }
    JobsArgs { jobs }
    GlobalArgs { store, config, offline, verify_store, progress }
    Settings { release, source, series, kernel, compiler, package, no_boot, guest, out, jobs, sandbox, install, global }
}

impl Settings {
    /// Returns these settings, with unset ones from `fallback`.
    pub(crate) fn or(self, fallback: Settings) -> Settings {
        Merge::or(self, fallback)
    }

    /// Reads every group from the same TOML text. A key that belongs to no group is the caller's concern.
    ///
    /// # Errors
    /// The text is not TOML, or a value has the wrong type.
    pub(super) fn parse(text: &str) -> Result<Settings, toml::de::Error> {
        fn group<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, toml::de::Error> {
            toml::from_str(text)
        }
        Ok(Settings {
            release: group(text)?,
            source: group(text)?,
            series: group(text)?,
            kernel: group(text)?,
            compiler: group(text)?,
            package: group(text)?,
            no_boot: group(text)?,
            guest: group(text)?,
            out: group(text)?,
            jobs: group(text)?,
            sandbox: group(text)?,
            install: InstallArgs::default(),
            global: group(text)?,
        })
    }

    /// Makes relative paths relative to `dir` instead of the working directory.
    pub(super) fn resolve_paths(&mut self, dir: &Path) {
        let paths = [
            &mut self.out.out,
            &mut self.source.keyring,
            &mut self.package.openpgp_key,
            &mut self.global.store,
            &mut self.kernel.secure_boot_key,
            &mut self.kernel.secure_boot_cert,
        ];
        for path in paths.into_iter().flatten() {
            *path = dir.join(&*path);
        }
        if let Some(source) = self.source.source.as_mut() {
            resolve_source(source, dir);
        }
        // A name without a slash is a shipped one, or one in PATH; `./x` is a path.
        let names =
            self.kernel.kconfig.iter_mut().chain(&mut self.series.series).chain(&mut self.compiler.cc);
        for name in names.filter(|name| name.contains('/')) {
            *name = dir.join(&*name).to_string_lossy().into_owned();
        }
    }
}

/// Resolves the path in a `--source`; leaves addresses alone.
fn resolve_source(source: &mut String, dir: &Path) {
    for form in ["dir:", "tarball:", "git:"] {
        if let Some(location) = source.strip_prefix(form).filter(|location| !location.contains("://")) {
            *source = format!("{form}{}", dir.join(location).display());
            return;
        }
    }
}

/// Defines the flags of a command as a list of groups, with their conversion into [`Settings`].
macro_rules! command_flags {
    ($(#[$documentation:meta])* $name:ident { $($group:ident: $flags:ident),+ }) => {
        $(#[$documentation])*
        #[derive(clap::Args, Clone, Debug)]
        pub(crate) struct $name {
            $(#[command(flatten)] $group: $flags),+
        }

        impl $name {
            /// Returns the flags as settings.
            pub(crate) fn settings(&self) -> Settings {
                let $name { $($group),+ } = self.clone();
                Settings { $($group,)+ ..Settings::default() }
            }
        }
    };
}

pub(super) use command_flags;
