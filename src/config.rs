//! Every setting, with its default and the reason for it. Flags and setters use the same words.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::ListenSocket;

use crate::http::{self, Head};
use crate::protocol::command::Command;
use crate::store::{Completed, OnConflict, Sharing, Sync};
use crate::uploads::{HookError, Options};

/// What a server is started with.
///
/// ```
/// # use std::time::Duration;
/// let config = resumed::Config::new("uploads")
///     .listen("127.0.0.1:0")
///     .max_size(50 << 30)
///     .body_idle(Duration::from_secs(20));
/// ```
pub struct Config {
    pub(crate) dir: PathBuf,
    pub(crate) listen: Listen,
    pub(crate) socket_mode: Option<u32>,
    pub(crate) allow_root: bool,
    pub(crate) options: Options,
    pub(crate) http: http::Limits,
    pub(crate) workers: usize,
    pub(crate) buffer_bytes: usize,
    pub(crate) coalesce_max: Duration,
    pub(crate) max_connections: usize,
}

/// Where a server listens.
pub(crate) enum Listen {
    /// Where it is told to.
    At(String),
    /// On a socket that is there already.
    On(ListenSocket),
}

/// 127.0.0.1: a server that anybody may write to has to be opened to the network on purpose.
const LISTEN: &str = "127.0.0.1:8080";

/// Large enough that a system call is a small part of the work on a window, small enough for a
/// processor's cache: half the processor time per byte of 64 KiB.
const BUFFER_BYTES: usize = 256 * 1024;

/// Short beside the round trip of any link that is slow enough to be looked at rather than waited
/// for: its sender never runs out of window.
const COALESCE_MAX: Duration = Duration::from_millis(20);

/// More than a home ever has; descriptors may allow fewer.
const MAX_CONNECTIONS: usize = 10_000;

impl Config {
    /// Uploads go into `dir`, which is made if it is not there.
    #[must_use]
    pub fn new(dir: impl AsRef<Path>) -> Config {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Config {
            dir: dir.as_ref().to_owned(),
            listen: Listen::At(LISTEN.to_owned()),
            socket_mode: None,
            allow_root: false,
            options: Options::default(),
            http: http::Limits::default(),
            workers: (2 * cores).max(4),
            buffer_bytes: BUFFER_BYTES,
            coalesce_max: COALESCE_MAX,
            max_connections: MAX_CONNECTIONS,
        }
    }

    /// Another directory than [`new`](Config::new) was given.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Config {
        self.dir = dir.as_ref().to_owned();
        self
    }

    /// Where to listen: `ADDR:PORT` (port 0 picks one) or `unix:PATH`. Default: 127.0.0.1:8080.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Config {
        self.listen = Listen::At(address.into());
        self
    }

    /// A socket to listen on that is there already, and stays when the server stops: who keeps it
    /// can start another server on it, and nobody is refused in between.
    #[must_use]
    pub fn listen_on(mut self, socket: ListenSocket) -> Config {
        self.listen = Listen::On(socket);
        self
    }

    /// Who may connect to the socket of `unix:PATH`, as the bits of its file. Default: who the umask lets.
    #[must_use]
    pub fn socket_mode(mut self, mode: u32) -> Config {
        self.socket_mode = Some(mode);
        self
    }

    /// Lets root listen on an address that other machines reach, which is refused otherwise.
    #[must_use]
    pub fn allow_root(mut self) -> Config {
        self.allow_root = true;
        self
    }

    /// Threads that do the work. Default: twice the cores, at least 4; never fewer than 2. Up to 16 more stand in for
    /// those that wait for a sync.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Config {
        self.workers = workers;
        self
    }

    /// The buffer of each worker, in bytes. Default: 256 KiB.
    #[must_use]
    pub fn buffer_bytes(mut self, bytes: usize) -> Config {
        self.buffer_bytes = bytes;
        self
    }

    /// The longest that a slow body may be left before it is looked at again, instead of being woken
    /// by each packet; longer where very many upload. Zero: woken by each packet. Default: 20 ms.
    #[must_use]
    pub fn coalesce_max(mut self, longest: Duration) -> Config {
        self.coalesce_max = longest;
        self
    }

    /// Connections at once; one more displaces the one that has been silent longest, and what that
    /// one sent is kept. Default: 10,000, or half of what the descriptor limit allows.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Config {
        self.max_connections = connections;
        self
    }

    /// Bytes of a request head; beyond, 431. Default: 16 KiB.
    #[must_use]
    pub fn head_bytes(mut self, bytes: usize) -> Config {
        self.http.head_bytes = bytes;
        self
    }

    /// Fields of a request head; beyond, 431. Default: 100.
    #[must_use]
    pub fn head_fields(mut self, fields: usize) -> Config {
        self.http.fields = fields;
        self
    }

    /// Bytes of a request target; beyond, 414. Default: 8 KiB.
    #[must_use]
    pub fn target_bytes(mut self, bytes: usize) -> Config {
        self.http.target_bytes = bytes;
        self
    }

    /// How long a head may take from its first byte; then 408. Default: 10 s.
    #[must_use]
    pub fn head_timeout(mut self, timeout: Duration) -> Config {
        self.http.head_timeout = timeout;
        self
    }

    /// How long a body may be silent; then what came is kept, and 408. Default: 60 s.
    #[must_use]
    pub fn body_idle(mut self, idle: Duration) -> Config {
        self.http.body_idle = idle;
        self
    }

    /// How long a connection may wait for its next request. Default: 30 s.
    #[must_use]
    pub fn keep_alive_idle(mut self, idle: Duration) -> Config {
        self.http.keep_alive_idle = idle;
        self
    }

    /// How much of an unwanted body is read after a refusal, so that the client gets to read the
    /// answer. Default: 64 MiB.
    #[must_use]
    pub fn drain_bytes(mut self, bytes: u64) -> Config {
        self.http.drain_bytes = bytes;
        self
    }

    /// ... and for how long. Default: 10 s.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Config {
        self.http.drain_timeout = timeout;
        self
    }

    /// How long a client may leave an answer lying. Default: 10 s.
    #[must_use]
    pub fn reply_timeout(mut self, timeout: Duration) -> Config {
        self.http.reply_timeout = timeout;
        self
    }
}

/// Settings of the uploads themselves, for `Config` and for `Options` alike.
macro_rules! upload_settings {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) |$options:ident| $set:expr;)*) => {
        impl Config {
            $($(#[$doc])* #[must_use]
            pub fn $name(mut self, $($arg: $type),*) -> Config {
                self.options = self.options.$name($($arg),*);
                self
            })*
        }

        impl Options {
            $($(#[$doc])* #[must_use]
            pub fn $name(mut self, $($arg: $type),*) -> Options {
                let $options = &mut self;
                $set;
                self
            })*
        }
    };
}

upload_settings! {
    /// The largest upload, in bytes; beyond, 413. Default: no limit.
    max_size(bytes: u64) |options| options.store.max_size = Some(bytes);

    /// Bytes of the disk that stay free; what would take them is refused with 507.
    /// Default: 64 MiB.
    min_free(bytes: u64) |options| options.store.min_free = bytes;

    /// Partial uploads are forgotten so long after their last byte, and the memory of complete
    /// ones so long after their end. Complete files stay. Default: 7 days.
    expire(age: Duration) |options| options.store.expire = age;

    /// Hashes what comes, as it comes, and says at the end what the file's SHA-256 is: in
    /// `Repr-Digest`, and to the hook. Default: only where a client sends one to be checked.
    sha256() |options| options.store.sha256 = true;

    /// What an answer survives. Default: [`Sync::Durable`], a pulled plug.
    sync(sync: Sync) |options| options.store.sync = sync;

    /// What happens when a file of that name is there. Default: [`OnConflict::KeepBoth`].
    on_conflict(on_conflict: OnConflict) |options| options.store.on_conflict = on_conflict;

    /// Lets other servers work on the directory at the same time, each told so; docs/scaling.md says
    /// what the file system has to be like. Default: a second one is refused.
    shared() |options| options.store.sharing = Sharing::Shared;

    /// Adds a user. Without any, everybody who reaches the server may upload. Each user has a name
    /// space of ids of their own.
    ///
    /// With an empty name or password, every login as this user fails, and the log warns. The server
    /// then stays closed to others.
    user(name: &str, password: &str) |options| options.users.add(name, password);

    /// Lets the pages of another origin (`https://example.org`, or `*`) use this server.
    allow_origin(origin: &str) |options| options.origins.push(origin.to_owned());

    /// A name that the server answers to, besides addresses, `localhost`, `*.local` and this
    /// machine's own.
    host(name: &str) |options| options.hosts.push(name.to_owned());

    /// Where clients reach the server, when that is not what their `Host` says: behind a proxy that
    /// speaks TLS, `https://up.example.org`. It stands in `Location`.
    public_url(url: &str)
        |options| options.public_url = Some(url.trim_end_matches('/').to_owned());

    /// Believes what a proxy says of its client: `Forwarded`, `X-Forwarded-Proto`,
    /// `X-Forwarded-Host`. Only where every request comes through one: anybody can send them.
    trust_proxy() |options| options.trust_proxy = true;

    /// Gives no interim answers (104): for a proxy that cannot pass them on.
    no_interim() |options| options.no_interim = true;

    /// Tells Prometheus on `/metrics`, by the same rules as everything else.
    metrics() |options| options.metrics = true;

    /// Decides about each request that was understood; `false` is answered with 403. Runs in a
    /// worker before anything is done, so it should be quick. `/recent` tells of those uploads
    /// about which it lets [`Operation::Status`](crate::Operation::Status) be asked.
    authorize(may: impl Fn(&Head, &Command) -> bool + Send + std::marker::Sync + 'static)
        |options| options.authorize = Some(Box::new(may));

    /// Runs after an upload was published, in a thread of its own, at least once, also when the
    /// server died in between; after an error or a panic again, with growing pauses. Uploads never
    /// wait for it. Of different uploads four run side by side, and more wait; `stop` waits for those
    /// under way. Nothing can end a closure from outside: one that may hang needs a limit of its own.
    on_complete(hook: impl Fn(&Completed) -> Result<(), HookError> + Send + std::marker::Sync + 'static)
        |options| options.on_complete = Some(Box::new(hook));
}
