//! Publishing by a copy. In these tests a move that fails with EXDEV stands for another file system.

use std::os::unix::fs::PermissionsExt;
use std::time::{Instant, SystemTime};

use super::super::{Obstacle, ObstacleKind, OnConflict, Sharing};
use super::*;
use crate::store::upload::copies::QUEUE_MAX;

const EIO: i32 = 5;
const EXDEV: i32 = 18;
const EFBIG: i32 = 27;
const ENOSPC: i32 = 28;

impl Bench {
    /// Makes every move fail with EXDEV.
    fn elsewhere(&self) {
        self.fail(Op::Publish, 0, usize::MAX, EXDEV, None);
    }

    /// Does the same, and also makes the operation `op` fail, `after` so many of them.
    fn elsewhere_failing(&self, op: Op, after: usize, errno: i32) {
        self.elsewhere();
        self.faults().plan_also(Fault {
            op,
            after,
            times: 1,
            errno,
            short: None,
        });
    }

    /// Returns the names and the contents of the files in `photos`.
    fn photos(&self) -> Vec<(String, Vec<u8>)> {
        let dir = self.path().join("photos");
        let read = |name: String| (name.clone(), on_disk::read(dir.join(name)).unwrap());
        let mut files: Vec<_> = names(&dir).into_iter().map(read).collect();
        files.sort();
        files
    }

    /// Repeats the status until the copy has ended.
    fn wait_until_published(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match self.status(&id()) {
                Ok(held) => return assert_eq!(held, complete(3)),
                Err(Error::NotPublished(_)) if Instant::now() < until => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn obstacle(result: Result<impl Sized, Error>) -> Obstacle {
    match result {
        Err(Error::NotPublished(obstacle)) => obstacle,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is published"),
    }
}

#[test]
fn file_for_another_file_system_is_copied_there() {
    let bench = Bench::new();
    bench.elsewhere();
    let intent = changed_at(1_000_000_000_000, declared(3, "photos/a"));
    let finished = bench.send(0, b"abc", intent).unwrap();
    let path = bench.path().join("photos/a");
    assert_eq!(finished.progress, complete(3));
    assert_eq!(finished.published.unwrap().path, path);
    assert_eq!(bench.photos(), [file("a", b"abc")]);
    assert!(bench.left().iter().all(|name| name.ends_with(".json")));
    let modified = on_disk::metadata(path).unwrap().modified().unwrap();
    let expected = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_000);
    assert_eq!(modified, expected);
}

#[test]
fn copy_is_durable_before_its_record_and_its_name() {
    let bench = Bench::new();
    bench.elsewhere();
    bench.send(0, b"abc", declared(3, "photos/a")).unwrap();
    let log = bench.faults().log();
    let last = |op: Op| log.iter().rposition(|(done, _)| *done == op).unwrap();
    let order = [Op::Copy, Op::SyncCopy, Op::PublishCopy, Op::Remove];
    assert!(order.map(last).is_sorted(), "{log:?}");
    let syncs = log[last(Op::PublishCopy)..last(Op::Remove)].iter();
    assert!(syncs.into_iter().any(|(op, _)| *op == Op::SyncDir));
}

#[test]
fn copy_replaces_a_taken_name_only_if_configured() {
    for (on_conflict, expected) in [
        (
            OnConflict::KeepBoth,
            vec![file("a", b"old"), file("a (1)", b"abc")],
        ),
        (OnConflict::Replace, vec![file("a", b"abc")]),
    ] {
        let bench = Bench::with(Options {
            on_conflict,
            ..Options::default()
        });
        on_disk::create_dir(bench.path().join("photos")).unwrap();
        on_disk::write(bench.path().join("photos/a"), b"old").unwrap();
        let mode = on_disk::Permissions::from_mode(0o640);
        on_disk::set_permissions(bench.path().join("photos/a"), mode).unwrap();
        bench.elsewhere();
        bench.send(0, b"abc", declared(3, "photos/a")).unwrap();
        assert_eq!(bench.photos(), expected);
        // A copy has the mode of the file that it replaces.
        let about = on_disk::metadata(bench.path().join("photos/a")).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o640);
    }
}

/// The file under that name existed before the upload.
#[test]
fn identical_earlier_file_is_not_taken_for_the_copy() {
    let bench = Bench::new();
    on_disk::create_dir(bench.path().join("photos")).unwrap();
    on_disk::write(bench.path().join("photos/a"), b"abc").unwrap();
    bench.elsewhere();
    bench.send(0, b"abc", declared(3, "photos/a")).unwrap();
    assert_eq!(bench.photos(), [file("a", b"abc"), file("a (1)", b"abc")]);
}

#[test]
fn copy_cut_anywhere_is_published_once_after_restart() {
    for (op, after) in [
        (Op::Copy, 0),
        (Op::SyncCopy, 0),
        (Op::WriteRecord, 1),
        (Op::PublishCopy, 0),
        (Op::SyncDir, 1),
        (Op::SyncDir, 2),
        (Op::SyncDir, 3),
        (Op::Remove, 0),
    ] {
        let mut bench = Bench::new();
        bench.elsewhere_failing(op, after, EIO);
        let _ = bench.send(0, b"abc", declared(3, "photos/a"));
        assert!(bench.faults().came(), "{op:?} {after}");
        bench.reopen();
        bench.elsewhere();
        bench.wait_until_published();
        assert_eq!(bench.photos(), [file("a", b"abc")], "{op:?} {after}");
        assert!(bench.left().iter().all(|name| name.ends_with(".json")));
    }
}

/// An earlier server named the copy. It could not sync the folder.
#[test]
fn name_of_an_earlier_copy_is_synced_before_its_source_goes() {
    let mut found = 0;
    for after in 1..6 {
        let mut bench = Bench::new();
        bench.elsewhere_failing(Op::SyncDir, after, EIO);
        let _ = bench.send(0, b"abc", declared(3, "photos/a"));
        let is_named = bench.path().join("photos/a").exists();
        if !is_named || bench.partial().is_none() {
            continue;
        }
        found += 1;
        bench.reopen();
        bench.elsewhere();
        bench.wait_until_published();
        let log = bench.faults().log();
        let last = |op: Op| log.iter().rposition(|(done, _)| *done == op).unwrap();
        // The copy was found under its name after the move failed.
        let after_move = &log[last(Op::Publish)..last(Op::Remove)];
        assert!(after_move.contains(&(Op::SyncDir, true)), "{log:?}");
        assert_eq!(bench.photos(), [file("a", b"abc")]);
    }
    assert!(found > 0);
}

/// Returns the store after a kill: with the data file, the record and a part of the copy.
fn with_half_copy() -> Bench {
    let mut bench = Bench::new();
    bench.elsewhere_failing(Op::Copy, 0, EIO);
    assert!(bench.send(0, b"abc", declared(3, "photos/a")).is_err());
    let hidden = format!("photos/.resumed-{}", id().key());
    bench.closed(|bench| on_disk::write(bench.path().join(&hidden), b"ab").unwrap());
    bench
}

#[test]
fn half_copy_of_an_earlier_server_is_replaced() {
    let bench = with_half_copy();
    bench.elsewhere();
    let report = bench.sweep(SystemTime::now());
    assert_eq!(report.published.len(), 1);
    assert_eq!(bench.photos(), [file("a", b"abc")]);
}

#[test]
fn failed_copy_returns_its_kind_and_leaves_no_file() {
    for (errno, kind) in [
        (EIO, ObstacleKind::Passing),
        (EFBIG, ObstacleKind::TooLarge),
        (ENOSPC, ObstacleKind::NoSpace),
    ] {
        let bench = Bench::new();
        bench.elsewhere_failing(Op::SyncCopy, 0, errno);
        let refused = obstacle(bench.send(0, b"abc", declared(3, "photos/a")));
        assert_eq!(refused.kind, kind);
        assert!(refused.to_string().contains("\"photos/a\""), "{refused}");
        assert!(bench.photos().is_empty());
        assert_eq!(bench.partial().unwrap(), b"abc");
        bench.wait_until_published();
        assert_eq!(bench.photos(), [file("a", b"abc")]);
    }
}

#[test]
fn status_in_mid_copy_is_refused_until_later() {
    let bench = Bench::new();
    bench.elsewhere();
    let send = || drop(bench.send(0, b"abc", declared(3, "photos/a")));
    let refused = bench.during(Op::Copy, send, || obstacle(bench.status(&id())));
    assert_eq!(refused.kind, ObstacleKind::Passing);
    bench.wait_until_published();
    assert_eq!(bench.photos(), [file("a", b"abc")]);
}

#[test]
fn cancel_in_mid_copy_leaves_nothing() {
    let bench = Bench::new();
    bench.elsewhere();
    let send = || drop(bench.send(0, b"abc", declared(3, "photos/a")));
    assert!(bench.during(Op::SyncCopy, send, || bench.cancel(&id()).unwrap()));
    let until = Instant::now() + Duration::from_secs(10);
    while bench.path().join("photos").exists() {
        assert!(Instant::now() < until, "{:?}", bench.photos());
    }
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert!(bench.left().is_empty());
    assert_eq!(bench.under_way(b"alice"), []);
}

#[test]
fn shared_directory_leaves_the_copy_of_another_server_alone() {
    let mut bench = Bench::with(Options {
        sharing: Sharing::Shared,
        ..Options::default()
    });
    bench.elsewhere_failing(Op::Copy, 0, EIO);
    assert!(bench.send(0, b"abc", declared(3, "photos/a")).is_err());
    let hidden = bench.path().join(format!("photos/.resumed-{}", id().key()));
    bench.closed(|_| on_disk::write(&hidden, b"ab").unwrap());
    bench.elsewhere();
    let refused = obstacle(bench.status(&id()));
    assert_eq!(refused.kind, ObstacleKind::Passing);
    assert_eq!(on_disk::read(&hidden).unwrap(), b"ab");
    // No server has written to the copy for a long time: an earlier server left it.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let file = on_disk::File::options().write(true).open(&hidden).unwrap();
    file.set_modified(hour_ago).unwrap();
    bench.wait_until_published();
    assert_eq!(bench.photos(), [super::file("a", b"abc")]);
}

#[test]
fn cancel_after_a_kill_removes_the_half_copy() {
    let bench = with_half_copy();
    bench.cancel(&id()).unwrap();
    assert!(!bench.path().join("photos").exists());
}

#[test]
fn write_beyond_the_size_limit_is_final_and_keeps_bytes() {
    let bench = Bench::new();
    bench.fail(Op::Write, 1, usize::MAX, EFBIG, Some(2));
    let sent = bench.send(0, b"abc", declared(3, "a"));
    assert_refused!(sent, Error::FileTooLarge(_));
    assert_eq!(bench.status(&id()).unwrap(), held(2));
    assert_eq!(bench.partial().unwrap(), b"ab");
}

#[test]
fn upload_that_finds_a_full_queue_is_refused_until_later() {
    let bench = Bench::new();
    // A third move would succeed.
    bench.fail(Op::Publish, 0, 2, EXDEV, None);
    let others = (0..QUEUE_MAX).map(|number| Id::new(b"", &number.to_be_bytes()).key());
    bench.registry.copies.jobs().queue.extend(others);
    let refused = obstacle(bench.send(0, b"abc", declared(3, "photos/a")));
    assert_eq!(refused.kind, ObstacleKind::Passing);
    bench.registry.copies.jobs().queue.clear();
    bench.wait_until_published();
}

#[test]
fn request_at_the_end_of_a_copy_leaves_no_obstacle() {
    let bench = Bench::new();
    bench.elsewhere();
    bench.send_whole("photos/a", b"abc");
    // The request saw the copy under way, and then the copy ended.
    bench.registry.copies.jobs().current = Some(id().key());
    let upload = bench.upload(&id());
    assert_eq!(upload.progress().unwrap(), complete(3));
    assert_eq!(upload.publish().unwrap().progress, complete(3));
    assert_eq!(bench.under_way(b"alice"), []);
}
