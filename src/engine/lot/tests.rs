//! Whatever comes, and whenever it does: who waits for it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Events, Poll};

use super::{Guest, Lot};
use crate::http::Limits;
use crate::http::connection::{Connection, Until};
use crate::http::socket::Socket;

struct Stage {
    poll: Poll,
    events: Events,
    lot: Lot,
}

impl Stage {
    fn new() -> Stage {
        let poll = Poll::new().unwrap();
        let lot = Lot::new(&poll).unwrap();
        Stage {
            poll,
            events: Events::with_capacity(16),
            lot,
        }
    }

    fn newcomer(&self) -> (UnixStream, Box<Guest>) {
        let (theirs, ours) = UnixStream::pair().unwrap();
        let limits = Arc::new(Limits::default());
        (
            theirs,
            self.lot.admit(Connection::new(Socket::Unix(ours), limits)),
        )
    }

    /// A newcomer who has sent `bytes`, and has its turn.
    fn worked(&mut self, bytes: &[u8]) -> (UnixStream, Box<Guest>) {
        let (mut client, guest) = self.newcomer();
        self.park(guest, Until::Readable);
        client.write_all(bytes).unwrap();
        (client, self.told())
    }

    fn park(&self, guest: Box<Guest>, until: Until) {
        let deadline = Instant::now() + Duration::from_secs(60);
        self.lot.park(guest, until, deadline);
    }

    fn fetch(&mut self) {
        let at_once = Some(Duration::ZERO);
        self.poll.poll(&mut self.events, at_once).unwrap();
    }

    /// Those whom an event has come for that was fetched.
    fn take(&self) -> impl Iterator<Item = Box<Guest>> {
        let events = self.events.iter();
        events.filter_map(|event| self.lot.take(event))
    }

    fn all_told(&mut self) -> impl Iterator<Item = Box<Guest>> {
        self.fetch();
        self.take()
    }

    #[track_caller]
    fn nobody_is_told(&mut self) {
        assert!(self.all_told().next().is_none());
    }

    /// The only one that is told.
    #[track_caller]
    fn told(&mut self) -> Box<Guest> {
        let mut all = self.all_told();
        let guest = all.next().expect("somebody is told");
        assert!(all.next().is_none());
        guest
    }

    fn due(&self) -> Option<Box<Guest>> {
        self.lot.take_due(Instant::now()).map(|(guest, _)| guest)
    }
}

/// Reads once; nothing, where nothing is there.
fn read(guest: &mut Guest, most: usize) -> Option<usize> {
    match guest.connection.socket().read(&mut [0; 16][..most]) {
        Ok(count) => Some(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn take_all(guest: &mut Guest, bytes: usize) {
    assert_eq!(read(guest, 16), Some(bytes));
}

#[test]
fn what_comes_is_told_once_and_the_next_too() {
    let mut stage = Stage::new();
    let (mut client, mut guest) = stage.worked(b"one");
    for _ in 0..3 {
        take_all(&mut guest, 3);
        stage.park(guest, Until::More);
        stage.nobody_is_told();
        client.write_all(b"two").unwrap();
        guest = stage.told();
    }
}

#[test]
fn what_comes_in_a_turn_is_told_after_it() {
    let mut stage = Stage::new();
    let (mut client, mut guest) = stage.worked(b"one");
    take_all(&mut guest, 3);
    client.write_all(b"two").unwrap();
    stage.nobody_is_told();
    stage.park(guest, Until::More);
    take_all(&mut stage.told(), 3);
}

#[test]
fn what_was_left_is_told() {
    let mut stage = Stage::new();
    let (_client, mut guest) = stage.worked(b"onetwo");
    assert_eq!(read(&mut guest, 3), Some(3));
    stage.park(guest, Until::Readable);
    take_all(&mut stage.told(), 3);
}

#[test]
fn an_end_is_told_also_if_the_last_bytes_came_with_it() {
    let mut stage = Stage::new();
    let (client, guest) = stage.newcomer();
    stage.park(guest, Until::Readable);
    (&client).write_all(b"one").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut guest = stage.told();
    take_all(&mut guest, 3);
    stage.park(guest, Until::More);
    assert_eq!(read(&mut stage.told(), 16), Some(0));
}

#[test]
fn who_waited_to_write_is_told_what_came_meanwhile() {
    let mut stage = Stage::new();
    let (mut client, mut guest) = stage.worked(b"one");
    let flood = [0; 4096];
    while guest.connection.socket().write(&flood).is_ok() {}
    stage.park(guest, Until::Writable);
    client.write_all(b"two").unwrap();
    stage.nobody_is_told();
    let mut taken = vec![0; 1 << 20];
    while client.read(&mut taken).is_ok() {}
    let guest = stage.told();
    stage.park(guest, Until::More);
    take_all(&mut stage.told(), 6);
}

#[test]
fn nothing_is_told_of_a_long_turn_and_all_after_it() {
    let mut stage = Stage::new();
    let (mut client, mut guest) = stage.worked(b"one");
    stage.lot.mute(guest.slot, guest.connection.socket());
    take_all(&mut guest, 3);
    client.write_all(b"two").unwrap();
    stage.fetch();
    assert!(stage.events.is_empty());
    stage.park(guest, Until::More);
    take_all(&mut stage.told(), 3);
}

#[test]
fn who_is_looked_at_is_not_told_until_then() {
    let mut stage = Stage::new();
    let (mut client, mut guest) = stage.worked(b"one");
    take_all(&mut guest, 3);
    stage.park(guest, Until::Look(Instant::now()));
    assert_eq!(stage.lot.looking(), 1);
    client.write_all(b"two").unwrap();
    stage.fetch();
    assert!(stage.events.is_empty());
    let guest = stage.due().expect("its moment has come");
    assert_eq!(stage.lot.looking(), 0);
    stage.park(guest, Until::More);
    take_all(&mut stage.told(), 3);
}

#[test]
fn what_was_told_of_one_that_has_left_does_its_successor_no_harm() {
    let mut stage = Stage::new();
    let (mut gone, guest) = stage.worked(b"one");
    gone.write_all(b"two").unwrap();
    stage.fetch();
    let slot = guest.slot;
    stage.lot.leave(guest);

    let (mut client, guest) = stage.newcomer();
    assert_eq!(guest.slot, slot);
    stage.park(guest, Until::Readable);
    let mut guest = stage.take().next().expect("it is told for nothing");
    assert_eq!(read(&mut guest, 16), None);
    stage.park(guest, Until::More);
    client.write_all(b"three").unwrap();
    take_all(&mut stage.told(), 5);
}

#[test]
fn who_has_its_turn_when_all_is_cleared_is_gone_after_it() {
    let mut stage = Stage::new();
    let (mut client, guest) = stage.worked(b"one");
    stage.lot.clear();
    stage.park(guest, Until::More);
    let end = client.read(&mut [0; 16]);
    // Bytes that were not read reset the connection.
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
}

/// Some clients, and what they do in an order that only its first number knows.
struct Play {
    stage: Stage,
    roles: Vec<Role>,
    random: u64,
}

struct Role {
    client: UnixStream,
    unread: usize,
    /// In its turn; and whether that has taken all.
    guest: Option<Box<Guest>>,
    drained: bool,
}

impl Play {
    fn new(seed: u64) -> Play {
        let stage = Stage::new();
        let enters = |_| {
            let (client, guest) = stage.newcomer();
            Role {
                client,
                unread: 0,
                guest: Some(guest),
                drained: false,
            }
        };
        let roles = (0..3).map(enters).collect();
        Play {
            stage,
            roles,
            random: seed,
        }
    }

    fn below(&mut self, limit: u64) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % limit) as usize
    }

    fn step(&mut self) {
        let (role, most) = (self.below(3), 1 + self.below(6));
        match self.below(8) {
            0 | 1 => self.send(role, most),
            2 => drop(self.call()),
            3 | 4 => self.read(role, most),
            5 | 6 => self.park(role, false),
            _ => self.park(role, true),
        }
    }

    fn send(&mut self, role: usize, bytes: usize) {
        let role = &mut self.roles[role];
        role.client.write_all(&b"abcdef"[..bytes]).unwrap();
        role.unread += bytes;
    }

    /// Everybody who is told has its turn.
    fn call(&mut self) -> bool {
        self.stage.fetch();
        let due = std::iter::from_fn(|| self.stage.due());
        let mut any = false;
        for guest in self.stage.take().chain(due) {
            let role = &mut self.roles[guest.slot];
            role.guest = Some(guest);
            role.drained = false;
            any = true;
        }
        any
    }

    fn read(&mut self, role: usize, most: usize) {
        let role = &mut self.roles[role];
        if let Some(guest) = &mut role.guest {
            let count = read(guest, most).unwrap_or(0);
            role.drained = count < most;
            role.unread -= count;
        }
    }

    fn park(&mut self, role: usize, otherwise: bool) {
        let role = &mut self.roles[role];
        let until = match (role.drained, otherwise) {
            (true, true) => Until::Look(Instant::now()),
            (false, true) => Until::Writable,
            (true, false) => Until::More,
            (false, false) => Until::Readable,
        };
        if let Some(guest) = role.guest.take() {
            self.stage.park(guest, until);
        }
    }

    /// All have as many turns as they are told of.
    fn end(mut self, seed: u64) {
        loop {
            for role in 0..self.roles.len() {
                self.read(role, 16);
                self.park(role, false);
            }
            if !self.call() {
                break;
            }
        }
        let unread: Vec<_> = self.roles.iter().map(|role| role.unread).collect();
        assert_eq!(unread, [0; 3], "seed {seed}");
    }
}

#[test]
fn however_turns_and_bytes_follow_on_each_other_all_are_read() {
    for seed in 1..=2_000 {
        let mut play = Play::new(seed);
        for _ in 0..60 {
            play.step();
        }
        play.end(seed);
    }
}
