//! What happens beside requests: sweeping at start and hourly, and completion hooks.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;

use crate::store::{Completed, Store};

/// The failure of a completion hook. It is logged, and the hook runs again later.
///
/// An [`io::Error`] of the kind `NotFound` or `ArgumentListTooLong`, or of the code `ENAMETOOLONG`, also as a source, is a
/// lasting obstacle. After a day of such failures the hook is given up, with a warning in the log.
pub type HookError = Box<dyn Error + Send + Sync>;

pub(crate) type OnComplete = Box<dyn Fn(&Completed) -> Result<(), HookError> + Send + Sync>;

/// How often what has expired is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// A hook that failed is run again after this pause, doubled each time ...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A hook that meets a lasting obstacle for this long does not run again.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// The start of an unbroken series of failures by a lasting obstacle.
    obstructed: Option<Instant>,
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
        threads.extend(begin("resumed-sweeps", move || {
            keep_swept(&store, &stopped);
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
        // The sweeping thread itself may be the last to let go, after it has reported a file.
        let is_other = |thread: &JoinHandle<()>| thread.thread().id() != thread::current().id();
        for thread in self.threads.drain(..).filter(is_other) {
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
fn keep_swept(store: &Store, stopped: &Receiver<Never>) {
    loop {
        let swept = store.sweep(SystemTime::now());
        let published = swept.published.into_iter();
        published.for_each(|completed| store.tell_of_swept(completed));
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
            self.end_of(&completed, ran, Instant::now());
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
                obstructed: None,
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
        noted.map_err(|error| format!("cannot record the end of the hook: {error}").into())
    }

    /// Records the result of a run that ended `now`.
    fn end_of(&self, completed: &Completed, ran: Result<(), HookError>, now: Instant) {
        let given_up = |error: &HookError| self.errands().is_given_up(completed, error, now);
        let ended = match ran {
            Ok(()) => self.note(completed),
            Err(error) if given_up(&error) => {
                let path = completed.path.display();
                log::warn!(
                    "the hook for {path} is given up: it failed for a day: {error}; the file stays"
                );
                self.note(completed)
            }
            failed => failed,
        };
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
        hook.at = Some(now + pause);
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

    /// Returns whether a hook that failed again `now` has met only lasting obstacles for too long.
    fn is_given_up(&mut self, completed: &Completed, error: &HookError, now: Instant) -> bool {
        let Some(place) = self.place_of(completed) else {
            return false;
        };
        let obstructed = &mut self.due[place].obstructed;
        if !stays(&**error) {
            *obstructed = None;
            return false;
        }
        let since = *obstructed.get_or_insert(now);
        now.duration_since(since) >= GIVE_UP_AFTER
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

/// Returns whether every further run would fail in the same way: the program or the file does not exist, or the
/// arguments are too long.
fn stays(error: &(dyn Error + 'static)) -> bool {
    let is_lasting = |error: &io::Error| {
        matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::ArgumentListTooLong
        ) || Errno::from_io_error(error) == Some(Errno::NAMETOOLONG)
    };
    let is_one = error.downcast_ref().is_some_and(is_lasting);
    is_one || error.source().is_some_and(stays)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use crate::store::{AppendRequest, Completes, Id, Options};

    use super::*;

    /// A store with one finished upload whose hook is due.
    fn one_due() -> (tempfile::TempDir, Hooks, Completed) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            mark_hooks: true,
            ..Options::default()
        };
        let store = Store::open(dir.path(), options).unwrap();
        let append = store.append_with(&Id::new(b"", b"a"), 0, AppendRequest::default());
        let finished = append.unwrap().finish(Completes::AtEnd).unwrap();
        let hooks = Hooks {
            store,
            on_complete: Box::new(|_| Ok(())),
            those_left: Once::new(),
            errands: Mutex::default(),
            changed: Condvar::new(),
        };
        hooks.enqueue_those_left();
        (dir, hooks, finished.published.unwrap())
    }

    fn os(errno: Errno) -> HookError {
        io::Error::from(errno).into()
    }

    /// Returns whether the hook is still due after these failures, each at its hour.
    fn is_due_after(failures: impl IntoIterator<Item = (u64, HookError)>) -> bool {
        let (_dir, hooks, completed) = one_due();
        let start = Instant::now();
        for (hours, error) in failures {
            hooks.end_of(
                &completed,
                Err(error),
                start + Duration::from_secs(hours * 60 * 60),
            );
        }
        let is_due = !hooks.store.due().unwrap().is_empty();
        assert_eq!(hooks.errands().due.is_empty(), !is_due);
        is_due
    }

    #[test]
    fn hook_with_lasting_obstacle_is_given_up_after_a_day() {
        for errno in [Errno::NOENT, Errno::TOOBIG, Errno::NAMETOOLONG] {
            assert!(is_due_after([(0, os(errno)), (23, os(errno))]));
            assert!(!is_due_after([(0, os(errno)), (24, os(errno))]));
            let wrapped = |errno: Errno| crate::store::Error::Io(errno.into()).into();
            assert!(!is_due_after([0, 24].map(|hour| (hour, wrapped(errno)))));
        }
    }

    #[test]
    fn hook_without_lasting_obstacle_stays_due() {
        let exit = || "the command ended with exit status: 3".into();
        assert!(is_due_after([0, 24, 999].map(|hour| (hour, exit()))));
        assert!(is_due_after(
            [0, 24, 999].map(|hour| (hour, os(Errno::ACCESS)))
        ));
        let between = [
            (0, os(Errno::NOENT)),
            (12, exit()),
            (24, os(Errno::NOENT)),
            (47, os(Errno::NOENT)),
        ];
        assert!(is_due_after(between), "another failure restarts the day");
    }
}
