//! Who may ask, and for what.

use std::sync::atomic::Ordering::Relaxed;

use super::housekeeper::Housekeeper;
use crate::http::{Head, Response};
use crate::protocol::access::basic_auth::Users;
use crate::protocol::access::cors::Origins;
use crate::protocol::access::host::Hosts;
use crate::protocol::command::{Command, Refusal};
use crate::protocol::pages::{health, recent};
use crate::protocol::terms::Terms;
use crate::protocol::{self, Dialect};
use crate::store::{Completed, Progress, Store};

use super::arrivals::Arrivals;
use super::metrics::{self, Metrics};

pub(crate) type Authorize = Box<dyn Fn(&Head, &Command) -> bool + Send + Sync>;

/// What every request needs, also those that outlive their head.
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) hosts: Hosts,
    pub(super) origins: Origins,
    pub(super) users: Users,
    pub(super) terms: Terms,
    /// Whether `/metrics` is there.
    pub(super) tells_metrics: bool,
    pub(super) metrics: Metrics,
    pub(super) arrivals: Arrivals,
    pub(super) authorize: Option<Authorize>,
    pub(super) housekeeper: Housekeeper,
}

/// What is asked, and by whom.
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart at once; a box would cost each request an allocation"
)]
pub(super) enum Asked<'d> {
    /// That something is done with an upload.
    Command(Dialect, Command, &'d str),
    /// What is under way, and what has arrived lately.
    Recent(&'d str),
}

impl Desk {
    /// Who asks for what. An error is the answer.
    pub(super) fn admit(&self, head: &Head) -> Result<Asked<'_>, Response> {
        self.hosts.check(head)?;
        // A proxy may forward a host that its client forged.
        if let Some(host) = self.terms.forwarded_host(head) {
            self.hosts.check_name(host)?;
        }
        if let Some(health) = health::respond(head, || self.store.health()) {
            return Err(health);
        }
        if let Some(preflight) = self.origins.preflight(head) {
            return Err(preflight);
        }
        self.origins.check(head)?;
        let user = self.users.authenticate(head);
        let (dialect, command) = protocol::read(head, &self.terms);
        let refused = |refusal| dialect.reply(&self.terms, Progress::default(), None, Err(refusal));
        let Ok(owner) = user else {
            return Err(refused(Refusal::Unauthenticated));
        };
        if self.tells_metrics && metrics::is_asked_for(head) {
            return Err(self.metrics.respond(head, &self.store));
        }
        if let Some(asked) = recent::read(head) {
            return asked.map(|()| Asked::Recent(owner));
        }
        let command = command?;
        if !self.allows(head, &command) {
            return Err(refused(Refusal::Forbidden));
        }
        Ok(Asked::Command(dialect, command, owner))
    }

    /// Tells whoever is to know that a file has got its name.
    pub(super) fn completed(&self, completed: &Completed) {
        self.arrivals.add(completed);
        self.metrics.completed.fetch_add(1, Relaxed);
        let (path, length) = (completed.path.display(), completed.length);
        log::info!("{path} is complete: {length} bytes");
        self.housekeeper.completed(completed);
    }

    /// Whether the program that embeds us has nothing against it.
    pub(super) fn allows(&self, head: &Head, command: &Command) -> bool {
        let authorize = self.authorize.as_ref();
        authorize.is_none_or(|may| may(head, command))
    }
}
