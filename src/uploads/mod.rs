//! One request from head to response: `context` routes it, `handler` carries it out.
//!
//! 1. `Context::check` checks host and origin; `login` finds the user.
//! 2. `Context::route` reads the command, and asks the embedding program.
//! 3. `handler::handle` runs the command on the store. An operation that waits for the disk becomes an
//!    [`Action::Blocking`].
//! 4. The dialect of the request writes the response.

mod access_log;
mod background;
mod blocking_body;
mod callback;
mod context;
mod decision;
mod handler;
mod login;
mod metrics;
mod recent;
mod recent_files;
mod refusal_log;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use crate::http::{
    Action, BodyEnd, BodySink, ConnectionCounts, Handler, Head, Peer, PeerLimit, PeerPermit,
    Refused, Response,
};
pub use crate::protocol::access::basic_auth::Users;
use crate::protocol::access::cors::{CorsHeaders, Origins};
use crate::protocol::access::host::Hosts;
use crate::protocol::access::proxies::TrustedProxies;
use crate::protocol::refusal::Refusal;
use crate::protocol::server_info::ServerInfo;
use crate::store::{self, Id, OpenError, PartialUpload, Store, UploadInfo};
use access_log::RequestLog;
pub use background::HookError;
use background::{BackgroundTasks, OnComplete};
use blocking_body::BlockingBody;
pub(crate) use callback::Callback;
use context::{Context, OwnRoute};
use decision::Authorize;
pub use decision::Decision;
use login::{Login, Logins, NextStep, Ticket};
use metrics::Metrics;
use recent_files::RecentFiles;
use refusal_log::RefusalLog;

/// Access, storage and completion hooks of [`Uploads`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) store: store::Options,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) users: Users,
    pub(crate) failed_logins: Option<u32>,
    pub(crate) public_url: Option<String>,
    /// True if the server itself ends TLS.
    pub(crate) is_tls: bool,
    pub(crate) hsts: bool,
    pub(crate) proxies: TrustedProxies,
    pub(crate) per_address: Option<usize>,
    pub(crate) no_interim: bool,
    pub(crate) metrics: bool,
    pub(crate) authorize: Option<Authorize>,
    pub(crate) own_route: Option<OwnRoute>,
    pub(crate) on_complete: Option<OnComplete>,
}

/// A household behind one address may have several devices with an old password.
const FAILED_LOGINS: u32 = 60;

/// Uploads into one directory, for a program with its own HTTP server.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use resumed::{Head, Options, Uploads};
///
/// let uploads = Uploads::open(dir.path(), Options::default())?;
/// let id = "a.txt-5-1700000000000";
/// let fields = [("Host", "localhost"), ("X-File-Id", id), ("Content-Length", "5")];
/// let head = Head::from_parts("POST", "/upload", fields)?;
/// let response = uploads.handle(&head, &mut &b"hello"[..]);
/// assert_eq!(response.status(), 200);
/// assert_eq!(std::fs::read(dir.path().join("a.txt"))?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Uploads {
    context: Arc<Context>,
}

/// The read buffer of [`Uploads::handle`], in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

impl Uploads {
    /// Opens `dir`, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`OpenError`], if another server uses `dir`, it cannot be written, or users would share a folder.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Uploads, OpenError> {
        let dir = dir.as_ref();
        let has_user_dirs = options.store.user_dirs;
        if has_user_dirs {
            check_folders(&options.users, options.authorize.is_some())?;
        }
        let mark_hooks = options.on_complete.is_some();
        let expire_secs = options.store.expire.as_secs();
        let store = Store::open(
            dir,
            store::Options {
                mark_hooks,
                ..options.store
            },
        )?;
        for name in options.users.unusable() {
            log::warn!(
                "user {name:?} cannot log in: the name or the password is empty, or the name has a colon"
            );
        }
        let mut key = [0; 64];
        getrandom::fill(&mut key).map_err(|error| OpenError::Io(dir.into(), error.into()))?;
        let per_address = options.failed_logins.unwrap_or(FAILED_LOGINS);
        let logins = Arc::new(Logins::new(options.users, per_address, key));
        let server = ServerInfo {
            max_size: store.max_size(),
            expire_secs,
            public_url: options.public_url,
            is_tls: options.is_tls,
            hsts: options.is_tls && options.hsts,
            proxies: options.proxies,
            interim: !options.no_interim,
        };
        let background =
            BackgroundTasks::start(store.clone(), options.on_complete, Arc::clone(&logins));
        let context = Context {
            store,
            hosts: Hosts::new(options.hosts.into_iter().chain([own_name()])),
            origins: Origins::new(options.origins),
            logins,
            has_user_dirs,
            server,
            per_address: PeerLimit::new(options.per_address),
            serves_metrics: options.metrics,
            metrics: Arc::new(Metrics::default()),
            refusals: RefusalLog::default(),
            recent: RecentFiles::default(),
            authorize: options.authorize,
            own_route: options.own_route,
            background,
        };
        let context = Arc::new(context);
        let weak = Arc::downgrade(&context);
        context.store.tell_of_copies(Arc::new(move |completed: &_| {
            if let Some(context) = weak.upgrade() {
                context.completed(completed);
            }
        }));
        Ok(Uploads { context })
    }

    /// Checks that the directory is still the opened one and can be written, as `/health` does.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::health`].
    pub fn health(&self) -> Result<(), store::Error> {
        self.context.store.health()
    }

    /// Replaces all users, as [`Server::set_users`](crate::Server::set_users) does.
    ///
    /// # Errors
    ///
    /// [`OpenError`], if users would share a folder. The earlier users then stay.
    pub fn set_users(&self, users: Users) -> Result<(), OpenError> {
        if self.context.has_user_dirs {
            check_folders(&users, self.context.authorize.is_some())?;
        }
        self.context.logins.set_users(users);
        Ok(())
    }

    /// Returns the declarations of an upload, and the path of its file if it is complete: see
    /// [`Store::info`](store::Store::info).
    ///
    /// # Errors
    ///
    /// The errors of [`Store::info`](store::Store::info).
    pub fn info(&self, id: &Id) -> Result<Option<UploadInfo>, store::Error> {
        self.context.store.info(id)
    }

    /// Returns the uploads of `owner` that are not complete: see
    /// [`Store::partial_uploads`](store::Store::partial_uploads).
    pub fn partial_uploads(&self, owner: &str) -> Vec<PartialUpload> {
        self.context.store.partial_uploads(owner.as_bytes())
    }

    /// Cancels an upload: see [`Store::cancel`](store::Store::cancel). A request that sends it is refused.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::cancel`](store::Store::cancel).
    pub fn cancel(&self, id: &Id) -> Result<bool, store::Error> {
        self.context.cancel(id)
    }

    /// Returns the number of requests whose bodies are arriving.
    pub(crate) fn under_way(&self) -> usize {
        self.context.metrics.under_way.load(Relaxed)
    }

    /// Sets the source of the connection counts in `/metrics`. Only the first call has an effect.
    pub(crate) fn count_connections(
        &self,
        connection_counts: impl Fn() -> ConnectionCounts + Send + Sync + 'static,
    ) {
        let _ = self
            .context
            .metrics
            .connections
            .set(Box::new(connection_counts));
    }

    /// Answers a request with a parsed head and a blocking body.
    ///
    /// `body` yields the body without its transfer coding. If it ends early or fails, the received bytes are kept; the
    /// response then has no reader. After failed logins, this function may wait for up to 30 s before it reads the body.
    ///
    /// After a refusal, reads and discards up to 64 MiB of the body, for 10 s: a connection that closes earlier may lose
    /// the response. If bytes remain, or the client waits for a 100, [`Response::is_closing`] is true.
    pub fn handle(&self, head: &Head, body: &mut dyn Read) -> Response {
        carry_through(Handler::handle(self, head), head, body)
    }

    /// Answers a request of `owner`, whom the program has logged in. Otherwise the same as [`handle`](Self::handle).
    ///
    /// The same id of two owners is two uploads, and limits of a user count for the owner. No [`Users`] are asked; a
    /// closure of [`authorize`](Options::authorize) is.
    pub fn handle_as(&self, owner: &str, head: &Head, body: &mut dyn Read) -> Response {
        let context = &self.context;
        let peer = context.server.proxies.client(head);
        let log = context.start_log(head, peer);
        let cors = context.origins.headers(head);
        let checked = context.check_host(head);
        let action = match checked.and_then(|()| context.check_origin(head)) {
            Ok(()) => carry_out(context, head, (owner, peer), cors, log),
            Err(response) => respond(response, &cors, log),
        };
        carry_through(action, head, body)
    }
}

/// Carries a request through, with a blocking reader of its body.
fn carry_through(mut action: Action, head: &Head, body: &mut dyn Read) -> Response {
    let body = BlockingBody::new(head, body);
    loop {
        match action {
            Action::Respond(response) => return body.discard(response),
            Action::Blocking(decide) => action = decide(),
            Action::After(at, decide) => {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                action = decide();
            }
            Action::Receive { sink, .. } => return receive(sink, body),
        }
    }
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Uploads").field(&self.context.store).finish()
    }
}

impl Handler for Uploads {
    fn handle(&self, head: &Head) -> Action {
        let context = &self.context;
        let peer = context.server.proxies.client(head);
        let log = context.start_log(head, peer);
        if let Err(response) = context.check_host(head) {
            return respond(response, &context.origins.headers(head), log);
        }
        let Some(route) = context.own_route.clone() else {
            return log_in(context, head, peer, log);
        };
        let (context, head, mut log) = (Arc::clone(context), head.clone(), log);
        Action::Blocking(Box::new(move || match (route.0)(&head) {
            Some(response) => {
                log.answered(response.status());
                Action::Respond(response)
            }
            None => log_in(&context, &head, peer, log),
        }))
    }

    fn refused(&self, status: u16, peer: Peer) {
        access_log::refused(&self.context.metrics, status, peer);
    }

    fn admit(&self, peer: Peer) -> Result<PeerPermit, Response> {
        self.context.admit(peer)
    }
}

fn own_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// Checks the origin, finds the user, and carries out the request.
fn log_in(context: &Arc<Context>, head: &Head, peer: Option<Peer>, log: RequestLog) -> Action {
    let cors = context.origins.headers(head);
    if let Err(response) = context.check_origin(head) {
        return respond(response, &cors, log);
    }
    match context.logins.begin(head, peer, Instant::now()) {
        Login::Passed(user) => carry_out(context, head, (&user, peer), cors, log),
        Login::Missing => respond(context.refuse(head, Refusal::Unauthenticated), &cors, log),
        Login::Refused(wait) => {
            let after_secs = wait.as_secs_f64().ceil().max(1.0) as u64;
            let refusal = Refusal::TooManyLogins { after_secs };
            respond(context.refuse(head, refusal), &cors, log)
        }
        Login::Waits(ticket) => continue_login(PendingRequest {
            context: Arc::clone(context),
            head: head.clone(),
            ticket,
            cors,
            log,
        }),
    }
}

/// Checks that each user can have a folder. Without users, the embedding program has to name the owners.
fn check_folders(users: &Users, names_owners: bool) -> Result<(), OpenError> {
    if users.is_empty() && !names_owners {
        return Err(OpenError::NoUsers);
    }
    store::check_user_dirs(users.names()).map_err(OpenError::UserDirs)
}

/// A request whose login waits for its turn.
struct PendingRequest {
    context: Arc<Context>,
    head: Head,
    ticket: Ticket,
    cors: CorsHeaders,
    log: RequestLog,
}

/// Goes on with a login: waits, checks the password, or carries out the request.
fn continue_login(request: PendingRequest) -> Action {
    match request.ticket.next_step(Instant::now()) {
        NextStep::At(at) => Action::After(at, Box::new(move || continue_login(request))),
        NextStep::Check => Action::Blocking(Box::new(move || {
            let user = request.ticket.check();
            request.logged_in(user)
        })),
        NextStep::Ended(user) => request.logged_in(user),
    }
}

impl PendingRequest {
    fn logged_in(self, user: Option<Arc<str>>) -> Action {
        let PendingRequest {
            context,
            head,
            ticket,
            cors,
            log,
        } = self;
        let peer = ticket.peer;
        drop(ticket);
        match user {
            Some(user) => carry_out(&context, &head, (&user, peer), cors, log),
            None => {
                let response = context.refuse(&head, Refusal::Unauthenticated);
                respond(response, &cors, log)
            }
        }
    }
}

/// Carries out an admitted request of `user` at the address `peer`.
fn carry_out(
    context: &Arc<Context>,
    head: &Head,
    (user, peer): (&str, Option<Peer>),
    cors: CorsHeaders,
    mut log: RequestLog,
) -> Action {
    log.authenticated(user);
    match context.route(head, user, peer) {
        Ok(route) => {
            log.authenticated(&route.2.owner);
            handler::handle(context, head, route, cors, log)
        }
        Err(response) => respond(response, &cors, log),
    }
}

fn respond(response: Response, cors: &CorsHeaders, mut log: RequestLog) -> Action {
    log.answered(response.status());
    Action::Respond(cors.add_to(response))
}

/// Passes a body from a blocking reader to its sink.
fn receive(mut sink: Box<dyn BodySink>, mut body: BlockingBody<'_>) -> Response {
    let mut buffer = vec![0; body.left(BUFFER_BYTES)];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                if let Err(Refused) = sink.write(&buffer[..count]) {
                    return body.discard(sink.end(BodyEnd::Refused));
                }
            }
            Err(_) => return sink.end(BodyEnd::Cut),
        }
    }
    sink.end(match body.is_whole() {
        true => BodyEnd::Complete,
        false => BodyEnd::Cut,
    })
}
