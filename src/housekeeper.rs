//! What happens beside requests: sweeping at start and hourly, and completion hooks.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::store::{Completed, Store};

/// What a hook's failure may be: it is logged, and the hook is run again later.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) type OnComplete = Box<dyn Fn(&Completed) -> Result<(), HookError> + Send + Sync>;

const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// A hook that failed is run again after this pause, doubled each time ...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A thread of its own; ended when dropped.
pub(crate) struct Housekeeper {
    errands: Option<Sender<Completed>>,
    thread: Option<JoinHandle<()>>,
    has_hook: bool,
}

struct House {
    store: Store,
    on_complete: Option<OnComplete>,
    due: VecDeque<Hook>,
}

struct Hook {
    completed: Completed,
    at: Instant,
    pause: Duration,
}

impl Housekeeper {
    pub(crate) fn start(store: Store, on_complete: Option<OnComplete>) -> Housekeeper {
        let has_hook = on_complete.is_some();
        let (errands, received) = mpsc::channel();
        let house = House {
            store,
            on_complete,
            due: VecDeque::new(),
        };
        let thread = thread::Builder::new()
            .name("resumed-keeper".into())
            .spawn(|| house.keep(received));
        if let Err(error) = &thread {
            log::error!("no thread for sweeping and hooks: {error}");
        }
        Housekeeper {
            errands: Some(errands),
            thread: thread.ok(),
            has_hook,
        }
    }

    /// Runs the hook for an upload that has just been published.
    pub(crate) fn completed(&self, completed: &Completed) {
        if let Some(errands) = self.errands.as_ref().filter(|_| self.has_hook)
            && errands.send(completed.clone()).is_err()
        {
            log::error!("the housekeeper is gone: a hook waits for the next start");
        }
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.errands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the housekeeper has panicked");
        }
    }
}

impl House {
    fn keep(mut self, errands: Receiver<Completed>) {
        let mut next_sweep = Instant::now();
        let mut hooks_left = self.on_complete.is_some();
        loop {
            if next_sweep <= Instant::now() {
                let swept = self.store.sweep(SystemTime::now());
                swept
                    .published
                    .into_iter()
                    .for_each(|completed| self.enqueue(completed));
                next_sweep = Instant::now() + SWEEP_EVERY;
            }
            if std::mem::take(&mut hooks_left) {
                self.enqueue_those_left();
            }
            self.run_due();
            let next_hook = self.due.iter().map(|hook| hook.at).min();
            let wake = next_hook.map_or(next_sweep, |at| at.min(next_sweep));
            match errands.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(completed) => self.enqueue(completed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Hooks that an earlier server owed.
    fn enqueue_those_left(&mut self) {
        match self.store.due() {
            Ok(due) => due
                .into_iter()
                .for_each(|completed| self.enqueue(completed)),
            Err(error) => log::error!("hooks that are due cannot be found: {error}"),
        }
    }

    fn enqueue(&mut self, completed: Completed) {
        let known = self
            .due
            .iter()
            .any(|hook| hook.completed.id == completed.id);
        if self.on_complete.is_some() && !known {
            self.due.push_back(Hook {
                completed,
                at: Instant::now(),
                pause: FIRST_PAUSE,
            });
        }
    }

    fn run_due(&mut self) {
        let Some(on_complete) = &self.on_complete else {
            return;
        };
        let now = Instant::now();
        for _ in 0..self.due.len() {
            let Some(mut hook) = self.due.pop_front() else {
                return;
            };
            if hook.at <= now {
                match run(on_complete, &hook.completed) {
                    Ok(()) => match self.store.hooked(&hook.completed.id) {
                        Ok(()) => continue,
                        Err(error) => log::warn!("the hook ran and will run again: {error}"),
                    },
                    Err(error) => log::warn!(
                        "the hook for {} failed, again in {:?}: {error}",
                        hook.completed.path.display(),
                        hook.pause
                    ),
                }
                hook.at = Instant::now() + hook.pause;
                hook.pause = (hook.pause * 2).min(LONGEST_PAUSE);
            }
            self.due.push_back(hook);
        }
    }
}

/// A hook that panics has failed, no more.
fn run(on_complete: &OnComplete, completed: &Completed) -> Result<(), HookError> {
    panic::catch_unwind(AssertUnwindSafe(|| on_complete(completed)))
        .unwrap_or_else(|_| Err("it panicked".into()))
}
