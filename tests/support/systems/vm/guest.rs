//! One boot of a machine, in which the test runs commands.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kpatch_build::base::process::{self, set_supervisor};
use kpatch_build::base::stop::Stop;
use kpatch_build::claims::console::Console;

use super::agent::{DONE, READY};

/// Time limit from power-on until the guest accepts commands. A boot takes half a minute on an idle processor, and many
/// times that while the host builds a kernel.
const BOOT: Duration = Duration::from_secs(600);
/// Time limit for one command, such as apt with an initramfs, a module and a boot menu to build.
const COMMAND: Duration = Duration::from_secs(900);
const SHUTDOWN: Duration = Duration::from_secs(180);
/// Number of console lines that a failure prints.
const SHOWN: usize = 60;

/// The result of a command.
#[derive(Debug)]
pub struct Finished {
    pub status: i32,
    /// Both streams, as text.
    pub output: String,
}

/// A running machine. Dropping it cuts the power.
pub struct Guest {
    port: BufReader<UnixStream>,
    console: PathBuf,
    stop: Stop,
    qemu: Option<JoinHandle<Result<process::Output, process::Error>>>,
}

impl Guest {
    pub(super) fn start(args: Vec<String>, port: &Path, console: PathBuf) -> Guest {
        set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
        let stop = Stop::default();
        let (log, seen) = (console.with_extension("qemu"), stop.clone());
        let qemu = std::thread::spawn(move || {
            process::Command::new("qemu-system-x86_64").args(args).log(log).run(&seen)
        });
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(port) {
                Ok(stream) => break stream,
                Err(error) if qemu.is_finished() => {
                    panic!("QEMU did not start ({error}): {:?}", qemu.join().unwrap())
                }
                Err(error) => assert!(started.elapsed().as_secs() < 60, "{}: {error}", port.display()),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut guest = Guest { port: BufReader::new(stream), console, stop, qemu: Some(qemu) };
        // Firmware and boot loader may use this port too.
        while guest.line(started + BOOT, "booting") != READY {}
        eprintln!("booted in {:.0} s", started.elapsed().as_secs_f64());
        guest
    }

    /// Runs a shell script that must succeed. Returns both of its streams.
    pub fn must(&mut self, script: &str) -> String {
        let Finished { status, output } = self.run(script);
        assert!(status == 0, "{script}\nexit status {status}\n{output}");
        output
    }

    /// Runs a shell script and returns its result.
    pub fn run(&mut self, script: &str) -> Finished {
        let started = Instant::now();
        self.send(script);
        let answer = self.line(started + COMMAND, script);
        let (status, bytes) = answer
            .strip_prefix(DONE)
            .and_then(|rest| rest.split_once(' '))
            .unwrap_or_else(|| panic!("{script}\nanswered {answer:?}"));
        let mut output = vec![0; bytes.parse().unwrap()];
        self.port.read_exact(&mut output).expect("all of the output");
        let output = String::from_utf8_lossy(&output).into_owned();
        eprintln!("# {}  ({:.1} s)", script.trim(), started.elapsed().as_secs_f64());
        Finished { status: status.parse().unwrap(), output }
    }

    /// Returns the problems that the kernel has reported since it started.
    pub fn kernel_messages(&mut self) -> Console {
        Console::read(self.must("dmesg").as_bytes()).unwrap()
    }

    /// Shuts down, after which the machine can be booted again.
    pub fn shut_down(mut self) {
        self.send("systemctl poweroff");
        let deadline = Instant::now() + SHUTDOWN;
        let qemu = self.qemu.take().expect("the machine runs");
        while !qemu.is_finished() {
            if Instant::now() > deadline {
                self.qemu = Some(qemu);
                panic!("the guest did not shut down");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        qemu.join().unwrap().expect("QEMU exits without an error");
    }

    fn send(&mut self, script: &str) {
        let message = format!("{}\n{script}", script.len());
        self.port.get_mut().write_all(message.as_bytes()).expect("the guest listens");
    }

    /// Returns the next line, without its line ending.
    fn line(&mut self, deadline: Instant, during: &str) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.port.get_ref().set_read_timeout(Some(left)).unwrap();
            match self.port.read_until(b'\n', &mut line) {
                Ok(0) => panic!("the guest went away during: {during}"),
                Ok(_) => {}
                Err(error) => panic!("no answer in time ({error}) during: {during}"),
            }
        }
        self.port.get_ref().set_read_timeout(None).unwrap();
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(qemu) = self.qemu.take() {
            let _ = qemu.join();
        }
        if std::thread::panicking() {
            let log = fs::read(&self.console).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<_> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN)..];
            eprintln!("the end of {}:\n{}", self.console.display(), shown.join("\n"));
        }
    }
}
