//! Background threads: the hourly sweep, and completion hooks.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::store::{Completed, Key, Store};

use super::callback::Callback;
use super::login::Logins;

/// The error of a completion hook. It is logged, and the hook runs again later.
///
/// An [`io::Error`] of the kind `NotFound` or `ArgumentListTooLong`, or with the code `ENAMETOOLONG`, also as a source, is
/// lasting. After a day of only such errors the hook runs no more, and the log has a warning.
pub type HookError = Box<dyn Error + Send + Sync>;

pub(crate) type OnComplete = Callback<dyn Fn(&Completed) -> Result<(), HookError> + Send + Sync>;

/// The interval between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// The pause after the first failure of a hook. It doubles with each failure ...
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// ... up to this.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// The duration of lasting errors after which a hook runs no more.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The number of hooks that run at the same time: one that hangs must not delay the others, and a small machine may not
/// run many.
const HOOK_THREADS: usize = 4;

/// The threads for sweeps and hooks. Its drop stops them, and waits for running hooks.
pub(crate) struct BackgroundTasks {
    /// Its drop ends the sweeping thread.
    sweeping: Option<Sender<Infallible>>,
    hooks: Option<Arc<Hooks>>,
    threads: Vec<JoinHandle<()>>,
}

struct Hooks {
    store: Store,
    on_complete: OnComplete,
    leftover: Once,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// By upload. The record of an upload on the disk describes it, so memory has only its key.
    due: BTreeMap<Key, Hook>,
    /// True if no further hook starts.
    stopped: bool,
}

struct Hook {
    /// The time of the next run; `None` while it runs.
    at: Option<Instant>,
    pause: Duration,
    /// The start of an unbroken series of lasting errors.
    obstructed: Option<Instant>,
}

impl BackgroundTasks {
    pub(super) fn start(
        store: Store,
        on_complete: Option<OnComplete>,
        logins: Arc<Logins>,
    ) -> BackgroundTasks {
        let (sweeping, stopped) = mpsc::channel();
        let hooks = on_complete.map(|on_complete| {
            Arc::new(Hooks {
                store: store.clone(),
                on_complete,
                leftover: Once::new(),
                queue: Mutex::default(),
                changed: Condvar::new(),
            })
        });
        let runners = hooks
            .iter()
            .flat_map(|hooks| (0..HOOK_THREADS).map(|_| Arc::clone(hooks)));
        let mut threads: Vec<_> = runners
            .filter_map(|hooks| begin("resumed-hooks", move || hooks.run_all()))
            .collect();
        threads.extend(begin("resumed-sweeps", move || {
            sweep_hourly(&store, &logins, &stopped);
        }));
        BackgroundTasks {
            sweeping: Some(sweeping),
            hooks,
            threads,
        }
    }

    /// Runs the hook for an upload that has just been published.
    pub(crate) fn completed(&self, completed: &Completed) {
        if let Some(hooks) = &self.hooks {
            hooks.enqueue(completed.id.key());
        }
    }
}

impl Drop for BackgroundTasks {
    fn drop(&mut self) {
        self.sweeping = None;
        if let Some(hooks) = &self.hooks {
            hooks.end();
        }
        // The sweeping thread may drop the last reference, after it has reported a file.
        let is_other = |thread: &JoinHandle<()>| thread.thread().id() != thread::current().id();
        for thread in self.threads.drain(..).filter(is_other) {
            if thread.join().is_err() {
                log::error!("a background thread has panicked");
            }
        }
    }
}

fn begin(name: &str, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.into()).spawn(work);
    thread
        .inspect_err(|error| log::error!("cannot start the thread {name}: {error}"))
        .ok()
}

/// Sweeps and counts files now and every hour, until the sender of `stopped` is dropped.
fn sweep_hourly(store: &Store, logins: &Logins, stopped: &Receiver<Infallible>) {
    loop {
        let swept = store.sweep();
        log::debug!("sweep ended, files published: {}", swept.published.len());
        let published = swept.published.into_iter();
        published.for_each(|completed| store.tell_of_swept(completed));
        store.confirm_files();
        count_files(store, logins.user_names(), stopped);
        match stopped.recv_timeout(SWEEP_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return store.save_clock(),
        }
    }
}

fn count_files(store: &Store, users: Vec<String>, stopped: &Receiver<Infallible>) {
    let goes_on = || stopped.try_recv() == Err(TryRecvError::Empty);
    for user in users {
        if let Err(error) = store.count_files(user.as_bytes(), &goes_on) {
            log::warn!(
                "cannot count the files of user {user:?}: {error}; the quota counts recent uploads only"
            );
        }
    }
}

impl Hooks {
    /// Runs due hooks until the stop. The others are due at the next start.
    fn run_all(&self) {
        // Before any hook runs: a running hook is still recorded as due.
        self.leftover.call_once(|| self.enqueue_leftover());
        while let Some(key) = self.next() {
            match self.store.due_hook(key) {
                Ok(Some(completed)) => {
                    let ran = run(&self.on_complete, &completed);
                    self.ended(&completed, ran, Instant::now());
                }
                Ok(None) => _ = self.queue().due.remove(&key),
                Err(error) => self.postpone(key, &key, &error, Instant::now()),
            }
        }
    }

    /// Queues the hooks that an earlier server did not run.
    fn enqueue_leftover(&self) {
        match self.store.due_keys() {
            Ok(due) => due.into_iter().for_each(|key| self.enqueue(key)),
            Err(error) => log::error!("cannot find the hooks left by an earlier server: {error}"),
        }
    }

    fn enqueue(&self, key: Key) {
        self.queue().due.entry(key).or_insert_with(|| Hook {
            at: Some(Instant::now()),
            pause: PAUSE_MIN,
            obstructed: None,
        });
        self.changed.notify_all();
    }

    /// Waits for the next due hook and marks it as running; `None` after the stop.
    fn next(&self) -> Option<Key> {
        let mut queue = self.queue();
        while !queue.stopped {
            match queue.start_next(Instant::now()) {
                Ok(key) => return Some(key),
                Err(wait) => {
                    let waited = self.changed.wait_timeout(queue, wait);
                    queue = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        None
    }

    fn record_run(&self, completed: &Completed) -> Result<(), HookError> {
        let recorded = self.store.hooked(&completed.id);
        recorded.map_err(|error| format!("cannot record the end of the hook: {error}").into())
    }

    /// Records the result of a run that ended `now`.
    fn ended(&self, completed: &Completed, ran: Result<(), HookError>, now: Instant) {
        let key = completed.id.key();
        let given_up = |error: &HookError| self.queue().is_given_up(key, error, now);
        let ended = match ran {
            Ok(()) => self.record_run(completed),
            Err(error) if given_up(&error) => {
                let path = completed.path.display();
                log::warn!(
                    "the hook for {path} failed for a day and runs no more: {error}; the file stays"
                );
                self.record_run(completed)
            }
            failed => failed,
        };
        match ended {
            Ok(()) => _ = self.queue().due.remove(&key),
            Err(error) => self.postpone(key, &completed.path.display(), &error, now),
        }
    }

    /// Lets a hook that failed `now` run again after a pause. `name` is that of its upload, for the log.
    fn postpone(&self, key: Key, name: &dyn Display, error: &dyn Display, now: Instant) {
        let mut queue = self.queue();
        let Some(hook) = queue.due.get_mut(&key) else {
            return;
        };
        let pause = hook.pause;
        log::warn!("the hook for {name} failed and runs again in {pause:?}: {error}");
        hook.at = Some(now + pause);
        hook.pause = (pause * 2).min(PAUSE_MAX);
        // Waiting threads have to adjust their timeout.
        self.changed.notify_all();
    }

    fn end(&self) {
        self.queue().stopped = true;
        self.changed.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Returns whether a hook that failed again `now` has met only lasting obstacles for too long.
    fn is_given_up(&mut self, key: Key, error: &HookError, now: Instant) -> bool {
        let Some(hook) = self.due.get_mut(&key) else {
            return false;
        };
        let obstructed = &mut hook.obstructed;
        if !is_lasting(&**error) {
            *obstructed = None;
            return false;
        }
        let since = *obstructed.get_or_insert(now);
        now.duration_since(since) >= GIVE_UP_AFTER
    }

    /// Marks the first due hook as running, or returns the time until the next is due.
    fn start_next(&mut self, now: Instant) -> Result<Key, Duration> {
        let waiting = self.due.iter_mut();
        let waiting = waiting.filter_map(|(key, hook)| Some((hook.at?, *key, hook)));
        match waiting.min_by_key(|(at, ..)| *at) {
            None => Err(Duration::MAX),
            Some((at, ..)) if at > now => Err(at - now),
            Some((_, key, hook)) => {
                hook.at = None;
                Ok(key)
            }
        }
    }
}

/// Runs a hook. A panic is an error.
fn run(on_complete: &OnComplete, completed: &Completed) -> Result<(), HookError> {
    panic::catch_unwind(AssertUnwindSafe(|| (on_complete.0)(completed)))
        .unwrap_or_else(|_| Err("it panicked".into()))
}

/// Returns whether every further run would fail in the same way: the program or the file does not exist, or the
/// arguments are too long.
fn is_lasting(error: &(dyn Error + 'static)) -> bool {
    let is_lasting_io = |error: &io::Error| {
        matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::ArgumentListTooLong
        ) || Errno::from_io_error(error) == Some(Errno::NAMETOOLONG)
    };
    let is_one = error.downcast_ref().is_some_and(is_lasting_io);
    is_one || error.source().is_some_and(is_lasting)
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
            on_complete: Callback(Arc::new(|_| Ok(()))),
            leftover: Once::new(),
            queue: Mutex::default(),
            changed: Condvar::new(),
        };
        hooks.enqueue_leftover();
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
            hooks.ended(
                &completed,
                Err(error),
                start + Duration::from_secs(hours * 60 * 60),
            );
        }
        let is_due = !hooks.store.due().unwrap().is_empty();
        assert_eq!(hooks.queue().due.is_empty(), !is_due);
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
