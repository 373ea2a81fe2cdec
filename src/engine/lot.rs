//! Where connections wait: a slot and a socket each, no thread and no buffer.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use mio::{Interest, Poll, Registry, Token, Waker};
use slab::Slab;

use crate::http::Census;
use crate::http::connection::{Connection, Until};

/// The poller's own tokens; every other token is a slot.
pub(super) const LISTENER: Token = Token(usize::MAX);
pub(super) const WAKER: Token = Token(usize::MAX - 1);

/// A connection that has a slot here.
pub(super) struct Guest {
    slot: usize,
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
    pub(super) fn census(&self) -> Census {
        let slots = self.lock();
        let is_parked = |(_, slot): &(usize, &Slot)| slot.parked.is_some();
        let parked = slots.slab.iter().filter(is_parked).count();
        let active = slots.slab.len() - parked;
        Census { parked, active }
    }

    /// How many wait for a look rather than for an event.
    pub(super) fn looking(&self) -> usize {
        self.looking.load(Ordering::Relaxed)
    }

    /// Lets a connection wait. It is gone when the lot is closed or the poller refuses it.
    pub(super) fn park(&self, guest: Box<Guest>, until: Until, deadline: Instant) {
        let slot = guest.slot;
        let mut slots = self.lock();
        if slots.closed {
            return;
        }
        let parked = Parked {
            guest,
            until,
            deadline,
            since: Instant::now(),
        };
        let alarm = parked.alarm();
        let parked = slots.slab[slot].parked.insert(parked);
        if let Err(error) = self.register(parked) {
            log::warn!("a connection cannot be waited for: {error}");
            slots.remove(slot);
            return;
        }
        let oversleeps = slots.set_alarm(slot, alarm);
        drop(slots);
        if oversleeps {
            self.wake();
        }
    }

    /// Takes a parked connection for whom an event has come.
    pub(super) fn take(&self, token: Token) -> Option<Box<Guest>> {
        self.unpark(&mut self.lock(), token.0)
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
                return self.unpark(&mut slots, slot).map(|guest| (guest, expired));
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
        self.unpark(&mut slots, slot)
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

    fn unpark(&self, slots: &mut Slots, slot: usize) -> Option<Box<Guest>> {
        let mut parked = slots.slab.get_mut(slot)?.parked.take()?;
        self.deregister(&mut parked);
        Some(parked.guest)
    }

    fn register(&self, parked: &mut Parked) -> io::Result<()> {
        let interest = match parked.until {
            Until::Readable => Interest::READABLE,
            Until::Writable => Interest::WRITABLE,
            Until::Look(_) => {
                self.looking.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        };
        let token = Token(parked.guest.slot);
        self.registry
            .register(parked.guest.connection.socket(), token, interest)
    }

    fn deregister(&self, parked: &mut Parked) {
        if let Until::Look(_) = parked.until {
            self.looking.fetch_sub(1, Ordering::Relaxed);
        } else if let Err(error) = self.registry.deregister(parked.guest.connection.socket()) {
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
        if let Some(entry) = self.slab.try_remove(slot)
            && let Some(alarm) = entry.alarm
        {
            self.alarms.remove(&(alarm, slot));
        }
    }
}

impl Parked {
    fn alarm(&self) -> Instant {
        match self.until {
            Until::Look(at) => at.min(self.deadline),
            Until::Readable | Until::Writable => self.deadline,
        }
    }
}
