//! Who may ask, and for what.

use crate::housekeeper::Housekeeper;
use crate::http::{Head, Response};
use crate::protocol::command::{Command, Refusal};
use crate::protocol::health;
use crate::protocol::host::Hosts;
use crate::protocol::origin::Origins;
use crate::protocol::terms::Terms;
use crate::protocol::users::Users;
use crate::protocol::{self, Dialect};
use crate::store::{Held, Store};

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
    pub(super) authorize: Option<Authorize>,
    pub(super) housekeeper: Housekeeper,
}

impl Desk {
    /// Who asks for what. An error is the answer.
    pub(super) fn admit(&self, head: &Head) -> Result<(Dialect, Command, &str), Response> {
        self.hosts.check(head)?;
        if let Some(health) = health::respond(head) {
            return Err(health);
        }
        if let Some(preflight) = self.origins.preflight(head) {
            return Err(preflight);
        }
        self.origins.check(head)?;
        let user = self.users.authenticate(head);
        let (dialect, command) = protocol::read(head, &self.terms);
        let refused = |refusal| dialect.reply(&self.terms, Held::default(), None, Err(refusal));
        let Ok(owner) = user else {
            return Err(refused(Refusal::Unauthenticated));
        };
        if self.tells_metrics && metrics::is_asked_for(head) {
            return Err(self.metrics.respond(head, &self.store));
        }
        let command = command?;
        let may = self.authorize.as_ref();
        if may.is_some_and(|may| !may(head, &command)) {
            return Err(refused(Refusal::Forbidden));
        }
        Ok((dialect, command, owner))
    }
}
