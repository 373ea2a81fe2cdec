//! What one connection may cost.

use std::time::Duration;

/// What one connection may cost. Each passed limit has its answer: see the README's table.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Bytes of a request head (request line and fields): 431 beyond.
    pub(crate) head_bytes: usize,
    /// Fields of a head: 431 beyond.
    pub(crate) fields: usize,
    /// Bytes of a request target: 414 beyond.
    pub(crate) target_bytes: usize,
    /// A head must be whole this long after its first byte: 408.
    pub(crate) head_timeout: Duration,
    /// A body may be silent this long: what came is kept, 408.
    pub(crate) body_idle: Duration,
    /// A connection may wait this long for its next request.
    pub(crate) keep_alive_idle: Duration,
    /// After a refusal at most this much of the unwanted body is read and thrown away.
    pub(crate) drain_bytes: u64,
    /// ... for at most this long.
    pub(crate) drain_timeout: Duration,
    /// An answer must be taken by its client this long after it was begun.
    pub(crate) reply_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes: 16 * 1024,
            fields: 100,
            target_bytes: 8 * 1024,
            head_timeout: Duration::from_secs(10),
            body_idle: Duration::from_secs(60),
            keep_alive_idle: Duration::from_secs(30),
            drain_bytes: 64 * 1024 * 1024,
            drain_timeout: Duration::from_secs(10),
            reply_timeout: Duration::from_secs(10),
        }
    }
}
