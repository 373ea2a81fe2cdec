//! What happens beside requests: sweeping at start and hourly, and completion hooks.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
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

/// Hooks that run side by side. One that hangs must not keep others waiting; what they start may be heavy, and the
/// machine small.
const HOOKS_MAX: usize = 4;

/// Threads of their own, for sweeping and for hooks; ended when dropped. Hooks under way are waited for.
pub(crate) struct Housekeeper {
    /// Gone, it ends the sweeping.
    sweeping: Option<Sender<Never>>,
    hooks: Option<Arc<Hooks>>,
    threads: Vec<JoinHandle<()>>,
}

/// What nobody sends.
enum Never {}

struct Hooks {
    store: Store,
    on_complete: OnComplete,
    those_left: Once,
    errands: Mutex<Errands>,
    changed: Condvar,
}

#[derive(Default)]
struct Errands {
    due: Vec<Hook>,
    /// No more are begun.
    over: bool,
}

struct Hook {
    completed: Completed,
    /// When it is to be run; `None` while it runs.
    at: Option<Instant>,
    pause: Duration,
}

impl Housekeeper {
    pub(crate) fn start(store: Store, on_complete: Option<OnComplete>) -> Housekeeper {
        let (sweeping, stopped) = mpsc::channel();
        let hooks = on_complete.map(|on_complete| {
            Arc::new(Hooks {
                store: store.clone(),
                on_complete,
                those_left: Once::new(),
                errands: Mutex::default(),
                changed: Condvar::new(),
            })
        });
        let keepers = hooks
            .iter()
            .flat_map(|hooks| (0..HOOKS_MAX).map(|_| Arc::clone(hooks)));
        let mut threads: Vec<_> = keepers
            .filter_map(|hooks| begin("resumed-hooks", move || hooks.keep()))
            .collect();
        let found = hooks.clone();
        threads.extend(begin("resumed-sweeps", move || {
            keep_swept(&store, &stopped, found.as_deref());
        }));
        Housekeeper {
            sweeping: Some(sweeping),
            hooks,
            threads,
        }
    }

    /// Runs the hook for an upload that has just been published.
    pub(crate) fn completed(&self, completed: &Completed) {
        if let Some(hooks) = &self.hooks {
            hooks.enqueue(completed.clone());
        }
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.sweeping = None;
        if let Some(hooks) = &self.hooks {
            hooks.end();
        }
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
fn keep_swept(store: &Store, stopped: &Receiver<Never>, hooks: Option<&Hooks>) {
    loop {
        let swept = store.sweep(SystemTime::now());
        if let Some(hooks) = hooks {
            let published = swept.published.into_iter();
            published.for_each(|completed| hooks.enqueue(completed));
        }
        match stopped.recv_timeout(SWEEP_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Hooks {
    /// Runs what is due, one after another, until the end. What is not run by then is due at the next start.
    fn keep(&self) {
        // First: what runs meanwhile would be found due, and run again.
        self.those_left.call_once(|| self.enqueue_those_left());
        while let Some(completed) = self.next() {
            let ran = run(&self.on_complete, &completed);
            self.end_of(&completed, ran.and_then(|()| self.note(&completed)));
        }
    }

    /// Hooks that an earlier server owed.
    fn enqueue_those_left(&self) {
        match self.store.due() {
            Ok(due) => due
                .into_iter()
                .for_each(|completed| self.enqueue(completed)),
            Err(error) => log::error!("hooks that are due cannot be found: {error}"),
        }
    }

    fn enqueue(&self, completed: Completed) {
        let mut errands = self.errands();
        if errands.place_of(&completed).is_none() {
            errands.due.push(Hook {
                completed,
                at: Some(Instant::now()),
                pause: FIRST_PAUSE,
            });
            self.changed.notify_all();
        }
    }

    /// Waits for the first that is due, and takes it on; `None` when it is over.
    fn next(&self) -> Option<Completed> {
        let mut errands = self.errands();
        while !errands.over {
            match errands.take_on(Instant::now()) {
                Ok(completed) => return Some(completed),
                Err(wait) => {
                    let waited = self.changed.wait_timeout(errands, wait);
                    errands = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        None
    }

    fn note(&self, completed: &Completed) -> Result<(), HookError> {
        let noted = self.store.hooked(&completed.id);
        noted.map_err(|error| format!("it ran, which cannot be noted: {error}").into())
    }

    fn end_of(&self, completed: &Completed, ended: Result<(), HookError>) {
        let mut errands = self.errands();
        let Some(place) = errands.place_of(completed) else {
            return;
        };
        let Err(error) = ended else {
            errands.due.swap_remove(place);
            return;
        };
        let hook = &mut errands.due[place];
        let (path, pause) = (completed.path.display(), hook.pause);
        log::warn!("the hook for {path} failed, due again in {pause:?}: {error}");
        hook.at = Some(Instant::now() + pause);
        hook.pause = (pause * 2).min(LONGEST_PAUSE);
        // Each that waits has to know until when.
        self.changed.notify_all();
    }

    fn end(&self) {
        self.errands().over = true;
        self.changed.notify_all();
    }

    fn errands(&self) -> MutexGuard<'_, Errands> {
        self.errands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Errands {
    fn place_of(&self, completed: &Completed) -> Option<usize> {
        let is_it = |hook: &Hook| hook.completed.id == completed.id;
        self.due.iter().position(is_it)
    }

    /// The first that is due, which runs from now on; or how long there will be none.
    fn take_on(&mut self, now: Instant) -> Result<Completed, Duration> {
        let waiting = |hook: &&mut Hook| hook.at.is_some();
        let first = self
            .due
            .iter_mut()
            .filter(waiting)
            .min_by_key(|hook| hook.at);
        let Some((at, hook)) = first.and_then(|hook| Some((hook.at?, hook))) else {
            return Err(Duration::MAX);
        };
        if at > now {
            return Err(at - now);
        }
        hook.at = None;
        Ok(hook.completed.clone())
    }
}

/// A hook that panics has failed, no more.
fn run(on_complete: &OnComplete, completed: &Completed) -> Result<(), HookError> {
    panic::catch_unwind(AssertUnwindSafe(|| on_complete(completed)))
        .unwrap_or_else(|_| Err("it panicked".into()))
}
