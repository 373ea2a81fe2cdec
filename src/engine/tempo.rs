//! How quickly a client goes on, and so whether its next request is worth staying awake for.
//!
//! To fall asleep and be woken takes some 20 microseconds, of a request that takes 50. A client on the same machine that
//! sends one after the other is back sooner, and gets half as much done again; across a network nobody is so quick.

use std::time::{Duration, Instant};

/// The longest that anybody stays awake for the next request.
pub(super) const AWAKE_MAX: Duration = Duration::from_micros(30);

/// A wait that was shorter is quick. One in one's sleep has the time in it that it takes to wake up.
const QUICK: Duration = AWAKE_MAX.saturating_mul(2);

/// So many quick waits in a row, and the next is expected to be quick too. Of what comes by chance that is rare.
const SUCCESSION: u32 = 16;

/// What one worker has seen of the client that it answered last.
#[derive(Debug, Default)]
pub(super) struct Tempo {
    /// In which slot that is, and when; until its next request.
    answered: Option<(usize, Instant)>,
    quick_in_a_row: u32,
}

impl Tempo {
    /// The client in `slot` was answered.
    pub(super) fn answered(&mut self, slot: usize, now: Instant) {
        self.answered = Some((slot, now));
    }

    /// Something has come from the client in `slot`.
    pub(super) fn asked(&mut self, slot: usize, now: impl FnOnce() -> Instant) {
        let wait = |(last, at)| (last == slot).then(|| now().duration_since(at));
        self.quick_in_a_row = match self.answered.take().and_then(wait) {
            Some(wait) if wait < QUICK => SUCCESSION.min(self.quick_in_a_row + 1),
            _ => 0,
        };
    }

    /// The next request did not come as soon as it was expected.
    pub(super) fn was_slow(&mut self) {
        self.answered = None;
        self.quick_in_a_row = 0;
    }

    /// Whether the next request is expected within [`AWAKE_MAX`].
    pub(super) fn is_quick(&self) -> bool {
        self.quick_in_a_row >= SUCCESSION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALMOST: Duration = QUICK.saturating_sub(Duration::from_nanos(1));

    /// So many waits of one client, each that long.
    fn wait(tempo: &mut Tempo, slot: usize, times: u32, each: Duration) {
        for _ in 0..times {
            let now = Instant::now();
            tempo.answered(slot, now);
            tempo.asked(slot, || now + each);
        }
    }

    fn quick() -> Tempo {
        let mut tempo = Tempo::default();
        wait(&mut tempo, 1, SUCCESSION - 1, ALMOST);
        assert!(!tempo.is_quick());
        wait(&mut tempo, 1, 1, ALMOST);
        assert!(tempo.is_quick());
        tempo
    }

    #[test]
    fn it_takes_a_succession_to_be_quick_and_one_wait_to_be_slow() {
        let slow: [fn(&mut Tempo); 3] = [
            |tempo| wait(tempo, 1, 1, QUICK),
            |tempo| tempo.asked(1, Instant::now),
            Tempo::was_slow,
        ];
        for slow in slow {
            let mut tempo = quick();
            slow(&mut tempo);
            assert!(!tempo.is_quick());
            wait(&mut tempo, 1, SUCCESSION - 1, ALMOST);
            assert!(!tempo.is_quick());
        }
    }

    #[test]
    fn another_client_is_not_the_one_that_was_answered() {
        let (mut tempo, now) = (quick(), Instant::now());
        tempo.answered(1, now);
        tempo.asked(2, || now);
        assert!(!tempo.is_quick());
    }
}
