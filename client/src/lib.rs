//! A blocking client for [resumed](https://github.com/resumed/resumed), a server for resumable uploads.
//!
//! The client sends a file in requests of a size that the network and its proxies allow. After a failure it asks the
//! server for the number of bytes that have arrived, and sends the rest. It keeps no state on disk: the same call in
//! another process continues the upload.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let server = resumed::start(resumed::Config::new(dir.path().join("uploads")).listen("127.0.0.1:0"))?;
//! # let url = format!("http://{}", server.addr());
//! # let path = dir.path().join("holiday.mp4");
//! # std::fs::write(&path, "not a film")?;
//! use resumed_client::Client;
//!
//! let client = Client::new(&url)?;
//! let uploaded = client.upload(&path)?;
//! assert_eq!(uploaded.bytes, 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Client::file`] and [`Client::stream`] return an [`Upload`], which takes a name, a callback for progress and a
//! [`CancelToken`]:
//!
//! ```no_run
//! use std::time::Duration;
//! use resumed_client::{CancelToken, Client, Error, Event};
//!
//! let client = Client::new("https://files.example.org")?
//!     .user("alice", "secret")
//!     .give_up_after(Duration::from_secs(600));
//! let cancel = CancelToken::new();
//! let result = client
//!     .file("holiday.mp4")
//!     .name("2026/holiday.mp4")
//!     .cancel(&cancel)
//!     .on_event(|event| match event {
//!         Event::Progress { sent, total, .. } => println!("{sent} of {total:?}"),
//!         Event::Retry { error, pause } => println!("next attempt in {pause:?}: {error}"),
//!         _ => {}
//!     })
//!     .send();
//! match result {
//!     Ok(uploaded) => println!("{} bytes", uploaded.bytes),
//!     Err(Error::NoSpace(reason)) => println!("the server is full: {reason}"),
//!     Err(error) => println!("{error}"),
//! }
//! # Ok::<(), resumed_client::InvalidUrl>(())
//! ```
//!
//! # Promises
//!
//! - Success means: the server has answered that the whole file is on its disk.
//! - A file is sent as it was when it was opened. A change during the upload ends it with [`Error::Changed`].
//! - A file of up to 4 MiB ([`SMALL_FILE_MAX`]) goes out in one request, unless a request fails or the server has
//!   bytes of it. Of a larger file, the last 64 KiB go out alone.
//! - The last request of a file carries the CRC-32 of the whole file. The server publishes a file only if the checksum
//!   matches. [`Client::check`] switches this off.
//! - Without [`Client::give_up_after`] a client retries temporary failures for ever, with pauses from a second to a
//!   minute, or longer if the server asks for it (`Retry-After`).
//! - A [`CancelToken`] ends an upload within a second, with the exceptions that it states.
//!
//! # Several files at once
//!
//! Threads share a client: small files wait for round trips, and these overlap. After a 429 (Too Many Requests) all
//! uploads of a client pause together.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let server = resumed::start(resumed::Config::new(dir.path().join("uploads")).listen("127.0.0.1:0"))?;
//! # let url = format!("http://{}", server.addr());
//! # let paths: Vec<_> = ["a", "b", "c"].iter().map(|name| dir.path().join(name)).collect();
//! # for path in &paths { std::fs::write(path, "some text")?; }
//! use std::sync::Mutex;
//! use resumed_client::Client;
//!
//! let client = Client::new(&url)?;
//! let queue = Mutex::new(paths.iter());
//! let next = || queue.lock().unwrap().next();
//! std::thread::scope(|scope| {
//!     for _ in 0..8 {
//!         scope.spawn(|| {
//!             while let Some(path) = next() {
//!                 if let Err(error) = client.upload(path) {
//!                     eprintln!("{}: {error}", path.display());
//!                 }
//!             }
//!         });
//!     }
//! });
//! # for name in ["a", "b", "c"] { assert!(dir.path().join("uploads").join(name).exists()); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! [`Error`] has a variant for each reason, and keeps its cause. [`Error::scope`] returns its reach: an attempt, a file,
//! or all files. The client retries errors of an attempt itself, so [`Upload::send`] returns them only within
//! [`Error::GaveUp`].
//!
//! # Limits
//!
//! - One request carries 128 KiB to 64 MiB and lasts 45 s at most, so that a proxy does not cut it.
//! - A response, or a connection without a byte, takes 60 s at most; a name lookup and a TCP connect 20 s each.
//! - Memory of an upload: up to 4 MiB for a file, 8 MiB for a stream.
//!
//! # Protocol
//!
//! The client uses the `X-File-Id` dialect of the server: the id is `name-size-lastModified`, percent-encoded, as the
//! browser page makes it. So the page and this client continue the uploads of each other.

mod backoff;
mod cancel;
mod checksum;
mod error;
mod identity;
mod local_file;
mod os;
mod pinned;
mod places;
mod request_size;
mod requests;
mod resolver;
mod source;
mod stream;
mod throttle;
mod upload;
mod zone;

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use cancel::CancelToken;
pub use error::{Error, InvalidHeader, InvalidPem, InvalidUrl, Scope};
pub use request_size::SMALL_FILE_MAX;
pub use upload::{Arrival, Event, Uploaded};

use identity::Identity;
use local_file::LocalFile;
use places::Places;
use request_size::RequestSize;
use requests::{Address, Endpoint, Requests};
use stream::{Input, Stream};
use throttle::Throttle;
use upload::{Driver, Events};
use ureq::Agent;

/// A server, the credentials for it, and the request size that it and its proxies allow.
///
/// Threads can share a client. Each upload uses a connection of its own, and leaves it to the next one.
pub struct Client {
    endpoint: Endpoint,
    /// The agents of ended uploads, with open connections.
    idle: Mutex<Vec<Agent>>,
    request_size: Mutex<RequestSize>,
    throttle: Throttle,
    places: Places,
    give_up_after: Option<Duration>,
    checks: bool,
}

impl Client {
    /// Makes a client for the server at `url`: `http://` or `https://`, a host, and the path of the server if it has
    /// one. Connects to nothing.
    ///
    /// # Errors
    ///
    /// When `url` is no such address, or has a user, a query or a fragment.
    pub fn new(url: &str) -> Result<Client, InvalidUrl> {
        let address = Address::parse(url).ok_or_else(|| InvalidUrl(url.to_owned()))?;
        Ok(Client {
            endpoint: Endpoint::new(address),
            idle: Mutex::default(),
            request_size: Mutex::new(RequestSize::new()),
            throttle: Throttle::default(),
            places: Places::default(),
            give_up_after: None,
            checks: true,
        })
    }

    /// Sends this name and password with each request (RFC 7617). The name must not contain `:`.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Client {
        self.endpoint.set_user(name, password);
        self
    }

    /// Sends this field with each request, for example to a proxy that requires it. Replaces an earlier value.
    ///
    /// # Errors
    ///
    /// When this is no field of HTTP, or a field of the upload itself, such as `Content-Length` or `X-File-Id`.
    pub fn header(mut self, name: &str, value: &str) -> Result<Client, InvalidHeader> {
        match self.endpoint.set_field(name, value) {
            Some(()) => Ok(self),
            None => Err(InvalidHeader(name.to_owned())),
        }
    }

    /// Trusts the certificates of these authorities (PEM), and no others. Default: those that the machine trusts.
    ///
    /// # Errors
    ///
    /// When the text has no certificate.
    pub fn authorities(mut self, pem: &[u8]) -> Result<Client, InvalidPem> {
        match self.endpoint.set_authorities(pem) {
            Some(()) => Ok(self),
            None => Err(InvalidPem),
        }
    }

    /// Accepts the certificate with this SHA-256 and no other, for a self-signed one. Its names and dates do not count.
    #[must_use]
    pub fn fingerprint(mut self, sha256: [u8; 32]) -> Client {
        self.endpoint.set_fingerprint(sha256);
        self
    }

    /// Ends an upload with [`Error::GaveUp`] when attempts have failed for this time. Default: never.
    #[must_use]
    pub fn give_up_after(mut self, time: Duration) -> Client {
        self.give_up_after = Some(time);
        self
    }

    /// Switches the checksum of the whole file on or off. Default: on.
    #[must_use]
    pub fn check(mut self, checks: bool) -> Client {
        self.checks = checks;
        self
    }

    /// Returns the address of the server, as it was given, without a `/` at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.endpoint.url()
    }

    /// Uploads a file under its own name. The same as [`file`](Self::file) and [`send`](Upload::send).
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn upload(&self, path: impl AsRef<Path>) -> Result<Uploaded, Error> {
        self.file(path).send()
    }

    /// Prepares the upload of a file. Its name on the server is the last part of `path`.
    pub fn file(&self, path: impl AsRef<Path>) -> Upload<'_> {
        let path = path.as_ref().to_owned();
        let name = path.file_name().unwrap_or_default();
        Upload::new(self, name.as_encoded_bytes().to_vec(), Body::File(path))
    }

    /// Prepares the upload of a stream of unknown length under `name`.
    ///
    /// The client keeps 8 MiB of the stream in memory. It continues after failures of the network, but another process
    /// cannot continue the upload.
    pub fn stream<'a>(&'a self, name: &str, input: impl Read + 'a) -> Upload<'a> {
        Upload::new(self, name.into(), Body::Stream(Box::new(input)))
    }

    fn request_size(&self) -> MutexGuard<'_, RequestSize> {
        lock(&self.request_size)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Omits the credentials.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

/// One upload before it is sent.
#[must_use = "an upload starts with `send`"]
pub struct Upload<'a> {
    client: &'a Client,
    name: Vec<u8>,
    body: Body<'a>,
    cancel: CancelToken,
    on_event: Box<dyn FnMut(Event<'_>) + 'a>,
}

impl fmt::Debug for Upload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("client", self.client)
            .field("name", &String::from_utf8_lossy(&self.name))
            .finish_non_exhaustive()
    }
}

enum Body<'a> {
    File(PathBuf),
    Stream(Box<dyn Read + 'a>),
}

impl<'a> Upload<'a> {
    fn new(client: &'a Client, name: Vec<u8>, body: Body<'a>) -> Upload<'a> {
        Upload {
            client,
            name,
            body,
            cancel: CancelToken::new(),
            on_event: Box::new(|_| {}),
        }
    }

    /// Sets the name on the server. `/` separates folders. The server replaces characters that its disk refuses.
    pub fn name(mut self, name: impl AsRef<[u8]>) -> Upload<'a> {
        self.name = name.as_ref().to_vec();
        self
    }

    /// Ends the upload with [`Error::Cancelled`] when `token` is cancelled.
    pub fn cancel(mut self, token: &CancelToken) -> Upload<'a> {
        self.cancel = token.clone();
        self
    }

    /// Calls `callback` for each [`Event`], on the thread that called [`send`](Self::send).
    pub fn on_event(mut self, callback: impl FnMut(Event<'_>) + 'a) -> Upload<'a> {
        self.on_event = Box::new(callback);
        self
    }

    /// Sends all bytes that the server has not received, and returns when the whole upload is on its disk.
    ///
    /// # Errors
    ///
    /// See [`Error`]. Bytes that the server has received stay there, for [a week by default]: the same call continues.
    ///
    /// [a week by default]: https://github.com/resumed/resumed#limits
    pub fn send(self) -> Result<Uploaded, Error> {
        let (client, cancel) = (self.client, self.cancel.clone());
        let idle = lock(&client.idle).pop();
        let agent = idle.unwrap_or_else(|| client.endpoint.new_agent());
        let requests = Requests::new(&client.endpoint, agent.clone());
        let driver = Driver::new(client, requests, Events::new(self.on_event, self.cancel));
        let send = || match self.body {
            Body::File(path) => {
                send_file(driver, LocalFile::open(&path, &self.name, client.checks)?)
            }
            Body::Stream(input) => {
                let identity = Identity::of_stream(&self.name, random()?);
                send_stream(driver, Stream::new(input, identity, client.checks))
            }
        };
        let uploaded = cancel.run(agent.clone(), || client.places.run(send));
        if !cancel.is_cancelled() {
            lock(&client.idle).push(agent);
        }
        uploaded
    }
}

fn send_file(mut driver: Driver<'_>, mut file: LocalFile) -> Result<Uploaded, Error> {
    let bytes = file.size();
    driver.started(Some(bytes));
    driver.guess(bytes);
    let uploaded = driver.deliver(&mut file)?;
    let was_there = uploaded.arrival != Arrival::Now;
    // The server may have had an empty file before: its request is the same.
    if bytes > 0 {
        driver.client.request_size().found(was_there);
    }
    Ok(uploaded)
}

fn send_stream(
    mut driver: Driver<'_>,
    mut stream: Stream<Box<dyn Read + '_>>,
) -> Result<Uploaded, Error> {
    driver.started(None);
    loop {
        let input = stream.advance()?;
        let uploaded = driver.deliver(&mut stream)?;
        if input != Input::Open {
            let arrival = Arrival::Now;
            return Ok(Uploaded {
                arrival,
                ..uploaded
            });
        }
    }
}

fn random() -> io::Result<[u8; 16]> {
    let mut random = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random)
}
