//! The workers, their buffers, what waits for them, and which of them does what.
//!
//! All workers but one may move bodies or wait for the disk: such a turn needs a *place*. Turns
//! that need one and find none wait in a queue of their own, so one worker is always free to read
//! heads.
//!
//! One worker at a time is on *watch*: it waits in the poller for everybody, and then works what it
//! has found, so that most requests wake one thread. Nobody watches meanwhile. A worker whose turn
//! gets long is relieved; and in case it cannot say so, another stands by: it takes the watch when
//! that has been left for [`UNWATCHED_MAX`].

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use threadpool::ThreadPool;

use super::lot::Guest;
use crate::http::connection::Wake;

/// How long the watch may be left, and a turn that nobody was woken for may queue.
const UNWATCHED_MAX: Duration = Duration::from_millis(20);

/// So many turns one worker sees to faster than another would have woken up.
const NOT_WORTH_WAKING: usize = 4;

/// Workers that there are from the beginning. More come when they are needed.
const WORKERS_AT_FIRST: usize = 2;

/// The threads, and what waits for them.
pub(super) struct Crew {
    pool: ThreadPool,
    workers: usize,
    queues: Mutex<Queues>,
    duty_calls: Condvar,
}

struct Queues {
    /// Turns that need no place.
    heads: VecDeque<Job>,
    /// Turns that do.
    bodies: VecDeque<Job>,
    places_free: usize,
    arrived: u64,
    watch: Watch,
    /// Workers that there are, and those of them that wait for a duty.
    hired: usize,
    idle: usize,
    closed: bool,
}

struct Watch {
    /// A worker has it.
    taken: bool,
    left_at: Instant,
    /// How often it was left.
    left: u64,
    /// The worker that left it will not be back soon.
    relief_wanted: bool,
    /// An idle worker looks at it every [`UNWATCHED_MAX`].
    stood_by: bool,
}

pub(super) struct Job {
    pub(super) guest: Box<Guest>,
    pub(super) wake: Wake,
    /// Its number among all: who came first is served first.
    arrived: u64,
}

/// What a worker is to do next.
pub(super) enum Duty {
    /// A turn, and whether a place goes with it.
    Turn(Job, bool),
    /// The watch, and whether there could be another worker to stand by.
    Watch(bool),
    Over,
}

/// What a worker has done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Nothing,
    Turn { gives_place_back: bool },
    Watch,
}

impl Crew {
    pub(super) fn new(workers: usize) -> Crew {
        let workers = workers.max(WORKERS_AT_FIRST);
        Crew {
            pool: threadpool::Builder::new()
                .num_threads(1)
                .thread_name("resumed-worker".into())
                .build(),
            workers,
            queues: Mutex::new(Queues {
                heads: VecDeque::new(),
                bodies: VecDeque::new(),
                places_free: workers - 1,
                arrived: 0,
                watch: Watch {
                    taken: false,
                    left_at: Instant::now(),
                    left: 0,
                    relief_wanted: false,
                    stood_by: false,
                },
                hired: 0,
                idle: 0,
                closed: false,
            }),
            duty_calls: Condvar::new(),
        }
    }

    /// Has the first workers do `work`: what [`next`](Crew::next) says, until that says that it is over.
    pub(super) fn begin<W: FnOnce() + Send + 'static>(&self, work: impl Fn() -> W) {
        for _ in 0..WORKERS_AT_FIRST {
            self.hire(work());
        }
    }

    /// One worker more.
    pub(super) fn hire(&self, work: impl FnOnce() + Send + 'static) {
        let mut queues = self.queues();
        if queues.hired < self.workers && !queues.closed {
            queues.hired += 1;
            self.pool.clone().set_num_threads(queues.hired);
            self.pool.execute(work);
        }
    }

    /// Sends every worker home after the turn it is in. One on watch has to be woken.
    pub(super) fn close(&self) {
        self.queues().closed = true;
        self.duty_calls.notify_all();
    }

    /// Waits until every worker has gone home; the turns that still queue are dropped.
    pub(super) fn join(&self) {
        self.pool.join();
        let queues = &mut *self.queues();
        queues.heads.clear();
        queues.bodies.clear();
    }

    /// Lets a turn wait. Whoever calls this is about to ask for what is next.
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
    }

    /// What comes next for a worker who has `done` that; waits for it.
    pub(super) fn next(&self, done: Done) -> Duty {
        let mut queues = self.queues();
        match done {
            Done::Nothing => {}
            Done::Turn { gives_place_back } => queues.places_free += usize::from(gives_place_back),
            Done::Watch => self.leave_watch(&mut queues),
        }
        let (mut is_awake, mut left_before) = (true, queues.watch.left);
        loop {
            if queues.closed {
                return Duty::Over;
            }
            if let Some((job, has_place)) = queues.pop() {
                if queues.turns_left() > NOT_WORTH_WAKING {
                    self.wake_one(&queues);
                }
                return Duty::Turn(job, has_place);
            }
            if queues.watch.is_due(is_awake) {
                queues.watch.taken = true;
                queues.watch.relief_wanted = false;
                return Duty::Watch(queues.is_short_handed(self.workers));
            }
            is_awake = false;
            queues = self.wait(queues, &mut left_before);
        }
    }

    /// Tells that a turn will be long: somebody else has to see to the rest. Whether there is nobody, and could be.
    pub(super) fn relieve(&self) -> bool {
        let mut queues = self.queues();
        if queues.watch.taken && queues.turns_left() == 0 {
            return false;
        }
        queues.watch.relief_wanted = !queues.watch.taken;
        self.wake_one(&queues);
        queues.is_short_handed(self.workers)
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
        let is_free = queues.idle > 0 || queues.watch.taken;
        is_free && queues.heads.is_empty() && queues.bodies.is_empty()
    }

    fn leave_watch(&self, queues: &mut Queues) {
        queues.watch.taken = false;
        queues.watch.left_at = Instant::now();
        queues.watch.left += 1;
        if !queues.watch.stood_by {
            self.wake_one(queues);
        }
    }

    /// Waits to be woken; stands by the watch while that is left again and again.
    fn wait<'q>(
        &self,
        mut queues: MutexGuard<'q, Queues>,
        left_before: &mut u64,
    ) -> MutexGuard<'q, Queues> {
        queues.idle += 1;
        let is_active = !queues.watch.taken || queues.watch.left != *left_before;
        let stands_by = is_active && !queues.watch.stood_by;
        *left_before = queues.watch.left;
        if stands_by {
            queues.watch.stood_by = true;
            let waited = self.duty_calls.wait_timeout(queues, UNWATCHED_MAX);
            queues = waited.expect(QUEUES_HOLD).0;
            queues.watch.stood_by = false;
        } else {
            queues = self.duty_calls.wait(queues).expect(QUEUES_HOLD);
        }
        queues.idle -= 1;
        queues
    }

    fn wake_one(&self, queues: &Queues) {
        if queues.idle > 0 {
            self.duty_calls.notify_one();
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().expect(QUEUES_HOLD)
    }
}

const QUEUES_HOLD: &str = "nothing panics while it holds the queues";

impl Watch {
    /// Whether a worker that has nothing to do takes it; one that `is_awake` need not be woken for it.
    fn is_due(&self, is_awake: bool) -> bool {
        !self.taken && (is_awake || self.relief_wanted || self.left_at.elapsed() >= UNWATCHED_MAX)
    }
}

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

    fn is_short_handed(&self, workers: usize) -> bool {
        self.idle == 0 && self.hired < workers
    }

    /// Turns that could be worked now.
    fn turns_left(&self) -> usize {
        self.heads.len() + self.bodies.len().min(self.places_free)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;

    use mio::Poll;
    use mio::net::UnixStream;

    use super::super::lot::Lot;
    use super::*;
    use crate::http::Limits;
    use crate::http::connection::Connection;
    use crate::http::socket::Socket;

    fn guest(lot: &Lot) -> Box<Guest> {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let limits = Arc::new(Limits::default());
        lot.admit(Connection::new(Socket::Unix(ours), limits))
    }

    #[test]
    fn the_watch_is_taken_over_from_a_worker_whose_turn_does_not_end() {
        let lot = Lot::new(&Poll::new().unwrap()).unwrap();
        let crew = Arc::new(Crew::new(2));
        assert!(matches!(crew.next(Done::Nothing), Duty::Watch(_)));

        let (tell, told) = mpsc::channel();
        let other = Arc::clone(&crew);
        thread::spawn(move || {
            let watches = matches!(other.next(Done::Nothing), Duty::Watch(_));
            tell.send(watches).unwrap();
        });
        while crew.queues().idle == 0 {
            thread::yield_now();
        }
        crew.push(guest(&lot), Wake::Ready);
        assert!(matches!(crew.next(Done::Watch), Duty::Turn(..)));
        assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(true));
    }
}
