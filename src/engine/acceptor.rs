//! The listening socket, and the connections that it accepts.

use std::fmt;
use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::{TcpListener, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::fs::{FileType, Mode, RawMode, lstat, unlink};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

use crate::http::stream::Stream;

/// The connections that may wait for an accept. The system lowers the number to its maximum (`net.core.somaxconn`).
const BACKLOG: i32 = i32::MAX;

/// The address of a listening server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Returns the IP address and port; `None` for a Unix socket.
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

/// A listening socket that the embedding program or systemd owns. It listens on after the server has stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenSocket {
    /// A TCP socket.
    Tcp(std::net::TcpListener),
    /// A Unix socket. The server does not remove its file.
    Unix(std::os::unix::net::UnixListener),
}

impl ListenSocket {
    /// Returns another descriptor of the same socket.
    ///
    /// # Errors
    ///
    /// If the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<ListenSocket> {
        Ok(match self {
            ListenSocket::Tcp(socket) => ListenSocket::Tcp(socket.try_clone()?),
            ListenSocket::Unix(socket) => ListenSocket::Unix(socket.try_clone()?),
        })
    }
}

impl From<std::net::TcpListener> for ListenSocket {
    fn from(socket: std::net::TcpListener) -> ListenSocket {
        ListenSocket::Tcp(socket)
    }
}

impl From<std::os::unix::net::UnixListener> for ListenSocket {
    fn from(socket: std::os::unix::net::UnixListener) -> ListenSocket {
        ListenSocket::Unix(socket)
    }
}

/// A listening socket.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// The socket, and the file to remove when it is dropped.
    Unix(UnixListener, Option<SocketFile>),
}

impl Listener {
    pub(crate) fn tcp(addr: SocketAddr) -> io::Result<Listener> {
        let listener = match addr {
            SocketAddr::V6(all) if all.ip().is_unspecified() => bind_all(all)?,
            _ => TcpListener::bind(addr)?,
        };
        Listener::Tcp(listener).with_longest_backlog()
    }

    /// Listens on a socket file. Replaces a socket without a listener; any other file there is an error.
    pub(crate) fn unix(path: &Path, mode: Option<u32>) -> io::Result<Listener> {
        if let Some(other) = SocketFile::at(path)? {
            other.remove_dead()?;
        }
        let listener = UnixListener::bind(path)?;
        let listener = Listener::Unix(listener, SocketFile::at(path)?).with_longest_backlog()?;
        if let Some(mode) = mode {
            rustix::fs::chmod(path, Mode::from_raw_mode(mode as RawMode))?;
        }
        Ok(listener)
    }

    pub(crate) fn from_socket(socket: ListenSocket) -> io::Result<Listener> {
        let listener = match socket {
            ListenSocket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Listener::Tcp(TcpListener::from_std(socket))
            }
            ListenSocket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Listener::Unix(UnixListener::from_std(socket), None)
            }
        };
        listener.with_longest_backlog()
    }

    /// Sets the backlog to the maximum of the system. A second `listen` changes only the backlog.
    fn with_longest_backlog(self) -> io::Result<Listener> {
        match &self {
            Listener::Tcp(listener) => listen(listener, BACKLOG)?,
            Listener::Unix(listener, _) => listen(listener, BACKLOG)?,
        }
        Ok(self)
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

    /// Accepts one connection. Switches Nagle's algorithm off: a response is one write.
    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, addr) = listener.accept()?;
                if let Err(error) = stream.set_nodelay(true) {
                    log::debug!("cannot set TCP_NODELAY: {error}");
                }
                Ok(Stream::Tcp(stream, addr.ip().into()))
            }
            Listener::Unix(listener, _) => {
                listener.accept().map(|(stream, _)| Stream::Unix(stream))
            }
        }
    }
}

/// Binds a port of all addresses, of IPv6 and of IPv4: some systems leave out IPv4 by default.
fn bind_all(addr: SocketAddrV6) -> io::Result<TcpListener> {
    let socket = socket(AddressFamily::INET6, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    set_socket_reuseaddr(&socket, true)?;
    set_ipv6_v6only(&socket, false)?;
    bind(&socket, &addr)?;
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener))
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, Some(file)) = self {
            if let Err(error) = file.remove() {
                log::warn!("cannot remove {}: {error}", file.path.display());
            }
        }
    }
}

/// A socket file.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// Returns the socket file at `path`; `None` if no file is there.
    ///
    /// # Errors
    /// If another kind of file is there. A symbolic link is one: it is not followed.
    fn at(path: &Path) -> io::Result<Option<SocketFile>> {
        let about = match lstat(path) {
            Err(Errno::NOENT) => return Ok(None),
            about => about?,
        };
        if !FileType::from_raw_mode(about.st_mode).is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, NO_SOCKET));
        }
        Ok(Some(SocketFile {
            path: path.to_owned(),
            identity: (about.st_dev as u64, about.st_ino as u64),
        }))
    }

    /// Removes the file if no process listens. A server with a full queue listens too, so this does not wait.
    fn remove_dead(&self) -> io::Result<()> {
        match UnixStream::connect(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.remove(),
            _ => Ok(()),
        }
    }

    /// Removes the file, unless another file has replaced it.
    fn remove(&self) -> io::Result<()> {
        match SocketFile::at(&self.path) {
            Ok(Some(now)) if now.identity == self.identity => Ok(unlink(&*self.path)?),
            _ => Ok(()),
        }
    }
}

const NO_SOCKET: &str = "a file that is no socket is there; remove it, or choose another path";

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use super::*;

    /// Returns how many of 300 clients connect to a socket that accepts none.
    fn connects(listener: &Listener) -> usize {
        let connect = |_| -> io::Result<Box<dyn std::any::Any>> {
            Ok(match listener.address()? {
                Address::Tcp(addr) => {
                    let timeout = Duration::from_millis(500);
                    Box::new(std::net::TcpStream::connect_timeout(&addr, timeout)?)
                }
                Address::Unix(path) => Box::new(UnixStream::connect(path)?),
            })
        };
        let clients: Vec<_> = (0..300).map_while(|number| connect(number).ok()).collect();
        clients.len()
    }

    #[test]
    fn backlog_is_the_maximum_of_the_system() {
        let maximum = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("a number");
        let expected = 300.min(1 + maximum.trim().parse::<usize>().expect("a number"));
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name| dir.path().join(name);
        let localhost = "127.0.0.1:0".parse().expect("an address");
        let tcp = std::net::TcpListener::bind(localhost).expect("bound");
        let unix = UnixListener::bind(at("given")).expect("bound");
        // An owner may have chosen a shorter one.
        listen(&tcp, 5).expect("listens");
        listen(&unix, 5).expect("listens");
        for listener in [
            Listener::tcp(localhost),
            Listener::unix(&at("made"), None),
            Listener::from_socket(ListenSocket::Tcp(tcp)),
            Listener::from_socket(ListenSocket::Unix(unix)),
        ] {
            assert_eq!(connects(&listener.expect("listens")), expected);
        }
    }

    #[test]
    fn socket_with_a_full_queue_is_in_use() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("socket");
        let busy = UnixListener::bind(&path).expect("bound");
        // A system may queue one connection more than the backlog.
        rustix::net::listen(&busy, 1).expect("a short queue");
        let waiting: Vec<_> = (0..100)
            .map_while(|_| UnixStream::connect(&path).ok())
            .collect();
        let error = Listener::unix(&path, None).err().expect("in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{}", waiting.len());
        assert!(path.exists());
    }
}
