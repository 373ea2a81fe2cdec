//! Waiting for everybody: the listener, the parked, the clock. One worker at a time does it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::crew::Crew;
use super::listener::Listener;
use super::lot::{LISTENER, Lot, WAKER};
use crate::http::Limits;
use crate::http::connection::{Connection, Until, Wake};
use crate::http::socket::Socket;

/// When accepting failed it is tried again at every close and this often: an edge-triggered
/// listener brings no event for descriptors that come back.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Between so many newcomers those that are here already get their turn.
const NEWCOMERS_AT_ONCE: usize = 16;

/// How many events are taken from the system at once.
const EVENTS: usize = 256;

/// What the worker on watch has in its hands.
pub(super) struct Poller {
    poll: Poll,
    events: Events,
    listener: Listener,
    /// Connections that there may be at once.
    connections: usize,
    http_limits: Arc<Limits>,
    /// It has been said that no newcomer can be taken, and since then not all have been.
    complained: bool,
    /// More newcomers are waiting than were taken at once.
    rush: bool,
}

impl Poller {
    pub(super) fn new(
        poll: Poll,
        mut listener: Listener,
        connections: usize,
        http_limits: Limits,
    ) -> io::Result<Poller> {
        listener.register(poll.registry(), LISTENER)?;
        Ok(Poller {
            poll,
            events: Events::with_capacity(EVENTS),
            listener,
            connections,
            http_limits: Arc::new(http_limits),
            complained: false,
            rush: false,
        })
    }

    /// Waits once, for at least one event or alarm, and queues the turns that they bring.
    ///
    /// # Errors
    ///
    /// When the system fails the poller.
    pub(super) fn watch(&mut self, lot: &Lot, crew: &Crew) -> io::Result<()> {
        let timeout = self.timeout(lot);
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => lot.awake(),
        }
        for event in &self.events {
            match event.token() {
                LISTENER => lot.owe_newcomers(true),
                WAKER => {}
                _ => {
                    if let Some(guest) = lot.take(event) {
                        crew.push(guest, Wake::Ready);
                    }
                }
            }
        }
        while let Some((guest, expired)) = lot.take_due(Instant::now()) {
            let wake = if expired { Wake::Expired } else { Wake::Ready };
            crew.push(guest, wake);
        }
        if lot.owes_newcomers() {
            self.accept(lot, crew);
        }
        Ok(())
    }

    fn timeout(&self, lot: &Lot) -> Option<Duration> {
        if self.rush {
            return Some(Duration::ZERO);
        }
        let alarm = lot.next_alarm();
        let alarm = alarm.map(|at| at.saturating_duration_since(Instant::now()));
        let owed = lot.owes_newcomers();
        let again = owed.then_some(ACCEPT_AGAIN);
        alarm.into_iter().chain(again).min()
    }

    /// Takes newcomers, one more than there is room for: that one displaces another, and who comes
    /// after it waits until somebody has left.
    fn accept(&mut self, lot: &Lot, crew: &Crew) {
        self.rush = false;
        for _ in 0..NEWCOMERS_AT_ONCE {
            if lot.len() > self.connections {
                return;
            }
            match self.listener.accept() {
                Ok(socket) => self.admit(socket, lot, crew),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    lot.owe_newcomers(false);
                    self.complained = false;
                    return;
                }
                Err(error) if concerns_one_newcomer(&error) => {}
                Err(error) => return self.complain(&error),
            }
        }
        self.rush = true;
    }

    fn admit(&self, socket: Socket, lot: &Lot, crew: &Crew) {
        let connection = Connection::new(socket, Arc::clone(&self.http_limits));
        let deadline = connection.first_deadline();
        let guest = lot.admit(connection);
        // The one that has been silent longest gives way.
        if lot.len() > self.connections {
            if let Some(quietest) = lot.take_quietest() {
                crew.push(quietest, Wake::Displaced);
            }
        }
        lot.park(guest, Until::Readable, deadline);
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
