//! When to look at a body again that arrives more slowly than we can take it.
//!
//! On a slow link every packet would wake a worker for 1,448 bytes. Instead the connection leaves
//! the poller and is looked at again when about [`WORTH_A_LOOK`] should have arrived at the pace
//! seen so far. Where that is in less than a millisecond the bytes are as good as there; where
//! nothing is known yet the event is waited for.
//!
//! `SO_RCVLOWAT` would seem to do the same inside the kernel, but it stalls the growth of the receive buffer (long
//! links drop to a twentieth of their speed) and can hang on the last bytes of a chunked body.

use std::time::{Duration, Instant};

/// How many bytes should have arrived before a look pays. With half as many a body at 4 MB/s takes half as much
/// processor time again, and one over a path of 100 ms is no faster.
const WORTH_A_LOOK: f32 = 64.0 * 1024.0;

/// Below this the event is waited for.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);

/// The pace is that of about so much time: packets come in bursts, and a burst says little.
const MEMORY_SECS: f32 = 0.1;

/// How fast a body has been arriving.
#[derive(Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    /// A moving average of bytes a second, that began at nothing...
    average: f32,
    /// ... and how much of it is not that nothing: towards 1 in the course of [`MEMORY_SECS`].
    known: f32,
}

impl Pace {
    /// Notes that `bytes` were there to be read at `now`.
    pub(crate) fn saw(&mut self, bytes: usize, now: Instant) {
        // What is there first has been coming since who knows when.
        if let Some(last) = self.last {
            let share = now.duration_since(last).as_secs_f32().max(1e-6) / MEMORY_SECS;
            self.average = (self.average + bytes as f32 / MEMORY_SECS) / (1.0 + share);
            self.known = (self.known + share) / (1.0 + share);
        }
        self.last = Some(now);
    }

    /// What to do while nothing is there, leaving the body alone for `longest` at most.
    pub(crate) fn lull(&self, still_to_come: Option<u64>, longest: Duration) -> Lull {
        if self.known == 0.0 {
            return Lull::Unknown;
        }
        let worth = still_to_come.map_or(WORTH_A_LOOK, |left| WORTH_A_LOOK.min(left as f32));
        let secs = worth * self.known / self.average;
        match Duration::from_secs_f32(secs.min(longest.as_secs_f32())) {
            after if after < SHORTEST_LOOK => Lull::Short,
            after => Lull::Look(after),
        }
    }
}

/// How long nothing will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lull {
    /// Who knows: wait for the event.
    Unknown,
    /// For less than a millisecond.
    Short,
    /// Enough to be worth a look will be there after this.
    Look(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(20);

    /// The look that follows after packets of `bytes` came every `every`.
    fn look(bytes: usize, every: Duration, left: Option<u64>) -> Lull {
        let start = Instant::now();
        let mut pace = Pace::default();
        for packet in 0..20 {
            pace.saw(bytes, start + every * packet);
        }
        pace.lull(left, LONGEST)
    }

    #[test]
    fn a_slow_link_is_looked_at_when_64_kib_should_be_there() {
        let lull = look(1448, Duration::from_micros(362), None);
        assert!(
            matches!(lull, Lull::Look(after) if (15..=17).contains(&after.as_millis())),
            "{lull:?}"
        );
    }

    #[test]
    fn a_very_slow_link_is_looked_at_after_the_longest_wait() {
        assert_eq!(
            look(1448, Duration::from_millis(100), None),
            Lull::Look(LONGEST)
        );
    }

    #[test]
    fn a_fast_link_has_short_lulls() {
        assert_eq!(look(100_000, Duration::from_micros(100), None), Lull::Short);
    }

    #[test]
    fn the_last_bytes_are_not_waited_for_longer_than_they_take() {
        let lull = look(1448, Duration::from_micros(362), Some(8_000));
        assert!(
            matches!(lull, Lull::Look(after) if after.as_millis() < 3),
            "{lull:?}"
        );
        assert_eq!(
            look(1448, Duration::from_micros(362), Some(1_000)),
            Lull::Short
        );
    }

    #[test]
    fn nothing_is_presumed_before_two_reads() {
        let mut pace = Pace::default();
        assert_eq!(pace.lull(None, LONGEST), Lull::Unknown);
        let start = Instant::now();
        pace.saw(1448, start);
        assert_eq!(pace.lull(None, LONGEST), Lull::Unknown);
        pace.saw(1448, start + Duration::from_millis(1));
        assert_ne!(pace.lull(None, LONGEST), Lull::Unknown);
    }

    /// 64 KiB in packets that come at once, every 16 ms: as many bytes as with an even pace.
    #[test]
    fn a_burst_does_not_hide_a_slow_link() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        for _ in 0..20 {
            now += Duration::from_millis(16);
            for _ in 0..46 {
                now += Duration::from_micros(10);
                pace.saw(1448, now);
            }
        }
        let lull = pace.lull(None, LONGEST);
        assert!(
            matches!(lull, Lull::Look(after) if (12..=18).contains(&after.as_millis())),
            "{lull:?}"
        );
    }
}
