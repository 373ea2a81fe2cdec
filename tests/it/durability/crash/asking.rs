//! The cost of a question about an upload of an earlier server, seen from outside.

use resumed::store::Id;

use super::start;
use crate::support::left_out::left_out;
use crate::support::trace::{MOVES, Traced, is_possible};
use crate::support::{Client, append};

const ID: &str = "a.bin-10-1700000000000";

#[test]
fn each_question_opens_the_data_file_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    if !is_possible() {
        return left_out("the cost of a question", "strace cannot be used");
    }
    let process = start(dir.path(), &[]);
    let mut client = Client::connect(process.addr);
    client.send(append(ID, 0, 10) + "hello");
    client.cut();
    drop(process);

    let traced = Traced::start(dir.path(), &[], &["-e", MOVES]);
    let status = format!("GET /status HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {ID}\r\n\r\n");
    let questions = [
        (status.clone(), 200, "5"),
        (status, 200, "5"),
        (append(ID, 5, 0), 200, "5"),
        (append(ID, 3, 0), 409, "5"),
    ];
    for (question, status, text) in &questions {
        let mut client = Client::connect(traced.process.addr);
        client.send(question);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (*status, *text));
    }
    let calls = traced.calls();
    let partial = Id::new(b"", ID.as_bytes()).key().to_string();
    let opens = calls.iter().filter(|call| {
        call.name == "openat" && call.paths()[0].ends_with(&format!("/.resumed/{partial}"))
    });
    assert_eq!(opens.count(), questions.len());
}
