//! A stream as a source: read once, and kept in memory until the server has the bytes.

use std::io::Read;

use crc32fast::Hasher;

use super::cancel::CancelToken;
use super::error::Error;
use super::identity::Identity;
use super::requests::{Held, Tail};
use super::source::Source;

/// The maximum number of bytes in memory.
const WINDOW_BYTES: u64 = 8 * 1024 * 1024;

pub(crate) struct Stream<R> {
    input: R,
    identity: Identity,
    /// The offset of the window in the stream.
    start: u64,
    window: Vec<u8>,
    /// The CRC-32 of all bytes read so far; `None` without the check of the whole.
    sum: Option<Hasher>,
}

/// The state of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// More bytes may follow.
    Open,
    /// The input has ended, and its size is known.
    Ended,
}

impl<R: Read> Stream<R> {
    pub(crate) fn new(input: R, identity: Identity, proves: bool) -> Stream<R> {
        Stream {
            input,
            identity,
            start: 0,
            window: Vec::new(),
            sum: proves.then(Hasher::new),
        }
    }

    /// Returns the number of bytes that were read.
    pub(crate) fn count(&self) -> u64 {
        self.start + self.window.len() as u64
    }

    /// Replaces the bytes in the window by the next ones.
    pub(crate) fn advance(&mut self) -> Result<Input, Error> {
        self.start = self.count();
        self.window.clear();
        let count = (&mut self.input)
            .take(WINDOW_BYTES)
            .read_to_end(&mut self.window)?;
        if let Some(sum) = &mut self.sum {
            sum.update(&self.window);
        }
        if count as u64 == WINDOW_BYTES {
            return Ok(Input::Open);
        }
        self.identity.size = Some(self.count());
        Ok(Input::Ended)
    }
}

impl<R: Read> Source for Stream<R> {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn end(&self) -> u64 {
        self.count()
    }

    fn check(&mut self, held: &Held) -> Result<(), Error> {
        let is_within = (self.start..=self.end()).contains(&held.offset);
        is_within.then_some(()).ok_or(Error::Lost)
    }

    fn proves(&self) -> bool {
        self.sum.is_some()
    }

    fn tail(&mut self, _: u64) -> Result<Option<Tail>, Error> {
        Ok(None)
    }

    /// Returns the CRC-32 of all bytes read so far. The unsent bytes are in memory, so they cannot change.
    fn seal(&mut self, _: u64, _: &CancelToken) -> Result<u32, Error> {
        Ok(self.sum.clone().unwrap_or_default().finalize())
    }

    fn restart(&mut self) -> Result<(), Error> {
        (self.start == 0).then_some(()).ok_or(Error::Lost)
    }

    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> Result<usize, Error> {
        let rest = at
            .checked_sub(self.start)
            .and_then(|skip| self.window.get(skip as usize..))
            .ok_or(Error::Lost)?;
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
