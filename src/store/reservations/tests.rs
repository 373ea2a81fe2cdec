use super::*;
use crate::store::options::Options;

fn key(id: u8) -> Key {
    Key::of(b"", &[id])
}

/// Returns the claim of an upload without an account.
fn alone(id: u8) -> Claim {
    let account = None;
    Claim {
        key: key(id),
        account,
    }
}

/// Returns the claim of an upload of a user.
fn of(user: u8, id: u8) -> Claim {
    Claim {
        key: key(id),
        account: Some(Account::of_user(&[user])),
    }
}

const NO_CAP: u64 = u64::MAX;

#[test]
fn reservation_lasts_30_seconds_after_the_last_byte() {
    let mut table = Table::default();
    table.set(alone(1), 200, 0);
    table.set(alone(2), 10, 15);
    assert_eq!(table.of_others(alone(3), NO_CAP, 15), 210);
    assert_eq!(table.of_others(alone(1), NO_CAP, 15), 10);
    table.set(alone(1), 100, 10);
    assert!(table.covers(key(1), 100, 40) && !table.covers(key(1), 101, 40));
    assert_eq!(table.of_others(alone(3), NO_CAP, 40), 110);
    assert!(!table.covers(key(1), 1, 41));
    assert_eq!(table.of_others(alone(3), NO_CAP, 41), 10);
    assert_eq!(table.of_others(alone(3), NO_CAP, 46), 0);
    assert!(table.by_key.is_empty() && table.by_age.is_empty());
}

#[test]
fn sum_of_reservations_saturates() {
    let mut table = Table::default();
    table.set(alone(1), u64::MAX, 0);
    table.set(alone(2), u64::MAX, 0);
    assert_eq!(table.of_others(alone(3), NO_CAP, 0), u64::MAX);
    table.release(key(1));
    assert_eq!(table.of_others(alone(2), NO_CAP, 0), 0);
}

#[test]
fn another_party_counts_up_to_the_cap() {
    let mut table = Table::default();
    table.set(of(1, 1), 60, 0);
    table.set(of(1, 2), 60, 0);
    table.set(of(2, 3), 10, 0);
    table.set(alone(4), 70, 0);
    table.set(alone(5), 80, 0);
    assert_eq!(table.of_others(of(3, 9), 50, 0), 50 + 10 + 50 + 50);
    assert_eq!(table.of_others(of(1, 9), 50, 0), 120 + 10 + 50 + 50);
    assert_eq!(table.of_others(of(1, 1), 50, 0), 60 + 10 + 50 + 50);
    assert_eq!(table.of_others(alone(4), 50, 0), 50 + 10 + 50);
    // A resumption from another address moves the reservation.
    table.set(of(2, 1), 60, 0);
    assert_eq!(table.of_others(of(2, 9), 50, 0), 50 + 70 + 50 + 50);
}

/// Numbers from a seed (xorshift).
fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    }
}

/// Returns the bytes of others by a walk over all reservations.
fn walk(plain: &BTreeMap<u8, (Claim, u64, u64)>, claim: Claim, most: u64, now: u64) -> u64 {
    let mut parties = BTreeMap::<Party, u128>::new();
    for (other, bytes, touched) in plain.values() {
        if other.key != claim.key && now <= touched + LIFETIME_SECS {
            *parties.entry(other.party()).or_default() += u128::from(*bytes);
        }
    }
    let is_within = parties.values().sum::<u128>() <= most.into();
    let capped = parties
        .into_iter()
        .map(|(party, bytes)| match party == claim.party() {
            true => bytes,
            false if is_within => bytes,
            false => bytes.min(most.into()),
        });
    capped.sum::<u128>().try_into().unwrap_or(u64::MAX)
}

#[test]
fn sum_equals_a_walk_over_all_reservations() {
    for seed in 1..=100 {
        let mut number = numbers(seed);
        let (mut table, mut plain, mut now) = (Table::default(), BTreeMap::new(), 0);
        for _ in 0..300 {
            let id = number(6) as u8;
            let claim = match number(4) {
                0 => alone(id),
                user => of(user as u8, id),
            };
            let bytes = [number(1000), number(1 << 50), u64::MAX][number(3) as usize];
            match number(7) {
                0..4 => {
                    table.set(claim, bytes, now);
                    plain.insert(id, (claim, bytes, now));
                }
                4 => {
                    table.release(key(id));
                    plain.remove(&id);
                }
                5 => now += number(LIFETIME_SECS / 2),
                _ => {
                    let most = [500, 1 << 49, u64::MAX][number(3) as usize];
                    let others = table.of_others(claim, most, now);
                    assert_eq!(others, walk(&plain, claim, most, now), "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn reading_is_old_when_few_granted_inodes_are_left() {
    let reservations = Reservations::new(Floor::from(&Options::default()));
    let mut reads = 0;
    for _ in 0..3 {
        let free = Ok(Space::of_inodes(2500));
        let read = || (reads += 1, free).1;
        let needed = Needed::inodes(1000);
        reservations.admit(alone(1), needed, None, read).unwrap();
    }
    assert!(reads > 1);
}
