//! Under systemd: the socket is its own, and stays while the server is restarted.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::killed::Killed;
use crate::support::left_out::needs;
use crate::support::limit::{RunInTime, WaitInTime, check_limit};
use crate::support::program::Process;
use crate::support::running::{listens, wait_for_part};
use crate::support::tls::{Pem, TlsClient};
use crate::support::{Client, TIMEOUT, append, get};

const ID: &str = "a.txt-10-1700000000000";

/// Starts a command with standard input as its passed socket.
const HAND_OVER: &str =
    "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\"";

/// The command on this socket, handed over as sd_listen_fds(3) has it.
fn start_on(socket: &TcpListener, dir: &Path) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", HAND_OVER, env!("CARGO_BIN_EXE_resumed")]);
    let socket = socket.try_clone().expect("a second descriptor");
    command.stdin(OwnedFd::from(socket));
    Process::of(command, dir, "127.0.0.1:0", &[] as &[&str])
}

/// Hands over a socket. An error is the output of the command, if it does not listen.
fn listens_on(socket: &TcpListener, flags: &[&str]) -> Result<(), String> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = socket.try_clone().expect("a second descriptor");
    let mut command = Command::new("sh");
    command.args(["-c", HAND_OVER, env!("CARGO_BIN_EXE_resumed")]);
    command.arg("--allow-root").args(flags).arg(dir.path());
    listens(command.env("RUST_LOG", "off").stdin(OwnedFd::from(socket)))
}

#[test]
fn passed_socket_for_strangers_needs_users_or_the_flag() {
    let socket = TcpListener::bind("0.0.0.0:0").expect("a port");
    let error = listens_on(&socket, &[]).expect_err("refused");
    assert!(
        error.contains("--user-file") && error.contains("--allow-anonymous"),
        "{error}"
    );
    assert_eq!(listens_on(&socket, &["--allow-anonymous"]), Ok(()));
    assert_eq!(listens_on(&socket, &["--user", "a:b"]), Ok(()));
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    assert_eq!(listens_on(&socket, &[]), Ok(()));
}

/// SIGTERM, as `systemctl stop` sends it; when this returns the server has ended well.
fn end(child: &mut Child) {
    kill_process(Pid::from_child(child), Signal::TERM).expect("signalled");
    assert!(child.wait_in_time().success());
}

#[test]
fn a_restart_refuses_nobody_and_an_upload_carries_on() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = socket.local_addr().expect("its address");

    let mut server = start_on(&socket, dir.path());
    assert_eq!(server.addr, addr);
    let mut client = Client::connect(addr);
    client.send(append(ID, 0, 10) + "hello");
    wait_for_part(dir.path(), 5);
    end(server.child());
    client.expect_close();

    // Nobody is there, and nobody is refused.
    let mut client = Client::connect(addr);
    client.send(append(ID, 5, 5) + "world");
    let mut again = start_on(&socket, dir.path());
    assert_eq!(client.answer().text(), "Success 10");
    assert_eq!(
        fs::read(dir.path().join("a.txt")).expect("published"),
        b"helloworld"
    );
    end(again.child());
}

/// Runs the reload command of the unit, as `systemctl reload` does: in a shell, whose `kill` is on each system.
fn reload(server: &Process) {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/resumed.service");
    let unit = fs::read_to_string(unit).expect("there");
    let script = unit.lines().find_map(|line| {
        line.strip_prefix("ExecReload=/bin/sh -c \"")?
            .strip_suffix('"')
    });
    let script = script
        .expect("a command")
        .replace("${MAINPID}", &server.pid().to_string());
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(script)
        .status_in_time();
    assert!(status.expect("it runs").success());
}

#[test]
fn reload_of_the_unit_reads_the_certificate_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name| dir.path().join(name).to_str().expect("text").to_owned();
    let write = |pem: &Pem| {
        fs::write(path("cert"), &pem.certificate).expect("written");
        fs::write(path("key"), &pem.key).expect("written");
    };
    write(&Pem::new());
    let flags = ["--tls-cert", &path("cert"), "--tls-key", &path("key")];
    let mut server = Process::logging("info", &dir.path().join("uploads"), &flags);
    let renewed = Pem::new();
    write(&renewed);
    reload(&server);
    let mut log = server.log();
    log.find(|line| line.contains("read the certificate again"))
        .expect("a line");
    let client = TlsClient::connect(server.addr);
    let certificates = client.tls.peer_certificates().expect("it has one");
    assert_eq!(certificates[0], renewed.der());
}

#[test]
fn reload_of_a_service_without_tls_changes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let notified = dir.path().join("notify");
    let _socket = UnixDatagram::bind(&notified).expect("bound");
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.env("NOTIFY_SOCKET", notified);
    let flags: [&str; 0] = [];
    let mut server = Process::of(command, &dir.path().join("uploads"), "127.0.0.1:0", &flags);
    reload(&server);
    assert_eq!(server.ask(get("/health", "")).status, 200);
    // Of two pending signals the lower number comes first: SIGHUP would end it.
    end(server.child());
}

/// The server under the tool that stands for systemd where that does not run.
struct Activated {
    child: Killed,
    home: TempDir,
}

impl Activated {
    fn start() -> Activated {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = |name| home.path().join(name);
        let child = Command::new("systemd-socket-activate")
            .arg("--listen")
            .arg(path("socket"))
            .arg(format!(
                "--setenv=NOTIFY_SOCKET={}",
                path("notify").display()
            ))
            .arg(env!("CARGO_BIN_EXE_resumed"))
            .arg(path("uploads"))
            .stdout(Stdio::null())
            .spawn();
        let child = Killed(child.expect("it runs"));
        Activated { child, home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

#[test]
fn the_first_connection_starts_it_and_it_says_when_it_is_ready_and_when_it_stops() {
    needs!("systemd-socket-activate");
    let mut activated = Activated::start();
    let notified = UnixDatagram::bind(activated.path("notify")).expect("bound");
    notified.set_read_timeout(Some(TIMEOUT)).expect("patient");
    let hear = || {
        let mut said = [0; 64];
        let length = notified.recv(&mut said).expect("it says something");
        String::from_utf8_lossy(&said[..length]).into_owned()
    };
    let since = Instant::now();
    let mut client = loop {
        if let Ok(client) = UnixStream::connect(activated.path("socket")) {
            break client;
        }
        check_limit(since, "a socket");
    };
    client.set_read_timeout(Some(TIMEOUT)).expect("patient");
    let request = append(ID, 0, 10) + "helloworld";
    client.write_all(request.as_bytes()).expect("taken");
    let mut answer = [0; 12];
    client.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(hear(), "READY=1");

    end(&mut activated.child);
    assert_eq!(hear(), "STOPPING=1");
    assert!(activated.path("socket").exists(), "it is systemd's");
}

#[test]
fn the_units_are_what_systemd_takes_and_let_the_server_do_little() {
    needs!("systemd-analyze");
    let home = tempfile::tempdir().expect("a temporary directory");
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for unit in ["resumed.service", "resumed.socket"] {
        let text = fs::read_to_string(packaging.join(unit)).expect("there");
        let text = text.replace("/usr/bin/resumed", env!("CARGO_BIN_EXE_resumed"));
        fs::write(home.path().join(unit), text).expect("written");
    }
    for arguments in [
        // The manual page of a package that is not installed is not there.
        &[
            "verify",
            "--man=no",
            "./resumed.service",
            "./resumed.socket",
        ][..],
        // Of a hundred that a service can be exposed to.
        &[
            "security",
            "--offline=yes",
            "--threshold=15",
            "./resumed.service",
        ],
    ] {
        let run = Command::new("systemd-analyze")
            .args(arguments)
            .current_dir(home.path())
            .output_in_time()
            .expect("it runs");
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(run.status.success(), "{arguments:?}: {said}");
    }
}
