//! `resumed health`, as the check of a container runs it.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::limit::{RunInTime, joined};
use crate::support::program::Program;

fn health(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    let output = command.arg("health").args(args).output_in_time();
    output.expect("it runs")
}

/// Asserts the exit status, and the beginning of the line on standard output or standard error.
#[track_caller]
fn expect(args: &[&str], code: i32, begin: &str) {
    let said = health(args);
    assert_eq!(said.status.code(), Some(code), "{said:?}");
    let (line, other) = match code {
        0 => (said.stdout, said.stderr),
        _ => (said.stderr, said.stdout),
    };
    let line = String::from_utf8(line).expect("text");
    assert!(line.starts_with(begin), "{line}");
    assert!(line.lines().count() == 1 && other.is_empty(), "{line}");
}

#[test]
fn healthy_server_gives_ok_and_status_0() {
    let program = Program::start(&["--user", "ann:secret"]);
    for url in [
        format!("http://{}", program.addr()),
        format!("http://localhost:{}/", program.addr().port()),
        program.addr().to_string(),
    ] {
        expect(&[&url], 0, "ok\n");
    }
}

#[test]
fn healthy_server_on_a_socket_file_gives_ok() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let address = format!("unix:{}", dir.path().join("socket").display());
    let config = resumed::Config::new(dir.path().join("uploads")).listen(&address);
    let server = resumed::start(config).expect("it starts");
    expect(&[&address], 0, "ok\n");
    server.stop();
    expect(&[&address], 1, &format!("resumed health: {address}: "));
}

#[test]
fn server_without_its_directory_gives_the_reason_and_status_1() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("uploads");
    let config = resumed::Config::new(&dir).listen("127.0.0.1:0");
    let server = resumed::start(config).expect("it starts");
    fs::rename(&dir, home.path().join("away")).expect("moved");
    let url = format!("http://{}", server.addr());
    let reason = format!("resumed health: {url}: the upload directory was moved");
    expect(&[&url], 1, &reason);
    server.stop();
}

#[test]
fn unreachable_or_foreign_server_gives_status_1() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let foreign = std::thread::spawn(move || drop(listener.accept()));
    expect(&[&url], 1, &format!("resumed health: {url}: "));
    joined("a connection", foreign);
    let refused = format!("resumed health: {url}: Connection refused");
    expect(&[&url], 1, &refused);
}

#[test]
fn wrong_command_line_of_health_gives_status_2() {
    for args in [
        &[][..],
        &["localhost"],
        &["https://localhost"],
        &["--url"],
        &["http://a", "http://b"],
    ] {
        expect(args, 2, "resumed health: ");
    }
    let help = health(&["--help"]);
    assert!(help.status.success() && help.stdout.starts_with(b"resumed health URL"));
}
