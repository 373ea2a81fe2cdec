//! The limits of a connection.

use std::time::Duration;

use super::min_rate::MinRate;

/// The limits of a connection. The table "Limits" of the README has the response to each.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The length of a request head, in bytes. Beyond: 431.
    pub(crate) head_bytes: usize,
    /// The number of fields in a head. Beyond: 431.
    pub(crate) fields: usize,
    /// The length of a request target, in bytes. Beyond: 414.
    pub(crate) target_bytes: usize,
    /// The time from the first byte of a head to its end. Beyond: 408.
    pub(crate) head_timeout: Duration,
    /// The time between two bytes of a body. Beyond: 408; the received bytes are kept.
    pub(crate) body_idle: Duration,
    /// The minimum rate of a body. Below: 408; the received bytes are kept.
    pub(crate) min_rate: MinRate,
    /// The time before the first byte of the next request. Beyond: the connection closes.
    pub(crate) keep_alive_idle: Duration,
    /// The bytes of a refused body that are read and discarded.
    pub(crate) drain_bytes: u64,
    /// The time for that.
    pub(crate) drain_timeout: Duration,
    /// The time for the client to receive a response. Beyond: the connection closes.
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
            min_rate: MinRate {
                bytes_per_sec: 100,
                period: Duration::from_secs(60),
            },
            keep_alive_idle: Duration::from_secs(30),
            drain_bytes: 64 * 1024 * 1024,
            drain_timeout: Duration::from_secs(10),
            reply_timeout: Duration::from_secs(10),
        }
    }
}
