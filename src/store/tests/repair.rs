//! Repair of each state that a crash can leave: by a status, by the next append, by a sweep.

use std::io::ErrorKind;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::store::fs::fault::Op;
use crate::store::fs::filename::FilePath;
use crate::store::fs::record::{Hook, Publishing, Record};

const EIO: i32 = 5;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;

/// Returns a record with the published path `a`.
fn publishing(length: u64, hook: Option<Hook>) -> Record {
    let publishing = Publishing {
        path: FilePath::in_folder("", "a"),
        hook,
        copied: false,
        new_folders: 0,
    };
    Record {
        publishing: Some(publishing.into()),
        file: named("a"),
        length: Some(length),
        ..Record::new(&id())
    }
}

impl Bench {
    /// Returns a store over a directory with these files.
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

/// The requests that repair an upload.
const LOOKS: [fn(&Bench); 3] = [
    |bench| assert!(bench.status(&id()).unwrap().complete),
    |bench| {
        let append = bench.append_with(&id(), 3, nothing()).unwrap();
        assert!(
            append
                .finish(Completes::AtLength)
                .unwrap()
                .progress
                .complete
        );
    },
    |bench| assert_eq!(bench.sweep(SystemTime::now()).published.len(), 1),
];

#[test]
fn status_returns_the_file_that_it_publishes() {
    let bench = Bench::left_as(Some(&publishing(3, Some(Hook::Due))), Some(b"abc"), None);
    let (held, published) = bench.upload(&id()).status(&id()).unwrap();
    assert_eq!(held, complete(3));
    assert_eq!(published.unwrap().path, bench.path().join("a"));
    assert_eq!(bench.upload(&id()).status(&id()).unwrap().1, None);
}

#[test]
fn crash_between_link_and_unlink_leaves_one_name() {
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
fn full_partial_beside_a_taken_name_takes_the_next() {
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
fn missing_file_forgets_the_upload_unless_its_hook_ran() {
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
fn published_file_without_partial_is_complete() {
    let mut bench = Bench::left_as(Some(&publishing(3, None)), None, Some(b"abc"));
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
    bench.closed(|bench| on_disk::remove_file(bench.path().join("a")).unwrap());
    assert_eq!(
        bench.append(&id(), 0).unwrap().progress(),
        held(0),
        "a deleted file can be sent again"
    );
}

#[test]
fn bytes_without_a_record_get_one() {
    let bench = Bench::left_as(None, Some(b"abc"), None);
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    assert!(bench.record().is_some());
    let bench = Bench::left_as(None, Some(b"abc"), None);
    assert_eq!(
        bench.send(3, b"def", declared(6, "b")).unwrap().progress,
        complete(6)
    );
    assert_eq!(bench.published(), [file("b", b"abcdef")]);
}

#[test]
fn record_without_bytes_has_offset_0() {
    let record = Record {
        length: Some(2),
        ..Record::new(&id())
    };
    let bench = Bench::left_as(Some(&record), None, None);
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!(
        bench
            .send(0, b"ab", AppendRequest::default())
            .unwrap()
            .progress,
        complete(2)
    );
}

#[test]
fn partial_that_differs_from_its_record_is_not_published() {
    let bench = Bench::left_as(Some(&publishing(3, None)), Some(b"ab"), None);
    assert_eq!(bench.status(&id()).unwrap(), held(2));
    assert!(bench.published().is_empty());
    assert_eq!(
        bench.send(2, b"cde", declared(5, "b")).unwrap().progress,
        complete(5)
    );
}

/// Returns a record that declares three bytes, and their digest if there is one.
fn declaring(digest: Option<&[u8]>) -> Record {
    Record {
        file: named("a"),
        length: Some(3),
        digest: digest.map(|bytes| Box::new(Sha256::digest(bytes).into())),
        ..Record::new(&id())
    }
}

#[test]
fn full_partial_is_published_by_any_request() {
    let declaring = [None, Some(&b"abc"[..])].map(declaring);
    for record in declaring.into_iter().chain([publishing(3, None)]) {
        for look in LOOKS {
            let bench = Bench::left_as(Some(&record), Some(b"abc"), None);
            assert_eq!(
                bench.durable_progress(&id()),
                None,
                "no query reports it before it is published"
            );
            look(&bench);
            assert_eq!(bench.published(), [file("a", b"abc")]);
            assert_eq!(bench.partial(), None);
            assert_eq!(bench.status(&id()).unwrap(), complete(3));
        }
    }
}

#[test]
fn full_partial_is_published_by_a_refused_append() {
    let appends: [fn(&Bench); 3] = [
        |bench| assert_refused!(bench.append(&id(), 0), Error::Mismatch),
        |bench| {
            assert_refused!(
                bench.append_with(&id(), 3, exactly(1)),
                Error::Overshoot { .. }
            )
        },
        |bench| {
            let mut append = bench.append(&id(), 3).unwrap();
            assert_refused!(append.write(b"d"), Error::Overshoot { .. });
            append.cut();
        },
    ];
    for append in appends {
        let bench = Bench::left_as(Some(&declaring(None)), Some(b"abc"), None);
        append(&bench);
        assert_eq!(bench.status(&id()).unwrap(), complete(3));
        assert_eq!(bench.published(), [file("a", b"abc")]);
    }
}

#[test]
fn full_partial_with_wrong_digest_is_removed_by_any_request() {
    let looks: [fn(&Bench); 3] = [
        |bench| assert_eq!(bench.status(&id()).unwrap(), held(0)),
        |bench| {
            let append = bench.append_with(&id(), 3, nothing()).unwrap();
            assert_refused!(append.finish(Completes::AtLength), Error::DigestDiffers);
        },
        |bench| assert!(bench.sweep(SystemTime::now()).published.is_empty()),
    ];
    for look in looks {
        let bench = Bench::left_as(Some(&declaring(Some(b"xyz"))), Some(b"abc"), None);
        look(&bench);
        assert!(bench.left().is_empty() && bench.published().is_empty());
        assert_eq!(bench.status(&id()).unwrap(), held(0));
    }
}

#[test]
fn failed_publish_is_reported_and_repeated_later() {
    for errno in [EIO, EACCES, ENOSPC] {
        let bench = Bench::new();
        bench.fail(Op::Publish, 0, 2, errno, None);
        let sent = bench.send(0, b"abc", declared(3, "a"));
        assert_refused!(sent, Error::NotPublished(_));
        assert_refused!(bench.status(&id()), Error::NotPublished(_));
        let [listed] = &bench.under_way(b"alice")[..] else {
            panic!("it is listed");
        };
        assert!(
            listed
                .publishing
                .as_ref()
                .unwrap()
                .starts_with("cannot publish")
        );
        assert_eq!(bench.status(&id()).unwrap(), complete(3));
        assert_eq!(bench.under_way(b"alice"), []);
        assert_eq!(bench.published(), [file("a", b"abc")]);
    }
}

#[test]
fn declared_length_is_kept_when_publishing_fails_early() {
    let bench = Bench::new();
    bench.fail(Op::MakeFolder, 0, 1, EACCES, None);
    let sent = bench.send(0, b"abc", declared(3, "folder/a"));
    assert_refused!(sent, Error::NotPublished(_));
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
    let published = on_disk::read(bench.path().join("folder/a"));
    assert_eq!(published.unwrap(), b"abc");
}

#[test]
fn unpublished_partial_expires_after_its_last_byte() {
    let bench = Bench::new();
    let intent = changed_at(1_000_000_000_000, declared(3, "a"));
    bench.fail(Op::Publish, 0, usize::MAX, EACCES, None);
    assert_refused!(bench.send(0, b"abc", intent), Error::NotPublished(_));
    let now = SystemTime::now();
    assert_eq!(
        bench.sweep(now).expired,
        0,
        "the client's time expires nothing"
    );
    assert_eq!(bench.partial().unwrap(), b"abc");
    let later = now + bench.options.expire + Duration::from_secs(60);
    assert_eq!(bench.sweep(later).expired, 1);
    assert!(bench.left().is_empty() && bench.under_way(b"alice").is_empty());
}

#[test]
fn full_upload_is_published_after_a_cut() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(3, "a")).unwrap();
    append.write(b"abc").unwrap();
    let published = append.cut().expect("published");
    assert_eq!(published.path, bench.path().join("a"));
    assert_eq!(bench.published(), [file("a", b"abc")]);
}

#[test]
fn wrong_digest_is_found_before_the_last_byte_is_written() {
    let wrong = Some(Sha256::digest(b"abcxyz").into());
    for (digest, body_digest) in [(wrong, None), (None, wrong)] {
        let bench = Bench::new();
        let intent = AppendRequest {
            digest,
            body_digest,
            ..declared(6, "a")
        };
        let mut append = bench.append_with(&id(), 0, intent).unwrap();
        append.write(b"abc").unwrap();
        let before = bench.faults().log().len();
        assert_refused!(append.write(b"def"), Error::DigestDiffers);
        let log = bench.changes_since(before);
        assert!(!log.contains(&Op::Write), "{log:?}");
        assert!(bench.left().is_empty() && bench.published().is_empty());
    }
}

#[test]
fn foreign_record_is_an_error_and_stays() {
    let other = Record::new(&Id::new(b"", b"another")).to_json();
    for text in [&b"{\"v\":2}"[..], b"[]", &other] {
        let mut bench = Bench::new();
        bench.closed(|bench| on_disk::write(bench.record_path(), text).unwrap());
        let is_invalid =
            |error| matches!(error, Error::Io(error) if error.kind() == ErrorKind::InvalidData);
        assert!(is_invalid(refusal(bench.status(&id()))));
        assert!(is_invalid(refusal(bench.append(&id(), 0))));
        assert!(is_invalid(refusal(bench.cancel(&id()))));
        assert_eq!(bench.durable_progress(&id()), None);
        assert_eq!(bench.sweep(SystemTime::now()).foreign, 1);
        assert_eq!(on_disk::read(bench.record_path()).unwrap(), text);
    }
}

#[test]
fn interrupted_record_counts_as_none() {
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

#[test]
fn declared_length_of_large_upload_survives_a_kill() {
    for is_full in [false, true] {
        let mut bench = Bench::new();
        let bytes = vec![b'a'; 3 << 20];
        let mut append = bench
            .append_with(&id(), 0, declared(bytes.len(), "a"))
            .unwrap();
        let sent = if is_full { bytes.len() } else { 2 << 20 };
        for window in bytes[..sent].chunks(256 << 10) {
            append.write(window).unwrap();
        }
        // A dropped append writes nothing more, like a killed server.
        drop(append);
        bench.reopen();
        match is_full {
            true => assert_eq!(bench.status(&id()).unwrap(), complete(sent as u64)),
            false => {
                let rest = bench.send(sent as u64, &bytes[sent..], AppendRequest::default());
                assert_eq!(rest.unwrap().progress, complete(bytes.len() as u64));
            }
        }
        assert_eq!(bench.published(), [file("a", &bytes)]);
    }
}
