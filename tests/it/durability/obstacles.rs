//! Lasting obstacles to publishing: folders without permission, immutable or read-only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::left_out::{left_out, require, user_obstacle};
use crate::support::limit::{RunInTime, wait_until};
use crate::support::mount::{Mount, obstacle};
use crate::support::program::Process;
use crate::support::{Answer, append, status};

const NOBODY: &str = "65534";

fn start(dir: &Path) -> Process {
    Process::start(dir, "127.0.0.1:0", &[] as &[&str])
}

/// Starts a server as the user nobody, who owns the directory.
fn start_as_nobody(dir: &Path) -> Process {
    let owner = Command::new("chown").arg(NOBODY).arg(dir).status_in_time();
    assert!(owner.expect("chown runs").success());
    let mut command = Command::new("setpriv");
    let ids = [["--reuid", NOBODY], ["--regid", NOBODY]].concat();
    command
        .args(ids)
        .args(["--clear-groups", env!("CARGO_BIN_EXE_resumed")]);
    Process::of(command, dir, "127.0.0.1:0", &[] as &[&str])
}

fn head(id: &str, start: usize, length: usize, name: &str) -> String {
    let fields = format!("\r\nX-File-Size: 5\r\nX-File-Name: {name}\r\n\r\n");
    append(id, start, length).replace("\r\n\r\n", &fields)
}

#[track_caller]
fn expect_final(answer: &Answer, words: &str) {
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.field("Upload-Offset"), None);
    assert!(answer.text().contains("photos/a"), "{answer:?}");
    assert!(answer.text().contains(words), "{answer:?}");
}

/// Returns a directory with a folder that only root can write.
fn with_locked_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    // Other users may not be able to enter the temporary directory of Cargo.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("opened");
    fs::create_dir(dir.path().join("photos")).expect("made");
    dir
}

#[test]
fn folder_of_another_owner_is_refused_before_the_body() {
    require!("a folder of another owner", user_obstacle());
    let dir = with_locked_folder();
    let process = start_as_nobody(dir.path());
    expect_final(
        &process.ask(head("a", 0, 5, "photos/a")),
        "Permission denied",
    );
    let deeper = head("b", 0, 5, "photos/a/b");
    expect_final(&process.ask(deeper), "Permission denied");
}

/// The folder is locked after the upload began, so the obstacle shows only at publishing.
#[test]
fn folder_locked_in_mid_upload_is_a_final_answer() {
    require!("a folder that is locked in mid-upload", user_obstacle());
    let dir = with_locked_folder();
    let photos = dir.path().join("photos");
    let lock = |mode| fs::set_permissions(&photos, fs::Permissions::from_mode(mode)).expect("set");
    lock(0o777);
    let process = start_as_nobody(dir.path());
    let mut client = process.connect();
    client.send(head("a", 0, 5, "photos/a") + "hel");
    wait_until!(process.ask(status("a")).text() == "3");
    lock(0o755);
    client.send("lo");
    expect_final(&client.answer(), "Permission denied");
    expect_final(&process.ask(status("a")), "Permission denied");
    lock(0o777);
    assert_eq!(process.ask(status("a")).text(), "5");
    assert_eq!(fs::read(photos.join("a")).expect("there"), b"hello");
}

#[test]
fn immutable_folder_is_refused_before_the_body() {
    let dir = tempfile::tempdir().expect("a directory");
    let photos = dir.path().join("photos");
    fs::create_dir(&photos).expect("made");
    let change = |flag| {
        Command::new("chattr")
            .arg(flag)
            .arg(&photos)
            .output_in_time()
    };
    if !change("+i").is_ok_and(|output| output.status.success()) {
        return left_out("an immutable folder", "chattr +i does not work here");
    }
    let process = start(dir.path());
    let answer = process.ask(head("a", 0, 5, "photos/a"));
    change("-i").expect("it runs");
    expect_final(&answer, "Operation not permitted");
}

#[test]
fn read_only_folder_is_refused_before_the_body() {
    require!("a folder mounted read-only", obstacle(&[]));
    let dir = tempfile::tempdir().expect("a directory");
    let photos = dir.path().join("photos");
    fs::create_dir(&photos).expect("made");
    let _mount = Mount::tmpfs_on(&photos, "ro");
    let process = start(dir.path());
    let answer = process.ask(head("a", 0, 5, "photos/a"));
    expect_final(&answer, "Read-only file system");
    let tus = "POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n\
               Upload-Metadata: relativePath cGhvdG9zL2E=\r\nContent-Length: 0\r\n\r\n";
    expect_final(&process.ask(tus), "Read-only file system");
}

#[test]
fn obstacle_is_logged_once_for_many_requests() {
    let dir = tempfile::tempdir().expect("a directory");
    let photos = dir.path().join("photos");
    fs::create_dir(&photos).expect("made");
    let change = |flag| {
        Command::new("chattr")
            .arg(flag)
            .arg(&photos)
            .output_in_time()
    };
    let mut process = Process::logging("warn", dir.path(), &[]);
    let mut client = process.connect();
    client.send(head("a", 0, 5, "photos/a") + "hel");
    wait_until!(process.ask(status("a")).text() == "3");
    if !change("+i").is_ok_and(|output| output.status.success()) {
        return left_out("the log of an obstacle", "chattr +i does not work here");
    }
    client.send("lo");
    let mut answers = vec![client.answer()];
    answers.extend((0..3).map(|_| process.ask(status("a"))));
    change("-i").expect("it runs");
    process.child().kill().expect("killed");
    let log: Vec<_> = process.log().collect();
    answers
        .iter()
        .for_each(|answer| expect_final(answer, "Operation not permitted"));
    let lines = log.iter().filter(|line| line.contains("cannot publish"));
    assert_eq!(lines.count(), 1, "{log:?}");
}
