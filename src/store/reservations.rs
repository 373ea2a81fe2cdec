//! Disk space reserved for the bytes that uploads still expect. Bytes that do not fit beside them are refused.
//!
//! The sum is maintained at each change. Up to half of the free space, no reservation of a party is capped, and an admission
//! costs the same beside any number of uploads. Beyond, an admission adds up the reservations of each party.

mod free_space;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Instant;

use crate::store::account::Account;
use crate::store::error::Error;
use crate::store::fs::space::{Floor, Needed, Space};
use crate::store::id::Key;
use crate::store::reservations::free_space::FreeSpace;
use crate::sync::{Mutex, lock};

/// The lifetime of a reservation after the last byte of its upload, in seconds.
const LIFETIME_SECS: u64 = 30;

/// The reservations of all uploads. A reservation outlives the handles of its upload: between two requests the upload
/// still needs the space.
pub(crate) struct Reservations {
    began: Instant,
    table: Mutex<Table>,
    /// Locked from a check of the free space until the admitted upload has its reservation: two concurrent checks would
    /// both count on the same bytes.
    free: Mutex<FreeSpace>,
}

/// The upload that needs space, and the account that its reservation is counted for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) key: Key,
    /// `None`: the upload is a party of its own.
    pub(crate) account: Option<Account>,
}

/// The party whose reservations count against others up to half of the free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Account(Account),
    Upload(Key),
}

#[derive(Default)]
struct Table {
    /// The sum of all reservations. `u128`, so that the sum of declared lengths cannot overflow.
    total: u128,
    by_key: BTreeMap<Key, Reservation>,
    /// Each reservation, by the time of its last byte or an earlier time: a write does not reorder the set.
    by_age: BTreeSet<(u64, Key)>,
}

struct Reservation {
    party: Party,
    bytes: u64,
    /// The time of the last byte, in seconds.
    written_at: u64,
    /// The time under which `by_age` contains this reservation.
    indexed_at: u64,
}

impl Reservations {
    pub(crate) fn new(floor: Floor) -> Self {
        Self {
            began: Instant::now(),
            table: Mutex::default(),
            free: Mutex::new(FreeSpace::new(floor)),
        }
    }

    /// Checks that `needed` fits on the disk beside the reservations of other uploads. Then reserves `reserved` bytes for
    /// the upload; `None`: does not change its reservation.
    ///
    /// # Errors
    /// `NoSpace`; the error of `read`, which reads the free space.
    pub(crate) fn admit(
        &self,
        claim: Claim,
        needed: Needed,
        reserved: Option<u64>,
        read: impl FnOnce() -> io::Result<Space>,
    ) -> Result<(), Error> {
        let mut free = lock(&self.free);
        self.check(&mut free, Some(claim), needed, read)?;
        free.grant(Needed { bytes: 0, ..needed });
        if let Some(bytes) = reserved {
            self.set(claim, bytes);
        }
        Ok(())
    }

    /// Checks that the next `window` fits on the disk. If the upload has no reservation for it, such as after a long
    /// silence, reserves `expected` bytes.
    ///
    /// # Errors
    /// Those of [`admit`](Self::admit).
    pub(crate) fn admit_window(
        &self,
        claim: Claim,
        window: Needed,
        expected: u64,
        read: impl FnOnce() -> io::Result<Space>,
    ) -> Result<(), Error> {
        let mut free = lock(&self.free);
        if lock(&self.table).covers(claim.key, window.bytes, self.now()) {
            self.check(&mut free, None, window, read)?;
        } else {
            let bytes = window.bytes.max(expected);
            self.check(&mut free, Some(claim), Needed { bytes, ..window }, read)?;
            self.set(claim, bytes);
        }
        free.grant(window);
        Ok(())
    }

    /// Checks that `needed` fits; for a claim, beside the reservations of other uploads.
    fn check(
        &self,
        free: &mut FreeSpace,
        claim: Option<Claim>,
        needed: Needed,
        read: impl FnOnce() -> io::Result<Space>,
    ) -> Result<(), Error> {
        let of_others = |claim, free| lock(&self.table).of_others(claim, free / 2, self.now());
        let reserved = |free| claim.map_or(0, |claim| of_others(claim, free));
        match free.limit(needed, reserved, read)? {
            None => Ok(()),
            Some(limit) => Err(Error::NoSpace(limit)),
        }
    }

    /// Sets the bytes that the upload still expects. Restarts the lifetime of the reservation.
    pub(crate) fn set(&self, claim: Claim, bytes: u64) {
        lock(&self.table).set(claim, bytes, self.now());
    }

    pub(crate) fn release(&self, key: Key) {
        lock(&self.table).release(key);
    }

    #[cfg(test)]
    pub(crate) fn has(&self, key: Key) -> bool {
        lock(&self.table).by_key.contains_key(&key)
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
}

impl Claim {
    fn party(self) -> Party {
        self.account.map_or(Party::Upload(self.key), Party::Account)
    }
}

impl Table {
    /// Allocates nothing if the upload has a reservation: each window of a body calls this.
    fn set(&mut self, claim: Claim, bytes: u64, now: u64) {
        let reservation = self.by_key.entry(claim.key).or_insert_with(|| {
            self.by_age.insert((now, claim.key));
            Reservation {
                party: claim.party(),
                bytes: 0,
                written_at: now,
                indexed_at: now,
            }
        });
        self.total = self.total - u128::from(reservation.bytes) + u128::from(bytes);
        reservation.party = claim.party();
        reservation.bytes = bytes;
        reservation.written_at = now;
    }

    fn release(&mut self, key: Key) {
        if let Some(old) = self.by_key.remove(&key) {
            self.by_age.remove(&(old.indexed_at, key));
            self.total -= u128::from(old.bytes);
        }
    }

    /// Returns whether the upload `key` has a reservation of at least `bytes`.
    fn covers(&self, key: Key, bytes: u64, now: u64) -> bool {
        let reservation = self.by_key.get(&key);
        reservation.is_some_and(|it| it.bytes >= bytes && now <= it.written_at + LIFETIME_SECS)
    }

    /// Returns the bytes reserved for all uploads except `claim.key`. Another party counts with at most `most` bytes.
    /// Removes expired reservations.
    fn of_others(&mut self, claim: Claim, most: u64, now: u64) -> u64 {
        self.expire(now);
        let own = self.by_key.get(&claim.key);
        let others = self.total - own.map_or(0, |own| u128::from(own.bytes));
        let others = match others > u128::from(most) {
            true => self.capped(claim, most),
            // All parties together do not reach the cap of one.
            false => others,
        };
        others.try_into().unwrap_or(u64::MAX)
    }

    fn capped(&self, claim: Claim, most: u64) -> u128 {
        let mut parties = BTreeMap::<Party, u128>::new();
        for (_, other) in self.by_key.iter().filter(|(key, _)| **key != claim.key) {
            *parties.entry(other.party).or_default() += u128::from(other.bytes);
        }
        let sums = parties.into_iter();
        sums.map(|(party, bytes)| match party == claim.party() {
            true => bytes,
            false => bytes.min(most.into()),
        })
        .sum()
    }

    fn expire(&mut self, now: u64) {
        while let Some(&(indexed_at, key)) = self.by_age.first() {
            if now <= indexed_at + LIFETIME_SECS {
                return;
            }
            self.by_age.pop_first();
            let Some(reservation) = self.by_key.get_mut(&key) else {
                continue;
            };
            reservation.indexed_at = reservation.written_at;
            if now > reservation.written_at + LIFETIME_SECS {
                self.release(key);
            } else {
                self.by_age.insert((reservation.written_at, key));
            }
        }
    }
}
