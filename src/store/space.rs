//! Who is still owed how much of the disk, so that uploads which cannot all fit are refused before they are sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::id::Key;

/// How long an upload that receives nothing keeps its claim, in seconds: ten minutes.
const CLAIM_SECS: u64 = 600;

/// The claims of the uploads that received bytes lately. It outlives their entries: between two requests of an
/// upload nobody holds it, and it still wants its space.
pub(super) struct Ledger {
    began: Instant,
    claims: Mutex<HashMap<Key, Arc<Claim>>>,
    admitting: Mutex<()>,
}

/// What one upload is owed. Noted at every window, so it takes no lock.
#[derive(Default)]
pub(super) struct Claim {
    /// Bytes still to come.
    owed: AtomicU64,
    /// When bytes last came, in seconds since the ledger began, plus one; 0 = never.
    received: AtomicU64,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            claims: Mutex::default(),
            admitting: Mutex::default(),
        }
    }

    /// Waits for the turn to look at the space and to claim some: two that look at once would both see it free.
    pub(super) fn admitting(&self) -> MutexGuard<'_, ()> {
        self.admitting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock of the claims, in seconds.
    pub(super) fn now(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// The claim of the upload `key`.
    pub(super) fn claim(&self, key: Key) -> Arc<Claim> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(claims.entry(key).or_default())
    }

    /// Gives up the claim of the upload `key`.
    pub(super) fn release(&self, key: Key) {
        self.claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
    }

    /// Bytes owed to all uploads but `key` that received some in the ten minutes before `now`.
    ///
    /// Saturating: who declares exabytes must not wrap around to nothing. Forgets the claims that ran out.
    pub(super) fn owed_to_others(&self, key: Key, now: u64) -> u64 {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.retain(|_, claim| Arc::strong_count(claim) > 1 || claim.stands(now));
        let others = claims
            .iter()
            .filter(|(other, claim)| **other != key && claim.stands(now));
        others.fold(0, |sum, (_, claim)| {
            sum.saturating_add(claim.owed.load(Relaxed))
        })
    }
}

impl Claim {
    /// Notes that bytes came, and how many are `owed` from `now` on.
    pub(super) fn note(&self, owed: u64, now: u64) {
        self.owed.store(owed, Relaxed);
        self.received.store(now + 1, Relaxed);
    }

    fn stands(&self, now: u64) -> bool {
        let received = self.received.load(Relaxed);
        received > 0 && now < received + CLAIM_SECS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8) -> Key {
        Key::of(b"", &[id])
    }

    #[test]
    fn others_are_owed_for_ten_minutes_after_their_last_byte() {
        let ledger = Ledger::new();
        ledger.claim(key(1)).note(100, 0);
        ledger.claim(key(2)).note(10, 300);
        assert_eq!(ledger.owed_to_others(key(3), 300), 110);
        assert_eq!(ledger.owed_to_others(key(1), 300), 10);
        assert_eq!(ledger.owed_to_others(key(3), 600), 110);
        assert_eq!(ledger.owed_to_others(key(3), 601), 10);
        assert_eq!(ledger.owed_to_others(key(3), 901), 0);
        assert!(ledger.claims.lock().unwrap().is_empty());
    }

    #[test]
    fn claims_saturate_and_are_released() {
        let ledger = Ledger::new();
        ledger.claim(key(1)).note(u64::MAX, 0);
        ledger.claim(key(2)).note(u64::MAX, 0);
        assert_eq!(ledger.owed_to_others(key(3), 0), u64::MAX);
        ledger.release(key(1));
        assert_eq!(ledger.owed_to_others(key(2), 0), 0);
    }
}
