//! The files that wait to be sent: a bounded queue between the walk through folders and the threads that send.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::folder::LocalFile;

/// The maximum number of waiting files. The walk waits at this number, so that its memory is bounded.
const WAITING_MAX: usize = 1000;

/// A bounded queue. At most one large file runs at a time.
///
/// The first file runs alone until the server has answered. So a wrong password or a missing server is reported once,
/// and the files after it know whether the server has the folder already.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// A file may run, or none follows.
    ready: Condvar,
    /// The queue is half empty, or it takes no more files.
    room: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<LocalFile>,
    running: usize,
    large_is_running: bool,
    /// True after the first answer of the server.
    has_answer: bool,
    /// True after the last [`Queue::push`].
    is_closed: bool,
    /// True if all other files would fail too.
    is_aborted: bool,
    /// The number of files that were not tried.
    left: u64,
}

impl Queue {
    /// Adds a file. Waits while the queue is full. After an abort, only counts it.
    pub(super) fn push(&self, file: LocalFile) {
        let is_full = |state: &mut State| state.waiting.len() >= WAITING_MAX && !state.is_aborted;
        let state = self.room.wait_while(self.lock(), is_full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        match state.is_aborted {
            true => state.left += 1,
            false => state.waiting.push_back(file),
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Declares that no file follows.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.ready.notify_all();
    }

    /// Takes the next file that may run. Waits for it. Returns `None` if all files are taken.
    pub(super) fn take(&self) -> Option<LocalFile> {
        let mut state = self.lock();
        loop {
            if let Some(file) = state.next() {
                // One wake-up for many files.
                if state.waiting.len() == WAITING_MAX / 2 {
                    self.room.notify_one();
                }
                return Some(file);
            }
            if state.is_closed && state.waiting.is_empty() {
                return None;
            }
            let ready = self.ready.wait(state);
            state = ready.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Records the first answer of the server: other files may run now.
    pub(super) fn answered(&self) {
        self.lock().has_answer = true;
        self.ready.notify_all();
    }

    /// Records the end of a file that was taken.
    pub(super) fn done(&self, file: &LocalFile) {
        let mut state = self.lock();
        let others_may_run = file.is_large() || !state.has_answer;
        state.running -= 1;
        state.large_is_running &= !file.is_large();
        state.has_answer = true;
        drop(state);
        if others_may_run {
            self.ready.notify_all();
        }
    }

    /// Drops all waiting files: they would fail too.
    pub(super) fn abort(&self) {
        let mut state = self.lock();
        state.is_aborted = true;
        state.left += state.waiting.len() as u64;
        state.waiting.clear();
        drop(state);
        self.ready.notify_all();
        self.room.notify_one();
    }

    /// Returns the number of files that were not tried.
    pub(super) fn left(&self) -> u64 {
        self.lock().left
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the first file that may run now.
    fn next(&mut self) -> Option<LocalFile> {
        if self.running > 0 && !self.has_answer {
            return None;
        }
        let may_run = |file: &LocalFile| !(file.is_large() && self.large_is_running);
        let at = self.waiting.iter().position(may_run)?;
        let file = self.waiting.remove(at)?;
        self.running += 1;
        self.large_is_running |= file.is_large();
        Some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resumed_client::SMALL_FILE_MAX;
    use std::thread;

    fn queue(lengths: &[u64]) -> Queue {
        let queue = Queue::default();
        for length in lengths {
            queue.push(LocalFile::for_test(*length));
        }
        queue
    }

    fn take(queue: &Queue) -> LocalFile {
        queue.take().expect("a file")
    }

    #[test]
    fn small_files_overtake_a_second_large_one() {
        const LARGE: u64 = SMALL_FILE_MAX + 1;
        let queue = queue(&[LARGE, LARGE + 1, 1, 2]);
        let first = take(&queue);
        queue.answered();
        assert_eq!([take(&queue).length, take(&queue).length], [1, 2]);
        queue.done(&first);
        assert_eq!(take(&queue).length, LARGE + 1);
        queue.close();
        assert!(queue.take().is_none());
    }

    #[test]
    fn first_file_runs_alone_until_the_server_answers() {
        let queue = queue(&[1, 2]);
        let first = take(&queue);
        thread::scope(|scope| {
            let second = scope.spawn(|| take(&queue).length);
            thread::yield_now();
            assert!(!second.is_finished());
            queue.done(&first);
            assert_eq!(second.join().expect("no panic"), 2);
        });
    }

    #[test]
    fn abort_counts_all_files_left() {
        let queue = queue(&[1, 2, 3]);
        take(&queue);
        queue.abort();
        queue.push(LocalFile::for_test(4));
        queue.close();
        assert!(queue.take().is_none());
        assert_eq!(queue.left(), 3);
    }

    #[test]
    fn push_waits_until_a_full_queue_is_half_empty() {
        let queue = queue(&[1; WAITING_MAX]);
        queue.answered();
        thread::scope(|scope| {
            let pushed = scope.spawn(|| queue.push(LocalFile::for_test(2)));
            thread::yield_now();
            assert!(!pushed.is_finished());
            for _ in 0..WAITING_MAX / 2 {
                take(&queue);
            }
            pushed.join().expect("no panic");
        });
    }
}
