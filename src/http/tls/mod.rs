//! TLS below a connection, with the feature `tls`. Without it no [`Acceptor`] and no [`Session`] can exist, so the compiler
//! removes each use of them.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod acceptor;
#[cfg(feature = "tls")]
mod session;

/// The least room of a read: a gap and the longest record.
#[cfg(feature = "tls")]
pub(crate) const ROOM_BYTES: usize = 2 * session::RECORD_BYTES;
#[cfg(not(feature = "tls"))]
pub(crate) const ROOM_BYTES: usize = 0;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::{Acceptor, Session};
#[cfg(feature = "tls")]
pub(crate) use acceptor::Acceptor;
#[cfg(feature = "tls")]
pub use acceptor::{TlsError, TlsOptions};
#[cfg(feature = "tls")]
pub(crate) use session::Session;
