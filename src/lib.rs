//! Resumable uploads: an upload that is cut at any byte carries on from that byte.
//!
//! A server in one small library, on threads, without an async runtime. The client asks how many
//! bytes arrived and sends the rest; the server appends only where the file ends.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! use resumed::Config;
//!
//! let config = Config::new(dir.path()).listen("127.0.0.1:0").on_complete(|upload| {
//!     println!("{} has arrived: {} bytes", upload.path.display(), upload.length);
//!     Ok(())
//! });
//! let server = resumed::start(config)?;
//! println!("listening on http://{}", server.addr());
//! server.stop();
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **A cut is normal.** Every byte that arrived before a cut is kept.
//! - **An answer is durable.** An offset or a "complete" told to a client survives `kill -9` and a
//!   pulled plug, with [`Sync::Durable`](store::Sync::Durable) on ext4 (ordered, no fast commits), xfs and btrfs.
//! - **Whole or not there.** Under its own name a file appears at once and complete, or not at all.
//! - **One file, never a mix.** Bytes are appended only where the file ends; of two writers the
//!   newest wins.
//! - **Finishing is idempotent.** Who lost the last answer asks again and hears the same.
//! - **Memory is known.** A buffer for each worker, and for at most 16 that stand in while the disk
//!   syncs, and a few hundred bytes a connection.
//! - **Everything has a limit**, with a name, a default and an answer: see [`Config`].
//!
//! # Four dialects
//!
//! `X-File-Id` under `/status` and `/upload`; tus 1.0.0, the IETF draft "Resumable Uploads for HTTP"
//! and plain `PUT` under `/files`. `docs/clients.md` has three lines for each client.
//!
//! # Three doors
//!
//! 1. [`start`]: everything, with a listener of its own.
//! 2. [`Uploads`]: your server; a head you have, a body you can read.
//! 3. [`Store`](store::Store): your protocol; uploads as files, and nothing else.
//!
//! Feature `tiny_http` puts door 2 behind a `tiny_http::Server`. There is no global state: no
//! logger is set, no signal caught.
//!
//! # On disk
//!
//! ```text
//! DIR/
//!   holiday.mp4       finished files, under their own names; never a partial one
//!   photos/           if this is another mount, it holds `.resumed-<key>` while a file is copied
//!   .resumed/
//!     lock            held by the running server
//!     <key>           the bytes so far: its length is the offset
//!     <key>.json      id, name, declared length and time, state
//!     journal/        the same, a line each, of what came in one request
//! ```
//!
//! # Log levels
//!
//! - `error`: the disk or the system has failed; somebody should look.
//! - `warn`: a promise is weaker than it should be, a hook failed, newcomers cannot be taken.
//! - `info`: where finished files land; an upload is complete.
//! - `info`, target `access`: each request when it is over: method, path, status or `cut`, bytes of
//!   its body, milliseconds, user. Of an id in the path the beginning is shown.
//! - `debug`: what was swept, which files are not ours, answers that were not taken.

#[cfg(not(unix))]
compile_error!("resumed needs a Unix: it renames, syncs and locks in ways not to be had elsewhere");

mod config;
mod engine;
mod http;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod protocol;
mod server;
pub mod store;
#[cfg(feature = "tiny_http")]
pub mod tiny_http;
mod uploads;

pub use config::Config;
pub use engine::{Address, ListenSocket};
pub use http::{Framing, Head, Malformed, Response, Version};
pub use protocol::command::{AppendCommand, Command, Operation, StatusQuery, Target};
pub use server::{Server, StartError, StartErrorKind, start};
pub use uploads::{HookError, Options, Uploads};
