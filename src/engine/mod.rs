//! Many connections on few threads: the reactor pattern with a worker pool.
//!
//! One thread runs the *event loop*. It waits in the poller for all connections that are *parked*: a parked connection
//! has a socket and a slot in the connection table, no thread and no buffer. When a parked connection is ready, the
//! event loop takes it from the table and puts it as a *task* into a run queue. A *worker* takes the task, lends it a
//! buffer and polls it: the connection goes on as far as it can without waiting for the network. Then the worker parks
//! it again, puts it at the end of the queue, or closes it.
//!
//! - [`acceptor`]: listening sockets.
//! - [`connections`]: the connection table, with a deadline for each parked connection.
//! - [`heads`]: the memory of unfinished heads.
//! - [`event_loop`]: the thread that waits.
//! - [`poller`]: its wait and its clock.
//! - [`scheduler`]: the run queues, the permits and the threads of the pool.
//! - [`worker`]: the threads that poll tasks.
//!
//! The poller has only sockets of parked connections: bytes that arrive while a worker polls a task wake no thread.

mod acceptor;
mod connections;
mod event_loop;
mod heads;
#[cfg(all(test, shuttle))]
mod interleavings;
mod poller;
mod scheduler;
mod worker;

pub(crate) use acceptor::Listener;
pub use acceptor::{Address, ListenSocket};
pub(crate) use worker::Limits;

use std::io;
use std::sync::Arc;

use crate::http::{self, ConnectionCounts, Handler, tls};
use crate::sync::atomic::AtomicBool;
use crate::sync::thread::{self, JoinHandle};
use connections::ConnectionTable;
use event_loop::EventLoop;
use scheduler::Scheduler;
use worker::Shared;

/// A running engine.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    event_loop: Option<JoinHandle<()>>,
}

impl Engine {
    /// Serves `listener` until [`Engine::stop`], with TLS if there is an acceptor.
    ///
    /// # Errors
    ///
    /// When the system refuses the poller or the thread of the event loop.
    pub(crate) fn start(
        listener: Listener,
        tls: Option<Arc<tls::Acceptor>>,
        handler: Arc<dyn Handler>,
        limits: Limits,
        http_limits: http::Limits,
    ) -> io::Result<Engine> {
        let poll = mio::Poll::new()?;
        let connections = ConnectionTable::new(&poll)?;
        let event_loop = EventLoop::new(poll, listener, tls, http_limits)?;
        let shared = Arc::new(Shared {
            connections,
            scheduler: Scheduler::new(limits.workers, limits.disk_permits),
            handler,
            limits,
            is_stopping: AtomicBool::new(false),
        });
        let thread = thread::Builder::new().name("resumed-events".into());
        let of_loop = Arc::clone(&shared);
        let event_loop = thread.spawn(move || event_loop.run(&of_loop))?;
        Ok(Engine {
            shared,
            event_loop: Some(event_loop),
        })
    }

    /// Returns a function that counts the connections. After the engine is dropped it returns zeros.
    pub(crate) fn connection_counts(
        &self,
    ) -> impl Fn() -> ConnectionCounts + Send + Sync + 'static {
        // A strong reference would be a cycle: the handler holds this function, and the engine the handler.
        let shared = Arc::downgrade(&self.shared);
        move || {
            let shared = shared.upgrade();
            shared.map_or_else(ConnectionCounts::default, |shared| {
                shared.connections.counts()
            })
        }
    }

    /// Closes all connections, and returns when each task has ended. Starts no sync: no response promised one.
    pub(crate) fn stop(&mut self) {
        self.shared.stop();
        self.wait();
    }

    /// Waits until the engine has stopped. It stops by itself only when the poller fails.
    pub(crate) fn wait(&mut self) {
        if let Some(event_loop) = self.event_loop.take() {
            // The loop catches panics.
            let _ = event_loop.join();
        }
        self.shared.scheduler.join();
        self.shared.connections.clear();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
