//! Who is still owed how much of the disk, so that uploads which cannot all fit are refused before they are sent.
//!
//! The sum is kept as it changes: to admit one upload costs the same however many others there are.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::id::Key;

/// How long an upload that receives nothing keeps its claim, in seconds: ten minutes.
const CLAIM_SECS: u64 = 600;

/// How long a look at the free space is believed, and how many bytes it has to leave for that: more than anybody fills
/// meanwhile.
const LOOK_LASTS: Duration = Duration::from_millis(100);
const PLENTY_BYTES: u64 = 2 << 30;

/// The claims of the uploads that received bytes lately. Those that are kept outlive the entries: between two requests
/// of an upload nobody holds it, and it still wants its space.
pub(crate) struct Reservations {
    began: Instant,
    total: Total,
    claims: Mutex<Claims>,
    admitting: Mutex<Look>,
}

/// What was free when somebody looked.
pub(crate) struct Look {
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
    claim: Arc<Reservation>,
    /// Where it is in `by_age`.
    looked: u64,
}

/// What one upload is owed. Noted at every window, so it has a lock of its own.
pub(crate) struct Reservation {
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
    /// The ledger has it too.
    kept: bool,
}

/// The sum of what is owed. It never wraps around, whatever a million uploads declare.
type Total = Arc<Mutex<u128>>;

impl Reservations {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            total: Arc::default(),
            claims: Mutex::default(),
            admitting: Mutex::new(Look::at_free(0)),
        }
    }

    /// Waits for the turn to look at the space and to claim some: two that look at once would both see it free.
    pub(crate) fn admitting(&self) -> MutexGuard<'_, Look> {
        lock(&self.admitting)
    }

    /// The clock of the claims, in seconds.
    pub(crate) fn now(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// The claim of an upload that has just received bytes, or is about to, and is still `owed` so many.
    pub(crate) fn claim(&self, owed: u64, now: u64) -> Arc<Reservation> {
        Arc::new(Reservation::new(&self.total, owed, now))
    }

    /// Keeps the claim of the upload `key` also when nobody holds that. What comes at once has no need of it.
    pub(crate) fn keep(&self, key: Key, claim: &Arc<Reservation>) {
        let mut stand = claim.stand();
        let (received, was_kept) = (stand.received, mem::replace(&mut stand.kept, true));
        drop(stand);
        if !was_kept {
            self.claims().look_later(key, Arc::clone(claim), received);
        }
    }

    /// The claim that was kept of the upload `key`.
    pub(crate) fn kept(&self, key: Key) -> Option<Arc<Reservation>> {
        let claims = self.claims();
        let standing = claims.by_key.get(&key)?;
        Some(Arc::clone(&standing.claim))
    }

    /// Gives up the claim of the upload `key`: this one, or where none is known, what was kept.
    pub(crate) fn release(&self, key: Key, claim: Option<Arc<Reservation>>) {
        if claim.is_some_and(|claim| !claim.give_up()) {
            return;
        }
        let mut claims = self.claims();
        if let Some(standing) = claims.by_key.remove(&key) {
            claims.by_age.remove(&(standing.looked, key));
            standing.claim.give_up();
        }
    }

    /// Bytes owed to all uploads that received some in the ten minutes before `now`, but to the one with the claim `own`.
    ///
    /// Saturating: who declares exabytes must not wrap around to nothing. Forgets the claims that ran out.
    pub(crate) fn owed_to_others(&self, own: Option<&Reservation>, now: u64) -> u64 {
        self.claims().forget_run_out(now);
        let own = own.map_or(0, |claim| claim.stand().owed);
        let others = lock(&self.total).saturating_sub(own.into());
        others.try_into().unwrap_or(u64::MAX)
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        lock(&self.claims)
    }
}

impl Look {
    pub(crate) fn at_free(free: u64) -> Self {
        let at = Instant::now();
        Self { free, at }
    }

    /// Whether there is room for so many bytes, those that others are owed included. Looks, unless the last look shows
    /// that there is in any case.
    pub(crate) fn has_room(
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
    fn look_later(&mut self, key: Key, claim: Arc<Reservation>, looked: u64) {
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

impl Reservation {
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
    pub(crate) fn note(&self, owed: u64, now: u64) -> bool {
        let mut stand = self.stand();
        if !stand.ended {
            stand.received = now;
            self.owe(&mut stand, owed);
        }
        !stand.ended
    }

    /// For how many seconds no byte has come.
    pub(crate) fn silent_for(&self, now: u64) -> u64 {
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

    /// Ends it; whether it was kept.
    fn give_up(&self) -> bool {
        let mut stand = self.stand();
        self.end(&mut stand);
        stand.kept
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

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
