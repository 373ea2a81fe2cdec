//! Callers who ask for the same sync at once share it; and only a few are in a sync at a time.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The rounds of syncing one thing. A caller is satisfied by any round that *began* after it asked: an earlier one
/// may have passed its bytes by.
#[derive(Default)]
pub(super) struct SharedSync {
    rounds: Mutex<Rounds>,
    ended: Condvar,
}

#[derive(Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    /// The last round that failed. A later success does not undo it: the kernel tells of lost bytes only once.
    failure: Option<Failure>,
}

/// An `io::Error` that can be told to several.
#[derive(Clone, Copy)]
struct Failure {
    round: u64,
    kind: io::ErrorKind,
    errno: Option<i32>,
}

impl SharedSync {
    /// Runs `sync`, or waits for a round of somebody else's that begins after this call.
    ///
    /// # Errors
    /// That of any round this caller relied on; whoever ran it gets the original.
    pub(super) fn share(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut rounds = self.lock();
        let wanted = rounds.begun + 1;
        while rounds.begun > rounds.ended && rounds.ended < wanted {
            rounds = self
                .ended
                .wait(rounds)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if rounds.ended >= wanted {
            return rounds
                .failure
                .filter(|failure| failure.round >= wanted)
                .map_or(Ok(()), |failure| Err(failure.error()));
        }
        rounds.begun += 1;
        let mut round = Round {
            shared: self,
            failure: Some(Failure::of(
                rounds.begun,
                &io::Error::other("sync panicked"),
            )),
        };
        let number = rounds.begun;
        drop(rounds);
        let result = sync();
        round.failure = result
            .as_ref()
            .err()
            .map(|error| Failure::of(number, error));
        result
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A round under way. It ends when this is dropped, also by a panic: the waiting must not wait for ever.
struct Round<'a> {
    shared: &'a SharedSync,
    failure: Option<Failure>,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut rounds = self.shared.lock();
        rounds.ended = rounds.begun;
        rounds.failure = self.failure.or(rounds.failure);
        self.shared.ended.notify_all();
    }
}

impl Failure {
    fn of(round: u64, error: &io::Error) -> Self {
        Self {
            round,
            kind: error.kind(),
            errno: error.raw_os_error(),
        }
    }

    fn error(self) -> io::Error {
        self.errno
            .map_or_else(|| self.kind.into(), io::Error::from_raw_os_error)
    }
}

/// Lets a few in at a time.
pub(super) struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Gate {
    /// A gate for `places` at a time, at least one.
    pub(super) fn new(places: usize) -> Self {
        Self {
            free: Mutex::new(places.max(1)),
            freed: Condvar::new(),
        }
    }

    /// Waits for a place, which is taken until the answer is dropped.
    pub(super) fn enter(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place { gate: self }
    }
}

/// A place inside a [`Gate`].
pub(super) struct Place<'a> {
    gate: &'a Gate,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self
            .gate
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += 1;
        self.gate.freed.notify_one();
    }
}
