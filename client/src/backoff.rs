//! Exponential backoff: the pauses between attempts, and the end of them.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::error::{Error, Scope};

const PAUSE_MAX_SECS: f64 = 60.0;
/// The minimum time for an answer, even near the end of `give_up_after`: a disk may have to spin up.
const ANSWER_MIN: Duration = Duration::from_secs(15);
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The failures in a row of one upload.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    give_up_after: Option<Duration>,
    failing_since: Option<Instant>,
    failures: i32,
}

impl Backoff {
    /// Makes a backoff that ends after `give_up_after` of failures; `None` never ends.
    pub(crate) fn new(give_up_after: Option<Duration>) -> Backoff {
        Backoff {
            give_up_after,
            failing_since: None,
            failures: 0,
        }
    }

    /// Starts anew after a success.
    pub(crate) fn reset(&mut self) {
        self.failing_since = None;
        self.failures = 0;
    }

    /// Restarts the time of `give_up_after`.
    pub(crate) fn forgive(&mut self) {
        self.failing_since = None;
    }

    /// Returns the maximum time for an answer.
    pub(crate) fn answer_max(&self) -> Duration {
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

    /// Returns the pause after this error; `None` if a retry cannot help, or failures lasted too long. The last
    /// success or the start of the attempt was at `quiet_since`.
    pub(crate) fn pause(&mut self, error: &Error, quiet_since: Instant) -> Option<Duration> {
        if error.scope() != Scope::Attempt {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(quiet_since);
        let asked = match error {
            Error::Unavailable { retry_after, .. } | Error::TooManyPartials { retry_after, .. } => {
                *retry_after
            }
            _ => Duration::ZERO,
        };
        let pause = growing(self.failures, random()).max(asked);
        let pause = self.left().map_or(pause, |left| pause.min(left));
        Some(pause).filter(|pause| !pause.is_zero())
    }
}

/// Returns the pause after a number of failures in a row, from 1. `random` is in 0..1.
fn growing(failures: i32, random: f64) -> Duration {
    let doubled = 2_f64.powi(failures - 1).min(PAUSE_MAX_SECS);
    Duration::from_secs_f64(doubled * (0.75 + random / 4.0))
}

/// Returns a number in 0..1, so that many clients do not retry at the same time. The system seeds hash maps.
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
    fn pause_is_at_least_the_retry_after() {
        let after = Duration::from_secs(300);
        let busy = Error::Unavailable {
            status: 503,
            retry_after: after,
            reason: None,
        };
        assert_eq!(Backoff::new(None).pause(&busy, Instant::now()), Some(after));
    }

    #[test]
    fn wait_for_a_response_counts_as_failing_time() {
        let unreachable = Error::Unreachable("".into());
        let ago = |seconds| Instant::now() - Duration::from_secs(seconds);
        let mut backoff = Backoff::new(Some(Duration::from_secs(40)));
        assert_eq!(backoff.answer_max(), Duration::from_secs(40));
        assert!(backoff.pause(&unreachable, ago(20)).is_some());
        assert!(backoff.answer_max() <= Duration::from_secs(20));
        let mut backoff = Backoff::new(Some(Duration::from_secs(40)));
        assert_eq!(backoff.pause(&unreachable, ago(40)), None);
        assert_eq!(backoff.answer_max(), ANSWER_MIN);
        assert_eq!(Backoff::new(None).answer_max(), ANSWER_MAX);
    }

    #[test]
    fn no_pause_after_the_limit_or_a_lasting_error() {
        let unreachable = Error::Unreachable("".into());
        let now = Instant::now();
        let mut none = Backoff::new(Some(Duration::ZERO));
        assert_eq!(none.pause(&unreachable, now), None);
        let full = Error::NoSpace(String::new());
        assert_eq!(Backoff::new(None).pause(&full, now), None);
        let mut some = Backoff::new(Some(Duration::from_secs(90)));
        assert!(some.pause(&unreachable, now).is_some());
    }
}
