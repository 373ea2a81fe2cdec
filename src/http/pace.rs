//! When to look at a body again that arrives more slowly than we can take it.
//!
//! On a slow link every packet would wake a worker for 1,448 bytes. Instead the connection leaves the poller and is
//! looked at again when about [`WORTH_A_LOOK`] should have arrived at the pace seen so far. Where that would be in less
//! than a millisecond, or where nothing is known yet, waiting for the event is as cheap and more exact.
//!
//! `SO_RCVLOWAT` would seem to do the same inside the kernel, but it stalls the growth of the receive buffer (long
//! links drop to a twentieth of their speed) and can hang on the last bytes of a chunked body.

use std::time::{Duration, Instant};

/// How many bytes should have arrived before a look pays.
const WORTH_A_LOOK: f64 = 32.0 * 1024.0;

/// Below this the event is waited for.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);

/// How fast a body has been arriving.
#[derive(Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    bytes_per_sec: f64,
}

impl Pace {
    /// Notes that `bytes` were there to be read at `now`.
    pub(crate) fn saw(&mut self, bytes: usize, now: Instant) {
        if let Some(last) = self.last {
            let secs = now.duration_since(last).as_secs_f64().max(1e-6);
            let seen = bytes as f64 / secs;
            self.bytes_per_sec = match self.bytes_per_sec {
                0.0 => seen,
                known => (known + seen) / 2.0,
            };
        }
        self.last = Some(now);
    }

    /// Notes that nothing was there: what was known of the pace no longer holds.
    pub(crate) fn paused(&mut self) {
        *self = Pace::default();
    }

    /// How long from now a look will pay, at most `longest`; `None` to wait for the event.
    pub(crate) fn look_after(
        &self,
        still_to_come: Option<u64>,
        longest: Duration,
    ) -> Option<Duration> {
        if self.bytes_per_sec == 0.0 {
            return None;
        }
        let worth = still_to_come.map_or(WORTH_A_LOOK, |left| WORTH_A_LOOK.min(left as f64));
        let after =
            Duration::from_secs_f64((worth / self.bytes_per_sec).min(longest.as_secs_f64()));
        (after >= SHORTEST_LOOK).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(20);

    /// The look that follows after packets of `bytes` came every `every`.
    fn look(bytes: usize, every: Duration, left: Option<u64>) -> Option<Duration> {
        let start = Instant::now();
        let mut pace = Pace::default();
        for packet in 0..20 {
            pace.saw(bytes, start + every * packet);
        }
        pace.look_after(left, LONGEST)
    }

    #[test]
    fn a_slow_link_is_looked_at_when_32_kib_should_be_there() {
        let after = look(1448, Duration::from_micros(362), None).expect("4 MB/s is slow");
        assert!((7..=9).contains(&after.as_millis()), "{after:?}");
    }

    #[test]
    fn a_very_slow_link_is_looked_at_after_the_longest_wait() {
        assert_eq!(look(1448, Duration::from_millis(100), None), Some(LONGEST));
    }

    #[test]
    fn a_fast_link_waits_for_its_events() {
        assert_eq!(look(100_000, Duration::from_micros(100), None), None);
    }

    #[test]
    fn the_last_bytes_are_not_waited_for_longer_than_they_take() {
        let after = look(1448, Duration::from_micros(362), Some(8_000)).expect("slow");
        assert!(after < Duration::from_millis(3), "{after:?}");
        assert_eq!(look(1448, Duration::from_micros(362), Some(1_000)), None);
    }

    #[test]
    fn nothing_is_presumed_before_two_reads_or_after_a_pause() {
        let mut pace = Pace::default();
        assert_eq!(pace.look_after(None, LONGEST), None);
        let start = Instant::now();
        pace.saw(1448, start);
        assert_eq!(pace.look_after(None, LONGEST), None);
        pace.saw(1448, start + Duration::from_millis(1));
        assert!(pace.look_after(None, LONGEST).is_some());
        pace.paused();
        assert_eq!(pace.look_after(None, LONGEST), None);
    }
}
