//! A full upload, as a crash between the last write and the publishing leaves it.

use std::fs::{self, OpenOptions};
use std::io::Write;

use tempfile::TempDir;

use crate::support::files::partial;
use crate::support::get;
use crate::support::program::{Process, Program};

/// Requests that begin an upload of five bytes and send four. `{place}` is the `Location` of the first answer.
const BEGINNINGS: [&[&str]; 3] = [
    &[
        "POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n\
         Upload-Metadata: filename YQ==\r\nContent-Length: 0\r\n\r\n",
        "PATCH {place} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: 4\r\n\r\nhell",
    ],
    &[
        "POST /files HTTP/1.1\r\nHost: localhost\r\nUpload-Complete: ?0\r\nUpload-Length: 5\r\n\
         Content-Disposition: inline; filename=\"a\"\r\nContent-Length: 4\r\n\r\nhell",
    ],
    &[
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a-5-1700000000000\r\n\
         Content-Length: 4\r\n\r\nhell",
    ],
];

/// The request of each dialect for the offset, and the answer.
const QUESTIONS: [(&str, &[(&str, &str)]); 3] = [
    (
        "HEAD {place} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n\r\n",
        &[("Upload-Offset", "5"), ("Upload-Length", "5")],
    ),
    (
        "HEAD {place} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[("Upload-Offset", "5"), ("Upload-Complete", "?1")],
    ),
    (
        "GET /status HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a-5-1700000000000\r\n\r\n",
        &[("Upload-Offset", "5"), ("Upload-Complete", "?1")],
    ),
];

/// Begins an upload, kills the server, and appends the fifth byte to the data file. Returns the directory and the path
/// in the address of the upload.
fn left_full(beginning: &[&str]) -> (TempDir, String) {
    let program = Program::start(&[]);
    let mut place = String::new();
    for request in beginning {
        let answer = program.connect().ask(request.replace("{place}", &place));
        assert!(answer.status < 300, "{answer:?}");
        if let Some(location) = answer.field("Location") {
            place = location.trim_start_matches("http://localhost").to_owned();
        }
    }
    let dir = program.kill();
    let partial = OpenOptions::new().append(true).open(partial(dir.path()));
    partial.expect("opened").write_all(b"o").expect("written");
    (dir, place)
}

#[test]
fn full_partial_is_published_before_its_length_is_answered() {
    for (beginning, (question, expected)) in BEGINNINGS.iter().zip(QUESTIONS) {
        let (dir, place) = left_full(beginning);
        let program = Program::over(dir, "127.0.0.1:0", &[]);
        let answer = program.connect().ask(question.replace("{place}", &place));
        for (name, value) in expected {
            assert_eq!(answer.field(name), Some(*value), "{question}: {answer:?}");
        }
        let file = fs::read(program.dir().join("a"));
        assert_eq!(file.expect("it is published"), b"hello", "{question}");
    }
}

#[test]
fn full_partial_is_published_at_start() {
    for beginning in BEGINNINGS {
        let (dir, _) = left_full(beginning);
        let mut process = Process::logging("info", dir.path(), &[]);
        let mut lines = process.log();
        lines
            .find(|line| line.contains("a is complete: 5 bytes"))
            .expect("the log tells of it");
        assert_eq!(fs::read(dir.path().join("a")).expect("published"), b"hello");
        let recent = process.ask(get("/recent", ""));
        assert!(recent.text().contains(r#""path":"a""#), "{recent:?}");
    }
}
