//! Resumable uploads: an interrupted upload continues at the last byte that the server received.
//!
//! A server in one small library, on threads, without an async runtime. The client asks for the offset of its upload and
//! sends the rest. The server appends only at the end of the file.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! use resumed::Config;
//!
//! let config = Config::new(dir.path()).listen("127.0.0.1:0").on_complete(|upload| {
//!     println!("{} is complete: {} bytes", upload.path.display(), upload.length);
//!     Ok(())
//! });
//! let server = resumed::start(config)?;
//! println!("listening on http://{}", server.addr());
//! server.stop();
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - **Interruptions lose nothing.** The server keeps every byte that it received.
//! - **Responses are durable.** An offset or a completion in a response survives `kill -9` and a power loss, with
//!   [`SyncMode::Durable`](store::SyncMode::Durable) on ext4 (ordered, no fast commits), xfs and btrfs.
//! - **Files are complete.** A file appears under its name at once and whole, or not at all.
//! - **Uploads do not mix.** Bytes are appended only at the end of the file. Of two writers, the newest wins.
//! - **Completion is idempotent.** A client that misses the final response repeats the request and gets the same result.
//! - **Memory is bounded.** Each worker has one buffer, and each connection takes a few hundred bytes.
//! - **Everything has a limit**, with a name, a default and a response: see [`Config`].
//!
//! # Protocols
//!
//! `X-File-Id` under `/status` and `/upload`; tus 1.0.0, the IETF draft "Resumable Uploads for HTTP" and plain `PUT` under
//! `/files`. `docs/clients.md` has an example for each.
//!
//! # Interfaces
//!
//! 1. [`start`]: a whole server, with its own listener.
//! 2. [`Uploads`]: request handling for your server. Input: a head and a body reader.
//! 3. [`Store`](store::Store): uploads as files, for your protocol.
//!
//! The feature `tiny_http` connects [`Uploads`] to a `tiny_http::Server`. The library has no global state: it sets no
//! logger and no signal handler.
//!
//! # Files
//!
//! ```text
//! DIR/
//!   holiday.mp4       finished files, never a partial one
//!   photos/           if this is another mount, it contains `.resumed-<key>` while a file is copied
//!   .resumed/
//!     lock            locked by the running server
//!     <key>           the received bytes; the length of this file is the offset
//!     <key>.json      the record: id, name, declared length and time, state
//!     journal/        the completion log: an entry for each upload that arrived in one request
//! ```
//!
//! # Log
//!
//! - `error`: the disk or the system has failed, and an administrator should act.
//! - `warn`: a guarantee is weakened, a hook or a login failed, or the server cannot accept connections.
//! - `info`: the upload directory, and each complete upload.
//! - `info`, target `access`: each request at its end: method, path (an id shortened), status or `cut`, bytes of the body,
//!   milliseconds, user, address of the client. A logger gets the same fields as key-value pairs.
//! - `debug`: sweeps, foreign files, responses that the client did not receive.

// Elsewhere the library is empty, beside a command that has only `put`.
#![cfg(any(unix, not(feature = "put")))]
// docs.rs shows the feature of each item.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!(
    "the library supports only Unix: it depends on rename, fsync and flock; `resumed put` builds with the feature `put`"
);

mod config;
mod engine;
mod http;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod protocol;
mod server;
pub mod store;
mod sync;
#[cfg(feature = "tiny_http")]
pub mod tiny_http;
mod uploads;

pub use config::Config;
pub use engine::{Address, ListenSocket};
#[cfg(feature = "tls")]
pub use http::tls::{TlsError, TlsOptions};
pub use http::{Framing, Head, Malformed, Peer, Response, ResponseParts, Version};
pub use protocol::access::password_hash::{MalformedHash, PasswordHash};
pub use protocol::access::proxies::{MalformedProxy, TrustedProxy};
pub use protocol::command::{AppendCommand, Command, Operation, StatusQuery, Target};
pub use server::{Server, StartError, StartErrorKind, start};
pub use uploads::{Decision, HookError, Options, Uploads, Users};
