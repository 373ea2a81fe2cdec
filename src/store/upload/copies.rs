//! The queue of uploads that are copied to another file system, one at a time, and the results.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;

use crate::store::error::Error;
use crate::store::id::Key;
use crate::store::upload::completed::Completed;
use crate::sync::thread::JoinHandle;
use crate::sync::{Condvar, Mutex, MutexGuard, lock};

/// Maximum number of uploads in the queue. Further ones are added at a later request.
pub(crate) const QUEUE_MAX: usize = 1000;

/// Maximum number of results kept for a later request.
const ENDED_MAX: usize = 1000;

/// The uploads that are copied to another file system, or wait for it.
#[derive(Default)]
pub(crate) struct Copies {
    jobs: Mutex<Jobs>,
    pub(crate) changed: Condvar,
}

pub(crate) type Tell = dyn Fn(&Completed) + Send + Sync;

#[derive(Default)]
pub(crate) struct Jobs {
    pub(crate) queue: VecDeque<Key>,
    /// The upload that is being copied.
    pub(crate) current: Option<Key>,
    /// Results that no caller has received yet.
    pub(crate) ended: BTreeMap<Key, Result<Completed, Error>>,
    /// True while the thread runs.
    pub(crate) is_working: bool,
    /// The last thread, to be joined.
    pub(crate) thread: Option<JoinHandle<()>>,
    pub(crate) is_over: bool,
    tell: Option<Arc<Tell>>,
}

impl Copies {
    /// Calls `tell` for each file that was or will be published by a copy.
    pub(crate) fn tell(&self, tell: Arc<Tell>) {
        let mut jobs = self.jobs();
        let (mut untold, mut failed) = (Vec::new(), BTreeMap::new());
        for (key, ended) in mem::take(&mut jobs.ended) {
            match ended {
                Ok(completed) => untold.push(completed),
                Err(error) => drop(failed.insert(key, Err(error))),
            }
        }
        jobs.ended = failed;
        jobs.tell = Some(Arc::clone(&tell));
        drop(jobs);
        untold.iter().for_each(|completed| tell(completed));
    }

    pub(crate) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        lock(&self.jobs)
    }

    /// Returns the next upload to be copied; `None` ends the thread.
    pub(crate) fn next(&self) -> Option<Key> {
        let mut jobs = self.jobs();
        jobs.current = if jobs.is_over {
            None
        } else {
            jobs.queue.pop_front()
        };
        jobs.is_working = jobs.current.is_some();
        jobs.current
    }

    pub(crate) fn end(&self, key: Key, copied: Result<Option<Completed>, Error>) {
        self.jobs().current = None;
        self.ended(key, copied);
    }

    /// Reports a file that was published without a request, or keeps it for a later caller of `tell`.
    pub(crate) fn ended(&self, key: Key, copied: Result<Option<Completed>, Error>) {
        let mut jobs = self.jobs();
        let tell = jobs.tell.clone();
        let (reported, kept) = match copied.transpose() {
            Some(Ok(completed)) if tell.is_some() => (Some(completed), None),
            kept => (None, kept),
        };
        if let Some(ended) = kept {
            if jobs.ended.len() >= ENDED_MAX {
                jobs.ended.clear();
            }
            jobs.ended.insert(key, ended);
        }
        drop(jobs);
        self.changed.notify_all();
        if let (Some(completed), Some(tell)) = (reported, tell) {
            tell(&completed);
        }
    }

    pub(crate) fn forget(&self, key: Key) {
        self.jobs().ended.remove(&key);
    }
}

impl Jobs {
    pub(crate) fn has(&self, key: Key) -> bool {
        self.current == Some(key) || self.queue.contains(&key)
    }
}
