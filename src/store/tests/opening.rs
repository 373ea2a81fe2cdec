//! Opening a directory: what is made, what is refused, and the messages. The words of a cause are those of the system.

use std::io;

use super::super::OpenError;
use super::*;
use crate::store::fs::disk::Disk;

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path, Options::default())
}

/// Returns the error of opening when operations `op` fail after the first `after`; "" if opening succeeds.
fn error_when_failing(op: Op, after: usize, errno: i32, sync: SyncMode) -> String {
    let temporary = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    faults.plan(Fault {
        op,
        after,
        times: usize::MAX,
        errno,
        short: None,
    });
    let options = Options {
        sync,
        ..Options::default()
    };
    let opened = Disk::open(temporary.path(), &options, faults);
    let said = opened.err().map(|error| error.to_string());
    let dir = format!("{}", temporary.path().display());
    said.unwrap_or_default().replace(&dir, "DIR")
}

#[test]
fn missing_fsync_at_start_is_reported_with_advice() {
    const EINVAL: i32 = 22;
    let way_out = format!(
        "{}; its file system does not support fsync: \
         start with --sync fast, or choose a directory on another file system",
        io::Error::from_raw_os_error(EINVAL)
    );
    let said = |after| error_when_failing(Op::SyncAtOpen, after, EINVAL, SyncMode::Durable);
    assert_eq!(said(0), format!("cannot sync DIR: {way_out}"));
    let file = said(1);
    assert_eq!(file, format!("cannot sync DIR/.resumed/lock: {way_out}"));
    assert_eq!(
        error_when_failing(Op::SyncAtOpen, 0, EINVAL, SyncMode::Fast),
        ""
    );
}

#[test]
fn failed_fsync_at_start_does_not_advise_sync_fast() {
    const EIO: i32 = 5;
    let said = error_when_failing(Op::SyncAtOpen, 0, EIO, SyncMode::Durable);
    let cause = io::Error::from_raw_os_error(EIO);
    assert_eq!(said, format!("cannot sync DIR: {cause}"));
}

#[test]
fn missing_locks_at_start_are_reported_with_advice() {
    const ENOLCK: i32 = 37;
    let said = error_when_failing(Op::LockAtOpen, 0, ENOLCK, SyncMode::Fast);
    let cause = io::Error::from_raw_os_error(ENOLCK);
    assert_eq!(
        said,
        format!(
            "cannot lock DIR/.resumed/lock: {cause}; the file system has to support flock \
             (NFS: start its lock service, or mount with local_lock=flock)"
        )
    );
}

#[test]
fn missing_directories_are_created_and_locked() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("deep/er");
    let store = open(&dir).unwrap();
    let error = open(&dir).err().unwrap();
    assert!(matches!(error, OpenError::InUse(_)));
    assert_eq!(
        error.to_string(),
        format!("{} is in use by another server", dir.display())
    );
    drop(store);
    open(&dir).unwrap();
}

#[test]
fn append_keeps_the_directory_locked() {
    let temporary = tempfile::tempdir().unwrap();
    let store = open(temporary.path()).unwrap();
    let append = store.append(&id(), 0).unwrap();
    drop(store);
    assert!(open(temporary.path()).is_err());
    drop(append);
    assert!(open(temporary.path()).is_ok());
}

#[test]
fn closed_store_is_unlocked_despite_inherited_lock_file() {
    let mut bench = Bench::new();
    let _inherited = bench.registry.disk.lock.try_clone().unwrap();
    bench.closed(|bench| assert!(open(bench.path()).is_ok()));
}

#[test]
fn file_in_place_of_a_directory_is_reported() {
    let temporary = tempfile::tempdir().unwrap();
    let (file, dir) = (temporary.path().join("file"), temporary.path().join("dir"));
    on_disk::write(&file, b"").unwrap();
    assert!(matches!(open(&file), Err(OpenError::NotDirectory(path)) if path == file));
    assert!(matches!(
        open(&file.join("below")),
        Err(OpenError::NotDirectory(_))
    ));

    on_disk::create_dir(&dir).unwrap();
    let partials = dir.join(".resumed");
    on_disk::write(&partials, b"").unwrap();
    assert!(matches!(open(&dir), Err(OpenError::NotDirectory(path)) if path == partials));
    on_disk::remove_file(&partials).unwrap();
    std::os::unix::fs::symlink(temporary.path(), &partials).unwrap();
    assert!(matches!(open(&dir), Err(OpenError::Symlink(path)) if path == partials));
}

#[test]
fn unwritable_directory_is_reported_with_its_cause() {
    let error = open(Path::new("/proc/self/uploads")).err().unwrap();
    let cause = std::error::Error::source(&error)
        .unwrap()
        .downcast_ref::<std::io::Error>()
        .unwrap();
    assert!(cause.raw_os_error().is_some(), "{error}");
}
