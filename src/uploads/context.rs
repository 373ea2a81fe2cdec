//! The state that all requests share, and the routing of a request.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::http::{Framing, Head, Peer, PeerLimit, PeerPermit, Response};
use crate::protocol::access::cors::Origins;
use crate::protocol::access::host::Hosts;
use crate::protocol::command::Command;
use crate::protocol::pages::health;
use crate::protocol::refusal::Refusal;
use crate::protocol::server_info::ServerInfo;
use crate::protocol::{self, Dialect};
use crate::store::{self, Account, Completed, Id, Progress, Store};

use super::access_log::RequestLog;
use super::background::BackgroundTasks;
use super::callback::Callback;
use super::decision::{Authorize, Decision};
use super::login::Logins;
use super::metrics::Metrics;
use super::recent_files::RecentFiles;
use super::refusal_log::RefusalLog;

pub(crate) type OwnRoute = Callback<dyn Fn(&Head) -> Option<Response> + Send + Sync>;

/// The state that all requests share.
pub(super) struct Context {
    pub(super) store: Store,
    pub(super) hosts: Hosts,
    pub(super) origins: Origins,
    pub(super) logins: Arc<Logins>,
    /// True if each user has a folder.
    pub(super) has_user_dirs: bool,
    pub(super) server: ServerInfo,
    /// Counts connections, and requests with a body behind a trusted proxy.
    pub(super) per_address: Arc<PeerLimit>,
    /// True if `/metrics` exists.
    pub(super) serves_metrics: bool,
    pub(super) metrics: Arc<Metrics>,
    pub(super) refusals: RefusalLog,
    pub(super) recent: RecentFiles,
    pub(super) authorize: Option<Authorize>,
    pub(super) own_route: Option<OwnRoute>,
    pub(super) background: BackgroundTasks,
}

/// The client of a request.
pub(super) struct Client<'c> {
    /// The login; empty without one.
    pub(super) user: &'c str,
    /// The owner of its uploads: a user, or the name that the embedding program gives; empty for a server without users.
    pub(super) owner: Box<str>,
    /// The address of the client, or of the nearest proxy that hides it.
    pub(super) peer: Option<Peer>,
    pub(super) permit: PeerPermit,
}

impl Client<'_> {
    /// Returns the party that uploads are counted for: the owner, else the address. A local address is none: a proxy that is
    /// not trusted may be behind it.
    pub(super) fn account(&self) -> Option<Account> {
        match self.peer {
            _ if !self.owner.is_empty() => Some(Account::of_user(self.owner.as_bytes())),
            Some(Peer::Ip(address)) if !address.is_loopback() => Some(Account::of_address(address)),
            _ => None,
        }
    }
}

/// The meaning of an admitted request.
pub(super) type Route<'c> = (Dialect, Command, Client<'c>);

impl Context {
    pub(super) fn start_log(&self, head: &Head, peer: Option<Peer>) -> RequestLog {
        RequestLog::start(head, peer, &self.metrics, self.serves_metrics)
    }

    /// Checks the host. An error is the response.
    pub(super) fn check_host(&self, head: &Head) -> Result<(), Response> {
        let checked = self.hosts.check(head);
        checked.inspect_err(|_| self.refusals.note("--host", head.host()))?;
        // A proxy may forward a host that its client forged.
        if let Some(host) = self.server.forwarded_host(head) {
            let checked = self.hosts.check_name(host);
            checked.inspect_err(|_| self.refusals.note("--host", Some(host)))?;
        }
        Ok(())
    }

    /// Checks the origin. An error is the response, also to a request that needs no user.
    pub(super) fn check_origin(&self, head: &Head) -> Result<(), Response> {
        if let Some(health) = health::respond(head, || self.store.health()) {
            return Err(health);
        }
        if let Some(preflight) = self.origins.preflight(head) {
            return Err(preflight);
        }
        let checked = self.origins.check(head);
        let origin = |_: &_| {
            let origin = head.field("Origin").map(String::from_utf8_lossy);
            self.refusals.note("--allow-origin", origin.as_deref());
        };
        checked.inspect_err(origin)
    }

    /// Returns the response to a request that is refused for its login.
    pub(super) fn refuse(&self, head: &Head, refusal: Refusal) -> Response {
        self.refuse_in(protocol::read(head, &self.server).0, refusal)
    }

    fn refuse_in(&self, dialect: Dialect, refusal: Refusal) -> Response {
        let no_progress = (Progress::default(), None);
        dialect.reply(&self.server, no_progress, None, Err(refusal))
    }

    /// Reads the command of an admitted request of `user` at the address `peer`, and asks the embedding program. An error is
    /// the response.
    pub(super) fn route<'c>(
        &self,
        head: &Head,
        user: &'c str,
        peer: Option<Peer>,
    ) -> Result<Route<'c>, Response> {
        let (dialect, command) = protocol::read(head, &self.server);
        let refused = |refusal| self.refuse_in(dialect, refusal);
        if self.serves_metrics {
            if let Some(response) = self.metrics.respond(head, &self.store) {
                return Err(response);
            }
        }
        let command = command?;
        let owner = self.owner_of(head, &command, user);
        let owner = owner.map_err(|denied| refused(Refusal::Denied(denied)))?;
        let permit = self.count_behind_proxy(head, peer).map_err(refused)?;
        let client = Client {
            user,
            owner,
            peer,
            permit,
        };
        Ok((dialect, command, client))
    }

    /// Admits a connection. The clients of a trusted proxy are counted one by one, at each request with a body.
    pub(super) fn admit(&self, peer: Peer) -> Result<PeerPermit, Response> {
        if self.server.proxies.trusts_peer(peer) {
            return Ok(PeerPermit::default());
        }
        let refused = || Refusal::TooManyConnections(self.per_address.max()).response();
        self.per_address.acquire(peer).ok_or_else(refused)
    }

    /// Counts a request of `client` for its address, if it has a body and came through a trusted proxy.
    pub(super) fn count_behind_proxy(
        &self,
        head: &Head,
        client: Option<Peer>,
    ) -> Result<PeerPermit, Refusal> {
        match client.filter(|_| head.peer() != client) {
            Some(client) if head.framing() != Framing::Length(0) => (self.per_address)
                .acquire(client)
                .ok_or(Refusal::TooManyConnections(self.per_address.max())),
            _ => Ok(PeerPermit::default()),
        }
    }

    /// Cancels an upload, and counts it. Returns whether there was one.
    pub(super) fn cancel(&self, id: &Id) -> Result<bool, store::Error> {
        let existed = self.store.cancel(id)?;
        self.metrics.cancelled.fetch_add(existed.into(), Relaxed);
        Ok(existed)
    }

    /// Reports a published file to the log, the metrics, `/recent` and the hook.
    pub(super) fn completed(&self, completed: &Completed) {
        self.recent.add(completed);
        self.metrics.completed.fetch_add(1, Relaxed);
        let (path, length) = (completed.path.display(), completed.length);
        log::info!("{path} is complete: {length} bytes");
        self.background.completed(completed);
    }

    /// Asks the embedding program about a command of `user`. Returns the owner of the upload. An error is the response.
    pub(super) fn owner_of(
        &self,
        head: &Head,
        command: &Command,
        user: &str,
    ) -> Result<Box<str>, Box<Response>> {
        let decision = match &self.authorize {
            Some(decide) => (decide.0)(head, command),
            None => Decision::allow(),
        };
        match decision {
            Decision::Allow { owner } => {
                let owner = owner.unwrap_or_else(|| user.into());
                if owner.is_empty() && self.has_user_dirs {
                    // Without a folder of its own, the upload could get a name in the folder of another owner.
                    log::warn!(
                        "no owner named for {}: with user_dirs, each upload needs one",
                        head.path()
                    );
                    return Err(Box::new(Refusal::Forbidden.response()));
                }
                Ok(owner)
            }
            Decision::Deny(response) => Err(Box::new(response)),
        }
    }
}
