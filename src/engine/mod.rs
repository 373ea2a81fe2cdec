//! Connections on threads: many connections, few threads, and nobody waits for the network.
//!
//! - `lot.rs`: where connections are parked: a slot and a socket each, no thread, no buffer.
//! - `crew.rs`: the workers, and which of them is on watch.
//! - `queues.rs`: the turns that wait for them, and who may have a place.
//! - `work.rs`: what a worker does, from turn to turn.
//! - `poller.rs`: what it does on watch: waits for the listener, the parked, the clock.
//! - `listener.rs`: newcomers, also when descriptors run out.
//!
//! The poller tells of what comes, and once. So a turn that stops reading before the end of what is
//! there says so, and the poller is asked anew: then it tells of that too.

mod crew;
mod listener;
mod lot;
mod poller;
mod queues;
mod watch;
mod work;

pub(crate) use listener::Listener;
pub use listener::{Address, Given};
pub(crate) use work::Limits;

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use crate::http::{self, ConnectionCounts, Handler};
use crew::Crew;
use lot::Lot;
use poller::Poller;
use work::Shared;

/// A running engine.
pub(crate) struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Serves `listener` until [`Engine::stop`].
    ///
    /// # Errors
    ///
    /// When the poller cannot be made.
    pub(crate) fn start(
        listener: Listener,
        handler: Arc<dyn Handler>,
        limits: Limits,
        http_limits: http::Limits,
    ) -> io::Result<Engine> {
        let poll = mio::Poll::new()?;
        let lot = Lot::new(&poll)?;
        let poller = Poller::new(poll, listener, limits.connections, http_limits)?;
        let shared = Arc::new(Shared {
            lot,
            poller: Mutex::new(poller),
            crew: Crew::new(limits.workers, limits.disk_waits),
            handler,
            limits,
            stopping: AtomicBool::new(false),
        });
        shared.begin();
        Ok(Engine { shared })
    }

    /// Counts the connections, as long as there are any.
    pub(crate) fn connection_counts(
        &self,
    ) -> impl Fn() -> ConnectionCounts + Send + Sync + 'static {
        // The handler that counts belongs to what it counts.
        let shared = Arc::downgrade(&self.shared);
        move || {
            let shared = shared.upgrade();
            shared.map_or_else(ConnectionCounts::default, |shared| {
                shared.lot.connection_counts()
            })
        }
    }

    /// Closes every connection; when it returns every turn has ended and nothing is held. Starts
    /// no sync: nothing unacknowledged was promised.
    pub(crate) fn stop(&mut self) {
        self.shared.stop();
        self.wait();
    }

    /// Waits until every worker has stopped, which they do by themselves only when the system fails
    /// the poller.
    pub(crate) fn wait(&mut self) {
        self.shared.crew.join();
        self.shared.lot.clear();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
