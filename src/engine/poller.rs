//! Waiting for everybody: the listener, the parked, the clock. One worker at a time does it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::crew::Crew;
use super::listener::Listener;
use super::lot::{LISTENER, Lot, WAKER};
use super::tempo::{AWAKE_MAX, Tempo};
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
    tempo: Tempo,
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
            tempo: Tempo::default(),
        })
    }

    /// Waits once, for at least one event or alarm, and queues the turns that they bring.
    ///
    /// # Errors
    ///
    /// When the system fails the poller.
    pub(super) fn watch(&mut self, lot: &Lot, crew: &Crew) -> io::Result<()> {
        let timeout = self.timeout(lot);
        match self.wait(timeout, || crew.is_at_rest()) {
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

    /// Waits for an event. A client nearby that sends one request after the other is back before a thread has fallen
    /// asleep and woken up, so after a few of them the next is awaited awake; but not while others are at work, who may
    /// need the processor.
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        others_rest: impl FnOnce() -> bool,
    ) -> io::Result<()> {
        let began = Instant::now();
        let is_long = timeout.is_none_or(|timeout| timeout > AWAKE_MAX);
        if is_long && self.tempo.is_quick() && others_rest() {
            while began.elapsed() < AWAKE_MAX {
                self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
                if !self.events.is_empty() {
                    return Ok(());
                }
            }
            self.tempo.waited(None);
        }
        self.poll.poll(&mut self.events, timeout)?;
        let time = (!self.events.is_empty()).then(|| began.elapsed());
        self.tempo.waited(time);
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
        if lot.len() > self.connections
            && let Some(quietest) = lot.take_quietest()
        {
            crew.push(quietest, Wake::Displaced);
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use mio::{Interest, Token};

    use super::*;

    /// Whether an event comes within `timeout` where one is expected at once.
    fn comes(timeout: Duration, others_rest: bool, poller: &mut Poller) -> bool {
        while !poller.tempo.is_quick() {
            poller.tempo.waited(Some(Duration::ZERO));
        }
        poller.wait(Some(timeout), || others_rest).unwrap();
        !poller.events.is_empty()
    }

    #[test]
    fn an_event_that_is_expected_is_waited_for_whether_it_comes_or_not() {
        let poll = Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
        let mut poller = Poller::new(poll, listener, 1, Limits::default()).unwrap();
        for others_rest in [true, false] {
            assert!(!comes(Duration::from_millis(1), others_rest, &mut poller));
            assert!(!poller.tempo.is_quick(), "it is not expected again");
        }

        let (one, other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let mut one = mio::net::UnixStream::from_std(one);
        registry
            .register(&mut one, Token(1), Interest::READABLE)
            .unwrap();
        drop(other);
        assert!(comes(Duration::from_secs(60), true, &mut poller));
    }
}
