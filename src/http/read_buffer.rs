//! The read buffer of a worker, lent to one connection at a time.

use std::io::{self, Read};

/// The bytes that were read and not consumed, in the buffer of a worker.
pub(crate) struct ReadBuffer<'b> {
    buffer: &'b mut [u8],
    start: usize,
    end: usize,
    drained: bool,
}

/// The result of one read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    Bytes(usize),
    WouldBlock,
    Eof,
}

impl<'b> ReadBuffer<'b> {
    /// Starts with the bytes that the connection kept from its last poll.
    pub(crate) fn new(buffer: &'b mut [u8], left_over: &[u8]) -> ReadBuffer<'b> {
        buffer[..left_over.len()].copy_from_slice(left_over);
        ReadBuffer {
            buffer,
            start: 0,
            end: left_over.len(),
            drained: false,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns whether the last read emptied the socket: it returned fewer bytes than requested.
    pub(crate) fn drained(&self) -> bool {
        self.drained
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end;
    }

    /// Reads once, at most `most` bytes, and appends them.
    pub(crate) fn fill(&mut self, socket: &mut impl Read, most: u64) -> io::Result<Fill> {
        self.make_room();
        let room = self.buffer.len() - self.end;
        let asked = usize::try_from(most).map_or(room, |most| most.min(room));
        loop {
            match socket.read(&mut self.buffer[self.end..self.end + asked]) {
                Ok(0) => return Ok(Fill::Eof),
                Ok(count) => {
                    self.end += count;
                    self.drained = count < asked;
                    return Ok(Fill::Bytes(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.drained = true;
                    return Ok(Fill::WouldBlock);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }
}
