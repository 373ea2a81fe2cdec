//! Listening on a socket of the file system.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use resumed::{Config, Server, StartErrorKind};

use crate::support::{TIMEOUT, append};

fn start(dir: &Path, socket: &Path) -> Result<Server, resumed::StartError> {
    resumed::start(Config::new(dir).listen(format!("unix:{}", socket.display())))
}

#[test]
fn uploads_come_through_a_socket_file_which_goes_with_the_server() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = dir.path().join("socket");
    // Left behind by a server that was killed.
    drop(UnixListener::bind(&socket).expect("bound"));
    let server = start(&dir.path().join("uploads"), &socket).expect("a dead socket is replaced");
    assert_eq!(
        server.addr().to_string(),
        format!("unix:{}", socket.display())
    );

    let mut client = UnixStream::connect(&socket).expect("it listens");
    let request = append("a.txt-5-1700000000000", 0, 5) + "hello";
    client.write_all(request.as_bytes()).expect("taken");
    let mut answer = vec![0; 12];
    client.set_read_timeout(Some(TIMEOUT)).expect("set");
    client.read_exact(&mut answer).expect("answered");
    assert_eq!(answer, b"HTTP/1.1 200");

    let other = start(&dir.path().join("other"), &socket);
    assert_eq!(other.expect_err("in use").kind(), StartErrorKind::Listen);
    server.stop();
    assert!(!socket.exists());
}

#[test]
fn socket_file_has_the_configured_mode() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = dir.path().join("socket");
    for mode in [0o600, 0o666] {
        let config = Config::new(dir.path().join("uploads"));
        let config = config.listen(format!("unix:{}", socket.display()));
        let server = resumed::start(config.socket_mode(mode)).expect("it starts");
        let about = socket.metadata().expect("it is there");
        assert_eq!(about.permissions().mode() & 0o777, mode);
        server.stop();
    }
}

/// Starts a server on `path`; asserts that the start fails, and returns the message.
#[track_caller]
fn refused(dir: &Path, path: &Path) -> String {
    let error = start(&dir.join("uploads"), path).expect_err("refused");
    assert_eq!(error.kind(), StartErrorKind::Listen, "{error}");
    error.to_string()
}

#[test]
fn only_a_dead_socket_is_removed_from_the_path() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "precious").expect("written");
    fs::create_dir(at("folder")).expect("made");
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).expect("made");
    drop(UnixListener::bind(at("dead")).expect("bound"));
    for (link, to) in [
        ("to-file", "file"),
        ("to-dead", "dead"),
        ("to-none", "none"),
    ] {
        symlink(at(to), at(link)).expect("linked");
    }
    for name in ["file", "folder", "pipe", "to-file", "to-dead", "to-none"] {
        let before = at(name).symlink_metadata().expect("there").file_type();
        let said = refused(dir.path(), &at(name));
        assert!(said.contains("no socket"), "{name}: {said}");
        let after = at(name).symlink_metadata().expect("still there");
        assert_eq!(after.file_type(), before, "{name}");
    }
    assert_eq!(fs::read(at("file")).expect("there"), b"precious");
    assert!(at("dead").exists() && !at("none").exists());

    let _live = UnixListener::bind(at("live")).expect("bound");
    refused(dir.path(), &at("live"));
    assert!(at("live").exists());
}

#[test]
fn stop_removes_its_own_socket_file_and_no_other() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = dir.path().join("socket");
    let server = start(&dir.path().join("uploads"), &socket).expect("it starts");
    fs::remove_file(&socket).expect("removed");
    let other = UnixListener::bind(&socket).expect("another's");
    server.stop();
    assert!(socket.exists());
    drop(other);

    let server = start(&dir.path().join("uploads"), &socket).expect("a dead one is replaced");
    fs::remove_file(&socket).expect("removed");
    fs::write(&socket, "precious").expect("written");
    server.stop();
    assert_eq!(fs::read(&socket).expect("there"), b"precious");
}
