//! That a transcript which does not hold is found out.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
};

use super::{
    front::{Front, Running},
    run,
    script::Script,
};

const QUESTION: &str = "# A question\n\n> GET /status HTTP/1.1\n>\n\n";

#[test]
fn a_transcript_that_holds_passes() {
    let answer =
        "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\nUpload-Offset: 5\r\n\r\n5\n";
    assert_eq!(
        judge(
            "< HTTP/1.1 200 OK\n< Upload-Offset: 5\n<\n<< 5\\n\n",
            answer
        ),
        Ok(())
    );
    assert_eq!(
        judge(
            "< HTTP/1.1 200 OK\n< Upload-Offset: 5\n<\n<< {a line}\n\ndisk: nothing\n",
            answer
        ),
        Ok(())
    );
    assert_eq!(
        judge(
            "< HTTP/1.1 204 No Content\n<\n",
            "HTTP/1.1 204 No Content\r\n\r\n"
        ),
        Ok(())
    );
}

#[test]
fn whatever_else_the_server_says_is_found_out() {
    let expected = "< HTTP/1.1 200 OK\n< Upload-Offset: 5\n<\n<< 5\n";
    let cases = [
        (
            "HTTP/1.1 409 Conflict\r\nUpload-Offset: 5\r\nContent-Length: 1\r\n\r\n5",
            "status line",
        ),
        (
            "HTTP/1.1 200 OK\r\nUpload-Offset: 4\r\nContent-Length: 1\r\n\r\n5",
            "Upload-Offset",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n5",
            "Upload-Offset",
        ),
        (
            "HTTP/1.1 200 OK\r\nUpload-Offset: 5\r\nX-More: 1\r\nContent-Length: 1\r\n\r\n5",
            "X-More: 1",
        ),
        (
            "HTTP/1.1 200 OK\r\nUpload-Offset: 5\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\n5",
            "text/html",
        ),
        (
            "HTTP/1.1 200 OK\r\nUpload-Offset: 5\r\nContent-Length: 1\r\n\r\n6",
            "body",
        ),
        (
            "HTTP/1.1 200 OK\r\nUpload-Offset: 5\r\nContent-Length: 1\r\n\r\n55",
            "unread: \"5\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nUpload-Offset: 5\r\nContent-Length: 2\r\n\r\n5",
            "the server closed",
        ),
        ("", "no answer"),
    ];
    for (answer, problem) in cases {
        let (_, found) = judge(expected, answer).expect_err(answer);
        assert!(found.contains(problem), "{found}");
    }
}

#[test]
fn for_a_number_stands_a_number() {
    let expected = "< HTTP/1.1 200 OK\n<\n<< [{a number},\n<< {a number}]\n";
    let holds = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[5,13]";
    assert_eq!(judge(expected, holds), Ok(()));
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[5,]",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[5,a3]",
        "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n[5,13]]",
    ] {
        let (_, found) = judge(expected, answer).expect_err(answer);
        assert!(found.contains("[{a number},{a number}]"), "{found}");
    }
}

#[test]
fn a_wrong_disk_is_found_out() {
    let answer = "HTTP/1.1 204 No Content\r\n\r\n";
    for claim in ["disk: film = \"hello\"", "held: \"hel\""] {
        let (line, found) = judge(
            &format!("< HTTP/1.1 204 No Content\n<\n\n{claim}\n"),
            answer,
        )
        .expect_err(claim);
        assert_eq!(line, 9, "{found}");
    }
}

#[test]
fn a_transcript_that_is_no_transcript_is_refused() {
    let cases = [
        "GET /status",
        ">> {3 KB of a}",
        ">> \\q",
        ">> {3 of a",
        "<< 5",
        "--- later",
        "disk: a = hello",
    ];
    for text in cases {
        assert!(Script::parse(text).is_err(), "{text}");
    }
}

fn judge(script: &str, answer: &'static str) -> Result<(), (usize, String)> {
    run(&Parrot(answer), &format!("{QUESTION}{script}"))
}

/// Answers the first request always the same, and ends when the client has.
struct Parrot(&'static str);

impl Front for Parrot {
    fn start(&self, _: &[String], _: &Path) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("its address");
        let answer = self.0;
        let parrot = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            read_head(&mut stream);
            stream
                .write_all(answer.as_bytes())
                .expect("the client listens");
        });
        Running {
            addr,
            _server: Box::new(parrot),
        }
    }
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole head");
        head.extend(byte);
    }
}
