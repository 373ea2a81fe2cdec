//! Uploads as slow links bring them: a segment at a time, at an even pace.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::peers::{Peer, Upload};
use crate::wire::{Answer, Line};

/// The payload of an Ethernet packet.
pub(crate) const SEGMENT_BYTES: u64 = 1_448;

/// Uploads that are sent together, at the same pace.
pub(crate) struct Paced {
    senders: Vec<(Line, Upload)>,
    bytes_per_sec: f64,
}

impl Paced {
    pub(crate) fn connect(
        peer: &dyn Peer,
        addr: SocketAddr,
        uploads: usize,
        bytes: u64,
        bytes_per_sec: f64,
    ) -> io::Result<Paced> {
        let connect = |_| Ok((peer.connect(addr)?, Upload::new(bytes)));
        let senders = (0..uploads).map(connect).collect::<io::Result<_>>()?;
        Ok(Paced {
            senders,
            bytes_per_sec,
        })
    }

    /// Sends them, spread evenly over the time that a segment takes. Says how much longer than planned it took, and
    /// what was answered; the lines stay open.
    pub(crate) fn send(&mut self, peer: &dyn Peer) -> io::Result<(f64, Vec<(Upload, Answer)>)> {
        for (line, upload) in &mut self.senders {
            line.send(peer.head(*upload).as_bytes())?;
        }
        let (begin, bytes) = (Instant::now(), self.senders[0].1.bytes);
        let turn_secs = SEGMENT_BYTES as f64 / self.bytes_per_sec / self.senders.len() as f64;
        let mut turns = 0;
        for at in (0..bytes).step_by(SEGMENT_BYTES as usize) {
            for (line, upload) in &mut self.senders {
                let due = Duration::from_secs_f64(f64::from(turns) * turn_secs);
                thread::sleep(due.saturating_sub(begin.elapsed()));
                line.send(upload.content().slice(at, SEGMENT_BYTES.min(bytes - at)))?;
                turns += 1;
            }
        }
        let late = begin.elapsed().as_secs_f64() / (f64::from(turns) * turn_secs);
        let answer = |(line, upload): &mut (Line, Upload)| Ok((*upload, line.answer()?));
        let answers = self
            .senders
            .iter_mut()
            .map(answer)
            .collect::<io::Result<_>>()?;
        Ok((late, answers))
    }
}
