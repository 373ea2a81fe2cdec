//! The event loop: one thread that waits for the listener, the parked connections and the clock.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::acceptor::Listener;
use super::connections::{LISTENER, Task, WAKER};
use super::poller;
use super::worker::Shared;
use crate::http;
use crate::http::connection::{Connection, Until, Wake, refuse_new};
use crate::http::socket::Socket;
use crate::http::stream::Stream;
use crate::http::tls;
use crate::sync::atomic::Ordering;

/// The pause after a failed accept. The listener is edge-triggered: free descriptors bring no event.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Connections that are accepted before ready tasks are scheduled again.
const ACCEPTS_AT_ONCE: usize = 16;

/// Events that one call takes from the system.
const EVENTS: usize = 256;

/// The state of the thread.
pub(super) struct EventLoop {
    poll: Poll,
    events: Events,
    listener: Listener,
    tls: Option<Arc<tls::Acceptor>>,
    http_limits: Arc<http::Limits>,
    ready: Vec<(Box<Task>, Wake)>,
    /// A failure of accept was logged, and no accept has succeeded since.
    has_warned: bool,
    /// The listener may have more connections than were accepted at once.
    has_more: bool,
}

impl EventLoop {
    pub(super) fn new(
        poll: Poll,
        mut listener: Listener,
        tls: Option<Arc<tls::Acceptor>>,
        http_limits: http::Limits,
    ) -> io::Result<EventLoop> {
        listener.register(poll.registry(), LISTENER)?;
        Ok(EventLoop {
            poll,
            events: Events::with_capacity(EVENTS),
            listener,
            tls,
            http_limits: Arc::new(http_limits),
            ready: Vec::new(),
            has_warned: false,
            has_more: false,
        })
    }

    /// Runs until the engine stops. Stops the engine if the poller fails.
    pub(super) fn run(mut self, shared: &Arc<Shared>) {
        while !shared.is_stopping.load(Ordering::Acquire) {
            let polled = panic::catch_unwind(AssertUnwindSafe(|| self.poll_once(shared)));
            let error = match polled {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "panic in the event loop".to_owned(),
            };
            log::error!("poller failed: {error}; stopping the server");
            shared.stop();
        }
    }

    /// Waits for at least one event or deadline, and schedules the tasks that are ready.
    fn poll_once(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        let table = &shared.connections;
        let until = self.wait_until(shared);
        match poller::poll(&mut self.poll, &mut self.events, until) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => table.event_loop_woke(),
        }
        for event in &self.events {
            match event.token() {
                LISTENER => table.set_accept_pending(true),
                WAKER => {}
                Token(slot) => {
                    let task = table.take(slot);
                    self.ready.extend(task.map(|task| (task, Wake::Ready)));
                }
            }
        }
        while let Some((task, is_expired)) = table.take_due(poller::now()) {
            let wake = if is_expired {
                Wake::Expired
            } else {
                Wake::Ready
            };
            self.ready.push((task, wake));
        }
        if table.is_accept_pending() {
            self.accept(shared);
        }
        if !self.ready.is_empty() {
            shared.schedule(self.ready.drain(..));
        }
        Ok(())
    }

    fn wait_until(&self, shared: &Shared) -> Option<Instant> {
        if self.has_more {
            return Some(poller::now());
        }
        let deadline = shared.connections.next_deadline();
        let is_pending = shared.connections.is_accept_pending();
        let retry = is_pending.then(|| poller::now() + ACCEPT_RETRY);
        deadline.into_iter().chain(retry).min()
    }

    /// Accepts connections, at most one above the limit: it closes another. The rest waits until one has closed.
    fn accept(&mut self, shared: &Shared) {
        self.has_more = false;
        for _ in 0..ACCEPTS_AT_ONCE {
            if shared.connections.len() > shared.limits.connections {
                return;
            }
            match self.listener.accept() {
                Ok(stream) => match self.socket(stream) {
                    Ok(socket) => self.admit(socket, shared),
                    Err(error) => log::warn!("cannot start TLS on a connection: {error}"),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    shared.connections.set_accept_pending(false);
                    self.has_warned = false;
                    return;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => return self.warn(&error),
            }
        }
        self.has_more = true;
    }

    fn socket(&self, stream: Stream) -> io::Result<Socket> {
        let session = self.tls.as_ref().map(|tls| tls.session()).transpose()?;
        Ok(Socket::new(stream, session))
    }

    fn admit(&mut self, socket: Socket, shared: &Shared) {
        let peer = socket.peer();
        let permit = match shared.handler.admit(peer) {
            Ok(permit) => permit,
            Err(response) => {
                // Without a worker: the connections of one address do not delay those of others.
                shared.handler.refused(response.status(), peer);
                return refuse_new(socket, response);
            }
        };
        let table = &shared.connections;
        let connection = Connection::new(socket, Arc::clone(&self.http_limits));
        let deadline = connection.first_deadline();
        let task = table.insert(connection, permit);
        if table.len() > shared.limits.connections {
            let quietest = table.take_quietest();
            self.ready
                .extend(quietest.map(|task| (task, Wake::Displaced)));
        }
        table.park(task, Until::Readable, deadline);
    }

    fn warn(&mut self, error: &io::Error) {
        if !self.has_warned {
            let millis = ACCEPT_RETRY.as_millis();
            log::warn!("cannot accept connections: {error}; retrying every {millis} ms");
        }
        self.has_warned = true;
    }
}

/// Returns whether accept failed for a connection that had ended before (accept(2), "Error handling").
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}
