//! The workers, and which of them does what.
//!
//! One worker at a time is on *watch*: it waits in the poller for everybody, and then works what it
//! has found, so that most requests wake one thread. Nobody watches meanwhile. A worker whose turn
//! gets long is relieved; and in case it cannot say so, another stands by (`watch`).

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard};

use threadpool::ThreadPool;

use super::lot::Guest;
use super::queues::{Job, Queues, Standing};
use super::watch::Watch;
use crate::http::connection::Wake;

/// So many turns one worker sees to faster than another would have woken up.
const NOT_WORTH_WAKING: usize = 4;

/// Workers that there are from the beginning. More come when they are needed.
const WORKERS_AT_FIRST: usize = 2;

/// The threads, and what waits for them.
pub(super) struct Crew {
    pool: ThreadPool,
    state: Mutex<State>,
    duty_calls: Condvar,
}

struct State {
    queues: Queues,
    watch: Watch,
    /// Workers that there may be, and besides them those that stand in.
    workers: usize,
    /// Workers that there are, and those of them that wait for a duty.
    hired: usize,
    idle: usize,
    /// One of those has been called. Nobody else is until it has come: it knows then whether more are needed.
    called: bool,
    /// As many as there were when the system had no thread for one more.
    threads_max: usize,
    closed: bool,
}

/// What a worker is to do next.
pub(super) enum Duty {
    Turn(Job, Standing),
    /// The watch, and whether there could be another worker to stand by.
    Watch(bool),
    Over,
}

/// What a worker has done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Nothing,
    Turn(Standing),
    Watch,
}

impl Crew {
    pub(super) fn new(workers: usize, disk_waits_max: usize) -> Crew {
        let workers = workers.max(WORKERS_AT_FIRST);
        Crew {
            pool: threadpool::Builder::new()
                .num_threads(1)
                .thread_name("resumed-worker".into())
                .build(),
            state: Mutex::new(State {
                queues: Queues::new(workers - 1, disk_waits_max),
                watch: Watch::new(),
                workers,
                hired: 0,
                idle: 0,
                called: false,
                threads_max: usize::MAX,
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

    /// One worker more, if the system has a thread for it.
    pub(super) fn hire(&self, work: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if state.hired >= state.wanted() || state.closed {
            return;
        }
        if self.grow_to(state.hired + 1) {
            state.hired += 1;
            self.pool.execute(work);
        } else {
            state.threads_max = state.hired;
        }
    }

    /// Whether the pool has so many threads, or gets them.
    fn grow_to(&self, threads: usize) -> bool {
        let (mut pool, had) = (self.pool.clone(), self.pool.max_count());
        // The pool panics where it gets no thread.
        let grown = panic::catch_unwind(AssertUnwindSafe(|| {
            pool.set_num_threads(had.max(threads));
        }));
        if grown.is_err() {
            log::warn!(
                "there will be no more threads than {had} for the work: the system has none"
            );
            pool.set_num_threads(had);
        }
        grown.is_ok()
    }

    /// Sends every worker home after the turn it is in. One on watch has to be woken.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.duty_calls.notify_all();
    }

    /// Waits until every worker has gone home; the turns that still queue are dropped.
    pub(super) fn join(&self) {
        self.pool.join();
        self.state().queues.clear();
    }

    /// Lets a turn wait. Whoever calls this is about to ask for what is next.
    pub(super) fn push(&self, guest: Box<Guest>, wake: Wake) {
        self.state().queues.push(guest, wake);
    }

    /// What comes next for a worker who has `done` that; waits for it.
    pub(super) fn next(&self, done: Done) -> Duty {
        let mut state = self.state();
        match done {
            Done::Nothing => {}
            Done::Turn(standing) => state.queues.take_back(standing),
            Done::Watch => state.watch.leave(),
        }
        let (mut is_awake, mut left_before) = (true, state.watch.left);
        loop {
            if state.closed {
                return Duty::Over;
            }
            if let Some((job, standing)) = state.queues.pop() {
                if state.needs_another() {
                    self.call_one(state);
                }
                return Duty::Turn(job, standing);
            }
            if state.watch.is_due(is_awake) {
                state.watch.taken = true;
                state.watch.relief_wanted = false;
                return Duty::Watch(state.is_short_handed());
            }
            if state.hired > state.wanted() {
                state.hired -= 1;
                // It may have stood by.
                self.call_one(state);
                return Duty::Over;
            }
            is_awake = false;
            state = self.wait(state, &mut left_before);
        }
    }

    /// Tells that a turn will be long: somebody else has to see to the rest. Whether there is nobody, and could be.
    pub(super) fn relieve(&self) -> bool {
        let mut state = self.state();
        if state.watch.taken && state.queues.turns_left() == 0 {
            return false;
        }
        state.watch.relief_wanted = !state.watch.taken;
        let is_short_handed = state.is_short_handed();
        self.call_one(state);
        is_short_handed
    }

    pub(super) fn claim_place(&self, had: Standing) -> Standing {
        self.state().queues.claim_place(had)
    }

    pub(super) fn claim_disk_wait(&self, had: Standing) -> Standing {
        let mut state = self.state();
        let may_have_stand_in = state.wanted() < state.threads_max;
        if may_have_stand_in {
            state.queues.claim_disk_wait(had)
        } else {
            had
        }
    }

    pub(super) fn others_wait(&self) -> bool {
        !self.state().queues.is_empty()
    }

    /// Waits to be woken; stands by the watch while that is left again and again.
    fn wait<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        left_before: &mut u64,
    ) -> MutexGuard<'s, State> {
        state.idle += 1;
        let is_active = !state.watch.taken || state.watch.left != *left_before;
        let stands_by = is_active && !state.watch.stood_by;
        *left_before = state.watch.left;
        if stands_by {
            state.watch.stood_by = true;
            let next_look = state.watch.next_look;
            let waited = self.duty_calls.wait_timeout(state, next_look);
            state = waited.expect(STATE_HOLDS).0;
            state.watch.was_looked_at();
        } else {
            state = self.duty_calls.wait(state).expect(STATE_HOLDS);
        }
        state.idle -= 1;
        state.called = false;
        state
    }

    /// Who is called needs the state, so that is let go of first.
    fn call_one(&self, mut state: MutexGuard<'_, State>) {
        if state.idle > 0 && !state.called {
            state.called = true;
            drop(state);
            self.duty_calls.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(STATE_HOLDS)
    }
}

const STATE_HOLDS: &str = "nothing panics while it holds the state";

impl State {
    /// How many workers there should be: each that waits for the disk has a stand-in.
    fn wanted(&self) -> usize {
        (self.workers + self.queues.disk_waits()).min(self.threads_max)
    }

    /// Whether a worker that goes to its turn leaves more behind than it will be back for in time.
    fn needs_another(&self) -> bool {
        let unwatched = !self.watch.taken && (self.watch.relief_wanted || !self.watch.stood_by);
        unwatched || self.queues.turns_left() > NOT_WORTH_WAKING
    }

    fn is_short_handed(&self) -> bool {
        self.idle == 0 && self.hired < self.wanted()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use mio::Poll;
    use mio::net::UnixStream;

    use super::super::lot::Lot;
    use super::*;
    use crate::http::Limits;
    use crate::http::connection::Connection;
    use crate::http::socket::Socket;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn guest(lot: &Lot) -> Box<Guest> {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let limits = Arc::new(Limits::default());
        lot.admit(Connection::new(Socket::Unix(ours), limits))
    }

    /// So many others ask for a duty, and wait for it when this returns. Tells when one of them has got the watch.
    fn others(crew: &Arc<Crew>, count: usize) -> mpsc::Receiver<()> {
        let (tell, told) = mpsc::channel();
        for _ in 0..count {
            let (other, tell) = (Arc::clone(crew), tell.clone());
            thread::spawn(move || {
                if matches!(other.next(Done::Nothing), Duty::Watch(_)) {
                    tell.send(()).unwrap();
                }
            });
        }
        while crew.state().idle < count {
            thread::yield_now();
        }
        told
    }

    /// Has the worker on watch find a turn, which does not end.
    fn find_turn(crew: &Crew) {
        let lot = Lot::new(&Poll::new().unwrap()).unwrap();
        crew.push(guest(&lot), Wake::Ready);
        assert!(matches!(crew.next(Done::Watch), Duty::Turn(..)));
    }

    #[test]
    fn the_watch_is_taken_over_from_a_worker_whose_turn_does_not_end() {
        let crew = Arc::new(Crew::new(2, 0));
        assert!(matches!(crew.next(Done::Nothing), Duty::Watch(_)));
        let watch = others(&crew, 1);
        find_turn(&crew);
        assert_eq!(watch.recv_timeout(PATIENCE), Ok(()));
    }

    #[test]
    fn who_is_called_to_a_turn_leaves_somebody_to_take_the_watch() {
        let crew = Arc::new(Crew::new(3, 0));
        assert!(matches!(crew.next(Done::Nothing), Duty::Watch(_)));
        let watch = others(&crew, 2);
        let lot = Lot::new(&Poll::new().unwrap()).unwrap();
        crew.push(guest(&lot), Wake::Ready);
        find_turn(&crew);
        assert_eq!(watch.recv_timeout(PATIENCE), Ok(()));
    }

    #[test]
    fn a_stand_in_goes_home_when_it_is_wanted_no_more() {
        let (crew, waits) = with_stand_in();
        assert!(matches!(crew.next(Done::Turn(waits)), Duty::Watch(_)));
        assert!(matches!(crew.next(Done::Nothing), Duty::Over));
        assert_eq!(crew.state().hired, 2);
    }

    #[test]
    fn a_stand_in_that_goes_home_leaves_somebody_to_take_the_watch() {
        let (crew, waits) = with_stand_in();
        let crew = Arc::new(crew);
        assert!(matches!(crew.next(Done::Nothing), Duty::Watch(_)));
        let watch = others(&crew, 2);
        crew.state().queues.take_back(waits);
        find_turn(&crew);
        assert_eq!(watch.recv_timeout(PATIENCE), Ok(()));
    }

    #[test]
    fn who_can_have_no_stand_in_keeps_its_place() {
        let crew = Crew::new(2, 1);
        crew.state().threads_max = 2;
        assert_eq!(crew.claim_disk_wait(Standing::Place), Standing::Place);
    }

    /// Two workers, and one for a turn that waits for the disk.
    fn with_stand_in() -> (Crew, Standing) {
        let crew = Crew::new(2, 1);
        crew.begin(|| || {});
        crew.hire(|| {});
        assert_eq!(crew.state().hired, 2);
        let waits = crew.claim_disk_wait(Standing::Nothing);
        crew.hire(|| {});
        assert_eq!(crew.state().hired, 3);
        (crew, waits)
    }
}
