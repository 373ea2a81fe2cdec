//! The directory is removed, moved, replaced or unmounted while the server runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use resumed::Config;
use resumed::store::Error;
use tempfile::TempDir;

use crate::support::files::finished;
use crate::support::left_out::require;
use crate::support::limit::{RunInTime, WaitInTime, wait_until};
use crate::support::mount::{Mount, obstacle};
use crate::support::program::Process;
use crate::support::{Answer, Client, append, get, status};

const ID: &str = "a.txt-5-1700000000000";

fn health(process: &Process) -> Answer {
    process.ask(get("/health", ""))
}

/// Asserts a 503 with `Retry-After` and without an offset.
#[track_caller]
fn expect_displaced(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.field("Retry-After").is_some(), "{answer:?}");
    assert_eq!(answer.field("Upload-Offset"), None, "{answer:?}");
    let reason = "the upload directory was moved, removed, replaced or unmounted: ";
    assert!(answer.text().starts_with(reason), "{answer:?}");
}

/// A directory that can be moved away. Both paths are removed on drop.
struct Home {
    home: TempDir,
}

impl Home {
    fn new() -> Home {
        let home = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(home.path().join("uploads")).expect("made");
        Home { home }
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("uploads")
    }

    fn away(&self) -> PathBuf {
        self.home.path().join("away")
    }

    fn serve(&self) -> Process {
        Process::logging("off", &self.dir(), &["--min-free", "0"])
    }
}

/// Sends the first two bytes of five, and waits until the server has them.
fn begin(process: &Process) -> Client {
    let mut client = process.connect();
    client.send(append(ID, 0, 5) + "he");
    wait_until!(process.connect().held(ID) >= 2);
    client
}

#[test]
fn command_exits_when_its_directory_stays_removed() {
    let home = Home::new();
    let mut process = home.serve();
    let began = Instant::now();
    fs::remove_dir_all(home.dir()).expect("removed");
    expect_displaced(&health(&process));
    expect_displaced(&process.ask(append(ID, 0, 5) + "hello"));
    expect_displaced(&process.ask(status(ID)));
    let ended = process.child().wait_in_time();
    assert_eq!(ended.code(), Some(1));
    assert!(began.elapsed() >= Duration::from_secs(30));

    let again = home.serve();
    let answer = again.ask(append(ID, 0, 5) + "hello");
    assert_eq!(answer.text(), "Success 5");
}

#[test]
fn upload_resumes_when_the_moved_directory_returns() {
    let home = Home::new();
    let process = home.serve();
    let mut client = begin(&process);
    fs::rename(home.dir(), home.away()).expect("moved");
    fs::create_dir(home.dir()).expect("made");
    expect_displaced(&health(&process));
    client.send("llo");
    expect_displaced(&client.answer());
    expect_displaced(&process.ask(status(ID)));
    assert_eq!(finished(&home.dir()), [""; 0]);
    assert_eq!(finished(&home.away()), [""; 0]);

    fs::remove_dir(home.dir()).expect("removed");
    fs::rename(home.away(), home.dir()).expect("moved back");
    assert_eq!(health(&process).status, 200);
    let answer = process.ask(status(ID));
    assert_eq!(answer.field("Upload-Complete"), Some("?1"), "{answer:?}");
    assert_eq!(fs::read(home.dir().join("a.txt")).expect("there"), b"hello");
}

#[test]
fn every_dialect_answers_503_while_the_directory_is_away() {
    let home = Home::new();
    let process = home.serve();
    fs::rename(home.dir(), home.away()).expect("moved");
    expect_displaced(&health(&process));
    let requests = [
        "POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n\
         Content-Length: 0\r\n\r\n",
        "POST /files HTTP/1.1\r\nHost: localhost\r\nUpload-Complete: ?0\r\nContent-Length: 0\r\n\r\n",
        "PUT /files/a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        "DELETE /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a-5-1\r\n\r\n",
    ];
    for request in requests {
        expect_displaced(&process.ask(request));
    }
}

/// A bind mount of a directory. Unmounted on drop.
struct Bind<'p>(&'p Path);

impl<'p> Bind<'p> {
    fn new(of: &Path, at: &'p Path) -> Bind<'p> {
        let mut mount = Command::new("mount");
        let status = mount.arg("--bind").args([of, at]).status_in_time();
        assert!(status.expect("it runs").success());
        Bind(at)
    }
}

impl Drop for Bind<'_> {
    /// Unmounts lazily, as systemd does after a disk was unplugged: open files stay open.
    fn drop(&mut self) {
        let status = Command::new("umount")
            .arg("-l")
            .arg(self.0)
            .status_in_time();
        assert!(status.expect("it runs").success());
    }
}

#[test]
fn upload_resumes_when_the_same_mount_returns() {
    require!("a directory that is unmounted", obstacle(&[]));
    let (disk, other) = (Mount::tmpfs("size=4m"), Mount::tmpfs("size=4m"));
    let home = Home::new();
    let dir = home.dir();
    let mounted = Bind::new(disk.path(), &dir);
    let process = home.serve();
    let mut client = begin(&process);
    drop(mounted);
    expect_displaced(&health(&process));
    client.send("llo");
    expect_displaced(&client.answer());
    // The directory below the mount point is not changed.
    assert_eq!(fs::read_dir(&dir).expect("listed").count(), 0);

    let another = Bind::new(other.path(), &dir);
    expect_displaced(&health(&process));
    drop(another);

    let _mounted = Bind::new(disk.path(), &dir);
    assert_eq!(health(&process).status, 200);
    assert_eq!(process.ask(status(ID)).field("Upload-Complete"), Some("?1"));
    assert_eq!(fs::read(dir.join("a.txt")).expect("there"), b"hello");
    drop(process);
}

#[test]
fn health_of_embedded_server_reports_a_moved_directory() {
    let home = Home::new();
    let config = Config::new(home.dir()).listen("127.0.0.1:0");
    let server = resumed::start(config).expect("it starts");
    let addr = server.addr().tcp().expect("a port");
    let ask = || Client::connect(addr).ask(get("/health", ""));
    server.health().expect("in place");
    fs::rename(home.dir(), home.away()).expect("moved");
    assert!(matches!(server.health(), Err(Error::Displaced(_))));
    expect_displaced(&ask());
    // The library does not stop the server by itself.
    fs::rename(home.away(), home.dir()).expect("moved back");
    server.health().expect("in place");
    assert_eq!(ask().text(), "ok\n");
}
