//! Read coalescing: how long a slow body is left alone before the next read.
//!
//! On a slow link each packet would wake a worker for 1,448 bytes. Instead the connection leaves the poller, and the
//! next read happens when about [`READ_BYTES`] should have arrived at the measured rate.
//!
//! `SO_RCVLOWAT` seems to do the same in the kernel. But it stops the growth of the receive buffer (links with a long
//! round trip drop to a twentieth of their speed), and can hang on the last bytes of a chunked body.

use std::time::{Duration, Instant};

/// The number of bytes that make a read worthwhile. With half as many, a body at 4 MB/s takes 1.5 times the processor
/// time, and a body over a path of 100 ms is no faster.
const READ_BYTES: f32 = 64.0 * 1024.0;

/// The shortest wait that pays; below it the worker polls.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// The time constant of the average: packets come in bursts, so a single interval says little.
const AVERAGING_SECS: f32 = 0.1;

/// The measured arrival rate of a body.
#[derive(Default)]
pub(crate) struct ArrivalRate {
    last: Option<Instant>,
    /// An exponential moving average in bytes a second, which starts at 0.
    average: f32,
    /// The weight of the measurements in `average`, from 0 towards 1: `average / weight` is the unbiased rate.
    weight: f32,
}

impl ArrivalRate {
    /// Records a read of `bytes` at `now`. The first read only starts the clock: its bytes have no known duration.
    pub(crate) fn record(&mut self, bytes: usize, now: Instant) {
        if let Some(last) = self.last {
            let share = now.duration_since(last).as_secs_f32().max(1e-6) / AVERAGING_SECS;
            self.average = (self.average + bytes as f32 / AVERAGING_SECS) / (1.0 + share);
            self.weight = (self.weight + share) / (1.0 + share);
        }
        self.last = Some(now);
    }

    /// Returns the time until [`READ_BYTES`], or the `left` bytes of the body, should have arrived: at most `max`.
    ///
    /// `None` if the rate is unknown, or the time is shorter than [`WAIT_MIN`]: then the poller reports the next bytes.
    pub(crate) fn wait(&self, left: Option<u64>, max: Duration) -> Option<Duration> {
        if self.weight == 0.0 {
            return None;
        }
        let bytes = left.map_or(READ_BYTES, |left| READ_BYTES.min(left as f32));
        let secs = bytes * self.weight / self.average;
        let wait = Duration::from_secs_f32(secs.min(max.as_secs_f32()));
        (wait >= WAIT_MIN).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_WAIT: Duration = Duration::from_millis(20);

    /// Returns the wait after 20 packets of `bytes`, one `every` interval.
    fn wait_after(bytes: usize, every: Duration, left: Option<u64>) -> Option<Duration> {
        let start = Instant::now();
        let mut rate = ArrivalRate::default();
        for packet in 0..20 {
            rate.record(bytes, start + every * packet);
        }
        rate.wait(left, MAX_WAIT)
    }

    #[test]
    fn slow_body_is_read_when_64_kib_should_be_there() {
        let wait = wait_after(1448, Duration::from_micros(362), None);
        assert!(
            matches!(wait, Some(after) if (15..=17).contains(&after.as_millis())),
            "{wait:?}"
        );
    }

    #[test]
    fn very_slow_body_is_read_after_the_maximum_wait() {
        assert_eq!(
            wait_after(1448, Duration::from_millis(100), None),
            Some(MAX_WAIT)
        );
    }

    #[test]
    fn fast_body_is_left_to_the_poller() {
        assert_eq!(wait_after(100_000, Duration::from_micros(100), None), None);
    }

    #[test]
    fn last_bytes_are_read_when_they_should_be_there() {
        let wait = wait_after(1448, Duration::from_micros(362), Some(8_000));
        assert!(
            matches!(wait, Some(after) if after.as_millis() < 3),
            "{wait:?}"
        );
        assert_eq!(
            wait_after(1448, Duration::from_micros(362), Some(1_000)),
            None
        );
    }

    #[test]
    fn rate_is_unknown_before_two_reads() {
        let mut rate = ArrivalRate::default();
        assert_eq!(rate.wait(None, MAX_WAIT), None);
        let start = Instant::now();
        rate.record(1448, start);
        assert_eq!(rate.wait(None, MAX_WAIT), None);
        rate.record(1448, start + Duration::from_millis(1));
        assert_ne!(rate.wait(None, MAX_WAIT), None);
    }

    /// 64 KiB in packets that come at once, every 16 ms: as many bytes as with an even rate.
    #[test]
    fn bursts_have_the_rate_of_an_even_flow() {
        let mut rate = ArrivalRate::default();
        let mut now = Instant::now();
        for _ in 0..20 {
            now += Duration::from_millis(16);
            for _ in 0..46 {
                now += Duration::from_micros(10);
                rate.record(1448, now);
            }
        }
        let wait = rate.wait(None, MAX_WAIT);
        assert!(
            matches!(wait, Some(after) if (12..=18).contains(&after.as_millis())),
            "{wait:?}"
        );
    }
}
