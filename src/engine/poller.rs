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
            loop {
                self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
                if !self.events.is_empty() {
                    return Ok(());
                }
                if began.elapsed() >= AWAKE_MAX {
                    break;
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
    use std::fs;
    use std::sync::mpsc;
    use std::thread;

    use mio::Waker;

    use super::*;

    fn poller(poll: Poll) -> Poller {
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
        let mut poller = Poller::new(poll, listener, 1, Limits::default()).unwrap();
        while !poller.tempo.is_quick() {
            poller.tempo.waited(Some(Duration::ZERO));
        }
        poller
    }

    #[test]
    fn what_does_not_come_while_it_is_expected_is_waited_for_asleep() {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let mut poller = poller(poll);
        let (tell, told) = mpsc::channel();
        let helper = thread::spawn(move || {
            let task: String = told.recv().expect("the others are asked after");
            let sleeps = || fs::read_to_string(&task).unwrap().contains(") S ");
            while !sleeps() {
                thread::yield_now();
            }
            waker.wake().unwrap();
            // Closed now, it would take its event with it.
            waker
        });
        let asked = || {
            let task = fs::read_link("/proc/thread-self").unwrap();
            let stat = format!("/proc/{}/stat", task.display());
            tell.send(stat).unwrap();
            true
        };
        poller.wait(Some(Duration::from_secs(10)), asked).unwrap();
        assert!(!poller.events.is_empty());
        assert!(!poller.tempo.is_quick(), "it is not expected again");
        helper.join().unwrap();
    }

    #[test]
    fn what_comes_while_it_is_expected_is_brought_and_expected_again() {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let mut poller = poller(poll);
        let comes = || {
            waker.wake().unwrap();
            true
        };
        poller.wait(Some(Duration::from_secs(60)), comes).unwrap();
        assert!(!poller.events.is_empty() && poller.tempo.is_quick());
    }

    #[test]
    fn who_is_to_wake_soon_does_not_stay_awake() {
        let mut poller = poller(Poll::new().unwrap());
        let asked = || panic!("nobody has to rest for that");
        poller.wait(Some(AWAKE_MAX), asked).unwrap();
        assert!(poller.events.is_empty());
    }
}
