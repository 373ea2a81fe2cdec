//! The engine under many schedules, with real sockets and a real poller: their calls do not wait.
//!
//! A lost wake-up shows as a thread that polls in vain until the schedule has too many steps.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::poller::simulated::{now, set_clock};
use super::{Engine, Limits, Listener};
use crate::http::{self, Action, BodyEnd, BodySink, Handler, Head, Refused, Response};
use crate::sync::explore::{assert_found, explore, memory_dir};
use crate::sync::{Condvar, Mutex, Planted, lock, thread};

const LIGHT: &[u8] = b"GET /light HTTP/1.1\r\nHost: a\r\n\r\n";
const DISK: &[u8] = b"GET /disk HTTP/1.1\r\nHost: a\r\n\r\n";
const REFUSED: &[u8] = b"PUT /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
const UNSYNCED: &[u8] = b"PUT /unsynced HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
const BODY: &[u8] = b"PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc";

/// The path at which clients connect.
type Path = Arc<PathBuf>;

/// Answers `/light` at once, and `/body` after its body. Other requests wait for a disk, which ends its syncs at the first
/// `/light`.
#[derive(Default)]
struct Answers(Arc<Light>);

#[derive(Default)]
struct Light {
    is_served: Mutex<bool>,
    served: Condvar,
}

impl Handler for Answers {
    fn handle(&self, head: &Head) -> Action {
        let light = Arc::clone(&self.0);
        match head.path() {
            "/light" => {
                *lock(&light.is_served) = true;
                light.served.notify_all();
                Action::Respond(Response::new(204))
            }
            "/disk" => Action::Blocking(Box::new(move || {
                light.wait();
                Action::Respond(Response::new(204))
            })),
            "/refused" => receive(Box::new(Refuser(light))),
            "/unsynced" => receive(Box::new(Unsynced(light))),
            _ => receive(Box::<Taker>::default()),
        }
    }
}

fn receive(sink: Box<dyn BodySink>) -> Action {
    Action::Receive {
        interim: None,
        sink,
    }
}

impl Light {
    /// Waits until `/light` was served.
    fn wait(&self) {
        let is_served = lock(&self.is_served);
        drop(self.served.wait_while(is_served, |is_served| !*is_served));
    }
}

/// Refuses each body. Its response waits for the disk.
struct Refuser(Arc<Light>);

impl BodySink for Refuser {
    fn write_blocks(&self, _: usize) -> bool {
        false
    }

    fn write(&mut self, _: &[u8]) -> Result<(), Refused> {
        Err(Refused)
    }

    fn end_blocks(&self) -> bool {
        true
    }

    fn end(self: Box<Self>, end: BodyEnd) -> Response {
        assert_eq!(end, BodyEnd::Refused);
        self.0.wait();
        Response::new(409)
    }
}

/// Waits for the disk before it takes bytes.
struct Unsynced(Arc<Light>);

impl BodySink for Unsynced {
    fn write_blocks(&self, _: usize) -> bool {
        true
    }

    fn write(&mut self, _: &[u8]) -> Result<(), Refused> {
        self.0.wait();
        Ok(())
    }

    fn end_blocks(&self) -> bool {
        false
    }

    fn end(self: Box<Self>, _: BodyEnd) -> Response {
        Response::new(204)
    }
}

#[derive(Default)]
struct Taker(Vec<u8>);

impl BodySink for Taker {
    fn write_blocks(&self, _: usize) -> bool {
        false
    }

    fn write(&mut self, window: &[u8]) -> Result<(), Refused> {
        self.0.extend(window);
        Ok(())
    }

    fn end_blocks(&self) -> bool {
        true
    }

    fn end(self: Box<Self>, end: BodyEnd) -> Response {
        // Another worker may run while this one waits for the disk.
        thread::yield_now();
        match (end, &self.0[..]) {
            (BodyEnd::Complete, b"abcdef") => Response::new(204),
            other => panic!("the body ended with {other:?}"),
        }
    }
}

/// Runs `clients` with an engine of two workers and up to `connections` connections, and then stops it.
fn serve(connections: usize, clients: impl FnOnce(&Path)) {
    set_clock(Instant::now());
    let dir = memory_dir();
    let path = Arc::new(dir.path().join("socket"));
    let limits = Limits {
        connections,
        head_memory: 1 << 20,
        workers: 2,
        disk_permits: 1,
        buffer_bytes: 4096,
        coalesce_max: Duration::ZERO,
    };
    let listener = Listener::unix(&path, None).unwrap();
    let handler = Arc::new(Answers::default());
    let mut engine =
        Engine::start(listener, None, handler, limits, http::Limits::default()).unwrap();
    clients(&path);
    engine.stop();
    assert_eq!(
        engine.connection_counts()(),
        http::ConnectionCounts::default()
    );
}

/// A client, which never waits in a call of the system.
struct Client(UnixStream);

impl Client {
    fn connect(path: &Path) -> Client {
        let socket = UnixStream::connect(&**path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Client(socket)
    }

    /// Sends bytes. The engine may have closed the connection.
    fn send(&mut self, bytes: &[u8]) {
        match self.0.write_all(bytes) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
            _ => {}
        }
    }

    /// Returns the status of the next response; `None` at the end of the connection.
    fn status(&mut self) -> Option<u16> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.0.read(&mut byte) {
                Ok(0) => return None,
                Ok(_) => head.extend(byte),
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
        std::str::from_utf8(&head[9..12]).unwrap().parse().ok()
    }

    fn ask(&mut self, request: &[u8]) -> Option<u16> {
        self.send(request);
        self.status()
    }
}

/// Runs a client in each of the threads.
fn at_once(path: &Path, clients: &[fn(&Path)]) {
    let start = |client: &fn(&Path)| {
        let (path, client) = (Arc::clone(path), *client);
        thread::spawn(move || client(&path))
    };
    let threads: Vec<_> = clients.iter().map(start).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn two_requests(path: &Path) {
    let mut client = Client::connect(path);
    client.send(&LIGHT[..10]);
    thread::yield_now();
    assert_eq!(client.ask(&LIGHT[10..]), Some(204));
    assert_eq!(client.ask(LIGHT), Some(204));
}

fn body_in_two_windows(path: &Path) {
    let mut client = Client::connect(path);
    client.send(BODY);
    thread::yield_now();
    assert_eq!(client.ask(b"def"), Some(204));
}

#[test]
fn each_request_gets_its_response() {
    explore(|| serve(10, |path| at_once(path, &[two_requests, two_requests])));
}

#[test]
fn bodies_share_one_body_permit() {
    explore(|| {
        let clients = [body_in_two_windows, body_in_two_windows, two_requests];
        serve(10, |path| at_once(path, &clients));
    });
}

fn heads_beside_slow_disk() {
    let disk: fn(&Path) = |path| assert_eq!(Client::connect(path).ask(DISK), Some(204));
    let light: fn(&Path) = |path| assert_eq!(Client::connect(path).ask(LIGHT), Some(204));
    serve(10, |path| at_once(path, &[disk, disk, light]));
}

#[test]
fn head_is_served_while_other_workers_wait_for_the_disk() {
    explore(heads_beside_slow_disk);
}

#[test]
fn head_is_served_while_sinks_wait_for_the_disk() {
    explore(|| {
        let refused: fn(&Path) = |path| assert_eq!(Client::connect(path).ask(REFUSED), Some(409));
        let unsynced: fn(&Path) = |path| assert_eq!(Client::connect(path).ask(UNSYNCED), Some(204));
        let light: fn(&Path) = |path| assert_eq!(Client::connect(path).ask(LIGHT), Some(204));
        let clients = [refused, unsynced, refused, unsynced, light];
        serve(10, |path| at_once(path, &clients));
    });
}

#[test]
fn planted_lost_wake_up_is_found() {
    assert_found(Planted::UnlockedWait, heads_beside_slow_disk);
}

/// The deadline of a head comes before that of the silent connection for which the event loop waits.
fn earlier_deadline() {
    serve(10, |path| {
        let mut silent = Client::connect(path);
        let mut slow = Client::connect(path);
        slow.send(&LIGHT[..10]);
        let limits = http::Limits::default();
        let between = (limits.head_timeout + limits.keep_alive_idle) / 2;
        let at = now() + between;
        let clock = thread::spawn(move || set_clock(at));
        assert_eq!(slow.status(), Some(408));
        clock.join().unwrap();
        assert_eq!(silent.ask(LIGHT), Some(204));
    });
}

#[test]
fn earlier_deadline_wakes_the_event_loop() {
    explore(earlier_deadline);
}

#[test]
fn planted_silent_timer_is_found() {
    assert_found(Planted::SilentTimer, earlier_deadline);
}

#[test]
fn connections_beyond_the_limit_are_served_later() {
    explore(|| {
        let insists: fn(&Path) = |path| while Client::connect(path).ask(LIGHT) != Some(204) {};
        serve(1, |path| at_once(path, &[insists, insists, insists]));
    });
}

#[test]
fn stop_ends_all_threads_and_connections() {
    explore(|| {
        let mut clients = Vec::new();
        serve(10, |path| {
            for request in [LIGHT, BODY] {
                let mut client = Client::connect(path);
                clients.push(thread::spawn(move || {
                    client.send(request);
                    while client.status().is_some() {}
                }));
            }
            thread::yield_now();
        });
        for client in clients {
            client.join().unwrap();
        }
    });
}
