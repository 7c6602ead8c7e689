//! One boot: QEMU from power-on until the probe has said all, or the guest is given up.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::accel::{self, Choice};
use super::console::Console;
use super::records::{Line, Records};
use super::{Error, qemu};
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};
use crate::base::options::Accel;
use crate::base::process::{self, Flow};

/// How QEMU came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself: the guest switched off, restarted, or died.
    Exit,
    Deadline(Duration),
}

/// What a boot left behind.
#[derive(Debug)]
pub struct Boot {
    pub accel: Accel,
    pub seconds: f64,
    pub ending: Ending,
    pub records: Records,
    pub console: Console,
    /// Where the console's text is.
    pub log: PathBuf,
}

/// Boots with the accelerator that was asked for or that works here.
pub fn run(
    cx: &Context,
    accel: Option<Accel>,
    deadline: Duration,
    image: &Path,
    initramfs: &[u8],
) -> Result<Boot, Error> {
    let file = write_initramfs(initramfs)?;
    let boot = |accel, deadline| boot(cx, accel, image, file.path(), deadline);
    let host = match accel::choose(cx, accel)? {
        Choice::Settled(accel) => return boot(accel, deadline),
        Choice::TryKvm(host) => host,
    };
    match boot(Accel::Kvm, accel::KERNEL_DEADLINE.min(deadline)) {
        Ok(guest) if guest.records.ended() => {
            accel::remember(cx, &host, Accel::Kvm)?;
            return Ok(guest);
        }
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        // It came up, but had not all the time that it may take.
        Ok(guest) if guest.records.started() => {
            let guest = boot(Accel::Kvm, deadline)?;
            if guest.records.ended() {
                accel::remember(cx, &host, Accel::Kvm)?;
                return Ok(guest);
            }
        }
        _ => {}
    }
    cx.events.note(Stage::Boot, "the guest did not end well under KVM: trying TCG");
    let under_tcg = boot(Accel::Tcg, deadline)?;
    // Only a kernel that does well under TCG shows that it was KVM's fault.
    if under_tcg.records.ended() {
        accel::remember(cx, &host, Accel::Tcg)?;
    }
    Ok(under_tcg)
}

fn write_initramfs(content: &[u8]) -> Result<tempfile::NamedTempFile, Error> {
    let write = || {
        let mut file = tempfile::NamedTempFile::new()?;
        std::io::Write::write_all(&mut file, content)?;
        Ok(file)
    };
    write().map_err(|source| Error::Io { action: "write", path: std::env::temp_dir(), source })
}

fn boot(
    cx: &Context,
    accel: Accel,
    image: &Path,
    initramfs: &Path,
    deadline: Duration,
) -> Result<Boot, Error> {
    let log = cx.logs.join("console.log");
    let started = Instant::now();
    let mut records = Records::default();
    let mut kvm_error = None;
    let ran = process::Command::new(qemu::QEMU)
        .args(qemu::observed(accel, image, initramfs, &log))
        .log(cx.log(Stage::Boot))
        .deadline(deadline)
        .on_line(|line| {
            let known = records.line(line);
            cx.events.progress(Stage::Boot, started.elapsed().as_secs(), None, Unit::Seconds);
            // QEMU prints this and then stands still.
            if known == Line::Foreign && line.contains("KVM internal error") {
                kvm_error = Some(line.to_owned());
                return Flow::Enough;
            }
            Flow::Continue
        })
        .run(&cx.stop);
    let ending = match ran {
        Ok(_) => Ending::Exit,
        Err(process::Error::TimedOut { deadline, .. }) => Ending::Deadline(deadline),
        Err(error) => return Err(Error::qemu(error)),
    };
    if let Some(message) = kvm_error {
        return Err(Error::Kvm { message });
    }
    records.finish();
    let text =
        std::fs::read(&log).map_err(|source| Error::Io { action: "read", path: log.clone(), source })?;
    Ok(Boot {
        accel,
        seconds: started.elapsed().as_secs_f64(),
        ending,
        records,
        console: Console::read(&text),
        log,
    })
}
