//! Files in folders.

use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use super::super::OnConflict;
use super::*;
use crate::store::fs::fault::Op;

impl Bench {
    /// Returns the bytes of a file below the directory.
    fn content(&self, path: &str) -> Option<Vec<u8>> {
        on_disk::read(self.path().join(path)).ok()
    }
}

/// Sends another upload.
fn send(bench: &Bench, name: &str, bytes: &[u8]) -> PathBuf {
    let id = Id::new(b"alice", name.as_bytes());
    let declared = declared(bytes.len(), name);
    let mut append = bench.append_with(&id, 0, declared).unwrap();
    append.write(bytes).unwrap();
    let finished = append.finish(Completes::AtLength).unwrap();
    finished.published.unwrap().path
}

#[test]
fn file_is_published_into_its_declared_folders() {
    let bench = Bench::new();
    let path = send(&bench, "trip/day 1/a.jpg", b"a");
    assert_eq!(path, bench.path().join("trip/day 1/a.jpg"));
    send(&bench, "trip/b.jpg", b"b");
    send(&bench, "../trip/c.jpg", b"c");
    assert_eq!(bench.content("trip/day 1/a.jpg").unwrap(), b"a");
    assert_eq!(bench.content("trip/b.jpg").unwrap(), b"b");
    assert_eq!(
        bench.content("___trip_c.jpg").unwrap(),
        b"c",
        "that is no folder"
    );
}

#[test]
fn path_too_long_for_other_programs_loses_its_folders() {
    let bench = Bench::new();
    let folder = "d".repeat(240) + "/";
    let path = send(&bench, &(folder.repeat(33) + "a.mp4"), b"a");
    assert_eq!(on_disk::read(&path).unwrap(), b"a");
    assert_eq!(path.parent(), Some(bench.path()));
    let path = send(&bench, &(folder.repeat(32) + "a.mp4"), b"b");
    assert_eq!(on_disk::read(&path).unwrap(), b"b");
    let path = send(&bench, &(folder.repeat(10) + "a.mp4"), b"c");
    assert_eq!(path, bench.path().join(folder.repeat(10)).join("a.mp4"));
}

#[test]
fn taken_name_gets_a_number_in_the_same_folder() {
    let bench = Bench::new();
    bench.send_whole("trip/a.jpg", b"old");
    bench.forget(&id()).unwrap();
    bench.send_whole("trip/a.jpg", b"new");
    assert_eq!(bench.content("trip/a.jpg").unwrap(), b"old");
    assert_eq!(bench.content("trip/a (1).jpg").unwrap(), b"new");

    let replacing = Bench::with(Options {
        on_conflict: OnConflict::Replace,
        ..Options::default()
    });
    replacing.send_whole("trip/a.jpg", b"old");
    replacing.forget(&id()).unwrap();
    replacing.send_whole("trip/a.jpg", b"new");
    assert_eq!(names(&replacing.path().join("trip")), ["a.jpg"]);
    assert_eq!(replacing.content("trip/a.jpg").unwrap(), b"new");
}

/// A link could lead out of the directory. A file is never replaced by a folder.
#[test]
fn files_share_the_next_name_of_a_taken_folder() {
    let outside = tempfile::tempdir().unwrap();
    for on_conflict in [OnConflict::KeepBoth, OnConflict::Replace] {
        for take in TAKE_NAME {
            let bench = Bench::with(Options {
                on_conflict,
                ..Options::default()
            });
            on_disk::create_dir(bench.path().join("trip")).unwrap();
            take(&bench.path().join("trip/day"), outside.path());
            send(&bench, "trip/day/a", b"a");
            send(&bench, "trip/day/b", b"b");
            assert_eq!(bench.content("trip/day (1)/a").unwrap(), b"a");
            assert_eq!(bench.content("trip/day (1)/b").unwrap(), b"b");
            assert!(names(outside.path()).is_empty());
        }
    }
}

#[test]
fn link_in_place_of_a_folder_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    on_disk::write(outside.path().join("a"), b"others").unwrap();
    let mut bench = Bench::new();
    bench.send_whole("trip/a", b"ours");
    bench.closed(|bench| {
        on_disk::rename(bench.path().join("trip"), bench.path().join("moved")).unwrap();
        symlink(outside.path(), bench.path().join("trip")).unwrap();
    });
    let held_now = bench.status(&id()).unwrap();
    assert_eq!(held_now, held(0), "it was taken away");
}

#[test]
fn removed_folder_is_created_again() {
    let mut bench = Bench::new();
    bench.fail(Op::Publish, 0, 1, 5, None);
    assert!(bench.send(0, b"abc", declared(3, "trip/day/a")).is_err());
    bench.closed(|bench| on_disk::remove_dir_all(bench.path().join("trip")).unwrap());
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
    assert_eq!(bench.content("trip/day/a").unwrap(), b"abc");
}

/// `tests/it/durability/crash` tests the same order with a power loss.
#[test]
fn folder_is_durable_before_a_file_moves_there() {
    let bench = Bench::new();
    bench.send_whole("trip/day/a", b"abc");
    let folder = [Op::MakeFolder, Op::SyncDir];
    assert_eq!(
        bench.changes_since_a_folder()[..4],
        [folder, folder].concat()
    );
}

/// Returns the number of lookups, created folders and moves of the next upload of `name`.
fn tries(bench: &Bench, name: &str) -> usize {
    let before = bench.faults().log().len();
    send(bench, name, b"new");
    let log = bench.faults().log();
    let is_try = |op: &Op| matches!(op, Op::Look | Op::MakeFolder | Op::Publish);
    log[before..].iter().filter(|(op, _)| is_try(op)).count()
}

#[test]
fn name_taken_10001_times_needs_few_lookups() {
    let bench = Bench::quick();
    let take = |name: &str| on_disk::write(bench.path().join(name), b"old").unwrap();
    take("image.jpg");
    (1..10_001).for_each(|n| take(&format!("image ({n}).jpg")));
    for again in 0..3 {
        let tries = tries(&bench, "image.jpg");
        assert!(tries <= 16, "{tries} operations");
        assert_eq!(names(bench.path()).len(), 10_001 + 1 + again + 1);
        bench.forget(&Id::new(b"alice", b"image.jpg")).unwrap();
    }
}

#[test]
fn files_of_a_folder_whose_names_are_taken_stay_together() {
    let bench = Bench::quick();
    let take = |name: &str| on_disk::write(bench.path().join(name), b"old").unwrap();
    take("trip");
    (1..10_001).for_each(|n| take(&format!("trip ({n})")));
    let one = send(&bench, "trip/a", b"a");
    let other = send(&bench, "trip/b", b"b");
    assert_eq!(one.parent(), other.parent());
    assert!(tries(&bench, "trip/c") <= 16);
    assert_eq!(names(one.parent().unwrap()).len(), 3);
}

const ACCES: i32 = 13;
const IO: i32 = 5;

/// Returns the names of the folders in the directory.
fn folders(bench: &Bench) -> Vec<String> {
    let mut names = names(bench.path());
    names.retain(|name| name != ".resumed");
    names
}

#[test]
fn cancel_and_expiry_remove_the_folders_of_an_unpublished_upload() {
    let ends: [fn(&Bench); 2] = [
        |bench| assert!(bench.cancel(&id()).unwrap()),
        |bench| {
            let later = SystemTime::now() + Duration::from_secs(30 * 24 * 60 * 60);
            assert_eq!(bench.sweep(later).expired, 1);
        },
    ];
    for end in ends {
        for reopens in [false, true] {
            let mut bench = Bench::new();
            on_disk::create_dir(bench.path().join("old")).unwrap();
            bench.fail(Op::Publish, 0, usize::MAX, ACCES, None);
            assert!(
                bench
                    .send(0, b"abc", declared(3, "old/trip/day/a"))
                    .is_err()
            );
            assert!(bench.path().join("old/trip/day").is_dir());
            if reopens {
                bench.reopen();
                bench.fail(Op::Publish, 0, usize::MAX, ACCES, None);
                assert!(bench.status(&id()).is_err());
            }
            end(&bench);
            assert_eq!(names(&bench.path().join("old")), [""; 0]);
        }
    }
}

#[test]
fn folder_that_others_use_stays_after_a_cancel() {
    let bench = Bench::new();
    bench.fail(Op::Publish, 0, 1, ACCES, None);
    assert!(bench.send(0, b"abc", declared(3, "trip/day/a")).is_err());
    send(&bench, "trip/b", b"b");
    on_disk::create_dir(bench.path().join("mine")).unwrap();
    bench.cancel(&id()).unwrap();
    assert_eq!(names(&bench.path().join("trip")), ["b"]);

    bench.fail(Op::Publish, 0, 1, ACCES, None);
    assert!(bench.send(0, b"abc", declared(3, "mine/a")).is_err());
    bench.cancel(&id()).unwrap();
    assert!(bench.path().join("mine").is_dir());

    bench.fail(Op::Publish, 0, 1, ACCES, None);
    assert!(bench.send(0, b"abc", declared(3, "new/a")).is_err());
    on_disk::remove_dir(bench.path().join("new")).unwrap();
    on_disk::write(bench.path().join("new"), b"a file").unwrap();
    on_disk::create_dir(bench.path().join("new (1)")).unwrap();
    bench.fail(Op::Publish, 0, 1, ACCES, None);
    assert!(bench.status(&id()).is_err());
    bench.cancel(&id()).unwrap();
    assert!(bench.path().join("new (1)").is_dir());
}

#[test]
fn folders_of_a_failed_attempt_are_removed() {
    let bench = Bench::new();
    // The second folder, and the record with the path.
    for op in [Op::MakeFolder, Op::WriteRecord] {
        let after = usize::from(op == Op::MakeFolder);
        bench.fail(op, after, usize::MAX, IO, None);
        assert!(bench.send(0, b"abc", declared(3, "trip/day/a")).is_err());
        assert_eq!(folders(&bench), [""; 0], "{op:?}");
        bench.faults().clear();
        bench.cancel(&id()).unwrap();
    }
}

#[test]
fn upload_survives_the_removal_of_its_folder_by_another() {
    let bench = Bench::new();
    bench.fail(Op::Publish, 0, 1, ACCES, None);
    assert!(bench.send(0, b"abc", declared(3, "trip/day/a")).is_err());
    bench.faults().clear();
    let paused = bench.faults().pause(Op::Publish);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| send(&bench, "trip/day/b", b"b"));
        paused.wait();
        bench.cancel(&id()).unwrap();
        assert_eq!(folders(&bench), [""; 0]);
        paused.wait();
        assert_eq!(other.join().unwrap(), bench.path().join("trip/day/b"));
    });
    assert_eq!(bench.content("trip/day/b").unwrap(), b"b");
}
