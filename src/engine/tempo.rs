//! How quickly events come, and so whether the next is worth staying awake for.
//!
//! To fall asleep and be woken takes some 20 microseconds, of a request that takes 50. A client on the same machine that
//! sends one after the other is back sooner, and gets half as much done again; across a network nobody is so quick.

use std::time::Duration;

/// The longest that anybody stays awake for the next event.
pub(super) const AWAKE_MAX: Duration = Duration::from_micros(30);

/// A wait that was shorter is quick. One in one's sleep has the time in it that it takes to wake up.
const QUICK: Duration = AWAKE_MAX.saturating_mul(2);

/// So many quick waits in a row, and the next is expected to be quick too. Of what comes by chance that is rare.
const SUCCESSION: u32 = 16;

/// The waits up to now.
#[derive(Debug, Default)]
pub(super) struct Tempo {
    quick_in_a_row: u32,
}

impl Tempo {
    /// Whether the next event is expected within [`AWAKE_MAX`].
    pub(super) fn is_quick(&self) -> bool {
        self.quick_in_a_row >= SUCCESSION
    }

    /// Takes note of how long an event was waited for; `None` where none came, or not in the time it was expected in.
    pub(super) fn waited(&mut self, time: Option<Duration>) {
        self.quick_in_a_row = match time {
            Some(time) if time < QUICK => SUCCESSION.min(self.quick_in_a_row + 1),
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALMOST: Duration = QUICK.saturating_sub(Duration::from_nanos(1));

    fn after(times: impl IntoIterator<Item = Option<Duration>>) -> bool {
        let mut tempo = Tempo::default();
        times.into_iter().for_each(|time| tempo.waited(time));
        tempo.is_quick()
    }

    fn quick(count: u32) -> impl Iterator<Item = Option<Duration>> {
        (0..count).map(|_| Some(ALMOST))
    }

    #[test]
    fn it_takes_a_succession_to_be_quick_and_one_wait_to_be_slow() {
        assert!(!after(quick(SUCCESSION - 1)));
        assert!(after(quick(SUCCESSION)));
        assert!(after(quick(3 * SUCCESSION)));
        for slow in [Some(QUICK), None] {
            assert!(!after(quick(3 * SUCCESSION).chain([slow])));
            let again = quick(SUCCESSION - 1);
            assert!(!after(quick(3 * SUCCESSION).chain([slow]).chain(again)));
        }
    }
}
