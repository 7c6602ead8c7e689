//! Runs make in one `O=` directory, and follows its output.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::error::Error;
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};
use crate::base::files;
use crate::base::options::Part;
use crate::base::process::{self, Command, Flow};
use crate::base::stop::Interrupted;
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::build_file;
use crate::kernel::kbuild::diagnosis::Diagnosis;
use crate::kernel::kbuild::make::{Make, build_timestamp};
use crate::kernel::kconfig;

/// Counts objects for the progress bar.
pub(super) struct ObjectCounter<'a> {
    pub(super) cx: &'a Context,
    pub(super) done: u64,
    /// `None` if unknown.
    pub(super) total: Option<u64>,
}

impl ObjectCounter<'_> {
    /// Reads a line of make's output.
    fn read(&mut self, line: &str) {
        const STARTS: [&str; 4] = ["  CC ", "  AS ", "  HOSTCC ", "  RUSTC "];
        if STARTS.iter().any(|start| line.starts_with(start)) {
            self.done += 1;
            let total = self.total.map(|total| total.max(self.done));
            self.cx.events.progress(Stage::Build, self.done, total, Unit::Objects);
        }
    }
}

/// The build of one kernel.
pub(super) struct BuildRun<'a> {
    pub(super) cx: &'a Context,
    pub(super) plan: &'a KernelPlan,
    /// The source tree.
    pub(super) source: &'a Path,
    /// The `O=` directory.
    pub(super) dir: PathBuf,
    /// The time in the image, in seconds since the epoch.
    pub(super) timestamp: i64,
}

impl BuildRun<'_> {
    /// Builds image, modules and, if requested, the headers for programs.
    pub(super) fn build(&self, counter: &mut ObjectCounter) -> Result<(), Error> {
        self.make(counter, &["include/config/kernel.release"], |command| command)?;
        self.release()?;
        let headers = self.plan.parts.contains(&Part::LibcDev).then_some("headers");
        let targets: Vec<_> = ["bzImage", "modules"].into_iter().chain(headers).collect();
        self.make(counter, &targets, |command| command)
    }

    /// Copies image, System.map, configuration and modules to the directory `to`.
    pub(super) fn collect(&self, to: &Path, counter: &mut ObjectCounter) -> Result<(), Error> {
        self.install_modules(counter, &to.join("modules"))?;
        for (from, name) in
            [("arch/x86/boot/bzImage", "bzImage"), ("System.map", "System.map"), (".config", "config")]
        {
            fs::copy(build_file::existing(&self.dir, from)?, to.join(name))?;
        }
        Ok(())
    }

    /// Whether `.config` sets `CONFIG_<symbol>=y`.
    pub(super) fn has_option(&self, symbol: &str) -> Result<bool, Error> {
        let setting = format!("CONFIG_{symbol}=y");
        Ok(build_file::text(&self.dir, ".config")?.lines().any(|line| line == setting))
    }

    fn make<'c>(
        &self,
        counter: &mut ObjectCounter,
        targets: &[&str],
        extend: impl FnOnce(Command<'c>) -> Command<'c>,
    ) -> Result<(), Error> {
        let make = Make {
            cx: self.cx,
            plan: self.plan,
            tree: self.source,
            build_dir: &self.dir,
            stage: Stage::Build,
        };
        let mut diagnosis = Diagnosis::new(self.source);
        let command = extend(make.command())
            .env("KBUILD_BUILD_TIMESTAMP", build_timestamp(self.timestamp))
            .arg(format!("-j{}", self.plan.jobs.max(1)))
            .args(targets);
        let result = follow(command, |line| {
            counter.read(line);
            diagnosis.read(line);
        })
        .run(&self.cx.stop);
        result.map(|_| ()).map_err(|error| self.explain(error, diagnosis))
    }

    fn explain(&self, error: process::Error, diagnosis: Diagnosis) -> Error {
        let log = self.cx.log(Stage::Build);
        match error {
            process::Error::Interrupted { .. } => Interrupted.into(),
            // make exits with 2 when a recipe fails; any other status means that make itself died.
            process::Error::Failed { ref status, ref tail, .. } if status.code() == Some(2) => {
                // Not every program says it: the echo of dash prints "I/O error".
                if diagnosis.disk_full || files::is_disk_full(&self.dir) {
                    return Error::DiskFull { log };
                }
                if let Some(missing) = diagnosis.missing {
                    return Error::MissingTool { missing, log };
                }
                match diagnosis.first_error() {
                    Some(first) => Error::Compile { first, log, tail: tail.clone() },
                    None => Error::Make { source: error, log },
                }
            }
            source => Error::Make { source, log },
        }
    }

    /// The kernel release that the build uses. The tree's own `localversion*` files add to it, as `localversion-rt` of the
    /// real-time patches does (scripts/setlocalversion).
    fn release(&self) -> Result<String, Error> {
        let found = build_file::text(&self.dir, "include/config/kernel.release")?.trim().to_owned();
        let (start, end) = (self.plan.release.kernel_version().to_string(), &self.plan.localversion);
        let own = found.strip_prefix(&start).and_then(|rest| rest.strip_suffix(end.as_str()));
        // As in --localversion: capitals and underscores would be folded in a package's name.
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-+.".contains(c);
        if !own.is_some_and(|own| own.chars().all(allowed)) {
            return Err(Error::KernelRelease { expected: self.plan.kernel_release(), found });
        }
        kconfig::check_release(found.clone())?;
        Ok(found)
    }

    fn install_modules(&self, counter: &mut ObjectCounter, root: &Path) -> Result<(), Error> {
        let modules = root.join("lib/modules").join(self.release()?);
        if self.has_option("MODULES")? {
            let path = root.as_os_str().to_owned();
            // Packaging and the boot test run depmod; the build must not need it.
            fs::create_dir_all(root)?;
            self.make(counter, &["modules_install"], |command| {
                command
                    .writes(root)
                    .env("INSTALL_MOD_PATH", path)
                    .env("INSTALL_MOD_STRIP", "1")
                    .arg("DEPMOD=true")
            })?;
        } else {
            fs::create_dir_all(&modules)?;
            for name in ["modules.builtin", "modules.builtin.modinfo"] {
                if self.dir.join(name).exists() {
                    fs::copy(build_file::existing(&self.dir, name)?, modules.join(name))?;
                }
            }
        }
        let modules = build_file::existing(root, Path::new("lib/modules").join(self.release()?))?;
        // These links point to directories of this machine.
        for link in ["build", "source"] {
            files::remove_if_exists(&modules.join(link))?;
        }
        Ok(())
    }
}

fn follow<'c>(command: Command<'c>, mut read: impl FnMut(&str) + 'c) -> Command<'c> {
    command.on_line(move |line| {
        read(line);
        Flow::Continue
    })
}
