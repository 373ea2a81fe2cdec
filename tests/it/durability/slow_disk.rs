//! Requests that wait for the disk do not delay other requests.

use std::path::Path;

use crate::support::left_out::require;
use crate::support::program::Process;
use crate::support::running::wait_for_part;
use crate::support::trace::{Call, Traced, strace_obstacle};
use crate::support::{Client, append, get, in_a_chunk};

/// More than there are workers, anywhere.
const SMALL: usize = 12;

const BYTES: u64 = 3_000_000;

/// Every sync of a record takes this long.
const SLOW: &str = "inject=fdatasync:delay_enter=3s";

#[test]
fn bytes_come_in_while_many_uploads_wait_for_one_slow_sync() {
    require!("a disk that is slow to sync", strace_obstacle());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let flags = ["--workers", "4", "--sync", "durable"];
    let options = ["-e", "trace=fdatasync,pwrite64,sendto", "-e", SLOW];
    let traced = Traced::start(dir.path(), &flags, &options);
    let addr = traced.process.addr;
    let mut small: Vec<_> = (0..SMALL)
        .map(|number| {
            let mut client = Client::connect(addr);
            client.send(append(&format!("small-{number}"), 0, 5) + "hello");
            client
        })
        .collect();
    let mut large = Client::connect(addr);
    large.send(append("large", 0, 2 * BYTES));
    large.send(vec![b'x'; BYTES as usize]);
    wait_for_part(dir.path(), BYTES);
    for client in &mut small {
        assert_eq!(client.answer().text(), "5");
    }

    let calls = traced.calls();
    let is_of_record = |call: &&Call| call.name == "fdatasync" && call.of().ends_with(".json");
    let syncs: Vec<_> = calls.iter().filter(is_of_record).collect();
    let first_end = syncs.iter().map(|sync| sync.end).min().expect("a sync");
    assert!(
        syncs.iter().all(|sync| sync.begin < first_end),
        "some were only begun when others had ended"
    );
    let before: u64 = (calls.iter())
        .filter(|call| call.name == "pwrite64" && call.end < first_end)
        .map(|call| call.result)
        .sum();
    assert!(before >= BYTES, "{before} bytes had come by then");
}

/// The delay of every write, after the bytes are in the file.
const SLOW_WRITE: &str = "inject=pwrite64:delay_exit=3s";

#[test]
fn waiting_heads_leave_a_worker_for_other_requests() {
    require!("a disk that is slow to write", strace_obstacle());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = ["-e", "trace=pwrite64,sendto", "-e", SLOW_WRITE];
    let traced = Traced::start(dir.path(), &["--workers", "4", "--sync", "fast"], &options);
    let addr = traced.process.addr;
    let ask = |request: String| {
        let mut client = Client::connect(addr);
        client.send(request);
        client
    };
    let creation = "POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 10\r\n\r\n";
    let created = ask(creation.into()).answer();
    let location = created.field("Location").expect("where it is");
    let (_, id) = location.split_once("/files/").expect("an address");
    let request = |method: &str, more: &str| {
        format!(
            "{method} /files/{id} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n{more}\r\n"
        )
    };
    // Sent after the head, so that the body is written separately.
    let patch = "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 10\r\n\
                 Expect: 100-continue\r\n";
    let mut writer = ask(request("PATCH", patch));
    assert_eq!(writer.answer().status, 100);
    writer.send("hello");
    wait_for_part(dir.path(), 5);
    let mut heads: Vec<_> = (0..SMALL).map(|_| ask(request("HEAD", ""))).collect();
    assert_eq!(ask(get("/health", "")).answer().status, 200);
    for head in &mut heads {
        assert_eq!(head.answer().field("Upload-Offset"), Some("5"));
    }

    let calls = traced.calls();
    let said = |words: &str| {
        let is_it = |call: &&Call| call.texts().any(|text| text.contains(words));
        calls.iter().find(is_it).expect("it was said").end
    };
    assert!(
        said("ok\\n") < said("Upload-Offset: 5"),
        "the answer to /health waited"
    );
}

/// Every sync takes this long.
const SLOW_SYNC: &str = "inject=fsync,fdatasync:delay_enter=3s";

/// Sends requests that wait for a sync, and then one that does not. Returns the statuses of the former.
fn statuses_beside_health(dir: &Path, flags: &[&str], requests: [Vec<u8>; SMALL]) -> Vec<u16> {
    let flags = [&["--workers", "4"], flags].concat();
    let options = ["-e", "trace=fsync,fdatasync", "-e", SLOW_SYNC];
    let traced = Traced::start(dir, &flags, &options);
    let ask = |request| {
        let mut client = Client::connect(traced.process.addr);
        client.send(request);
        client
    };
    let mut waiting = requests.map(ask);
    assert_eq!(ask(get("/health", "").into()).answer().status, 200);
    let is_late = waiting.iter().any(Client::has_answer);
    assert!(!is_late, "the answer to /health waited for a sync");
    let statuses = waiting.iter_mut().map(|client| client.answer().status);
    statuses.collect()
}

/// Returns requests in one piece, each with a chunked body.
fn with_bodies(body: &[u8]) -> [Vec<u8>; SMALL] {
    std::array::from_fn(|number| {
        let head = append(&format!("small-{number}"), 0, 0);
        let head = head.replace("Content-Length: 0", "Transfer-Encoding: chunked");
        [head.as_bytes(), body].concat()
    })
}

#[test]
fn refused_bodies_leave_a_worker_for_other_requests() {
    require!("a disk that is slow to sync", strace_obstacle());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let too_large = with_bodies(&in_a_chunk(b"hello world"));
    let statuses = statuses_beside_health(dir.path(), &["--max-size", "5"], too_large);
    assert_eq!(statuses, [413; SMALL]);
}

#[test]
fn malformed_bodies_leave_a_worker_for_other_requests() {
    require!("a disk that is slow to sync", strace_obstacle());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let malformed = with_bodies(b"5\r\nhello\r\nno size\r\n");
    let statuses = statuses_beside_health(dir.path(), &[], malformed);
    assert_eq!(statuses, [400; SMALL]);
}

#[test]
fn first_bytes_after_a_kill_leave_a_worker_for_other_requests() {
    require!("a disk that is slow to sync", strace_obstacle());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let quick = Process::start(dir.path(), "127.0.0.1:0", &[] as &[&str]);
    let begin = |number| {
        let mut client = quick.connect();
        client.send(append(&format!("small-{number}"), 0, 10) + "hello");
        client
    };
    let begun: [Client; SMALL] = std::array::from_fn(begin);
    wait_for_part(dir.path(), 5 * SMALL as u64);
    drop(quick);
    drop(begun);
    // Bytes of an earlier process are synced before others follow.
    let rest = std::array::from_fn(|number| {
        let head = append(&format!("small-{number}"), 5, 5);
        (head + "hello").into()
    });
    assert_eq!(statuses_beside_health(dir.path(), &[], rest), [200; SMALL]);
}
