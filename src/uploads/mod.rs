//! One request from head to response: `context` routes it, `handler` carries it out.
//!
//! 1. `Context::route` checks host, origin and user, reads the command, and asks the embedding program.
//! 2. `handler::handle` runs the command on the store. An operation that waits for the disk becomes an
//!    [`Action::Blocking`].
//! 3. The dialect of the request writes the response.

mod access_log;
mod background;
mod context;
mod handler;
mod metrics;
mod recent;
mod recent_files;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::http::{
    Action, BodyEnd, BodySink, ConnectionCounts, Framing, Handler, Head, Peer, PeerLimit,
    PeerPermit, Response,
};
use crate::protocol::access::basic_auth::Users;
use crate::protocol::access::cors::Origins;
use crate::protocol::access::host::Hosts;
use crate::protocol::access::proxies::TrustedProxies;
use crate::protocol::server_info::ServerInfo;
use crate::store::{self, OpenError, Store};
pub use background::HookError;
use background::{BackgroundTasks, OnComplete};
use context::{Authorize, Context, Route};
use metrics::Metrics;
use recent_files::RecentFiles;

/// Access, storage and completion hooks of [`Uploads`].
#[derive(Default)]
pub struct Options {
    pub(crate) store: store::Options,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) users: Users,
    pub(crate) public_url: Option<String>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) per_address: Arc<PeerLimit>,
    pub(crate) no_interim: bool,
    pub(crate) metrics: bool,
    pub(crate) authorize: Option<Authorize>,
    pub(crate) on_complete: Option<OnComplete>,
}

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
        if options.store.user_dirs {
            check_folders(&options.users)?;
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
            log::warn!("user {name:?} cannot log in: the name or the password is empty");
        }
        let server = ServerInfo {
            max_size: store.max_size(),
            expire_secs,
            public_url: options.public_url,
            proxies: options.proxies,
            interim: !options.no_interim,
        };
        let background = BackgroundTasks::start(store.clone(), options.on_complete);
        let own_name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let context = Context {
            store,
            hosts: Hosts::new(options.hosts.into_iter().chain([own_name])),
            origins: Origins::new(options.origins),
            users: options.users,
            server,
            per_address: options.per_address,
            serves_metrics: options.metrics,
            metrics: Arc::new(Metrics::default()),
            recent: RecentFiles::default(),
            authorize: options.authorize,
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
    /// response then has no reader.
    pub fn handle(&self, head: &Head, body: &mut dyn Read) -> Response {
        let mut action = Handler::handle(self, head);
        loop {
            match action {
                Action::Respond(response) => return response,
                Action::Blocking(decide) => action = decide(),
                Action::Receive { sink, .. } => return receive(sink, head.framing(), body),
            }
        }
    }
}

impl Handler for Uploads {
    fn handle(&self, head: &Head) -> Action {
        let mut log = self.context.start_log(head);
        let cors = self.context.origins.headers(head);
        match self.context.route(head, &mut log) {
            Ok(Route::Command(dialect, command, client)) => {
                handler::handle(&self.context, head, (dialect, command, client), cors, log)
            }
            Ok(Route::Recent(owner)) => recent::respond(&self.context, head, owner, cors, log),
            Err(response) => {
                log.answered(response.status());
                Action::Respond(cors.add_to(response))
            }
        }
    }

    fn refused(&self, status: u16, peer: Peer) {
        access_log::refused(&self.context.metrics, status, peer);
    }

    fn admit(&self, peer: Peer) -> Result<PeerPermit, Response> {
        self.context.admit(peer)
    }
}

/// Checks that each user can have a folder.
fn check_folders(users: &Users) -> Result<(), OpenError> {
    if users.names().next().is_none() {
        return Err(OpenError::NoUsers);
    }
    store::check_user_dirs(users.names()).map_err(OpenError::UserDirs)
}

/// Passes a body from a blocking reader to its sink.
fn receive(mut sink: Box<dyn BodySink>, framing: Framing, body: &mut dyn Read) -> Response {
    let mut left = match framing {
        Framing::Length(length) => length,
        Framing::Chunked => u64::MAX,
    };
    let mut buffer = vec![0; BUFFER_BYTES.min(usize::try_from(left).unwrap_or(BUFFER_BYTES))];
    while left > 0 {
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        match body.read(&mut buffer[..most]) {
            Ok(0) => break,
            Ok(count) => {
                left -= count as u64;
                if let Err(response) = sink.write(&buffer[..count]) {
                    return response;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return sink.end(BodyEnd::Cut),
        }
    }
    let whole = left == 0 || framing == Framing::Chunked;
    sink.end(if whole {
        BodyEnd::Complete
    } else {
        BodyEnd::Cut
    })
}
