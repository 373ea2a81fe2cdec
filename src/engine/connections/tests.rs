//! Each event of a parked connection reaches the event loop.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Events, Poll};

use super::{ConnectionTable, Task};
use crate::http::connection::{Connection, Until};
use crate::http::socket::Socket;
use crate::http::stream::Stream;
use crate::http::{Limits, PeerPermit};

struct Bench {
    poll: Poll,
    events: Events,
    table: ConnectionTable,
}

impl Bench {
    fn new() -> Bench {
        let poll = Poll::new().unwrap();
        let table = ConnectionTable::new(&poll).unwrap();
        Bench {
            poll,
            events: Events::with_capacity(16),
            table,
        }
    }

    fn connect(&self) -> (UnixStream, Box<Task>) {
        let (theirs, ours) = UnixStream::pair().unwrap();
        let limits = Arc::new(Limits::default());
        (
            theirs,
            self.table.insert(
                Connection::new(Socket::new(Stream::Unix(ours), None), limits),
                PeerPermit::default(),
            ),
        )
    }

    /// Returns a new connection that has sent `bytes` and is taken from the table.
    fn ready(&mut self, bytes: &[u8]) -> (UnixStream, Box<Task>) {
        let (mut client, task) = self.connect();
        self.park(task, Until::Readable);
        client.write_all(bytes).unwrap();
        (client, self.take_one())
    }

    fn park(&self, task: Box<Task>, until: Until) {
        let deadline = Instant::now() + Duration::from_secs(60);
        self.table.park(task, until, deadline);
    }

    fn fetch(&mut self) {
        let at_once = Some(Duration::ZERO);
        self.poll.poll(&mut self.events, at_once).unwrap();
    }

    /// Takes the connections of the fetched events.
    fn take(&self) -> impl Iterator<Item = Box<Task>> {
        let events = self.events.iter();
        events.filter_map(|event| self.table.take(event.token().0))
    }

    fn take_ready(&mut self) -> impl Iterator<Item = Box<Task>> {
        self.fetch();
        self.take()
    }

    #[track_caller]
    fn assert_none_ready(&mut self) {
        assert!(self.take_ready().next().is_none());
    }

    /// Takes the only ready connection.
    #[track_caller]
    fn take_one(&mut self) -> Box<Task> {
        let mut all = self.take_ready();
        let task = all.next().expect("one is ready");
        assert!(all.next().is_none());
        task
    }

    fn due(&self) -> Option<Box<Task>> {
        self.table.take_due(Instant::now()).map(|(task, _)| task)
    }
}

/// Reads once. Returns `None` if no byte is there.
fn read(task: &mut Task, most: usize) -> Option<usize> {
    match task.connection.socket().receive(&mut [0; 16], most as u64) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn take_all(task: &mut Task, bytes: usize) {
    assert_eq!(read(task, 16), Some(bytes));
}

#[test]
fn parked_connection_without_new_bytes_is_not_ready() {
    let mut bench = Bench::new();
    let (mut client, mut task) = bench.ready(b"one");
    for _ in 0..3 {
        take_all(&mut task, 3);
        bench.park(task, Until::Readable);
        bench.assert_none_ready();
        client.write_all(b"two").unwrap();
        task = bench.take_one();
    }
}

#[test]
fn readiness_during_a_task_is_reported_after_it() {
    let mut bench = Bench::new();
    let (mut client, mut task) = bench.ready(b"one");
    take_all(&mut task, 3);
    client.write_all(b"two").unwrap();
    bench.fetch();
    assert!(bench.events.is_empty(), "a worker has the connection");
    bench.park(task, Until::Readable);
    take_all(&mut bench.take_one(), 3);
}

#[test]
fn unread_bytes_are_reported() {
    let mut bench = Bench::new();
    let (_client, mut task) = bench.ready(b"onetwo");
    assert_eq!(read(&mut task, 3), Some(3));
    bench.park(task, Until::Readable);
    take_all(&mut bench.take_one(), 3);
}

#[test]
fn end_with_the_last_bytes_is_reported() {
    let mut bench = Bench::new();
    let (client, task) = bench.connect();
    bench.park(task, Until::Readable);
    (&client).write_all(b"one").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut task = bench.take_one();
    take_all(&mut task, 3);
    bench.park(task, Until::Readable);
    assert_eq!(read(&mut bench.take_one(), 16), Some(0));
}

#[test]
fn bytes_during_a_wait_to_write_are_reported() {
    let mut bench = Bench::new();
    let (mut client, mut task) = bench.ready(b"one");
    let flood = [0; 4096];
    while task.connection.socket().write(&flood).is_ok() {}
    bench.park(task, Until::Writable);
    client.write_all(b"two").unwrap();
    bench.assert_none_ready();
    let mut taken = vec![0; 1 << 20];
    while client.read(&mut taken).is_ok() {}
    let task = bench.take_one();
    bench.park(task, Until::Readable);
    take_all(&mut bench.take_one(), 6);
}

#[test]
fn coalescing_connection_is_reported_at_its_time() {
    let mut bench = Bench::new();
    let (mut client, mut task) = bench.ready(b"one");
    take_all(&mut task, 3);
    bench.park(task, Until::Time(Instant::now()));
    assert_eq!(bench.table.coalesced(), 1);
    client.write_all(b"two").unwrap();
    bench.fetch();
    assert!(bench.events.is_empty());
    let task = bench.due().expect("its time has come");
    assert_eq!(bench.table.coalesced(), 0);
    bench.park(task, Until::Readable);
    take_all(&mut bench.take_one(), 3);
}

#[test]
fn event_of_a_closed_connection_wakes_a_new_one_in_vain() {
    let mut bench = Bench::new();
    let (mut gone, task) = bench.connect();
    let slot = task.slot;
    bench.park(task, Until::Readable);
    gone.write_all(b"one").unwrap();
    bench.fetch();
    let task = bench.table.take_quietest().expect("it is parked");
    bench.table.remove(task);

    let (mut client, task) = bench.connect();
    assert_eq!(task.slot, slot);
    bench.park(task, Until::Readable);
    let mut task = bench
        .take()
        .next()
        .expect("the old event finds the new connection");
    assert_eq!(read(&mut task, 16), None);
    bench.park(task, Until::Readable);
    client.write_all(b"three").unwrap();
    take_all(&mut bench.take_one(), 5);
}

#[test]
fn running_connection_closes_after_a_clear() {
    let mut bench = Bench::new();
    let (mut client, task) = bench.ready(b"one");
    bench.table.clear();
    bench.park(task, Until::Readable);
    let end = client.read(&mut [0; 16]);
    // Bytes that were not read reset the connection.
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
}
