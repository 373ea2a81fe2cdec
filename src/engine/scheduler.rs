//! The scheduler: run queues, permits, and the threads of the worker pool.
//!
//! A ready task waits in one of three run queues. A *light* task reads a head or sends a response. A *heavy* task moves a
//! body or waits for the disk: it needs a *body permit*. The pool has one body permit fewer than workers, so that one
//! worker always serves heads. A TLS *handshake* needs a body permit too. All handshakes together have at most half of
//! the body permits, and at least one, so new clients do not block uploads. Before an fsync a worker exchanges its body
//! permit for a *disk permit*, and the pool may run one thread more: a slow disk delays only the requests that wait for it.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};

use super::connections::Task;
use crate::http::connection::{Needs, Wake};
use crate::sync::{Condvar, Mutex, MutexGuard, Planted, ThreadPool, is_planted};

/// The run queues and the worker threads.
pub(super) struct Scheduler {
    pool: ThreadPool,
    state: Mutex<State>,
    /// Notified for each task that an idle worker can run.
    ready: Condvar,
}

struct State {
    queues: Queues,
    /// Threads without those for disk permits.
    workers: usize,
    threads: usize,
    idle: usize,
    /// The number of threads at which the system refused one more.
    threads_max: usize,
    closed: bool,
}

/// The permit that a task holds while a worker runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    None,
    /// A body permit, used for a handshake.
    Handshake,
    Body,
    Disk,
}

impl Scheduler {
    /// Makes a pool of up to `workers` threads, at least 2, and one more for each of `disk_permits`.
    ///
    /// # Panics
    ///
    /// When the system refuses the first thread.
    pub(super) fn new(workers: usize, disk_permits: usize) -> Scheduler {
        let workers = workers.max(2);
        Scheduler {
            pool: ThreadPool::with_name("resumed-worker".into(), 1),
            state: Mutex::new(State {
                queues: Queues::new(workers - 1, disk_permits),
                workers,
                threads: 0,
                idle: 0,
                threads_max: usize::MAX,
                closed: false,
            }),
            ready: Condvar::new(),
        }
    }

    /// Queues ready tasks. Returns whether the caller has to call [`start_worker`](Self::start_worker).
    #[must_use]
    pub(super) fn push(&self, tasks: impl IntoIterator<Item = (Box<Task>, Wake)>) -> bool {
        let mut state = self.state();
        for (task, wake) in tasks {
            state.queues.push(task, wake);
        }
        self.wake_workers(state)
    }

    /// Starts a thread that runs `work`, if fewer run than may, and the system has one.
    pub(super) fn start_worker(&self, work: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if state.threads >= state.threads_wanted() || state.closed {
            return;
        }
        if self.grow_to(state.threads + 1) {
            state.threads += 1;
            self.pool.execute(work);
        } else {
            state.threads_max = state.threads;
        }
    }

    /// Takes back the permit of a worker, waits for a task, and returns it with its permit. `None` ends the worker.
    pub(super) fn next(&self, permit: Permit) -> Option<(ReadyTask, Permit)> {
        let mut state = self.state();
        state.queues.release(permit);
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.queues.pop() {
                return Some(next);
            }
            if state.threads > state.threads_wanted() {
                state.threads -= 1;
                return None;
            }
            if is_planted(Planted::UnlockedWait) {
                drop(state);
                state = self.state();
            }
            state.idle += 1;
            state = self.ready.wait(state).expect(NO_PANIC);
            state.idle -= 1;
        }
    }

    /// Returns a body permit in exchange for `held`, or `held` if no body permit is free.
    pub(super) fn acquire_body_permit(&self, held: Permit) -> Permit {
        self.state().queues.acquire_body_permit(held)
    }

    /// Returns a handshake permit in exchange for `held`, or `held` if none is free.
    pub(super) fn acquire_handshake_permit(&self, held: Permit) -> Permit {
        self.state().queues.acquire_handshake_permit(held)
    }

    /// Returns a disk permit in exchange for `held`, or `held` if none is free, or the system has no thread for it.
    ///
    /// The flag says whether the caller has to call [`start_worker`](Self::start_worker).
    pub(super) fn acquire_disk_permit(&self, held: Permit) -> (Permit, bool) {
        let mut state = self.state();
        if state.threads_wanted() >= state.threads_max {
            return (held, false);
        }
        let permit = state.queues.acquire_disk_permit(held);
        (permit, self.wake_workers(state))
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.state().queues.is_empty()
    }

    /// Ends each worker after its task.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.ready.notify_all();
    }

    /// Waits until each worker has ended, and drops the tasks in the queues.
    pub(super) fn join(&self) {
        self.pool.join();
        self.state().queues.clear();
    }

    /// Wakes as many idle workers as there are tasks for. Returns whether one more thread should start.
    fn wake_workers(&self, state: MutexGuard<'_, State>) -> bool {
        let (runnable, idle) = (state.queues.runnable(), state.idle);
        let has_room = state.threads < state.threads_wanted() && !state.closed;
        drop(state);
        for _ in 0..runnable.min(idle) {
            self.ready.notify_one();
        }
        runnable > idle && has_room
    }

    /// Returns whether the pool has `threads` threads afterwards.
    fn grow_to(&self, threads: usize) -> bool {
        let (mut pool, had) = (self.pool.clone(), self.pool.max_count());
        // `set_num_threads` panics if the system refuses a thread.
        let grown = panic::catch_unwind(AssertUnwindSafe(|| {
            pool.set_num_threads(had.max(threads));
        }));
        if grown.is_err() {
            log::warn!("cannot start a worker thread; continuing with {had}");
            pool.set_num_threads(had);
        }
        grown.is_ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NO_PANIC)
    }
}

const NO_PANIC: &str = "no code panics while it holds the state of the scheduler";

impl State {
    fn threads_wanted(&self) -> usize {
        (self.workers + self.queues.disk_permits_held).min(self.threads_max)
    }
}

/// A task that waits for a worker.
pub(super) struct ReadyTask {
    pub(super) task: Box<Task>,
    pub(super) wake: Wake,
    /// The order of arrival over all queues.
    number: u64,
}

struct Queues {
    light: VecDeque<ReadyTask>,
    heavy: VecDeque<ReadyTask>,
    handshakes: VecDeque<ReadyTask>,
    pushed: u64,
    body_permits_free: usize,
    handshake_permits_free: usize,
    disk_permits_held: usize,
    disk_permits_max: usize,
}

impl Queues {
    fn new(body_permits: usize, disk_permits: usize) -> Queues {
        Queues {
            light: VecDeque::new(),
            heavy: VecDeque::new(),
            handshakes: VecDeque::new(),
            pushed: 0,
            body_permits_free: body_permits,
            handshake_permits_free: (body_permits / 2).max(1),
            disk_permits_held: 0,
            disk_permits_max: disk_permits,
        }
    }

    fn push(&mut self, task: Box<Task>, wake: Wake) {
        self.pushed += 1;
        let queue = match task.connection.needs() {
            Needs::NoPermit => &mut self.light,
            Needs::Body => &mut self.heavy,
            Needs::Handshake => &mut self.handshakes,
        };
        queue.push_back(ReadyTask {
            task,
            wake,
            number: self.pushed,
        });
    }

    /// Takes the oldest task that can run now.
    fn pop(&mut self) -> Option<(ReadyTask, Permit)> {
        let number =
            |queue: &VecDeque<ReadyTask>| queue.front().map_or(u64::MAX, |task| task.number);
        let (light, heavy) = (number(&self.light), number(&self.heavy));
        let handshake = number(&self.handshakes);
        if handshake < light.min(heavy) && self.handshakes_free() > 0 {
            self.body_permits_free -= 1;
            self.handshake_permits_free -= 1;
            let task = self.handshakes.pop_front();
            return task.map(|task| (task, Permit::Handshake));
        }
        if heavy < light && self.body_permits_free > 0 {
            self.body_permits_free -= 1;
            return self.heavy.pop_front().map(|task| (task, Permit::Body));
        }
        self.light.pop_front().map(|task| (task, Permit::None))
    }

    /// No task passes those that wait for a body permit.
    fn acquire_body_permit(&mut self, held: Permit) -> Permit {
        if self.body_permits_free == 0 || !self.heavy.is_empty() {
            return held;
        }
        self.release(held);
        self.body_permits_free -= 1;
        Permit::Body
    }

    fn acquire_handshake_permit(&mut self, held: Permit) -> Permit {
        if self.handshakes_free() == 0 || !self.handshakes.is_empty() {
            return held;
        }
        self.release(held);
        self.body_permits_free -= 1;
        self.handshake_permits_free -= 1;
        Permit::Handshake
    }

    fn acquire_disk_permit(&mut self, held: Permit) -> Permit {
        if self.disk_permits_held == self.disk_permits_max {
            return held;
        }
        self.release(held);
        self.disk_permits_held += 1;
        Permit::Disk
    }

    fn release(&mut self, permit: Permit) {
        match permit {
            Permit::None => {}
            Permit::Handshake => {
                self.body_permits_free += 1;
                self.handshake_permits_free += 1;
            }
            Permit::Body => self.body_permits_free += 1,
            Permit::Disk => self.disk_permits_held -= 1,
        }
    }

    fn runnable(&self) -> usize {
        let handshakes = self.handshakes.len().min(self.handshakes_free());
        self.light.len() + (self.heavy.len() + handshakes).min(self.body_permits_free)
    }

    fn is_empty(&self) -> bool {
        self.light.is_empty() && self.heavy.is_empty() && self.handshakes.is_empty()
    }

    fn clear(&mut self) {
        self.light.clear();
        self.heavy.clear();
        self.handshakes.clear();
    }

    /// Returns how many handshakes could run now.
    fn handshakes_free(&self) -> usize {
        self.handshake_permits_free.min(self.body_permits_free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_permit_frees_the_body_permit() {
        let mut queues = Queues::new(1, 1);
        assert_eq!(queues.acquire_body_permit(Permit::None), Permit::Body);
        assert_eq!(queues.acquire_body_permit(Permit::None), Permit::None);
        assert_eq!(queues.acquire_disk_permit(Permit::Body), Permit::Disk);
        assert_eq!(queues.acquire_body_permit(Permit::None), Permit::Body);
        assert_eq!(queues.acquire_disk_permit(Permit::Body), Permit::Body);

        queues.release(Permit::Body);
        assert_eq!(queues.acquire_body_permit(Permit::Disk), Permit::Body);
        assert_eq!(queues.acquire_disk_permit(Permit::Body), Permit::Disk);
    }

    #[test]
    fn handshakes_hold_half_of_the_body_permits() {
        let mut queues = Queues::new(4, 1);
        for _ in 0..2 {
            let permit = queues.acquire_handshake_permit(Permit::None);
            assert_eq!(permit, Permit::Handshake);
        }
        assert_eq!(queues.acquire_handshake_permit(Permit::None), Permit::None);
        assert_eq!(queues.acquire_body_permit(Permit::Handshake), Permit::Body);
        assert_eq!(queues.acquire_body_permit(Permit::None), Permit::Body);
        assert_eq!(queues.body_permits_free, 1);

        let permit = queues.acquire_handshake_permit(Permit::None);
        assert_eq!(permit, Permit::Handshake);
        queues.release(permit);
        queues.release(Permit::Handshake);
        queues.release(Permit::Body);
        queues.release(Permit::Body);
        assert_eq!((queues.body_permits_free, queues.handshakes_free()), (4, 2));
    }

    #[test]
    fn only_body_permit_serves_a_handshake_and_then_a_body() {
        let mut queues = Queues::new(1, 1);
        let permit = queues.acquire_handshake_permit(Permit::None);
        assert_eq!(permit, Permit::Handshake);
        assert_eq!(queues.acquire_body_permit(Permit::None), Permit::None);
        assert_eq!(queues.acquire_handshake_permit(Permit::None), Permit::None);
        queues.release(permit);
        assert_eq!(queues.acquire_body_permit(Permit::None), Permit::Body);
    }

    #[test]
    fn spare_thread_ends_with_its_disk_permit() {
        let scheduler = Scheduler::new(2, 1);
        scheduler.start_worker(|| {});
        scheduler.start_worker(|| {});
        scheduler.start_worker(|| {});
        assert_eq!(scheduler.state().threads, 2);
        let (permit, _) = scheduler.acquire_disk_permit(Permit::None);
        scheduler.start_worker(|| {});
        assert_eq!(scheduler.state().threads, 3);
        assert!(scheduler.next(permit).is_none());
        assert_eq!(scheduler.state().threads, 2);
    }

    #[test]
    fn no_disk_permit_without_a_thread_for_it() {
        let scheduler = Scheduler::new(2, 1);
        scheduler.state().threads_max = 2;
        let refused = scheduler.acquire_disk_permit(Permit::Body);
        assert_eq!(refused, (Permit::Body, false));
    }
}
