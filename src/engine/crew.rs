//! The workers, their buffers, and the places among them.
//!
//! All workers but one may move bodies or wait for the disk: such a turn needs a *place*. Turns
//! that need one and find none wait in a queue of their own, so one worker is always free to read
//! heads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use threadpool::ThreadPool;

use super::Shared;
use super::lot::Guest;
use crate::http::connection::{self, Next, Turn, Wake};

/// The longest that a slow body is left before the next look, while there are few.
const LONGEST_LOOK: Duration = Duration::from_millis(20);

/// With many slow bodies all of them together are looked at about this often.
const LOOKS_PER_SEC: u32 = 1000;

/// However many: a receive buffer must not fill up while it waits.
const LOOK_CEILING: Duration = Duration::from_millis(200);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The pool and the places in it.
pub(super) struct Crew {
    pool: ThreadPool,
    places: Mutex<Places>,
}

struct Places {
    free: usize,
    queue: VecDeque<Job>,
}

struct Job {
    guest: Box<Guest>,
    wake: Wake,
}

impl Crew {
    pub(super) fn new(workers: usize) -> Crew {
        let workers = workers.max(2);
        let pool = threadpool::Builder::new()
            .num_threads(workers)
            .thread_name("resumed-worker".into())
            .build();
        let places = Places {
            free: workers - 1,
            queue: VecDeque::new(),
        };
        Crew {
            pool,
            places: Mutex::new(places),
        }
    }

    /// Waits until every turn has ended.
    pub(super) fn finish(&self) {
        self.pool.join();
        self.places().queue.clear();
    }

    fn others_wait(&self) -> bool {
        self.pool.queued_count() > 0 || !self.places().queue.is_empty()
    }

    /// Takes a place, unless somebody queues for one.
    fn claim_place(&self) -> bool {
        let mut places = self.places();
        let free = places.free > 0 && places.queue.is_empty();
        places.free -= usize::from(free);
        free
    }

    /// Takes a place for this job, or puts it in the queue.
    fn claim_place_for(&self, job: Job) -> Option<Job> {
        let mut places = self.places();
        if places.free == 0 {
            places.queue.push_back(job);
            return None;
        }
        places.free -= 1;
        Some(job)
    }

    /// Gives a place on to the first in the queue, or back.
    fn pass_place_on(&self) -> Option<Job> {
        let mut places = self.places();
        let next = places.queue.pop_front();
        places.free += usize::from(next.is_none());
        next
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places
            .lock()
            .expect("nothing panics while it holds the places")
    }
}

impl Shared {
    /// Gives a connection a turn as soon as there is a worker for it.
    pub(super) fn dispatch(self: &Arc<Shared>, guest: Box<Guest>, wake: Wake) {
        let needs_place = guest.connection.needs_place();
        let job = Job { guest, wake };
        if !needs_place {
            self.execute(job, false);
        } else if let Some(job) = self.crew.claim_place_for(job) {
            self.execute(job, true);
        }
    }

    fn execute(self: &Arc<Shared>, job: Job, has_place: bool) {
        let shared = Arc::clone(self);
        self.crew.pool.execute(move || shared.work(job, has_place));
    }

    /// Works a turn, and goes on with those that queue for the place it had.
    fn work(self: Arc<Shared>, mut job: Job, mut has_place: bool) {
        loop {
            has_place = self.turn(job, has_place);
            if !has_place {
                return;
            }
            match self.crew.pass_place_on() {
                None => return,
                Some(next) if self.crew.pool.queued_count() > 0 => return self.execute(next, true),
                Some(next) => job = next,
            }
        }
    }

    /// One turn; whether it left with a place.
    fn turn(self: &Arc<Shared>, job: Job, has_place: bool) -> bool {
        let Job { mut guest, wake } = job;
        let mut shift = Shift {
            shared: self,
            has_place,
        };
        match shift.work(&mut guest, wake) {
            Next::Park { until, deadline } => self.lot.park(guest, until, deadline),
            Next::Queue => self.dispatch(guest, Wake::Ready),
            Next::Close => self.leave(guest),
        }
        shift.has_place
    }

    fn leave(&self, guest: Box<Guest>) {
        self.lot.leave(&guest);
        drop(guest);
        if self.newcomers_owed.load(Ordering::Relaxed) {
            self.lot.wake();
        }
    }
}

/// What one turn holds of the crew.
struct Shift<'a> {
    shared: &'a Shared,
    has_place: bool,
}

impl Shift<'_> {
    /// A panic costs its connection, not the server.
    fn work(&mut self, guest: &mut Guest, wake: Wake) -> Next {
        let shared = self.shared;
        let turn = || {
            BUFFER.with_borrow_mut(|buffer| {
                buffer.resize(shared.limits.buffer_bytes, 0);
                let service = &*shared.service;
                guest.connection.turn(
                    wake,
                    Turn {
                        service,
                        crew: self,
                        buffer,
                    },
                )
            })
        };
        panic::catch_unwind(AssertUnwindSafe(turn)).unwrap_or_else(|_| {
            log::error!("a request has panicked; its connection is closed");
            Next::Close
        })
    }
}

impl connection::Crew for Shift<'_> {
    fn claim_place(&mut self) -> bool {
        self.has_place = self.has_place || self.shared.crew.claim_place();
        self.has_place
    }

    fn others_wait(&self) -> bool {
        self.shared.crew.others_wait()
    }

    fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    fn longest_look(&self) -> Duration {
        let looking = u32::try_from(self.shared.lot.looking()).unwrap_or(u32::MAX);
        (Duration::from_secs(1) / LOOKS_PER_SEC)
            .saturating_mul(looking)
            .clamp(LONGEST_LOOK, LOOK_CEILING)
    }
}
