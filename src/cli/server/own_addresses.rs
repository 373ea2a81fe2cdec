//! The addresses of this machine.

use std::net::{IpAddr, UdpSocket};

/// A local address, and one of the documentation behind the default route (RFC 5737, RFC 3849).
const ROUTES: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];

/// Returns the addresses under which other machines may reach this one: first those of the default routes, IPv4 first.
pub(super) fn own_addresses() -> Vec<IpAddr> {
    let mut all: Vec<_> = ROUTES.into_iter().filter_map(on_the_route).collect();
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => all.extend(interfaces.iter().map(|interface| interface.ip())),
        // A sandbox may forbid the question.
        Err(error) => log::debug!("cannot list the addresses of this machine: {error}"),
    }
    let mut own = Vec::new();
    for ip in all {
        if is_reachable(ip) && !own.contains(&ip) {
            own.push(ip);
        }
    }
    own
}

/// Returns the own address on the route to `to`. Sends nothing: connecting a UDP socket only looks up the route.
fn on_the_route((from, to): (&str, &str)) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Returns false for a loopback address, and for a link-local one of IPv6: a URL cannot name its interface.
fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    }
}
