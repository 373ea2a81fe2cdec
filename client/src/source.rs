//! The bytes of an upload.

use super::cancel::CancelToken;
use super::error::Error;
use super::identity::Identity;
use super::requests::{Held, Tail};

/// Bytes that the driver can read again from the offset of the server.
pub(crate) trait Source {
    fn identity(&self) -> &Identity;

    /// Returns the end of the bytes that can be sent now.
    fn end(&self) -> u64;

    /// Compares the bytes that the server holds with the beginning of this source, as far as they are known. Fails if
    /// they differ, or the upload cannot be continued.
    fn check(&mut self, held: &Held) -> Result<(), Error>;

    /// Returns whether the source is sent with the checksum of its whole contents.
    fn proves(&self) -> bool;

    /// Returns a checksum of the last bytes before `end`; `None` if no other client can have sent them.
    fn tail(&mut self, end: u64) -> Result<Option<Tail>, Error>;

    /// Returns the CRC-32 of the whole, after all local checks have passed. Keeps the bytes from `start` on in memory,
    /// so that the bytes sent are those that were hashed.
    fn seal(&mut self, start: u64, cancel: &CancelToken) -> Result<u32, Error>;

    /// Goes back to the first byte. Fails if the first bytes are no longer available.
    fn restart(&mut self) -> Result<(), Error>;

    /// Reads from `at`, which is before the end: at least one byte.
    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> Result<usize, Error>;
}
