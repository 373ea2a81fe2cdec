//! The minimum rate of a body: the average over each period in which the server waits for its bytes.
//!
//! A clock runs only while the connection is parked. So the time in a run queue or of a write to the disk never counts,
//! and the bytes that arrive meanwhile do.

use std::time::{Duration, Instant};

/// The minimum rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinRate {
    /// 0: no minimum.
    pub(crate) bytes_per_sec: u64,
    pub(crate) period: Duration,
}

/// The bytes of a body in the current period.
#[derive(Default)]
pub(crate) struct RateMeter {
    bytes: u64,
    waited: Duration,
    waits_since: Option<Instant>,
}

impl RateMeter {
    pub(crate) fn record(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.waits_since = Some(now);
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        if let Some(since) = self.waits_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }

    /// Returns the rest of the period; `None` without a minimum.
    pub(crate) fn rest(&self, min: MinRate) -> Option<Duration> {
        (min.bytes_per_sec > 0).then(|| min.period.saturating_sub(self.waited))
    }

    /// Returns whether the body was too slow in a period that is over, and begins the next period. All bytes that have
    /// arrived must be recorded before.
    pub(crate) fn is_too_slow(&mut self, min: MinRate) -> bool {
        if self.rest(min) != Some(Duration::ZERO) {
            return false;
        }
        let expected = min.bytes_per_sec as f64 * self.waited.as_secs_f64();
        let is_too_slow = (self.bytes as f64) < expected;
        *self = RateMeter::default();
        is_too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: MinRate = MinRate {
        bytes_per_sec: 100,
        period: Duration::from_secs(60),
    };
    const SEC: Duration = Duration::from_secs(1);

    /// Returns the second in which a body is too slow: each read has `bytes`, after a wait of `waited` and an absence of
    /// the server for `absent`.
    fn too_slow_after(bytes: usize, waited: Duration, absent: Duration) -> Option<u64> {
        let start = Instant::now();
        let mut now = start;
        let mut meter = RateMeter::default();
        while now < start + 600 * SEC {
            meter.start(now);
            now += waited;
            meter.stop(now);
            now += absent;
            meter.record(bytes);
            if meter.is_too_slow(MIN) {
                return Some((now - start).as_secs());
            }
        }
        None
    }

    #[test]
    fn body_below_the_rate_ends_after_one_period() {
        assert_eq!(too_slow_after(99, SEC, Duration::ZERO), Some(60));
        assert_eq!(too_slow_after(5_999, 60 * SEC, Duration::ZERO), Some(60));
        assert_eq!(too_slow_after(0, 60 * SEC, Duration::ZERO), Some(60));
    }

    #[test]
    fn body_at_the_rate_goes_on_in_any_rhythm() {
        for waited in [1, 7, 59, 60, 200] {
            let bytes = 100 * waited as usize;
            assert_eq!(
                too_slow_after(bytes, waited * SEC, Duration::ZERO),
                None,
                "{waited}"
            );
        }
    }

    #[test]
    fn time_of_the_server_does_not_count() {
        assert_eq!(too_slow_after(100, SEC, 59 * SEC), None);
        assert_eq!(too_slow_after(50, SEC, SEC), Some(120));
    }

    #[test]
    fn zero_is_no_minimum() {
        let off = MinRate {
            bytes_per_sec: 0,
            ..MIN
        };
        let mut meter = RateMeter::default();
        let start = Instant::now();
        meter.start(start);
        meter.stop(start + 600 * SEC);
        assert_eq!(meter.rest(off), None);
        assert!(!meter.is_too_slow(off));
    }
}
