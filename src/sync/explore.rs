//! Runs a test under many schedules.

use std::cell::Cell;
use std::env;
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};
use tempfile::TempDir;

use super::{Condvar, Mutex, Planted, lock, thread};

/// The schedules of each scheduler, unless `SCHEDULES` says another number.
const SCHEDULES: usize = 2000;

/// The schedules within which a planted fault is found.
const PLANTED_SCHEDULES: usize = 2000;

/// The priority changes of one schedule, plus one. Three changes find most known concurrency
/// faults.
const PCT_DEPTH: usize = 4;

/// The bytes of the stack of a thread.
const STACK_BYTES: usize = 256 * 1024;

/// No schedule needs as many steps: a thread waits for an event that never comes.
const STEPS_MAX: usize = 50_000;

thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };

    /// The parent of the directories of this test. The panic of a schedule leaves its own directory behind.
    static DIRS: TempDir = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
}

/// Returns a directory in memory. The end of the test removes it.
pub(crate) fn memory_dir() -> TempDir {
    DIRS.with(|dirs| tempfile::tempdir_in(dirs.path()).expect("a directory in memory"))
}

pub(crate) fn is_planted(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}

/// Runs `test` under random schedules, and under the same number of PCT. Panics with the first schedule that fails.
pub(crate) fn explore(test: fn()) {
    let schedules = env::var("SCHEDULES").map_or(SCHEDULES, |it| it.parse().expect("a number"));
    run(RandomScheduler::new(schedules), test);
    run(PctScheduler::new(PCT_DEPTH, schedules), test);
}

/// Asserts that `test` fails under random schedules and under those of PCT while `fault` is planted.
pub(crate) fn assert_found(fault: Planted, test: fn()) {
    let plant = move |scheduler: fn() -> Box<dyn Scheduler + Send>| {
        // The panic of a schedule leaves locks behind, so it gets a thread of its own.
        let found = std::thread::spawn(move || {
            PLANTED.set(Some(fault));
            run(scheduler(), test);
        });
        assert!(found.join().is_err(), "{fault:?} was not found");
    };
    plant(|| Box::new(RandomScheduler::new(PLANTED_SCHEDULES)));
    plant(|| Box::new(PctScheduler::new(PCT_DEPTH, PLANTED_SCHEDULES)));
}

fn run(scheduler: impl Scheduler + 'static, test: fn()) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(test);
}

/// A pool of the interface of `threadpool`, with one thread for each job.
#[derive(Clone)]
pub(crate) struct ThreadPool(Arc<Jobs>);

#[derive(Default)]
struct Jobs {
    running: Mutex<usize>,
    ended: Condvar,
}

impl ThreadPool {
    pub(crate) fn with_name(_: String, _: usize) -> ThreadPool {
        ThreadPool(Arc::default())
    }

    pub(crate) fn max_count(&self) -> usize {
        0
    }

    pub(crate) fn set_num_threads(&mut self, _: usize) {}

    pub(crate) fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let jobs = Arc::clone(&self.0);
        *lock(&jobs.running) += 1;
        thread::spawn(move || {
            job();
            *lock(&jobs.running) -= 1;
            jobs.ended.notify_all();
        });
    }

    pub(crate) fn join(&self) {
        let running = lock(&self.0.running);
        drop(self.0.ended.wait_while(running, |running| *running > 0));
    }
}
