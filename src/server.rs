//! Starting and stopping.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use crate::config::{Config, Listen};
use crate::engine::{self, Address, Engine, ListenSocket, Listener};
use crate::http::tls;
#[cfg(feature = "tls")]
use crate::http::tls::TlsOptions;
use crate::store::{self, Id, OpenError, PartialUpload, Sharing, UploadInfo};
use crate::uploads::{Uploads, Users};

/// A running server. Dropping it stops it.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use resumed::Config;
///
/// let server = resumed::start(Config::new(dir.path()).listen("127.0.0.1:0"))?;
/// println!("listening on http://{}", server.addr());
/// server.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    address: Address,
    engine: Engine,
    uploads: Arc<Uploads>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<tls::Acceptor>>,
}

/// Starts a server. The server listens when this function returns.
///
/// # Errors
///
/// [`StartError`], if the server cannot listen on the address, the directory is in use or cannot be written, or users would
/// share a folder.
pub fn start(mut config: Config) -> Result<Server, StartError> {
    let tls = config.acceptor();
    let mut options = config.options;
    options.is_tls = tls.is_some();
    let body = match options.store.sharing {
        Sharing::Alone => 2,
        Sharing::Shared => 3,
    };
    let disk_permits = match options.store.sync {
        store::SyncMode::Durable => options.store.syncs,
        store::SyncMode::Fast => 0,
    };
    let reach = Reach {
        as_root: config.allow_root,
        without_users: config.allow_anonymous || !options.users.is_empty(),
    };
    // A refused address leaves no directory behind.
    let (endpoint, at) = permitted(config.listen, reach)?;
    let uploads = Arc::new(Uploads::open(&config.dir, options)?);
    let (listener, address) =
        listen(endpoint, config.socket_mode).map_err(|error| StartError::listen(&at, error))?;
    let limits = engine::Limits {
        connections: config.max_connections.min(connections_allowed(body)).max(1),
        head_memory: config.head_memory,
        workers: config.workers,
        disk_permits,
        buffer_bytes: config
            .buffer_bytes
            .max(4 * config.http.head_bytes)
            .max(config.http.head_bytes + tls::ROOM_BYTES),
        coalesce_max: config.coalesce_max,
    };
    let handler = Arc::clone(&uploads) as _;
    let engine =
        Engine::start(listener, tls.clone(), handler, limits, config.http).map_err(|error| {
            StartError::new(StartErrorKind::System, "the engine cannot start", error)
        })?;
    uploads.count_connections(engine.connection_counts());
    log::info!("finished files land in {}", config.dir.display());
    Ok(Server {
        address,
        engine,
        uploads,
        #[cfg(feature = "tls")]
        tls,
    })
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("uploads", &self.uploads)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Returns the address of the server, with the actual port.
    #[must_use]
    pub fn addr(&self) -> &Address {
        &self.address
    }

    /// Checks that the directory is still the opened one, and can be written, as `/health` does. If
    /// [`Displaced`](store::Error::Displaced) lasts, stop this server and start another one.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::health`](store::Store::health).
    pub fn health(&self) -> Result<(), store::Error> {
        self.uploads.health()
    }

    /// Returns the declarations of an upload, and the path of its file if it is complete: see
    /// [`Store::info`](store::Store::info).
    ///
    /// # Errors
    ///
    /// The errors of [`Store::info`](store::Store::info).
    pub fn info(&self, id: &Id) -> Result<Option<UploadInfo>, store::Error> {
        self.uploads.info(id)
    }

    /// Returns the uploads of `owner` that are not complete: see
    /// [`Store::partial_uploads`](store::Store::partial_uploads).
    pub fn partial_uploads(&self, owner: &str) -> Vec<PartialUpload> {
        self.uploads.partial_uploads(owner)
    }

    /// Cancels an upload: see [`Store::cancel`](store::Store::cancel). A request that sends it is refused.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::cancel`](store::Store::cancel).
    pub fn cancel(&self, id: &Id) -> Result<bool, store::Error> {
        self.uploads.cancel(id)
    }

    /// Returns the number of requests whose bodies are arriving.
    #[must_use]
    pub fn uploads_under_way(&self) -> usize {
        self.uploads.under_way()
    }

    /// Replaces all users. The logins of new users, and of users with a changed password, are checked again. Running requests
    /// end as before. After this call a server without users is closed, and not open to everybody.
    ///
    /// # Errors
    ///
    /// [`OpenError`](store::OpenError), if users would share a folder. The earlier users then stay.
    pub fn set_users(&self, users: Users) -> Result<(), store::OpenError> {
        self.uploads.set_users(users)
    }

    /// Replaces the certificate of later connections. Open connections go on with theirs. Returns whether the server was
    /// started with TLS: without it nothing changes.
    #[cfg(feature = "tls")]
    pub fn set_tls(&self, options: TlsOptions) -> bool {
        if let Some(tls) = &self.tls {
            tls.set(options);
        }
        self.tls.is_some()
    }

    /// Stops the server and waits for its threads, at most a second and a running sync. The port is free afterwards, and the
    /// received bytes of running uploads are kept.
    pub fn stop(mut self) {
        self.engine.stop();
    }

    /// Serves until the process ends, or the poller fails.
    pub fn wait(mut self) {
        self.engine.wait();
    }
}

/// The name of a socket of the embedding program or of systemd, in messages.
const GIVEN_SOCKET: &str = "the socket that was given";

/// An endpoint on which the server may listen.
enum Endpoint {
    Unix(PathBuf),
    Tcp(Vec<SocketAddr>),
    Given(ListenSocket),
}

/// Returns the endpoint, and its name in messages.
fn permitted(listen: Listen, reach: Reach) -> Result<(Endpoint, String), StartError> {
    let (endpoint, at) = match listen {
        Listen::At(at) => (endpoint_at(&at, reach), at),
        Listen::On(socket) => (given(&socket, reach), GIVEN_SOCKET.to_owned()),
    };
    match endpoint {
        Ok(endpoint) => Ok((endpoint, at)),
        Err(error) => Err(StartError::listen(&at, error)),
    }
}

fn endpoint_at(address: &str, reach: Reach) -> io::Result<Endpoint> {
    match address.strip_prefix("unix:") {
        Some(path) => Ok(Endpoint::Unix(path.into())),
        None => resolve(address, reach).map(Endpoint::Tcp),
    }
}

fn given(socket: &ListenSocket, reach: Reach) -> io::Result<Endpoint> {
    if let ListenSocket::Tcp(socket) = socket {
        may_listen(socket.local_addr()?, reach)?;
    }
    Ok(Endpoint::Given(socket.try_clone()?))
}

/// Returns the addresses on which the server may listen, at least one.
fn resolve(address: &str, reach: Reach) -> io::Result<Vec<SocketAddr>> {
    let mut refused = io::ErrorKind::AddrNotAvailable.into();
    let mut allowed = Vec::new();
    let address = match address.strip_prefix(':') {
        Some(port) => format!("{}:{port}", all_addresses()),
        None => address.to_owned(),
    };
    for addr in address.to_socket_addrs()? {
        match may_listen(addr, reach) {
            Ok(()) => allowed.push(addr),
            Err(error) => refused = error,
        }
    }
    match allowed.is_empty() {
        true => Err(refused),
        false => Ok(allowed),
    }
}

/// Returns the wildcard address of IPv6, which accepts IPv4 too; on a system without IPv6, that of IPv4.
fn all_addresses() -> &'static str {
    match UdpSocket::bind("[::]:0") {
        Ok(_) => "[::]",
        Err(_) => "0.0.0.0",
    }
}

fn listen(endpoint: Endpoint, socket_mode: Option<u32>) -> io::Result<(Listener, Address)> {
    let listener = match endpoint {
        Endpoint::Unix(path) => Listener::unix(&path, socket_mode)?,
        Endpoint::Tcp(addresses) => first_that_binds(&addresses)?,
        Endpoint::Given(socket) => Listener::from_socket(socket)?,
    };
    let address = listener.address()?;
    Ok((listener, address))
}

fn first_that_binds(addresses: &[SocketAddr]) -> io::Result<Listener> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        result = Listener::tcp(*address);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The permissions to listen on an address that other machines reach.
#[derive(Clone, Copy)]
struct Reach {
    as_root: bool,
    without_users: bool,
}

fn may_listen(addr: SocketAddr, reach: Reach) -> io::Result<()> {
    let reason = if addr.ip().to_canonical().is_loopback() {
        return Ok(());
    } else if !reach.without_users {
        WITHOUT_USERS
    } else if !reach.as_root && geteuid().is_root() {
        AS_ROOT
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

const WITHOUT_USERS: &str = "other machines can reach this address, and the server has no users, so everybody there could \
                             upload: add users with --user-file FILE, or permit everybody with --allow-anonymous";

const AS_ROOT: &str = "other machines can reach this address, and root may write every file: \
                       start the server as another user, or with --allow-root";

/// The number of descriptors for other uses: listener, poller, lock, standard streams, and files of an embedding program.
const OTHER_DESCRIPTORS: u64 = 32;

/// Raises the soft descriptor limit, and returns the number of connections with a body that it allows. `body` is the
/// number of descriptors of each: the socket, the file and, in a shared directory, the lock file.
fn connections_allowed(body: u64) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
    let limit = if raised.is_ok() { maximum } else { current };
    let connections = limit.map_or(u64::MAX, |limit| {
        limit.saturating_sub(OTHER_DESCRIPTORS) / body
    });
    usize::try_from(connections).unwrap_or(usize::MAX)
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> StartError {
        let kind = match error {
            OpenError::InUse(_) => StartErrorKind::InUse,
            OpenError::NoUsers | OpenError::UserDirs(_) => StartErrorKind::Users,
            _ => StartErrorKind::Directory,
        };
        StartError::new(kind, "cannot take uploads", error)
    }
}

/// The error of [`start`]. [`kind`](StartError::kind) is for a program, the message for a person, and
/// [`source`](Error::source) is the cause.
#[derive(Debug)]
pub struct StartError {
    kind: StartErrorKind,
    what: String,
    source: Box<dyn Error + Send + Sync>,
}

/// The kind of a [`StartError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartErrorKind {
    /// The address is taken, not of this machine, or malformed.
    Listen,
    /// The directory is in use by another server.
    InUse,
    /// The directory cannot be created, read or written.
    Directory,
    /// Each user has a folder, but there are no users, or two of them would share one.
    Users,
    /// The system has no thread or poller left.
    System,
}

impl StartError {
    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> StartErrorKind {
        self.kind
    }

    fn new(
        kind: StartErrorKind,
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> StartError {
        StartError {
            kind,
            what: what.into(),
            source: source.into(),
        }
    }

    fn listen(address: &str, error: io::Error) -> StartError {
        StartError::new(
            StartErrorKind::Listen,
            format!("cannot listen on {address}"),
            error,
        )
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
