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

/// How often what has expired is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// A hook that failed is run again after this pause, doubled each time ...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Threads of their own, one for sweeping and one for the hook; ended when dropped. A hook under way is waited for.
pub(crate) struct Housekeeper {
    /// Gone, it ends the sweeping.
    sweeping: Option<Sender<Never>>,
    errands: Option<Sender<Completed>>,
    threads: Vec<JoinHandle<()>>,
}

/// What nobody sends.
enum Never {}

/// Runs one hook at a time: what they start may be heavy, and the machine small.
struct Hooks {
    store: Store,
    on_complete: OnComplete,
    due: VecDeque<Hook>,
}

struct Hook {
    completed: Completed,
    at: Instant,
    pause: Duration,
}

impl Housekeeper {
    pub(crate) fn start(store: Store, on_complete: Option<OnComplete>) -> Housekeeper {
        let (sweeping, stopped) = mpsc::channel();
        let (errands, received) = mpsc::channel();
        let errands = on_complete.is_some().then_some(errands);
        let hooks = on_complete.map(|on_complete| Hooks {
            store: store.clone(),
            on_complete,
            due: VecDeque::new(),
        });
        let found = errands.clone();
        let sweeper = begin("resumed-sweeps", move || {
            keep_swept(&store, &stopped, found);
        });
        let hooker = hooks.and_then(|hooks| begin("resumed-hooks", move || hooks.keep(&received)));
        Housekeeper {
            sweeping: Some(sweeping),
            errands,
            threads: sweeper.into_iter().chain(hooker).collect(),
        }
    }

    /// Runs the hook for an upload that has just been published.
    pub(crate) fn completed(&self, completed: &Completed) {
        if let Some(errands) = &self.errands
            && errands.send(completed.clone()).is_err()
        {
            log::error!("nobody runs hooks any more: one waits for the next start");
        }
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        (self.sweeping, self.errands) = (None, None);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread of the housekeeper has panicked");
            }
        }
    }
}

fn begin(name: &str, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.into()).spawn(work);
    thread
        .inspect_err(|error| log::error!("no thread for {name}: {error}"))
        .ok()
}

/// Sweeps until nobody is left to tell when to stop.
fn keep_swept(store: &Store, stopped: &Receiver<Never>, errands: Option<Sender<Completed>>) {
    loop {
        let swept = store.sweep(SystemTime::now());
        for completed in swept.published {
            // Where nobody takes it any more, the next server finds it due.
            errands
                .iter()
                .for_each(|errands| drop(errands.send(completed.clone())));
        }
        match stopped.recv_timeout(SWEEP_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Hooks {
    /// Runs what is due until nobody is left to bring more. What is not run by then is due at the next start.
    fn keep(mut self, errands: &Receiver<Completed>) {
        self.enqueue_those_left();
        loop {
            let next = self.due.iter().map(|hook| hook.at).min();
            let wait = next.map_or(Duration::MAX, |at| {
                at.saturating_duration_since(Instant::now())
            });
            match errands.recv_timeout(wait) {
                Ok(completed) => self.enqueue(completed),
                Err(RecvTimeoutError::Timeout) => self.run_first_due(),
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
        let is_it = |hook: &Hook| hook.completed.id == completed.id;
        if !self.due.iter().any(is_it) {
            self.due.push_back(Hook {
                completed,
                at: Instant::now(),
                pause: FIRST_PAUSE,
            });
        }
    }

    fn run_first_due(&mut self) {
        let now = Instant::now();
        let first = self.due.iter().position(|hook| hook.at <= now);
        let Some(mut hook) = first.and_then(|first| self.due.remove(first)) else {
            return;
        };
        match run(&self.on_complete, &hook.completed) {
            Ok(()) => match self.store.hooked(&hook.completed.id) {
                Ok(()) => return,
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
        self.due.push_back(hook);
    }
}

/// A hook that panics has failed, no more.
fn run(on_complete: &OnComplete, completed: &Completed) -> Result<(), HookError> {
    panic::catch_unwind(AssertUnwindSafe(|| on_complete(completed)))
        .unwrap_or_else(|_| Err("it panicked".into()))
}
