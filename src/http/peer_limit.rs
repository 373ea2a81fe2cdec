//! A limit for each client address.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::peer::Peer;

/// A semaphore for each client address. Local peers are not counted: a proxy may be behind a loopback address.
pub(crate) struct PeerLimit {
    /// The permits of each address; 0: any number.
    max: usize,
    held: Mutex<BTreeMap<Network, usize>>,
}

/// The addresses that are counted together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Network {
    V4(Ipv4Addr),
    /// The first 64 bits of an address: a client has a whole /64 network to choose from.
    V6(u64),
}

/// A permit for one connection or request. Its drop releases it.
#[derive(Default)]
#[must_use]
pub(crate) struct PeerPermit(Option<(Arc<PeerLimit>, Network)>);

/// More than the browsers and programs of one household; far fewer than all connections.
const MAX: usize = 256;

impl PeerLimit {
    /// Makes a limit of `max` permits for each address. Default: 256; 0: any number.
    pub(crate) fn new(max: Option<usize>) -> Arc<PeerLimit> {
        Arc::new(PeerLimit {
            max: max.unwrap_or(MAX),
            held: Mutex::default(),
        })
    }

    /// Returns the permits that each address has.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Returns a permit for `peer`; `None` if its address has all of its permits.
    pub(crate) fn acquire(self: &Arc<PeerLimit>, peer: Peer) -> Option<PeerPermit> {
        let network = match peer {
            Peer::Ip(address) if self.max > 0 && !peer.is_local() => Network::of(address),
            _ => return Some(PeerPermit::default()),
        };
        let mut held = self.held();
        let count = held.entry(network).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(PeerPermit(Some((Arc::clone(self), network))))
    }

    fn release(&self, network: Network) {
        let mut held = self.held();
        if let Some(count) = held.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                held.remove(&network);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Network, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network {
    fn of(address: IpAddr) -> Network {
        match address.to_canonical() {
            IpAddr::V4(v4) => Network::V4(v4),
            IpAddr::V6(v6) => Network::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

impl Drop for PeerPermit {
    fn drop(&mut self) {
        if let Some((limit, network)) = self.0.take() {
            limit.release(network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        address.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn addresses_are_counted_apart_and_ipv6_by_64_bits() {
        let limit = PeerLimit::new(Some(2));
        let acquire = |address| limit.acquire(peer(address));
        let first = acquire("192.0.2.1").expect("free");
        let _second = acquire("::ffff:192.0.2.1").expect("free");
        assert!(acquire("192.0.2.1").is_none());
        let _other = acquire("192.0.2.2").expect("free");
        drop(first);
        let _third = acquire("192.0.2.1").expect("released");

        let _v6 = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::"].map(|of| acquire(of).expect("free"));
        assert!(acquire("2001:db8:1:2::3").is_none());
        let _next = acquire("2001:db8:1:3::1").expect("another network");
        assert_eq!(limit.held().len(), 4);
    }

    #[test]
    fn local_peers_and_no_limit_are_not_counted() {
        let limit = PeerLimit::new(Some(1));
        for local in [peer("127.0.0.1"), peer("::1"), Peer::Unix] {
            let _permits = [(); 3].map(|()| limit.acquire(local).expect("any number"));
        }
        let limit = PeerLimit::new(Some(0));
        let _permits = [(); 3].map(|()| limit.acquire(peer("192.0.2.1")).expect("any number"));
        assert!(limit.held().is_empty());
    }
}
