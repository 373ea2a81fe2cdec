//! Uploads on a small disk: they leave the space and the inodes that the server keeps free.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use crate::support::left_out::require;
use crate::support::limit::wait_until;
use crate::support::mount::{Mount, make_image, obstacle};
use crate::support::program::Process;
use crate::support::{Answer, Client, append, content, in_a_chunk};

const MIB: usize = 1 << 20;

/// One window of a body: the buffer of a worker.
const WINDOW: usize = 256 << 10;

fn start(mount: &Mount, flags: &[&str]) -> Process {
    Process::logging("off", &mount.path().join("uploads"), flags)
}

/// Returns the free bytes and inodes.
fn free(path: &Path) -> (usize, usize) {
    let about = statvfs(path).expect("a file system");
    let bytes = about.f_bavail * about.f_frsize;
    (bytes as usize, about.f_favail as usize)
}

fn post(id: &str, fields: &str) -> String {
    format!("POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {id}\r\n{fields}\r\n")
}

/// Returns an empty file in 30 folders of its own.
fn in_folders(number: usize) -> String {
    let folders = format!("{number}/{}", "d/".repeat(29));
    let declared = format!("X-File-Name: {folders}a\r\nX-File-Size: 0\r\nContent-Length: 0\r\n");
    post(&number.to_string(), &declared)
}

/// Sends uploads until one is refused.
#[track_caller]
fn until_refused(process: &Process, upload: impl Fn(usize) -> String) -> Answer {
    let mut client = process.connect();
    let mut answers = (0..10_000).map(|number| client.ask(upload(number)));
    let refused = answers.find(|answer| answer.status != 200);
    refused.expect("the disk is small")
}

#[track_caller]
fn assert_refused(answer: &Answer, limit: &str) {
    assert_eq!(answer.status, 507, "{answer:?}");
    let line = answer.text();
    assert!(line.contains(limit) && line.lines().count() == 1, "{line}");
}

#[test]
fn chunked_body_leaves_min_free() {
    require!("a chunked body on a small disk", obstacle(&[]));
    let mount = Mount::tmpfs("size=100m");
    let process = start(&mount, &["--min-free", "70M"]);
    let body = in_a_chunk(&content(64 * MIB));
    let answer = process.send(post("a", "Transfer-Encoding: chunked\r\n"), &body);
    assert_refused(&answer, "free space");
    let (bytes, _) = free(mount.path());
    let floor = 70 * MIB;
    assert!((floor..floor + 2 * WINDOW).contains(&bytes), "{bytes}");
    let held = process.connect().held("a") as usize;
    assert!(held > 29 * MIB, "{held} bytes are kept");
    assert_eq!(answer.field("Upload-Offset"), Some(&*held.to_string()));
}

#[test]
fn crowd_of_chunked_bodies_leaves_min_free() {
    require!("chunked bodies on a small disk", obstacle(&[]));
    let mount = Mount::tmpfs("size=120m");
    let process = start(&mount, &["--min-free", "20M"]);
    let body = &in_a_chunk(&content(16 * MIB));
    let head = |id: u64| post(&id.to_string(), "Transfer-Encoding: chunked\r\n");
    let (process, head) = (&process, &head);
    thread::scope(|scope| {
        for id in 0..10 {
            scope.spawn(move || process.send(head(id), body));
        }
    });
    let (bytes, _) = free(mount.path());
    assert!(bytes >= 20 * MIB, "{bytes}");
}

#[test]
fn tiny_uploads_leave_min_free_inodes() {
    require!("inodes that run out", obstacle(&[]));
    let mount = Mount::tmpfs("size=100m,nr_inodes=2000");
    for (flags, floor) in [(&["--min-free-inodes", "500"][..], 500), (&[], 20)] {
        let process = start(&mount, flags);
        let mut slow = process.connect();
        let id = format!("begun{floor}-2-1700000000000");
        slow.send(append(&id, 0, 2) + "a");
        wait_until!(process.connect().held(&id) >= 1);

        let tiny = |number| append(&format!("{floor}-{number}"), 0, 1) + "a";
        let answer = until_refused(&process, tiny);
        assert_refused(&answer, &format!("{floor} stay free"));
        let (_, inodes) = free(mount.path());
        assert!((floor..floor + 5).contains(&inodes), "{inodes}");
        slow.send("b");
        assert_eq!(slow.answer().text(), "Success 2");
    }
}

#[test]
fn empty_uploads_in_folders_leave_min_free() {
    require!("folders on a small disk", obstacle(&["ext4"]));
    let home = tempfile::tempdir().expect("a temporary directory");
    let image = home.path().join("image");
    make_image(&image, "ext4 -q -b 4096 -N 8192", 48 << 20);
    let mount = Mount::image(&image);
    let floor = 16 * MIB;
    let process = start(&mount, &["--min-free", "16M", "--sync", "fast"]);
    let answer = until_refused(&process, in_folders);
    assert_refused(&answer, "free space");
    let (bytes, _) = free(mount.path());
    assert!((floor..floor + MIB).contains(&bytes), "{bytes}");
}

#[test]
fn empty_uploads_in_folders_leave_min_free_inodes() {
    require!("folders that take all inodes", obstacle(&[]));
    let mount = Mount::tmpfs("size=100m,nr_inodes=2000");
    let process = start(&mount, &[]);
    let answer = until_refused(&process, in_folders);
    assert_refused(&answer, "free inodes");
    let (_, inodes) = free(mount.path());
    assert!((20..60).contains(&inodes), "{inodes}");
}

/// Returns a request of a user for an upload that begins with one byte.
fn of(user: &str, length: usize) -> String {
    // "ann:a" and "bob:b" in base64.
    let password = if user == "ann" {
        "YW5uOmE="
    } else {
        "Ym9iOmI="
    };
    let fields = "Expect: 100-continue\r\n";
    post(
        "film",
        &format!("Authorization: Basic {password}\r\nContent-Length: {length}\r\n{fields}"),
    )
}

/// Waits until the server admits the upload, and returns its connection.
fn admitted(process: &Process, request: &str) -> Client {
    let since = Instant::now();
    loop {
        let mut client = process.connect();
        if client.ask(request).status == 100 {
            return client;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "never admitted");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn silent_upload_reserves_nothing_after_30_seconds() {
    require!("reservations on a small disk", obstacle(&[]));
    let mount = Mount::tmpfs("size=100m");
    let users = ["--user", "ann:a", "--user", "bob:b"];
    let waits = ["--min-free", "0", "--idle-timeout", "600"];
    let process = start(&mount, &[users, waits].concat());
    let mut ann = admitted(&process, &of("ann", 99 * MIB));
    ann.send([1; 1000]);

    // For another user, a reservation counts up to half of the free space.
    assert_eq!(process.ask(of("bob", 45 * MIB)).status, 100);
    let refused = process.ask(of("bob", 60 * MIB));
    assert_refused(&refused, "reserved for other uploads");
    let mut bob = admitted(&process, &of("bob", 60 * MIB));
    bob.send([1; 1000]);

    ann.send([1; WINDOW]);
    let answer = ann.answer();
    assert_refused(&answer, "reserved for other uploads");
    assert_eq!(answer.field("Upload-Offset"), Some("1000"));
    bob.send(vec![1; 60 * MIB - 1000]);
    assert_eq!(bob.answer().text(), (60 * MIB).to_string());
}
