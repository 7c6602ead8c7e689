//! One boot: QEMU from power-on until the probe ends, the guest ends, or the deadline passes.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;
use tempfile::NamedTempFile;

use super::accel::{self, Choice, Host};
use super::error::Error;
use super::qemu;
use super::records::{LineKind, Records};
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};
use crate::base::files;
use crate::base::interruptible;
use crate::base::options::Accel;
use crate::base::process::{self, Flow};
use crate::claims::console::Console;

/// Why QEMU ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The guest switched off, restarted, or died.
    Exit,
    /// This much time passed.
    Deadline(Duration),
    /// The guest wrote more than any kernel does.
    Flood,
}

/// Everything that a boot leaves behind.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) accel: Accel,
    pub(super) seconds: f64,
    pub(super) ending: Ending,
    pub(super) records: Records,
    pub(super) console: Console,
    /// The log of the console.
    pub(super) log: PathBuf,
}

/// Boots with the requested accelerator, or with the one that works on this host.
pub(super) fn run(
    cx: &Context,
    accel: Option<Accel>,
    deadline: Duration,
    image: &Path,
    initramfs: &[u8],
) -> Result<Boot, Error> {
    let mut file = NamedTempFile::new()?;
    file.write_all(initramfs)?;
    let guest = Guest { cx, image, initramfs: file.path() };
    match accel::choose(cx, accel)? {
        Choice::Settled(accel) => guest.boot(accel, deadline),
        Choice::TryKvm(host) => guest.boot_with_kvm_or_tcg(&host, deadline),
    }
}

struct Guest<'a> {
    cx: &'a Context,
    image: &'a Path,
    initramfs: &'a Path,
}

impl Guest<'_> {
    /// Boots under KVM, then under TCG if KVM is silent or does not end, and remembers which one works.
    fn boot_with_kvm_or_tcg(&self, host: &Host, deadline: Duration) -> Result<Boot, Error> {
        if let Some(boot) = self.boot_with_kvm(deadline)? {
            match boot.records.ended() {
                true => accel::remember(self.cx, host, Accel::Kvm)?,
                false => self.cx.events.note(
                    Stage::Boot,
                    "the kernel died under KVM, so the boot test fails; if this host's KVM is at fault, use --accel tcg",
                ),
            }
            return Ok(boot);
        }
        self.cx.events.note(Stage::Boot, "the guest did not end well under KVM: trying TCG");
        let boot = self.boot(Accel::Tcg, deadline)?;
        // Only a kernel that ends well under TCG proves that KVM was at fault.
        if boot.records.ended() {
            accel::remember(self.cx, host, Accel::Tcg)?;
        }
        Ok(boot)
    }

    /// `None` if the guest does not end under KVM, and the kernel does not say why.
    fn boot_with_kvm(&self, deadline: Duration) -> Result<Option<Boot>, Error> {
        let died = |boot: &Boot| boot.console.messages.oopses + boot.console.messages.panics > 0;
        let settled = |boot: Boot| (boot.records.ended() || died(&boot)).then_some(boot);
        match self.boot(Accel::Kvm, accel::KERNEL_DEADLINE.min(deadline)) {
            Err(error @ Error::Interrupted(_)) => Err(error),
            Err(_) => Ok(None),
            // The guest works, but the short deadline was not enough.
            Ok(boot) if boot.records.started() && !boot.records.ended() && !died(&boot) => {
                self.boot(Accel::Kvm, deadline).map(settled)
            }
            Ok(boot) => Ok(settled(boot)),
        }
    }

    fn boot(&self, accel: Accel, deadline: Duration) -> Result<Boot, Error> {
        let cx = self.cx;
        let log = cx.logs.join("console.log");
        // QEMU would follow a link and empty its target.
        files::remove_if_exists(&log)?;
        let started_at = Instant::now();
        let mut records = Records::default();
        let mut kvm_error = None;
        let finished = process::Command::new(qemu::QEMU)
            .args(qemu::observed(accel, self.image, self.initramfs, &log))
            .log(cx.log(Stage::Boot))
            .deadline(deadline)
            .output_file(&log)
            .on_line(|line| {
                let kind = records.read_line(line);
                cx.events.progress(Stage::Boot, started_at.elapsed().as_secs(), None, Unit::Seconds);
                // QEMU prints this error and then waits forever.
                if accel == Accel::Kvm && kind == LineKind::Foreign && line.contains("KVM internal error") {
                    kvm_error = Some(line.to_owned());
                    return Flow::Enough;
                }
                Flow::Continue
            })
            .run(&cx.stop);
        let ending = match finished {
            Ok(_) => Ending::Exit,
            Err(process::Error::TimedOut { deadline, .. }) => Ending::Deadline(deadline),
            Err(process::Error::Flood { .. }) => Ending::Flood,
            Err(error) => return Err(Error::qemu(error)),
        };
        if let Some(message) = kvm_error {
            return Err(Error::Kvm { message });
        }
        records.finish();
        let written = BufReader::new(fs::File::open(&log)?);
        // A guest can write so much that reading takes seconds.
        let console = interruptible::run(&cx.stop, move || Console::read(written))??;
        Ok(Boot { accel, seconds: started_at.elapsed().as_secs_f64(), ending, records, console, log })
    }
}
