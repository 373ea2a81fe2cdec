//! Tests of tus that need two connections. All others are transcripts.

use std::fs;
use std::thread;

use crate::support::running::wait_for_part;
use crate::support::{Answer, Site};

const LENGTH: usize = 4 << 20;
/// The bytes sent by a client that never completes its request.
const HALF: usize = LENGTH / 2;

fn in_memory() -> Site {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    Site::again(dir.expect("a directory"), |config| config)
}

/// Creates an upload and returns its path.
fn created(site: &Site) -> String {
    let answer = site.ask(format!(
        "POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {LENGTH}\r\n\
         Upload-Metadata: filename YS5iaW4=\r\n\r\n"
    ));
    let location = answer.field("Location").expect("where it is");
    let (_, id) = location.split_once("/files/").expect("an address");
    format!("/files/{id}")
}

fn patch(path: &str, offset: usize) -> String {
    let length = LENGTH - offset;
    format!(
        "PATCH {path} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n\
         Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn ask(site: &Site, path: &str, more: &str) -> Answer {
    site.ask(format!(
        "HEAD {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n"
    ))
}

/// Asks for the offset, sends the rest from there, and compares the file on disk.
#[track_caller]
fn resume(site: &Site, path: &str) {
    let start = ask(site, path, "Tus-Resumable: 1.0.0\r\n").offset() as usize;
    assert!(start <= HALF, "{start}");
    let mut client = site.connect();
    client.send(patch(path, start));
    client.send(vec![b'b'; LENGTH - start]);
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.offset()),
        (204, LENGTH as u64),
        "from {start}"
    );

    let file = site.dir().join("a.bin");
    let bytes = fs::read(&file).expect("published");
    let is_right = |(at, byte): (usize, &u8)| *byte == if at < start { b'a' } else { b'b' };
    assert_eq!(bytes.len(), LENGTH);
    assert!(
        bytes.iter().enumerate().all(is_right),
        "mixed after {start}"
    );
    fs::remove_file(file).expect("removed");
}

#[test]
fn offset_from_head_is_taken_while_a_cut_request_drains() {
    let site = in_memory();
    for _ in 0..50 {
        let path = created(&site);
        let mut old = site.connect();
        old.send(patch(&path, 0));
        old.send(vec![b'a'; HALF]);
        wait_for_part(site.dir(), 1);
        drop(old);
        resume(&site, &path);
    }
}

#[test]
fn offset_from_head_is_taken_while_another_request_sends() {
    let site = in_memory();
    for _ in 0..50 {
        let path = created(&site);
        let mut old = site.connect();
        old.send(patch(&path, 0));
        old.send([b'a'; 1000]);
        wait_for_part(site.dir(), 1000);
        thread::scope(|scope| {
            // The server may refuse the rest, and close the connection.
            scope.spawn(|| old.try_send(vec![b'a'; HALF - 1000]));
            resume(&site, &path);
        });
    }
}

#[test]
fn head_stops_the_earlier_request() {
    let site = in_memory();
    let path = created(&site);
    let mut old = site.connect();
    old.send(patch(&path, 0));
    old.send([b'a'; 1000]);
    wait_for_part(site.dir(), 1000);
    assert_eq!(ask(&site, &path, "Tus-Resumable: 1.0.0\r\n").offset(), 1000);

    old.send([b'a'; 1000]);
    let refusal = old.answer();
    assert_eq!((refusal.status, refusal.offset()), (409, 1000));
}

#[test]
fn head_of_status_or_name_stops_no_request() {
    let site = in_memory();
    let requests = [
        (
            "POST /upload",
            "X-File-Id: film\r\nX-File-Name: film\r\nX-File-Size: 5\r\n",
            "/status",
            200,
        ),
        ("PUT /files/film", "", "/files/film", 201),
    ];
    for (request, fields, asked, status) in requests {
        let mut writer = site.connect();
        writer.send(format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: 5\r\n\r\nhel"
        ));
        wait_for_part(site.dir(), 3);
        let answer = ask(&site, asked, "X-File-Id: film\r\n");
        assert_eq!((answer.status, answer.offset()), (200, 3), "{asked}");
        assert_eq!(writer.ask("lo").status, status, "{request}");
        fs::remove_file(site.dir().join("film")).expect("published");
    }
}
