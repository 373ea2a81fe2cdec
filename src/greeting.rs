//! What is said on the terminal when the server listens.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use resumed::Address;

/// Black on white, whatever the colours of the terminal are: not every camera reads the opposite.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const AS_BEFORE: &str = "\x1b[0m";

/// Where it listens; where other machines find it, if that is another address; and the same for their cameras.
pub(crate) fn greeting(address: &Address, with_code: bool) -> String {
    let Address::Tcp(listens) = address else {
        return format!("listening on {address}\n");
    };
    let mut text = format!("listening on http://{listens}\n");
    let Some(found) = in_the_network(*listens) else {
        if with_code {
            log::warn!("no code is shown: other machines do not reach {listens}");
        }
        return text;
    };
    let url = format!("http://{found}");
    if found != *listens {
        let _ = writeln!(text, "in this network: {url}");
    }
    if with_code {
        text += &code(&url).unwrap_or_default();
    }
    text
}

/// The address under which other machines find this one, if they do.
fn in_the_network(listens: SocketAddr) -> Option<SocketAddr> {
    let ip = listens.ip();
    if ip.is_loopback() {
        return None;
    }
    if !ip.is_unspecified() {
        return Some(listens);
    }
    // The wildcard of IPv6 takes both.
    let ip = own_address("0.0.0.0:0", "192.0.2.1:9")
        .or_else(|| own_address("[::]:0", "[2001:db8::1]:9").filter(|_| ip.is_ipv6()))?;
    Some(SocketAddr::new(ip, listens.port()))
}

/// The address from which this machine would speak to another. Nothing is sent: it is only asked for the way.
fn own_address(from: &str, to: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn code(url: &str) -> Option<String> {
    let code = QrCode::new(url).ok()?;
    let drawn = code.render::<Dense1x2>().build();
    let (before, after) = match io::stdout().is_terminal() {
        true => (BLACK_ON_WHITE, AS_BEFORE),
        false => ("", ""),
    };
    let lines = drawn.lines().map(|line| format!("{before}{line}{after}\n"));
    Some(lines.chain(["\n".to_owned()]).collect())
}
