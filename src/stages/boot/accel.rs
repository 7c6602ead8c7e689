//! Finds the accelerator that works on this host.
//!
//! A `/dev/kvm` that opens proves little: under nested or emulated virtualisation a guest may still hang
//! or die. KVM must therefore run a boot sector first, then the kernel itself, both with a short
//! deadline. The store keeps the answer for this processor, host kernel and QEMU.

use std::io;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;
use serde::Serialize;

use super::error::Error;
use super::qemu;
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::error::Explain;
use crate::base::events::Stage;
use crate::base::options::Accel;
use crate::base::process;
use crate::base::store::{Bucket, Lookup};

/// Time for the boot sector; a working KVM runs the BIOS and the sector in about 0.2 s.
const SECTOR_DEADLINE: Duration = Duration::from_secs(3);
/// Time for the first boot of the kernel; a working KVM reaches user space in about a second.
pub(super) const KERNEL_DEADLINE: Duration = Duration::from_secs(15);

const KVM: &str = "/dev/kvm";
const ANSWER: &str = "accelerator";

/// The accelerator, as far as it is known before the kernel boots.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The accelerator is requested, remembered, or the only one.
    Settled(Accel),
    /// KVM ran the boot sector; the kernel is the next test.
    TryKvm(Host),
}

/// The host that an answer applies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Host {
    kernel: String,
    qemu: String,
    processor: String,
}

impl Host {
    fn of_this_machine(cx: &Context) -> Result<Host, Error> {
        let version = process::Command::new(qemu::QEMU)
            .arg("--version")
            .capture()
            .deadline(Duration::from_secs(20))
            .run(&cx.stop)
            .map_err(Error::qemu)?
            .text();
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let processor = processor.lines().find(|line| line.starts_with("model name")).unwrap_or_default();
        Ok(Host {
            kernel: format!("{} {}", read("/proc/sys/kernel/osrelease"), read("/proc/sys/kernel/version")),
            qemu: version.lines().next().unwrap_or_default().to_owned(),
            processor: processor.to_owned(),
        })
    }

    fn key(&self) -> Key {
        Key::of("accelerator", self)
    }
}

/// Chooses the requested accelerator, or finds out which one works.
pub(super) fn choose(cx: &Context, requested: Option<Accel>) -> Result<Choice, Error> {
    choose_with(cx, requested, Path::new(KVM))
}

/// [`choose`] with the path of the device.
fn choose_with(cx: &Context, requested: Option<Accel>, device: &Path) -> Result<Choice, Error> {
    // fs_err would add the path, which the messages have.
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(device);
    match (requested, opened) {
        (Some(Accel::Kvm), Err(source)) => return Err(Error::NoKvm { device: device.to_owned(), source }),
        (Some(accel), _) => return Ok(Choice::Settled(accel)),
        (None, Err(source)) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Choice::Settled(Accel::Tcg));
        }
        (None, Err(source)) => {
            let device = device.to_owned();
            let error = Error::NoKvm { device, source };
            let next = error.next_step().unwrap_or_default();
            cx.events
                .note(Stage::Boot, format!("{}: using TCG, which is slower; next: {next}", chain(&error)));
            return Ok(Choice::Settled(Accel::Tcg));
        }
        (None, Ok(_)) => {}
    }
    let host = Host::of_this_machine(cx)?;
    if let Some(accel) = remembered(cx, &host)? {
        return Ok(Choice::Settled(accel));
    }
    if runs_boot_sector(cx)? {
        return Ok(Choice::TryKvm(host));
    }
    remember(cx, &host, Accel::Tcg)?;
    cx.events.note(Stage::Boot, "KVM exists but does not run a boot sector in time: using TCG");
    Ok(Choice::Settled(Accel::Tcg))
}

/// The error and its cause in one line.
fn chain(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{error}{cause}")
}

fn remembered(cx: &Context, host: &Host) -> Result<Option<Accel>, Error> {
    let path = cx.store.path(Bucket::Hosts, host.key().as_str()).join(ANSWER);
    match fs::read_to_string(path).as_deref().map(str::trim) {
        Ok("kvm") => Ok(Some(Accel::Kvm)),
        Ok("tcg") => Ok(Some(Accel::Tcg)),
        // No answer, or one that this version does not know.
        _ => Ok(None),
    }
}

/// Stores the answer for this host, unless there is one already.
pub(super) fn remember(cx: &Context, host: &Host, accel: Accel) -> Result<(), Error> {
    if let Lookup::Miss(slot) = cx.lookup(Stage::Boot, Bucket::Hosts, host.key().as_str())? {
        let answer = match accel {
            Accel::Kvm => "kvm\n",
            Accel::Tcg => "tcg\n",
        };
        fs::write(slot.path().join(ANSWER), answer)?;
        slot.commit()?;
    }
    Ok(())
}

/// `mov dx, port; mov al, value; out dx, al; hlt`, a `jmp` back to the hlt, and the signature.
fn boot_sector() -> [u8; 512] {
    let code = [0xba, qemu::EXIT_PORT, 0x00, 0xb0, qemu::EXIT_VALUE, 0xee, 0xf4, 0xeb, 0xfd];
    let mut sector = [0; 512];
    sector[..code.len()].copy_from_slice(&code);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// Whether a boot sector ends in time.
fn runs_boot_sector(cx: &Context) -> Result<bool, Error> {
    let file = tempfile::NamedTempFile::new()?;
    let path: &Path = file.path();
    fs::write(path, boot_sector())?;
    let finished = process::Command::new(qemu::QEMU)
        .args(qemu::boot_sector(Accel::Kvm, path))
        .log(cx.log(Stage::Boot))
        .deadline(SECTOR_DEADLINE)
        .any_status()
        .run(&cx.stop);
    match finished {
        Ok(output) => Ok(output.status.code() == Some(qemu::EXIT_STATUS)),
        Err(process::Error::TimedOut { .. }) => Ok(false),
        Err(error) => Err(Error::qemu(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Exit;
    use crate::base::events::{Events, Notes};
    use crate::base::stop::Stop;
    use crate::base::store::Store;

    fn context(dir: &Path) -> Context {
        Context {
            store: Store::open(&dir.join("store")).unwrap(),
            events: Events::silent(),
            stop: Stop::default(),
            offline: true,
            logs: dir.to_owned(),
        }
    }

    fn host(kernel: &str) -> Host {
        Host { kernel: kernel.into(), qemu: "QEMU 7.2".into(), processor: "model name : x".into() }
    }

    #[test]
    fn a_requested_accelerator_is_not_probed() {
        let dir = tempfile::tempdir().unwrap();
        let cx = context(dir.path());
        let device = dir.path().join("kvm");
        fs::write(&device, "").unwrap();
        for accel in [Accel::Kvm, Accel::Tcg] {
            assert_eq!(choose_with(&cx, Some(accel), &device).unwrap(), Choice::Settled(accel));
        }
    }

    /// Returns the choice for `/dev/kvm` at `device`, and the notes.
    fn choice(requested: Option<Accel>, device: &Path) -> (Result<Choice, Error>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let notes = Notes::default();
        let cx = Context { events: notes.keep(&Events::silent()), ..context(dir.path()) };
        let choice = choose_with(&cx, requested, device);
        (choice, notes.so_far().into_iter().map(|note| note.text).collect())
    }

    #[test]
    fn a_device_that_cannot_be_opened_is_replaced_with_a_note_and_refused_on_request() {
        let dir = tempfile::tempdir().unwrap();
        // Opening a directory for writing fails for root too.
        let (automatic, notes) = choice(None, dir.path());
        assert_eq!(automatic.unwrap(), Choice::Settled(Accel::Tcg));
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(note.contains("cannot open") && note.contains("TCG") && note.contains("next: "), "{note}");
        let (requested, _) = choice(Some(Accel::Kvm), dir.path());
        let error = requested.unwrap_err();
        assert!(matches!(error, Error::NoKvm { .. }), "{error:?}");
        assert_eq!(error.exit(), Exit::HostLacks);
        assert!(error.next_step().unwrap().contains("--accel tcg"));
    }

    #[test]
    fn permission_is_a_matter_of_the_group_kvm() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let next = Error::NoKvm { device: KVM.into(), source }.next_step().unwrap();
        assert!(next.contains("group kvm"), "{next}");
    }

    #[test]
    fn a_host_without_the_device_uses_tcg_without_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let (choice, notes) = choice(None, &dir.path().join("kvm"));
        assert_eq!((choice.unwrap(), notes), (Choice::Settled(Accel::Tcg), vec![]));
    }

    #[test]
    fn an_answer_applies_to_one_host_only() {
        let dir = tempfile::tempdir().unwrap();
        let cx = context(dir.path());
        assert_eq!(remembered(&cx, &host("6.1")).unwrap(), None);
        remember(&cx, &host("6.1"), Accel::Kvm).unwrap();
        assert_eq!(remembered(&cx, &host("6.1")).unwrap(), Some(Accel::Kvm));
        assert_eq!(remembered(&cx, &host("6.2")).unwrap(), None);
    }

    #[test]
    fn the_boot_sector_has_the_signature_and_the_exit_value() {
        let sector = boot_sector();
        assert_eq!(sector[510..], [0x55, 0xaa]);
        assert!(sector.contains(&qemu::EXIT_VALUE));
    }
}
