//! The certificate that the server makes: when it is written, replaced, and left alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::program::Process;
use crate::support::running::run;
use crate::support::tls::TlsClient;

/// The directories of a test.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("a temporary directory"))
    }

    fn uploads(&self) -> PathBuf {
        self.0.path().join("uploads")
    }

    fn file(&self) -> PathBuf {
        self.uploads().join(".resumed/tls.pem")
    }

    /// Changes the noted expiry of the certificate to a time this many days from now.
    fn expire_in(&self, days: i64) {
        let text = fs::read_to_string(self.file()).expect("there");
        let (line, rest) = text.split_once('\n').expect("lines");
        assert!(line.starts_with("expires: "), "{line}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("now");
        let at = i64::try_from(now.as_secs()).expect("seconds") + days * 86_400;
        fs::write(self.file(), format!("expires: {at}\n{rest}")).expect("written");
    }

    fn entries_beside_the_key(&self) -> Vec<String> {
        let entries = fs::read_dir(self.uploads().join(".resumed")).expect("there");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.into_string().expect("text"));
        names.filter(|name| name.starts_with("tls")).collect()
    }
}

/// Starts the command. Returns the fingerprint that it prints.
fn start(dir: &Path, flags: &[&str]) -> (Process, String) {
    let flags = [&["--tls-self-signed"], flags].concat();
    let mut server = Process::logging("info", dir, &flags);
    let line = server.next_line();
    let (_, fingerprint) = line.split_once("(SHA-256): ").expect("a fingerprint");
    let fingerprint = fingerprint.trim().replace(':', "");
    (server, fingerprint)
}

/// Returns the fingerprint that a client sees.
fn seen(server: &Process) -> String {
    let client = TlsClient::connect(server.addr);
    let certificate = &client.tls.peer_certificates().expect("it has one")[0];
    let digest = Sha256::digest(certificate);
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn refused_start_writes_no_key_and_no_directory() {
    for listen in ["no address", "0.0.0.0:0"] {
        let home = Home::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
        command.args(["--tls-self-signed", "--listen", listen]);
        let said = run(command.arg(home.uploads()));
        assert_eq!(said.status, Some(1), "{said:?}");
        assert!(!home.uploads().exists(), "{listen}: {said:?}");
    }
}

#[test]
fn expired_certificate_is_replaced_and_the_log_says_it() {
    let home = Home::new();
    let (server, first) = start(&home.uploads(), &[]);
    drop(server);
    home.expire_in(-1);
    let (mut server, second) = start(&home.uploads(), &[]);
    assert_ne!(first, second);
    assert_eq!(seen(&server), second);
    let said = server.log().find(|line| line.contains("had expired"));
    assert!(said.expect("a line").contains("another fingerprint"));
    drop(server);
    assert_eq!(start(&home.uploads(), &[]).1, second);
    assert_eq!(home.entries_beside_the_key(), ["tls.pem"]);
}

#[test]
fn certificate_near_its_end_is_kept_with_a_warning() {
    let home = Home::new();
    let (server, first) = start(&home.uploads(), &[]);
    drop(server);
    home.expire_in(10);
    let (mut server, second) = start(&home.uploads(), &[]);
    assert_eq!(first, second);
    let said = server.log().find(|line| line.contains("expires in "));
    assert!(said.expect("a line").contains("WARN"));
}

#[test]
fn reload_makes_no_certificate() {
    let home = Home::new();
    let (mut server, first) = start(&home.uploads(), &[]);
    fs::remove_file(home.file()).expect("there");
    let pid = Pid::from_child(server.child());
    kill_process(pid, Signal::HUP).expect("it runs");
    let said = server
        .log()
        .find(|line| line.contains("the earlier certificate stays"));
    assert!(said.expect("a line").contains("cannot read"));
    assert!(!home.file().exists());
    assert_eq!(seen(&server), first);
}

#[test]
fn name_that_is_not_ascii_is_left_out() {
    let home = Home::new();
    let (mut server, _) = start(&home.uploads(), &["--host", "사진.local"]);
    let said = server.log().find(|line| line.contains("사진.local"));
    assert!(said.expect("a line").contains("not ASCII"));
}

#[test]
fn servers_that_share_a_directory_make_one_certificate() {
    let home = Home::new();
    fs::create_dir(home.uploads()).expect("made");
    let started: Vec<_> = thread::scope(|scope| {
        let start = || start(&home.uploads(), &["--shared"]);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        let all = threads.into_iter().map(|thread| thread.join());
        all.map(|started| started.expect("it starts")).collect()
    });
    for (server, fingerprint) in &started {
        assert_eq!(fingerprint, &started[0].1);
        assert_eq!(&seen(server), fingerprint);
    }
    assert_eq!(home.entries_beside_the_key(), ["tls.pem"]);
}
