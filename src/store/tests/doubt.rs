//! What is believed of a partial after the file system was mounted anew.

use rustix::io::Errno;

use super::super::Sync;
use super::super::doubt::MARK;
use super::super::faults::Op;
use super::super::record::Record;
use super::*;

impl Bench {
    /// As after a pulled plug: the file system is not the one that was opened last.
    fn mounted_anew(&mut self) {
        self.closed(|bench| {
            on_disk::write(bench.path().join(".resumed/lock"), "another boot").unwrap();
        });
    }

    /// Four bytes that were told, and four that were only written; `false` where files cannot be marked.
    fn told_and_written(&self) -> bool {
        self.send(0, b"told", declared(10, "a")).unwrap();
        let mut append = self.append(&id(), 4).unwrap();
        append.write(b"more").unwrap();
        mark_of(&self.data_path()) != Err(Errno::OPNOTSUPP)
    }
}

fn mark_of(path: &Path) -> Result<usize, Errno> {
    rustix::fs::getxattr(path, MARK, &mut [0; 20])
}

#[test]
fn what_was_written_is_believed_while_the_file_system_remembers() {
    let mut bench = Bench::new();
    bench.told_and_written();
    bench.reopen();
    assert_eq!(bench.partial().unwrap(), b"toldmore");
    assert_eq!(bench.status(&id()).unwrap(), held(8));
}

#[test]
fn only_what_was_told_is_believed_when_it_has_forgotten() {
    let mut bench = Bench::new();
    if bench.told_and_written() {
        bench.mounted_anew();
        assert_eq!(bench.partial().unwrap(), b"told");
        assert_eq!(bench.status(&id()).unwrap(), held(4));
        bench.send(4, b"upload", Intent::default()).unwrap();
        assert_eq!(bench.published(), [file("a", b"toldupload")]);
    }
}

#[test]
fn bytes_that_nobody_was_told_of_are_sent_again() {
    let mut bench = Bench::new();
    if bench.told_and_written() {
        bench.cancel(&id()).unwrap();
        bench.append(&id(), 0).unwrap().write(b"zeros").unwrap();
        bench.mounted_anew();
        assert_eq!(bench.status(&id()).unwrap(), held(0));
    }
}

#[test]
fn a_mark_is_synced_before_it_is_relied_on() {
    let mut bench = Bench::new();
    bench.told_and_written();
    assert_eq!(bench.status(&id()).unwrap(), held(8));
    bench.reopen();
    let before = bench.faults().log().len();
    assert_eq!(bench.status(&id()).unwrap(), held(8));
    let log = &bench.faults().log()[before..];
    assert!(log.contains(&(Op::Sync, true)), "{log:?}");
    assert!(!log.contains(&(Op::Mark, true)), "{log:?}");
}

#[test]
fn what_is_to_be_published_was_synced() {
    let mut bench = Bench::new();
    let record = Record {
        publishing_as: Some("a".to_owned()),
        length: Some(3),
        ..Record::new(&id())
    };
    bench.closed(|bench| {
        on_disk::write(bench.record_path(), record.to_json()).unwrap();
        on_disk::write(bench.data_path(), b"abc").unwrap();
    });
    bench.mounted_anew();
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
}

#[test]
fn a_finished_file_is_not_marked() {
    let bench = Bench::new();
    if bench.told_and_written() {
        bench.send(8, b"!!", Intent::default()).unwrap();
        assert_eq!(mark_of(&bench.path().join("a")), Err(Errno::NODATA));
    }
}

#[test]
fn without_syncs_there_are_no_marks_and_no_doubts() {
    let mut bench = Bench::with(Options {
        sync: Sync::Fast,
        ..Options::default()
    });
    bench.told_and_written();
    assert!(mark_of(&bench.data_path()).is_err());
    bench.mounted_anew();
    assert_eq!(bench.status(&id()).unwrap(), held(8));
}
