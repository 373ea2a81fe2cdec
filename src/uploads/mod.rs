//! One request from head to reply: the only place where requests and files meet.
//!
//! A request is admitted (host, origin, user), read by its dialect, authorized, carried out by the
//! store, and answered by its dialect. What waits for the disk is put off until a turn that may.

mod access_log;
mod arrivals;
mod context;
mod handler;
mod housekeeper;
mod metrics;
mod recent;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::http::{Action, BodyEnd, BodySink, ConnectionCounts, Framing, Handler, Head, Response};
use crate::protocol::access::basic_auth::Users;
use crate::protocol::access::cors::Origins;
use crate::protocol::access::host::Hosts;
use crate::protocol::terms::Terms;
use crate::store::{self, OpenError, Store};
use arrivals::Arrivals;
use context::{Asked, Authorize, Desk};
pub use housekeeper::HookError;
use housekeeper::{Housekeeper, OnComplete};
use metrics::Metrics;

/// Who may upload, how uploads are stored, and what happens when one is complete.
#[derive(Default)]
pub struct Options {
    pub(crate) store: store::Options,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) users: Users,
    pub(crate) public_url: Option<String>,
    pub(crate) trust_proxy: bool,
    pub(crate) no_interim: bool,
    pub(crate) metrics: bool,
    pub(crate) authorize: Option<Authorize>,
    pub(crate) on_complete: Option<OnComplete>,
}

/// Uploads into one directory, for a program that has its own server.
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
    desk: Arc<Desk>,
}

/// Bytes that [`Uploads::handle`] moves at once.
const WINDOW_BYTES: usize = 256 * 1024;

impl Uploads {
    /// Opens `dir`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When another server has `dir`, or it cannot be written.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Uploads, OpenError> {
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
        let terms = Terms {
            max_size: store.max_size(),
            expire_secs,
            public_url: options.public_url,
            trust_proxy: options.trust_proxy,
            interim: !options.no_interim,
        };
        let housekeeper = Housekeeper::start(store.clone(), options.on_complete);
        let own_name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let desk = Desk {
            store,
            hosts: Hosts::new(options.hosts.into_iter().chain([own_name])),
            origins: Origins::new(options.origins),
            users: options.users,
            terms,
            tells_metrics: options.metrics,
            metrics: Metrics::default(),
            arrivals: Arrivals::default(),
            authorize: options.authorize,
            housekeeper,
        };
        let desk = Arc::new(desk);
        let told = Arc::downgrade(&desk);
        desk.store.tell_of_copies(Arc::new(move |completed: &_| {
            if let Some(desk) = told.upgrade() {
                desk.completed(completed);
            }
        }));
        Ok(Uploads { desk })
    }

    /// Checks that the directory is still the opened one, and can be written, as `/health` does.
    ///
    /// # Errors
    ///
    /// The same as [`Store::health`].
    pub fn health(&self) -> Result<(), store::Error> {
        self.desk.store.health()
    }

    /// Has `/metrics` tell how many connections there are.
    pub(crate) fn count_connections(
        &self,
        connection_counts: impl Fn() -> ConnectionCounts + Send + Sync + 'static,
    ) {
        // Who counted first goes on counting.
        let _ = self
            .desk
            .metrics
            .connections
            .set(Box::new(connection_counts));
    }

    fn decide(&self, head: &Head) -> Action {
        let grant = self.desk.origins.grant(head);
        match self.desk.admit(head) {
            Ok(Asked::Command(dialect, command, owner)) => {
                handler::carry_out(&self.desk, head, dialect, command, owner, grant)
            }
            Ok(Asked::Recent(owner)) => recent::tell(&self.desk, head, owner, grant),
            Err(response) => Action::Respond(grant.add_to(response)),
        }
    }

    /// Answers a request whose head was read by somebody else. Blocks as long as `body` does.
    ///
    /// `body` yields the body without its transfer coding. If it ends before the length that the
    /// head announces, or fails, the upload was cut: what came is kept, and nobody is left to
    /// read the answer.
    pub fn handle(&self, head: &Head, body: &mut dyn Read) -> Response {
        let mut action = Handler::handle(self, head);
        loop {
            match action {
                Action::Respond(response) => return response,
                Action::Blocking(decide) => action = decide(),
                Action::Receive { sink, .. } => return pump(sink, head.framing(), body),
            }
        }
    }
}

impl Handler for Uploads {
    fn handle(&self, head: &Head) -> Action {
        access_log::watch(&self.desk, head, || self.decide(head))
    }

    fn refused(&self, status: u16) {
        access_log::refused(&self.desk, status);
    }
}

/// Moves a body whose reader blocks.
fn pump(mut sink: Box<dyn BodySink>, framing: Framing, body: &mut dyn Read) -> Response {
    let mut left = match framing {
        Framing::Length(length) => length,
        Framing::Chunked => u64::MAX,
    };
    let mut buffer = vec![0; WINDOW_BYTES.min(usize::try_from(left).unwrap_or(WINDOW_BYTES))];
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
