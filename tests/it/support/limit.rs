//! Waits that end: a test that waits in vain fails, and its message names the wait.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// The longest wait. A machine with many other processes needs a tenth of it.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The longest wait for the output of a killed command: another process may keep its pipes open.
const REST: Duration = Duration::from_secs(5);

/// Waits until a condition is true.
macro_rules! wait_until {
    ($condition:expr) => {{
        let since = std::time::Instant::now();
        loop {
            if $condition {
                break;
            }
            crate::support::limit::check_limit(since, stringify!($condition));
        }
    }};
}
pub(crate) use wait_until;

/// Fails if a wait has lasted for [`LIMIT`].
#[track_caller]
pub(crate) fn check_limit(since: Instant, what: &str) {
    assert!(since.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
    // Without a pause, a condition that takes a lock keeps it from the thread that has to change it.
    thread::sleep(Duration::from_millis(1));
}

/// Returns the result of `wait`, which runs on a thread of its own. After `limit`, leaves the thread behind.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    wait: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(wait()));
    match receiver.recv_timeout(limit) {
        Ok(result) => Some(result),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => panic!("a thread that waits has panicked"),
    }
}

/// Returns the result of `wait`, which runs on a thread of its own.
#[track_caller]
pub(crate) fn in_time<T: Send + 'static>(
    what: &str,
    wait: impl FnOnce() -> T + Send + 'static,
) -> T {
    ended(within(LIMIT, wait).ok_or_else(|| format!("not within {LIMIT:?}: {what}")))
}

/// Waits for the end of a thread.
#[track_caller]
pub(crate) fn joined<T: Send + 'static>(what: &str, thread: JoinHandle<T>) -> T {
    in_time(what, move || thread.join()).expect("no panic")
}

/// Returns the result of a wait, or fails with its message.
#[track_caller]
pub(crate) fn ended<T>(result: Result<T, String>) -> T {
    match result {
        Ok(result) => result,
        Err(message) => panic!("{message}"),
    }
}

/// Fails the test, also in the drop of a value.
pub(crate) fn fail(message: &str) {
    // A second panic would end the process without the message of the first one.
    match thread::panicking() {
        true => eprintln!("{message}"),
        false => panic!("{message}"),
    }
}

/// Waits for the end of a child, and returns its output. Kills it after `limit`. An error names it.
pub(crate) fn output_within(limit: Duration, what: &str, child: Child) -> Result<Output, String> {
    let pid = Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = receiver.recv_timeout(limit) {
        return output.map_err(|error| format!("{what}: {error}"));
    }
    let _ = kill_process(pid, Signal::KILL);
    let said = match receiver.recv_timeout(REST) {
        Ok(Ok(output)) => [output.stdout, output.stderr].concat(),
        _ => b"its output stays open".to_vec(),
    };
    let said = String::from_utf8_lossy(&said);
    Err(format!("it does not end within {limit:?}: {what}\n{said}"))
}

/// Waits for the end of a child. Kills it after `limit`. An error names it.
pub(crate) fn end_within(limit: Duration, child: &mut Child) -> Result<ExitStatus, String> {
    let pid = Pid::from_child(child);
    // The thread leaves the exit status to the child. An error says that the child has taken it already.
    let wait = move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options))
    };
    if within(limit, wait).is_some() {
        return child.wait().map_err(|error| error.to_string());
    }
    let name = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
    let name = String::from_utf8_lossy(&name).replace('\0', " ");
    let _ = child.kill();
    Err(format!("it does not end within {limit:?}: {name}"))
}

/// Waits of a command.
pub(crate) trait RunInTime {
    /// Runs it to its end without input, and returns its output.
    #[track_caller]
    fn output_in_time(&mut self) -> io::Result<Output>;

    /// Runs it to its end.
    #[track_caller]
    fn status_in_time(&mut self) -> io::Result<ExitStatus>;
}

impl RunInTime for Command {
    #[track_caller]
    fn output_in_time(&mut self) -> io::Result<Output> {
        self.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = output_within(LIMIT, &format!("{self:?}"), self.spawn()?);
        Ok(ended(output))
    }

    #[track_caller]
    fn status_in_time(&mut self) -> io::Result<ExitStatus> {
        Ok(self.spawn()?.wait_in_time())
    }
}

/// The wait of a process.
pub(crate) trait WaitInTime {
    #[track_caller]
    fn wait_in_time(&mut self) -> ExitStatus;
}

impl WaitInTime for Child {
    #[track_caller]
    fn wait_in_time(&mut self) -> ExitStatus {
        ended(end_within(LIMIT, self))
    }
}

/// The lines of a pipe. A thread reads all of them, so that a writer never waits.
pub(crate) struct Lines {
    what: &'static str,
    // A receiver alone cannot be shared.
    lines: Mutex<Receiver<io::Result<String>>>,
}

impl Lines {
    pub(crate) fn of(what: &'static str, pipe: impl Read + Send + 'static) -> Lines {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Nobody may read the last lines.
            let send = |line| drop(sender.send(line));
            BufReader::new(pipe).lines().for_each(send);
        });
        Lines {
            what,
            lines: Mutex::new(lines),
        }
    }

    #[track_caller]
    fn next_within(&mut self, limit: Duration) -> Option<String> {
        let lines = self.lines.get_mut().expect("not poisoned");
        match lines.recv_timeout(limit) {
            Ok(line) => Some(line.expect("text")),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {limit:?}: {}", self.what),
        }
    }
}

impl Iterator for Lines {
    type Item = String;

    #[track_caller]
    fn next(&mut self) -> Option<String> {
        self.next_within(LIMIT)
    }
}

/// Set when dropped. Threads of a scope that work until then end also if the test fails.
pub(crate) struct SetAtEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::killed::Killed;

    const SHORT: Duration = Duration::from_millis(500);

    fn sleeping(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command.spawn().expect("sh runs")
    }

    fn is_running(pid: u32) -> bool {
        fs::metadata(format!("/proc/{pid}")).is_ok()
    }

    #[test]
    fn command_without_end_is_killed_and_named_with_its_output() {
        let child = sleeping("echo begun; exec sleep 1000");
        let pid = child.id();
        let error = output_within(SHORT, "a command", child).expect_err("no end");
        assert_eq!(error, "it does not end within 500ms: a command\nbegun\n");
        assert!(!is_running(pid));
    }

    #[test]
    fn command_with_an_end_is_waited_for() {
        let output = Command::new("sh")
            .args(["-c", "cat; echo out; echo err >&2; exit 3"])
            .output_in_time()
            .expect("sh runs");
        let said = (output.status.code(), &*output.stdout, &*output.stderr);
        assert_eq!(said, (Some(3), &b"out\n"[..], &b"err\n"[..]));
        let status = Command::new("false").status_in_time().expect("it runs");
        assert_eq!(status.code(), Some(1));
    }

    #[test]
    fn process_without_end_is_killed_and_named() {
        let mut child = sleeping("exec sleep 1000");
        let error = end_within(SHORT, &mut child).expect_err("no end");
        assert_eq!(error, "it does not end within 500ms: sleep 1000 ");
        assert_eq!(child.wait_in_time().code(), None);
        // The second wait returns the status of the first one.
        assert_eq!(child.wait_in_time().code(), None);
    }

    #[test]
    fn lines_end_with_their_pipe() {
        let mut child = sleeping("echo one; printf two");
        let lines = Lines::of("two lines", child.stdout.take().expect("piped"));
        assert_eq!(lines.collect::<Vec<_>>(), ["one", "two"]);
        child.wait_in_time();
    }

    #[test]
    #[should_panic(expected = "no line within 500ms: the end")]
    fn late_line_is_named() {
        let mut child = Killed(sleeping("exec sleep 1000"));
        let mut lines = Lines::of("the end", child.stdout.take().expect("piped"));
        lines.next_within(SHORT);
    }

    #[test]
    fn late_thread_is_left_behind() {
        let (sender, receiver) = mpsc::channel::<()>();
        let late = within(SHORT, move || receiver.recv());
        assert_eq!(late, None);
        drop(sender);
        assert_eq!(within(LIMIT, || 5), Some(5));
    }

    #[test]
    fn thread_that_works_until_the_end_ends_after_a_panic() {
        let over = AtomicBool::new(false);
        let failed = std::panic::catch_unwind(|| {
            thread::scope(|scope| {
                let _over = SetAtEnd(&over);
                scope.spawn(|| wait_until!(over.load(Ordering::Relaxed)));
                panic!("on purpose");
            });
        });
        assert!(failed.is_err());
    }

    #[test]
    #[should_panic(expected = "1 > 2")]
    fn condition_that_stays_false_is_named() {
        let since = Instant::now()
            .checked_sub(LIMIT)
            .expect("the machine runs for longer");
        check_limit(since, "1 > 2");
    }
}
