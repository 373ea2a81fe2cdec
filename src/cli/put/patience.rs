//! How long failures are borne, and how long to wait after each.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::problem::{Problem, Stays};

const PAUSE_MAX_SECONDS: f64 = 60.0;
/// The minimum time for an answer, even near the end of `--give-up-after`: a disk may have to spin up.
const ANSWER_MIN: Duration = Duration::from_secs(15);
const ANSWER_MAX: Duration = Duration::from_secs(60);

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

    /// Returns the maximum time for an answer.
    pub(super) fn answer_max(&self) -> Duration {
        self.left()
            .unwrap_or(ANSWER_MAX)
            .clamp(ANSWER_MIN, ANSWER_MAX)
    }

    fn left(&self) -> Option<Duration> {
        let failing_for = self
            .failing_since
            .map_or(Duration::ZERO, |since| since.elapsed());
        Some(self.give_up_after?.saturating_sub(failing_for))
    }

    /// Returns the pause after this problem; `None` if a retry cannot help, or failures lasted too long. The last
    /// success or the start of the attempt was at `quiet_since`.
    pub(super) fn pause(&mut self, problem: &Problem, quiet_since: Instant) -> Option<Duration> {
        if problem.stays() != Stays::No {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(quiet_since);
        let asked = match problem {
            Problem::Busy { after, .. } => *after,
            _ => Duration::ZERO,
        };
        let pause = growing(self.failures, random()).max(asked);
        let pause = self.left().map_or(pause, |left| pause.min(left));
        Some(pause).filter(|pause| !pause.is_zero())
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
        let busy = Problem::Busy {
            status: 503,
            after,
            reason: None,
        };
        assert_eq!(
            Patience::new(None).pause(&busy, Instant::now()),
            Some(after)
        );
    }

    #[test]
    fn wait_for_an_answer_counts_as_time_of_failure() {
        let gone = Problem::Gone(String::new());
        let ago = |seconds| Instant::now() - Duration::from_secs(seconds);
        let mut patience = Patience::new(Some(Duration::from_secs(40)));
        assert_eq!(patience.answer_max(), Duration::from_secs(40));
        assert!(patience.pause(&gone, ago(20)).is_some());
        assert!(patience.answer_max() <= Duration::from_secs(20));
        let mut patience = Patience::new(Some(Duration::from_secs(40)));
        assert_eq!(patience.pause(&gone, ago(40)), None);
        assert_eq!(patience.answer_max(), ANSWER_MIN);
        assert_eq!(Patience::new(None).answer_max(), ANSWER_MAX);
    }

    #[test]
    fn patience_ends_when_told_and_for_what_stays() {
        let gone = Problem::Gone(String::new());
        let now = Instant::now();
        let mut none = Patience::new(Some(Duration::ZERO));
        assert_eq!(none.pause(&gone, now), None);
        let full = Problem::NoSpace(String::new());
        assert_eq!(Patience::new(None).pause(&full, now), None);
        let mut some = Patience::new(Some(Duration::from_secs(90)));
        assert!(some.pause(&gone, now).is_some());
    }
}
