//! The workers, their buffers, and the places among them.
//!
//! All workers but one may move bodies or wait for the disk: such a turn needs a *place*. Turns
//! that need one and find none wait in a queue of their own, so one worker is always free to read
//! heads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

use threadpool::ThreadPool;

use super::lot::Guest;
use crate::http::connection::Wake;

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
    /// Workers that wait for a turn to work.
    idle: usize,
    closed: bool,
}

pub(super) struct Job {
    pub(super) guest: Box<Guest>,
    pub(super) wake: Wake,
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
                idle: 0,
                closed: false,
            }),
            work_is_there: Condvar::new(),
        }
    }

    /// Starts every worker: what they do until [`pop`](Crew::pop) says that it is over.
    pub(super) fn begin<W: FnOnce() + Send + 'static>(&self, work: impl Fn() -> W) {
        for _ in 0..self.workers {
            self.pool.execute(work());
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

    pub(super) fn push(&self, guest: Box<Guest>, wake: Wake) {
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
        self.wake_one(&queues);
    }

    /// The next turn to be worked, and whether a place goes with it; waits for one.
    pub(super) fn pop(&self, gives_place_back: bool) -> Option<(Job, bool)> {
        let mut queues = self.queues();
        queues.places_free += usize::from(gives_place_back);
        loop {
            if queues.closed {
                return None;
            }
            if let Some(next) = queues.pop() {
                self.wake_one(&queues);
                return Some(next);
            }
            queues.idle += 1;
            queues = self.work_is_there.wait(queues).expect(QUEUES_HOLD);
            queues.idle -= 1;
        }
    }

    /// Takes a place, unless somebody queues for one.
    pub(super) fn claim_place(&self) -> bool {
        let mut queues = self.queues();
        let free = queues.places_free > 0 && queues.bodies.is_empty();
        queues.places_free -= usize::from(free);
        free
    }

    pub(super) fn others_wait(&self) -> bool {
        let queues = self.queues();
        !queues.heads.is_empty() || !queues.bodies.is_empty()
    }

    /// Whether no turn waits for a worker, and a worker waits for a turn.
    pub(super) fn has_idle(&self) -> bool {
        let queues = self.queues();
        queues.idle > 0 && queues.heads.is_empty() && queues.bodies.is_empty()
    }

    /// Wakes a worker if there is one to wake, and a turn that it could work.
    fn wake_one(&self, queues: &Queues) {
        if queues.idle > 0 && queues.is_work_left() {
            self.work_is_there.notify_one();
        }
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
