//! Completion hooks: a hook finds the bytes of its upload.

use std::thread;
use std::time::SystemTime;

use super::super::{ObstacleKind, OnConflict, Sharing};
use super::*;

fn with_hooks(on_conflict: OnConflict) -> Bench {
    Bench::with(Options {
        mark_hooks: true,
        on_conflict,
        ..Options::default()
    })
}

fn other() -> Id {
    Id::new(b"alice", b"other")
}

/// Sends another upload with the same name.
fn send_other(bench: &Bench, name: &str) -> Result<Finished, Error> {
    let mut append = bench.append_with(&other(), 0, declared(3, name))?;
    append.write(b"new")?;
    append.finish(Completes::AtLength)
}

#[track_caller]
fn is_passing<T>(result: Result<T, Error>) {
    match refusal(result) {
        Error::NotPublished(obstacle) => assert_eq!(obstacle.kind, ObstacleKind::Passing),
        error => panic!("refused with {error:?}"),
    }
}

#[test]
fn file_is_not_replaced_while_its_hook_is_due() {
    let mut bench = with_hooks(OnConflict::Replace);
    bench.send_whole("a", b"old");
    is_passing(send_other(&bench, "a"));
    is_passing(bench.status(&other()));
    assert_eq!(bench.published(), [file("a", b"old")]);

    // The records of an earlier server contain the due hooks.
    bench.reopen();
    is_passing(bench.status(&other()));
    bench.sweep(SystemTime::now());
    assert_eq!(bench.published(), [file("a", b"old")]);
    assert_eq!(bench.due().unwrap().len(), 1);

    bench.hooked(&id()).unwrap();
    assert_eq!(bench.status(&other()).unwrap(), complete(3));
    assert_eq!(bench.published(), [file("a", b"new")]);
    let due = bench.due().unwrap();
    assert!(due.iter().map(|due| &due.id).eq([&other()]));
}

#[test]
fn other_names_do_not_wait_for_a_hook() {
    let bench = with_hooks(OnConflict::Replace);
    bench.send_whole("a", b"old");
    send_other(&bench, "b").unwrap();
    assert_eq!(bench.published(), [file("a", b"old"), file("b", b"new")]);
}

#[test]
fn name_of_a_file_moved_by_its_hook_is_free_afterwards() {
    let bench = with_hooks(OnConflict::KeepBoth);
    bench.send_whole("a", b"old");
    on_disk::remove_file(bench.path().join("a")).unwrap();
    send_other(&bench, "a").unwrap();
    assert_eq!(bench.published(), [file("a (1)", b"new")]);

    bench.hooked(&id()).unwrap();
    bench.store_as("a", b"third");
    assert_eq!(
        bench.published(),
        [file("a", b"third"), file("a (1)", b"new")]
    );
}

#[test]
fn name_is_kept_for_one_of_two_uploads_that_end_at_once() {
    for _ in 0..20 {
        let bench = with_hooks(OnConflict::Replace);
        let one = bench.append_with(&id(), 0, declared(3, "a")).unwrap();
        let two = bench.append_with(&other(), 0, declared(3, "a")).unwrap();
        let published: usize = thread::scope(|scope| {
            let ends = [(one, b"one"), (two, b"two")].map(|(mut append, bytes)| {
                scope.spawn(move || {
                    append.write(bytes).unwrap();
                    append.finish(Completes::AtLength).is_ok()
                })
            });
            ends.map(|end| usize::from(end.join().unwrap()))
                .iter()
                .sum()
        });
        assert_eq!(published, 1);
        let due = bench.due().unwrap();
        let expected: &[u8] = if due[0].id == id() { b"one" } else { b"two" };
        assert_eq!(bench.published(), [file("a", expected)]);
    }
}

#[test]
fn failed_upload_keeps_no_name() {
    let bench = with_hooks(OnConflict::Replace);
    bench.fail(Op::Publish, 0, 1, 5, None);
    assert!(bench.send(0, b"old", declared(3, "a")).is_err());
    send_other(&bench, "a").unwrap();
    assert_eq!(bench.published(), [file("a", b"new")]);
    is_passing(bench.status(&id()));
}

#[test]
fn name_is_kept_for_a_hook_of_another_server() {
    let options = Options {
        mark_hooks: true,
        on_conflict: OnConflict::Replace,
        sharing: Sharing::Shared,
        min_free: 0,
        ..Options::default()
    };
    let bench = Bench::with(options.clone());
    // This server has read the records before the other writes any.
    let second = Store::open(bench.path(), options).unwrap();
    assert!(second.due().unwrap().is_empty());
    bench.send_whole("a", b"old");
    let send = || {
        let mut append = second.append_with(&other(), 0, declared(3, "a"))?;
        append.write(b"new")?;
        append.finish(Completes::AtLength)
    };
    is_passing(send());
    assert_eq!(bench.published(), [file("a", b"old")]);
    bench.hooked(&id()).unwrap();
    assert_eq!(second.status(&other()).unwrap(), complete(3));
    assert_eq!(bench.published(), [file("a", b"new")]);
}

#[test]
fn hook_whose_end_cannot_be_recorded_is_due_again() {
    let bench = with_hooks(OnConflict::KeepBoth);
    bench.send_whole("a", b"bytes");
    let _kept_in_memory = bench.upload(&id());
    bench.fail(Op::WriteRecord, 0, 1, 5, None);
    assert!(bench.hooked(&id()).is_err());
    assert_eq!(bench.due().unwrap().len(), 1);
    bench.hooked(&id()).unwrap();
    assert!(bench.due().unwrap().is_empty());
}

#[test]
fn hook_that_moved_its_file_is_due_after_a_crash() {
    let mut bench = with_hooks(OnConflict::KeepBoth);
    bench.send_whole("a", b"bytes");
    on_disk::remove_file(bench.path().join("a")).unwrap();
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    bench.sweep(SystemTime::now());
    assert_eq!(bench.due().unwrap().len(), 1);
    bench.hooked(&id()).unwrap();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn removed_file_is_forgotten_without_hooks() {
    let mut bench = with_hooks(OnConflict::KeepBoth);
    bench.send_whole("a", b"bytes");
    on_disk::remove_file(bench.path().join("a")).unwrap();
    bench.options.mark_hooks = false;
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), held(0));
}
