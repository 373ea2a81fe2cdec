//! The command in a process of its own.

use std::{
    env,
    ffi::OsStr,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::support::killed::Killed;
use crate::support::limit::Lines;
use crate::support::{Answer, Client};

/// The command, as a user runs it. Dropped, it is killed: it gets to do nothing more.
pub(crate) struct Process {
    child: Killed,
    pub(crate) addr: SocketAddr,
    out: Lines,
}

impl Process {
    pub(crate) fn start<F: AsRef<OsStr>>(dir: &Path, listen: &str, flags: &[F]) -> Process {
        Process::of(command(), dir, listen, flags)
    }

    /// By another command, which takes what the server takes and becomes it.
    pub(crate) fn of<F: AsRef<OsStr>>(
        mut command: Command,
        dir: &Path,
        listen: &str,
        flags: &[F],
    ) -> Process {
        // The log of a server does not depend on the shell of the tester.
        if command.get_envs().all(|(name, _)| name != "RUST_LOG") {
            command.env_remove("RUST_LOG");
        }
        let child = command
            .args(["--listen", listen])
            .args(flags)
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Killed(child.expect("the command runs"));
        let stdout = child.stdout.take().expect("piped");
        let mut out = Lines::of("the greeting of a server", stdout);
        let line = out.next().unwrap_or_default();
        let (_, addr) = line.split_once("://").expect("it listens");
        let addr = addr.parse().expect("an address");
        Process { child, addr, out }
    }

    /// Serves a directory, with a log of this level. [`Process::log`] reads it.
    pub(crate) fn logging(level: &str, dir: &Path, flags: &[&str]) -> Process {
        let mut command = command();
        command.env("RUST_LOG", level).stderr(Stdio::piped());
        Process::of(command, dir, "127.0.0.1:0", flags)
    }

    /// Returns the lines of the log as they come.
    pub(crate) fn log(&mut self) -> Lines {
        let stderr = self.child.stderr.take().expect("piped, and read once");
        Lines::of("the log of a server", stderr)
    }

    /// Returns the next line of the greeting.
    pub(crate) fn next_line(&mut self) -> String {
        self.out.next().unwrap_or_default()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.addr)
    }

    /// Sends one request on a connection of its own and reads the answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        self.connect().ask(request)
    }

    /// Does the same with a body. The server may refuse it, and close, before the body is read.
    #[track_caller]
    pub(crate) fn send(&self, head: impl AsRef<[u8]>, body: &[u8]) -> Answer {
        let mut client = self.connect();
        client.send(head);
        let _ = client.try_send(body);
        client.answer()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// By way of `RESUMED_RUNNER`, where this machine cannot run it by itself.
pub(crate) fn command() -> Command {
    let path = env!("CARGO_BIN_EXE_resumed");
    let Some(runner) = env::var_os("RESUMED_RUNNER") else {
        return Command::new(path);
    };
    let mut command = Command::new(runner);
    command.arg(path);
    command
}

/// The command over a directory of its own. Both go when it goes.
pub(crate) struct Program {
    // Killed before its directory is removed.
    process: Process,
    dir: TempDir,
}

impl Program {
    /// Started with these flags besides an address and the directory.
    pub(crate) fn start(flags: &[&str]) -> Program {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Program::over(dir, "127.0.0.1:0", flags)
    }

    /// Over a directory, and perhaps on a port, that another had before.
    pub(crate) fn over(dir: TempDir, listen: &str, flags: &[&str]) -> Program {
        let process = Process::start(dir.path(), listen, flags);
        Program { process, dir }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.process.addr
    }

    pub(crate) fn connect(&self) -> Client {
        self.process.connect()
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// SIGKILL. The directory stays as it is.
    pub(crate) fn kill(self) -> TempDir {
        drop(self.process);
        self.dir
    }
}
