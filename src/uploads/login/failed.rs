//! Failed logins: a growing delay for each pair of address and user name, and a budget for each address.
//!
//! A login counts as failed from its admission until its success. So logins at the same time do not avoid the delay.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::protocol::access::basic_auth::Code;
use crate::store::Account;

/// The failed logins of a pair before the first delay: a person types a password wrongly twice.
const FREE: u32 = 3;
/// The first delay. It doubles with each failed login ...
const DELAY_MIN: Duration = Duration::from_secs(1);
/// ... up to this: proxies give up after 60 s without a response. It leaves 2,880 guesses a day.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// Without a login for this long, a pair begins anew.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// The time after which an address may fail once more.
const REFILL_EVERY: Duration = Duration::from_secs(10);

/// The entries of each table: at most 1 MB. A further one replaces the oldest.
const ENTRIES_MAX: usize = 4096;

/// The failed logins of a server.
pub(super) struct FailedLogins {
    budgets: Table<Account, Budget>,
    series: Table<(Account, Code), Series>,
    per_address: u32,
}

/// The failed logins of one address.
struct Budget {
    /// The time at which the whole budget is available again.
    full_at: Instant,
}

/// The failed logins of one pair in a row.
struct Series {
    failures: u32,
    /// The time of the next login.
    next: Instant,
}

impl FailedLogins {
    /// Permits `per_address` failed logins of one address at once.
    pub(super) fn new(per_address: u32) -> FailedLogins {
        FailedLogins {
            budgets: Table::default(),
            series: Table::default(),
            per_address: per_address.max(1),
        }
    }

    /// Admits a login and returns the time of its check. An error is the time until another attempt makes sense.
    pub(super) fn admit(
        &mut self,
        address: Account,
        name: Code,
        now: Instant,
    ) -> Result<Instant, Duration> {
        let longest = REFILL_EVERY * (self.per_address - 1);
        let budget = self.budgets.entry(address, now, || Budget { full_at: now });
        let spent = budget.full_at.saturating_duration_since(now);
        if spent > longest {
            return Err(spent - longest);
        }
        let fresh = || Series {
            failures: 0,
            next: now,
        };
        let series = self.series.entry((address, name), now, fresh);
        if now.saturating_duration_since(series.next) > FORGET_AFTER {
            *series = fresh();
        }
        let at = series.next.max(now);
        let delay = at - now;
        if delay > DELAY_MAX {
            return Err(delay);
        }
        series.failures = series.failures.saturating_add(1);
        series.next = at + delay_after(series.failures);
        budget.full_at = budget.full_at.max(now) + REFILL_EVERY;
        Ok(at)
    }

    /// Takes back the failure of an admitted login, and ends the series of its pair.
    pub(super) fn succeeded(&mut self, address: Account, name: Code) {
        self.series.remove(&(address, name));
        if let Some(budget) = self.budgets.get_mut(&address) {
            budget.full_at = budget
                .full_at
                .checked_sub(REFILL_EVERY)
                .unwrap_or(budget.full_at);
        }
    }
}

/// Returns the delay after a number of failed logins in a row.
fn delay_after(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(doublings) => DELAY_MIN
            .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(DELAY_MAX),
    }
}

/// A map of bounded size. A further entry replaces the one that was used least recently.
struct Table<K, V> {
    entries: HashMap<K, (Instant, V)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Table<K, V> {
        Table {
            entries: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    fn entry(&mut self, key: K, now: Instant, make: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(&key) {
            let used = self.entries.iter().map(|(key, (used, _))| (*used, *key));
            if let Some((_, oldest)) = used.min_by_key(|(used, _)| *used) {
                self.entries.remove(&oldest);
            }
        }
        let (used, value) = self.entries.entry(key).or_insert_with(|| (now, make()));
        *used = now;
        value
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const ANN: Code = [1; 32];
    const BOB: Code = [2; 32];

    fn address(number: u32) -> Account {
        Account::of_address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn name(number: u32) -> Code {
        let mut code = [0; 32];
        code[..4].copy_from_slice(&number.to_ne_bytes());
        code
    }

    #[test]
    fn delay_of_a_pair_doubles_from_one_second_to_thirty() {
        let mut failed = FailedLogins::new(1000);
        let mut now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..10 {
            let at = failed.admit(address(1), ANN, now).expect("admitted");
            delays.push((at - now).as_secs());
            now = at;
        }
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        now += FORGET_AFTER + DELAY_MAX + Duration::from_secs(1);
        assert_eq!(failed.admit(address(1), ANN, now), Ok(now), "begun anew");
    }

    #[test]
    fn logins_at_the_same_time_share_the_delay() {
        let mut failed = FailedLogins::new(1000);
        let now = Instant::now();
        let admitted = (0..100).filter(|_| failed.admit(address(1), ANN, now).is_ok());
        // At 0, 0, 0, 1, 3, 7 and 15 s; the next would be at 31 s.
        assert_eq!(admitted.count(), 7);
        let refused = failed.admit(address(1), ANN, now);
        assert_eq!(refused, Err(Duration::from_secs(31)));
    }

    #[test]
    fn delay_is_of_address_and_user_together() {
        let mut failed = FailedLogins::new(1000);
        let now = Instant::now();
        while failed.admit(address(1), ANN, now).is_ok() {}
        assert_eq!(failed.admit(address(2), ANN, now), Ok(now));
        assert_eq!(failed.admit(address(1), BOB, now), Ok(now));
    }

    #[test]
    fn success_ends_the_delay_and_costs_no_budget() {
        let mut failed = FailedLogins::new(2);
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(failed.admit(address(1), ANN, now), Ok(now));
            failed.succeeded(address(1), ANN);
        }
    }

    #[test]
    fn address_beyond_its_budget_is_refused_for_all_names() {
        let mut failed = FailedLogins::new(3);
        let now = Instant::now();
        for number in 0..3 {
            assert_eq!(failed.admit(address(1), name(number), now), Ok(now));
        }
        let refused = failed.admit(address(1), name(3), now);
        assert_eq!(refused, Err(REFILL_EVERY));
        assert_eq!(failed.admit(address(2), name(3), now), Ok(now));
        let later = now + REFILL_EVERY;
        assert_eq!(failed.admit(address(1), name(3), later), Ok(later));
        assert!(failed.admit(address(1), name(4), later).is_err());
    }

    #[test]
    fn oldest_entry_makes_room_for_a_new_one() {
        let mut failed = FailedLogins::new(1);
        let start = Instant::now();
        let most = u32::try_from(ENTRIES_MAX).expect("small");
        for number in 0..=most {
            let now = start + Duration::from_millis(number.into());
            assert_eq!(failed.admit(address(number), ANN, now), Ok(now));
        }
        assert_eq!(failed.budgets.entries.len(), ENTRIES_MAX);
        assert_eq!(failed.series.entries.len(), ENTRIES_MAX);
        let now = start + Duration::from_secs(5);
        assert!(failed.admit(address(most), BOB, now).is_err(), "newest");
        assert!(failed.admit(address(0), BOB, now).is_ok(), "replaced");
    }
}
