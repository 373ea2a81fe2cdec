//! A server that runs, and the directory it fills. Both go when it goes.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Launch;
use crate::cost::{self, Spent};
use crate::place;

pub(crate) struct Running {
    child: Child,
    pub(crate) addr: SocketAddr,
    /// From the start of the process to the moment it listened.
    pub(crate) started_in: Duration,
    /// The upload directory, below the directory of the server.
    files: PathBuf,
    /// `None` once somebody else has it.
    place: Option<TempDir>,
}

/// The maximum time until a server listens, or is idle.
const PATIENCE: Duration = Duration::from_secs(20);

/// The maximum time of a stop. Some servers wait for connected clients.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// The work of a server after an answer counts too.
const AFTERMATH: Duration = Duration::from_millis(30);

impl Running {
    pub(crate) fn start(
        place: &Path,
        launch: impl FnOnce(&Path) -> io::Result<Launch>,
    ) -> io::Result<Running> {
        let dir = place::new(place)?;
        Running::over(dir, launch)
    }

    /// Over a directory that is there.
    pub(crate) fn over(
        dir: TempDir,
        launch: impl FnOnce(&Path) -> io::Result<Launch>,
    ) -> io::Result<Running> {
        let files = dir.path().join("files");
        fs::create_dir_all(&files)?;
        let log = dir.path().join("log");
        let (mut command, port) = match launch(&files)? {
            Launch::Says(command) => (command, None),
            Launch::Port(command, port) => (command, Some(port)),
        };
        // Some that find standard input closed would end.
        command
            .stdin(Stdio::piped())
            .stderr(File::create(&log)?)
            .env("RUST_LOG", "warn");
        command.stdout(if port.is_some() {
            Stdio::null()
        } else {
            Stdio::piped()
        });
        let begin = Instant::now();
        let mut child = command.spawn()?;
        let addr = match port {
            Some(port) => accepts(&mut child, port),
            None => says(&mut child),
        };
        let started_in = begin.elapsed();
        match addr {
            Ok(addr) => Ok(Running {
                child,
                addr,
                started_in,
                files,
                place: Some(dir),
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(3).collect();
                Err(io::Error::other(format!("{error}; it said {last:?}")))
            }
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.files
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        cost::family(self.child.id())
    }

    pub(crate) fn spent(&self) -> Spent {
        Spent::by(&self.processes())
    }

    /// Returns the costs since then, with the work after the last answer.
    pub(crate) fn spent_since(&self, before: &Spent) -> Duration {
        thread::sleep(AFTERMATH);
        self.spent().since(before)
    }

    pub(crate) fn resident(&self) -> u64 {
        cost::resident(&self.processes())
    }

    /// Comes back when it has had nothing to do for a while.
    pub(crate) fn settle(&self) {
        let begin = Instant::now();
        let mut before = self.spent();
        while begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(100));
            let now = self.spent();
            if now.since(&before) < Duration::from_millis(1) {
                return;
            }
            before = now;
        }
    }

    /// Ends it; the directory stays.
    pub(crate) fn stop(mut self) -> TempDir {
        self.end();
        self.place.take().expect("taken only here")
    }

    /// Asked first: nginx' workers would outlive their master.
    fn end(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begin = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if begin.elapsed() > END_PATIENCE {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that nobody has, for those who cannot pick one themselves.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn says(child: &mut Child) -> io::Result<SocketAddr> {
    let stdout = child.stdout.take().expect("piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let addr = line
        .trim()
        .rsplit_once("://")
        .and_then(|(_, addr)| addr.parse().ok());
    addr.ok_or_else(|| io::Error::other(format!("no address in {line:?}")))
}

fn accepts(child: &mut Child, port: u16) -> io::Result<SocketAddr> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if TcpStream::connect(addr).is_ok() {
            return Ok(addr);
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("it ended with {status}")));
        }
        thread::sleep(Duration::from_micros(200));
    }
    Err(io::Error::other("it does not listen"))
}
