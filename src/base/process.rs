//! Starts external programs; no other module does.
//!
//! Every program runs below a small supervisor: this binary again, in its own session,
//! with a pipe (the lifeline) from the tool as its standard input. When the lifeline closes,
//! because the tool closed it or was killed, the supervisor kills its descendants and ends.
//! The supervisor is their subreaper, so it finds even those in another process group or session.
//!
//! The supervisor has a guard between itself and the program, with a lifeline of its own, which does the same. If one of
//! tool, supervisor and guard is killed, or tool and supervisor are, another one ends the program; if supervisor and
//! guard are killed, the tool ends their process group. The guard's command line does not name the tool, so a pkill(1)
//! of the tool's name does not find the guard. Nothing outlives the run, not even after SIGKILL.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::base::confinement::{self, CONFINE, Confinement, Mechanism};
use crate::base::program_name as name;
use crate::base::stop::Stop;
use crate::base::text::{shortened, visible};

/// First argument that makes this binary the supervisor.
pub const SUPERVISE: &str = "__supervise";
/// Like [`SUPERVISE`], for a program that runs on the user's terminal.
pub const SUPERVISE_TERMINAL: &str = "__supervise-terminal";
/// Like [`SUPERVISE`], for unshare(1), which starts this binary again: its standard input is this binary.
const SUPERVISE_NAMESPACES: &str = "__supervise-namespaces";
/// Like [`SUPERVISE`], for bwrap(1).
const SUPERVISE_BUBBLEWRAP: &str = "__supervise-bubblewrap";
/// First argument that makes this binary the guard; the mode of its supervisor follows.
const GUARD: &str = "__guard";

/// Lines kept for the error message when a program fails.
const TAIL_LINES: usize = 20;
/// Bytes of standard output kept for [`Command::capture`].
const CAPTURE_LIMIT: u64 = 64 << 20;
/// Longest line in bytes; a program that prints no newline must not fill the memory.
const LINE_LIMIT: u64 = 64 << 10;
/// Lines that wait for the tool; then the program waits.
const QUEUED_LINES: usize = 64;
/// Bytes of output, besides captured output, after which a program is ended. A build that prints every command takes
/// some megabytes.
const OUTPUT_LIMIT: u64 = 256 << 20;
/// A shorter line counts as this many bytes, because each line costs time.
const SHORTEST_LINE: u64 = 256;

static SUPERVISOR: OnceLock<PathBuf> = OnceLock::new();

/// Sets the supervisor binary. Tests need this: their own binary is not the tool.
pub fn set_supervisor(path: impl Into<PathBuf>) {
    let _ = SUPERVISOR.set(path.into());
}

/// A program was not started, or did not end as expected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program does not exist.
    #[error("{program} is not installed (not found in PATH)")]
    Missing {
        /// Its name or path.
        program: String,
    },
    /// The program exists but cannot be started.
    #[error("cannot start {program}")]
    Spawn {
        /// Its name or path.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// The program failed.
    #[error("{program} {}", ended(status))]
    Failed {
        /// Its name or path.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of output.
        tail: Vec<String>,
        /// The log, if one was requested.
        log: Option<PathBuf>,
    },
    /// The program printed more than any build does.
    #[error("{program} printed more than {} MiB", OUTPUT_LIMIT >> 20)]
    Flood {
        /// Its name or path.
        program: String,
        /// The last lines of output.
        tail: Vec<String>,
        /// The log with the output.
        log: Option<PathBuf>,
    },
    /// The program exceeded its deadline.
    #[error("{program} was still running after {} s", deadline.as_secs())]
    TimedOut {
        /// Its name or path.
        program: String,
        /// The deadline.
        deadline: Duration,
        /// The last lines of output.
        tail: Vec<String>,
        /// The log, if one was requested.
        log: Option<PathBuf>,
    },
    /// The stop flag was set.
    #[error("{program} was interrupted")]
    Interrupted {
        /// Its name or path.
        program: String,
    },
    /// The log cannot be written.
    #[error("cannot write the log {}", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The output cannot be read.
    #[error("cannot read the output of {program}")]
    Output {
        /// Its name or path.
        program: String,
        /// The cause.
        source: io::Error,
    },
}

impl Error {
    /// The path of the log and the last lines of output, if any.
    pub fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Failed { log, tail, .. }
            | Error::TimedOut { log, tail, .. }
            | Error::Flood { log, tail, .. } => (log.as_deref(), tail),
            _ => (None, &[]),
        }
    }
}

fn ended(status: &ExitStatus) -> String {
    // Like a shell, the supervisor reports a signal as 128 plus its number.
    match status.code() {
        Some(code) if code > 128 => format!("was killed by signal {}", code - 128),
        Some(code) => format!("ended with exit status {code}"),
        None => format!("was killed by signal {}", status.signal().unwrap_or(0)),
    }
}

/// The result of a program that succeeded.
#[derive(Debug)]
pub struct Output {
    /// Standard output, only with [`Command::capture`].
    pub stdout: Vec<u8>,
    /// The last lines of output.
    pub tail: Vec<String>,
    /// Success, unless [`Command::any_status`] was set.
    pub status: ExitStatus,
}

impl Output {
    /// Standard output as text; invalid UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

type OnLine<'a> = Box<dyn FnMut(&str) -> Flow + 'a>;

/// Answer of a line handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Keep the program running.
    Continue,
    /// The caller has seen enough: end the program now and count this as success.
    Enough,
}

/// A program to run. Of this process's environment it inherits only the variables that [`Command::env`] lists.
pub struct Command<'a> {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    deadline: Option<Duration>,
    log: Option<PathBuf>,
    output_file: Option<PathBuf>,
    capture: bool,
    any_status: bool,
    on_line: Option<OnLine<'a>>,
    confinement: Option<Confinement>,
}

impl<'a> Command<'a> {
    /// Prepares `program`, which is looked up in `PATH` unless it contains a slash.
    pub fn new(program: impl AsRef<OsStr>) -> Command<'a> {
        Command {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            deadline: None,
            log: None,
            output_file: None,
            capture: false,
            any_status: false,
            on_line: None,
            confinement: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable, besides `PATH`, `HOME`, `TMPDIR`, `LC_ALL=C` and `TZ=UTC`.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// As [`Command::env`], for several variables.
    pub fn envs<V: AsRef<OsStr>>(self, variables: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        variables.into_iter().fold(self, |command, (name, value)| command.env(name, value))
    }

    /// Sets the working directory.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Ends the program after this time; [`Command::run`] then fails.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Appends the command line and all output to this file.
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Keeps standard output (at most 64 MiB) for [`Output::stdout`] instead of splitting it into lines.
    pub fn capture(mut self) -> Self {
        self.capture = true;
        self
    }

    /// Counts any exit status as success; the caller checks [`Output::status`].
    pub fn any_status(mut self) -> Self {
        self.any_status = true;
        self
    }

    /// Runs the program in a sandbox. `HOME` and `/tmp` are then empty directories of its own.
    pub fn confined(mut self, confinement: impl Into<Option<Confinement>>) -> Self {
        self.confinement = confinement.into();
        self
    }

    /// Lets a confined program read and write `path`.
    pub fn writes(mut self, path: impl Into<PathBuf>) -> Self {
        self.confinement = self.confinement.map(|confinement| confinement.writable(path));
        self
    }

    /// Calls `handler` for each line of both streams, without its line ending.
    pub fn on_line(mut self, handler: impl FnMut(&str) -> Flow + 'a) -> Self {
        self.on_line = Some(Box::new(handler));
        self
    }

    /// Names a file that the program writes besides its output: it counts against the limit of the output.
    pub fn output_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.output_file = Some(path.into());
        self
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// The program is missing, cannot be started, fails, exceeds its deadline, or `stop` is set.
    pub fn run(mut self, stop: &Stop) -> Result<Output, Error> {
        let mut log = self.open_log()?;
        let mut child = self.spawn(Stdio::piped(), Stdio::piped(), SUPERVISE)?;
        let lifeline = child.stdin.take();
        let (sender, lines) = sync_channel(QUEUED_LINES);
        let stderr = pump(child.stderr.take().expect("piped"), sender.clone());
        let stdout = child.stdout.take().expect("piped");
        let stdout = if self.capture {
            let done = sender;
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let result = stdout.take(CAPTURE_LIMIT).read_to_end(&mut bytes).map(|_| bytes);
                drop(done);
                result
            })
        } else {
            let pumped = pump(stdout, sender);
            std::thread::spawn(move || pumped.join().expect("pump does not panic").map(|()| Vec::new()))
        };

        let mut tail = VecDeque::new();
        let end = self.follow(&mut child, &lines, &mut tail, log.as_mut(), stop);
        // Closing the lifeline ends a program that is still running.
        drop(lifeline);
        // A pump that waits for room in the queue would wait for ever.
        drop(lines);
        let status = child.wait();
        let program = self.name();
        let read =
            stderr.join().expect("pump does not panic").and(stdout.join().expect("pump does not panic"));
        let end = end?;
        let status = status.map_err(|source| Error::Output { program: program.clone(), source })?;
        let stdout = read.map_err(|source| Error::Output { program: program.clone(), source })?;
        let tail = Vec::from(tail);
        match end {
            End::Stopped => Err(Error::Interrupted { program }),
            End::Deadline(deadline) => Err(Error::TimedOut { program, deadline, tail, log: self.log }),
            End::Flood => Err(Error::Flood { program, tail, log: self.log }),
            End::Enough => Ok(Output { stdout, tail, status: ExitStatus::default() }),
            End::Exit if status.success() || self.any_status => Ok(Output { stdout, tail, status }),
            End::Exit if status.code() == Some(NOT_STARTED) => {
                Err(Error::Spawn { program, source: io::Error::other(tail.join("; ")) })
            }
            End::Exit => Err(Error::Failed { program, status, tail, log: self.log }),
        }
    }

    /// Runs the program on the user's terminal; its output is neither kept nor logged.
    ///
    /// # Errors
    /// The program is missing, cannot be started, or `stop` is set.
    pub fn run_on_terminal(self, stop: &Stop) -> Result<ExitStatus, Error> {
        let mut child = self.spawn(Stdio::inherit(), Stdio::inherit(), SUPERVISE_TERMINAL)?;
        let lifeline = child.stdin.take();
        loop {
            let waited = child.try_wait().map_err(|source| Error::Output { program: self.name(), source })?;
            if let Some(status) = waited {
                return Ok(status);
            }
            if stop.is_set() {
                drop(lifeline);
                let _ = child.wait();
                return Err(Error::Interrupted { program: self.name() });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    fn open_log(&self) -> Result<Option<(PathBuf, File)>, Error> {
        let Some(path) = &self.log else { return Ok(None) };
        let error = |source| Error::Log { path: path.clone(), source };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(error)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(error)?;
        let words: Vec<_> = self.args.iter().map(|arg| arg.to_string_lossy()).collect();
        writeln!(file, "$ {} {}", self.name(), words.join(" ")).map_err(error)?;
        Ok(Some((path.clone(), file)))
    }

    fn spawn(&self, stdout: Stdio, stderr: Stdio, mode: &str) -> Result<Child, Error> {
        let program = find(&self.program).ok_or_else(|| Error::Missing { program: self.name() })?;
        let spawn_error = |source| Error::Spawn { program: self.name(), source };
        // An upgrade may replace this program's file in the middle of a run, so its path is not reliable.
        let supervisor = SUPERVISOR.get().cloned().unwrap_or_else(|| "/proc/self/exe".into());
        let mut command = std::process::Command::new(supervisor);
        command.arg0(name::get()).env_clear().env("PATH", search_path());
        match &self.confinement {
            Some(confinement) => {
                let dir = self.dir.as_deref().unwrap_or(Path::new("/"));
                let (program, args) = confinement.command_line(dir, &program, &self.args);
                let mode = match confinement.mechanism {
                    Mechanism::Bubblewrap => SUPERVISE_BUBBLEWRAP,
                    Mechanism::Namespaces => SUPERVISE_NAMESPACES,
                };
                command.arg(mode).arg(program).args(args).env("HOME", confinement::HOME);
            }
            None => {
                command.arg(mode).arg(program).args(&self.args);
                let inherited = ["HOME", "TMPDIR"].map(|name| (name, std::env::var_os(name)));
                command.envs(inherited.into_iter().filter_map(|(name, value)| Some((name, value?))));
            }
        }
        command.env("LC_ALL", "C").env("TZ", "UTC").envs(self.env.iter().cloned());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command.stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
        command.spawn().map_err(spawn_error)
    }

    /// Bytes that the program has written to [`Command::output_file`].
    fn bytes_in_file(&self) -> u64 {
        let meta = self.output_file.as_ref().and_then(|path| path.metadata().ok());
        meta.map_or(0, |meta| meta.len())
    }

    fn follow(
        &mut self,
        supervisor: &mut Child,
        lines: &Receiver<String>,
        tail: &mut VecDeque<String>,
        mut log: Option<&mut (PathBuf, File)>,
        stop: &Stop,
    ) -> Result<End, Error> {
        let started = Instant::now();
        let mut bytes = 0;
        loop {
            match lines.recv_timeout(Duration::from_millis(50)) {
                Ok(mut line) => {
                    bytes += (line.len() as u64).max(SHORTEST_LINE);
                    if let Some((path, file)) = log.as_mut() {
                        line.push('\n');
                        file.write_all(line.as_bytes())
                            .map_err(|source| Error::Log { path: path.clone(), source })?;
                        line.pop();
                    }
                    let flow = self.on_line.as_mut().map_or(Flow::Continue, |handler| handler(&line));
                    if tail.len() == TAIL_LINES {
                        tail.pop_front();
                    }
                    tail.push_back(shortened(&line).into_owned());
                    if flow == Flow::Enough {
                        return Ok(End::Enough);
                    }
                }
                Err(RecvTimeoutError::Timeout) => end_orphans(supervisor),
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Exit),
            }
            if bytes + self.bytes_in_file() > OUTPUT_LIMIT {
                return Ok(End::Flood);
            }
            if stop.is_set() {
                return Ok(End::Stopped);
            }
            if let Some(deadline) = self.deadline.filter(|deadline| started.elapsed() > *deadline) {
                return Ok(End::Deadline(deadline));
            }
        }
    }
}

/// Ends the program if its supervisor is gone and its output is still open: supervisor and guard were killed.
fn end_orphans(supervisor: &mut Child) {
    if let Ok(Some(_)) = supervisor.try_wait() {
        let group = rustix::process::Pid::from_child(supervisor);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

enum End {
    Exit,
    Enough,
    Stopped,
    Deadline(Duration),
    Flood,
}

fn pump(
    stream: impl Read + Send + 'static,
    sender: SyncSender<String>,
) -> std::thread::JoinHandle<io::Result<()>> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let end = line.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
            // The receiver is gone once the program is being ended; reading on keeps the program
            // from blocking on a full pipe meanwhile.
            let _ = sender.send(visible(&String::from_utf8_lossy(&line[..end])).into_owned());
        }
    })
}

/// Finds `program` as a shell would; `None` if it is not installed.
pub fn find(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    find_in(&search_path(), program)
}

/// As [`find`], in the directories of `path`, a list like `PATH`.
pub fn find_in(path: &OsStr, program: impl AsRef<OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let program = Path::new(program.as_ref());
    let executable = |path: &Path| {
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.components().count() > 1 {
        return executable(program).then(|| program.to_owned());
    }
    std::env::split_paths(path).map(|dir| dir.join(program)).find(|candidate| executable(candidate))
}

/// `PATH`, followed by the directories, such as depmod's, that Debian omits for ordinary users.
fn search_path() -> OsString {
    search_path_without(&[])
}

/// Where programs are searched, without these directories.
pub fn search_path_without(unusable: &[&Path]) -> OsString {
    let mut directories: Vec<PathBuf> =
        std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    for directory in ["/usr/sbin", "/sbin"].map(PathBuf::from) {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories.retain(|directory| !unusable.contains(&directory.as_path()));
    std::env::join_paths(directories).expect("each came out of a path list")
}

/// The first arguments that make this binary another program.
const MODES: [&str; 6] =
    [SUPERVISE, SUPERVISE_TERMINAL, SUPERVISE_NAMESPACES, SUPERVISE_BUBBLEWRAP, GUARD, CONFINE];

/// Exit status of a supervisor whose program could not be started.
const NOT_STARTED: i32 = 127;

/// Whether `first`, the first argument, makes this process a supervisor.
pub fn is_supervisor(first: &OsStr) -> bool {
    MODES.iter().any(|mode| first == *mode)
}

/// Runs as the supervisor of `args`, a program with its arguments, or as the guard, and returns the exit code.
pub fn supervise(mode: &str, args: &[OsString]) -> i32 {
    if mode == CONFINE {
        return confine(args);
    }
    let (mode, is_guard, args) = match args.split_first() {
        Some((outer, rest)) if mode == GUARD => (outer.to_string_lossy(), true, rest),
        _ => (mode.into(), false, args),
    };
    let Some((program, args)) = args.split_first() else { return NOT_STARTED };
    if mode != SUPERVISE_TERMINAL && !is_guard {
        // A session of its own: the tool answers Ctrl-C, and no program below can type on the user's terminal.
        let _ = rustix::process::setsid();
    }
    let ended = become_subreaper().and_then(|()| match is_guard {
        true => run_program(&mode, program, args),
        false => run_guard(&mode, program, args),
    });
    // Children and background processes of the program must not outlive it.
    kill_descendants();
    exit_code(program, ended)
}

fn exit_code(program: &OsStr, ended: io::Result<ExitStatus>) -> i32 {
    match ended {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(error) => {
            eprintln!("{}: {error}", program.to_string_lossy());
            NOT_STARTED
        }
    }
}

/// Runs as the first process of new namespaces: when it ends, the kernel kills all others.
fn confine(args: &[OsString]) -> i32 {
    let program = args.iter().skip_while(|word| *word != "--").nth(1).cloned().unwrap_or_default();
    let ended = confinement::enter(args).and_then(|(program, args)| {
        let child = std::process::Command::new(program).args(args).stdin(Stdio::null()).spawn()?;
        let pid = rustix::process::Pid::from_child(&child);
        loop {
            // Orphans are this process's children too.
            match rustix::process::wait(rustix::process::WaitOptions::empty())? {
                Some((ended, status)) if ended == pid => return Ok(ExitStatus::from_raw(status.as_raw())),
                _ => {}
            }
        }
    });
    exit_code(&program, ended)
}

fn become_subreaper() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // The lifeline closes only after the tool has seen the signal: the tool alone decides when to end.
        signal_hook::flag::register(signal, ignored.clone())?;
    }
    Ok(())
}

/// Calls `end` when the lifeline, the standard input, closes.
fn when_lifeline_closes(end: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        let mut byte = [0];
        // The other side writes nothing, so any return but an interrupted one means that the pipe is closed.
        while io::stdin().read(&mut byte).is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
        end();
    });
}

fn run_guard(mode: &str, program: &OsStr, args: &[OsString]) -> io::Result<ExitStatus> {
    let mut guard = std::process::Command::new("/proc/self/exe");
    guard.arg0("guard").args([GUARD, mode]).arg(program).args(args).stdin(Stdio::piped());
    let mut guard = guard.spawn()?;
    let lifeline = guard.stdin.take();
    when_lifeline_closes(move || drop(lifeline));
    guard.wait()
}

fn run_program(mode: &str, program: &OsStr, args: &[OsString]) -> io::Result<ExitStatus> {
    let stdin = match mode {
        SUPERVISE_TERMINAL => Stdio::from(File::open("/dev/tty")?),
        SUPERVISE_NAMESPACES => Stdio::from(File::open("/proc/self/exe")?),
        _ => Stdio::null(),
    };
    if mode == SUPERVISE_BUBBLEWRAP {
        confinement::hide_keys()?;
    }
    let mut child = std::process::Command::new(program).args(args).stdin(stdin).spawn()?;
    let pid = rustix::process::Pid::from_child(&child);
    when_lifeline_closes(move || {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    });
    child.wait()
}

/// Kills children until none is left: grandchildren become children when their parent dies.
fn kill_descendants() {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
    let own = std::process::id().to_string();
    loop {
        for pid in children_of(&own).into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(_) => return,
        }
    }
}

fn children_of(parent: &str) -> Vec<i32> {
    let parent_of = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // proc(5): pid (comm) state ppid …; comm may contain anything, even a parenthesis.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1).map(str::to_owned)
    };
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid).as_deref() == Some(parent))
        .collect()
}
