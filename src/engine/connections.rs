//! The connection table: a slot for each connection, with its socket and deadline while it is parked.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use mio::{Interest, Poll, Registry, Token, Waker};
use slab::Slab;

use super::heads::UnfinishedHeads;
use crate::http::connection::{Connection, Until};
use crate::http::{ConnectionCounts, PeerPermit};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, Planted, is_planted};

/// The tokens that are no slot.
pub(super) const LISTENER: Token = Token(usize::MAX);
pub(super) const WAKER: Token = Token(usize::MAX - 1);

/// A connection and the index of its slot: the unit that workers poll.
pub(super) struct Task {
    pub(super) slot: usize,
    pub(super) connection: Connection,
    /// Counts the connection for its address, until it closes.
    _permit: PeerPermit,
}

/// The connections of a server.
pub(super) struct ConnectionTable {
    slots: Mutex<Slots>,
    registry: Registry,
    waker: Waker,
    coalesced: AtomicUsize,
    /// The bytes of the unfinished heads of parked connections, to read without the lock.
    head_bytes: AtomicUsize,
    /// The listener has connections that were not accepted yet.
    accept_pending: AtomicBool,
}

#[derive(Default)]
struct Slots {
    slab: Slab<Slot>,
    heads: UnfinishedHeads,
    /// At most one timer for each slot, never later than the time at which the slot is due.
    timers: BTreeSet<(Instant, usize)>,
    event_loop: EventLoop,
    closed: bool,
}

/// The state of the event loop.
#[derive(Clone, Copy, Default)]
enum EventLoop {
    /// Asks for the next timer before it waits.
    #[default]
    Running,
    /// Waits until this time, or for an event.
    Waiting(Option<Instant>),
}

#[derive(Default)]
struct Slot {
    parked: Option<Parked>,
    timer: Option<Instant>,
}

struct Parked {
    task: Box<Task>,
    until: Until,
    deadline: Instant,
    since: Instant,
    head_bytes: usize,
}

impl ConnectionTable {
    pub(super) fn new(poll: &Poll) -> io::Result<ConnectionTable> {
        Ok(ConnectionTable {
            slots: Mutex::default(),
            registry: poll.registry().try_clone()?,
            waker: Waker::new(poll.registry(), WAKER)?,
            coalesced: AtomicUsize::new(0),
            head_bytes: AtomicUsize::new(0),
            accept_pending: AtomicBool::new(false),
        })
    }

    pub(super) fn insert(&self, connection: Connection, permit: PeerPermit) -> Box<Task> {
        let slot = self.lock().slab.insert(Slot::default());
        Box::new(Task {
            slot,
            connection,
            _permit: permit,
        })
    }

    /// Returns the number of connections, parked and active.
    pub(super) fn len(&self) -> usize {
        self.lock().slab.len()
    }

    /// Returns the numbers of parked and of active connections.
    pub(super) fn counts(&self) -> ConnectionCounts {
        let slots = self.lock();
        let is_parked = |(_, slot): &(usize, &Slot)| slot.parked.is_some();
        let parked = slots.slab.iter().filter(is_parked).count();
        let active = slots.slab.len() - parked;
        ConnectionCounts { parked, active }
    }

    /// Returns the number of bodies that wait for a time, not for an event.
    pub(super) fn coalesced(&self) -> usize {
        self.coalesced.load(Ordering::Relaxed)
    }

    /// Parks a connection. Closes it if the table is closed, or the poller refuses the socket.
    pub(super) fn park(&self, mut task: Box<Task>, until: Until, deadline: Instant) {
        let slot = task.slot;
        let mut slots = self.lock();
        if slots.closed {
            return;
        }
        if let Err(error) = self.register(until, &mut task) {
            log::warn!("cannot register a socket: {error}; closing the connection");
            slots.remove(slot);
            return;
        }
        let since = Instant::now();
        let head_bytes = task.connection.head_bytes();
        let parked = slots.slab[slot].parked.insert(Parked {
            task,
            until,
            deadline,
            since,
            head_bytes,
        });
        let timer = parked.timer();
        if parked.is_coalesced() {
            self.coalesced.fetch_add(1, Ordering::Relaxed);
        }
        slots.heads.add(head_bytes, since, slot);
        self.head_bytes
            .store(slots.heads.bytes(), Ordering::Relaxed);
        let must_wake = slots.set_timer(slot, timer);
        drop(slots);
        if must_wake && !is_planted(Planted::SilentTimer) {
            self.wake_event_loop();
        }
    }

    /// Takes the parked connection of an event.
    pub(super) fn take(&self, slot: usize) -> Option<Box<Task>> {
        self.unpark(&mut self.lock(), slot)
    }

    /// Takes one connection that is due at `now`. The flag says whether its deadline has passed.
    pub(super) fn take_due(&self, now: Instant) -> Option<(Box<Task>, bool)> {
        let mut slots = self.lock();
        while let Some(&(timer, slot)) = slots.timers.first().filter(|(timer, _)| *timer <= now) {
            slots.timers.remove(&(timer, slot));
            let entry = &mut slots.slab[slot];
            entry.timer = None;
            let Some(parked) = &entry.parked else {
                continue;
            };
            let (due, expired) = (parked.timer(), parked.deadline <= now);
            if due <= now {
                return self.unpark(&mut slots, slot).map(|task| (task, expired));
            }
            slots.set_timer(slot, due);
        }
        None
    }

    pub(super) fn take_quietest(&self) -> Option<Box<Task>> {
        let mut slots = self.lock();
        let silent = |(slot, entry): (usize, &Slot)| Some((entry.parked.as_ref()?.since, slot));
        let (_, slot) = slots.slab.iter().filter_map(silent).min()?;
        self.unpark(&mut slots, slot)
    }

    /// Takes the connection with the largest unfinished head, if all of them together have more than `most` bytes.
    pub(super) fn take_largest_head(&self, most: usize) -> Option<Box<Task>> {
        if self.head_bytes.load(Ordering::Relaxed) <= most {
            return None;
        }
        let mut slots = self.lock();
        let slot = slots
            .heads
            .largest()
            .filter(|_| slots.heads.bytes() > most)?;
        self.unpark(&mut slots, slot)
    }

    /// Returns the next timer. The event loop waits until then; an earlier timer wakes it.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let mut slots = self.lock();
        let first = slots.timers.first().map(|(timer, _)| *timer);
        slots.event_loop = EventLoop::Waiting(first);
        first
    }

    pub(super) fn event_loop_woke(&self) {
        self.lock().event_loop = EventLoop::Running;
    }

    /// Closes a connection and frees its slot.
    pub(super) fn remove(&self, task: Box<Task>) {
        self.lock().remove(task.slot);
        drop(task);
        if self.is_accept_pending() {
            self.wake_event_loop();
        }
    }

    pub(super) fn is_accept_pending(&self) -> bool {
        self.accept_pending.load(Ordering::Relaxed)
    }

    pub(super) fn set_accept_pending(&self, is_pending: bool) {
        self.accept_pending.store(is_pending, Ordering::Relaxed);
    }

    pub(super) fn wake_event_loop(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake the event loop: {error}");
        }
    }

    /// Closes each parked connection, and each that is parked later.
    pub(super) fn clear(&self) {
        let mut slots = self.lock();
        let all = std::mem::take(&mut *slots);
        slots.closed = true;
        drop(slots);
        drop(all);
    }

    fn unpark(&self, slots: &mut Slots, slot: usize) -> Option<Box<Task>> {
        let mut parked = slots.slab.get_mut(slot)?.parked.take()?;
        if !matches!(parked.until, Until::Time(_)) {
            let source = parked.task.connection.socket().source();
            if let Err(error) = source.deregister(&self.registry) {
                log::warn!("cannot deregister a socket: {error}");
            }
        }
        slots.heads.remove(parked.head_bytes, parked.since, slot);
        self.head_bytes
            .store(slots.heads.bytes(), Ordering::Relaxed);
        parked.task.connection.unparked();
        if parked.is_coalesced() {
            self.coalesced.fetch_sub(1, Ordering::Relaxed);
        }
        Some(parked.task)
    }

    /// Registers the socket for the event that ends the parking. A new registration reports bytes that are there already.
    fn register(&self, until: Until, task: &mut Task) -> io::Result<()> {
        let interest = match until {
            Until::Readable => Interest::READABLE,
            Until::Writable => Interest::WRITABLE,
            Until::Time(_) => return Ok(()),
        };
        let source = task.connection.socket().source();
        source.register(&self.registry, Token(task.slot), interest)
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots
            .lock()
            .expect("no code panics while it holds the slots")
    }
}

impl Slots {
    /// Sets a timer at the latest `at`. Returns whether the event loop waits longer.
    fn set_timer(&mut self, slot: usize, at: Instant) -> bool {
        let known = self.slab[slot].timer;
        if known.is_some_and(|known| known <= at) {
            return false;
        }
        if let Some(later) = known {
            self.timers.remove(&(later, slot));
        }
        self.slab[slot].timer = Some(at);
        self.timers.insert((at, slot));
        match self.event_loop {
            EventLoop::Running => false,
            EventLoop::Waiting(until) => until.is_none_or(|until| at < until),
        }
    }

    fn remove(&mut self, slot: usize) {
        let entry = self.slab.try_remove(slot);
        if let Some(timer) = entry.and_then(|entry| entry.timer) {
            self.timers.remove(&(timer, slot));
        }
    }
}

impl Parked {
    fn is_coalesced(&self) -> bool {
        matches!(self.until, Until::Time(_)) && !self.task.connection.is_delayed()
    }

    fn timer(&self) -> Instant {
        match self.until {
            Until::Time(at) => at.min(self.deadline),
            Until::Readable | Until::Writable => self.deadline,
        }
    }
}
