//! The store under many schedules, on a real directory in memory. Calls of the file system do not wait.
//!
//! The thread that opens a scope only joins the threads in it. In shuttle, the end of the last of these would also end another
//! wait of that thread.

use std::io;
use std::time::{Duration, SystemTime};

use super::*;
use crate::store::fs::group_commit::SharedSync;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::sync::explore::{assert_found, explore, memory_dir};
use crate::sync::{Planted, thread};

const WHOLE: &[u8] = b"0123456789";

/// Returns a store whose first sweep has ended: it knows which uploads have files.
fn swept() -> Bench {
    let bench = Bench::within(memory_dir(), Options::default());
    bench.sweep(SystemTime::now());
    bench
}

/// Returns a store with the first half of the upload.
fn half() -> Bench {
    let bench = swept();
    bench.send(0, &WHOLE[..5], declared(10, "a")).unwrap();
    bench
}

impl Bench {
    /// Returns the result of a status, and the number of files that it has published.
    fn ask_once(&self) -> Result<(Progress, usize), Error> {
        let (progress, published) = self.status_of(&self.upload(&id()), &id())?;
        Ok((progress, published.iter().count()))
    }

    /// Continues the upload until it is complete, in windows of three bytes. Returns the number of files that this
    /// published.
    fn send_until_complete(&self) -> usize {
        let mut published = 0;
        loop {
            let (at, by_status) = self.ask_once().unwrap();
            published += by_status;
            if at.complete {
                return published;
            }
            let rest = &WHOLE[at.offset as usize..];
            let mut append = match self.append_with(&id(), at.offset, declared(10, "a")) {
                Ok(append) => append,
                Err(Error::Mismatch | Error::Overshoot { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            let is_written = rest.chunks(3).all(|window| append.write(window).is_ok());
            if !is_written {
                published += append.cut().iter().count();
                continue;
            }
            match append.finish(Completes::AtLength) {
                Ok(finished) => published += finished.published.iter().count(),
                Err(Error::Superseded) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Asserts that the upload is complete, also for a new store.
    fn assert_complete(&mut self) {
        assert_eq!(self.published(), [file("a", WHOLE)]);
        self.assert_idle();
        assert_eq!(self.status(&id()).unwrap(), complete(10));
        self.reopen();
        assert_eq!(self.status(&id()).unwrap(), complete(10));
    }

    /// Asserts that no upload is in memory, has a data file or reserves space.
    fn assert_idle(&self) {
        assert_eq!(self.partial(), None);
        assert_eq!(self.registry.len(), 0);
        assert!(!self.registry.reservations.has(id().key()));
        assert_eq!(self.partials(), 0);
    }
}

fn two_appends() {
    let mut bench = swept();
    let published = thread::scope(|scope| {
        let one = scope.spawn(|| bench.send_until_complete());
        let other = scope.spawn(|| bench.send_until_complete());
        one.join().unwrap() + other.join().unwrap()
    });
    assert_eq!(published, 1);
    bench.assert_complete();
}

#[test]
fn two_appends_publish_one_whole_file() {
    explore(two_appends);
}

/// An append brings the last bytes beside a status and a sweep. Each of the three may publish.
fn three_publishers() {
    let mut bench = half();
    let published = thread::scope(|scope| {
        let status = scope.spawn(|| bench.ask_once().unwrap().1);
        let sweep = scope.spawn(|| bench.sweep(SystemTime::now()).published.len());
        let append = scope.spawn(|| {
            let finished = bench.send(5, &WHOLE[5..], exactly(5)).unwrap();
            assert_eq!(finished.progress, complete(10));
            finished.published.iter().count()
        });
        append.join().unwrap() + status.join().unwrap() + sweep.join().unwrap()
    });
    assert_eq!(published, 1);
    bench.assert_complete();
}

#[test]
fn append_status_and_sweep_publish_one_file() {
    explore(three_publishers);
}

#[test]
fn planted_double_publish_is_found() {
    assert_found(Planted::StalePhase, three_publishers);
}

#[test]
fn cancel_leaves_a_whole_file_or_nothing() {
    explore(|| {
        let bench = half();
        let (sent, status) = thread::scope(|scope| {
            let cancel = scope.spawn(|| bench.cancel(&id()).unwrap());
            let status = scope.spawn(|| bench.ask_once().unwrap().0);
            let append = scope.spawn(|| bench.send(5, &WHOLE[5..], exactly(5)));
            assert!(cancel.join().unwrap());
            (append.join().unwrap(), status.join().unwrap())
        });
        match sent {
            Ok(finished) => {
                assert_eq!(finished.progress, complete(10));
                assert_eq!(bench.published(), [file("a", WHOLE)]);
            }
            Err(Error::Superseded | Error::Mismatch) => {
                let file = status.complete.then(|| file("a", WHOLE));
                assert_eq!(bench.published(), Vec::from_iter(file));
            }
            Err(error) => panic!("{error}"),
        }
        bench.assert_idle();
        assert_eq!(bench.left(), [""; 0]);
        assert_eq!(bench.status(&id()).unwrap(), held(0));
    });
}

#[test]
fn sweep_does_not_expire_a_resumed_upload() {
    explore(|| {
        let bench = half();
        let later = SystemTime::now() + Duration::from_secs(8 * 24 * 60 * 60);
        thread::scope(|scope| {
            scope.spawn(|| bench.sweep(later));
            scope.spawn(|| {
                let Ok(mut append) = bench.append_with(&id(), 5, exactly(5)) else {
                    return assert_eq!(bench.status(&id()).unwrap(), held(0));
                };
                append.write(&WHOLE[5..]).unwrap();
                let finished = append.finish(Completes::AtLength).unwrap();
                assert_eq!(finished.progress, complete(10));
                assert_eq!(bench.published(), [file("a", WHOLE)]);
            });
        });
        bench.assert_idle();
    });
}

#[test]
fn uploads_of_one_name_become_two_files() {
    explore(|| {
        let mut bench = swept();
        let ids = [Id::new(b"", b"one"), Id::new(b"", b"two")];
        let send = |id: &Id, bytes: &[u8]| {
            let mut append = bench.append_with(id, 0, declared(4, "a")).unwrap();
            append.write(bytes).unwrap();
            append.finish(Completes::AtLength).unwrap();
        };
        thread::scope(|scope| {
            scope.spawn(|| bench.sweep(SystemTime::now()));
            scope.spawn(|| send(&ids[0], b"1111"));
            scope.spawn(|| send(&ids[1], b"2222"));
        });
        let mut files = bench.published();
        assert_eq!(files.len(), 2);
        files.sort_by(|one, other| one.1.cmp(&other.1));
        let bytes = files.iter().map(|(_, bytes)| &bytes[..]);
        assert!(bytes.eq([&b"1111"[..], b"2222"]));
        bench.assert_idle();
        bench.reopen();
        for id in &ids {
            assert_eq!(bench.status(id).unwrap(), complete(4));
        }
    });
}

/// Asks for the progress, and checks that its bytes are synced.
fn durable_offset(bench: &Bench) -> u64 {
    let upload = bench.upload(&id());
    match bench.status_of(&upload, &id()) {
        Ok((progress, _)) => {
            let synced = upload.peek().unwrap().durability().synced();
            assert!(synced >= Some(progress.offset));
            progress.offset
        }
        Err(Error::Io(_)) => 0,
        Err(error) => panic!("{error}"),
    }
}

/// An append is cut while two requests ask for its progress. `prepare` may plan a failure of the disk.
fn cut_beside_questions(prepare: fn(&Bench)) {
    let bench = half();
    prepare(&bench);
    let reported = thread::scope(|scope| {
        let one = scope.spawn(|| durable_offset(&bench));
        let other = scope.spawn(|| durable_offset(&bench));
        scope.spawn(|| {
            let mut append = bench.append(&id(), 5).unwrap();
            let _ = append.write(&WHOLE[5..7]);
            let _ = append.write(&WHOLE[7..9]);
            append.cut();
        });
        one.join().unwrap().max(other.join().unwrap())
    });
    let now = durable_offset(&bench);
    assert!(now >= reported.max(5), "{now} < {reported}");
    assert_eq!(bench.partial().unwrap(), WHOLE[..now as usize]);
}

#[test]
fn reported_bytes_are_synced() {
    explore(|| cut_beside_questions(|_| {}));
}

#[test]
fn reported_bytes_survive_a_failed_sync() {
    explore(|| cut_beside_questions(|bench| bench.fail(Op::Sync, 0, 1, 5, None)));
}

#[test]
fn caller_of_a_shared_sync_relies_on_a_later_round() {
    explore(|| {
        let (shared, clock) = (SharedSync::default(), AtomicUsize::new(1));
        let began = AtomicUsize::new(0);
        let ask = || {
            let asked = clock.fetch_add(1, SeqCst);
            let round = || -> io::Result<()> {
                began.fetch_max(clock.fetch_add(1, SeqCst), SeqCst);
                Ok(())
            };
            shared.share(round).unwrap();
            assert!(began.load(SeqCst) > asked);
        };
        thread::scope(|scope| {
            scope.spawn(ask);
            scope.spawn(ask);
            scope.spawn(ask);
        });
    });
}

/// Two appends of an upload beyond the number of partial uploads: the first is cut, and the second has the last bytes.
#[test]
fn cut_beyond_the_limit_leaves_a_newer_append_alone() {
    explore(|| {
        let options = Options {
            max_partials: Some(0),
            ..Options::default()
        };
        let bench = Bench::within(memory_dir(), options);
        let whole = AppendRequest {
            body_length: BodyLength::Exactly(10),
            ..declared(10, "a")
        };
        let mut first = bench.append_with(&id(), 0, whole).unwrap();
        first.write(&WHOLE[..5]).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| drop(first.cut()));
            scope.spawn(|| {
                let Ok(mut second) = bench.append_with(&id(), 5, exactly(5)) else {
                    return;
                };
                if second.write(&WHOLE[5..]).is_ok() {
                    let finished = second.finish(Completes::AtLength).unwrap();
                    assert_eq!(finished.progress, complete(10));
                    assert_eq!(bench.status(&id()).unwrap(), complete(10));
                }
            });
        });
    });
}

/// A client sends an upload, forgets it, and sends another one under the same id. Beside it, an append goes beyond the
/// length.
#[test]
fn new_store_finds_the_upload_that_the_old_one_left() {
    const OTHER: &[u8] = b"abcdefghij";
    explore(|| {
        let mut bench = swept();
        thread::scope(|scope| {
            scope.spawn(|| {
                if bench.send(0, WHOLE, declared(10, "a")).is_ok() {
                    bench.forget(&id()).unwrap();
                    let _ = bench.send(0, OTHER, declared(10, "a"));
                }
            });
            scope.spawn(|| {
                if let Ok(mut append) = bench.append_with(&id(), 0, declared(10, "a")) {
                    let _ = append.write(WHOLE).and_then(|()| append.write(b"beyond"));
                    append.cut();
                }
            });
            scope.spawn(|| bench.status(&id()).unwrap());
            scope.spawn(|| bench.sweep(SystemTime::now()));
        });
        let (files, left) = (bench.published(), bench.status(&id()).unwrap());
        assert!(
            files
                .iter()
                .all(|(_, bytes)| [WHOLE, OTHER].contains(&&**bytes))
        );
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), left);
        assert_eq!(bench.published(), files);
    });
}
