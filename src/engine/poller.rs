//! The wait of the event loop, and its clock.

#[cfg(not(shuttle))]
pub(super) use real::{now, poll};
#[cfg(shuttle)]
pub(super) use simulated::{now, poll};

#[cfg(not(shuttle))]
mod real {
    use std::io;
    use std::time::Instant;

    use mio::{Events, Poll};

    /// Waits for events, at most until this time.
    pub(in crate::engine) fn poll(
        poll: &mut Poll,
        events: &mut Events,
        until: Option<Instant>,
    ) -> io::Result<()> {
        let timeout = until.map(|until| until.saturating_duration_since(now()));
        poll.poll(events, timeout)
    }

    pub(in crate::engine) fn now() -> Instant {
        Instant::now()
    }
}

/// A wait that lets the other threads of a schedule run, and a clock that a test sets.
#[cfg(shuttle)]
pub(super) mod simulated {
    use std::cell::Cell;
    use std::io;
    use std::time::{Duration, Instant};

    use mio::{Events, Poll};

    use crate::sync::thread;

    thread_local! {
        static CLOCK: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    /// Stops the clock at this time.
    pub(in crate::engine) fn set_clock(at: Instant) {
        CLOCK.set(Some(at));
    }

    pub(in crate::engine) fn now() -> Instant {
        CLOCK.get().expect("each test sets the clock")
    }

    pub(in crate::engine) fn poll(
        poll: &mut Poll,
        events: &mut Events,
        until: Option<Instant>,
    ) -> io::Result<()> {
        loop {
            poll.poll(events, Some(Duration::ZERO))?;
            if !events.is_empty() || until.is_some_and(|until| until <= now()) {
                return Ok(());
            }
            thread::yield_now();
        }
    }
}
