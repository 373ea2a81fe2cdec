//! The trusted proxies, and the address of the client behind them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::http::{Head, Peer};

/// The proxies whose forwarding fields are used. Every other client can forge these fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    proxies: Vec<TrustedProxy>,
    /// True if loopback addresses and Unix sockets are trusted.
    local: bool,
}

/// A set of peers whose forwarding fields are used: `ADDR`, `ADDR/PREFIX` or `unix`.
///
/// ```
/// use resumed::TrustedProxy;
///
/// let proxy: TrustedProxy = "172.16.0.0/12".parse()?;
/// assert_eq!(proxy.to_string(), "172.16.0.0/12");
/// # Ok::<(), resumed::MalformedProxy>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// The addresses whose first `prefix` bits are those of `address`.
    Network {
        address: IpAddr,
        prefix: u8,
    },
    Unix,
}

/// The text is no [`TrustedProxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MalformedProxy;

impl TrustedProxies {
    pub(crate) fn add(&mut self, proxy: TrustedProxy) {
        self.proxies.push(proxy);
    }

    /// Trusts the loopback addresses and Unix sockets, or not.
    pub(crate) fn trust_local(&mut self, trust: bool) {
        self.local = trust;
    }

    /// Returns whether the forwarding fields of this request are used.
    pub(crate) fn trusts(&self, head: &Head) -> bool {
        head.peer().is_some_and(|peer| self.trusts_peer(peer))
    }

    pub(crate) fn trusts_peer(&self, peer: Peer) -> bool {
        let is_trusted_local = self.local && peer.is_local();
        is_trusted_local || self.proxies.iter().any(|proxy| proxy.contains(peer))
    }

    /// Returns the client of a request: the peer or, behind trusted proxies, the rightmost forwarded address that is not
    /// trusted. Each proxy appends the address of its own peer, so a client can forge only the addresses to the left.
    ///
    /// If a proxy forwards no address or a malformed one, the client is the last known address.
    pub(crate) fn client(&self, head: &Head) -> Option<Peer> {
        let mut client = head.peer()?;
        if !self.trusts_peer(client) {
            return Some(client);
        }
        for address in forwarded_addresses(head).into_iter().rev() {
            let Some(address) = address else { break };
            client = address.into();
            if !self.trusts_peer(client) {
                break;
            }
        }
        Some(client)
    }
}

/// Returns the addresses of `X-Forwarded-For` from left to right; without that field, those of `Forwarded` (RFC 7239,
/// section 5.2). A malformed or hidden address is `None`.
fn forwarded_addresses(head: &Head) -> Vec<Option<IpAddr>> {
    let list = |name| {
        let values = head.fields_named(name);
        let elements = values.flat_map(|value| value.split(|&byte| byte == b','));
        elements.map(|element| std::str::from_utf8(element).unwrap_or_default().trim())
    };
    if head.fields_named("X-Forwarded-For").next().is_some() {
        return list("X-Forwarded-For").map(address_of).collect();
    }
    let node = |element: &str| {
        let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
        address_of(node.trim().trim_matches('"'))
    };
    list("Forwarded").map(node).collect()
}

/// Parses `ADDR`, `ADDR:PORT`, `[ADDR]` or `[ADDR]:PORT`.
fn address_of(node: &str) -> Option<IpAddr> {
    if let Ok(address) = node.parse() {
        return Some(address);
    }
    if let Some((v6, _port)) = node.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return v6.parse().ok().map(IpAddr::V6);
    }
    let (v4, _port) = node.split_once(':')?;
    v4.parse().ok().map(IpAddr::V4)
}

impl TrustedProxy {
    fn contains(self, peer: Peer) -> bool {
        match (self.0, peer) {
            (Set::Unix, Peer::Unix) => true,
            (Set::Network { address, prefix }, Peer::Ip(peer)) => {
                let width = bit_count(address);
                let differing = bits(address) ^ bits(peer);
                width == bit_count(peer)
                    && differing
                        .checked_shr(u32::from(width - prefix))
                        .is_none_or(|rest| rest == 0)
            }
            _ => false,
        }
    }
}

fn bit_count(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl FromStr for TrustedProxy {
    type Err = MalformedProxy;

    fn from_str(text: &str) -> Result<TrustedProxy, MalformedProxy> {
        if text == "unix" {
            return Ok(TrustedProxy(Set::Unix));
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| MalformedProxy)?;
        // No peer is in this form: the network would be empty.
        if address != address.to_canonical() {
            return Err(MalformedProxy);
        }
        let width = bit_count(address);
        let prefix = prefix.map_or(Ok(width), |prefix| {
            prefix.parse().map_err(|_| MalformedProxy)
        });
        match prefix? {
            prefix if prefix <= width => Ok(TrustedProxy(Set::Network { address, prefix })),
            _ => Err(MalformedProxy),
        }
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Set::Network { address, prefix } => write!(f, "{address}/{prefix}"),
            Set::Unix => f.write_str("unix"),
        }
    }
}

impl fmt::Display for MalformedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a proxy is ADDR, ADDR/PREFIX such as 172.16.0.0/12, or unix")
    }
}

impl std::error::Error for MalformedProxy {}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusting(proxies: &[&str]) -> TrustedProxies {
        let proxies = proxies.iter().map(|text| text.parse().expect("a proxy"));
        TrustedProxies {
            proxies: proxies.collect(),
            local: false,
        }
    }

    #[track_caller]
    fn check(proxies: &TrustedProxies, peer: &str, fields: &[(&str, &str)], expected: &str) {
        let host = [("Host", "localhost")];
        let all = host.iter().chain(fields).copied();
        let peer: IpAddr = peer.parse().expect("an address");
        let head = Head::from_parts("GET", "/", all).expect("a head");
        let client = proxies.client(&head.with_peer(peer.into()));
        assert_eq!(
            client.map(|client| client.to_string()).as_deref(),
            Some(expected)
        );
    }

    #[test]
    fn client_is_the_rightmost_address_without_trust() {
        let proxies = trusting(&["10.0.0.0/8", "fd00::/8"]);
        let chain = [
            ("X-Forwarded-For", "1.1.1.1, 2.2.2.2"),
            ("X-Forwarded-For", "10.9.9.9"),
        ];
        check(&proxies, "10.0.0.1", &chain, "2.2.2.2");
        check(&proxies, "3.3.3.3", &chain, "3.3.3.3");
        check(&proxies, "10.0.0.1", &[], "10.0.0.1");
        check(&proxies, "::ffff:10.0.0.1", &chain, "2.2.2.2");
        check(
            &proxies,
            "10.0.0.1",
            &[("X-Forwarded-For", "10.0.0.2")],
            "10.0.0.2",
        );
        check(
            &proxies,
            "10.0.0.1",
            &[("X-Forwarded-For", "1.1.1.1, unknown")],
            "10.0.0.1",
        );
        check(
            &proxies,
            "fd00::1",
            &[("X-Forwarded-For", "2001:db8::7")],
            "2001:db8::7",
        );
        let forwarded = [(
            "Forwarded",
            "for=\"[2001:db8::7]:99\";proto=https, For=10.1.1.1:80",
        )];
        check(&proxies, "10.0.0.1", &forwarded, "2001:db8::7");
        let both = [forwarded[0], ("X-Forwarded-For", "4.4.4.4")];
        check(&proxies, "10.0.0.1", &both, "4.4.4.4");
    }

    #[test]
    fn network_contains_only_its_addresses() {
        let peer = |text: &str| Peer::from(text.parse::<IpAddr>().expect("an address"));
        let proxies = trusting(&["192.0.2.0/25", "2001:db8::/127"]);
        for inside in [
            "192.0.2.0",
            "192.0.2.127",
            "::ffff:192.0.2.1",
            "2001:db8::1",
        ] {
            assert!(proxies.trusts_peer(peer(inside)), "{inside}");
        }
        for outside in ["192.0.2.128", "2001:db8::2", "::192.0.2.1", "127.0.0.1"] {
            assert!(!proxies.trusts_peer(peer(outside)), "{outside}");
        }
        assert!(!proxies.trusts_peer(Peer::Unix));
        assert!(trusting(&["unix"]).trusts_peer(Peer::Unix));
        let all = trusting(&["0.0.0.0/0"]);
        assert!(all.trusts_peer(peer("9.9.9.9")) && !all.trusts_peer(peer("::1")));
        for malformed in [
            "",
            "a",
            "1.2.3",
            "1.2.3.4/33",
            "::1/129",
            "1.2.3.4/",
            "1.2.3.4/-1",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(malformed.parse::<TrustedProxy>().is_err(), "{malformed}");
        }
    }
}
