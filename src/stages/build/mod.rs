//! Build: from a configured tree to image and modules.

mod debug;
mod headers;
mod objcopy;
mod parts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use parts::Places;
use sha2::{Digest, Sha256};

use crate::base::cache_key::{Key, hex};
use crate::base::context::Context;
use crate::base::error::{Exit, Explain};
use crate::base::events::{Stage, Unit};
use crate::base::options::Part;
use crate::base::process::{self, Flow};
use crate::base::stage_result::StageResult;
use crate::base::store::{self, Entry};
use crate::base::x509::Identity;
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::build_dir::{self, BuildFolder};
use crate::kernel::kbuild::diagnosis::{Diagnosis, Finding, Missing};
use crate::kernel::kbuild::make::{Make, build_timestamp};
use crate::kernel::kbuild::{Finished, result_key};
use crate::stages::configure::{KernelConfig, Place};
use crate::stages::patch::PatchedTree;

/// Below [`Part::Headers`], the name under which kbuild looks for the kernel's BTF.
pub const BTF_BASE: &str = "vmlinux";

/// A finished kernel in the store's results.
#[derive(Debug)]
pub struct KernelBuild {
    pub entry: Entry,
    /// What the plan's packages need beside the image.
    pub parts: BTreeMap<Part, Entry>,
    /// `uname -r`.
    pub release: String,
    pub image_sha256: String,
    pub config_sha256: String,
    /// Seconds since the epoch: goes into every package.
    pub timestamp: i64,
    pub key: Key,
    /// `None` for what [`build`] returns; [`crate::stages::secure_boot::sign`] says who.
    pub signed_by: Option<Identity>,
    /// An earlier run had built it.
    pub cached: bool,
}

impl KernelBuild {
    pub fn image(&self) -> PathBuf {
        self.entry.path().join("bzImage")
    }

    pub fn system_map(&self) -> PathBuf {
        self.entry.path().join("System.map")
    }

    pub fn config(&self) -> PathBuf {
        self.entry.path().join("config")
    }

    /// Holds `lib/modules/<release>` as `modules_install` made it, stripped, with
    /// `modules.builtin` and `modules.order` but without depmod's files.
    pub fn modules(&self) -> PathBuf {
        self.entry.path().join("modules")
    }

    /// The folder that holds a part's files.
    ///
    /// - [`Part::Headers`]: what lies in `build` of an out-of-tree module;
    /// - [`Part::Debug`]: `vmlinux`, and of each module `kernel/….ko`;
    /// - [`Part::LibcDev`]: `linux/….h`, `asm/….h` and so on.
    pub fn part(&self, part: Part) -> Option<&Path> {
        self.parts.get(&part).map(Entry::path)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `finding` is the first error of the whole build.
    #[error("{finding}")]
    Compile { finding: Finding, log: PathBuf, tail: Vec<String> },
    #[error("{missing}")]
    MissingTool { missing: Missing, log: PathBuf },
    #[error("the disk is full")]
    DiskFull { log: PathBuf },
    #[error("the tree calls its kernel {found:?} instead of {expected:?}")]
    KernelRelease { expected: String, found: String },
    #[error("the kernel that the store has cannot be built again bit for bit")]
    AnotherImage { stored: PathBuf },
    #[error("cannot take the debug information out of {}", file.display())]
    Objcopy { file: PathBuf, source: process::Error },
    #[error("make failed")]
    Make { source: process::Error, log: PathBuf },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Folder(#[from] build_dir::Error),
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::MissingTool { .. } | Error::DiskFull { .. } => Exit::HostLacks,
            Error::Make { source: process::Error::Missing { .. }, .. }
            | Error::Objcopy { source: process::Error::Missing { .. }, .. } => Exit::HostLacks,
            Error::Store(store::Error::Interrupted { .. }) | Error::Interrupted => Exit::Interrupted,
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::AnotherImage { stored } => vec![
                "an earlier run kept the kernel without the parts that these packages need".to_owned(),
                format!("kept in {}", stored.display()),
            ],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::MissingTool { .. } => Some("run kpatch-build doctor".to_owned()),
            Error::DiskFull { .. } => {
                Some("free some space; kpatch-build cache shows what the store holds".to_owned())
            }
            Error::AnotherImage { .. } => {
                Some("remove that folder; the next run builds both anew".to_owned())
            }
            Error::KernelRelease { .. } => Some("look for a localversion file in the tree".to_owned()),
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Compile { log, tail, .. } => (Some(log), tail),
            Error::MissingTool { log, .. } | Error::DiskFull { log } => (Some(log), &[]),
            Error::Make { source, log } => (Some(log), source.log_and_tail().1),
            Error::Objcopy { source, .. } => source.log_and_tail(),
            _ => (None, &[]),
        }
    }
}

pub fn build(
    cx: &Context,
    plan: &KernelPlan,
    tree: &PatchedTree,
    config: KernelConfig,
) -> Result<KernelBuild, Error> {
    let timestamp = plan.time_of(tree.tree.released_at);
    let key = result_key(plan, timestamp, &config.key);
    let (finished, cached) = match config.at {
        Place::Finished(finished) => (finished, true),
        Place::Folder(folder) => match Finished::find(cx, Stage::Build, plan, &key)? {
            Some(finished) => (finished, true),
            None => (make_kernel(cx, plan, tree, folder, &key)?, false),
        },
    };
    let Finished { kernel: entry, parts } = finished;
    let image = entry.path().join("bzImage");
    let bytes = fs::read(&image).map_err(io_error("read", &image))?;
    Ok(KernelBuild {
        image_sha256: hex(&Sha256::digest(bytes)),
        entry,
        parts,
        release: plan.kernel_release(),
        config_sha256: config.config_sha256,
        timestamp,
        key,
        signed_by: None,
        cached,
    })
}

fn make_kernel(
    cx: &Context,
    plan: &KernelPlan,
    tree: &PatchedTree,
    mut folder: BuildFolder,
    key: &Key,
) -> Result<Finished, Error> {
    let places = Places::of(cx, plan, key)?;
    let before = folder.objects();
    // A folder that has been complete once is brought up to date: nobody knows how much that is.
    let (done, total) = match before {
        Some(_) => (0, None),
        None => (folder.count_objects(&cx.stop)?, plan.kconfig.objects),
    };
    let source = tree.path();
    let run = Run { cx, plan, tree, source: &source, folder: folder.path().to_owned() };
    folder.begin()?;
    let mut counter = Counter { cx, done, total };
    let made = run.build(&mut counter).and_then(|()| places.fill(&run, |slot| run.keep(slot, &mut counter)));
    // After a kill the mark stays: only a make that ended by itself has cleaned up.
    if !matches!(made, Err(Error::Interrupted)) && !matches!(&made, Err(Error::Make { .. })) {
        folder.finish()?;
    }
    let made = made?;
    if before.is_none() {
        let objects = folder.count_objects(&cx.stop)?;
        folder.set_objects(objects)?;
    }
    Ok(made)
}

/// A part belongs to the image that was built with it.
fn same_image(run: &Run, entry: &Entry) -> Result<(), Error> {
    let (built, stored) = (run.folder.join("arch/x86/boot/bzImage"), entry.path().join("bzImage"));
    let read = |path: &Path| fs::read(path).map_err(io_error("read", path));
    if read(&built)? == read(&stored)? {
        return Ok(());
    }
    Err(Error::AnotherImage { stored: entry.path().to_owned() })
}

struct Counter<'a> {
    cx: &'a Context,
    done: u64,
    total: Option<u64>,
}

impl Counter<'_> {
    fn see(&mut self, line: &str) {
        const MAKES_AN_OBJECT: [&str; 4] = ["  CC ", "  AS ", "  HOSTCC ", "  RUSTC "];
        if MAKES_AN_OBJECT.iter().any(|start| line.starts_with(start)) {
            self.done += 1;
            let total = self.total.map(|total| total.max(self.done));
            self.cx.events.progress(Stage::Build, self.done, total, Unit::Objects);
        }
    }
}

struct Run<'a> {
    cx: &'a Context,
    plan: &'a KernelPlan,
    tree: &'a PatchedTree,
    source: &'a Path,
    folder: PathBuf,
}

impl Run<'_> {
    fn build(&self, counter: &mut Counter) -> Result<(), Error> {
        self.make(counter, &["include/config/kernel.release"], |command| command)?;
        self.check_release()?;
        let headers = self.plan.parts.contains(&Part::LibcDev).then_some("headers");
        let targets: Vec<_> = ["bzImage", "modules"].into_iter().chain(headers).collect();
        self.make(counter, &targets, |command| command)
    }

    fn keep(&self, result: &Path, counter: &mut Counter) -> Result<(), Error> {
        self.install_modules(counter, &result.join("modules"))?;
        for (from, to) in
            [("arch/x86/boot/bzImage", "bzImage"), ("System.map", "System.map"), (".config", "config")]
        {
            copy(&self.folder.join(from), &result.join(to))?;
        }
        Ok(())
    }

    fn make<'c>(
        &self,
        counter: &mut Counter,
        targets: &[&str],
        more: impl FnOnce(process::Command<'c>) -> process::Command<'c>,
    ) -> Result<(), Error> {
        let make = Make {
            cx: self.cx,
            plan: self.plan,
            kconfig: &self.plan.kconfig,
            tree: self.source,
            folder: &self.folder,
            stage: Stage::Build,
        };
        let mut diagnosis = Diagnosis::new(self.source);
        let command = more(make.command())
            .env("KBUILD_BUILD_TIMESTAMP", build_timestamp(self.plan.time_of(self.tree.tree.released_at)))
            .arg(format!("-j{}", self.plan.jobs.max(1)))
            .args(targets);
        let made = watch(command, |line| {
            counter.see(line);
            diagnosis.see(line);
        })
        .run(&self.cx.stop);
        made.map(|_| ()).map_err(|error| self.explain(error, diagnosis))
    }

    fn explain(&self, error: process::Error, diagnosis: Diagnosis) -> Error {
        let log = self.cx.log(Stage::Build);
        match error {
            process::Error::Interrupted { .. } => Error::Interrupted,
            // Make itself ends with 2 when a recipe failed; anything else is a make that died.
            process::Error::Failed { ref status, ref tail, .. } if status.code() == Some(2) => {
                if diagnosis.disk_full {
                    return Error::DiskFull { log };
                }
                if let Some(missing) = diagnosis.missing {
                    return Error::MissingTool { missing, log };
                }
                match diagnosis.finding() {
                    Some(finding) => Error::Compile { finding, log, tail: tail.clone() },
                    None => Error::Make { source: error, log },
                }
            }
            source => Error::Make { source, log },
        }
    }

    fn check_release(&self) -> Result<(), Error> {
        let path = self.folder.join("include/config/kernel.release");
        let found = fs::read_to_string(&path).map_err(io_error("read", &path))?.trim().to_owned();
        let expected = self.plan.kernel_release();
        if found == expected { Ok(()) } else { Err(Error::KernelRelease { expected, found }) }
    }

    fn install_modules(&self, counter: &mut Counter, root: &Path) -> Result<(), Error> {
        let release = root.join("lib/modules").join(self.plan.kernel_release());
        let config = self.folder.join(".config");
        let text = fs::read_to_string(&config).map_err(io_error("read", &config))?;
        if text.lines().any(|line| line == "CONFIG_MODULES=y") {
            let path = root.as_os_str().to_owned();
            // depmod's files are made by whoever packages or boots; make must not need depmod.
            self.make(counter, &["modules_install"], |command| {
                command.env("INSTALL_MOD_PATH", path).env("INSTALL_MOD_STRIP", "1").arg("DEPMOD=true")
            })?;
        } else {
            fs::create_dir_all(&release).map_err(io_error("create", &release))?;
            for name in ["modules.builtin", "modules.builtin.modinfo"] {
                let built = self.folder.join(name);
                if built.exists() {
                    copy(&built, &release.join(name))?;
                }
            }
        }
        // They point to this machine's folders.
        for link in ["build", "source"] {
            let path = release.join(link);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn watch<'c>(command: process::Command<'c>, mut see: impl FnMut(&str) + 'c) -> process::Command<'c> {
    command.on_line(move |line| {
        see(line);
        Flow::Continue
    })
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map(|_| ()).map_err(io_error("copy", from))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

impl StageResult for KernelBuild {
    fn cached(&self) -> bool {
        self.cached
    }

    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        self.release.clone()
    }
}
