//! The age of uploads: the time in which the server has run since their last byte.
//!
//! A machine without a battery for its clock starts in 1970, or at the time of its last stop. So a difference of wall
//! times is no age. The clock counts the time in which the server runs, and notes which wall times belong to it:
//!
//! ```text
//! .resumed/clock
//!   0 1000 3601000                      an era: running time, first and last wall time, in ms
//!   3600000 1764460800000 1764464400000
//! ```
//!
//! An era ends when the wall clock steps, or the server stops. A time of a file belongs to the last era that contains
//! it. The age of a file is unknown if no era does: a sweep then dates it anew.

use std::time::{Duration, Instant, SystemTime};

use crate::sync::{Mutex, lock};

/// The smallest step. Time servers adjust a clock slowly: a smaller difference of the clocks is no step.
const STEP_MS: i64 = 60_000;

/// The clock is saved every hour. After a power loss, the end of a run may be so much later than the saved one.
const UNSAVED_MS: i64 = 2 * 60 * 60 * 1000;

/// The maximum number of eras. The oldest are dropped: the age of their files is then unknown.
const ERAS_MAX: usize = 256;

/// A gap between two runs that the log mentions: a year.
const LONG_GAP_MS: i64 = 365 * 24 * 60 * 60 * 1000;

/// The running time of the server, over all its starts.
pub(crate) struct Clock {
    start: Instant,
    eras: Mutex<Eras>,
    /// Added to the wall time and to the running time, in ms.
    #[cfg(test)]
    pub(crate) shift: Mutex<(i64, i64)>,
}

/// The eras, never none, and the last look at both clocks.
struct Eras {
    list: Vec<Era>,
    running_ms: i64,
    seen: Look,
}

/// A period in which wall clock and running time went on together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Era {
    /// The running time at its begin.
    running_ms: i64,
    first_ms: i64,
    last_ms: i64,
}

/// The times of both clocks at one moment.
#[derive(Clone, Copy)]
struct Look {
    wall_ms: i64,
    since_start_ms: i64,
}

impl Clock {
    /// Begins a run of the server, after the runs in the text of an earlier clock.
    pub(crate) fn new(text: &str) -> Self {
        let eras: Option<Vec<_>> = text.lines().map(Era::parse).collect();
        let mut list = eras.unwrap_or_default();
        let running_ms = list.last().map_or(0, Era::end);
        let wall_ms = millis(SystemTime::now());
        if let Some(last) = list.last() {
            warn_of_gap(wall_ms.saturating_sub(last.last_ms));
        }
        list.push(Era {
            running_ms,
            first_ms: wall_ms,
            last_ms: wall_ms,
        });
        let seen = Look {
            wall_ms,
            since_start_ms: 0,
        };
        Self {
            start: Instant::now(),
            eras: Mutex::new(Eras {
                list,
                running_ms,
                seen,
            }),
            #[cfg(test)]
            shift: Mutex::default(),
        }
    }

    /// Returns the running time since `time`, the time of last change of a file; `None` if it is in no era.
    pub(crate) fn age(&self, time: SystemTime) -> Option<Duration> {
        let mut eras = lock(&self.eras);
        // After the file was dated: so a step in between is known.
        eras.look(self.look());
        let age_ms = eras.running_ms - eras.running_at(millis(time))?;
        Some(Duration::from_millis(age_ms.max(0) as u64))
    }

    pub(crate) fn is_continued(&self) -> bool {
        lock(&self.eras).list.len() > 1
    }

    /// Returns the text for the next run.
    pub(crate) fn text(&self) -> String {
        let mut eras = lock(&self.eras);
        eras.look(self.look());
        eras.list.iter().map(Era::line).collect()
    }

    fn look(&self) -> Look {
        let since_start = self.start.elapsed();
        let look = Look {
            wall_ms: millis(SystemTime::now()),
            since_start_ms: since_start.as_millis() as i64,
        };
        #[cfg(test)]
        let look = look.shifted(*lock(&self.shift));
        look
    }
}

impl Eras {
    /// Takes note of both clocks. Begins an era if the wall clock has stepped.
    fn look(&mut self, now: Look) {
        let ran_ms = (now.since_start_ms - self.seen.since_start_ms).max(0);
        let expected_ms = self.seen.wall_ms.saturating_add(ran_ms);
        let step_ms = now.wall_ms.saturating_sub(expected_ms);
        if step_ms.abs() > STEP_MS {
            log::info!(
                "the clock went {}; uploads keep their age",
                direction(step_ms)
            );
            self.extend_last(expected_ms);
            self.list.push(Era {
                running_ms: self.running_ms,
                first_ms: now.wall_ms.saturating_sub(ran_ms),
                last_ms: now.wall_ms,
            });
        }
        self.extend_last(now.wall_ms);
        self.running_ms += ran_ms;
        self.seen = now;
        let excess = self.list.len().saturating_sub(ERAS_MAX);
        self.list.drain(..excess);
    }

    fn extend_last(&mut self, wall_ms: i64) {
        if let Some(last) = self.list.last_mut() {
            last.last_ms = wall_ms.max(last.first_ms);
        }
    }

    /// Returns the running time at a wall time; `None` if it is in no era.
    fn running_at(&self, wall_ms: i64) -> Option<i64> {
        let era = self.list.iter().rev().find(|era| era.contains(wall_ms))?;
        Some(era.running_at(wall_ms))
    }
}

impl Era {
    /// Returns the running time at its end.
    fn end(&self) -> i64 {
        self.running_at(self.last_ms)
    }

    fn contains(&self, wall_ms: i64) -> bool {
        let first_ms = self.first_ms.saturating_sub(STEP_MS);
        (first_ms..=self.last_ms.saturating_add(UNSAVED_MS)).contains(&wall_ms)
    }

    fn running_at(&self, wall_ms: i64) -> i64 {
        self.running_ms + (wall_ms.min(self.last_ms) - self.first_ms)
    }

    fn line(&self) -> String {
        format!("{} {} {}\n", self.running_ms, self.first_ms, self.last_ms)
    }

    /// Parses a line. `None` if it is cut, or no era: files then count from a later one.
    fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.split(' ').map(str::parse::<i64>);
        let mut next = || numbers.next()?.ok();
        let (running_ms, first_ms, last_ms) = (next()?, next()?, next()?);
        let length_ms = last_ms.checked_sub(first_ms)?;
        let is_era =
            length_ms >= 0 && running_ms >= 0 && running_ms.checked_add(length_ms)? < MOST_MS;
        is_era.then_some(Self {
            running_ms,
            first_ms,
            last_ms,
        })
    }
}

/// A running time that no server reaches.
const MOST_MS: i64 = i64::MAX / 4;

#[cfg(test)]
impl Look {
    fn shifted(self, (wall_ms, running_ms): (i64, i64)) -> Self {
        Self {
            wall_ms: self.wall_ms + wall_ms,
            since_start_ms: self.since_start_ms + running_ms,
        }
    }
}

/// Logs a gap between two runs that shows a wrong clock.
fn warn_of_gap(gap_ms: i64) {
    if !(-STEP_MS..=LONG_GAP_MS).contains(&gap_ms) {
        let direction = direction(gap_ms);
        log::info!("the clock went {direction} since the server last ran; uploads keep their age");
    }
}

/// Returns a step as text: `forward by 20423 days`.
fn direction(step_ms: i64) -> String {
    let direction = if step_ms < 0 { "back" } else { "forward" };
    let minutes = step_ms.unsigned_abs() / 60_000;
    match (minutes / (60 * 24), minutes / 60) {
        (0 | 1, 0 | 1) => format!("{direction} by {minutes} min"),
        (0 | 1, hours) => format!("{direction} by {hours} h"),
        (days, _) => format!("{direction} by {days} days"),
    }
}

/// Returns the milliseconds since 1970.
fn millis(time: SystemTime) -> i64 {
    let to_ms = |since: Duration| {
        i64::try_from(since.as_millis())
            .unwrap_or(MOST_MS)
            .min(MOST_MS)
    };
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => to_ms(since),
        Err(before) => -to_ms(before.duration()),
    }
}
