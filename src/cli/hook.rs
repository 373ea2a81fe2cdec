//! The command that runs for each complete upload.

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

use super::text::printable;

/// Long enough for whatever is not stuck.
const LIMIT: Duration = Duration::from_secs(6 * 60 * 60);

/// From SIGTERM to SIGKILL.
const MERCY: Duration = Duration::from_secs(10);

/// How often it is looked whether all that was told to end has ended: of the end of a group nobody is told.
const LOOK: Duration = Duration::from_millis(50);

/// Longest line of a command's output that is logged as one.
const LINE_MAX: u64 = 4096;

/// The command, and how its runs are ended.
pub(crate) struct Hook {
    command: String,
    limit: Duration,
    mercy: Duration,
    news: Mutex<News>,
    changed: Condvar,
}

#[derive(Default)]
struct News {
    /// Runs, by their process groups; until those who wait for them hear of it.
    ended: HashMap<Pid, io::Result<ExitStatus>>,
    server_stops: bool,
}

/// What is said of it, flag by flag.
pub(super) struct Wanted {
    pub(super) command: Option<String>,
    pub(super) limit: Duration,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            command: None,
            limit: LIMIT,
        }
    }
}

impl Wanted {
    pub(super) fn made(self) -> Option<Hook> {
        Some(Hook {
            command: self.command?,
            limit: self.limit,
            mercy: MERCY,
            news: Mutex::default(),
            changed: Condvar::new(),
        })
    }
}

impl Hook {
    /// Tells all runs to end, and lets nobody wait for them: they are due at the next start.
    pub(crate) fn stop(&self) {
        self.news().server_stops = true;
        self.changed.notify_all();
    }

    /// Runs the command, once, in a process group of its own.
    pub(super) fn run(self: &Arc<Self>, completed: &Completed) -> Result<(), HookError> {
        // Before the command is there, which nothing would end without it.
        let watch = self.watch()?;
        let child = start(&self.command, completed)?;
        let group = Pid::from_child(&child);
        watch.send(child)?;
        let mut news = self.wait(self.news(), group, self.limit);
        let Some(status) = news.ended.remove(&group) else {
            return Err(self.end(news, group).into());
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

    /// A thread that waits for the end of what it is sent.
    fn watch(self: &Arc<Self>) -> io::Result<Sender<Child>> {
        let (send, sent) = mpsc::channel::<Child>();
        let hook = Arc::clone(self);
        let watch = move || {
            for mut child in sent {
                let (group, status) = (Pid::from_child(&child), child.wait());
                hook.news().ended.insert(group, status);
                hook.changed.notify_all();
            }
        };
        let thread = thread::Builder::new().name("resumed-hook-end".into());
        thread.spawn(watch)?;
        Ok(send)
    }

    /// Waits until a run has ended, the server stops, or the time is over.
    fn wait<'a>(
        &self,
        news: MutexGuard<'a, News>,
        group: Pid,
        time: Duration,
    ) -> MutexGuard<'a, News> {
        let goes_on = |news: &mut News| !news.server_stops && !news.ended.contains_key(&group);
        let waited = self.changed.wait_timeout_while(news, time, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends a run with all that it started, and says why.
    fn end(&self, mut news: MutexGuard<'_, News>, group: Pid) -> String {
        tell(group, Signal::TERM);
        let until = Instant::now() + self.mercy;
        while !news.server_stops && Instant::now() < until && test_kill_process_group(group).is_ok()
        {
            let waited = self.changed.wait_timeout(news, LOOK);
            news = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if news.server_stops {
            return "it was told to end, because the server stops".into();
        }
        tell(group, Signal::KILL);
        let mut news = self.wait(news, group, Duration::MAX);
        news.ended.remove(&group);
        format!("it took longer than {:?}, and was ended", self.limit)
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(group: Pid, signal: Signal) {
    // There may be nobody left.
    let _ = kill_process_group(group, signal);
}

/// What a client chose is in the environment, never in the text that the shell reads.
fn start(command: &str, completed: &Completed) -> io::Result<Child> {
    let (output, input) = pipe()?;
    fcntl_setfd(&output, FdFlags::CLOEXEC)?;
    fcntl_setfd(&input, FdFlags::CLOEXEC)?;
    // In a thread that nobody waits for: what the command leaves in the background may write on.
    thread::Builder::new()
        .name("resumed-hook-log".into())
        .spawn(|| log_lines(output.into()))?;
    Command::new("sh")
        .args(["-c", command])
        .env("UPLOAD_PATH", &completed.path)
        .env(
            "UPLOAD_NAME",
            without_nul(completed.name.as_deref().unwrap_or_default().as_bytes()),
        )
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
            Some((io::ErrorKind::NotFound, "the file does not exist any more"))
        }
        _ => None,
    }
}

fn hex(digest: Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// No environment holds a NUL byte, and a name may have one: then the command would never run.
fn without_nul(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "")
}

fn log_lines(output: File) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match output.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => log::info!("on-complete: {}", in_one_line(&line)),
        }
    }
}

/// What is harmless where a log is read: it may hold names that clients chose.
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

    fn hook(command: &str, limit: Duration) -> Hook {
        let wanted = Wanted {
            command: Some(command.into()),
            limit,
        };
        wanted.made().expect("a command")
    }

    fn completed(path: &Path) -> Completed {
        Completed {
            id: Id::new(b"", b"a"),
            path: path.into(),
            name: None,
            length: 5,
            sha256: None,
        }
    }

    #[test]
    fn command_that_ignores_sigterm_is_killed() {
        let command = "trap '' TERM; sleep 1000; sleep 1000";
        let mut hook = hook(command, Duration::from_millis(300));
        hook.mercy = Duration::ZERO;
        let ran = Arc::new(hook).run(&completed(Path::new("a")));
        let problem = ran.expect_err("it was ended").to_string();
        assert!(problem.contains("took longer than 300ms"), "{problem}");
    }

    /// Runs the command for `completed`, and returns the kind of its error.
    fn kind(command: &str, completed: &Completed) -> Option<io::ErrorKind> {
        let ran = Arc::new(hook(command, LIMIT)).run(completed);
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
        let long_name = Completed {
            name: Some("x".repeat(200_000)),
            ..there
        };
        assert_eq!(kind("true", &long_name), too_long);
    }
}
