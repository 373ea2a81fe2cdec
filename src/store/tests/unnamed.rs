//! Uploads whose first bytes are all there are: their file gets its published name, and no other.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

use rustix::fs::inotify;
use rustix::io::Errno;

use super::super::inode::{Inode, Linking};
use super::super::record::{Publishing, Record};
use super::super::rename::Place;
use super::super::{OnConflict, Sharing};
use super::*;

const EIO: i32 = 5;

/// A store where files need no name at first.
fn bench() -> Bench {
    let bench = Bench::quick().without_names();
    let found = bench.shelf.disk.linking();
    assert!(found.is_some(), "not on this system");
    bench
}

fn fast() -> Bench {
    let options = Options {
        sync: Sync::Fast,
        ..Options::default()
    };
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    Bench::within(dir, options).without_names()
}

impl Bench {
    /// Begins to send all of the upload, and writes it.
    fn written(&self) -> Append {
        let mut append = self.append_with(&id(), 0, declared(5, "a")).unwrap();
        append.write(b"bytes").unwrap();
        append
    }

    /// Tells of files that were written in the directory and closed.
    fn watch(&self) -> OwnedFd {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, self.path(), inotify::WatchFlags::CLOSE_WRITE).unwrap();
        watch
    }

    /// Which file was made before it is wanted.
    fn ahead(&self) -> Option<Inode> {
        let ahead = self.shelf.disk.ahead.lock().unwrap();
        ahead.as_ref().map(|unnamed| unnamed.inode)
    }

    fn finish(&self, append: Append) -> Finished {
        append.finish(Completes::AtLength).unwrap()
    }

    /// Says once more what all of the upload is, and sends nothing.
    fn finish_again(&self) {
        let intent = Intent {
            incoming: Incoming::Nothing,
            ..declared(5, "a")
        };
        let append = self.append_with(&id(), 5, intent).unwrap();
        assert_eq!(self.finish(append).held, complete(5));
    }
}

#[test]
fn nothing_in_resumed_is_changed_or_synced_but_a_line() {
    let bench = bench();
    bench.store_other(b"a page is begun for it");
    let before = bench.faults().log().len();
    bench.send_whole("a", b"bytes");
    let log = bench.changes_since(before);
    use Op::*;
    let order = [
        &[CreateUnnamed, Write, Sync][..],
        &[WriteRecord, SyncRecord],
        &[Publish, SyncDir],
    ];
    assert_eq!(log, order.concat());
    assert_eq!(bench.published()[0], file("a", b"bytes"));
    assert!(bench.left().is_empty());
}

#[test]
fn who_asks_before_it_is_published_is_told_of_a_file_with_a_name() {
    let mut bench = bench();
    let append = bench.written();
    assert_eq!(bench.partial(), None);
    assert_eq!(bench.settled(&id()), None);
    assert_eq!(bench.status(&id()).unwrap(), held(5));
    assert_eq!(bench.partial().as_deref(), Some(&b"bytes"[..]));
    assert_eq!(bench.finish(append).held, complete(5));
    assert_eq!(bench.published(), [file("a", b"bytes")]);
    assert!(bench.left().iter().all(|name| name.ends_with(".json")));
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn its_new_name_is_durable_before_it_is_told_of() {
    let bench = bench();
    // In memory all the while: a first look would have all names synced.
    let _hold = bench.hold(&id());
    bench.send(0, b"", declared(5, "a")).unwrap();
    let _append = bench.written();
    let before = bench.faults().log().len();
    assert_eq!(bench.status(&id()).unwrap(), held(5));
    let log = bench.faults().log()[before..].to_vec();
    let last = |wanted: Op| log.iter().rposition(|(op, _)| *op == wanted);
    assert!(last(Op::Create).expect("it is named") < last(Op::SyncDir).expect("it is synced"));
}

#[test]
fn what_cannot_be_named_is_not_told_of() {
    let bench = fast();
    let _append = bench.written();
    bench.fail(Op::Create, 0, 1, EIO, None);
    assert_refused!(bench.status(&id()), Error::Io(_));
    assert_eq!(bench.settled(&id()), None);
    assert_eq!(bench.status(&id()).unwrap(), held(5));
    assert_eq!(bench.partial().as_deref(), Some(&b"bytes"[..]));
}

#[test]
fn one_that_is_not_published_after_all_is_kept() {
    for is_cut in [true, false] {
        let mut bench = bench();
        let append = bench.written();
        if is_cut {
            append.cut();
        } else {
            drop(append);
        }
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), held(5));
        bench.finish_again();
        assert_eq!(bench.published(), [file("a", b"bytes")]);
    }
}

#[test]
fn one_that_cannot_be_published_is_kept() {
    for op in [Op::WriteRecord, Op::SyncRecord, Op::Publish, Op::SyncDir] {
        let mut bench = bench();
        bench.store_other(b"a page is begun for it");
        let append = bench.written();
        bench.fail(op, 0, 1, EIO, None);
        assert_refused!(append.finish(Completes::AtLength), Error::Io(_));
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap().offset, 5, "{op:?}");
        bench.finish_again();
        assert_eq!(bench.published()[0], file("a", b"bytes"), "{op:?}");
    }
}

#[test]
fn another_file_under_its_name_is_not_taken_for_it() {
    let mut bench = bench();
    bench.send_whole("a", b"bytes");
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    // Neither one that somebody put there, nor one with the same number, which was made before.
    bench.closed(|bench| {
        on_disk::remove_file(bench.path().join("a")).unwrap();
        on_disk::write(bench.path().join("a"), b"other").unwrap();
    });
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!(bench.send_whole("a", b"bytes").held, complete(5));
    let both = [file("a", b"other"), file("a (1)", b"bytes")];
    assert_eq!(bench.published(), both);
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

/// What a crash leaves between line and name, where somebody else had the name, or got it later.
#[test]
fn a_line_whose_file_never_got_its_name_tells_of_no_upload() {
    for has_name in [true, false] {
        let mut bench = bench();
        bench.closed(|bench| {
            let taken = bench.path().join("a");
            on_disk::write(&taken, b"other").unwrap();
            let about = inode(bench, "a");
            let born_ns = about.born_ns - 1;
            let publishing = Publishing {
                path: "a".into(),
                inode: Some(Inode { born_ns, ..about }),
                hook: None,
            };
            let record = Record {
                name: Some("a".into()),
                length: Some(5),
                publishing: Some(publishing.into()),
                ..Record::new(&id())
            };
            let line = format!(
                "{} {}\n",
                id().key(),
                String::from_utf8(record.to_json()).unwrap()
            );
            let journal = bench.path().join(".resumed/journal");
            on_disk::create_dir(&journal).unwrap();
            on_disk::write(journal.join("1"), line).unwrap();
            if !has_name {
                on_disk::remove_file(taken).unwrap();
            }
        });
        assert_eq!(bench.status(&id()).unwrap(), held(0));
        assert_eq!(bench.line(), None, "it is forgotten");
        bench.send_whole("a", b"bytes");
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), complete(5));
        assert!(bench.published().iter().any(|file| file.1 == b"bytes"));
    }
}

fn inode(bench: &Bench, name: &str) -> Inode {
    let dir = on_disk::File::open(bench.path()).unwrap();
    let dir = dir.as_fd();
    let inode = super::super::inode::inode_at(Place { dir, name });
    inode.unwrap().expect("it is there")
}

/// The files that are told of by now.
fn closed(watch: &OwnedFd) -> Vec<String> {
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut events = inotify::Reader::new(watch, &mut buffer);
    let mut names = Vec::new();
    loop {
        match events.next() {
            Ok(event) => names.push(event.file_name().unwrap().to_str().unwrap().to_owned()),
            Err(error) => {
                assert_eq!(error, Errno::AGAIN);
                return names;
            }
        }
    }
}

#[test]
fn who_watches_the_directory_is_told_of_either_kind() {
    let bench = bench();
    let watch = bench.watch();
    bench.send_whole("a", b"bytes");
    bench.cancel(&id()).unwrap();
    bench.send(0, b"by", declared(5, "b")).unwrap();
    bench.send(2, b"tes", Intent::default()).unwrap();
    assert_eq!(closed(&watch), ["a", "b"]);
}

#[test]
fn that_is_done_and_the_next_file_made_when_nobody_waits_for_it() {
    let bench = bench();
    let watch = bench.watch();
    let finished = bench.written().finish_first(Completes::AtLength);
    let (finished, linked) = finished.unwrap();
    assert_eq!(finished.held, complete(5));
    assert_eq!(bench.published(), [file("a", b"bytes")]);
    assert!(closed(&watch).is_empty() && bench.ahead().is_none());
    drop(linked);
    assert_eq!(closed(&watch), ["a"]);
    let ahead = bench.ahead().expect("it was made");
    bench.store_as("next", b"next");
    assert_eq!(inode(&bench, "next"), ahead);
    assert_ne!(bench.ahead(), Some(ahead));
    assert_eq!(bench.published()[1], file("next", b"next"));
}

/// Nothing is written into it that would give it the time.
#[test]
fn an_empty_file_was_not_made_before_it_was_sent() {
    let bench = bench();
    bench.store_as("a", b"bytes");
    let ahead = bench.ahead().expect("it was made");
    let probe = tempfile::NamedTempFile::new_in(bench.path()).unwrap();
    let now = loop {
        on_disk::write(probe.path(), b"now").unwrap();
        let now = probe.path().metadata().unwrap().modified().unwrap();
        if since_1970_ns(now) > ahead.born_ns {
            break now;
        }
    };
    bench.store_as("empty", b"");
    let about = bench.path().join("empty").metadata().unwrap();
    assert!(about.len() == 0 && about.modified().unwrap() >= now);
}

fn since_1970_ns(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_nanos().try_into().unwrap()
}

#[test]
fn what_is_sent_in_parts_has_a_name_from_the_beginning() {
    let bench = bench();
    let mut append = bench.append_with(&id(), 0, declared(5, "a")).unwrap();
    append.write(b"by").unwrap();
    assert_eq!(bench.partial().as_deref(), Some(&b"by"[..]));
    append.write(b"tes").unwrap();
    bench.finish(append);
    assert_eq!(bench.published(), [file("a", b"bytes")]);
}

#[test]
fn a_file_is_named_by_either_means_and_never_over_another() {
    let mut bench = bench();
    for linking in [Linking::Descriptor, Linking::Proc] {
        let shelf = std::sync::Arc::get_mut(&mut bench.store.as_mut().unwrap().shelf).unwrap();
        shelf.disk.linking = Some(linking).into();
        bench.store_as(&format!("{linking:?}"), b"bytes");
        bench.store_as("twice", format!("{linking:?}").as_bytes());
        bench.cancel(&Id::new(b"", b"twice")).unwrap();
    }
    let expected = [
        file("Descriptor", b"bytes"),
        file("Proc", b"bytes"),
        file("twice", b"Descriptor"),
        file("twice (1)", b"Proc"),
    ];
    assert_eq!(bench.published(), expected);
}

#[test]
fn hooks_replacing_and_other_servers_need_names() {
    let options = Options::default();
    let others = [
        Options {
            mark_hooks: true,
            ..options.clone()
        },
        Options {
            on_conflict: OnConflict::Replace,
            ..options.clone()
        },
        Options {
            sharing: Sharing::Shared,
            ..options
        },
    ];
    for options in others {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let bench = Bench::within(dir, options).without_names();
        bench.store_other(b"bytes");
        let log = bench.faults().log();
        assert!(log.contains(&(Op::Create, true)));
        assert_eq!(bench.published(), [file("other", b"bytes")]);
    }
}
