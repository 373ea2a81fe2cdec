//! Steps of the clock by years, while a store is open and between two opens.

use std::time::{Duration, SystemTime};

use crate::store::fs::disk::{modified_of, set_modified};

use super::*;

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;
/// The distance of the real time to 1970 and to 2040, about.
const TO_1970: i64 = -56 * 365 * DAY;
const TO_2040: i64 = 14 * 365 * DAY;

/// A store whose clock is wrong by `wrong_ms`, with an upload of four bytes.
fn begun(wrong_ms: i64) -> Bench {
    let bench = Bench::fast();
    bench.shift_clock(wrong_ms, 0);
    bench.send(0, b"some", declared(10, "a")).unwrap();
    bench.date(wrong_ms);
    Store::sweep(&bench);
    bench
}

fn after(ms: i64) -> SystemTime {
    let now = SystemTime::now();
    let distance = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 {
        now - distance
    } else {
        now + distance
    }
}

impl Bench {
    /// Dates the data file as the kernel does under a wrong clock.
    fn date(&self, wrong_ms: i64) {
        let data = on_disk::File::options().write(true).open(self.data_path());
        set_modified(data.unwrap(), after(wrong_ms)).unwrap();
    }

    fn expired(&self, wall_ms: i64, running_ms: i64) -> usize {
        self.shift_clock(wall_ms, running_ms);
        Store::sweep(self).expired
    }

    fn resumes(&self) {
        assert_eq!(self.status(&id()).unwrap(), held(4));
        let sent = self.send(4, b"others", AppendRequest::default()).unwrap();
        assert_eq!(sent.progress, complete(10));
    }

    /// Moves everything that the store has written so far into the past.
    fn let_days_pass(&self, days: i64) {
        let clock = self.path().join(".resumed/clock");
        let text = on_disk::read_to_string(&clock).unwrap();
        let line = |line: &str| {
            let numbers: Vec<i64> = line.split(' ').map(|it| it.parse().unwrap()).collect();
            let (first, last) = (numbers[1] - days * DAY, numbers[2] - days * DAY);
            format!("{} {first} {last}\n", numbers[0])
        };
        on_disk::write(clock, text.lines().map(line).collect::<String>()).unwrap();
        let data = on_disk::File::options().write(true).open(self.data_path());
        let data = data.unwrap();
        let changed = modified_of(&data).unwrap();
        let passed = Duration::from_millis((days * DAY) as u64);
        set_modified(&data, changed - passed).unwrap();
    }
}

#[test]
fn step_from_1970_expires_nothing_too_early() {
    for wrong in [TO_1970, -400 * DAY, TO_2040] {
        let bench = begun(wrong);
        assert_eq!(bench.expired(0, HOUR), 0);
        assert_eq!(bench.expired(6 * DAY, 6 * DAY), 0);
        let left = bench.info(&id()).unwrap().unwrap().expires.unwrap().left;
        assert!(left <= Duration::from_secs(24 * 60 * 60), "{left:?}");
        assert_eq!(bench.expired(8 * DAY, 8 * DAY), 1, "{wrong}");
        bench.resumes_from_nothing();
    }
}

#[test]
fn clock_that_steps_while_a_body_arrives_loses_nothing() {
    for wrong in [TO_1970, TO_2040] {
        let bench = Bench::fast();
        bench.shift_clock(wrong, 0);
        let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
        append.write(b"so").unwrap();
        bench.shift_clock(0, 0);
        append.write(b"me").unwrap();
        append.cut();
        assert_eq!(bench.expired(DAY, DAY), 0);
        bench.resumes();
    }
}

#[test]
fn restart_under_another_clock_expires_nothing() {
    for (before, now) in [(TO_1970, 0), (TO_2040, 0), (0, TO_1970), (0, TO_2040)] {
        let mut bench = begun(before);
        bench.reopen();
        assert_eq!(bench.expired(now, HOUR), 0, "{before} {now}");
        assert_eq!(bench.expired(now + 6 * DAY, 6 * DAY), 0, "{before} {now}");
        bench.resumes();
    }
}

#[test]
fn upload_of_a_wrong_clock_expires_after_a_restart_too() {
    for (before, now) in [(TO_1970, 0), (TO_2040, 0), (0, TO_1970), (0, TO_2040)] {
        let mut bench = begun(before);
        bench.reopen();
        assert_eq!(bench.expired(now + 8 * DAY, 8 * DAY), 1, "{before} {now}");
    }
}

#[test]
fn file_of_an_unknown_clock_gets_a_whole_lifetime() {
    for wrong in [TO_1970, -30 * DAY, TO_2040] {
        let mut bench = Bench::fast();
        bench.send(0, b"some", declared(10, "a")).unwrap();
        bench.closed(|bench| bench.date(wrong));
        assert_eq!(bench.expired(0, 0), 0);
        assert_eq!(bench.expired(6 * DAY, 6 * DAY), 0);
        assert_eq!(bench.expired(8 * DAY, 8 * DAY), 1, "{wrong}");
    }
}

#[test]
fn only_time_in_which_the_store_is_open_counts() {
    let mut bench = begun(0);
    for _ in 0..3 {
        bench.closed(|bench| bench.let_days_pass(30));
        assert_eq!(bench.expired(2 * DAY, 2 * DAY), 0);
        bench.let_days_pass(2);
    }
    bench.reopen();
    assert_eq!(bench.expired(2 * DAY, 2 * DAY), 1);
}

#[test]
fn log_of_a_wrong_clock_is_kept_for_a_whole_lifetime() {
    for wrong in [TO_1970, TO_2040] {
        let mut bench = Bench::fast();
        bench.store_other(b"whole");
        bench.closed(|bench| {
            let segment = bench.path().join(".resumed/journal/1");
            let segment = on_disk::File::options().write(true).open(segment);
            set_modified(segment.unwrap(), after(wrong)).unwrap();
        });
        let forgotten = |days: i64| {
            bench.shift_clock(days * DAY, days * DAY);
            Store::sweep(&bench).forgotten
        };
        assert_eq!([0, 6, 8].map(forgotten), [0, 0, 1], "{wrong}");
    }
}

#[test]
fn upload_of_a_run_that_lost_power_is_not_dated_by_an_earlier_run() {
    for second in [0, -3 * DAY] {
        let mut bench = Bench::fast();
        bench.closed(|bench| {
            let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap();
            let begin = since_1970.as_millis() as i64 - 4 * DAY;
            // The clock goes back into this run at the start of the second one.
            let run = format!("0 {begin} {}\n", begin + 10 * DAY);
            on_disk::write(bench.path().join(".resumed/clock"), run).unwrap();
        });
        assert_eq!(bench.expired(second, 0), 0);
        bench.send(0, b"some", declared(10, "a")).unwrap();
        // No clock is saved at the end.
        bench.closed(|bench| bench.date(second + 45 * 60 * 1000));
        assert_eq!(bench.expired(0, 0), 0, "{second}");
        bench.resumes();
    }
}

#[test]
fn damaged_clock_expires_nothing_too_early() {
    for text in [
        "",
        "\0\0\0\0",
        "0 5",
        "9223372036854775807 0 1\n",
        "0 5 1\n",
        "x y z\n",
    ] {
        let mut bench = begun(0);
        bench.closed(|bench| {
            on_disk::write(bench.path().join(".resumed/clock"), text).unwrap();
            bench.date(-30 * DAY);
        });
        assert_eq!(bench.expired(6 * DAY, 6 * DAY), 0, "{text:?}");
        assert_eq!(bench.expired(14 * DAY, 14 * DAY), 1, "{text:?}");
    }
}

impl Bench {
    fn resumes_from_nothing(&self) {
        assert_eq!(self.status(&id()).unwrap(), held(0));
    }
}

#[test]
fn times_before_1970_and_after_2038_are_kept() {
    let file = tempfile::tempfile().unwrap();
    let (short, century) = (
        Duration::from_millis(1250),
        Duration::from_secs(3_155_760_000),
    );
    for time in [
        SystemTime::UNIX_EPOCH - short,
        SystemTime::UNIX_EPOCH + century + short,
    ] {
        set_modified(&file, time).unwrap();
        assert_eq!(modified_of(&file).unwrap(), time);
    }
}
