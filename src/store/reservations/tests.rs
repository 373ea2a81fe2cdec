use super::*;

fn key(id: u8) -> Key {
    Key::of(b"", &[id])
}

#[test]
fn reservation_lasts_ten_minutes_after_the_last_byte() {
    let mut table = Table::default();
    table.set(key(1), 200, 0);
    table.set(key(2), 10, 300);
    assert_eq!(table.of_others(key(3), 300), 210);
    assert_eq!(table.of_others(key(1), 300), 10);
    table.set(key(1), 100, 200);
    assert_eq!(table.of_others(key(3), 800), 110);
    assert_eq!(table.of_others(key(3), 801), 10);
    assert_eq!(table.of_others(key(3), 901), 0);
    assert!(table.by_key.is_empty() && table.by_age.is_empty());
}

#[test]
fn sum_of_reservations_saturates() {
    let mut table = Table::default();
    table.set(key(1), u64::MAX, 0);
    table.set(key(2), u64::MAX, 0);
    assert_eq!(table.of_others(key(3), 0), u64::MAX);
    table.release(key(1));
    assert_eq!(table.of_others(key(2), 0), 0);
}

#[test]
fn recent_reading_with_plenty_of_space_is_used_again() {
    let reads = |space: &mut FreeSpace, wanted, free| {
        let mut has_read = false;
        let has_room = space.has_room(wanted, || {
            has_read = true;
            Ok(free)
        });
        (has_read, has_room.unwrap())
    };
    let mut space = FreeSpace::of(0);
    assert_eq!(reads(&mut space, 10, 9), (true, false));
    assert_eq!(reads(&mut space, 10, 10 + PLENTY_BYTES), (true, true));
    assert_eq!(reads(&mut space, 10, 0), (false, true));
    assert_eq!(reads(&mut space, 11, 11), (true, true));
    let at = Instant::now() - 2 * READING_LASTS;
    let bytes = u64::MAX;
    let mut old = FreeSpace { bytes, at };
    assert_eq!(reads(&mut old, 10, 9), (true, false));
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

#[test]
fn sum_equals_a_walk_over_all_reservations() {
    for seed in 1..=100 {
        let mut number = numbers(seed);
        let (mut table, mut plain, mut now) = (Table::default(), BTreeMap::new(), 0);
        for _ in 0..300 {
            let id = number(6) as u8;
            let bytes = [number(1000), number(1 << 50), u64::MAX][number(3) as usize];
            match number(7) {
                0..4 => {
                    table.set(key(id), bytes, now);
                    plain.insert(id, (bytes, now));
                }
                4 => {
                    table.release(key(id));
                    plain.remove(&id);
                }
                5 => now += number(LIFETIME_SECS / 2),
                _ => {
                    let others = plain.iter().filter(|(other, (_, touched))| {
                        **other != id && now <= touched + LIFETIME_SECS
                    });
                    let sum = others.fold(0_u64, |sum, (_, (bytes, _))| sum.saturating_add(*bytes));
                    assert_eq!(table.of_others(key(id), now), sum, "seed {seed}");
                }
            }
        }
    }
}
