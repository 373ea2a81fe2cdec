//! The lines on the terminal when the server listens.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use resumed::Address;

/// Black on white in any colour scheme: some cameras do not read the opposite.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";

/// Returns the address of the server, the one for other machines if it differs, and that one as a QR code.
pub(crate) fn greeting(scheme: &str, address: &Address, with_code: bool) -> String {
    let Address::Tcp(listens) = address else {
        return format!("listening on {address}\n");
    };
    let mut text = format!("listening on {scheme}://{listens}\n");
    let Some(found) = in_the_network(*listens) else {
        if with_code {
            log::warn!("--qr shows no code: other machines cannot reach {listens}");
        }
        return text;
    };
    let url = format!("{scheme}://{found}");
    if found != *listens {
        let _ = writeln!(text, "in this network: {url}");
    }
    if with_code {
        text += &code(&url).unwrap_or_default();
    }
    text
}

/// Returns the address under which other machines reach the server, if they do.
fn in_the_network(listens: SocketAddr) -> Option<SocketAddr> {
    let ip = listens.ip();
    if ip.is_loopback() {
        return None;
    }
    if !ip.is_unspecified() {
        return Some(listens);
    }
    // The wildcard address of IPv6 accepts IPv4 too.
    let ip = own_address("0.0.0.0:0", "192.0.2.1:9")
        .or_else(|| own_address("[::]:0", "[2001:db8::1]:9").filter(|_| ip.is_ipv6()))?;
    Some(SocketAddr::new(ip, listens.port()))
}

/// Returns the addresses of this machine on the routes to other networks.
#[cfg(feature = "tls")]
pub(super) fn own_addresses() -> impl Iterator<Item = IpAddr> {
    let routes = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    routes
        .into_iter()
        .filter_map(|(from, to)| own_address(from, to))
}

/// Returns the own address on the route to `to`. Sends nothing: connecting a UDP socket only looks up the route.
fn own_address(from: &str, to: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn code(url: &str) -> Option<String> {
    let code = QrCode::new(url).ok()?;
    let drawn = code.render::<Dense1x2>().build();
    let (before, after) = match io::stdout().is_terminal() {
        true => (BLACK_ON_WHITE, RESET),
        false => ("", ""),
    };
    let lines = drawn.lines().map(|line| format!("{before}{line}{after}\n"));
    Some(lines.chain(["\n".to_owned()]).collect())
}
