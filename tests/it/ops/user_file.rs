//! The file of `--user-file`, and users whose login always fails.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine};
use resumed::Config;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::killed::Killed;
use crate::support::left_out::{require, terminal_obstacle};
use crate::support::limit::{WaitInTime, in_time};
use crate::support::program::Process;
use crate::support::running::{Running, Said, run};
use crate::support::{Client, Site, get};

/// Starts the command with these users. It always exits: no server can listen on the address.
fn refused(dir: &Path, flags: &[&str]) -> Said {
    run(Command::new(env!("CARGO_BIN_EXE_resumed"))
        .args(["--listen", "no address"])
        .args(flags)
        .arg(dir.join("uploads")))
}

/// Returns the status of a request with these credentials, in base64.
fn status(addr: std::net::SocketAddr, credentials: Option<&str>) -> u16 {
    let login = credentials.map(|given| format!("Authorization: Basic {given}\r\n"));
    let fields = format!("X-File-Id: a\r\n{}", login.unwrap_or_default());
    Client::connect(addr).ask(get("/status", &fields)).status
}

/// `ann:secret`
const ANN: &str = "YW5uOnNlY3JldA==";

#[test]
fn user_file_without_a_usable_user_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    let path = file.to_str().expect("text");
    for (text, words) in [
        ("", "no user"),
        ("\u{feff}", "no user"),
        ("# ann:secret\n\n  \n", "no user"),
        ("\u{feff}# ann:secret\n", "no user"),
        ("ann:secret\nbob:\n", "line 2"),
        (":secret\n", "line 1"),
        ("ann\n", "line 1"),
        ("ann:  \n", "line 1"),
        ("mia:secret\nbob:secret\nmia:secret2\n", "line 3"),
        (
            "ann:secret\nbob:$argon2id$v=19$m=4194304,t=1,p=1$c2VjcmV0c2VjcmV0$c2VjcmV0\n",
            "line 2: argon2id m (memory in KiB) is 4194304; the maximum is 262144",
        ),
        (
            "bob:$2y$31$i8hDbqQdaUuH.ssucuFVB.7sSu7zVSChOr43bMnGqkSj21lYecfS6\n",
            "line 1: bcrypt cost is 31; the maximum is 14",
        ),
        (
            "bob:$6$rounds=999999999$salt$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1\n",
            "line 1: sha512-crypt rounds is 999999999; the maximum is 1000000",
        ),
        (
            "bob:$apr1$salt$secret\n",
            "line 1: the hash is not argon2id",
        ),
        (
            "bob:$y$j9T$salt$secret\n",
            "line 1: the hash is not argon2id",
        ),
        ("bob:{SHA}secret\n", "line 1: the hash is not argon2id"),
        (
            "bob:$2y$05$secret\n",
            "line 1: the bcrypt hash is malformed",
        ),
    ] {
        fs::write(&file, text).expect("written");
        for flags in [
            &["--user-file", path][..],
            &["--user", "ann:secret", "--user-file", path],
        ] {
            let said = refused(dir.path(), flags);
            assert!(!said.err.contains("secret"), "{said:?}");
            said.expect(2, &[path, words]);
        }
    }
    assert!(!dir.path().join("uploads").exists(), "none was started");
}

#[test]
fn user_without_name_or_password_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for user in ["", ":", "ann", "ann:", ":secret"] {
        refused(dir.path(), &["--user", user]).expect(2, &["NAME:PASSWORD"]);
    }
}

#[test]
fn quota_without_users_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let words = "--quota needs users: --user or --user-file";
    refused(dir.path(), &["--quota", "1G"]).expect(2, &[words]);
    refused(dir.path(), &["--user", "a:b", "--quota", "1Q"]).expect(2, &["--quota cannot be"]);
}

#[test]
fn byte_order_mark_is_no_part_of_the_first_name() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    fs::write(&file, "\u{feff}ann:secret\r\n").expect("written");
    let flags = ["--user-file", file.to_str().expect("text")];
    let server = Process::start(&dir.path().join("uploads"), "127.0.0.1:0", &flags);
    assert_eq!(status(server.addr, Some(ANN)), 200);
    assert_eq!(status(server.addr, None), 401);
}

#[test]
fn user_file_readable_by_others_is_warned_of() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    fs::write(&file, "ann:secret\n").expect("written");
    let path = file.to_str().expect("text");
    for (mode, is_warned) in [(0o644, true), (0o602, true), (0o640, false), (0o600, false)] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("set");
        let mut server = Process::logging(
            "resumed=warn",
            &dir.path().join("uploads"),
            &["--user-file", path],
        );
        server.child().kill().expect("killed");
        let lines: Vec<_> = server.log().collect();
        let warned = lines.iter().any(|line| line.contains("holds passwords"));
        assert_eq!(warned, is_warned, "{mode:o}: {lines:?}");
    }
}

#[test]
fn user_with_empty_password_leaves_the_server_closed() {
    let site = Site::with(|config: Config| config.user("ann", "").user("", "secret"));
    // In base64: nothing; `ann:`; `:secret`; `:`.
    for credentials in [None, Some("YW5uOg=="), Some("OnNlY3JldA=="), Some("Og==")] {
        assert_eq!(status(site.addr(), credentials), 401, "{credentials:?}");
    }
}

/// argon2id of `secret`, with small costs.
const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$pclxcsa4X0bZ5lu7Vy5h3p7EU7VbuW7pGRWETxHuU0c";

/// Returns the first line of a log with these words.
#[track_caller]
fn line_with(log: &mut impl Iterator<Item = String>, words: &str) -> String {
    log.find(|line| line.contains(words)).expect("the line")
}

fn login(name: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{name}:{password}"))
}

#[test]
fn plain_password_is_warned_of_once_and_a_hash_is_not() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    let path = file.to_str().expect("text");
    for (text, warnings) in [
        ("ann:secret\nbob:secret\n".to_owned(), 1),
        (format!("ann:{HASH}\n"), 0),
    ] {
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("set");
        let flags = ["--user-file", path];
        let mut server = Process::logging("resumed=warn", &dir.path().join("uploads"), &flags);
        assert_eq!(status(server.addr, Some(ANN)), 200);
        server.child().kill().expect("killed");
        let lines: Vec<_> = server.log().collect();
        let about = lines.iter().filter(|line| line.contains("plain passwords"));
        assert_eq!(about.count(), warnings, "{lines:?}");
        assert!(!lines.concat().contains("secret"), "{lines:?}");
    }
}

#[test]
fn changed_user_file_is_read_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    fs::write(&file, format!("ann:{HASH}\n")).expect("written");
    let flags = ["--user-file", file.to_str().expect("text")];
    let mut server = Process::logging("resumed=info", &dir.path().join("uploads"), &flags);
    let (mut log, addr) = (server.log(), server.addr);
    let bob = login("bob", "secret");
    assert_eq!(status(addr, Some(ANN)), 200);
    assert_eq!(status(addr, Some(&bob)), 401);

    fs::write(&file, format!("bob:{HASH}\n")).expect("written");
    line_with(&mut log, "the new users apply");
    assert_eq!(status(addr, Some(&bob)), 200);
    assert_eq!(status(addr, Some(ANN)), 401, "no longer remembered");

    fs::write(&file, format!("ann:{HASH}\nmia:$1$salt$hash\n")).expect("written");
    let error = line_with(&mut log, "the earlier users stay");
    assert!(
        error.contains("ERROR") && error.contains("line 2"),
        "{error}"
    );
    assert_eq!(status(addr, Some(&bob)), 200);
    assert_eq!(status(addr, Some(ANN)), 401);

    fs::remove_file(&file).expect("removed");
    line_with(&mut log, "the earlier users stay");
    assert_eq!(status(addr, Some(&bob)), 200);
}

/// Runs `resumed hash-password` with this input.
fn hash_password(args: &[&str], input: &[u8]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.arg("hash-password").args(args);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.child().stdin.take().expect("piped");
    // Without a valid command line it reads nothing.
    let _ = stdin.write_all(input);
    drop(stdin);
    running.end()
}

#[test]
fn line_of_hash_password_logs_in() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    let ann = hash_password(&["ann"], b"secret\n");
    assert!(
        ann.out.starts_with("ann:$argon2id$v=19$m=19456,t=2,p=1$"),
        "{ann:?}"
    );
    let hash = hash_password(&[], b"secret\r\nmore").out;
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    assert_ne!(ann.out, format!("ann:{hash}"), "the salt is random");
    fs::write(&file, format!("{}bob:{hash}", ann.out)).expect("written");
    let flags = ["--user-file", file.to_str().expect("text")];
    let server = Process::start(&dir.path().join("uploads"), "127.0.0.1:0", &flags);
    for name in ["ann", "bob"] {
        assert_eq!(status(server.addr, Some(&login(name, "secret"))), 200);
        assert_eq!(status(server.addr, Some(&login(name, "secret "))), 401);
    }
}

#[test]
fn hash_password_refuses_bad_names_and_passwords() {
    for name in ["a:b", "", " a", "#a", "a\nb"] {
        hash_password(&[name], b"secret\n").expect(2, &["a name may not"]);
    }
    hash_password(&["ann", "bob"], b"secret\n").expect(2, &["bob"]);
    hash_password(&["ann"], b"\n").expect(1, &["the password is empty"]);
    hash_password(&["ann"], &[b'a'; 513]).expect(1, &["longer than 512 bytes"]);
}

/// Reads the next output. Returns nothing at its end.
fn read_some(pipe: &mut ChildStdout) -> String {
    let mut pipe = File::from(pipe.as_fd().try_clone_to_owned().expect("cloned"));
    in_time("output on the terminal", move || {
        let mut buffer = [0; 1024];
        let count = pipe.read(&mut buffer).expect("output");
        std::str::from_utf8(&buffer[..count])
            .expect("text")
            .to_owned()
    })
}

/// Runs `resumed hash-password` on a terminal, and types a password after each prompt. Returns the screen.
fn typed(passwords: [&str; 2]) -> String {
    let command = format!("{} hash-password ann", env!("CARGO_BIN_EXE_resumed"));
    let child = Command::new("script")
        .args(["-q", "-c", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Killed(child.expect("script runs"));
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = child.stdout.take().expect("piped");
    let mut screen = String::new();
    let mut typed = ["password: ", "the same again: "]
        .into_iter()
        .zip(passwords)
        .peekable();
    loop {
        let piece = read_some(&mut stdout);
        screen += &piece;
        if let Some((_, password)) = typed.next_if(|(prompt, _)| screen.contains(prompt)) {
            writeln!(stdin, "{password}").expect("typed");
        } else if piece.is_empty() {
            child.wait_in_time();
            return screen;
        }
    }
}

#[test]
fn terminal_does_not_show_the_password() {
    require!("hash-password on a terminal", terminal_obstacle());
    let [same, differing] = [["secret", "secret"], ["secret", "other"]].map(typed);
    assert!(same.contains("ann:$argon2id$"), "{same}");
    assert!(
        differing.contains("the two passwords differ"),
        "{differing}"
    );
    assert!(!(same + &differing).contains("secret"));
}

/// Sends a signal to `resumed hash-password` on a terminal. Returns its exit status, and the settings of the terminal then.
fn status_after(signal: Signal) -> (i32, String) {
    let hash_password = format!("{} hash-password ann", env!("CARGO_BIN_EXE_resumed"));
    let inner = format!("echo pid $$ end; exec {hash_password}");
    let command = format!("sh -c '{inner}'; status=$?; stty -a; exit $status");
    let child = Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Killed(child.expect("script runs"));
    let mut stdout = child.stdout.take().expect("piped");
    let mut screen = String::new();
    while !screen.contains("password: ") {
        let piece = read_some(&mut stdout);
        assert!(!piece.is_empty(), "{screen}");
        screen += &piece;
    }
    let pid = screen.split_whitespace().nth(1).expect("the pid");
    let pid = pid.parse().ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, signal).expect("signalled");
    let settings = in_time("the end of the output", move || {
        io::read_to_string(stdout).expect("text")
    });
    let status = child.wait_in_time().code();
    (status.expect("it ended"), settings)
}

#[test]
fn hash_password_restores_the_terminal_after_a_signal() {
    require!("hash-password and signals", terminal_obstacle());
    for (signal, expected) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (status, settings) = status_after(signal);
        assert_eq!(status, expected, "{signal:?}");
        assert!(settings.contains(" echo "), "{signal:?}: {settings}");
    }
}
