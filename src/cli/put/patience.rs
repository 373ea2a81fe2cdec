//! How long failures are borne, and how long to wait after each.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::problem::{Problem, Stays};

const PAUSE_MAX_SECONDS: f64 = 60.0;

/// Failures in a row.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    give_up_after: Option<Duration>,
    failing_since: Option<Instant>,
    failures: i32,
}

impl Patience {
    /// `None` is for ever.
    pub(super) fn new(give_up_after: Option<Duration>) -> Patience {
        Patience {
            give_up_after,
            failing_since: None,
            failures: 0,
        }
    }

    /// Something got through.
    pub(super) fn renew(&mut self) {
        self.failing_since = None;
        self.failures = 0;
    }

    /// How long to wait after this problem, if that may help and has not been done for too long.
    pub(super) fn pause(&mut self, problem: &Problem) -> Option<Duration> {
        if problem.stays() != Stays::No {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let failing_since = *self.failing_since.get_or_insert_with(Instant::now);
        let asked = match problem {
            Problem::Busy { after, .. } => *after,
            _ => Duration::ZERO,
        };
        let pause = growing(self.failures, random()).max(asked);
        let Some(give_up_after) = self.give_up_after else {
            return Some(pause);
        };
        let left = give_up_after.saturating_sub(failing_since.elapsed());
        Some(pause.min(left)).filter(|pause| !pause.is_zero())
    }
}

/// The pause after so many failures in a row (from 1); `random` is in 0..1.
fn growing(failures: i32, random: f64) -> Duration {
    let doubled = 2_f64.powi(failures - 1).min(PAUSE_MAX_SECONDS);
    Duration::from_secs_f64(doubled * (0.75 + random / 4.0))
}

/// In 0..1, that many clients do not come back in step: hash maps are seeded by the system.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_one_second_to_a_minute() {
        assert_eq!(growing(1, 1.0), Duration::from_secs(1));
        assert_eq!(growing(4, 1.0), Duration::from_secs(8));
        assert_eq!(growing(i32::MAX, 1.0), Duration::from_secs(60));
        assert!(growing(1, 0.0) < growing(1, 1.0), "not all at once");
    }

    #[test]
    fn a_server_is_waited_for_as_long_as_it_asks() {
        let after = Duration::from_secs(300);
        let busy = Problem::Busy { status: 503, after };
        assert_eq!(Patience::new(None).pause(&busy), Some(after));
    }

    #[test]
    fn patience_ends_when_told_and_for_what_stays() {
        let gone = Problem::Gone(String::new());
        assert_eq!(Patience::new(Some(Duration::ZERO)).pause(&gone), None);
        assert_eq!(Patience::new(None).pause(&Problem::DiskFull), None);
        assert!(
            Patience::new(Some(Duration::from_secs(90)))
                .pause(&gone)
                .is_some()
        );
    }
}
