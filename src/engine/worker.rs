//! A worker thread: it polls one ready task after another.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use super::connections::{ConnectionTable, Task};
use super::scheduler::{Permit, Scheduler};
use crate::http::Handler;
use crate::http::connection::{Next, TaskContext, Wake};
use crate::sync::atomic::{AtomicBool, Ordering};

/// The reads per second of all coalesced bodies together, about.
const COALESCED_READS_PER_SEC: u32 = 1000;

/// The longest wait with many coalesced bodies: longer, and receive buffers fill up.
const COALESCE_CEILING: Duration = Duration::from_millis(200);

/// The resources that all connections share.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections at once. One more closes the connection that has been silent longest.
    pub(crate) connections: usize,
    /// The bytes of all unfinished heads together. Beyond: the largest one gets a 503.
    pub(crate) head_memory: usize,
    /// Worker threads, at least 2.
    pub(crate) workers: usize,
    /// Tasks that may wait for the disk at once, each with one thread more.
    pub(crate) disk_permits: usize,
    /// The size of the buffer of each thread.
    pub(crate) buffer_bytes: usize,
    /// The longest time that a slow body is not read. Zero reads at each packet.
    pub(crate) coalesce_max: Duration,
}

/// The state that the event loop and the workers share.
pub(super) struct Shared {
    pub(super) connections: ConnectionTable,
    pub(super) scheduler: Scheduler,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) limits: Limits,
    pub(super) is_stopping: AtomicBool,
}

impl Shared {
    /// Stops the event loop, and each worker after its task.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.scheduler.close();
        self.connections.wake_event_loop();
    }

    pub(super) fn schedule(self: &Arc<Shared>, tasks: impl IntoIterator<Item = (Box<Task>, Wake)>) {
        if self.scheduler.push(tasks) {
            self.start_worker();
        }
    }

    fn start_worker(self: &Arc<Shared>) {
        let shared = Arc::clone(self);
        self.scheduler.start_worker(move || shared.work());
    }

    fn work(self: &Arc<Shared>) {
        let mut buffer = vec![0; self.limits.buffer_bytes];
        let mut permit = Permit::None;
        while let Some((ready, held)) = self.scheduler.next(permit) {
            permit = self.run(ready.task, ready.wake, held, &mut buffer);
            // At once: in a run queue the heads would still take memory.
            while let Some(task) = self.connections.take_largest_head(self.limits.head_memory) {
                permit = self.run(task, Wake::Evicted, permit, &mut buffer);
            }
        }
    }

    /// Polls a task once. Returns the permit that it holds afterwards.
    fn run(
        self: &Arc<Shared>,
        mut task: Box<Task>,
        wake: Wake,
        held: Permit,
        buffer: &mut [u8],
    ) -> Permit {
        let mut context = Context {
            shared: self,
            permit: held,
        };
        let poll = || {
            let handler = &*self.handler;
            task.connection.poll(wake, handler, &mut context, buffer)
        };
        // A panic closes its connection only.
        let next = panic::catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| {
            log::error!("a request handler panicked; closing its connection");
            Next::Close
        });
        match next {
            Next::Park { until, deadline } => self.connections.park(task, until, deadline),
            Next::Requeue => self.schedule([(task, Wake::Ready)]),
            Next::Close => self.connections.remove(task),
        }
        context.permit
    }
}

/// The resources of one poll of a task.
struct Context<'a> {
    shared: &'a Arc<Shared>,
    permit: Permit,
}

impl TaskContext for Context<'_> {
    fn acquire_body_permit(&mut self) -> bool {
        if self.permit != Permit::Body {
            self.permit = self.shared.scheduler.acquire_body_permit(self.permit);
        }
        self.permit == Permit::Body
    }

    fn acquire_handshake_permit(&mut self) -> bool {
        if self.permit != Permit::Handshake {
            self.permit = self.shared.scheduler.acquire_handshake_permit(self.permit);
        }
        self.permit == Permit::Handshake
    }

    fn enter_disk_wait(&mut self) -> bool {
        if self.permit == Permit::Disk {
            return true;
        }
        if !self.acquire_body_permit() {
            return false;
        }
        let (permit, needs_worker) = self.shared.scheduler.acquire_disk_permit(self.permit);
        self.permit = permit;
        if needs_worker {
            self.shared.start_worker();
        }
        true
    }

    fn has_waiting(&self) -> bool {
        self.shared.scheduler.has_waiting()
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Relaxed)
    }

    fn coalesce_max(&self) -> Duration {
        let max = self.shared.limits.coalesce_max;
        if max.is_zero() {
            return max;
        }
        let bodies = u32::try_from(self.shared.connections.coalesced()).unwrap_or(u32::MAX);
        let shared_out = (Duration::from_secs(1) / COALESCED_READS_PER_SEC).saturating_mul(bodies);
        shared_out.min(COALESCE_CEILING).max(max)
    }
}
