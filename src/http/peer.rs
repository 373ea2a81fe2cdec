//! The other end of a connection.

use std::fmt;
use std::net::IpAddr;

/// The other end of the connection of a request: the client itself, or a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP connection from this address. An IPv4 address is never in its IPv6 form.
    Ip(IpAddr),
    /// A Unix socket.
    Unix,
}

impl Peer {
    /// Returns whether the peer runs on this machine.
    #[must_use]
    pub fn is_local(self) -> bool {
        match self {
            Peer::Ip(address) => address.is_loopback(),
            Peer::Unix => true,
        }
    }
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Peer {
        Peer::Ip(address.to_canonical())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
        }
    }
}
