//! `--on-complete`: a shell command for each complete upload.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use resumed::HookError;
use resumed::store::{Completed, Digest};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::pipe;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use crate::cli::text::printable;

/// The default of `--hook-timeout`.
const TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);

/// The time from SIGTERM to SIGKILL.
const KILL_AFTER: Duration = Duration::from_secs(10);

/// The interval of checks for the end of a process group: the system reports the end of a child only.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// The maximum length of an output line in the log, in bytes.
const LINE_BYTES_MAX: u64 = 4096;

/// The command, and its running processes.
pub(crate) struct Hook {
    command: String,
    timeout: Duration,
    kill_after: Duration,
    runs: Mutex<Runs>,
    changed: Condvar,
}

#[derive(Default)]
struct Runs {
    /// The exit statuses of process groups, until the waiting threads take them.
    ended: HashMap<Pid, io::Result<ExitStatus>>,
    running: usize,
    is_stopping: bool,
}

/// The values of the flags.
pub(super) struct HookFlags {
    pub(super) command: Option<String>,
    pub(super) timeout: Duration,
}

impl Default for HookFlags {
    fn default() -> HookFlags {
        HookFlags {
            command: None,
            timeout: TIMEOUT,
        }
    }
}

impl HookFlags {
    pub(super) fn build(self) -> Option<Hook> {
        Some(Hook {
            command: self.command?,
            timeout: self.timeout,
            kill_after: KILL_AFTER,
            runs: Mutex::default(),
            changed: Condvar::new(),
        })
    }
}

impl Hook {
    /// Sends SIGTERM to all runs, and waits for none. They are due again at the next start. Returns their number.
    pub(crate) fn stop(&self) -> usize {
        let mut runs = self.runs();
        runs.is_stopping = true;
        self.changed.notify_all();
        runs.running
    }

    /// Runs the command once, in a process group of its own, and waits for its end.
    pub(super) fn run(self: &Arc<Self>, completed: &Completed) -> Result<(), HookError> {
        // Before the start: a stop counts also a command that has just started.
        self.runs().running += 1;
        let ran = self.run_counted(completed);
        self.runs().running -= 1;
        ran
    }

    fn run_counted(self: &Arc<Self>, completed: &Completed) -> Result<(), HookError> {
        // The thread comes first: without it no code would notice the end of the command.
        let waiter = self.start_waiter()?;
        let child = start(&self.command, completed)?;
        let group = Pid::from_child(&child);
        waiter.send(child)?;
        let mut runs = self.wait(self.runs(), group, self.timeout);
        let Some(status) = runs.ended.remove(&group) else {
            return Err(self.end(runs, group).into());
        };
        let status = status?;
        if status.success() {
            return Ok(());
        }
        let problem = format!("the command ended with {status}");
        match obstacle(status, &completed.path) {
            None => Err(problem.into()),
            Some((kind, obstacle)) => {
                Err(io::Error::new(kind, format!("{problem}: {obstacle}")).into())
            }
        }
    }

    /// Starts a thread that waits for the end of the child that it is sent.
    fn start_waiter(self: &Arc<Self>) -> io::Result<Sender<Child>> {
        let (send, sent) = mpsc::channel::<Child>();
        let hook = Arc::clone(self);
        let wait = move || {
            for mut child in sent {
                let (group, status) = (Pid::from_child(&child), child.wait());
                hook.runs().ended.insert(group, status);
                hook.changed.notify_all();
            }
        };
        let thread = thread::Builder::new().name("resumed-hook-end".into());
        thread.spawn(wait)?;
        Ok(send)
    }

    /// Waits until a run has ended, the server stops, or `time` is over.
    fn wait<'a>(
        &self,
        runs: MutexGuard<'a, Runs>,
        group: Pid,
        time: Duration,
    ) -> MutexGuard<'a, Runs> {
        let goes_on = |runs: &mut Runs| !runs.is_stopping && !runs.ended.contains_key(&group);
        let waited = self.changed.wait_timeout_while(runs, time, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends a process group. Returns the reason.
    fn end(&self, mut runs: MutexGuard<'_, Runs>, group: Pid) -> String {
        signal(group, Signal::TERM);
        let until = Instant::now() + self.kill_after;
        while !runs.is_stopping && Instant::now() < until && test_kill_process_group(group).is_ok()
        {
            let waited = self.changed.wait_timeout(runs, POLL_EVERY);
            runs = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if runs.is_stopping {
            return "the command was ended, because the server stops".into();
        }
        signal(group, Signal::KILL);
        let mut runs = self.wait(runs, group, Duration::MAX);
        runs.ended.remove(&group);
        format!(
            "the command took longer than {:?}, and was ended",
            self.timeout
        )
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signal(group: Pid, signal: Signal) {
    // The group may have ended.
    let _ = kill_process_group(group, signal);
}

/// Starts the command. Values that a client chose are in the environment only, never in the text of the shell.
fn start(command: &str, completed: &Completed) -> io::Result<Child> {
    let (output, input) = pipe()?;
    fcntl_setfd(&output, FdFlags::CLOEXEC)?;
    fcntl_setfd(&input, FdFlags::CLOEXEC)?;
    // No code waits for this thread: background processes of the command may write on.
    thread::Builder::new()
        .name("resumed-hook-log".into())
        .spawn(|| log_lines(output.into()))?;
    Command::new("sh")
        .args(["-c", command])
        .env("UPLOAD_PATH", &completed.path)
        // An undeclared name is empty.
        .env("UPLOAD_NAME", "")
        .envs(completed.file.properties().map(|(name, value)| {
            let name = format!("UPLOAD_{}", name.to_ascii_uppercase());
            (name, without_nul(value.as_bytes()))
        }))
        .env("UPLOAD_ID", completed.id.key().to_string())
        .env("UPLOAD_LENGTH", completed.length.to_string())
        .env(
            "UPLOAD_SHA256",
            completed.sha256.map(hex).unwrap_or_default(),
        )
        .env("UPLOAD_USER", without_nul(completed.id.owner()))
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input)
        .process_group(0)
        .spawn()
}

/// Returns the cause of the failure, if every further run would fail in the same way.
fn obstacle(status: ExitStatus, file: &Path) -> Option<(io::ErrorKind, &'static str)> {
    match status.code() {
        // The shell exits with 127 after ENOENT, and with 126 after E2BIG or EACCES.
        Some(127) => Some((io::ErrorKind::NotFound, "a command was not found")),
        Some(126) => Some((
            io::ErrorKind::ArgumentListTooLong,
            "a command could not be run",
        )),
        _ if fs::symlink_metadata(file).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) => {
            Some((io::ErrorKind::NotFound, "the file no longer exists"))
        }
        _ => None,
    }
}

fn hex(digest: Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes NUL bytes: an environment cannot hold them.
fn without_nul(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "")
}

fn log_lines(output: File) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match output
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => log::info!("on-complete: {}", in_one_line(&line)),
        }
    }
}

/// Makes an output line safe to show: it may contain names that clients chose.
fn in_one_line(line: &[u8]) -> String {
    printable(&String::from_utf8_lossy(line.trim_ascii_end()))
}

#[cfg(test)]
mod tests {
    use resumed::store::Id;

    use super::*;

    #[test]
    fn line_of_a_command_is_logged_without_misleading_characters() {
        let line = "a\u{202e}gpj.exe\u{200b}\x1b[2J\u{2028}b \u{2764}\u{fe0f}\u{200d}\u{1f525}\r\n";
        assert_eq!(
            in_one_line(line.as_bytes()),
            "a\u{fffd}gpj.exe\u{fffd}\u{fffd}[2J\u{fffd}b \u{2764}\u{fe0f}\u{200d}\u{1f525}"
        );
    }

    fn hook(command: &str, timeout: Duration) -> Hook {
        let flags = HookFlags {
            command: Some(command.into()),
            timeout,
        };
        flags.build().expect("a command")
    }

    fn completed(path: &Path) -> Completed {
        Completed::new(Id::new(b"", b"a"), path, 5)
    }

    #[test]
    fn command_that_ignores_sigterm_is_killed() {
        let command = "trap '' TERM; sleep 1000; sleep 1000";
        let mut hook = hook(command, Duration::from_millis(300));
        hook.kill_after = Duration::ZERO;
        let ran = Arc::new(hook).run(&completed(Path::new("a")));
        let problem = ran.expect_err("it was ended").to_string();
        assert!(problem.contains("took longer than 300ms"), "{problem}");
    }

    /// Runs the command for `completed`, and returns the kind of its error.
    fn kind(command: &str, completed: &Completed) -> Option<io::ErrorKind> {
        let ran = Arc::new(hook(command, TIMEOUT)).run(completed);
        let error = ran.expect_err("it failed");
        Some(error.downcast_ref::<io::Error>()?.kind())
    }

    #[test]
    fn lasting_obstacle_of_a_command_has_an_error_kind() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let there = completed(file.path());
        assert_eq!(kind("exit 3", &there), None);
        let missing = Some(io::ErrorKind::NotFound);
        assert_eq!(kind("/nowhere/hook.sh", &there), missing);
        assert_eq!(
            kind("exit 3", &completed(Path::new("/nowhere/a"))),
            missing,
            "the file was removed"
        );
        let too_long = Some(io::ErrorKind::ArgumentListTooLong);
        let filled = "x=$(head -c 200000 /dev/zero | tr '\\0' x); export x; /bin/true";
        assert_eq!(kind(filled, &there), too_long);
        let mut long_name = there;
        long_name.file.name = Some("x".repeat(200_000).into());
        assert_eq!(kind("true", &long_name), too_long);
    }
}
