//! Who is still owed how much of the disk, so that uploads which cannot all fit are refused before they are sent.
//!
//! The sum is kept as it changes: to admit one upload costs the same however many others there are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::id::Key;

/// How long an upload that receives nothing keeps its claim, in seconds: ten minutes.
const CLAIM_SECS: u64 = 600;

/// How long a look at the free space is believed, and how many bytes it has to leave for that: more than anybody fills
/// meanwhile.
const LOOK_LASTS: Duration = Duration::from_millis(100);
const PLENTY_BYTES: u64 = 2 << 30;

/// The claims of the uploads that received bytes lately. It outlives their entries: between two requests of an
/// upload nobody holds it, and it still wants its space.
pub(super) struct Ledger {
    began: Instant,
    total: Total,
    claims: Mutex<Claims>,
    admitting: Mutex<Look>,
}

/// What was free when somebody looked.
pub(super) struct Look {
    free: u64,
    at: Instant,
}

/// The claims that stand, and when to look at each again.
#[derive(Default)]
struct Claims {
    by_key: BTreeMap<Key, Standing>,
    /// By when they last received bytes, or did so at the last look: a window does not stop to put this in order.
    by_age: BTreeSet<(u64, Key)>,
}

struct Standing {
    claim: Arc<Claim>,
    /// Where it is in `by_age`.
    looked: u64,
}

/// What one upload is owed. Noted at every window, so it has a lock of its own.
pub(super) struct Claim {
    stand: Mutex<Stand>,
    total: Total,
}

#[derive(Default)]
struct Stand {
    /// Bytes still to come.
    owed: u64,
    /// When bytes last came, in seconds since the ledger began.
    received: u64,
    /// It has run out, or was given up.
    ended: bool,
}

/// The sum of what is owed. It never wraps around, whatever a million uploads declare.
type Total = Arc<Mutex<u128>>;

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            total: Arc::default(),
            claims: Mutex::default(),
            admitting: Mutex::new(Look::at_free(0)),
        }
    }

    /// Waits for the turn to look at the space and to claim some: two that look at once would both see it free.
    pub(super) fn admitting(&self) -> MutexGuard<'_, Look> {
        lock(&self.admitting)
    }

    /// The clock of the claims, in seconds.
    pub(super) fn now(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// The claim of the upload `key`, which has just received bytes and is still `owed` so many.
    pub(super) fn claim(&self, key: Key, owed: u64, now: u64) -> Arc<Claim> {
        let mut claims = self.claims();
        let standing = claims.by_key.get(&key);
        if let Some(standing) = standing.filter(|standing| standing.claim.note(owed, now)) {
            return Arc::clone(&standing.claim);
        }
        let claim = Arc::new(Claim::new(&self.total, owed, now));
        claims.look_later(key, Arc::clone(&claim), now);
        claim
    }

    /// Gives up the claim of the upload `key`.
    pub(super) fn release(&self, key: Key) {
        let mut claims = self.claims();
        if let Some(standing) = claims.by_key.remove(&key) {
            claims.by_age.remove(&(standing.looked, key));
            standing.claim.give_up();
        }
    }

    /// Bytes owed to all uploads but `key` that received some in the ten minutes before `now`.
    ///
    /// Saturating: who declares exabytes must not wrap around to nothing. Forgets the claims that ran out.
    pub(super) fn owed_to_others(&self, key: Key, now: u64) -> u64 {
        let mut claims = self.claims();
        claims.forget_run_out(now);
        let own = claims.by_key.get(&key);
        let own = own.map_or(0, |standing| standing.claim.stand().owed);
        let others = lock(&self.total).saturating_sub(own.into());
        others.try_into().unwrap_or(u64::MAX)
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        lock(&self.claims)
    }
}

impl Look {
    pub(super) fn at_free(free: u64) -> Self {
        let at = Instant::now();
        Self { free, at }
    }

    /// Whether there is room for so many bytes, those that others are owed included. Looks, unless the last look shows
    /// that there is in any case.
    pub(super) fn has_room(
        &mut self,
        wanted: u64,
        free: impl FnOnce() -> io::Result<u64>,
    ) -> io::Result<bool> {
        let is_plenty = self.free >= wanted.saturating_add(PLENTY_BYTES);
        if !is_plenty || self.at.elapsed() > LOOK_LASTS {
            *self = Self::at_free(free()?);
        }
        Ok(wanted <= self.free)
    }
}

impl Claims {
    fn look_later(&mut self, key: Key, claim: Arc<Claim>, looked: u64) {
        self.by_age.insert((looked, key));
        self.by_key.insert(key, Standing { claim, looked });
    }

    fn forget_run_out(&mut self, now: u64) {
        let is_due = |(looked, _): &(u64, Key)| now > looked + CLAIM_SECS;
        while let Some((_, key)) = self.by_age.first().copied().filter(is_due) {
            self.by_age.pop_first();
            let Some(Standing { claim, .. }) = self.by_key.remove(&key) else {
                continue;
            };
            if let Err(received) = claim.run_out(now) {
                self.look_later(key, claim, received);
            }
        }
    }
}

impl Claim {
    fn new(total: &Total, owed: u64, now: u64) -> Self {
        let claim = Self {
            stand: Mutex::default(),
            total: Arc::clone(total),
        };
        let _stands = claim.note(owed, now);
        claim
    }

    /// Notes that bytes came, and how many are `owed` from `now` on; unless it has run out or been given up, and is
    /// to be claimed anew.
    #[must_use]
    pub(super) fn note(&self, owed: u64, now: u64) -> bool {
        let mut stand = self.stand();
        if !stand.ended {
            stand.received = now;
            self.owe(&mut stand, owed);
        }
        !stand.ended
    }

    /// For how many seconds no byte has come.
    pub(super) fn silent_for(&self, now: u64) -> u64 {
        now.saturating_sub(self.stand().received)
    }

    /// Ends it if nothing has come for too long; else says when something last came.
    fn run_out(&self, now: u64) -> Result<(), u64> {
        let mut stand = self.stand();
        if now <= stand.received + CLAIM_SECS {
            return Err(stand.received);
        }
        self.end(&mut stand);
        Ok(())
    }

    fn give_up(&self) {
        self.end(&mut self.stand());
    }

    fn end(&self, stand: &mut Stand) {
        stand.ended = true;
        self.owe(stand, 0);
    }

    fn owe(&self, stand: &mut Stand, owed: u64) {
        let mut total = lock(&self.total);
        *total = *total + u128::from(owed) - u128::from(stand.owed);
        stand.owed = owed;
    }

    fn stand(&self) -> MutexGuard<'_, Stand> {
        lock(&self.stand)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn key(id: u8) -> Key {
        Key::of(b"", &[id])
    }

    #[test]
    fn others_are_owed_for_ten_minutes_after_their_last_byte() {
        let ledger = Ledger::new();
        ledger.claim(key(1), 100, 0);
        ledger.claim(key(2), 10, 300);
        assert_eq!(ledger.owed_to_others(key(3), 300), 110);
        assert_eq!(ledger.owed_to_others(key(1), 300), 10);
        assert_eq!(ledger.owed_to_others(key(3), 600), 110);
        assert_eq!(ledger.owed_to_others(key(3), 601), 10);
        assert_eq!(ledger.owed_to_others(key(3), 901), 0);
        let claims = ledger.claims();
        assert!(claims.by_key.is_empty() && claims.by_age.is_empty());
    }

    #[test]
    fn a_look_is_believed_for_a_moment_where_it_leaves_plenty() {
        let looks = |look: &mut Look, wanted, free| {
            let mut looked = false;
            let has_room = look.has_room(wanted, || {
                looked = true;
                Ok(free)
            });
            (looked, has_room.unwrap())
        };
        let mut look = Look::at_free(0);
        assert_eq!(looks(&mut look, 10, 9), (true, false));
        assert_eq!(looks(&mut look, 10, 10 + PLENTY_BYTES), (true, true));
        assert_eq!(looks(&mut look, 10, 0), (false, true));
        assert_eq!(looks(&mut look, 11, 11), (true, true));
        let at = Instant::now() - 2 * LOOK_LASTS;
        let mut old = Look { free: u64::MAX, at };
        assert_eq!(looks(&mut old, 10, 9), (true, false));
        assert_eq!(
            looks(&mut Look::at_free(u64::MAX), u64::MAX, 7),
            (false, true)
        );
    }

    #[test]
    fn claims_saturate_and_are_released() {
        let ledger = Ledger::new();
        ledger.claim(key(1), u64::MAX, 0);
        ledger.claim(key(2), u64::MAX, 0);
        assert_eq!(ledger.owed_to_others(key(3), 0), u64::MAX);
        ledger.release(key(1));
        assert_eq!(ledger.owed_to_others(key(2), 0), 0);
    }

    /// What the total stands for: all claims, one by one.
    #[derive(Default)]
    struct Plain {
        claims: BTreeMap<u8, (u64, u64)>,
    }

    impl Plain {
        fn owed_to_others(&self, id: u8, now: u64) -> u64 {
            let stand = |received: u64| now <= received + CLAIM_SECS;
            let others = self.claims.iter().filter(|(other, _)| **other != id);
            others
                .filter(|(_, (_, received))| stand(*received))
                .fold(0, |sum, (_, (owed, _))| sum.saturating_add(*owed))
        }
    }

    /// Numbers that follow from a first one (xorshift).
    fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
        move |below| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        }
    }

    #[test]
    fn the_total_is_what_a_walk_over_all_claims_would_find() {
        for seed in 1..=300 {
            let mut number = numbers(seed);
            let (ledger, mut plain, mut now) = (Ledger::new(), Plain::default(), 0);
            let mut held: BTreeMap<u8, Arc<Claim>> = BTreeMap::new();
            for _ in 0..300 {
                let id = number(6) as u8;
                let owed = [number(1000), number(1 << 50), u64::MAX][number(3) as usize];
                match number(8) {
                    0..4 => {
                        let claim = held.get(&id).filter(|claim| claim.note(owed, now)).cloned();
                        let claim = claim.unwrap_or_else(|| ledger.claim(key(id), owed, now));
                        held.insert(id, claim);
                        plain.claims.insert(id, (owed, now));
                    }
                    4 => {
                        ledger.release(key(id));
                        plain.claims.remove(&id);
                    }
                    // It leaves memory; its claim stands.
                    5 => drop(held.remove(&id)),
                    6 => now += number(CLAIM_SECS / 2),
                    _ => assert_eq!(
                        ledger.owed_to_others(key(id), now),
                        plain.owed_to_others(id, now),
                        "seed {seed}"
                    ),
                }
            }
        }
    }

    #[test]
    fn the_total_is_right_when_windows_claims_and_looks_come_at_once() {
        let ledger = Ledger::new();
        let upload = |id: u8| {
            let mut number = numbers(u64::from(id) + 1);
            let mut claim = ledger.claim(key(id), 1 << 41, 0);
            for step in 0..5_000 {
                // Now and then so much time has passed that all run out.
                let now = step / 1_000 * CLAIM_SECS * 2;
                let owed = (1 << 40) - 500 + number(1_000);
                if !claim.note(owed, now) {
                    claim = ledger.claim(key(id), owed, now);
                }
                assert!(ledger.owed_to_others(key(id), now) < 1 << 44);
            }
            ledger.claim(key(id), u64::from(id), u64::MAX / 2);
        };
        thread::scope(|scope| {
            for id in 0..4 {
                scope.spawn(move || upload(id));
            }
        });
        assert_eq!(ledger.owed_to_others(key(9), u64::MAX / 2), 1 + 2 + 3);
    }
}
