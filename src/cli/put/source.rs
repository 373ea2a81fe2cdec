//! What is sent.

use super::identity::Identity;
use super::problem::Problem;
use super::wire::{Held, Tail};

/// Bytes that can be read again from wherever the server has ended.
pub(super) trait Source {
    fn identity(&self) -> &Identity;

    /// Where what can be sent now ends.
    fn end(&self) -> u64;

    /// Whether what the server holds is the beginning of this, as far as that is known yet. An error says that it is
    /// not, or cannot be continued.
    fn check(&mut self, held: &Held) -> Result<(), Problem>;

    /// Whether a checksum of the whole goes with it.
    fn proves(&self) -> bool;

    /// A checksum of the last bytes before `end`, unless nobody else can have sent them.
    fn tail(&mut self, end: u64) -> Result<Option<Tail>, Problem>;

    /// The CRC-32 of the whole, once all of its own checks have passed. Keeps the bytes from `start` on in memory: what
    /// is read from there on is what went into the checksum.
    fn seal(&mut self, start: u64) -> Result<u32, Problem>;

    /// Begins anew. An error says that the first bytes are gone.
    fn restart(&mut self) -> Result<(), Problem>;

    /// Reads from `at`, which is before the end: at least one byte.
    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> Result<usize, Problem>;
}
