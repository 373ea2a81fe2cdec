//! The lines on the terminal when the server listens.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, SocketAddr};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use resumed::Address;

use super::own_addresses::own_addresses;

/// Black on white in any colour scheme: some cameras do not read the opposite.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";

/// Returns the address of the server; if it listens on all addresses, each of them; and the first one that other machines
/// reach as a QR code.
pub(super) fn greeting(scheme: &str, address: &Address, with_code: bool) -> String {
    let Address::Tcp(listens) = address else {
        return format!("listening on {address}\n");
    };
    let mut text = format!("listening on {scheme}://{listens}\n");
    let port = listens.port();
    if listens.ip().is_unspecified() {
        let _ = writeln!(text, "on this machine: {scheme}://localhost:{port}");
    }
    let addresses = in_the_network(listens.ip()).into_iter();
    let urls: Vec<_> = addresses
        .map(|ip| format!("{scheme}://{}", SocketAddr::new(ip, port)))
        .collect();
    if listens.ip().is_unspecified() {
        for url in &urls {
            let _ = writeln!(text, "in this network: {url}");
        }
    }
    match urls.first() {
        Some(url) if with_code => text += &code(url).unwrap_or_default(),
        None if with_code => {
            log::warn!("--qr shows no code: other machines cannot reach {listens}");
        }
        _ => {}
    }
    text
}

/// Returns the addresses under which other machines reach a server that listens on `ip`.
fn in_the_network(ip: IpAddr) -> Vec<IpAddr> {
    if ip.is_loopback() {
        return Vec::new();
    }
    if !ip.is_unspecified() {
        return vec![ip];
    }
    // The wildcard address of IPv6 accepts IPv4 too.
    let mut all = own_addresses();
    all.retain(|own| own.is_ipv4() || ip.is_ipv6());
    all
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
