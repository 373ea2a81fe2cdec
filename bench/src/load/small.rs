//! Many small files on a few connections, each of which sends the next as soon as the last was answered.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::peers::{Peer, Upload};
use crate::wire::{Answer, Line};

/// What was sent and answered.
pub(crate) struct Small {
    pub(crate) took: Duration,
    pub(crate) answered: Vec<(Upload, Answer)>,
    /// Open still: what a thread has spent is known exactly only while it lives.
    _lines: Vec<Line>,
}

impl Small {
    pub(crate) fn per_sec(&self) -> f64 {
        self.answered.len() as f64 / self.took.as_secs_f64()
    }
}

struct Sender {
    line: Line,
    upload: Upload,
}

/// Sends files of `bytes` bytes on `connections` connections for `duration`. One thread serves them all: a thread for
/// each would take from the server what its wake-ups cost.
pub(crate) fn small(
    peer: &dyn Peer,
    addr: SocketAddr,
    connections: usize,
    bytes: u64,
    duration: Duration,
) -> io::Result<Small> {
    let mut request = Vec::new();
    let mut senders = Vec::new();
    for _ in 0..connections {
        let (line, upload) = (Line::connect(addr)?, Upload::new(bytes));
        senders.push(Sender { line, upload });
    }
    let begin = Instant::now();
    for sender in &mut senders {
        sender.send(peer, &mut request)?;
    }
    let (mut answered, mut lines) = (Vec::new(), Vec::new());
    while !senders.is_empty() {
        let goes_on = begin.elapsed() < duration;
        let ready = ready(&senders)?;
        for at in ready.into_iter().rev() {
            let sender = &mut senders[at];
            let Some(answer) = sender.line.receive()? else {
                continue;
            };
            answered.push((sender.upload, answer));
            if goes_on {
                sender.upload = Upload::new(bytes);
                sender.send(peer, &mut request)?;
            } else {
                lines.push(senders.swap_remove(at).line);
            }
        }
    }
    let took = begin.elapsed();
    Ok(Small {
        took,
        answered,
        _lines: lines,
    })
}

impl Sender {
    /// Head and body in one system call.
    fn send(&mut self, peer: &dyn Peer, request: &mut Vec<u8>) -> io::Result<()> {
        request.clear();
        request.extend_from_slice(peer.head(self.upload).as_bytes());
        request.extend_from_slice(self.upload.content().slice(0, self.upload.bytes));
        self.line.send(request)
    }
}

/// Which have something to read. One alone is simply read.
fn ready(senders: &[Sender]) -> io::Result<Vec<usize>> {
    if senders.len() == 1 {
        return Ok(vec![0]);
    }
    let mut waiting: Vec<PollFd> = senders
        .iter()
        .map(|sender| PollFd::new(&sender.line, PollFlags::IN))
        .collect();
    poll(&mut waiting, None)?;
    let there = |(_, fd): &(usize, &PollFd)| !fd.revents().is_empty();
    Ok(waiting
        .iter()
        .enumerate()
        .filter(there)
        .map(|(at, _)| at)
        .collect())
}
