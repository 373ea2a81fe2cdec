//! The watch: who waits for everybody, and how soon it is noticed that nobody does.

use std::time::{Duration, Instant};

/// How long it may be left, and a turn that nobody was woken for may queue.
const UNWATCHED_MAX: Duration = Duration::from_millis(20);

/// The same when it happens out of a calm: whoever stands by looks ever less often as long as it finds somebody on
/// watch. A slow link would be paid for with a second worker's wake-ups otherwise.
const UNWATCHED_CALM_MAX: Duration = Duration::from_millis(160);

pub(super) struct Watch {
    /// A worker has it.
    pub(super) taken: bool,
    left_at: Instant,
    /// How often it was left.
    pub(super) left: u64,
    /// The worker that left it will not be back soon.
    pub(super) relief_wanted: bool,
    /// An idle worker stands by, and looks after so long at the latest.
    pub(super) stood_by: bool,
    pub(super) next_look: Duration,
}

impl Watch {
    pub(super) fn new() -> Watch {
        Watch {
            taken: false,
            left_at: Instant::now(),
            left: 0,
            relief_wanted: false,
            stood_by: false,
            next_look: UNWATCHED_MAX,
        }
    }

    pub(super) fn leave(&mut self) {
        self.taken = false;
        self.left_at = Instant::now();
        self.left += 1;
    }

    /// Who stood by has looked.
    pub(super) fn was_looked_at(&mut self) {
        self.stood_by = false;
        self.next_look = match self.taken {
            true => (self.next_look * 2).min(UNWATCHED_CALM_MAX),
            false => UNWATCHED_MAX,
        };
    }

    /// Whether a worker that has nothing to do takes it; one that `is_awake` need not be woken for it.
    pub(super) fn is_due(&self, is_awake: bool) -> bool {
        !self.taken && (is_awake || self.relief_wanted || self.left_at.elapsed() >= UNWATCHED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_at_less_often_as_long_as_somebody_has_it() {
        let mut watch = Watch::new();
        watch.taken = true;
        let mut look = |taken| {
            watch.taken = taken;
            watch.was_looked_at();
            watch.next_look.as_millis()
        };
        assert_eq!([(); 5].map(|()| look(true)), [40, 80, 160, 160, 160]);
        assert_eq!([look(false), look(true)], [20, 40]);
    }
}
