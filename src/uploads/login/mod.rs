//! Logins: from the credentials of a request to its user.
//!
//! A login that was right before passes at once. Any other waits for its turn: for the delay after failed logins, and for
//! the only check. A waiting login owns no thread; its connection is parked.

mod failed;
mod failure_log;
#[cfg(test)]
mod tests;

use std::mem;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::http::{Head, Peer};
use crate::protocol::access::basic_auth::{Code, CodeKey, Credentials, Users};
use crate::protocol::access::password_hash::HashMemory;
use crate::store::Account;
use failed::FailedLogins;
use failure_log::FailureLog;

/// The logins that may wait, in all and of one address. A browser opens six connections.
const WAITING_MAX: usize = 64;
const WAITING_PER_ADDRESS_MAX: usize = 16;

/// The interval at which a waiting login asks for its next step.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// The `Retry-After` of a login that finds no room to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The users of a server, and the logins that wait for their turn.
pub(super) struct Logins {
    key: CodeKey,
    state: Mutex<State>,
    /// The memory of the check. Only one check runs at a time.
    memory: Mutex<HashMemory>,
    log: Mutex<FailureLog>,
    /// The user of every request to a server without users.
    nobody: Arc<str>,
}

struct State {
    users: Arc<Users>,
    /// True if everybody may upload: the server has never had a user.
    is_open: bool,
    waiting: Vec<Waiting>,
    next_number: u64,
    failed: FailedLogins,
}

/// A login before its end, in order of arrival.
struct Waiting {
    number: u64,
    address: Account,
    code: Code,
    /// The earliest time of the check.
    at: Instant,
    stage: Stage,
}

enum Stage {
    /// Waits for the check.
    Queued,
    /// Waits for the result of an earlier login with the same credentials from the same address.
    Joined,
    Checking,
    Ended(Option<Arc<str>>),
}

/// The first step of a login.
pub(super) enum Login {
    /// The request comes from this user; empty for a server without users.
    Passed(Arc<str>),
    /// The request has no credentials.
    Missing,
    /// The address has to wait for this long.
    Refused(Duration),
    Waits(Ticket),
}

/// A login that waits for its turn. Its drop makes room for another.
pub(super) struct Ticket {
    logins: Arc<Logins>,
    number: u64,
    address: Account,
    credentials: Credentials,
    pub(super) peer: Option<Peer>,
}

/// The next step of a waiting login.
pub(super) enum NextStep {
    /// Asks again at this time.
    At(Instant),
    /// Calls [`Ticket::check`], in a blocking action.
    Check,
    /// The user, or `None` after a failed login.
    Ended(Option<Arc<str>>),
}

impl Logins {
    /// Makes logins whose remembered credentials depend on a random `key`.
    pub(super) fn new(users: Users, per_address: u32, key: [u8; 64]) -> Logins {
        Logins {
            key: CodeKey::new(key),
            state: Mutex::new(State {
                is_open: users.is_empty(),
                users: Arc::new(users),
                waiting: Vec::new(),
                next_number: 0,
                failed: FailedLogins::new(per_address),
            }),
            memory: Mutex::default(),
            log: Mutex::default(),
            nobody: "".into(),
        }
    }

    /// Replaces all users. The logins of users with an unchanged secret stay remembered. A server with an empty set is closed
    /// from then on.
    pub(super) fn set_users(&self, users: Users) {
        let mut state = self.state();
        users.remember_from(&state.users);
        state.is_open = false;
        state.users = Arc::new(users);
    }

    pub(super) fn user_names(&self) -> Vec<String> {
        let users = Arc::clone(&self.state().users);
        users.names().map(str::to_owned).collect()
    }

    /// Begins the login of a request of `peer`.
    pub(super) fn begin(
        self: &Arc<Logins>,
        head: &Head,
        peer: Option<Peer>,
        now: Instant,
    ) -> Login {
        let users = {
            let state = self.state();
            if state.is_open {
                return Login::Passed(Arc::clone(&self.nobody));
            }
            Arc::clone(&state.users)
        };
        let Some(credentials) = Credentials::read(head, &self.key) else {
            return Login::Missing;
        };
        if let Some(user) = users.remembered(&credentials) {
            return Login::Passed(user);
        }
        let address = account_of(peer);
        match self.state().queue(address, &credentials, now) {
            Ok(number) => Login::Waits(Ticket {
                logins: Arc::clone(self),
                number,
                address,
                credentials,
                peer,
            }),
            Err(wait) => Login::Refused(wait),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the party that failed logins are counted for. Local clients share one.
fn account_of(peer: Option<Peer>) -> Account {
    Account::of_address(match peer {
        Some(Peer::Ip(address)) if !address.is_loopback() => address,
        _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
    })
}

impl State {
    /// Queues a login and returns its number. An error is the time until another attempt makes sense.
    fn queue(
        &mut self,
        address: Account,
        credentials: &Credentials,
        now: Instant,
    ) -> Result<u64, Duration> {
        let of_address = self.waiting.iter().filter(|login| login.address == address);
        if self.waiting.len() >= WAITING_MAX || of_address.count() >= WAITING_PER_ADDRESS_MAX {
            return Err(RETRY_AFTER);
        }
        let code = credentials.code;
        let mut same = self
            .waiting
            .iter()
            .filter(|login| login.is_same(address, &code));
        let (at, stage) = match same.find(|login| login.leads()) {
            Some(leader) => (leader.at, Stage::Joined),
            None => {
                let admitted = self.failed.admit(address, credentials.name_code, now);
                (admitted?, Stage::Queued)
            }
        };
        self.next_number += 1;
        self.waiting.push(Waiting {
            number: self.next_number,
            address,
            code,
            at,
            stage,
        });
        Ok(self.next_number)
    }

    /// Returns the next step of a login, and starts its check if it is the first that is due.
    fn next_step(&mut self, number: u64, now: Instant) -> NextStep {
        let Some(position) = self.waiting.iter().position(|login| login.number == number) else {
            return NextStep::Ended(None);
        };
        let is_busy = self
            .waiting
            .iter()
            .any(|login| matches!(login.stage, Stage::Checking));
        let is_due = |login: &Waiting| matches!(login.stage, Stage::Queued) && login.at <= now;
        let is_first = !self.waiting[..position].iter().any(is_due);
        let login = &mut self.waiting[position];
        match &mut login.stage {
            Stage::Ended(user) => NextStep::Ended(mem::take(user)),
            Stage::Queued if login.at <= now && is_first && !is_busy => {
                login.stage = Stage::Checking;
                NextStep::Check
            }
            _ => NextStep::At(login.at.max(now + POLL_EVERY)),
        }
    }

    /// Passes the result of a check to all logins with the same credentials.
    fn end(&mut self, ticket: &Ticket, user: Option<&Arc<str>>) {
        if user.is_some() {
            let name = ticket.credentials.name_code;
            self.failed.succeeded(ticket.address, name);
        }
        for login in &mut self.waiting {
            if login.is_same(ticket.address, &ticket.credentials.code) {
                login.stage = Stage::Ended(user.cloned());
            }
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(position) = self.waiting.iter().position(|login| login.number == number) else {
            return;
        };
        let removed = self.waiting.remove(position);
        if removed.leads() {
            let mut rest = self.waiting.iter_mut();
            let is_next = |login: &&mut Waiting| {
                matches!(login.stage, Stage::Joined)
                    && login.is_same(removed.address, &removed.code)
            };
            if let Some(next) = rest.find(is_next) {
                next.stage = Stage::Queued;
            }
        }
    }
}

impl Waiting {
    fn is_same(&self, address: Account, code: &Code) -> bool {
        self.address == address && self.code == *code
    }

    /// Returns whether the result of this login is that of later ones with the same credentials.
    fn leads(&self) -> bool {
        matches!(self.stage, Stage::Queued | Stage::Checking)
    }
}

impl Ticket {
    pub(super) fn next_step(&self, now: Instant) -> NextStep {
        self.logins.state().next_step(self.number, now)
    }

    /// Compares the credentials with the hash of the user. Takes as long as the cost of the hash demands.
    pub(super) fn check(&self) -> Option<Arc<str>> {
        let users = Arc::clone(&self.logins.state().users);
        let memory = self.logins.memory.lock();
        let mut memory = memory.unwrap_or_else(PoisonError::into_inner);
        let user = users.check(&self.credentials, &mut memory);
        drop(memory);
        self.logins.state().end(self, user.as_ref());
        if user.is_none() {
            let log = self.logins.log.lock();
            let mut log = log.unwrap_or_else(PoisonError::into_inner);
            log.add(self.credentials.name_bytes(), self.peer, Instant::now());
        }
        user
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.logins.state().remove(self.number);
    }
}
