//! Every state that a crash can leave, and what becomes of it: by a look at the upload, by its next append, by a sweep.

use std::io::ErrorKind;
use std::time::SystemTime;

use super::super::record::{Hook, Publishing, Record};
use super::*;

/// A record that says "publishing as a".
fn publishing(length: u64, hook: Option<Hook>) -> Record {
    let publishing = Publishing {
        path: "a".into(),
        hook,
    };
    Record {
        publishing: Some(publishing.into()),
        name: Some("a".into()),
        length: Some(length),
        ..Record::new(&id())
    }
}

impl Bench {
    /// A store over a directory that was left like this.
    fn left_as(record: Option<&Record>, data: Option<&[u8]>, published: Option<&[u8]>) -> Self {
        let mut bench = Self::new();
        bench.closed(|bench| {
            let put = |path: PathBuf, bytes: &[u8]| on_disk::write(path, bytes).unwrap();
            record
                .into_iter()
                .for_each(|record| put(bench.record_path(), &record.to_json()));
            data.into_iter()
                .for_each(|bytes| put(bench.data_path(), bytes));
            published
                .into_iter()
                .for_each(|bytes| put(bench.path().join("a"), bytes));
        });
        bench
    }
}

/// What makes a repair happen.
const LOOKS: [fn(&Bench); 3] = [
    |bench| assert!(bench.status(&id()).unwrap().complete),
    |bench| {
        let append = bench.append_with(&id(), 3, nothing()).unwrap();
        assert!(append.finish(Completes::AtLength).unwrap().held.complete);
    },
    |bench| assert_eq!(bench.sweep(SystemTime::now()).published.len(), 1),
];

#[test]
fn only_the_partial_is_published() {
    for look in LOOKS {
        let bench = Bench::left_as(Some(&publishing(3, None)), Some(b"abc"), None);
        look(&bench);
        assert_eq!(bench.published(), [file("a", b"abc")]);
        assert_eq!(bench.partial(), None);
        assert_eq!(bench.status(&id()).unwrap(), complete(3));
    }
}

#[test]
fn who_asks_first_hears_what_that_has_published() {
    let bench = Bench::left_as(Some(&publishing(3, Some(Hook::Due))), Some(b"abc"), None);
    let (held, published) = bench.hold(&id()).status().unwrap();
    assert_eq!(held, complete(3));
    assert_eq!(published.unwrap().path, bench.path().join("a"));
    assert_eq!(bench.hold(&id()).status().unwrap().1, None);
}

#[test]
fn both_and_the_same_file_lose_the_partial_name() {
    for look in LOOKS {
        let mut bench = Bench::left_as(Some(&publishing(3, None)), Some(b"abc"), None);
        bench
            .closed(|bench| on_disk::hard_link(bench.data_path(), bench.path().join("a")).unwrap());
        look(&bench);
        assert_eq!(bench.published(), [file("a", b"abc")]);
        assert_eq!(bench.partial(), None);
    }
}

#[test]
fn both_and_different_take_the_next_free_name() {
    for look in LOOKS {
        let bench = Bench::left_as(Some(&publishing(3, None)), Some(b"abc"), Some(b"another"));
        look(&bench);
        assert_eq!(
            bench.published(),
            [file("a", b"another"), file("a (1)", b"abc")]
        );
        assert_eq!(bench.partial(), None);
    }
}

#[test]
fn neither_is_forgotten_unless_its_hook_has_run() {
    for hook in [None, Some(Hook::Due)] {
        let bench = Bench::left_as(Some(&publishing(3, hook)), None, None);
        assert_eq!(bench.status(&id()).unwrap(), held(0));
        assert!(bench.left().is_empty());
        bench.send_whole("a", b"again");
    }
    let bench = Bench::left_as(Some(&publishing(3, Some(Hook::Done))), None, None);
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
    assert_eq!(bench.tail(&id(), complete(3)).unwrap(), None);
}

#[test]
fn only_the_file_is_complete() {
    let mut bench = Bench::left_as(Some(&publishing(3, None)), None, Some(b"abc"));
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
    bench.closed(|bench| on_disk::remove_file(bench.path().join("a")).unwrap());
    assert_eq!(
        bench.append(&id(), 0).unwrap().held(),
        held(0),
        "a deleted file can be sent again"
    );
}

#[test]
fn bytes_without_a_record_are_kept_and_get_one() {
    let bench = Bench::left_as(None, Some(b"abc"), None);
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    assert!(bench.record().is_some());
    let bench = Bench::left_as(None, Some(b"abc"), None);
    assert_eq!(
        bench.send(3, b"def", declared(6, "b")).unwrap().held,
        complete(6)
    );
    assert_eq!(bench.published(), [file("b", b"abcdef")]);
}

#[test]
fn a_record_without_bytes_is_at_its_beginning() {
    let record = Record {
        length: Some(2),
        ..Record::new(&id())
    };
    let bench = Bench::left_as(Some(&record), None, None);
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!(
        bench.send(0, b"ab", Intent::default()).unwrap().held,
        complete(2)
    );
}

#[test]
fn a_partial_that_the_old_record_does_not_fit_is_not_published() {
    let bench = Bench::left_as(Some(&publishing(3, None)), Some(b"ab"), None);
    assert_eq!(bench.status(&id()).unwrap(), held(2));
    assert!(bench.published().is_empty());
    assert_eq!(
        bench.send(2, b"cde", declared(5, "b")).unwrap().held,
        complete(5)
    );
}

#[test]
fn a_whole_partial_waits_for_a_word() {
    let record = Record {
        length: Some(3),
        ..Record::new(&id())
    };
    let bench = Bench::left_as(Some(&record), Some(b"abc"), None);
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    let append = bench.append_with(&id(), 3, nothing()).unwrap();
    assert_eq!(
        append.finish(Completes::AtLength).unwrap().held,
        complete(3)
    );
}

#[test]
fn what_is_not_ours_is_an_error_and_stays() {
    let other = Record::new(&Id::new(b"", b"another")).to_json();
    for text in [&b"{\"v\":2}"[..], b"[]", &other] {
        let mut bench = Bench::new();
        bench.closed(|bench| on_disk::write(bench.record_path(), text).unwrap());
        let is_invalid =
            |error| matches!(error, Error::Io(error) if error.kind() == ErrorKind::InvalidData);
        assert!(is_invalid(refusal(bench.status(&id()))));
        assert!(is_invalid(refusal(bench.append(&id(), 0))));
        assert!(is_invalid(refusal(bench.cancel(&id()))));
        assert_eq!(bench.settled(&id()), None);
        assert_eq!(bench.sweep(SystemTime::now()).foreign, 1);
        assert_eq!(on_disk::read(bench.record_path()).unwrap(), text);
    }
}

#[test]
fn a_record_whose_writing_was_cut_is_as_good_as_none() {
    let whole = Record::new(&id()).to_json();
    for cut in [&b""[..], &whole[..whole.len() - 1], &[0; 100]] {
        let mut bench = Bench::new();
        bench.closed(|bench| on_disk::write(bench.record_path(), cut).unwrap());
        assert_eq!(bench.status(&id()).unwrap(), held(0));
        assert_eq!(bench.sweep(SystemTime::now()).forgotten, 1);
        assert!(!bench.record_path().exists(), "it was swept away");

        bench.closed(|bench| {
            on_disk::write(bench.record_path(), cut).unwrap();
            on_disk::write(bench.data_path(), b"abc").unwrap();
        });
        assert_eq!(bench.status(&id()).unwrap(), held(3));
        bench.send(3, b"de", declared(5, "a")).unwrap();
        assert_eq!(bench.published(), [file("a", b"abcde")]);
    }
}
