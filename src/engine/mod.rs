//! Connections on threads: many connections, few threads, and nobody waits for the network.
//!
//! - `poller.rs`: one thread that waits for everybody: the listener, the parked, the clock.
//! - `lot.rs`: where connections are parked: a slot and a socket each, no thread, no buffer.
//! - `crew.rs`: the workers, what waits for them, and who may have a place.
//! - `work.rs`: what a worker does, from turn to turn.
//! - `listener.rs`: newcomers, also when descriptors run out.
//!
//! A connection is registered with the poller exactly while it is parked for an event. So a turn
//! may stop reading wherever it likes: registering again reports what is there.

mod crew;
mod listener;
mod lot;
mod poller;
mod work;

pub use listener::Address;
pub(crate) use listener::Listener;
pub(crate) use work::Limits;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::http::{self, Service};
use crew::Crew;
use lot::Lot;
use poller::Poller;
use work::Shared;

/// A running engine.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    poller: Option<JoinHandle<()>>,
}

impl Engine {
    /// Serves `listener` until [`Engine::stop`].
    ///
    /// # Errors
    ///
    /// When the poller or its thread cannot be made.
    pub(crate) fn start(
        listener: Listener,
        service: Arc<dyn Service>,
        limits: Limits,
        http_limits: http::Limits,
    ) -> io::Result<Engine> {
        let poll = mio::Poll::new()?;
        let shared = Arc::new(Shared {
            lot: Lot::new(&poll)?,
            crew: Crew::new(limits.workers),
            service,
            limits,
            http_limits: Arc::new(http_limits),
            stopping: AtomicBool::new(false),
            newcomers_owed: AtomicBool::new(false),
        });
        shared.begin();
        let poller = Poller::new(poll, listener, Arc::clone(&shared))?;
        let poller = thread::Builder::new()
            .name("resumed-poller".into())
            .spawn(|| poller.run())?;
        Ok(Engine {
            shared,
            poller: Some(poller),
        })
    }

    /// Closes every connection; when it returns every turn has ended and nothing is held. Starts
    /// no sync: nothing unacknowledged was promised.
    pub(crate) fn stop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.lot.wake();
        self.wait();
    }

    /// Waits until the poller has ended, which it does by itself only when the system fails it.
    pub(crate) fn wait(&mut self) {
        let Some(poller) = self.poller.take() else {
            return;
        };
        if poller.join().is_err() {
            log::error!("the poller has panicked");
        }
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.crew.finish();
        self.shared.lot.clear();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
