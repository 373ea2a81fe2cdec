//! Listening on a socket of the file system.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use resumed::{Config, Server, StartErrorKind};

use crate::support::append;

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
    client.read_exact(&mut answer).expect("answered");
    assert_eq!(answer, b"HTTP/1.1 200");

    let other = start(&dir.path().join("other"), &socket);
    assert_eq!(other.err().expect("in use").kind(), StartErrorKind::Listen);
    server.stop();
    assert!(!socket.exists());
}

#[test]
fn who_may_connect_is_said_by_the_mode_of_the_socket_file() {
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
