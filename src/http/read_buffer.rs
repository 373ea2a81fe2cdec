//! A worker's buffer, lent to one connection for one turn.

use std::io::{self, Read};

/// The bytes that were read and are not used up yet, inside a worker's buffer.
pub(crate) struct Window<'b> {
    buffer: &'b mut [u8],
    start: usize,
    end: usize,
    took_all: bool,
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    Bytes(usize),
    /// Nothing is there now.
    Nothing,
    /// The other side has ended its stream.
    Ended,
}

impl<'b> Window<'b> {
    /// Begins with what the connection had left over from its last turn.
    pub(crate) fn new(buffer: &'b mut [u8], left_over: &[u8]) -> Window<'b> {
        buffer[..left_over.len()].copy_from_slice(left_over);
        Window {
            buffer,
            start: 0,
            end: left_over.len(),
            took_all: false,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether the last read of this turn took all that was there: it found nothing, or less than it asked for.
    pub(crate) fn took_all(&self) -> bool {
        self.took_all
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end;
    }

    /// Reads once, behind what is there, at most `most` bytes.
    pub(crate) fn fill(&mut self, socket: &mut impl Read, most: u64) -> io::Result<Fill> {
        self.make_room();
        let room = self.buffer.len() - self.end;
        let asked = usize::try_from(most).map_or(room, |most| most.min(room));
        loop {
            match socket.read(&mut self.buffer[self.end..self.end + asked]) {
                Ok(0) => return Ok(Fill::Ended),
                Ok(count) => {
                    self.end += count;
                    self.took_all = count < asked;
                    return Ok(Fill::Bytes(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.took_all = true;
                    return Ok(Fill::Nothing);
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
