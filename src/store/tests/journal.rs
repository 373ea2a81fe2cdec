//! The records of what came in one request: lines of a journal.

use std::time::SystemTime;

use super::super::{Precondition, Sharing};
use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const EIO: i32 = 5;

impl Bench {
    fn page_path(&self, number: u32) -> PathBuf {
        self.path().join(format!(".resumed/journal/{number}"))
    }

    fn page(&self, number: u32) -> String {
        on_disk::read_to_string(self.page_path(number)).unwrap()
    }

    fn pages(&self) -> Vec<String> {
        let mut pages = names(&self.path().join(".resumed/journal"));
        pages.sort();
        pages
    }

    /// What another upload has come to.
    fn other(&self) -> Progress {
        self.status(&Id::new(b"", b"other")).unwrap()
    }
}

#[test]
fn what_came_in_one_request_is_a_line_and_what_did_not_a_file() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    bench.send(0, b"so", declared(6, "a")).unwrap();
    bench.send(2, b"me", AppendRequest::default()).unwrap();
    bench.send(4, b"..", AppendRequest::default()).unwrap();
    assert_eq!(bench.page(1).lines().count(), 1);
    assert_eq!(bench.left(), [format!("{}.json", id().key())]);
    assert_eq!(bench.line(), None);
    bench.reopen();
    assert_eq!(
        (bench.other(), bench.status(&id()).unwrap()),
        (complete(5), complete(6))
    );
}

#[test]
fn who_comes_new_does_not_wait_for_a_line_that_is_being_written() {
    let bench = Bench::fast();
    bench.store_other(b"whole");
    let store = || drop(bench.send_whole("a", b"bytes"));
    let new = Id::new(b"", b"new");
    let held_of_new = bench.during(Op::WriteRecord, store, || {
        let append = bench.append_with(&new, 0, declared(3, "b")).unwrap();
        append.held()
    });
    assert_eq!(held_of_new, held(0));
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn a_line_whose_writing_was_cut_is_none_and_those_before_it_stay() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    bench.send_whole("a", b"bytes");
    let page = bench.page(1);
    bench.closed(|bench| on_disk::write(bench.page_path(1), &page[..page.len() - 1]).unwrap());
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!(bench.other(), complete(5));
    // Nothing is added to what may have been cut.
    bench.send_whole("a", b"bytes");
    assert_eq!(bench.pages(), ["1", "2"]);
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn what_is_forgotten_stays_so_and_can_come_again() {
    let mut bench = Bench::new();
    for name in ["a", "b"] {
        bench.send_whole(name, b"bytes");
        bench.reopen();
        assert!(bench.cancel(&id()).unwrap());
        assert_eq!(
            (bench.status(&id()).unwrap(), bench.record()),
            (held(0), None)
        );
        bench.reopen();
        assert_eq!(
            (bench.status(&id()).unwrap(), bench.record()),
            (held(0), None)
        );
    }
    // Also by requests that leave it a file, which says more than any line.
    bench.send(0, b"by", declared(5, "c")).unwrap();
    bench.send(2, b"tes", AppendRequest::default()).unwrap();
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    assert_eq!(bench.published().len(), 3);
}

#[test]
fn a_file_taken_away_is_forgotten_when_its_upload_is_asked_for() {
    let mut bench = Bench::new();
    let path = bench.send_whole("a", b"bytes").published.unwrap().path;
    on_disk::remove_file(path).unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    // Another file of that name is not taken for it.
    bench.store_as("a", b"other");
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), held(0));
}

#[test]
fn that_a_line_is_forgotten_is_sure_before_a_byte_comes_in_its_place() {
    let bench = Bench::new();
    let path = bench.send_whole("a", b"bytes").published.unwrap().path;
    on_disk::remove_file(path).unwrap();
    let before = bench.faults().log().len();
    bench.append(&id(), 0).unwrap().write(b"some").unwrap();
    let log = bench.faults().log()[before..].to_vec();
    let at = |wanted: Op| log.iter().position(|(op, _)| *op == wanted);
    assert!(at(Op::SyncRecord).expect("it is synced") < at(Op::Create).expect("it is made"));
}

#[test]
fn where_nothing_is_synced_nothing_is_kept_to_be() {
    let bench = Bench::fast();
    bench.send_whole("a", b"bytes");
    assert!(bench.cancel(&id()).unwrap());
    let pages = bench.registry.disk.journal.lock();
    assert!(!pages.is_forgotten_unsynced(id().key()));
}

#[test]
fn who_relied_on_a_failed_sync_believes_nothing_and_who_comes_later_may() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    bench.fail(Op::SyncRecord, 0, 1, EIO, None);
    assert_refused!(bench.send(0, b"bytes", declared(5, "a")), Error::Io(_));
    assert_refused!(bench.status(&id()), Error::Poisoned);
    bench.store_as("b", b"later");
    // The line that was lost for this server is written again before any other; it says where its file is going.
    assert_eq!(bench.page(2).lines().count(), 2);
    bench.closed(|bench| {
        on_disk::write(
            bench.page_path(1),
            bench.page(1).lines().next().unwrap().to_owned() + "\n",
        )
        .unwrap()
    });
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    let names: Vec<_> = bench
        .published()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["a", "b", "other"]);
}

#[test]
fn lines_of_a_former_server_are_synced_before_they_are_told() {
    let mut bench = Bench::fast();
    bench.send_whole("a", b"bytes");
    bench.options.sync = Sync::Durable;
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    let synced = |bench: &Bench| bench.faults().log().contains(&(Op::SyncRecord, true));
    assert!(synced(&bench));

    bench.reopen();
    bench.fail(Op::SyncRecord, 0, 1, EIO, None);
    assert_refused!(bench.status(&id()), Error::Io(_));
    bench.faults().clear();
    bench.store_other(b"whole");
    assert_eq!(bench.page(2).lines().count(), 2, "it is written again");
}

#[test]
fn a_line_that_could_not_be_written_leaves_the_bytes_and_can_be_taken_back() {
    let mut bench = Bench::new();
    for op in [Op::CreateRecord, Op::WriteRecord] {
        bench.fail(op, 0, 1, EIO, None);
        let sent = bench.send(0, b"bytes", declared(5, "a"));
        assert_refused!(sent, Error::NotPublished(_));
        assert_eq!(bench.partial().unwrap(), b"bytes");
        assert!(bench.cancel(&id()).unwrap());
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), held(0));
    }
    assert!(bench.published().is_empty());
}

#[test]
fn pages_go_when_nothing_was_added_for_as_long_as_records_are_kept() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    let now = SystemTime::now();
    bench.sweep(now + DAY);
    bench.send_whole("a", b"bytes");
    assert_eq!(bench.pages(), ["1", "2"], "the first was begun a day ago");
    bench.sweep(now + 6 * DAY);
    assert_eq!(bench.pages(), ["1", "2"]);
    assert_eq!(bench.sweep(now + 8 * DAY).forgotten, 2);
    assert!(bench.pages().is_empty());
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    bench.send_whole("b", b"bytes");
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn a_hook_that_is_due_outlives_its_page() {
    let mut bench = Bench::with(Options {
        mark_hooks: true,
        ..Options::default()
    });
    bench.send_whole("a", b"bytes");
    bench.store_other(b"whole");
    bench.hooked(&Id::new(b"", b"other")).unwrap();
    let late = SystemTime::now() + 8 * DAY;
    assert_eq!(bench.sweep(late).forgotten, 1);
    assert_eq!(bench.pages(), ["2"]);
    bench.reopen();
    assert_eq!(bench.due().unwrap().len(), 1);
}

#[test]
fn several_servers_get_a_file_for_each_line() {
    let mut bench = Bench::new();
    bench.send_whole("a", b"bytes");
    bench.store_other(b"whole");
    bench.cancel(&Id::new(b"", b"other")).unwrap();
    bench.options.sharing = Sharing::Shared;
    bench.reopen();
    assert!(bench.pages().is_empty());
    assert!(bench.left().contains(&format!("{}.json", id().key())));
    assert_eq!(
        (bench.status(&id()).unwrap(), bench.other()),
        (complete(5), held(0))
    );
}

#[test]
fn a_finished_upload_is_known_by_its_line() {
    let mut bench = Bench::new();
    bench.send_whole("a", b"bytes");
    bench.reopen();
    bench.sweep(SystemTime::now());
    let known = AppendRequest {
        existence: Precondition::Known,
        ..nothing()
    };
    assert!(bench.append_with(&id(), 5, known.clone()).is_ok());
    let nobody = Id::new(b"", b"nobody");
    assert_refused!(bench.append_with(&nobody, 0, known), Error::Unknown);
}
