//! What the poller and the workers share, and what a worker does.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::crew::{Crew, Job};
use super::lot::{Guest, Lot};
use crate::http::connection::{self, Next, Turn, Wake};
use crate::http::{self, Service};

/// With many slow bodies all of them together are looked at about this often.
const LOOKS_PER_SEC: u32 = 1000;

/// However many: a receive buffer must not fill up while it waits.
const LOOK_CEILING: Duration = Duration::from_millis(200);

/// What all connections together may cost.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections at once; one more displaces the one that has been silent longest.
    pub(crate) connections: usize,
    /// Threads that do the work.
    pub(crate) workers: usize,
    /// The buffer that each of them has.
    pub(crate) buffer_bytes: usize,
    /// The longest that a slow body is left before the next look; zero waits for every packet.
    pub(crate) longest_look: Duration,
}

/// Everything that the poller and the workers share.
pub(super) struct Shared {
    pub(super) lot: Lot,
    pub(super) crew: Crew,
    pub(super) service: Arc<dyn Service>,
    pub(super) limits: Limits,
    pub(super) http_limits: Arc<http::Limits>,
    pub(super) stopping: AtomicBool,
    /// Newcomers may be waiting that could not be taken.
    pub(super) newcomers_owed: AtomicBool,
}

impl Shared {
    /// Puts every worker to work, until [`Crew::finish`].
    pub(super) fn begin(self: &Arc<Shared>) {
        self.crew.begin(|| {
            let shared = Arc::clone(self);
            move || shared.work()
        });
    }

    /// Gives a connection a turn as soon as there is a worker for it.
    pub(super) fn dispatch(&self, guest: Box<Guest>, wake: Wake) {
        self.crew.push(guest, wake);
    }

    fn work(&self) {
        let mut buffer = vec![0; self.limits.buffer_bytes];
        let mut place = false;
        while let Some((
            Job {
                mut guest, wake, ..
            },
            has_place,
        )) = self.crew.pop(place)
        {
            let mut shift = Shift {
                shared: self,
                has_place,
            };
            match shift.turn(&mut guest, wake, &mut buffer) {
                Next::Park { until, deadline } => self.lot.park(guest, until, deadline),
                Next::Queue => self.dispatch(guest, Wake::Ready),
                Next::Close => self.leave(guest),
            }
            place = shift.has_place;
        }
    }

    fn leave(&self, guest: Box<Guest>) {
        self.lot.leave(&guest);
        drop(guest);
        if self.newcomers_owed.load(Ordering::Relaxed) {
            self.lot.wake();
        }
    }
}

/// What one turn holds of the crew.
struct Shift<'a> {
    shared: &'a Shared,
    has_place: bool,
}

impl Shift<'_> {
    /// A panic costs its connection, not the server.
    fn turn(&mut self, guest: &mut Guest, wake: Wake, buffer: &mut [u8]) -> Next {
        let service = &*self.shared.service;
        let turn = || {
            guest.connection.turn(
                wake,
                Turn {
                    service,
                    crew: self,
                    buffer,
                },
            )
        };
        panic::catch_unwind(AssertUnwindSafe(turn)).unwrap_or_else(|_| {
            log::error!("a request has panicked; its connection is closed");
            Next::Close
        })
    }
}

impl connection::Crew for Shift<'_> {
    fn claim_place(&mut self) -> bool {
        self.has_place = self.has_place || self.shared.crew.claim_place();
        self.has_place
    }

    fn others_wait(&self) -> bool {
        self.shared.crew.others_wait()
    }

    fn may_linger(&self) -> bool {
        self.shared.crew.has_idle()
    }

    fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    fn longest_look(&self) -> Duration {
        let longest = self.shared.limits.longest_look;
        if longest.is_zero() {
            return longest;
        }
        let looking = u32::try_from(self.shared.lot.looking()).unwrap_or(u32::MAX);
        let shared_out = (Duration::from_secs(1) / LOOKS_PER_SEC).saturating_mul(looking);
        shared_out.min(LOOK_CEILING).max(longest)
    }
}
