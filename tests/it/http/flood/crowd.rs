//! Thousands of clients that cost as much as they can and want nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::append;

/// Those who come and stay. Each is a socket that never blocks; one thread looks after all of them.
pub(super) struct Crowd(Vec<Member>);

struct Member {
    server: SocketAddr,
    number: usize,
    manner: Manner,
    stream: TcpStream,
    has_spoken: bool,
}

#[derive(Clone, Copy)]
enum Manner {
    /// Connects and says nothing.
    Silent,
    /// Sends one byte of a head a second.
    SlowHead,
    /// Sends a few bytes of a body a second.
    SlowBody,
    /// Asks for much and takes one byte of the answers a second.
    SlowReader,
}

/// The interval between two actions of a member.
const BREATH: Duration = Duration::from_secs(1);

/// They breathe one part after the other: they are no wave.
const PARTS: u32 = 50;

impl Crowd {
    /// When it returns so many silent ones have come, and so many of each slow kind.
    pub(super) fn gather(server: SocketAddr, silent: usize, slow: usize) -> Crowd {
        let manners = [
            (silent, Manner::Silent),
            (slow, Manner::SlowHead),
            (slow, Manner::SlowBody),
            (slow, Manner::SlowReader),
        ];
        let all = manners
            .iter()
            .flat_map(|(count, manner)| vec![*manner; *count]);
        let member = |(number, manner)| Member::new(server, number, manner);
        Crowd(all.enumerate().map(member).collect())
    }

    /// Stays until it is over. Who is shown out comes back.
    pub(super) fn stay(mut self, over: &AtomicBool) {
        let part = self.0.len().div_ceil(PARTS as usize);
        let mut due = Instant::now();
        while !over.load(Relaxed) {
            for members in self.0.chunks_mut(part) {
                members.iter_mut().for_each(Member::breathe);
                due += BREATH / PARTS;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
    }
}

impl Member {
    fn new(server: SocketAddr, number: usize, manner: Manner) -> Member {
        let stream = TcpStream::connect(server).expect("the server accepts");
        stream.set_nonblocking(true).expect("it does not block");
        Member {
            server,
            number,
            manner,
            stream,
            has_spoken: false,
        }
    }

    fn breathe(&mut self) {
        if !self.takes() || !self.speaks() {
            *self = Member::new(self.server, self.number, self.manner);
        }
    }

    /// Returns whether the server keeps the connection open.
    fn takes(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Returns whether the server accepts bytes.
    fn speaks(&mut self) -> bool {
        let words = self.words();
        self.has_spoken = true;
        match self.stream.write_all(words.as_bytes()) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    fn words(&self) -> String {
        match (self.manner, self.has_spoken) {
            (Manner::Silent, _) | (Manner::SlowReader, true) => String::new(),
            (Manner::SlowHead, false) => "GET /status HTTP/1.1\r\nX-Padding: ".into(),
            (Manner::SlowHead, true) => "x".into(),
            (Manner::SlowBody, false) => append(&format!("slow-{}", self.number), 0, 1_000_000),
            (Manner::SlowBody, true) => "a few bytes".into(),
            (Manner::SlowReader, false) => {
                "GET /uploader.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200)
            }
        }
    }
}

/// So many clients connect and leave, one after the other, spread over the time; each with other words.
pub(super) fn come_and_go(server: SocketAddr, count: usize, time: Duration) {
    let begin = Instant::now();
    for number in 0..count {
        let due = time.mul_f64(number as f64 / count as f64);
        thread::sleep(due.saturating_sub(begin.elapsed()));
        let words = [
            String::new(),
            "GET /sta".into(),
            append(&format!("left-{number}"), 0, 1_000_000) + "some of it",
            // An answer that lies there untaken makes of leaving a reset.
            "GET /uploader.js HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
        ];
        let mut stream = TcpStream::connect(server).expect("the server accepts");
        let words = words[number % words.len()].as_bytes();
        stream.write_all(words).expect("the server takes it");
    }
}
