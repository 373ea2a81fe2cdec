//! The greeting: the addresses and the QR code.

use std::io::{BufRead, BufReader};
use std::iter;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::Client;
use crate::support::killed::Killed;
use crate::support::left_out::{left_out, require};
use crate::support::limit::{Lines, RunInTime};
use crate::support::tls::TlsClient;

/// The maximum time to wait for a line of the greeting.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The command, and the lines that it says up to an empty one.
struct Greeted {
    _child: Killed,
    _dir: TempDir,
    lines: Vec<String>,
}

impl Greeted {
    fn start(listen: &str, flags: &[&str]) -> Greeted {
        Greeted::by(Command::new(env!("CARGO_BIN_EXE_resumed")), listen, flags)
    }

    /// Starts the server by a command that becomes it.
    fn by(mut command: Command, listen: &str, flags: &[&str]) -> Greeted {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let child = command
            .args([
                "--listen",
                listen,
                "--allow-root",
                "--allow-anonymous",
                "--qr",
            ])
            .args(flags)
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Killed(child.expect("it runs"));
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || said.lines().try_for_each(|line| sender.send(line)));
        let lines = iter::from_fn(|| {
            let line = receiver
                .recv_timeout(TIMEOUT)
                .expect("an empty line in time");
            Some(line.expect("text"))
        });
        let lines = lines.take_while(|line| !line.is_empty()).collect();
        Greeted {
            _child: child,
            _dir: dir,
            lines,
        }
    }

    /// Returns the URLs, each behind its label.
    fn urls(&self) -> Vec<(&str, &str)> {
        let labels = ["listening on ", "on this machine: ", "in this network: "];
        let lines = self.lines.iter().map_while(|line| {
            let label = labels.iter().find(|label| line.starts_with(**label))?;
            Some(line.split_at(label.len()))
        });
        lines.collect()
    }
}

#[test]
fn a_telephone_is_shown_the_address_of_the_machine_in_its_network() {
    if std::net::UdpSocket::bind("0.0.0.0:0")
        .and_then(|to| to.connect("192.0.2.1:9"))
        .is_err()
    {
        return left_out("the address in the network", "this machine is in none");
    }
    let greeted = Greeted::start("0.0.0.0:0", &[]);
    let url = url_of_the_code(&greeted, "http");
    let addr = url.strip_prefix("http://").expect("an address");
    let mut client = Client::connect(addr.parse().expect("an address"));
    client.send(format!("GET /health HTTP/1.1\r\nHost: {addr}\r\n\r\n"));
    assert_eq!(client.answer().status, 200);

    let greeted = Greeted::start("0.0.0.0:0", &["--tls-self-signed"]);
    let url = url_of_the_code(&greeted, "https");
    let addr = url.strip_prefix("https://").expect("an address");
    let mut client = TlsClient::connect(addr.parse().expect("an address"));
    let health = format!("GET /health HTTP/1.1\r\nHost: {addr}\r\n\r\n");
    assert_eq!(client.ask(health).0, 200);
}

/// Returns the address in the QR code.
fn url_of_the_code(greeted: &Greeted, scheme: &str) -> String {
    let urls = greeted.urls();
    let code = &greeted.lines[urls.len()..];
    let [(_, listens), (_, here), (_, url), ..] = &urls[..] else {
        panic!("{:?}", greeted.lines);
    };
    let (listens, port) = listens.rsplit_once(':').expect("a port");
    assert_eq!(listens, format!("{scheme}://0.0.0.0"));
    assert_eq!(*here, format!("{scheme}://localhost:{port}"));
    let (width, dots) = dots(code);
    let mut seen = rqrr::PreparedImage::prepare_from_bitmap(width, dots.len(), |x, y| dots[y][x]);
    let [grid] = &seen.detect_grids()[..] else {
        panic!("not one code in {code:#?}");
    };
    assert_eq!(grid.decode().expect("it can be read").1, *url);
    (*url).to_owned()
}

/// Returns the width and the dark dots. Each dot is four by four pixels, so that the reader finds it.
fn dots(code: &[String]) -> (usize, Vec<Vec<bool>>) {
    const SCALE: usize = 4;
    let mut rows = Vec::new();
    for line in code {
        for lower in [false, true] {
            let is_dark = |sign| match sign {
                '█' => true,
                '▀' => !lower,
                '▄' => lower,
                _ => false,
            };
            let row = line.chars().flat_map(|sign| [is_dark(sign); SCALE]);
            let row: Vec<_> = row.collect();
            rows.extend((0..SCALE).map(|_| row.clone()));
        }
    }
    (rows[0].len(), rows)
}

#[test]
fn of_an_address_that_no_telephone_reaches_no_code_is_shown() {
    let mut greeted = Command::new(env!("CARGO_BIN_EXE_resumed"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    greeted
        .args(["--listen", "127.0.0.1:0", "--qr"])
        .arg(dir.path());
    let child = greeted.stdout(Stdio::piped()).spawn();
    let mut child = Killed(child.expect("it runs"));
    let mut said = Lines::of("the greeting", child.stdout.take().expect("piped"));
    let line = said.next().expect("a line");
    drop(child);
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
    assert_eq!(said.next(), None);
}

/// A network of its own, with addresses of two networks, and one that a URL cannot name.
const NETWORK: &str = "ip link set lo up && ip addr add 10.1.0.7/24 dev lo && ip addr add 10.2.0.7/24 dev lo && \
                       ip addr add fd00::7/64 dev lo nodad && ip addr add fe80::7/64 dev lo nodad && exec \"$0\" \"$@\"";

#[test]
fn wildcard_address_shows_each_address_of_its_family() {
    let all = ["10.1.0.7", "10.2.0.7", "[fd00::7]"];
    require!("the addresses of a machine", network_obstacle());
    for (listen, expected) in [("0.0.0.0:80", &all[..2]), ("[::]:80", &all), (":80", &all)] {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", NETWORK, env!("CARGO_BIN_EXE_resumed")]);
        let greeted = Greeted::by(command, listen, &[]);
        let shown = greeted.urls().into_iter();
        let shown: Vec<_> = shown
            .filter_map(|(label, url)| label.starts_with("in this").then_some(url))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|ip| format!("http://{ip}:80"))
            .collect();
        assert_eq!(shown, expected, "{listen}");
    }
}

/// Returns the reason if this test cannot make a network.
fn network_obstacle() -> Option<String> {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", NETWORK, "true"]);
    match command.output_in_time() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

#[test]
fn colon_and_port_accept_ipv4_and_ipv6() {
    require!(
        "all addresses of IPv6",
        TcpListener::bind("[::1]:0").err().map(|it| it.to_string())
    );
    let greeted = Greeted::start(":0", &[]);
    let (_, url) = greeted.urls()[0];
    let port = url.strip_prefix("http://[::]:").expect("all addresses");
    for ip in ["127.0.0.1", "[::1]"] {
        let mut client = Client::connect(format!("{ip}:{port}").parse().expect("an address"));
        client.send(format!("GET /health HTTP/1.1\r\nHost: {ip}:{port}\r\n\r\n"));
        assert_eq!(client.answer().status, 200, "{ip}");
    }
}
