//! The size of the next request.
//!
//! A file goes out in many requests, because proxies limit the size of a body (Cloudflare 100 MB, nginx 1 MB
//! by default) and the time it may take (Traefik 60 s). The page does the same (`demo/plan.js`).

use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;
const SIZE_MIN: u64 = 128 * 1024;
const SIZE_START: u64 = 32 * MIB;
const SIZE_MAX: u64 = 64 * MIB;

/// The maximum length of a small file, in bytes: 4 MiB. A small file goes out in one request, without a status request
/// before it.
pub const SMALL_FILE_MAX: u64 = 4 * MIB;
/// New files in a row after which the next file is taken for a new one. To send a file in vain costs its length, and to
/// ask in vain costs one round trip.
const NEW_TO_EXPECT_NEW: u32 = 8;

/// The seconds of a request within which the size stays, and the seconds that a new size aims at.
const SECONDS_MIN: f64 = 5.0;
const SECONDS_MAX: f64 = 20.0;
const SECONDS_AIM: f64 = 10.0;

const RESETS_TO_SHRINK: u32 = 2;
const SUCCESSES_TO_GROW_AGAIN: u32 = 10;

/// The measured limits of the way to the server, for all files of a client.
#[derive(Debug)]
pub(crate) struct RequestSize {
    size: u64,
    /// The limit that a 413 showed. It never grows.
    limit: u64,
    /// The limit that cut connections showed. It grows after successes.
    ceiling: u64,
    resets: u32,
    /// The time of the last counted reset. One failure of the network cuts all requests under way.
    reset_at: Option<Instant>,
    successes: u32,
    /// Files in a row that the server did not have.
    new_files: u32,
}

/// The expected answer to the first request of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// The server holds nothing of the file.
    New,
    /// The server has the whole file.
    Complete,
    /// The file is too large for a guess.
    Unknown,
}

impl RequestSize {
    pub(crate) fn new() -> RequestSize {
        RequestSize {
            size: SIZE_START,
            limit: SIZE_MAX,
            ceiling: SIZE_MAX,
            resets: 0,
            reset_at: None,
            successes: 0,
            new_files: NEW_TO_EXPECT_NEW,
        }
    }

    /// Guesses the state of a file of `bytes` on the server. An empty file costs nothing if the guess is wrong.
    pub(crate) fn guess(&self, bytes: u64) -> Guess {
        match bytes {
            0 => Guess::New,
            _ if bytes > SMALL_FILE_MAX.min(self.size) => Guess::Unknown,
            _ if self.new_files >= NEW_TO_EXPECT_NEW => Guess::New,
            _ => Guess::Complete,
        }
    }

    /// Records whether the server had a file already.
    pub(crate) fn found(&mut self, was_there: bool) {
        self.new_files = match was_there {
            true => 0,
            false => self.new_files.saturating_add(1),
        };
    }

    /// Returns the maximum length of the next request in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Records a success with `bytes`.
    pub(crate) fn succeeded(&mut self, bytes: u64, took: Duration) {
        self.resets = 0;
        self.successes += 1;
        if self.successes % SUCCESSES_TO_GROW_AGAIN == 0 {
            self.ceiling = (self.ceiling * 2).min(SIZE_MAX);
        }
        let seconds = took.as_secs_f64();
        // The short rest of a file says little about what a full request would take.
        let is_short_rest = bytes < self.size / 2 && seconds < SECONDS_MIN;
        if !is_short_rest && !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
            self.aim(bytes, took);
        }
    }

    /// Records a request that the client ended after `bytes`, because it took too long.
    pub(crate) fn ended(&mut self, bytes: u64, took: Duration) {
        self.aim(bytes, took);
    }

    /// Records a 413 of a proxy. Returns false if the size is the minimum already.
    pub(crate) fn refused(&mut self, bytes: u64) -> bool {
        if bytes <= SIZE_MIN {
            return false;
        }
        self.limit = self.limit.min(bytes / 2).max(SIZE_MIN);
        self.resize(self.limit);
        true
    }

    /// Records a connection that was cut in a body. The request began at `began`.
    pub(crate) fn reset(&mut self, began: Instant) {
        if self.reset_at.is_some_and(|at| began < at) {
            return;
        }
        self.reset_at = Some(Instant::now());
        self.successes = 0;
        self.resets += 1;
        if self.resets >= RESETS_TO_SHRINK {
            self.ceiling = (self.size / 2).max(SIZE_MIN);
            self.resize(self.ceiling);
        }
    }

    fn aim(&mut self, bytes: u64, took: Duration) {
        let wanted = bytes as f64 / took.as_secs_f64().max(0.05) * SECONDS_AIM;
        self.resize((wanted as u64).min(self.size * 2));
    }

    fn resize(&mut self, bytes: u64) {
        self.size = bytes.min(self.limit).min(self.ceiling).max(SIZE_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(100);

    #[test]
    fn proxy_limit_is_found_and_kept() {
        let mut size = RequestSize::new();
        while size.size() > MIB {
            assert!(size.refused(size.size()));
        }
        for _ in 0..100 {
            size.succeeded(size.size(), QUICK);
        }
        assert_eq!(size.size(), MIB);
        while size.size() > SIZE_MIN {
            assert!(size.refused(size.size()));
        }
        assert!(
            !size.refused(size.size()),
            "there is nothing left to shrink"
        );
    }

    #[test]
    fn cut_connections_shrink_requests_until_they_succeed() {
        let mut size = RequestSize::new();
        let began = Instant::now();
        for _ in 0..20 {
            size.reset(began);
        }
        assert_eq!(size.size(), SIZE_START, "one cut says nothing");
        for _ in 0..20 {
            size.reset(Instant::now());
        }
        assert_eq!(size.size(), SIZE_MIN);
        for _ in 0..200 {
            size.succeeded(size.size(), QUICK);
        }
        assert_eq!(size.size(), SIZE_MAX);
    }

    #[test]
    fn slow_network_gets_requests_of_ten_seconds() {
        let mut size = RequestSize::new();
        size.ended(4 * MIB, Duration::from_secs(40));
        assert_eq!(size.size(), MIB);
    }

    #[test]
    fn one_known_file_makes_the_next_small_ones_ask() {
        let mut size = RequestSize::new();
        assert_eq!(size.guess(SMALL_FILE_MAX), Guess::New);
        assert_eq!(size.guess(SMALL_FILE_MAX + 1), Guess::Unknown);
        size.found(true);
        for _ in 0..NEW_TO_EXPECT_NEW {
            assert_eq!(size.guess(1), Guess::Complete);
            assert_eq!(size.guess(0), Guess::New);
            size.found(false);
        }
        assert_eq!(size.guess(1), Guess::New);
        assert!(size.refused(MIB));
        assert_eq!(size.guess(MIB), Guess::Unknown, "a proxy allows less");
    }
}
