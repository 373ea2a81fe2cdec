//! Command lines that people type in short or by mistake: meant as they are, or answered in one line.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::program::{Process, Program};
use crate::support::running::{Said, run};

fn resumed(here: &Path, line: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    run(command.args(line.split_whitespace()).current_dir(here))
}

fn here() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn mistaken_command_lines_get_one_line_of_advice() {
    let here = here();
    fs::write(here.path().join("holiday.mp4"), "bytes").expect("written");
    for (line, advice) in [
        ("sevre", "write ./sevre for a new directory"),
        ("stop", "there is no command and no directory \"stop\""),
        (
            "serve stop",
            "there is no command and no directory \"stop\"",
        ),
        ("-- stop", "there is no command and no directory \"stop\""),
        ("holiday.mp4", "write resumed put FILE... URL"),
        ("./holiday.mp4", "write resumed put FILE... URL"),
        ("http://pi:8080", "write resumed put FILE... URL"),
        (". holiday.mp4", "write resumed put FILE... URL"),
        (
            "--port 80 .",
            "write --listen 80, or --listen :80 for other machines",
        ),
        ("--port=80", "write --listen 80,"),
        ("--port", "write --listen 8080,"),
        ("-p 80", "write --listen 80,"),
        ("-p80", "write --listen 80,"),
        ("--bind 0.0.0.0:80", "write --listen HOST:PORT"),
        ("--dir x", "write the directory alone: resumed DIR"),
        ("--wrong", "there is no --wrong; see --help"),
        ("-x", "there is no -x; see --help"),
        ("--host 0.0.0.0", "write --listen 0.0.0.0:8080"),
        (
            "--listen http://pi:80",
            "--listen takes HOST:PORT without http://",
        ),
        (
            "put holiday.mp4",
            "FILE... and URL are required; see resumed put --help",
        ),
        (
            "put holiday.mp4 pi",
            "the address of a server comes last, such as http://pi:8080, not \"pi\"",
        ),
    ] {
        let said = resumed(here.path(), line);
        assert_eq!(said.status, Some(2), "{line}: {said:?}");
        assert_eq!(said.out, "", "{line}");
        assert_eq!(said.err.lines().count(), 1, "{line}: {said:?}");
        assert!(said.err.contains(advice), "{line}: {said:?}");
    }
    let files = fs::read_dir(here.path()).expect("listed").count();
    assert_eq!(files, 1, "a mistake left something");
}

#[test]
fn each_command_has_help_and_version() {
    let here = here();
    let out = |line: &str| {
        let said = resumed(here.path(), line);
        assert_eq!((said.status, &*said.err), (Some(0), ""), "{line}");
        said.out
    };
    for (help, command) in [
        ("help", ""),
        ("help serve", "serve"),
        ("help put", "put"),
        ("help hash-password", "hash-password"),
        ("help health", "health"),
        ("help version", "version"),
    ] {
        let text = out(help);
        assert!(text.starts_with("resumed "), "{text}");
        assert_eq!(text, out(&format!("{command} --help")));
        assert_eq!(text, out(&format!("{command} -h")));
        for flag in ["--version", "-V"] {
            let expected = concat!("resumed ", env!("CARGO_PKG_VERSION"), "\n");
            assert_eq!(out(&format!("{command} {flag}")), expected);
        }
    }
}

#[test]
fn new_directory_is_created_and_logged() {
    let here = here();
    for dir in ["uploads", "./new", "new/below"] {
        for is_new in [true, false] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
            command.arg("serve").current_dir(here.path());
            command.stderr(std::process::Stdio::piped());
            let mut server =
                Process::of::<&str>(command, Path::new(dir), "127.0.0.1:0", &["--max-size", "5"]);
            let log = server.log();
            drop(server);
            let log: Vec<_> = log.collect();
            let created = here.path().join(dir.trim_start_matches("./"));
            let created = format!("created the directory {}", created.display());
            let is_logged = log.iter().any(|line| line.ends_with(&created));
            assert_eq!(is_logged, is_new, "{dir}: {log:?}");
            assert!(here.path().join(dir).is_dir());
        }
    }
}

#[test]
fn bare_name_of_a_directory_is_served() {
    let here = here();
    fs::create_dir(here.path().join("photos")).expect("created");
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.current_dir(here.path());
    let server = Process::of::<&str>(command, Path::new("photos"), "127.0.0.1:0", &[]);
    let answer = server.ask("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_eq!(answer.status, 200);
}

/// The port is taken, so that the server says where it wanted to listen.
#[test]
fn port_alone_listens_to_this_machine_and_colon_to_all() {
    let here = here();
    let taken = TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let all = format!("--allow-anonymous --allow-root --listen :{port}");
    for (line, address) in [
        (format!("--listen {port}"), format!("127.0.0.1:{port}")),
        (format!("-l {port}"), format!("127.0.0.1:{port}")),
        (all, format!(":{port}")),
    ] {
        let said = resumed(here.path(), &line);
        said.expect(1, &[&format!("cannot listen on {address}: Address")]);
    }
    let said = resumed(here.path(), &format!("--listen :{port}"));
    said.expect(1, &["other machines can reach this address"]);
}

#[test]
fn put_needs_no_http_before_host_and_port() {
    let here = here();
    let server = Program::start(&[]);
    let port = server.addr().port();
    for (name, host) in [("a", "127.0.0.1"), ("b", "localhost")] {
        fs::write(here.path().join(name), "bytes").expect("written");
        let said = resumed(here.path(), &format!("put {name} {host}:{port}"));
        said.expect(0, &[]);
        let sent = fs::read(server.dir().join(name)).expect("sent");
        assert_eq!(sent, b"bytes");
    }
}

#[test]
fn put_takes_an_existing_file_for_no_address() {
    let here = here();
    for name in ["a", "b:80"] {
        fs::write(here.path().join(name), "bytes").expect("written");
    }
    let said = resumed(here.path(), "put a b:80");
    said.expect(2, &["the address of a server comes last"]);
}
