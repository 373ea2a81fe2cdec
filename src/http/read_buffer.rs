//! The read buffer of a worker, lent to one connection at a time.

use std::io;

use super::socket::Socket;

/// The bytes that were read and not consumed, in the buffer of a worker.
pub(crate) struct ReadBuffer<'b> {
    buffer: &'b mut [u8],
    start: usize,
    end: usize,
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
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end;
    }

    /// Reads once, about `most` bytes, and appends them.
    pub(crate) fn fill(&mut self, socket: &mut Socket, most: u64) -> io::Result<Fill> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        loop {
            match socket.receive(&mut self.buffer[self.end..], most) {
                Ok(0) => return Ok(Fill::Eof),
                Ok(bytes) => {
                    self.end += bytes;
                    return Ok(Fill::Bytes(bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Fill::WouldBlock);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
