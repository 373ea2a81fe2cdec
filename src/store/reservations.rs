//! Disk space reserved for the bytes that uploads still expect. An upload that does not fit beside them is refused
//! before its body.
//!
//! The sum is maintained at each change, so that an admission costs the same beside any number of uploads.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::store::id::Key;
use crate::store::mutex::lock;

/// The lifetime of a reservation after the last byte of its upload, in seconds.
const LIFETIME_SECS: u64 = 600;

/// The lifetime of a reading of the free space that leaves at least [`PLENTY_BYTES`].
const READING_LASTS: Duration = Duration::from_millis(100);

/// More bytes than all clients together send during [`READING_LASTS`].
const PLENTY_BYTES: u64 = 2 << 30;

/// The reservations of all uploads. A reservation outlives the handles of its upload: between two requests the upload
/// still needs the space.
pub(crate) struct Reservations {
    began: Instant,
    table: Mutex<Table>,
    free: Mutex<FreeSpace>,
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
    bytes: u64,
    /// The time of the last byte, in seconds.
    touched: u64,
    /// The time under which `by_age` contains this reservation.
    queued: u64,
}

/// The last reading of the free space.
pub(crate) struct FreeSpace {
    bytes: u64,
    at: Instant,
}

impl Reservations {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            table: Mutex::default(),
            free: Mutex::new(FreeSpace::of(0)),
        }
    }

    /// Locks the check of the free space until the admitted upload has its reservation: two concurrent checks would both
    /// count on the same bytes.
    pub(crate) fn free_space(&self) -> MutexGuard<'_, FreeSpace> {
        lock(&self.free)
    }

    /// Sets the bytes that the upload `key` still expects. Restarts the lifetime of the reservation.
    pub(crate) fn set(&self, key: Key, bytes: u64) {
        lock(&self.table).set(key, bytes, self.now());
    }

    /// Removes the reservation of the upload `key`.
    pub(crate) fn release(&self, key: Key) {
        lock(&self.table).release(key);
    }

    /// Returns the bytes reserved for all uploads except `key`. Removes expired reservations.
    pub(crate) fn of_others(&self, key: Key) -> u64 {
        lock(&self.table).of_others(key, self.now())
    }

    /// Returns the seconds since the last byte of the upload `key`; 0 without a reservation.
    pub(crate) fn idle_secs(&self, key: Key) -> u64 {
        let table = lock(&self.table);
        let touched = table
            .by_key
            .get(&key)
            .map(|reservation| reservation.touched);
        touched.map_or(0, |touched| self.now().saturating_sub(touched))
    }

    #[cfg(test)]
    pub(crate) fn has(&self, key: Key) -> bool {
        lock(&self.table).by_key.contains_key(&key)
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
}

impl Table {
    fn set(&mut self, key: Key, bytes: u64, now: u64) {
        let queued = match self.by_key.get(&key) {
            Some(old) => {
                self.total -= u128::from(old.bytes);
                old.queued
            }
            None => {
                self.by_age.insert((now, key));
                now
            }
        };
        self.total += u128::from(bytes);
        let touched = now;
        let reservation = Reservation {
            bytes,
            touched,
            queued,
        };
        self.by_key.insert(key, reservation);
    }

    fn release(&mut self, key: Key) {
        if let Some(old) = self.by_key.remove(&key) {
            self.total -= u128::from(old.bytes);
            self.by_age.remove(&(old.queued, key));
        }
    }

    fn of_others(&mut self, key: Key, now: u64) -> u64 {
        self.expire(now);
        let own = self.by_key.get(&key).map_or(0, |own| own.bytes);
        let others = self.total - u128::from(own);
        others.try_into().unwrap_or(u64::MAX)
    }

    fn expire(&mut self, now: u64) {
        while let Some(&(queued, key)) = self.by_age.first() {
            if now <= queued + LIFETIME_SECS {
                return;
            }
            self.by_age.pop_first();
            let Some(reservation) = self.by_key.get_mut(&key) else {
                continue;
            };
            reservation.queued = reservation.touched;
            if now > reservation.touched + LIFETIME_SECS {
                self.release(key);
            } else {
                self.by_age.insert((reservation.touched, key));
            }
        }
    }
}

impl FreeSpace {
    fn of(bytes: u64) -> Self {
        let at = Instant::now();
        Self { bytes, at }
    }

    /// Returns whether `wanted` bytes are free. Calls `read`, unless the last reading is recent and leaves plenty.
    pub(crate) fn has_room(
        &mut self,
        wanted: u64,
        read: impl FnOnce() -> io::Result<u64>,
    ) -> io::Result<bool> {
        let is_plenty = self.bytes >= wanted.saturating_add(PLENTY_BYTES);
        if !is_plenty || self.at.elapsed() > READING_LASTS {
            *self = Self::of(read()?);
        }
        Ok(wanted <= self.bytes)
    }
}
