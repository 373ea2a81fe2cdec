//! IPv6 zones: the network interface of a link-local address.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};

use percent_encoding::percent_decode_str;

/// Removes the zone from an address, and returns it: the URL and `Host` of a request must not have one (RFC 6874).
/// Accepts `%eth0`, as typed, and `%25eth0`, as encoded in a URL.
pub(crate) fn split(url: &str) -> Option<(String, Option<String>)> {
    let host = url.find("://[").map(|at| at + 4);
    let Some((begin, end)) = host.and_then(|at| Some((at, at + url[at..].find(']')?))) else {
        return Some((url.to_owned(), None));
    };
    let Some((ip, zone)) = url[begin..end].split_once('%') else {
        return Some((url.to_owned(), None));
    };
    ip.parse::<Ipv6Addr>().ok()?;
    let encoded = zone.strip_prefix("25").filter(|rest| !rest.is_empty());
    let zone = percent_decode_str(encoded.unwrap_or(zone))
        .decode_utf8()
        .ok()?;
    let is_name = !zone.is_empty()
        && !zone.contains(|letter: char| letter.is_control() || "/%".contains(letter));
    is_name.then(|| {
        (
            format!("{}{ip}{}", &url[..begin], &url[end..]),
            Some(zone.into_owned()),
        )
    })
}

/// Sets the zone of an IPv6 address.
pub(crate) fn set_zone(addr: &mut SocketAddr, zone: &str) -> io::Result<()> {
    let SocketAddr::V6(v6) = addr else {
        return Ok(());
    };
    let host = format!("{}%{zone}", v6.ip());
    let found = (host.as_str(), v6.port()).to_socket_addrs();
    let found = found.ok().and_then(|mut found| found.next());
    *addr = found.ok_or_else(|| {
        let text = format!("no network interface {zone} reaches {}", v6.ip());
        io::Error::new(io::ErrorKind::AddrNotAvailable, text)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_is_removed_from_the_address() {
        for (url, without, zone) in [
            (
                "http://[fe80::1%25eth0]:8080/",
                "http://[fe80::1]:8080/",
                Some("eth0"),
            ),
            (
                "http://[fe80::1%eth0]/up",
                "http://[fe80::1]/up",
                Some("eth0"),
            ),
            ("http://[fe80::1%2]", "http://[fe80::1]", Some("2")),
            ("http://[fe80::1%25]", "http://[fe80::1]", Some("25")),
            (
                "http://[fe80::1%25br%2D0]",
                "http://[fe80::1]",
                Some("br-0"),
            ),
            ("http://[::1]:80/a%25b", "http://[::1]:80/a%25b", None),
            ("http://pi/[a%b]", "http://pi/[a%b]", None),
        ] {
            assert_eq!(
                split(url),
                Some((without.to_owned(), zone.map(str::to_owned))),
                "{url}"
            );
        }
        for url in [
            "http://[fe80::1%]",
            "http://[pi%eth0]",
            "http://[fe80::1%25a%2Fb]",
        ] {
            assert_eq!(split(url), None, "{url}");
        }
    }
}
