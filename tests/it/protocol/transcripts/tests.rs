//! Tests of the transcript player: each difference is found.

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

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length:";

#[test]
fn transcript_that_holds_passes() {
    let answer =
        "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\nUpload-Offset: 5\r\n\r\n5\n";
    for (script, answer) in [
        (
            "< HTTP/1.1 200 OK\n< Upload-Offset: 5\n<\n<< 5\\n\n",
            answer,
        ),
        (
            "< HTTP/1.1 200 OK\n< Upload-Offset: 5\n<\n<< {a line}\n\ndisk: nothing\n",
            answer,
        ),
        (
            "< HTTP/1.1 204 No Content\n<\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ),
        (
            "< HTTP/1.1 200 OK\n<\n<< [{a number},\n<< {a number}]\n",
            &format!("{OK} 6\r\n\r\n[5,13]"),
        ),
    ] {
        assert_eq!(judge(script, answer), Ok(()));
    }
}

#[test]
fn every_difference_from_a_transcript_is_found() {
    let offset = "< HTTP/1.1 200 OK\n< Upload-Offset: 5\n<\n<< 5\n";
    let numbers = "< HTTP/1.1 200 OK\n<\n<< [{a number},\n<< {a number}]\n";
    let empty = "< HTTP/1.1 200 OK\n<\n";
    let wrong_disk = format!("{empty}\ndisk: film = \"hello\"\n");
    let wrong_part = format!("{empty}\nheld: \"hel\"\n");
    let ok = |rest: &str| format!("{OK} {rest}");
    for (script, answer, problem) in [
        (
            offset,
            "HTTP/1.1 409 Conflict\r\nUpload-Offset: 5\r\nContent-Length: 1\r\n\r\n5".into(),
            "status line",
        ),
        (
            offset,
            ok("1\r\nUpload-Offset: 4\r\n\r\n5"),
            "Upload-Offset",
        ),
        (offset, ok("1\r\n\r\n5"), "Upload-Offset"),
        (
            offset,
            ok("1\r\nUpload-Offset: 5\r\nX-More: 1\r\n\r\n5"),
            "X-More: 1",
        ),
        (
            offset,
            ok("1\r\nUpload-Offset: 5\r\nContent-Type: text/html\r\n\r\n5"),
            "text/html",
        ),
        (offset, ok("1\r\nUpload-Offset: 5\r\n\r\n6"), "body"),
        (
            offset,
            ok("1\r\nUpload-Offset: 5\r\n\r\n55"),
            "unread: \"5\"",
        ),
        (
            offset,
            ok("2\r\nUpload-Offset: 5\r\n\r\n5"),
            "the server closed",
        ),
        (offset, String::new(), "no answer"),
        (numbers, ok("4\r\n\r\n[5,]"), "[{a number},{a number}]"),
        (numbers, ok("6\r\n\r\n[5,a3]"), "[{a number},{a number}]"),
        (numbers, ok("7\r\n\r\n[5,13]]"), "[{a number},{a number}]"),
        (&wrong_disk, ok("0\r\n\r\n"), "disk"),
        (&wrong_part, ok("0\r\n\r\n"), "held"),
    ] {
        let (_, found) = judge(script, &answer).expect_err(&answer);
        assert!(found.contains(problem), "{answer}: {found}");
    }
    for text in [
        "GET /status",
        ">> {3 KB of a}",
        ">> \\q",
        ">> {3 of a",
        "<< 5",
        "--- later",
        "disk: a = hello",
    ] {
        assert!(Script::parse(text).is_err(), "{text}");
    }
}

#[test]
fn missing_field_of_each_final_answer_is_found() {
    let script = format!("{QUESTION}< HTTP/1.1 200 OK\n<\n");
    let answer = format!("{OK} 0\r\n\r\n");
    let (_, found) = run(&Parrot(answer), &script).expect_err("no field");
    assert!(found.contains("X-Content-Type-Options"), "{found}");
}

const PROTECTING: &str = "\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
                          Cross-Origin-Resource-Policy: same-origin\r\n";

/// Plays a transcript against a front that gives this answer, and the fields of each final answer.
fn judge(script: &str, answer: &str) -> Result<(), (usize, String)> {
    let answer = answer.replacen("\r\n", PROTECTING, 1);
    run(&Parrot(answer), &format!("{QUESTION}{script}"))
}

/// Answers the first request always the same, and ends when the client has.
struct Parrot(String);

impl Front for Parrot {
    fn start(&self, _: &[String], _: &Path) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("its address");
        let answer = self.0.clone();
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
