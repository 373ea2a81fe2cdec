//! Where connections wait: a slot and a socket each, no thread and no buffer.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use mio::event::{Event, Source};
use mio::{Interest, Poll, Registry, Token, Waker};
use slab::Slab;

use crate::http::ConnectionCounts;
use crate::http::connection::{Connection, Until};
use crate::http::socket::Socket;

/// The poller's own tokens; every other token is a slot.
pub(super) const LISTENER: Token = Token(usize::MAX);
pub(super) const WAKER: Token = Token(usize::MAX - 1);

/// A connection that has a slot here.
pub(super) struct Guest {
    pub(super) slot: usize,
    pub(super) connection: Connection,
}

/// All slots, the parked connections in them, and when each wants to be woken.
pub(super) struct Lot {
    slots: Mutex<Slots>,
    registry: Registry,
    waker: Waker,
    looking: AtomicUsize,
    /// Newcomers may be waiting that could not be taken.
    newcomers_owed: AtomicBool,
}

#[derive(Default)]
struct Slots {
    slab: Slab<Slot>,
    /// At most one entry a slot: not later than the moment at which that slot is to be woken.
    alarms: BTreeSet<(Instant, usize)>,
    watch: Watch,
    closed: bool,
}

/// The worker on watch.
#[derive(Clone, Copy, Default)]
enum Watch {
    /// Will ask for the next alarm before it sleeps.
    #[default]
    Awake,
    /// Until then; or until an event comes.
    Sleeps(Option<Instant>),
}

#[derive(Default)]
struct Slot {
    parked: Option<Parked>,
    /// What the poller tells of it, also while it is worked.
    told_of: Option<Interest>,
    /// It was told of something while nobody was parked here.
    missed: bool,
    alarm: Option<Instant>,
}

struct Parked {
    guest: Box<Guest>,
    until: Until,
    deadline: Instant,
    since: Instant,
}

impl Lot {
    pub(super) fn new(poll: &Poll) -> io::Result<Lot> {
        Ok(Lot {
            slots: Mutex::default(),
            registry: poll.registry().try_clone()?,
            waker: Waker::new(poll.registry(), WAKER)?,
            looking: AtomicUsize::new(0),
            newcomers_owed: AtomicBool::new(false),
        })
    }

    /// Gives a newcomer a slot.
    pub(super) fn admit(&self, connection: Connection) -> Box<Guest> {
        let slot = self.lock().slab.insert(Slot::default());
        Box::new(Guest { slot, connection })
    }

    /// How many connections there are, parked and being worked.
    pub(super) fn len(&self) -> usize {
        self.lock().slab.len()
    }

    /// The same, by what they do.
    pub(super) fn connection_counts(&self) -> ConnectionCounts {
        let slots = self.lock();
        let is_parked = |(_, slot): &(usize, &Slot)| slot.parked.is_some();
        let parked = slots.slab.iter().filter(is_parked).count();
        let active = slots.slab.len() - parked;
        ConnectionCounts { parked, active }
    }

    /// How many wait for a look rather than for an event.
    pub(super) fn looking(&self) -> usize {
        self.looking.load(Ordering::Relaxed)
    }

    /// Lets a connection wait. It is gone when the lot is closed or the poller refuses it.
    pub(super) fn park(&self, mut guest: Box<Guest>, until: Until, deadline: Instant) {
        let slot = guest.slot;
        let mut slots = self.lock();
        if slots.closed {
            return;
        }
        let entry = &mut slots.slab[slot];
        if let Err(error) = self.wait_for(until, entry, &mut guest) {
            log::warn!("a connection cannot be waited for: {error}");
            slots.remove(slot);
            return;
        }
        let parked = entry.parked.insert(Parked {
            guest,
            until,
            deadline,
            since: Instant::now(),
        });
        let alarm = parked.alarm();
        let oversleeps = slots.set_alarm(slot, alarm);
        drop(slots);
        if oversleeps {
            self.wake();
        }
    }

    /// Takes a parked connection for whom an event has come.
    pub(super) fn take(&self, event: &Event) -> Option<Box<Guest>> {
        let mut slots = self.lock();
        let entry = slots.slab.get_mut(event.token().0)?;
        entry.missed = entry.parked.is_none();
        let mut guest = self.unpark(entry)?;
        // What a client sends last may be read to its end without the end of the stream being seen.
        if event.is_read_closed() || guest.connection.needs_place() {
            self.forget(entry, guest.connection.socket());
        }
        Some(guest)
    }

    /// Has the poller tell nothing more of a connection that is being worked.
    pub(super) fn mute(&self, slot: usize, socket: &mut Socket) {
        if let Some(entry) = self.lock().slab.get_mut(slot) {
            self.forget(entry, socket);
        }
    }

    /// Takes one whose moment has come, and whether that moment is its deadline.
    pub(super) fn take_due(&self, now: Instant) -> Option<(Box<Guest>, bool)> {
        let mut slots = self.lock();
        while let Some(&(alarm, slot)) = slots.alarms.first().filter(|(alarm, _)| *alarm <= now) {
            slots.alarms.remove(&(alarm, slot));
            let entry = &mut slots.slab[slot];
            entry.alarm = None;
            let Some(parked) = &entry.parked else {
                continue;
            };
            let (due, expired) = (parked.alarm(), parked.deadline <= now);
            if due <= now {
                return self.unpark(entry).map(|guest| (guest, expired));
            }
            slots.set_alarm(slot, due);
        }
        None
    }

    /// Takes the one that has been silent longest.
    pub(super) fn take_quietest(&self) -> Option<Box<Guest>> {
        let mut slots = self.lock();
        let silent = |(slot, entry): (usize, &Slot)| Some((entry.parked.as_ref()?.since, slot));
        let (_, slot) = slots.slab.iter().filter_map(silent).min()?;
        self.unpark(&mut slots.slab[slot])
    }

    /// When the watch has to wake for the clock. It is woken for anything earlier.
    pub(super) fn next_alarm(&self) -> Option<Instant> {
        let mut slots = self.lock();
        let first = slots.alarms.first().map(|(alarm, _)| *alarm);
        slots.watch = Watch::Sleeps(first);
        first
    }

    /// The watch has woken.
    pub(super) fn awake(&self) {
        self.lock().watch = Watch::Awake;
    }

    /// Gives up a slot, and closes the connection: a newcomer may have its place.
    pub(super) fn leave(&self, guest: Box<Guest>) {
        self.lock().remove(guest.slot);
        drop(guest);
        if self.owes_newcomers() {
            self.wake();
        }
    }

    pub(super) fn owes_newcomers(&self) -> bool {
        self.newcomers_owed.load(Ordering::Relaxed)
    }

    pub(super) fn owe_newcomers(&self, owed: bool) {
        self.newcomers_owed.store(owed, Ordering::Relaxed);
    }

    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("the watch cannot be woken: {error}");
        }
    }

    /// Closes everything that is parked, and all that would be parked from now on.
    pub(super) fn clear(&self) {
        let mut slots = self.lock();
        let all = std::mem::take(&mut *slots);
        slots.closed = true;
        drop(slots);
        drop(all);
    }

    fn unpark(&self, entry: &mut Slot) -> Option<Box<Guest>> {
        let parked = entry.parked.take()?;
        if let Until::Look(_) = parked.until {
            self.looking.fetch_sub(1, Ordering::Relaxed);
        }
        Some(parked.guest)
    }

    /// Has the poller tell what ends a wait, if the clock does not.
    ///
    /// Most requests are answered in one short turn, and the poller goes on telling of their connection meanwhile. It
    /// tells only of what comes, and once. That is enough for [`Until::More`]: such a turn began with the telling, so
    /// what came before it was there to be read, and has been; what came after it is told again, and is `missed` if
    /// that was while the turn lasted. In every other case asking anew has it tell also of what is there.
    fn wait_for(&self, until: Until, entry: &mut Slot, guest: &mut Guest) -> io::Result<()> {
        let interest = match until {
            Until::More if entry.told_of == Some(Interest::READABLE) && !entry.missed => {
                return Ok(());
            }
            Until::More | Until::Readable => Interest::READABLE,
            Until::Writable => Interest::WRITABLE,
            Until::Look(_) => {
                self.forget(entry, guest.connection.socket());
                self.looking.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        };
        entry.missed = false;
        let (token, socket) = (Token(guest.slot), guest.connection.socket());
        match entry.told_of.replace(interest) {
            None => socket.register(&self.registry, token, interest),
            Some(_) => socket.reregister(&self.registry, token, interest),
        }
    }

    fn forget(&self, entry: &mut Slot, socket: &mut Socket) {
        if entry.told_of.take().is_none() {
            return;
        }
        if let Err(error) = socket.deregister(&self.registry) {
            log::warn!("a connection cannot be taken from the poller: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots
            .lock()
            .expect("nothing panics while it holds the slots")
    }
}

impl Slots {
    /// Makes sure that the slot is looked at by then; whether the watch sleeps too long for that.
    fn set_alarm(&mut self, slot: usize, at: Instant) -> bool {
        let known = self.slab[slot].alarm;
        if known.is_some_and(|known| known <= at) {
            return false;
        }
        if let Some(later) = known {
            self.alarms.remove(&(later, slot));
        }
        self.slab[slot].alarm = Some(at);
        self.alarms.insert((at, slot));
        match self.watch {
            Watch::Awake => false,
            Watch::Sleeps(until) => until.is_none_or(|until| at < until),
        }
    }

    fn remove(&mut self, slot: usize) {
        let entry = self.slab.try_remove(slot);
        if let Some(alarm) = entry.and_then(|entry| entry.alarm) {
            self.alarms.remove(&(alarm, slot));
        }
    }
}

impl Parked {
    fn alarm(&self) -> Instant {
        match self.until {
            Until::Look(at) => at.min(self.deadline),
            Until::Readable | Until::More | Until::Writable => self.deadline,
        }
    }
}
