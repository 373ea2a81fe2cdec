//! The settings, with default values. A flag of the command has the name of its setter.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::ListenSocket;

#[cfg(feature = "tls")]
use crate::http::tls::TlsOptions;
use crate::http::{self, Head, Response, tls};
use crate::protocol::access::basic_auth::Users;
use crate::protocol::access::password_hash::PasswordHash;
use crate::protocol::access::proxies::TrustedProxy;
use crate::protocol::command::Command;
use crate::store::{Completed, InodeFloor, OnConflict, Sharing, SyncMode};
use crate::uploads::{Callback, Decision, HookError, Options};

/// The settings of a server.
///
/// ```
/// # use std::time::Duration;
/// let config = resumed::Config::new("uploads")
///     .listen("127.0.0.1:0")
///     .max_size(50 << 30)
///     .body_idle(Duration::from_secs(20));
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) dir: PathBuf,
    pub(crate) listen: Listen,
    pub(crate) socket_mode: Option<u32>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsOptions>,
    pub(crate) allow_root: bool,
    pub(crate) allow_anonymous: bool,
    pub(crate) options: Options,
    pub(crate) http: http::Limits,
    pub(crate) workers: usize,
    pub(crate) buffer_bytes: usize,
    pub(crate) coalesce_max: Duration,
    pub(crate) max_connections: usize,
    pub(crate) head_memory: usize,
}

/// The address or socket to listen on.
#[derive(Clone, Debug)]
pub(crate) enum Listen {
    At(String),
    On(Arc<ListenSocket>),
}

/// The loopback address: without users, everybody in the network could upload.
const LISTEN: &str = "127.0.0.1:8080";

/// Half the processor time per byte of 64 KiB: fewer system calls, and still within the processor cache.
const BUFFER_BYTES: usize = 256 * 1024;

/// Short compared to the round trip of a slow link: the sender never runs out of TCP window.
const COALESCE_MAX: Duration = Duration::from_millis(20);

/// More than a home server needs; the descriptor limit may allow fewer.
const MAX_CONNECTIONS: usize = 10_000;

/// The longest heads of 256 clients. Most heads arrive at once, and need none of it.
const HEAD_MEMORY: usize = 4 * 1024 * 1024;

/// Defines setters of `$owner`. Each sets a value in `$it`, the owner.
macro_rules! settings {
    ($owner:ty: $($(#[$attribute:meta])* $name:ident($($arg:ident: $type:ty),*) |$it:ident| $set:expr;)*) => {
        $($(#[$attribute])* #[must_use]
        pub fn $name(mut self, $($arg: $type),*) -> $owner {
            let $it = &mut self;
            $set;
            self
        })*
    };
}

impl Config {
    /// Returns the default settings for uploads into `dir`, which [`start`](crate::start) creates if necessary.
    #[must_use]
    pub fn new(dir: impl AsRef<Path>) -> Config {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Config {
            dir: dir.as_ref().to_owned(),
            listen: Listen::At(LISTEN.to_owned()),
            socket_mode: None,
            #[cfg(feature = "tls")]
            tls: None,
            allow_root: false,
            allow_anonymous: true,
            options: Options::default(),
            http: http::Limits::default(),
            workers: (2 * cores).max(4),
            buffer_bytes: BUFFER_BYTES,
            coalesce_max: COALESCE_MAX,
            max_connections: MAX_CONNECTIONS,
            head_memory: HEAD_MEMORY,
        }
    }

    /// Makes the source of the sessions with clients; `None` without TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn acceptor(&mut self) -> Option<Arc<tls::Acceptor>> {
        self.tls.take().map(tls::Acceptor::new).map(Arc::new)
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn acceptor(&mut self) -> Option<Arc<tls::Acceptor>> {
        None
    }

    settings! { Config:
        /// Replaces the upload directory.
        dir(dir: impl AsRef<Path>) |config| config.dir = dir.as_ref().to_owned();

        /// Sets the address: `ADDR:PORT` (port 0: a free port), `:PORT` for all addresses of the machine, or `unix:PATH`.
        /// `[::]` is all addresses too. Default: 127.0.0.1:8080.
        listen(address: impl Into<String>) |config| config.listen = Listen::At(address.into());

        /// Sets an existing socket. It stays open after the server stops, so that another server can take it over without
        /// refusing a connection.
        listen_on(socket: ListenSocket) |config| config.listen = Listen::On(Arc::new(socket));

        /// Sets the file mode of the socket of `unix:PATH`. Default: the umask decides.
        socket_mode(mode: u32) |config| config.socket_mode = Some(mode);

        /// Serves HTTPS only, with this certificate. [`Server::set_tls`](crate::Server::set_tls) replaces it later. Default: no
        /// TLS.
        #[cfg(feature = "tls")]
        tls(options: TlsOptions) |config| config.tls = Some(options);

        /// Lets browsers use HTTPS only for this host, on all its ports, for a year (RFC 6797). No effect without
        /// [`tls`](Config::tls). Default: off. Not for a self-signed certificate: a browser then refuses each later one.
        #[cfg(feature = "tls")]
        hsts(hsts: bool) |config| config.options.hsts = hsts;

        /// Permits root to listen on an address that other machines can reach. Default: [`start`](crate::start) fails.
        allow_root(allow: bool) |config| config.allow_root = allow;

        /// Permits a server without users to listen on an address that other machines can reach: they may all upload. If not
        /// permitted, [`start`](crate::start) fails. Default: permitted; the command needs `--allow-anonymous`.
        allow_anonymous(allow: bool) |config| config.allow_anonymous = allow;

        /// Sets the number of worker threads, at least 2. Default: twice the cores, at least 4. Up to 16 more run while workers
        /// wait for a sync.
        workers(workers: usize) |config| config.workers = workers;

        /// Sets the buffer of each worker, in bytes. Default: 256 KiB.
        buffer_bytes(bytes: usize) |config| config.buffer_bytes = bytes;

        /// Sets the maximum delay of a read from a slow body. Reads are coalesced instead of waking a worker for each packet;
        /// with many connections the delay grows. 0: no coalescing. Default: 20 ms.
        coalesce_max(longest: Duration) |config| config.coalesce_max = longest;

        /// Sets the maximum number of connections. One more closes the connection that was silent longest; the server keeps
        /// its received bytes. Default: 10,000, or half of the descriptor limit.
        max_connections(connections: usize) |config| config.max_connections = connections;

        /// Sets a route that answers before the server: a page or an API of the program beside the uploads. `None`: the server
        /// answers. Default: none.
        ///
        /// The closure runs after the check of `Host`, and before origin, CORS and login. It may wait for the disk. The body of
        /// a request that it answers is not read.
        ///
        /// ```
        /// # use resumed::{Config, Response};
        /// let config = Config::new("uploads").route(|head| match (head.method(), head.path()) {
        ///     ("GET" | "HEAD", "/version") => Some(Response::new(200).text("7")),
        ///     _ => None,
        /// });
        /// ```
        route(answer: impl Fn(&Head) -> Option<Response> + Send + Sync + 'static)
            |config| config.options.own_route = Some(Callback(Arc::new(answer)));

        /// Sets the maximum length of a request head, in bytes. Beyond: 431. Default: 16 KiB.
        head_bytes(bytes: usize) |config| config.http.head_bytes = bytes;

        /// Sets the memory of all unfinished request heads together, in bytes. Beyond: the largest of them gets a 503, and its
        /// connection closes. Default: 4 MiB.
        head_memory(bytes: usize) |config| config.head_memory = bytes;

        /// Sets the maximum number of fields in a request head. Beyond: 431. Default: 100.
        head_fields(fields: usize) |config| config.http.fields = fields;

        /// Sets the maximum length of a request target, in bytes. Beyond: 414. Default: 8 KiB.
        target_bytes(bytes: usize) |config| config.http.target_bytes = bytes;

        /// Sets the time from the first byte of a head to its end. Beyond: 408. Default: 10 s.
        head_timeout(timeout: Duration) |config| config.http.head_timeout = timeout;

        /// Sets the time between two bytes of a body. Beyond: 408; the received bytes are kept. Default: 60 s. Raises
        /// [`min_rate_period`](Config::min_rate_period) to this time: a body may be silent for as long.
        body_idle(idle: Duration) |config| {
            config.http.body_idle = idle;
            config.http.min_rate.period = config.http.min_rate.period.max(idle);
        };

        /// Sets the minimum rate of a body, in bytes per second over [`min_rate_period`](Config::min_rate_period). Below: 408;
        /// the received bytes are kept. Only time in which the server waits for the client counts. 0: no minimum. Default: 100.
        min_rate(bytes_per_sec: u64) |config| config.http.min_rate.bytes_per_sec = bytes_per_sec;

        /// Sets the time over which [`min_rate`](Config::min_rate) is averaged. Default: 1 min; minimum: 1 s.
        min_rate_period(period: Duration)
            |config| config.http.min_rate.period = period.max(Duration::from_secs(1));

        /// Sets the time before the first byte of the next request. Beyond: the connection closes. Default: 30 s.
        keep_alive_idle(idle: Duration) |config| config.http.keep_alive_idle = idle;

        /// Sets the bytes of a body to read and discard after a refusal: a connection that closes earlier may lose the
        /// response. Default: 64 MiB.
        drain_bytes(bytes: u64) |config| config.http.drain_bytes = bytes;

        /// Sets the time for [`drain_bytes`](Config::drain_bytes). Default: 10 s.
        drain_timeout(timeout: Duration) |config| config.http.drain_timeout = timeout;

        /// Sets the time for the client to receive a response. Beyond: the connection closes. Default: 10 s.
        reply_timeout(timeout: Duration) |config| config.http.reply_timeout = timeout;
    }
}

/// Defines setters of `Config` and of `Options`. Each sets a value in the options.
macro_rules! upload_settings {
    ($($(#[$attribute:meta])* $name:ident($($arg:ident: $type:ty),*) |$options:ident| $set:expr;)*) => {
        impl Config {
            settings! { Config: $($(#[$attribute])* $name($($arg: $type),*) |config| {
                let $options = &mut config.options;
                $set
            };)* }
        }

        impl Options {
            settings! { Options: $($(#[$attribute])* $name($($arg: $type),*) |$options| $set;)* }
        }
    };
}

upload_settings! {
    /// Sets the maximum length of an upload, in bytes. Beyond: 413. Default: no limit.
    max_size(bytes: u64) |options| options.store.max_size = Some(bytes);

    /// Sets the free disk space that uploads must leave, in bytes. Below: 507; received bytes are kept. Default: 64 MiB.
    min_free(bytes: u64) |options| options.store.min_free = bytes;

    /// Sets the free inodes that uploads must leave: a number, or a percentage of all inodes of the file system. Below: 507
    /// before the body. No effect on a file system that reports no inodes, such as btrfs. Default: 1 %.
    min_free_inodes(floor: InodeFloor) |options| options.store.min_free_inodes = floor;

    /// Sets the lifetime of a partial upload after its last byte, and of the record of a complete one. Finished files
    /// stay. A partial upload with less than 64 KiB of a longer or unknown length expires after a day if that is earlier.
    /// Only time in which the server runs counts, and steps of the clock do not.
    /// Default: 7 days.
    expire(age: Duration) |options| options.store.expire = age;

    /// Sets the maximum number of partial uploads. Beyond, a new upload gets 507; 0: no limit. Default: 10,000.
    max_partials(count: u64) |options| options.store.max_partials = (count > 0).then_some(count);

    /// Sets the maximum number of partial uploads of one user; without users, of one client address, or of one IPv6 network
    /// of 64 bits. Beyond, a new upload gets 429 (tus: 503); 0: no limit. Default: 2,000.
    ///
    /// A loopback address and a Unix socket count for [`max_partials`](Self::max_partials) only: a proxy may be behind them.
    max_partials_per_user(count: u64)
        |options| options.store.max_partials_per_account = (count > 0).then_some(count);

    /// Sets the maximum number of bytes of one user: of partial uploads, and of complete ones until their record expires.
    /// Beyond: 507, before the body if its length is known. Without users it has no effect. 0: no
    /// quota. Default: no quota.
    quota(bytes: u64) |options| options.store.quota = (bytes > 0).then_some(bytes);

    /// Computes the SHA-256 of every file, for `Repr-Digest` and for the hook. Default: only if a client sends a digest.
    sha256(compute: bool) |options| options.store.sha256 = compute;

    /// Sets the durability of responses. Default: [`SyncMode::Durable`], they survive a power loss.
    sync(sync: SyncMode) |options| options.store.sync = sync;

    /// Sets the action for a name that is taken. Default: [`OnConflict::KeepBoth`].
    on_conflict(on_conflict: OnConflict) |options| options.store.on_conflict = on_conflict;

    /// Shares the directory with other servers that have this setting. `docs/scaling.md` lists the requirements on the
    /// file system. Default: a second server fails to start.
    shared(shared: bool) |options| options.store.sharing = match shared {
        true => Sharing::Shared,
        false => Sharing::Alone,
    };

    /// Adds a user. Each user has a separate name space of ids. Default: no users, and everybody may upload.
    ///
    /// With an empty name or password, or a colon in the name, every login as this user fails, and the log warns. The server
    /// then stays closed to others.
    user(name: &str, password: &str) |options| options.users.add(name, password);

    /// Adds a user with the hash of a password, as `resumed hash-password` prints it: `hash.parse()?`.
    user_hash(name: &str, hash: PasswordHash) |options| options.users.add_hash(name, hash);

    /// Sets all users. [`Server::set_users`](crate::Server::set_users) replaces them later.
    users(users: Users) |options| options.users = users;

    /// Sets the failed logins that one address may have at once; an IPv6 network of 64 bits counts as one. Every 10 s it
    /// may have one more. Beyond: 429 (tus: 503), before a password is checked. Default: 60.
    failed_logins(logins: u32) |options| options.failed_logins = Some(logins);

    /// Puts the files of each user into a folder of its own, `DIR/<user>/`. Default: all files are in `DIR`.
    ///
    /// Needs a [`user`](Self::user) or [`authorize`](Self::authorize): with neither, the server does not start. It does not
    /// start either if two users would share a folder on some file system: `Ann` and `ann`, or `a*b` and `a_b`.
    user_dirs(split: bool) |options| options.store.user_dirs = split;

    /// Permits pages of another origin: `https://example.org`, or `*` for all.
    allow_origin(origin: &str) |options| options.origins.push(origin.to_owned());

    /// Adds a host name of the server. Addresses, `localhost`, `*.local` and the name of the machine always count.
    host(name: &str) |options| options.hosts.push(name.to_owned());

    /// Sets the base URL in `Location`, such as `https://up.example.org` behind a TLS proxy, or a path such as `/up` below
    /// the `Host` of the request. Default: the scheme and the `Host` of the request.
    public_url(url: &str)
        |options| options.public_url = Some(url.trim_end_matches('/').to_owned());

    /// Uses the forwarding fields of peers on this machine: loopback addresses and Unix sockets. Default: these fields are
    /// ignored, because any client can send them.
    ///
    /// The fields are `Forwarded`, `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`. The address of the client is
    /// the rightmost forwarded one that is not trusted.
    trust_proxy(trust: bool) |options| options.proxies.trust_local(trust);

    /// Uses the forwarding fields of these peers, as [`trust_proxy`](Self::trust_proxy) does for local ones.
    trust_proxy_at(proxy: TrustedProxy) |options| options.proxies.add(proxy);

    /// Sets the maximum number of connections of one client address, and of requests with a body of one client behind a
    /// trusted proxy. IPv6 addresses count by their first 64 bits. Loopback addresses, Unix sockets and trusted proxies may
    /// have any number of connections. Beyond: 503. 0: no limit. Default: 256.
    max_connections_per_address(connections: usize)
        |options| options.per_address = Some(connections);

    /// Sends no interim responses (104), for a proxy that cannot forward them.
    no_interim(none: bool) |options| options.no_interim = none;

    /// Serves Prometheus metrics on `/metrics`, with the same access rules as uploads.
    metrics(serve: bool) |options| options.metrics = serve;

    /// Sets a check of each command, which also decides whose upload it is: see [`Decision`]. It runs in a worker before
    /// the command, so it must not block. Default: each command is allowed for the user who has logged in.
    ///
    /// `/recent` is an [`Operation::List`](crate::Operation::List). It lists the uploads for which the closure also allows
    /// [`Operation::Status`](crate::Operation::Status) to the same owner.
    ///
    /// With [`user_dirs`](Self::user_dirs), each owner has a folder. Check the names of owners with
    /// [`check_user_dirs`](crate::store::check_user_dirs): two of them may lead to one folder.
    authorize(decide: impl Fn(&Head, &Command) -> Decision + Send + Sync + 'static)
        |options| options.authorize = Some(Callback(Arc::new(decide)));

    /// Sets a hook for each published file. It runs at least once, in its own thread, also after a crash of the server.
    /// After an error or a panic it runs again, with growing pauses. Uploads never wait for it. Hooks of four uploads run
    /// at the same time. `stop` waits for running hooks, so a hook needs its own timeout.
    on_complete(hook: impl Fn(&Completed) -> Result<(), HookError> + Send + Sync + 'static)
        |options| options.on_complete = Some(Callback(Arc::new(hook)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_allowed_by_body_idle_is_no_low_rate() {
        let config = Config::new("").body_idle(Duration::from_secs(300));
        assert_eq!(config.http.min_rate.period, Duration::from_secs(300));
        let config = Config::new("").body_idle(Duration::from_secs(5));
        assert_eq!(config.http.min_rate.period, Duration::from_secs(60));
    }

    #[test]
    fn period_of_the_minimum_rate_is_at_least_a_second() {
        let config = Config::new("").min_rate_period(Duration::ZERO);
        assert_eq!(config.http.min_rate.period, Duration::from_secs(1));
    }
}
