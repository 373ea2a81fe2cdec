//! The log of refused hosts and origins: each at most once a minute, within a bound.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time in which a value is logged once.
const PERIOD: Duration = Duration::from_secs(60);

/// The maximum number of values that are logged in a period. A flood must not fill the disk.
const VALUES_MAX: usize = 20;

/// The maximum length of a logged value.
const VALUE_CHARS: usize = 64;

/// Logs refused hosts and origins for the operator.
#[derive(Default)]
pub(super) struct RefusalLog(Mutex<Period>);

/// The values that were logged since the begin of a period.
#[derive(Default)]
struct Period {
    begin: Option<Instant>,
    logged: Vec<(&'static str, String)>,
}

impl RefusalLog {
    /// Logs a value with the flag that permits it.
    pub(super) fn note(&self, flag: &'static str, value: Option<&str>) {
        let value = value.unwrap_or_default().chars().take(VALUE_CHARS);
        let value: String = value.collect();
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = period.add(flag, &value, Instant::now());
        drop(period);
        if is_new {
            log::warn!("refused a request: {value:?} is not allowed; {flag} allows it");
        }
    }
}

impl Period {
    /// Returns whether the value is new in this period, and has room in it.
    fn add(&mut self, flag: &'static str, value: &str, now: Instant) -> bool {
        let is_over = |begin: Instant| now.saturating_duration_since(begin) >= PERIOD;
        if self.begin.is_none_or(is_over) {
            self.begin = Some(now);
            self.logged.clear();
        }
        let is_logged = |(with, text): &(&str, String)| *with == flag && text == value;
        if self.logged.len() == VALUES_MAX || self.logged.iter().any(is_logged) {
            return false;
        }
        self.logged.push((flag, value.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_new_again_after_a_minute() {
        let (mut period, begin) = (Period::default(), Instant::now());
        assert!(period.add("--host", "nas", begin));
        assert!(!period.add("--host", "nas", begin + PERIOD / 2));
        assert!(period.add("--allow-origin", "nas", begin + PERIOD / 2));
        assert!(period.add("--host", "pi", begin + PERIOD / 2));
        assert!(period.add("--host", "nas", begin + PERIOD));
        assert!(!period.add("--host", "nas", begin + PERIOD));
    }

    #[test]
    fn flood_of_values_is_bounded_in_each_minute() {
        let (mut period, begin) = (Period::default(), Instant::now());
        for minute in 0..3 {
            let now = begin + minute * PERIOD;
            let added = (0..1000).filter(|number| period.add("--host", &number.to_string(), now));
            assert_eq!(added.count(), VALUES_MAX);
            assert_eq!(period.logged.len(), VALUES_MAX);
        }
    }
}
