//! Each user has a folder.

use std::os::unix::fs::symlink;

use super::super::{Account, OnConflict};
use super::*;
use crate::store::fs::fault::Op;

fn user_dirs(on_conflict: OnConflict) -> Options {
    Options {
        user_dirs: true,
        on_conflict,
        ..Options::default()
    }
}

/// Uploads a file of a user. Returns its path below the directory, and the path that the user sees.
fn send_as(bench: &Bench, user: &str, id: &str, name: &str) -> (String, String) {
    let id = Id::new(user.as_bytes(), id.as_bytes());
    let declared = declared(user.len(), name);
    let mut append = bench.append_with(&id, 0, declared).unwrap();
    append.write(user.as_bytes()).unwrap();
    let finished = append.finish(Completes::AtLength).unwrap();
    let completed = finished.published.unwrap();
    let path = completed.path.strip_prefix(bench.path()).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (path, bench.shown_path(&completed).unwrap().to_owned())
}

fn content(bench: &Bench, path: &str) -> String {
    on_disk::read_to_string(bench.path().join(path)).unwrap()
}

#[test]
fn users_with_one_file_name_have_a_file_each() {
    for on_conflict in [OnConflict::KeepBoth, OnConflict::Replace] {
        let bench = Bench::with(user_dirs(on_conflict));
        for user in ["ann", "bob", "../ann"] {
            let (path, shown) = send_as(&bench, user, "1", "trip/a.txt");
            let folder = user.replace("../", "___");
            assert_eq!(path, format!("{folder}/trip/a.txt"));
            assert_eq!(shown, "trip/a.txt");
            assert_eq!(content(&bench, &path), user);
        }
        let second = match on_conflict {
            OnConflict::KeepBoth => "trip/a (1).txt",
            OnConflict::Replace => "trip/a.txt",
        };
        let sent = send_as(&bench, "ann", "2", "trip/a.txt");
        assert_eq!(sent, (format!("ann/{second}"), second.to_owned()));
    }
}

#[test]
fn owner_without_a_name_has_no_folder() {
    let bench = Bench::with(user_dirs(OnConflict::KeepBoth));
    let sent = send_as(&bench, "", "1", "a.txt");
    assert_eq!(sent, ("a.txt".to_owned(), "a.txt".to_owned()));
}

/// The next free name may be the folder of another user.
#[test]
fn taken_name_of_a_user_folder_refuses_the_file() {
    let outside = tempfile::tempdir().unwrap();
    for take in TAKE_NAME {
        let bench = Bench::with(user_dirs(OnConflict::KeepBoth));
        let ann = bench.path().join("alice");
        let mut append = bench.append_with(&id(), 0, declared(3, "a.txt")).unwrap();
        append.write(b"abc").unwrap();
        take(&ann, outside.path());
        let refused = append.finish(Completes::AtLength).unwrap_err();
        let Error::NotPublished(obstacle) = &refused else {
            panic!("refused with {refused:?}");
        };
        let expected = "cannot publish the file as \"a.txt\": \
                        the folder \"alice\" of the user is another file or a symbolic link";
        assert_eq!(refused.to_string(), expected);
        assert!(obstacle.logged().contains("\"alice/a.txt\""));

        let other = Id::new(b"alice", b"2");
        let before_body = bench.append_with(&other, 0, declared(3, "b.txt"));
        assert_refused!(before_body, Error::NotPublished(_));
        send_as(&bench, "bob", "1", "a.txt");
        on_disk::remove_file(&ann).unwrap();
        assert_eq!(bench.status(&id()).unwrap(), complete(3));
        assert_eq!(content(&bench, "alice/a.txt"), "abc");
        assert!(names(outside.path()).is_empty());
        assert_eq!(names(bench.path()).len(), 3, "alice, bob and .resumed");
    }
}

#[test]
fn folder_of_a_user_is_durable_before_a_file_moves_there() {
    let bench = Bench::with(user_dirs(OnConflict::KeepBoth));
    send_as(&bench, "ann", "1", "a.txt");
    assert_eq!(
        bench.changes_since_a_folder()[..2],
        [Op::MakeFolder, Op::SyncDir]
    );
}

#[test]
fn partial_upload_follows_a_changed_option() {
    for user_dirs in [true, false] {
        let mut bench = Bench::with(Options {
            user_dirs: !user_dirs,
            ..Options::default()
        });
        let mut append = bench.append_with(&id(), 0, declared(3, "a.txt")).unwrap();
        append.write(b"a").unwrap();
        append.cut();
        bench.options.user_dirs = user_dirs;
        bench.reopen();
        let mut append = bench.append(&id(), 1).unwrap();
        append.write(b"bc").unwrap();
        append.finish(Completes::AtLength).unwrap();
        let path = if user_dirs { "alice/a.txt" } else { "a.txt" };
        assert_eq!(content(&bench, path), "abc");
    }
}

#[test]
fn upload_with_a_recorded_path_keeps_it() {
    for user_dirs in [true, false] {
        let path = if user_dirs { "a.txt" } else { "alice/a.txt" };
        let mut bench = Bench::with(Options {
            user_dirs: !user_dirs,
            ..Options::default()
        });
        // The record has the path; then the move fails.
        bench.fail(Op::Publish, 0, 1, 5, None);
        assert!(bench.send(0, b"abc", declared(3, "a.txt")).is_err());
        bench.options.user_dirs = user_dirs;
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), complete(3));
        assert_eq!(content(&bench, path), "abc");
        bench.options.user_dirs = !user_dirs;
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), complete(3), "it is found");
    }
}

/// Counts the files of a user. Returns the bytes that count for the quota.
fn bytes_of(bench: &Bench, user: &str) -> u64 {
    bench.count_files(user.as_bytes(), &|| true).unwrap();
    bench
        .usage(Account::of_user(user.as_bytes()))
        .complete_bytes
}

/// A store with folders and a quota.
fn counting() -> Bench {
    Bench::with(Options {
        quota: Some(1_000_000),
        ..user_dirs(OnConflict::KeepBoth)
    })
}

#[test]
fn bytes_of_files_are_those_below_the_folder_of_the_user() {
    let bench = counting();
    assert_eq!(bytes_of(&bench, "ann"), 0, "there is no folder");
    send_as(&bench, "ann", "1", "trip/day/a.txt");
    send_as(&bench, "ann", "2", "a.txt");
    send_as(&bench, "bob", "1", "a.txt");
    assert_eq!(bytes_of(&bench, "ann"), 6);

    let outside = tempfile::tempdir().unwrap();
    on_disk::write(outside.path().join("large"), [0; 1000]).unwrap();
    let ann = bench.path().join("ann");
    symlink(outside.path(), ann.join("folder")).unwrap();
    symlink(outside.path().join("large"), ann.join("file")).unwrap();
    on_disk::write(ann.join(".resumed-0123"), [0; 1000]).unwrap();
    assert_eq!(bytes_of(&bench, "ann"), 6, "links and copies do not count");
    on_disk::write(ann.join("trip/other"), [0; 1000]).unwrap();
    assert_eq!(bytes_of(&bench, "ann"), 1006);
    on_disk::remove_dir_all(ann.join("trip")).unwrap();
    assert_eq!(bytes_of(&bench, "ann"), 3);
    send_as(&bench, "ann", "3", "b.txt");
    let now = bench.usage(Account::of_user(b"ann")).complete_bytes;
    assert_eq!(now, 6, "a new file is added to the count");
}

#[test]
fn file_completed_during_a_count_is_added() {
    let bench = counting();
    send_as(&bench, "ann", "1", "a.txt");
    let is_first = std::cell::Cell::new(true);
    let goes_on = || {
        if is_first.replace(false) {
            send_as(&bench, "ann", "2", "b.txt");
            // The count cannot find the file.
            on_disk::remove_file(bench.path().join("ann/b.txt")).unwrap();
        }
        true
    };
    bench.count_files(b"ann", &goes_on).unwrap();
    let usage = bench.usage(Account::of_user(b"ann"));
    assert_eq!(usage.complete_bytes, 6);
}

#[test]
fn count_of_bytes_ends_at_the_first_refusal() {
    let bench = counting();
    for file in ["trip/a", "trip/b", "c"] {
        send_as(&bench, "ann", file, file);
    }
    let left = std::cell::Cell::new(2);
    let goes_on = || left.replace(left.get() - 1) > 0;
    on_disk::remove_dir_all(bench.path().join("ann/trip")).unwrap();
    on_disk::write(bench.path().join("ann/d"), b"1").unwrap();
    on_disk::write(bench.path().join("ann/e"), b"1").unwrap();
    bench.count_files(b"ann", &goes_on).unwrap();
    assert_eq!(left.get(), -1, "at the first refusal");
    let usage = bench.usage(Account::of_user(b"ann"));
    assert_eq!(usage.complete_bytes, 9, "that of the uploads");
}

/// Descriptors are few.
#[test]
fn count_of_bytes_stops_at_a_depth() {
    let bench = counting();
    let deep = bench.path().join("ann").join("d/".repeat(62));
    on_disk::create_dir_all(deep.join("d/d/d")).unwrap();
    on_disk::write(deep.join("d/counted"), b"12345").unwrap();
    on_disk::write(deep.join("d/d/left out"), b"1").unwrap();
    assert_eq!(bytes_of(&bench, "ann"), 5);
}
