//! Tests of the store on real temporary directories. No test sleeps.

mod admission;
mod clocks;
mod copies;
mod crc32;
mod displaced;
mod faults;
mod folders;
mod hashing;
mod hooks;
#[cfg(shuttle)]
mod interleavings;
mod life;
mod log;
mod opening;
mod ownership;
mod power_loss;
mod repair;
mod said;
mod sweeping;
mod takeover;
mod under_way;
mod usage;
mod user_dirs;
mod waiting;
#[cfg(target_os = "linux")]
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use super::{
    Append, AppendRequest, BodyLength, Completes, Error, FileInfo, Finished, Id, Options, Progress,
    Store, SweepReport, SyncMode,
};
use crate::store::fs::disk::on_disk;
use crate::store::fs::fault::{Fault, Faults, Op};

/// A store in a directory of its own.
struct Bench {
    dir: tempfile::TempDir,
    options: Options,
    store: Option<Store>,
}

impl Deref for Bench {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store.as_ref().expect("open but within `closed`")
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        Self::within(tempfile::tempdir().unwrap(), options)
    }

    /// Returns a store without syncs.
    fn fast() -> Self {
        Self::with(Options {
            sync: SyncMode::Fast,
            ..Options::default()
        })
    }

    /// Returns a store in memory, if `/dev/shm` exists: for tests with hundreds of stores.
    fn quick() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        Self::within(dir, Options::default())
    }

    fn within(dir: tempfile::TempDir, options: Options) -> Self {
        let options = Options {
            min_free: 0,
            ..options
        };
        let store = Some(Store::open(dir.path(), options.clone()).unwrap());
        Self {
            dir,
            options,
            store,
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Closes the store, changes the directory, and opens the store again.
    fn closed(&mut self, change: impl FnOnce(&Self)) {
        self.store = None;
        change(self);
        self.store = Some(Store::open(self.path(), self.options.clone()).unwrap());
    }

    fn reopen(&mut self) {
        self.closed(|_| ());
    }

    /// Sweeps as if the server ran until `at`.
    fn sweep(&self, at: SystemTime) -> SweepReport {
        let ahead = at.duration_since(SystemTime::now()).unwrap_or_default();
        let ahead_ms = ahead.as_millis() as i64;
        self.shift_clock(ahead_ms, ahead_ms);
        Store::sweep(self)
    }

    /// Sets both clocks ahead of the real ones: the wall clock, and the running time.
    fn shift_clock(&self, wall_ms: i64, running_ms: i64) {
        *self.registry.clock.shift.lock().unwrap() = (wall_ms, running_ms);
    }

    fn faults(&self) -> &Faults {
        &self.registry.disk.faults
    }

    /// Returns the changes of the disk after a number of operations.
    fn changes_since(&self, before: usize) -> Vec<Op> {
        let log = self.faults().log();
        let changes = |op: &Op| !matches!(op, Op::LoadRecord | Op::Open | Op::Free | Op::Look);
        let ops = log[before..].iter().map(|(op, _)| *op);
        ops.filter(changes).collect()
    }

    /// Returns the changes of the disk from the first new folder on.
    fn changes_since_a_folder(&self) -> Vec<Op> {
        let changes = self.changes_since(0).into_iter();
        changes.skip_while(|op| *op != Op::MakeFolder).collect()
    }

    /// Makes `times` operations of a kind fail after the first `after`. A write before that writes `short` bytes.
    fn fail(&self, op: Op, after: usize, times: usize, errno: i32, short: Option<usize>) {
        self.faults().plan(Fault {
            op,
            after,
            times,
            errno,
            short,
        });
    }

    /// Returns the result of `ask` while `act` waits in the middle of such an operation.
    fn during<T: Send>(
        &self,
        op: Op,
        act: impl FnOnce() + Send,
        ask: impl FnOnce() -> T + Send,
    ) -> T {
        let paused = self.faults().pause(op);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(act);
            paused.wait();
            scope.spawn(move || sender.send(ask()));
            let result = receiver.recv_timeout(Duration::from_secs(10));
            paused.wait();
            result.expect("`ask` does not wait for `act`")
        })
    }

    fn data_path(&self) -> PathBuf {
        self.path().join(".resumed").join(id().key().to_string())
    }

    fn record_path(&self) -> PathBuf {
        self.data_path().with_extension("json")
    }

    /// Returns the bytes of the data file.
    fn partial(&self) -> Option<Vec<u8>> {
        on_disk::read(self.data_path()).ok()
    }

    /// Returns the record, from its file or from the log.
    fn record(&self) -> Option<String> {
        let in_log = || String::from_utf8(self.entry()?).ok();
        let in_file = on_disk::read_to_string(self.record_path()).ok();
        in_file.or_else(in_log)
    }

    /// Returns the record, if it is in the completion log.
    fn entry(&self) -> Option<Vec<u8>> {
        self.registry.log.find(id().key()).unwrap()
    }

    /// Returns the finished files by name.
    fn published(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = names(self.path())
            .into_iter()
            .filter(|name| name != ".resumed")
            .map(|name| (name.clone(), on_disk::read(self.path().join(name)).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// Returns the names in `.resumed` without lock, clock and log.
    fn left(&self) -> Vec<String> {
        let mut names = names(&self.path().join(".resumed"));
        names.retain(|name| !["lock", "journal", "clock"].contains(&&**name));
        names.sort();
        names
    }

    /// Appends `bytes` at `start` and finishes.
    fn send(&self, start: u64, bytes: &[u8], intent: AppendRequest) -> Result<Finished, Error> {
        let mut append = self.append_with(&id(), start, intent)?;
        append.write(bytes)?;
        append.finish(Completes::AtLength)
    }

    /// Sends all of another upload.
    fn store_other(&self, bytes: &[u8]) {
        self.store_as("other", bytes);
    }

    /// Sends all of an upload with this id and name.
    fn store_as(&self, name: &str, bytes: &[u8]) {
        let declared = declared(bytes.len(), name);
        let id = Id::new(b"", name.as_bytes());
        let mut append = self.append_with(&id, 0, declared).unwrap();
        append.write(bytes).unwrap();
        append.finish(Completes::AtLength).unwrap();
    }

    /// Sends all of an upload called `name`.
    fn send_whole(&self, name: &str, bytes: &[u8]) -> Finished {
        self.send(0, bytes, declared(bytes.len(), name)).unwrap()
    }
}

/// Ways to take a name before a folder gets it: a file, a link to the directory `outside`, and a link to nothing.
const TAKE_NAME: [fn(&Path, &Path); 3] = [
    |at, _| on_disk::write(at, b"a file").unwrap(),
    |at, outside| symlink(outside, at).unwrap(),
    |at, _| symlink("/nowhere", at).unwrap(),
];

fn names(dir: &Path) -> Vec<String> {
    let entries = on_disk::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Returns the id of the upload that most tests use.
fn id() -> Id {
    Id::new(b"alice", b"holiday.mp4-10-1700000000000")
}

fn declared(length: usize, name: &str) -> AppendRequest {
    AppendRequest {
        length: Some(length as u64),
        file: named(name),
        ..AppendRequest::default()
    }
}

fn named(name: &str) -> FileInfo {
    FileInfo {
        name: Some(name.into()),
        ..FileInfo::default()
    }
}

fn changed_at(ms: u64, mut request: AppendRequest) -> AppendRequest {
    request.file.modified_ms = Some(ms);
    request
}

fn exactly(bytes: u64) -> AppendRequest {
    AppendRequest {
        body_length: BodyLength::Exactly(bytes),
        ..AppendRequest::default()
    }
}

fn nothing() -> AppendRequest {
    AppendRequest {
        body_length: BodyLength::Nothing,
        ..AppendRequest::default()
    }
}

fn held(offset: u64) -> Progress {
    Progress {
        offset,
        complete: false,
    }
}

fn complete(offset: u64) -> Progress {
    Progress {
        offset,
        complete: true,
    }
}

fn file(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.to_vec())
}

/// Returns the error of `result`.
fn refusal<T>(result: Result<T, Error>) -> Error {
    result.err().expect("refused")
}

/// Asserts that an expression fails with an error of this shape.
macro_rules! assert_refused {
    ($result:expr, $error:pat) => {
        match super::refusal($result) {
            $error => {}
            other => panic!("refused with {other:?}"),
        }
    };
}
use assert_refused;
