//! What all claims together come to, and for how long.

use std::thread;

use super::*;

fn key(id: u8) -> Key {
    Key::of(b"", &[id])
}

impl Reservations {
    /// As for an upload whose bytes do not come at once.
    fn claim_and_keep(&self, key: Key, owed: u64, now: u64) -> Arc<Reservation> {
        let kept = self.kept(key).filter(|claim| claim.note(owed, now));
        kept.unwrap_or_else(|| {
            let claim = self.claim(owed, now);
            self.keep(key, &claim);
            claim
        })
    }

    fn owed_besides(&self, key: Key, now: u64) -> u64 {
        self.owed_to_others(self.kept(key).as_deref(), now)
    }
}

#[test]
fn a_claim_counts_at_once_and_stands_only_if_it_is_kept() {
    let ledger = Reservations::new();
    let (kept, held) = (ledger.claim(100, 0), ledger.claim(10, 0));
    ledger.keep(key(1), &kept);
    assert_eq!(ledger.owed_to_others(None, 0), 110);
    assert_eq!(ledger.owed_to_others(Some(&held), 0), 100);
    assert!(ledger.kept(key(2)).is_none());
    drop((kept, held));
    assert_eq!(ledger.owed_to_others(None, 0), 100);
    let again = ledger.kept(key(1));
    ledger.release(key(1), again);
    assert_eq!(ledger.owed_to_others(None, 0), 0);
    assert!(ledger.kept(key(1)).is_none());
}

#[test]
fn others_are_owed_for_ten_minutes_after_their_last_byte() {
    let ledger = Reservations::new();
    ledger.claim_and_keep(key(1), 100, 0);
    ledger.claim_and_keep(key(2), 10, 300);
    assert_eq!(ledger.owed_besides(key(3), 300), 110);
    assert_eq!(ledger.owed_besides(key(1), 300), 10);
    assert_eq!(ledger.owed_besides(key(3), 600), 110);
    assert_eq!(ledger.owed_besides(key(3), 601), 10);
    assert_eq!(ledger.owed_besides(key(3), 901), 0);
    let claims = ledger.claims();
    assert!(claims.by_key.is_empty() && claims.by_age.is_empty());
}

#[test]
fn a_look_is_believed_for_a_moment_where_it_leaves_plenty() {
    let looks = |look: &mut Look, wanted, free| {
        let mut looked = false;
        let has_room = look.has_room(wanted, || {
            looked = true;
            Ok(free)
        });
        (looked, has_room.unwrap())
    };
    let mut look = Look::at_free(0);
    assert_eq!(looks(&mut look, 10, 9), (true, false));
    assert_eq!(looks(&mut look, 10, 10 + PLENTY_BYTES), (true, true));
    assert_eq!(looks(&mut look, 10, 0), (false, true));
    assert_eq!(looks(&mut look, 11, 11), (true, true));
    let at = Instant::now() - 2 * LOOK_LASTS;
    let mut old = Look { free: u64::MAX, at };
    assert_eq!(looks(&mut old, 10, 9), (true, false));
    assert_eq!(
        looks(&mut Look::at_free(u64::MAX), u64::MAX, 7),
        (false, true)
    );
}

#[test]
fn claims_saturate_and_are_released() {
    let ledger = Reservations::new();
    ledger.claim_and_keep(key(1), u64::MAX, 0);
    ledger.claim_and_keep(key(2), u64::MAX, 0);
    assert_eq!(ledger.owed_besides(key(3), 0), u64::MAX);
    ledger.release(key(1), None);
    assert_eq!(ledger.owed_besides(key(2), 0), 0);
}

/// What the total stands for: all claims, one by one.
#[derive(Default)]
struct Plain {
    claims: BTreeMap<u8, (u64, u64)>,
}

impl Plain {
    fn owed_to_others(&self, id: u8, now: u64) -> u64 {
        let stand = |received: u64| now <= received + CLAIM_SECS;
        let others = self.claims.iter().filter(|(other, _)| **other != id);
        others
            .filter(|(_, (_, received))| stand(*received))
            .fold(0, |sum, (_, (owed, _))| sum.saturating_add(*owed))
    }
}

/// Numbers that follow from a first one (xorshift).
fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    }
}

#[test]
fn the_total_is_what_a_walk_over_all_claims_would_find() {
    for seed in 1..=300 {
        let mut number = numbers(seed);
        let (ledger, mut plain, mut now) = (Reservations::new(), Plain::default(), 0);
        let mut held: BTreeMap<u8, Arc<Reservation>> = BTreeMap::new();
        for _ in 0..300 {
            let id = number(6) as u8;
            let owed = [number(1000), number(1 << 50), u64::MAX][number(3) as usize];
            match number(8) {
                0..4 => {
                    let claim = held.get(&id).filter(|claim| claim.note(owed, now)).cloned();
                    let claim = claim.unwrap_or_else(|| ledger.claim_and_keep(key(id), owed, now));
                    held.insert(id, claim);
                    plain.claims.insert(id, (owed, now));
                }
                4 => {
                    ledger.release(key(id), None);
                    plain.claims.remove(&id);
                }
                // It leaves memory; its claim stands.
                5 => drop(held.remove(&id)),
                6 => now += number(CLAIM_SECS / 2),
                _ => assert_eq!(
                    ledger.owed_besides(key(id), now),
                    plain.owed_to_others(id, now),
                    "seed {seed}"
                ),
            }
        }
    }
}

#[test]
fn the_total_is_right_when_windows_claims_and_looks_come_at_once() {
    let ledger = Reservations::new();
    let upload = |id: u8| {
        let mut number = numbers(u64::from(id) + 1);
        let mut claim = ledger.claim_and_keep(key(id), 1 << 41, 0);
        for step in 0..5_000 {
            // Now and then so much time has passed that all run out.
            let now = step / 1_000 * CLAIM_SECS * 2;
            let owed = (1 << 40) - 500 + number(1_000);
            if !claim.note(owed, now) {
                claim = ledger.claim_and_keep(key(id), owed, now);
            }
            assert!(ledger.owed_besides(key(id), now) < 1 << 44);
        }
        ledger.claim_and_keep(key(id), u64::from(id), u64::MAX / 2);
    };
    thread::scope(|scope| {
        for id in 0..4 {
            scope.spawn(move || upload(id));
        }
    });
    assert_eq!(ledger.owed_besides(key(9), u64::MAX / 2), 1 + 2 + 3);
}
