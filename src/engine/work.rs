//! What the workers share, and what a worker does.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::crew::{Crew, Done, Duty};
use super::lot::{Guest, Lot};
use super::poller::Poller;
use super::queues::{Job, Standing};
use crate::http::Handler;
use crate::http::connection::{self, Next, Turn, Wake};
use crate::http::socket::Socket;

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
    /// Turns that may wait for the disk at once, each with a thread more.
    pub(crate) disk_waits: usize,
    /// The buffer that each thread has.
    pub(crate) buffer_bytes: usize,
    /// The longest that a slow body is left before the next look; zero waits for every packet.
    pub(crate) coalesce_max: Duration,
}

/// Everything that the workers share.
pub(super) struct Shared {
    pub(super) lot: Lot,
    /// In the hands of the worker on watch.
    pub(super) poller: Mutex<Poller>,
    pub(super) crew: Crew,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) limits: Limits,
    pub(super) stopping: AtomicBool,
}

impl Shared {
    /// Puts the first workers to work, until [`stop`](Shared::stop).
    pub(super) fn begin(self: &Arc<Shared>) {
        self.crew.begin(|| self.worker());
    }

    /// Has every worker stop after the turn it is in.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.crew.close();
        self.lot.wake();
    }

    fn worker(self: &Arc<Shared>) -> impl FnOnce() + Send + 'static {
        let shared = Arc::clone(self);
        move || shared.work()
    }

    fn work(self: &Arc<Shared>) {
        let mut buffer = vec![0; self.limits.buffer_bytes];
        let mut done = Done::Nothing;
        loop {
            done = match self.crew.next(done) {
                Duty::Turn(job, standing) => self.turn(job, standing, &mut buffer),
                Duty::Watch(alone) => {
                    if alone {
                        self.crew.hire(self.worker());
                    }
                    self.watch()
                }
                Duty::Over => return,
            };
        }
    }

    fn watch(&self) -> Done {
        let watch = || {
            let mut poller = self.poller.lock().expect("who panics with it ends all");
            poller.watch(&self.lot, &self.crew)
        };
        let failed = match panic::catch_unwind(AssertUnwindSafe(watch)) {
            Ok(Ok(())) => return Done::Watch,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it has panicked".to_owned(),
        };
        log::error!("nobody can be waited for any more: {failed}");
        self.stop();
        Done::Watch
    }

    fn turn(self: &Arc<Shared>, job: Job, standing: Standing, buffer: &mut [u8]) -> Done {
        let Job {
            mut guest, wake, ..
        } = job;
        let mut shift = Shift {
            shared: self,
            slot: guest.slot,
            standing,
            settled: false,
        };
        match shift.turn(&mut guest, wake, buffer) {
            Next::Park { until, deadline } => self.lot.park(guest, until, deadline),
            Next::Queue => {
                self.lot.mute(guest.slot, guest.connection.socket());
                self.crew.push(guest, Wake::Ready);
            }
            Next::Close => self.lot.leave(guest),
        }
        Done::Turn(shift.standing)
    }
}

/// What one turn holds of the crew.
struct Shift<'a> {
    shared: &'a Arc<Shared>,
    slot: usize,
    standing: Standing,
    settled: bool,
}

impl Shift<'_> {
    fn call_relief(&mut self) {
        if self.shared.crew.relieve() {
            self.shared.crew.hire(self.shared.worker());
        }
    }

    /// A panic costs its connection, not the server.
    fn turn(&mut self, guest: &mut Guest, wake: Wake, buffer: &mut [u8]) -> Next {
        let handler = &*self.shared.handler;
        let turn = || {
            guest.connection.turn(
                wake,
                Turn {
                    handler,
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
        if self.standing != Standing::Place {
            self.standing = self.shared.crew.claim_place(self.standing);
        }
        self.standing == Standing::Place
    }

    fn settle_in(&mut self, socket: &mut Socket) {
        if !self.settled {
            self.settled = true;
            self.shared.lot.mute(self.slot, socket);
            self.call_relief();
        }
    }

    fn wait_for_disk(&mut self) {
        self.standing = self.shared.crew.claim_disk_wait(self.standing);
        self.call_relief();
    }

    fn others_wait(&self) -> bool {
        self.shared.crew.others_wait()
    }

    fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    fn coalesce_max(&self) -> Duration {
        let longest = self.shared.limits.coalesce_max;
        if longest.is_zero() {
            return longest;
        }
        let looking = u32::try_from(self.shared.lot.looking()).unwrap_or(u32::MAX);
        let shared_out = (Duration::from_secs(1) / LOOKS_PER_SEC).saturating_mul(looking);
        shared_out.min(LOOK_CEILING).max(longest)
    }
}
