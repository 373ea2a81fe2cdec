//! The workers, their buffers, and the places among them.
//!
//! All workers but one may move bodies or wait for the disk: such a turn needs a *place*. Turns
//! that need one and find none wait in a queue of their own, so one worker is always free to read
//! heads.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use threadpool::ThreadPool;

use super::Shared;
use super::lot::Guest;
use crate::http::connection::{self, Next, Turn, Wake};

/// With many slow bodies all of them together are looked at about this often.
const LOOKS_PER_SEC: u32 = 1000;

/// However many: a receive buffer must not fill up while it waits.
const LOOK_CEILING: Duration = Duration::from_millis(200);

/// The threads, and what waits for them.
pub(super) struct Crew {
    pool: ThreadPool,
    workers: usize,
    queues: Mutex<Queues>,
    work_is_there: Condvar,
}

struct Queues {
    /// Turns that need no place.
    heads: VecDeque<Job>,
    /// Turns that do.
    bodies: VecDeque<Job>,
    places_free: usize,
    arrived: u64,
    closed: bool,
}

struct Job {
    guest: Box<Guest>,
    wake: Wake,
    /// Its number among all: who came first is served first.
    arrived: u64,
}

impl Crew {
    pub(super) fn new(workers: usize) -> Crew {
        let workers = workers.max(2);
        Crew {
            pool: threadpool::Builder::new()
                .num_threads(workers)
                .thread_name("resumed-worker".into())
                .build(),
            workers,
            queues: Mutex::new(Queues {
                heads: VecDeque::new(),
                bodies: VecDeque::new(),
                places_free: workers - 1,
                arrived: 0,
                closed: false,
            }),
            work_is_there: Condvar::new(),
        }
    }

    /// Waits until every turn has ended; those that still queue are dropped.
    pub(super) fn finish(&self) {
        self.queues().closed = true;
        self.work_is_there.notify_all();
        self.pool.join();
        let queues = &mut *self.queues();
        queues.heads.clear();
        queues.bodies.clear();
    }

    fn push(&self, guest: Box<Guest>, wake: Wake) {
        let mut queues = self.queues();
        queues.arrived += 1;
        let arrived = queues.arrived;
        let needs_place = guest.connection.needs_place();
        let queue = if needs_place {
            &mut queues.bodies
        } else {
            &mut queues.heads
        };
        queue.push_back(Job {
            guest,
            wake,
            arrived,
        });
        if !needs_place || queues.places_free > 0 {
            self.work_is_there.notify_one();
        }
    }

    /// The next turn to be worked, and whether a place goes with it; waits for one.
    fn pop(&self, gives_place_back: bool) -> Option<(Job, bool)> {
        let mut queues = self.queues();
        queues.places_free += usize::from(gives_place_back);
        loop {
            if queues.closed {
                return None;
            }
            if let Some(next) = queues.pop() {
                if queues.is_work_left() {
                    self.work_is_there.notify_one();
                }
                return Some(next);
            }
            queues = self.work_is_there.wait(queues).expect(QUEUES_HOLD);
        }
    }

    /// Takes a place, unless somebody queues for one.
    fn claim_place(&self) -> bool {
        let mut queues = self.queues();
        let free = queues.places_free > 0 && queues.bodies.is_empty();
        queues.places_free -= usize::from(free);
        free
    }

    fn others_wait(&self) -> bool {
        let queues = self.queues();
        !queues.heads.is_empty() || !queues.bodies.is_empty()
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().expect(QUEUES_HOLD)
    }
}

const QUEUES_HOLD: &str = "nothing panics while it holds the queues";

impl Queues {
    fn pop(&mut self) -> Option<(Job, bool)> {
        let head = self.heads.front().map(|job| job.arrived);
        let body = self
            .bodies
            .front()
            .filter(|_| self.places_free > 0)
            .map(|job| job.arrived);
        match (head, body) {
            (_, Some(body)) if head.is_none_or(|head| body < head) => {
                self.places_free -= 1;
                self.bodies.pop_front().map(|job| (job, true))
            }
            _ => self.heads.pop_front().map(|job| (job, false)),
        }
    }

    fn is_work_left(&self) -> bool {
        !self.heads.is_empty() || (self.places_free > 0 && !self.bodies.is_empty())
    }
}

impl Shared {
    /// Puts every worker to work, until [`Crew::finish`].
    pub(super) fn begin(self: &Arc<Shared>) {
        for _ in 0..self.crew.workers {
            let shared = Arc::clone(self);
            self.crew.pool.execute(move || shared.work());
        }
    }

    /// Gives a connection a turn as soon as there is a worker for it.
    pub(super) fn dispatch(&self, guest: Box<Guest>, wake: Wake) {
        self.crew.push(guest, wake);
    }

    fn work(&self) {
        let mut buffer = vec![0; self.limits.buffer_bytes];
        let mut place = false;
        while let Some((
            Job {
                mut guest, wake, ..
            },
            has_place,
        )) = self.crew.pop(place)
        {
            let mut shift = Shift {
                shared: self,
                has_place,
            };
            match shift.turn(&mut guest, wake, &mut buffer) {
                Next::Park { until, deadline } => self.lot.park(guest, until, deadline),
                Next::Queue => self.dispatch(guest, Wake::Ready),
                Next::Close => self.leave(guest),
            }
            place = shift.has_place;
        }
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
    fn turn(&mut self, guest: &mut Guest, wake: Wake, buffer: &mut [u8]) -> Next {
        let service = &*self.shared.service;
        let turn = || {
            guest.connection.turn(
                wake,
                Turn {
                    service,
                    crew: self,
                    buffer,
                },
            )
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
        let longest = self.shared.limits.longest_look;
        if longest.is_zero() {
            return longest;
        }
        let looking = u32::try_from(self.shared.lot.looking()).unwrap_or(u32::MAX);
        let shared_out = (Duration::from_secs(1) / LOOKS_PER_SEC).saturating_mul(looking);
        shared_out.min(LOOK_CEILING).max(longest)
    }
}
