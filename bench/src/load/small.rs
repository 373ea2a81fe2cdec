//! Many small files on a few connections, each of which sends the next as soon as the last was answered.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::peers::{Peer, Upload};
use crate::wire::{Answer, Line, PATIENCE};

/// The clients. One thread serves them all: a thread for each would take from the server what its wake-ups cost.
pub(crate) struct Senders<'a> {
    peer: &'a dyn Peer,
    /// The length of each file.
    bytes: u64,
    senders: Vec<Sender>,
}

struct Sender {
    line: Line,
    upload: Upload,
    waits: bool,
}

/// The counts of requests and answers.
pub(crate) struct Sent {
    took: Duration,
    pub(crate) answered: Vec<(Upload, Answer)>,
}

impl Sent {
    pub(crate) fn per_sec(&self) -> f64 {
        self.answered.len() as f64 / self.took.as_secs_f64()
    }
}

impl Senders<'_> {
    /// Connects them, one after the other, and each sends a file: `tiny_http` forgets some of those who come at once.
    pub(crate) fn connect(
        peer: &dyn Peer,
        addr: SocketAddr,
        connections: usize,
        bytes: u64,
    ) -> io::Result<Senders<'_>> {
        let mut senders = Senders {
            peer,
            bytes,
            senders: Vec::new(),
        };
        for at in 0..connections {
            let (line, upload) = (peer.connect(addr)?, Upload::new(bytes));
            senders.senders.push(Sender {
                line,
                upload,
                waits: false,
            });
            senders.send(at, &mut Vec::new())?;
            senders.senders[at].line.answer()?;
        }
        Ok(senders)
    }

    /// They send for `duration`, and then wait for what is still to be answered. The lines stay open: what a thread
    /// of the server has spent is known exactly only while it lives.
    pub(crate) fn send_for(&mut self, duration: Duration) -> io::Result<Sent> {
        let (mut request, mut answered) = (Vec::new(), Vec::new());
        let begin = Instant::now();
        for at in 0..self.senders.len() {
            self.send(at, &mut request)?;
        }
        while self.senders.iter().any(|sender| sender.waits) {
            let goes_on = begin.elapsed() < duration;
            for at in self.ready()? {
                let sender = &mut self.senders[at];
                let Some(answer) = sender.line.receive()? else {
                    continue;
                };
                answered.push((sender.upload, answer));
                sender.waits = false;
                if goes_on {
                    self.send(at, &mut request)?;
                }
            }
        }
        let took = begin.elapsed();
        Ok(Sent { took, answered })
    }

    /// Head and body in one system call.
    fn send(&mut self, at: usize, request: &mut Vec<u8>) -> io::Result<()> {
        let sender = &mut self.senders[at];
        sender.upload = Upload::new(self.bytes);
        sender.waits = true;
        request.clear();
        request.extend_from_slice(self.peer.head(sender.upload).as_bytes());
        request.extend_from_slice(sender.upload.content().slice(0, self.bytes));
        sender.line.send(request)
    }

    /// Which have something to read. One alone is simply read.
    fn ready(&self) -> io::Result<Vec<usize>> {
        if self.senders.len() == 1 {
            return Ok(vec![0]);
        }
        let lines = self.senders.iter().map(|sender| &sender.line);
        let mut waiting: Vec<PollFd> = lines.map(|line| PollFd::new(line, PollFlags::IN)).collect();
        let patience = PATIENCE.try_into().expect("half a minute is a time");
        if poll(&mut waiting, Some(&patience))? == 0 {
            return Err(io::Error::other("no answer in time"));
        }
        let ready = |at: &usize| !waiting[*at].revents().is_empty();
        Ok((0..waiting.len()).filter(ready).collect())
    }
}
