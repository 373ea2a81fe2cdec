//! Standard input on its way: read once, and kept until the server has it.

use std::io::Read;

use crc32fast::Hasher;

use super::identity::Identity;
use super::problem::Problem;
use super::source::Source;
use super::wire::{Progress, Tail};

/// What is kept at once.
const WINDOW_BYTES: u64 = 8 * 1024 * 1024;

pub(super) struct Pipe<R> {
    input: R,
    identity: Identity,
    /// Where the window begins.
    start: u64,
    window: Vec<u8>,
    /// The CRC-32 of all bytes read so far; `None` with `--no-check`.
    sum: Option<Hasher>,
}

/// What has become of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// There may be more.
    Open,
    /// That was all: its size is known now.
    Ended,
}

impl<R: Read> Pipe<R> {
    pub(super) fn new(input: R, identity: Identity, proves: bool) -> Pipe<R> {
        Pipe {
            input,
            identity,
            start: 0,
            window: Vec::new(),
            sum: proves.then(Hasher::new),
        }
    }

    /// How much has come out of it.
    pub(super) fn count(&self) -> u64 {
        self.start + self.window.len() as u64
    }

    /// Lets go what is in the window, and fills it with what comes next.
    pub(super) fn advance(&mut self) -> Result<Input, Problem> {
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

impl<R: Read> Source for Pipe<R> {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn end(&self) -> u64 {
        self.count()
    }

    fn check(&mut self, held: &Progress) -> Result<(), Problem> {
        let is_within = (self.start..=self.end()).contains(&held.offset);
        is_within.then_some(()).ok_or(Problem::Lost)
    }

    fn proves(&self) -> bool {
        self.sum.is_some()
    }

    fn tail(&mut self, _: u64) -> Result<Option<Tail>, Problem> {
        Ok(None)
    }

    /// Returns the CRC-32 of all bytes read so far. The unsent bytes are in memory, so they cannot change.
    fn seal(&mut self, _: u64) -> Result<u32, Problem> {
        Ok(self.sum.clone().unwrap_or_default().finalize())
    }

    fn restart(&mut self) -> Result<(), Problem> {
        (self.start == 0).then_some(()).ok_or(Problem::Lost)
    }

    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> Result<usize, Problem> {
        let rest = at
            .checked_sub(self.start)
            .and_then(|skip| self.window.get(skip as usize..))
            .ok_or(Problem::Lost)?;
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
