//! What is sent.

use super::identity::Identity;
use super::problem::Problem;
use super::wire::Held;

/// Bytes that can be read again from wherever the server has ended.
pub(super) trait Source {
    fn identity(&self) -> &Identity;

    /// Where what can be sent now ends.
    fn end(&self) -> u64;

    /// Whether what the server holds is the beginning of this. An error says that it is not, or cannot be continued.
    fn check(&mut self, held: &Held) -> Result<(), Problem>;

    /// Reads from `at`, which is before the end: at least one byte.
    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> Result<usize, Problem>;
}
