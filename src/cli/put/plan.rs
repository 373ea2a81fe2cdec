//! How large the next request is.
//!
//! A file goes out in many requests, because proxies limit the size of a body (Cloudflare 100 MB, nginx 1 MB unless
//! told otherwise) and the time it may take (Traefik 60 s). The page does the same (`demo/plan.js`).

use std::time::Duration;

const MIB: u64 = 1024 * 1024;
const SIZE_MIN: u64 = 128 * 1024;
const SIZE_START: u64 = 32 * MIB;
const SIZE_MAX: u64 = 64 * MIB;

/// So little may be sent in vain: without asking first what the server has of it, which takes as long as sending it.
const PRESUMED_NEW_MAX: u64 = 64 * 1024;

/// Seconds that a request may take before the size changes, and what a new size aims at.
const SECONDS_MIN: f64 = 5.0;
const SECONDS_MAX: f64 = 20.0;
const SECONDS_AIM: f64 = 10.0;

const RESETS_TO_SHRINK: u32 = 2;
const SUCCESSES_TO_GROW_AGAIN: u32 = 10;

/// What is known of the way to the server. What one file has taught holds for the next.
#[derive(Debug)]
pub(super) struct Plan {
    size: u64,
    /// What a 413 taught: for good.
    limit: u64,
    /// What cut lines taught: tried again after a while.
    ceiling: u64,
    resets: u32,
    successes: u32,
    /// The last file was new to the server.
    are_new: bool,
}

impl Plan {
    pub(super) fn new() -> Plan {
        Plan {
            size: SIZE_START,
            limit: SIZE_MAX,
            ceiling: SIZE_MAX,
            resets: 0,
            successes: 0,
            are_new: true,
        }
    }

    /// Whether a file of so many bytes is sent before it is known what the server has of it.
    pub(super) fn presumes_new(&self, bytes: u64) -> bool {
        self.are_new && bytes <= PRESUMED_NEW_MAX
    }

    /// A file was new to the server, or was not.
    pub(super) fn was_new(&mut self, is_new: bool) {
        self.are_new = is_new;
    }

    /// Bytes for the next request.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// A request of so many bytes was answered with success.
    pub(super) fn succeeded(&mut self, bytes: u64, took: Duration) {
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

    /// We ended a request that took too long, when so many bytes were out.
    pub(super) fn ended(&mut self, bytes: u64, took: Duration) {
        self.aim(bytes, took);
    }

    /// A 413 that is not the server's. False when there is nothing left to shrink.
    pub(super) fn refused(&mut self, bytes: u64) -> bool {
        if bytes <= SIZE_MIN {
            return false;
        }
        self.limit = self.limit.min(bytes / 2).max(SIZE_MIN);
        self.resize(self.limit);
        true
    }

    /// The line was cut in the middle of a body.
    pub(super) fn reset(&mut self) {
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
    fn a_proxys_limit_is_found_and_never_passed_again() {
        let mut plan = Plan::new();
        while plan.size() > MIB {
            assert!(plan.refused(plan.size()));
        }
        for _ in 0..100 {
            plan.succeeded(plan.size(), QUICK);
        }
        assert_eq!(plan.size(), MIB);
        while plan.size() > SIZE_MIN {
            assert!(plan.refused(plan.size()));
        }
        assert!(
            !plan.refused(plan.size()),
            "there is nothing left to shrink"
        );
    }

    #[test]
    fn cut_lines_make_requests_smaller_until_they_hold_again() {
        let mut plan = Plan::new();
        plan.reset();
        assert_eq!(plan.size(), SIZE_START, "one cut says nothing");
        for _ in 0..20 {
            plan.reset();
        }
        assert_eq!(plan.size(), SIZE_MIN);
        for _ in 0..200 {
            plan.succeeded(plan.size(), QUICK);
        }
        assert_eq!(plan.size(), SIZE_MAX);
    }

    #[test]
    fn a_slow_way_gets_requests_of_ten_seconds() {
        let mut plan = Plan::new();
        plan.ended(4 * MIB, Duration::from_secs(40));
        assert_eq!(plan.size(), MIB);
    }
}
