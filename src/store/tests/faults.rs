//! Failures of the disk. Each response stays true, and no file or descriptor leaks.

use super::*;
use crate::store::Sharing;
use crate::store::fs::fault::{Fault, Op};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

const BYTES: &[u8] = b"0123456789";

const OPS: [Op; 21] = [
    Op::Open,
    Op::Create,
    Op::Read,
    Op::Write,
    Op::Sync,
    Op::Length,
    Op::Cut,
    Op::SetTime,
    Op::Marker,
    Op::Remove,
    Op::LoadRecord,
    Op::CreateRecord,
    Op::WriteRecord,
    Op::SyncRecord,
    Op::RenameRecord,
    Op::Look,
    Op::MakeFolder,
    Op::Publish,
    Op::SyncDir,
    Op::Free,
    Op::List,
];

/// A client that repeats requests until its upload is complete. It stores the progress that responses reported.
struct Client<'a> {
    bench: &'a Bench,
    reported: Progress,
    /// The maximum number of bytes in a request.
    window: usize,
}

impl Client<'_> {
    /// Sends one request after another. Cuts some of them.
    fn upload(&mut self) {
        for round in 0..12 {
            if self.reported.complete {
                break;
            }
            let _ = self.request(round);
        }
        if let Ok(held) = self.bench.status(&id()) {
            self.hear(held);
            let _ = self.bench.tail(&id(), held);
        }
    }

    fn request(&mut self, round: usize) -> Result<(), Error> {
        let at = self.bench.status(&id())?;
        self.hear(at);
        let start = at.offset as usize;
        let intent = changed_at(1_700_000_000_000, declared(BYTES.len(), "a"));
        let mut append = self.bench.append_with(&id(), at.offset, intent)?;
        append.write(&BYTES[start..BYTES.len().min(start + self.window)])?;
        if round == 1 {
            append.cut();
            return Ok(());
        }
        let finished = append.finish(Completes::AtLength)?;
        self.hear(finished.progress);
        Ok(())
    }

    /// Asserts that a response takes no earlier progress back, and that its progress is durable.
    fn hear(&mut self, held: Progress) {
        assert!(
            held.offset >= self.reported.offset,
            "{held:?} after {:?}",
            self.reported
        );
        assert!(held.complete || !self.reported.complete);
        self.reported = held;
        assert_durable(&self.bench.faults().log());
    }
}

/// Asserts that a successful sync followed the last change of bytes, and of names.
fn assert_durable(log: &[(Op, bool)]) {
    assert!(last(log, &[Op::Write]) <= last(log, &[Op::Sync]), "{log:?}");
    let names = [Op::RenameRecord, Op::Create, Op::Publish, Op::Remove];
    assert!(last(log, &names) <= last(log, &[Op::SyncDir]), "{log:?}");
}

/// Returns the index of the last successful operation in `ops`.
fn last(log: &[(Op, bool)], ops: &[Op]) -> Option<usize> {
    log.iter()
        .rposition(|(op, passed)| *passed && ops.contains(op))
}

/// Runs `deed` with each possible fault: each operation, at each occurrence, fails once, twice or always. `deed`
/// returns whether the fault occurred.
fn with_every_fault(deed: impl Fn(Bench, Fault) -> bool) {
    let kinds = OPS
        .iter()
        .flat_map(|op| [EIO, ENOSPC].map(|errno| (*op, errno)));
    for (op, errno) in kinds {
        for times in [1, 2, usize::MAX] {
            let short = (op == Op::Write).then_some(1);
            let faults = (0..).map(|after| Fault {
                op,
                after,
                times,
                errno,
                short,
            });
            let came = |fault: &Fault| {
                let bench = Bench::quick();
                bench.faults().plan(*fault);
                deed(bench, *fault)
            };
            faults.take_while(came).for_each(drop);
        }
    }
}

#[test]
fn no_fault_makes_a_false_answer() {
    assert_no_false_answer(3);
}

#[test]
fn no_fault_makes_a_false_answer_in_one_request() {
    assert_no_false_answer(BYTES.len());
}

fn assert_no_false_answer(window: usize) {
    with_every_fault(|mut bench, fault| {
        let mut client = Client {
            bench: &bench,
            reported: held(0),
            window,
        };
        client.upload();
        let reported = client.reported;
        let came = bench.faults().came();
        assert!(
            bench.registry.len() <= 1,
            "{fault:?}: only a broken one stays"
        );
        assert!(
            bench.published().iter().all(|file| file.1 == BYTES),
            "{fault:?}"
        );

        bench.closed(|bench| assert_eq!(descriptors(bench.path()), 0, "{fault:?}"));
        let now = bench.status(&id()).unwrap();
        assert!(
            now.offset >= reported.offset && now.complete >= reported.complete,
            "{fault:?} {reported:?} {now:?}"
        );
        let mut client = Client {
            bench: &bench,
            reported,
            window,
        };
        client.upload();
        assert_eq!(client.reported, complete(10), "{fault:?}");
        assert!(bench.published().contains(&file("a", BYTES)), "{fault:?}");
        came
    });
}

#[test]
fn no_fault_makes_a_false_cancel() {
    with_every_fault(|mut bench, fault| {
        let _ = bench.send(0, b"some", declared(10, "a"));
        let cancelled = bench.cancel(&id()).is_ok();
        let came = bench.faults().came();
        if cancelled {
            let log = bench.faults().log();
            assert!(
                last(&log, &[Op::Remove]) <= last(&log, &[Op::SyncDir]),
                "{fault:?}"
            );
            assert!(bench.left().is_empty(), "{fault:?}");
        }
        bench.closed(|bench| assert_eq!(descriptors(bench.path()), 0, "{fault:?}"));
        bench.cancel(&id()).unwrap();
        assert!(
            bench.left().is_empty() && bench.published().is_empty(),
            "{fault:?}"
        );
        came
    });
}

#[test]
fn full_disk_keeps_written_bytes() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"012").unwrap();
    bench.fail(Op::Write, 1, usize::MAX, ENOSPC, Some(2));
    match refusal(append.write(b"3456")) {
        Error::StorageFull(error) => assert_eq!(error.raw_os_error(), Some(ENOSPC)),
        other => panic!("{other:?}"),
    }
    append.cut();
    assert_eq!(bench.status(&id()).unwrap(), held(5));
    bench.faults().clear();
    assert_eq!(
        bench
            .send(5, b"56789", AppendRequest::default())
            .unwrap()
            .progress,
        complete(10)
    );
    assert_eq!(bench.published(), [file("a", BYTES)]);
}

#[test]
fn failed_write_truncates_to_synced_bytes() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"012").unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    append.write(b"34").unwrap();
    bench.fail(Op::Write, 0, 1, EIO, None);
    assert_refused!(append.write(b"5"), Error::Io(_));
    assert_eq!(bench.partial().unwrap(), b"012");
    assert_refused!(append.write(b"5"), Error::Superseded);
    assert_eq!(bench.status(&id()).unwrap(), held(3));
}

#[test]
fn failed_write_without_syncs_keeps_written_bytes() {
    let bench = Bench::fast();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"012").unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    append.write(b"34").unwrap();
    assert_eq!(bench.durable_progress(&id()), Some(held(5)));
    bench.fail(Op::Write, 1, 1, EIO, Some(1));
    assert_refused!(append.write(b"567"), Error::Io(_));
    assert_eq!(bench.status(&id()).unwrap(), held(6));
    assert_eq!(bench.partial().unwrap(), b"012345");
}

#[test]
fn failed_sync_loses_bytes_although_the_next_succeeds() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"012").unwrap();
    bench.status(&id()).unwrap();
    append.write(b"345").unwrap();
    bench.fail(Op::Sync, 0, 1, EIO, None);
    assert_refused!(bench.status(&id()), Error::Io(_));
    assert_eq!(bench.partial().unwrap(), b"012");
    assert_refused!(append.write(b"6"), Error::Superseded);
    assert_refused!(append.finish(Completes::AtLength), Error::Superseded);
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    assert_eq!(
        bench
            .send(3, b"3456789", AppendRequest::default())
            .unwrap()
            .progress,
        complete(10)
    );
}

#[test]
fn bytes_lost_during_a_sync_are_not_reported() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"012").unwrap();
    bench.status(&id()).unwrap();
    append.write(b"34").unwrap();
    let sync = bench.faults().pause(Op::Sync);
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| bench.status(&id()).unwrap());
        sync.wait();
        bench.fail(Op::Write, 0, 1, EIO, None);
        assert_refused!(append.write(b"5"), Error::Io(_));
        sync.wait();
        assert_eq!(asks.join().unwrap(), held(3));
    });
}

#[test]
fn bytes_lost_by_another_sync_are_not_published() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(BYTES).unwrap();
    bench.fail(Op::Sync, 0, 1, EIO, None);
    let sync = bench.faults().pause(Op::Sync);
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| bench.status(&id()));
        sync.wait();
        let finishes = scope.spawn(|| append.finish(Completes::AtLength));
        // Usually the append waits for its own sync now. If it is late, it is fenced.
        (0..1000).for_each(|_| std::thread::yield_now());
        sync.wait();
        assert_refused!(asks.join().unwrap(), Error::Io(_));
        assert_refused!(finishes.join().unwrap(), Error::Superseded);
    });
    assert!(bench.published().is_empty());
    assert_eq!(bench.status(&id()).unwrap(), held(0));
}

#[test]
fn failed_truncation_poisons_the_upload_until_restart() {
    let mut bench = Bench::new();
    bench.append(&id(), 0).unwrap().write(b"012").unwrap();
    // After a new load the synced length is unknown.
    bench.fail(Op::Sync, 0, 1, EIO, None);
    assert_refused!(bench.status(&id()), Error::Io(_));
    assert_refused!(bench.status(&id()), Error::Poisoned);
    assert_refused!(bench.append(&id(), 3), Error::Poisoned);
    assert_refused!(bench.cancel(&id()), Error::Poisoned);
    assert_eq!(bench.durable_progress(&id()), None);
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), held(3));
}

#[test]
fn failed_directory_sync_poisons_the_upload() {
    let mut bench = Bench::new();
    bench.fail(Op::SyncDir, 0, 1, EIO, None);
    assert_refused!(bench.send(0, b"012", declared(10, "a")), Error::Io(_));
    assert_refused!(bench.status(&id()), Error::Poisoned);
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), held(3));
}

#[test]
fn failed_background_sync_fences_the_append() {
    let bench = Bench::new();
    let mut append = bench.append(&id(), 0).unwrap();
    append.write(b"a").unwrap();
    let upload = bench.upload(&id());
    upload
        .lock()
        .unwrap()
        .durability_mut()
        .set_dirty_bytes(64 << 20);
    bench.fail(Op::Sync, 0, 1, EIO, None);
    append.write(b"b").unwrap();
    assert_refused!(append.wait_for_sync(), Error::Io(_));
    assert_refused!(append.write(b"c"), Error::Superseded);
    assert_eq!(bench.status(&id()).unwrap(), held(0));
}

#[test]
fn upload_poisoned_in_mid_write_is_unlocked_for_other_servers() {
    let options = Options {
        sharing: Sharing::Shared,
        min_free: 0,
        ..Options::default()
    };
    let bench = Bench::with(options.clone());
    let second = Store::open(bench.path(), options).unwrap();
    let mut append = bench.append_with(&id(), 0, declared(3, "a")).unwrap();
    let upload = bench.upload(&id());
    let write = || assert_refused!(append.write(b"abc"), Error::Poisoned);
    bench.during(Op::Write, write, || drop(upload.poison("on purpose")));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(second.status(&id())));
    let status = receiver.recv_timeout(Duration::from_secs(10));
    assert_eq!(status.unwrap().unwrap(), complete(3));
}

/// Collects the log of all tests of this process.
struct LogLines(std::sync::Mutex<Vec<String>>);

static LOG_LINES: LogLines = LogLines(std::sync::Mutex::new(Vec::new()));

impl ::log::Log for LogLines {
    fn enabled(&self, about: &::log::Metadata<'_>) -> bool {
        about.level() <= ::log::Level::Error
    }

    fn log(&self, record: &::log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// No request reports the error of a sweep.
#[test]
fn cause_is_logged_when_an_upload_is_poisoned() {
    let _ = ::log::set_logger(&LOG_LINES);
    ::log::set_max_level(::log::LevelFilter::Error);
    let bench = Bench::new();
    let id = Id::new(b"", b"logged");
    let mut append = bench.append_with(&id, 0, declared(3, "a")).unwrap();
    append.write(b"abc").unwrap();
    let _kept_in_memory = bench.upload(&id);
    drop(append);
    // The first sync belongs to the new segment of the log.
    bench.fail(Op::SyncDir, 1, usize::MAX, EIO, None);
    bench.sweep(SystemTime::now());
    assert_refused!(bench.status(&id), Error::Poisoned);
    let lines = LOG_LINES.0.lock().unwrap();
    let key = id.key().to_string();
    let causes: Vec<_> = lines.iter().filter(|line| line.contains(&key)).collect();
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert!(causes[0].contains("os error 5"), "{causes:?}");
}

const ENOENT: i32 = 2;
const EINVAL: i32 = 22;
const ENAMETOOLONG: i32 = 36;
const EILSEQ: i32 = 84;
const EOPNOTSUPP: i32 = 95;

#[test]
fn refused_name_is_respelled_then_made_neutral() {
    let neutral = format!("upload-{}.mp4", &id().key().to_string()[..8]);
    for (errno, times, name) in [
        (EINVAL, 1, "a_日.mp4"),
        (EILSEQ, 1, "a_日.mp4"),
        (EINVAL, 2, "a__.mp4"),
        (EINVAL, 3, &neutral),
        (ENAMETOOLONG, 1, &neutral),
        (ENOENT, 1, "a_日.mp4"),
        (EIO, 2, "a__.mp4"),
        (EOPNOTSUPP, 1, "a_日.mp4"),
    ] {
        let bench = Bench::new();
        bench.fail(Op::Publish, 0, times, errno, None);
        bench.send_whole("a:日.mp4", b"bytes");
        assert_eq!(bench.published(), [file(name, b"bytes")], "{errno} {times}");
    }
}

#[test]
fn refused_folder_is_respelled_alike_for_all_its_files() {
    for (errno, times, folder) in [(EINVAL, 1, "d_日"), (EIO, 1, "d_日"), (EINVAL, 2, "d__")] {
        let bench = Bench::new();
        for name in ["a", "b"] {
            bench.fail(Op::MakeFolder, 0, times, errno, None);
            bench.send_whole(&format!("d:日/{name}"), b"bytes");
            bench.forget(&id()).unwrap();
        }
        assert_eq!(names(&bench.path().join(folder)).len(), 2);
    }
}

#[test]
fn failing_disk_is_not_taken_for_a_refused_name() {
    let mut bench = Bench::new();
    bench.fail(Op::Publish, 0, 1, EIO, None);
    assert!(bench.send(0, b"abc", declared(3, "plain.txt")).is_err());
    assert!(bench.published().is_empty(), "the name was taken before");
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
    assert_eq!(bench.published(), [file("plain.txt", b"abc")]);

    for errno in [EIO, ENOENT, EOPNOTSUPP] {
        let mut bench = Bench::new();
        bench.fail(Op::Publish, 0, 1, errno, None);
        bench.faults().plan_also(Fault {
            op: Op::Probe,
            after: 0,
            times: 1,
            errno: EIO,
            short: None,
        });
        assert!(bench.send(0, b"abc", declared(3, "a:b")).is_err());
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), complete(3));
        assert_eq!(bench.published(), [file("a:b", b"abc")]);
    }
}

/// Returns the number of open files of this process below `dir`.
fn descriptors(dir: &Path) -> usize {
    let links = names(Path::new("/proc/self/fd"))
        .into_iter()
        .filter_map(|fd| on_disk::read_link(Path::new("/proc/self/fd").join(fd)).ok());
    links.filter(|link| link.starts_with(dir)).count()
}

/// Returns an append whose background sync fails.
fn append_with_failed_sync(bench: &Bench) -> Append {
    let mut append = bench.append(&id(), 0).unwrap();
    append.write(b"a").unwrap();
    let upload = bench.upload(&id());
    let mut state = upload.lock().unwrap();
    state.durability_mut().set_dirty_bytes(64 << 20);
    drop(state);
    bench.fail(Op::Sync, 0, 1, EIO, None);
    append.write(b"b").unwrap();
    append
}

#[test]
fn failed_background_sync_is_the_error_of_its_append() {
    let bench = Bench::new();
    let append = append_with_failed_sync(&bench);
    assert_refused!(append.finish(Completes::AtEnd), Error::Io(_));
    assert_eq!(bench.status(&id()).unwrap(), held(0));

    let mut append = append_with_failed_sync(&bench);
    while bench.partial().is_some_and(|bytes| !bytes.is_empty()) {
        std::thread::yield_now();
    }
    assert_refused!(append.write(b"c"), Error::Io(_));
    assert_refused!(append.write(b"c"), Error::Superseded);
}
