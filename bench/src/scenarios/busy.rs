//! A server with eight uploads at full speed, and somebody who asks it things meanwhile.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::content::SLICE_BYTES;
use crate::peers::{Launch, Running, Upload, ours, own};
use crate::wire::{Answer, Line};

const UPLOADS: usize = 8;

/// Uploads that go on until they are stopped.
pub(super) struct Busy {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<io::Result<()>>>,
    begin: Instant,
}

struct Shared {
    addr: SocketAddr,
    dir: PathBuf,
    /// The length of each.
    bytes: u64,
    stop: AtomicBool,
    sent: AtomicU64,
    /// The number of the upload that each sender is sending.
    current: [AtomicU64; UPLOADS],
}

impl Busy {
    /// Comes back when they are well under way.
    pub(super) fn start(server: &Running, bytes: u64) -> io::Result<Busy> {
        let shared = Arc::new(Shared {
            addr: server.addr,
            dir: server.dir().to_owned(),
            bytes,
            stop: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            current: Default::default(),
        });
        let send = |at| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.send_on(at))
        };
        let senders: Vec<_> = (0..UPLOADS).map(send).collect();
        while shared.sent.load(Relaxed) < bytes.min(100_000_000) {
            if senders.iter().any(JoinHandle::is_finished) {
                return Err(io::Error::other("an upload failed"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        shared.sent.store(0, Relaxed);
        Ok(Busy {
            shared,
            senders,
            begin: Instant::now(),
        })
    }

    /// One that is being sent now.
    pub(super) fn one(&self, at: usize) -> Upload {
        let number = self.shared.current[at % UPLOADS].load(Relaxed);
        Upload {
            number,
            bytes: self.shared.bytes,
        }
    }

    /// The send rate in MB/s.
    pub(super) fn stop(self) -> io::Result<f64> {
        let rate = self.shared.sent.load(Relaxed) as f64 / 1e6 / self.begin.elapsed().as_secs_f64();
        self.shared.stop.store(true, Relaxed);
        for sender in self.senders {
            sender.join().expect("it did not panic")?;
        }
        Ok(rate)
    }
}

impl Shared {
    fn send_on(&self, at: usize) -> io::Result<()> {
        let mut line = Line::connect(self.addr)?;
        loop {
            let upload = Upload::new(self.bytes);
            line.send(ours::append(upload, 0, upload.bytes).as_bytes())?;
            self.current[at].store(upload.number, Relaxed);
            let mut sent = 0;
            while sent < upload.bytes {
                if self.stop.load(Relaxed) {
                    return Ok(());
                }
                let slice = upload
                    .content()
                    .slice(sent, (upload.bytes - sent).min(SLICE_BYTES as u64));
                line.send(slice)?;
                sent += slice.len() as u64;
                self.sent.fetch_add(slice.len() as u64, Relaxed);
            }
            line.answer()?;
            let file = self.dir.join(upload.name());
            if fs::metadata(&file)?.len() != upload.bytes {
                return Err(io::Error::other("not all bytes arrived"));
            }
            fs::remove_file(file)?;
        }
    }
}

/// Asks our server, and an echo process the same, one after the other.
pub(super) struct Asker {
    server: SocketAddr,
    echo: Running,
    to_server: Line,
    to_echo: Line,
    /// An upload that is resumed again and again, and how much of it was sent.
    resumed: Upload,
    held: u64,
}

/// The bytes of a resume.
const RESUME_BYTES: u64 = 1_000;

impl Asker {
    pub(super) fn new(server: &Running) -> io::Result<Asker> {
        let echo = Running::start(server.dir(), |_| Ok(Launch::Says(own("_echo", [""; 0])?)))?;
        Ok(Asker {
            server: server.addr,
            to_server: Line::connect(server.addr)?,
            to_echo: Line::connect(echo.addr)?,
            echo,
            resumed: Upload::new(1_000_000_000),
            held: 0,
        })
    }

    /// Asks the server how much it holds of an upload; in milliseconds.
    pub(super) fn status(&mut self, upload: Upload) -> io::Result<f64> {
        let (millis, answer) = ask(&mut self.to_server, ours::status(upload).as_bytes())?;
        held(&answer)?;
        Ok(millis)
    }

    /// Asks the echo process the same.
    pub(super) fn echo(&mut self, upload: Upload) -> io::Result<f64> {
        Ok(ask(&mut self.to_echo, ours::status(upload).as_bytes())?.0)
    }

    /// Comes back as a client does that was cut: connects, asks, and sends on.
    pub(super) fn resume(&mut self) -> io::Result<f64> {
        let begin = Instant::now();
        let mut line = Line::connect(self.server)?;
        let (_, answer) = ask(&mut line, ours::status(self.resumed).as_bytes())?;
        let held = held(&answer)?;
        ask(&mut line, &self.next_bytes(held))?;
        let millis = millis(begin);
        if held != self.held {
            return Err(io::Error::other(format!(
                "{held} bytes are held, not {}",
                self.held
            )));
        }
        self.held += RESUME_BYTES;
        Ok(millis)
    }

    /// The same exchange with the echo process.
    pub(super) fn echo_resume(&mut self) -> io::Result<f64> {
        let begin = Instant::now();
        let mut line = Line::connect(self.echo.addr)?;
        ask(&mut line, ours::status(self.resumed).as_bytes())?;
        ask(&mut line, &self.next_bytes(self.held))?;
        Ok(millis(begin))
    }

    fn next_bytes(&self, from: u64) -> Vec<u8> {
        let body = self.resumed.content().slice(from, RESUME_BYTES);
        [
            ours::append(self.resumed, from, RESUME_BYTES).as_bytes(),
            body,
        ]
        .concat()
    }
}

fn ask(line: &mut Line, request: &[u8]) -> io::Result<(f64, Answer)> {
    let begin = Instant::now();
    line.send(request)?;
    let answer = line.answer()?;
    Ok((millis(begin), answer))
}

fn held(answer: &Answer) -> io::Result<u64> {
    let text = String::from_utf8_lossy(&answer.body);
    text.parse()
        .map_err(|_| io::Error::other(format!("not a count: {text:?}")))
}

fn millis(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}
