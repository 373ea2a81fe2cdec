//! The cost of a question about an upload of an earlier server, seen from outside.

use resumed::store::Id;

use super::start;
use crate::support::left_out::require;
use crate::support::trace::{MOVES, Traced, strace_obstacle};
use crate::support::{append, status};

const ID: &str = "a.bin-10-1700000000000";

#[test]
fn each_question_opens_the_data_file_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    require!("the cost of a question", strace_obstacle());
    let process = start(dir.path(), &[]);
    let mut client = process.connect();
    client.send(append(ID, 0, 10) + "hello");
    client.cut();
    drop(process);

    let traced = Traced::start(dir.path(), &[], &["-e", MOVES]);
    let questions = [
        (status(ID), 200, "5"),
        (status(ID), 200, "5"),
        (append(ID, 5, 0), 200, "5"),
        (append(ID, 3, 0), 409, "5"),
    ];
    for (question, status, text) in &questions {
        let answer = traced.process.ask(question);
        assert_eq!((answer.status, answer.text()), (*status, *text));
    }
    let calls = traced.calls();
    let partial = Id::new(b"", ID.as_bytes()).key().to_string();
    let opens = calls.iter().filter(|call| {
        call.name == "openat" && call.paths()[0].ends_with(&format!("/.resumed/{partial}"))
    });
    assert_eq!(opens.count(), questions.len());
}
