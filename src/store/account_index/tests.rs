use super::*;

fn limited(partials: u64, per_account: u64, quota: Option<u64>) -> AccountIndex {
    AccountIndex::new(&Options {
        max_partials: Some(partials),
        max_partials_per_account: Some(per_account),
        quota,
        ..Options::default()
    })
}

fn ann(id: u8) -> Id {
    Id::new(b"ann", &[id])
}

fn address(last: u8) -> Option<Account> {
    Some(Account::of_address([192, 0, 2, last].into()))
}

fn begins(account: Option<Account>, bytes: u64) -> Demand {
    Demand {
        account,
        is_new: true,
        is_whole: false,
        bytes,
        final_bytes: bytes,
    }
}

/// Returns the number and the bytes of the partial uploads, and the bytes of the complete ones.
fn usage(accounts: &AccountIndex, owner: &[u8]) -> (u64, u64, u64) {
    let usage = accounts.usage(Account::of_user(owner));
    (usage.partials, usage.partial_bytes, usage.complete_bytes)
}

#[test]
fn usage_is_the_sum_of_the_partial_uploads() {
    let accounts = AccountIndex::new(&Options::default());
    accounts.set(&ann(1), 5);
    accounts.set(&ann(2), 7);
    accounts.set(&Id::new(b"bob", b"1"), 100);
    assert_eq!(usage(&accounts, b"ann"), (2, 12, 0));
    accounts.set(&ann(1), 6);
    assert_eq!(usage(&accounts, b"ann"), (2, 13, 0));
    accounts.remove(ann(2).key());
    accounts.remove(ann(2).key());
    assert_eq!(usage(&accounts, b"ann"), (1, 6, 0));
    accounts.complete(&ann(1), 6);
    assert_eq!(usage(&accounts, b"ann"), (0, 0, 0));
    assert_eq!(usage(&accounts, b"bob"), (1, 100, 0));
    assert_eq!(accounts.partials(), 1);
    assert_eq!(lock(&accounts.index).accounts.len(), 1);
}

#[test]
fn sum_of_huge_lengths_does_not_overflow() {
    let accounts = limited(10, 10, Some(u64::MAX));
    (1..3).for_each(|id| accounts.set(&ann(id), u64::MAX));
    assert_eq!(usage(&accounts, b"ann"), (2, u64::MAX, 0));
    (1..3).for_each(|id| accounts.complete(&ann(id), u64::MAX));
    assert_eq!(usage(&accounts, b"ann"), (0, 0, u64::MAX));
    assert_eq!(accounts.grow(&ann(3), 0, 5).0, 0);
    (1..4).for_each(|id| accounts.remove(ann(id).key()));
    assert_eq!(usage(&accounts, b"ann"), (0, 0, 0));
}

#[test]
fn sweep_returns_entries_without_upload() {
    let accounts = limited(10, 10, Some(100));
    (1..5).for_each(|id| accounts.set(&ann(id), 1));
    (3..5).for_each(|id| accounts.complete(&ann(id), 10));
    accounts.begin_sweep();
    accounts.set(&ann(1), 1);
    accounts.set_complete(&ann(3), 10);
    let mut left = accounts.not_updated();
    left.sort();
    let mut expected = [2, 4].map(|id| ann(id).key());
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn number_is_limited_for_each_address_and_for_all() {
    let accounts = limited(3, 2, None);
    let begin = |id: u8, account| accounts.admit(&Id::new(b"", &[id]), begins(account, 1));
    begin(1, address(1)).unwrap();
    begin(2, address(1)).unwrap();
    let whole = |bytes| Demand {
        is_whole: true,
        ..begins(address(1), bytes)
    };
    let id = Id::new(b"", &[3]);
    accounts.admit(&id, whole(WHOLE_MAX + 1)).unwrap_err();
    let admitted = accounts.admit(&id, whole(WHOLE_MAX)).unwrap();
    assert_eq!(admitted, Admitted::IfWhole);
    let removed = Id::new(b"", &[1]);
    accounts.remove(removed.key());
    let again = accounts.admit(&id, whole(WHOLE_MAX)).unwrap();
    assert_eq!(again, Admitted::Always, "it does not count beside itself");
    accounts.remove(id.key());
    begin(1, address(1)).unwrap();
    let error = begin(3, address(1)).unwrap_err();
    let Error::TooManyPartialsOfAccount { max, is_user } = error else {
        panic!("{error:?}");
    };
    assert_eq!((max, is_user), (2, false));
    begin(3, None).unwrap();
    for account in [None, address(2)] {
        let error = begin(4, account).unwrap_err();
        assert!(matches!(error, Error::TooManyPartials { max: 3 }));
    }
    accounts.complete(&Id::new(b"", &[1]), 1);
    begin(4, address(1)).unwrap();
}

#[test]
fn existing_upload_is_continued_beyond_the_limits() {
    let accounts = limited(1, 1, None);
    accounts.set(&ann(1), 5);
    accounts.admit(&ann(1), begins(None, 5)).unwrap();
    let unswept = Demand {
        is_new: false,
        ..begins(None, 5)
    };
    accounts.admit(&ann(2), unswept).unwrap();
    accounts.admit(&ann(3), begins(None, 5)).unwrap_err();
}

#[test]
fn upload_of_an_earlier_server_gets_the_address_that_continues_it() {
    let accounts = limited(10, 1, None);
    let [old, new] = [1, 2].map(|id| Id::new(b"", &[id]));
    accounts.set(&old, 1);
    accounts.admit(&old, begins(address(1), 1)).unwrap();
    accounts.admit(&new, begins(address(1), 1)).unwrap_err();
    accounts.admit(&old, begins(address(2), 1)).unwrap();
    accounts.admit(&new, begins(address(2), 1)).unwrap();
}

#[test]
fn quota_counts_partial_and_complete_uploads() {
    let accounts = limited(10, 10, Some(100));
    accounts.admit(&ann(1), begins(None, 60)).unwrap();
    accounts.complete(&ann(1), 60);
    accounts.admit(&ann(2), begins(None, 30)).unwrap();
    let error = accounts.admit(&ann(3), begins(None, 11)).unwrap_err();
    assert!(matches!(error, Error::OverQuota(Quota { used: 90, .. })));
    accounts.admit(&ann(3), begins(None, 10)).unwrap();
    accounts.admit(&ann(2), begins(None, 30)).unwrap();
    let other = Id::new(b"bob", b"1");
    accounts.admit(&other, begins(None, 100)).unwrap();
    accounts.remove(ann(1).key());
    accounts.admit(&ann(4), begins(None, 60)).unwrap();
    let nobody = Id::new(b"", b"1");
    accounts.admit(&nobody, begins(address(1), 1000)).unwrap();
}

#[test]
fn upload_without_length_grows_up_to_the_quota() {
    let accounts = limited(10, 10, Some(100));
    accounts.set(&ann(1), 90);
    accounts.set(&ann(2), 4);
    assert_eq!(accounts.grow(&ann(2), 4, 5).0, 5);
    let (allowed, error) = accounts.grow(&ann(2), 9, 5);
    assert_eq!(allowed, 1);
    assert!(matches!(
        error,
        Some(Error::OverQuota(Quota { used: 100, .. }))
    ));
    assert_eq!(usage(&accounts, b"ann"), (2, 100, 0));
}

#[test]
fn count_of_files_replaces_the_complete_uploads() {
    let accounts = limited(10, 10, Some(100));
    accounts.set_complete(&ann(1), 10);
    accounts.set_found_bytes(b"ann", 95);
    assert_eq!(usage(&accounts, b"ann"), (0, 0, 95));
    accounts.admit(&ann(2), begins(None, 6)).unwrap_err();
    accounts.complete(&ann(3), 3);
    accounts.remove(ann(1).key());
    accounts.remove(ann(3).key());
    assert_eq!(usage(&accounts, b"ann"), (0, 0, 98));
}
