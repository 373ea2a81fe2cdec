//! Group commit: concurrent callers of one sync share it. A semaphore limits the number of concurrent syncs. One caller runs
//! several syncs at the same time.

use std::io;
use std::num::NonZero;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, lock, thread};

/// The rounds of syncs of one file or directory. A caller needs a round that *begins* after its call: a running round
/// may not cover its bytes.
#[derive(Default)]
pub(crate) struct SharedSync {
    rounds: Mutex<Rounds>,
    ended: Condvar,
}

#[derive(Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    waiting: usize,
    /// The last round that failed. A later success does not count: the kernel reports lost bytes only once.
    failure: Option<Failure>,
}

/// An `io::Error` that several callers can receive.
#[derive(Clone, Copy)]
struct Failure {
    round: u64,
    kind: io::ErrorKind,
    errno: Option<NonZero<i32>>,
}

impl SharedSync {
    /// Runs `sync`, or waits for a round of another caller that begins after this call.
    ///
    /// # Errors
    /// The error of the round that this caller relied on. The caller that ran the round gets the original.
    pub(crate) fn share(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut rounds = lock(&self.rounds);
        let wanted = rounds.begun + 1;
        rounds.waiting += 1;
        while rounds.begun > rounds.ended && rounds.ended < wanted {
            rounds = self
                .ended
                .wait(rounds)
                .unwrap_or_else(PoisonError::into_inner);
        }
        rounds.waiting -= 1;
        if rounds.ended >= wanted {
            return rounds
                .failure
                .filter(|failure| failure.round >= wanted)
                .map_or(Ok(()), |failure| Err(failure.error()));
        }
        rounds.begun += 1;
        let mut round = Round {
            shared: self,
            failure: Some(Failure::of(rounds.begun, &panicked())),
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
}

/// A running round. Dropping it ends the round, also in a panic: other callers must not wait for ever.
struct Round<'a> {
    shared: &'a SharedSync,
    failure: Option<Failure>,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut rounds = lock(&self.shared.rounds);
        rounds.ended = rounds.begun;
        rounds.failure = self.failure.or(rounds.failure);
        if rounds.waiting > 0 {
            self.shared.ended.notify_all();
        }
    }
}

impl Failure {
    fn of(round: u64, error: &io::Error) -> Self {
        Self {
            round,
            kind: error.kind(),
            errno: error.raw_os_error().and_then(NonZero::new),
        }
    }

    fn error(self) -> io::Error {
        let by_number = |errno: NonZero<i32>| io::Error::from_raw_os_error(errno.get());
        self.errno.map_or_else(|| self.kind.into(), by_number)
    }
}

/// A sync that can run in another thread.
pub(crate) type SyncTask = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Runs `own` in this thread, and at the same time each of `others` in a thread of its own. Returns all results.
///
/// File systems and disks combine syncs that run at the same time: together they take little longer than one.
pub(crate) fn together<T>(
    others: Vec<SyncTask>,
    own: impl FnOnce() -> T,
) -> (T, Vec<io::Result<()>>) {
    let begin = |task: SyncTask| {
        let run = Arc::clone(&task);
        let thread = thread::Builder::new().name("resumed-sync".into());
        // Without a thread, the sync runs here.
        thread.spawn(move || run()).map_err(|_| task())
    };
    let begun: Vec<_> = others.into_iter().map(begin).collect();
    let own = own();
    let end = |begun: Result<thread::JoinHandle<_>, _>| match begun {
        Ok(thread) => thread.join().unwrap_or_else(|_| Err(panicked())),
        Err(ended) => ended,
    };
    (own, begun.into_iter().map(end).collect())
}

fn panicked() -> io::Error {
    io::Error::other("sync panicked")
}

/// A counting semaphore that measures how long its permits are held.
pub(crate) struct Semaphore {
    inside: Mutex<Inside>,
    freed: Condvar,
}

struct Inside {
    free: usize,
    released: u64,
    time: Duration,
}

impl Semaphore {
    /// Returns a semaphore with `permits` permits, but at least one.
    pub(crate) fn new(permits: usize) -> Self {
        Self {
            inside: Mutex::new(Inside {
                free: permits.max(1),
                released: 0,
                time: Duration::ZERO,
            }),
            freed: Condvar::new(),
        }
    }

    /// Waits for a permit, and takes it until the result is dropped.
    pub(crate) fn enter(&self) -> Permit<'_> {
        let mut inside = self
            .freed
            .wait_while(lock(&self.inside), |inside| inside.free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        inside.free -= 1;
        let since = Instant::now();
        Permit {
            semaphore: self,
            since,
        }
    }

    /// Returns the number of released permits, and the total time for which they were held.
    pub(crate) fn totals(&self) -> (u64, Duration) {
        let inside = lock(&self.inside);
        (inside.released, inside.time)
    }
}

/// The right to run one sync.
pub(crate) struct Permit<'a> {
    semaphore: &'a Semaphore,
    since: Instant,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut inside = lock(&self.semaphore.inside);
        inside.free += 1;
        inside.released += 1;
        inside.time += self.since.elapsed();
        self.semaphore.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;
    use crate::store::fs::fault::Rendezvous;

    #[test]
    fn running_round_does_not_satisfy_a_caller() {
        let (shared, rounds) = (SharedSync::default(), AtomicUsize::new(0));
        let count = || {
            rounds.fetch_add(1, SeqCst);
            Ok(())
        };
        while_one_is_under_way(&shared, || shared.share(count).unwrap());
        assert!((1..=3).contains(&rounds.load(SeqCst)));
    }

    #[test]
    fn failed_round_fails_for_all_its_callers() {
        let shared = SharedSync::default();
        let fail = || Err(io::Error::from_raw_os_error(5));
        let ask = || assert_eq!(shared.share(fail).unwrap_err().raw_os_error(), Some(5));
        while_one_is_under_way(&shared, ask);
        shared.share(|| Ok(())).unwrap();
    }

    /// Three callers `ask` during a round that succeeds.
    fn while_one_is_under_way(shared: &SharedSync, ask: impl Fn() + Sync) {
        let (begun, end) = (Rendezvous::default(), Rendezvous::default());
        let round = || {
            begun.wait();
            end.wait();
            Ok(())
        };
        thread::scope(|scope| {
            let first = scope.spawn(|| shared.share(round));
            begun.wait();
            for _ in 0..3 {
                scope.spawn(&ask);
            }
            end.wait();
            first.join().unwrap().unwrap();
        });
    }

    #[test]
    fn panicked_round_is_over() {
        let shared = SharedSync::default();
        let panics = AssertUnwindSafe(|| shared.share(|| panic!("on purpose")));
        assert!(catch_unwind(panics).is_err());
        shared.share(|| Ok(())).unwrap();
    }

    #[test]
    fn semaphore_admits_as_many_as_it_has_permits() {
        let (semaphore, inside) = (Semaphore::new(2), AtomicUsize::new(0));
        let pass = || {
            let _permit = semaphore.enter();
            assert!(inside.fetch_add(1, SeqCst) < 2);
            thread::yield_now();
            inside.fetch_sub(1, SeqCst);
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| pass()));
            }
        });
        assert_eq!(semaphore.totals().0, 800);
        drop(Semaphore::new(0).enter());
    }
}
