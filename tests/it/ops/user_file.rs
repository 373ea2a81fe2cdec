//! The file of `--user-file`, and users whose login always fails.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use resumed::Config;

use crate::support::program::Process;
use crate::support::running::{Said, run};
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
