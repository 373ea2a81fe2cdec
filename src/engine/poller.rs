//! The one thread that waits for everybody.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::listener::Listener;
use super::lot::{LISTENER, WAKER};
use super::work::Shared;
use crate::http::connection::{Connection, Until, Wake};
use crate::http::socket::Socket;

/// When accepting failed it is tried again at every close and this often: an edge-triggered
/// listener brings no event for descriptors that come back.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Between so many newcomers those that are here already get their turn.
const NEWCOMERS_AT_ONCE: usize = 16;

/// How many events are taken from the system at once.
const EVENTS: usize = 256;

pub(super) struct Poller {
    poll: Poll,
    listener: Listener,
    shared: Arc<Shared>,
    /// It has been said that no newcomer can be taken, and since then not all have been.
    complained: bool,
    /// More newcomers are waiting than were taken at once.
    rush: bool,
}

impl Poller {
    pub(super) fn new(
        poll: Poll,
        mut listener: Listener,
        shared: Arc<Shared>,
    ) -> io::Result<Poller> {
        listener.register(poll.registry(), LISTENER)?;
        Ok(Poller {
            poll,
            listener,
            shared,
            complained: false,
            rush: false,
        })
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.shared.stopping.load(Ordering::Acquire) {
            if let Err(error) = self.poll.poll(&mut events, self.timeout())
                && error.kind() != io::ErrorKind::Interrupted
            {
                log::error!("the poller has failed: {error}");
                return;
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.shared.newcomers_owed.store(true, Ordering::Relaxed),
                    WAKER => {}
                    token => {
                        if let Some(guest) = self.shared.lot.take(token) {
                            self.shared.dispatch(guest, Wake::Ready);
                        }
                    }
                }
            }
            self.wake_due();
            if self.newcomers_owed() {
                self.accept();
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if self.rush {
            return Some(Duration::ZERO);
        }
        let alarm = self.shared.lot.next_alarm();
        let alarm = alarm.map(|at| at.saturating_duration_since(Instant::now()));
        let again = self.newcomers_owed().then_some(ACCEPT_AGAIN);
        alarm.into_iter().chain(again).min()
    }

    fn wake_due(&self) {
        while let Some((guest, expired)) = self.shared.lot.take_due(Instant::now()) {
            let wake = if expired { Wake::Expired } else { Wake::Ready };
            self.shared.dispatch(guest, wake);
        }
    }

    /// Takes newcomers, one more than there is room for: that one displaces another, and who comes
    /// after it waits until somebody has left.
    fn accept(&mut self) {
        self.rush = false;
        for _ in 0..NEWCOMERS_AT_ONCE {
            if self.shared.lot.len() > self.shared.limits.connections {
                return;
            }
            match self.listener.accept() {
                Ok(socket) => self.admit(socket),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.shared.newcomers_owed.store(false, Ordering::Relaxed);
                    self.complained = false;
                    return;
                }
                Err(error) if concerns_one_newcomer(&error) => {}
                Err(error) => return self.complain(&error),
            }
        }
        self.rush = true;
    }

    fn admit(&self, socket: Socket) {
        let connection = Connection::new(socket, Arc::clone(&self.shared.http_limits));
        let deadline = connection.first_deadline();
        let guest = self.shared.lot.admit(connection);
        if self.shared.lot.len() > self.shared.limits.connections {
            self.displace();
        }
        self.shared.lot.park(guest, Until::Readable, deadline);
    }

    /// The connection that has been silent longest gives way.
    fn displace(&self) {
        if let Some(guest) = self.shared.lot.take_quietest() {
            self.shared.dispatch(guest, Wake::Displaced);
        }
    }

    fn newcomers_owed(&self) -> bool {
        self.shared.newcomers_owed.load(Ordering::Relaxed)
    }

    fn complain(&mut self, error: &io::Error) {
        if !self.complained {
            log::warn!("no newcomer can be taken at the moment: {error}");
        }
        self.complained = true;
    }
}

/// Errors of a connection that was gone before it was accepted (accept(2), "Error handling").
fn concerns_one_newcomer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}
