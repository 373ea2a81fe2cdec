//! The system calls of a body window: one read and one write of the same memory.

use std::collections::HashSet;
use std::ops::Range;
use std::slice::from_ref;

use crate::support::Client;
use crate::support::left_out::require;
use crate::support::trace::{Call, Traced, strace_obstacle};

/// Less than what is synced at once.
const LENGTH: usize = 32 << 20;

const BUFFER: u64 = 256 * 1024;

/// A range of memory.
type Place = Range<u64>;

/// A read, and the writes before the next read.
#[derive(Debug)]
struct Window {
    /// The size of the request to the kernel.
    asked: u64,
    read: Place,
    written: Vec<Place>,
}

/// Returns the windows of the middle of a body.
fn watch(fields: &str, body: &[u8]) -> Vec<Window> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // The numbers of a raw call say where in memory the bytes are.
    let traced = Traced::start(dir.path(), &[], &["-e", "raw=recvfrom,pwrite64"]);
    let mut client = Client::connect(traced.process.addr);
    client.send(format!(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: film\r\n{fields}\r\n\r\n"
    ));
    let answer = client.ask(body);
    assert_eq!(answer.text(), format!("{LENGTH}"));
    windows(&traced.calls())
}

/// The first write makes the file, and what follows the last is the end.
fn windows(calls: &[Call]) -> Vec<Window> {
    let is_write = |call: &Call| call.name == "pwrite64";
    let first = calls.iter().position(is_write).expect("a first write");
    let last = calls.iter().rposition(is_write).expect("a last write");
    let mut windows: Vec<Window> = Vec::new();
    // Threads that have moved bytes. What others do is to start.
    let mut movers = HashSet::new();
    let (mut record_calls, mut space_calls) = (0, 0);
    for call in &calls[first + 1..=last] {
        match (call.name.as_str(), call.numbers().as_slice()) {
            ("recvfrom", &[_, to, asked, ..]) => windows.push(Window {
                asked,
                read: to..to + call.result,
                written: Vec::new(),
            }),
            ("pwrite64", &[_, from, ..]) => {
                movers.insert(&call.thread);
                let window = windows.last_mut().expect("what is written was read");
                window.written.push(from..from + call.result);
            }
            (name, _) => {
                let is_of_mover = movers.contains(&call.thread);
                let is_of_record = is_of_mover && call.args.contains(".json");
                record_calls += usize::from(is_of_record);
                let is_of_space = name == "fstatfs";
                space_calls += usize::from(is_of_space);
                let may_be = waits(call) || is_of_record || is_of_space || !is_of_mover;
                assert!(may_be, "{name}({})", call.args);
            }
        }
    }
    // The record is opened, written and closed once among the windows. Debug builds also check the descriptor.
    assert!(record_calls <= 4, "{record_calls} calls for the record");
    // The free space is read every 16 MiB and every second.
    assert!(
        space_calls <= windows.len() / 4,
        "{space_calls} calls for the free space"
    );
    windows
}

/// Returns whether a call waits or wakes a waiter.
fn waits(call: &Call) -> bool {
    match call.name.as_str() {
        "epoll_ctl" | "epoll_wait" | "futex" | "poll" | "ppoll" => true,
        "write" => call.of().contains("eventfd"),
        _ => false,
    }
}

#[test]
fn a_window_is_one_read_and_one_write_from_where_it_was_read_to() {
    require!("the calls of a window", strace_obstacle());
    let windows = watch(&format!("Content-Length: {LENGTH}"), &vec![b'x'; LENGTH]);
    let mut left = 0;
    for window in windows.iter().rev() {
        assert_eq!(window.written, from_ref(&window.read), "{window:x?}");
        left += window.read.end - window.read.start;
        assert_eq!(window.asked, left.min(BUFFER), "{window:x?}");
    }
}

#[test]
fn a_window_of_chunks_is_written_from_where_it_was_read_to() {
    require!("the calls of a window of chunks", strace_obstacle());
    let chunk = vec![b'x'; 1 << 20];
    let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), &chunk, b"\r\n"].concat();
    let mut body = framed.repeat(LENGTH / chunk.len());
    body.extend_from_slice(b"0\r\n\r\n");
    for window in watch("Transfer-Encoding: chunked", &body) {
        let is_read = |part: &Place| window.read.start <= part.start && part.end <= window.read.end;
        assert!(window.written.iter().all(is_read), "{window:x?}");
        // The end of a chunk and the begin of the next.
        assert!(window.written.len() <= 2, "{window:x?}");
        assert_eq!(window.asked, BUFFER);
    }
}
