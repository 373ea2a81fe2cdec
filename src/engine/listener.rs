//! Newcomers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use rustix::fs::{Mode, RawMode};

use crate::http::socket::Socket;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address of the network.
    Tcp(SocketAddr),
    /// A socket of the file system.
    Unix(PathBuf),
}

impl Address {
    /// The network address, unless it is a socket of the file system.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(addr) => Some(*addr),
            Address::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(addr) => addr.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that somebody else made, and that stays theirs: it goes on listening when the server has stopped.
#[derive(Debug)]
pub enum Given {
    /// An address of the network.
    Tcp(std::net::TcpListener),
    /// A socket of the file system. Its file stays.
    Unix(std::os::unix::net::UnixListener),
}

/// A listening socket.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// With the file that is removed when it is dropped.
    Unix(UnixListener, Option<PathBuf>),
}

impl Listener {
    pub(crate) fn tcp(addr: SocketAddr) -> io::Result<Listener> {
        TcpListener::bind(addr).map(Listener::Tcp)
    }

    /// A socket that nobody listens on any more is replaced.
    pub(crate) fn unix(path: &Path, mode: Option<u32>) -> io::Result<Listener> {
        if std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            rustix::fs::unlink(path)?;
        }
        let listener = Listener::Unix(UnixListener::bind(path)?, Some(path.to_owned()));
        if let Some(mode) = mode {
            rustix::fs::chmod(path, Mode::from_raw_mode(mode as RawMode))?;
        }
        Ok(listener)
    }

    pub(crate) fn given(socket: Given) -> io::Result<Listener> {
        match socket {
            Given::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Listener::Tcp(TcpListener::from_std(socket)))
            }
            Given::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Listener::Unix(UnixListener::from_std(socket), None))
            }
        }
    }

    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listener::Unix(listener, _) => {
                let addr = listener.local_addr()?;
                Ok(Address::Unix(
                    addr.as_pathname().unwrap_or(Path::new("")).to_owned(),
                ))
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match self {
            Listener::Tcp(listener) => listener,
            Listener::Unix(listener, _) => listener,
        };
        source.register(registry, token, Interest::READABLE)
    }

    /// The next newcomer. An answer is one write, so waiting to fill a segment gains nothing.
    pub(super) fn accept(&self) -> io::Result<Socket> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                if let Err(error) = stream.set_nodelay(true) {
                    log::debug!("a newcomer's socket keeps its delay: {error}");
                }
                Ok(Socket::Tcp(stream))
            }
            Listener::Unix(listener, _) => {
                listener.accept().map(|(stream, _)| Socket::Unix(stream))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, Some(path)) = self
            && let Err(error) = rustix::fs::unlink(&*path)
        {
            log::warn!("{} stays behind: {error}", path.display());
        }
    }
}
