//! Behind each of the proxies of `docs/proxy.md`, with the configuration that stands there.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::ops::readme::block_of;
use crate::support::killed::Killed;
use crate::support::left_out::{left_out, needs};
use crate::support::limit::{RunInTime, check_limit, wait_until};
use crate::support::logging::{Logging, access_lines};
use crate::support::proxy::{Nginx, as_documented, free_address};
use crate::support::{Client, Site, append, content};

const PAGE: &str = include_str!("../../../docs/proxy.md");
const SCALING: &str = include_str!("../../../docs/scaling.md");

const LENGTH: usize = 5_000_000;
const HALF: usize = LENGTH / 2;
const ID: &str = "through.bin-5000000-1700000000000";

/// The bytes that a proxy may buffer in mid-upload.
const HELD_BACK: usize = 64 * 1024;

/// Asserts that bytes pass a proxy in mid-upload, survive a cut, and that the upload continues.
fn carries_on_through(proxy: SocketAddr, site: &Site) {
    let content = content(LENGTH);
    let mut client = Client::connect(proxy);
    client.send(append(ID, 0, LENGTH));
    client.send(&content[..HALF]);
    wait_until!(site.held(ID) as usize >= HALF - HELD_BACK);
    drop(client);

    // The proxy may still be handing on what it had.
    let since = Instant::now();
    let last = loop {
        let held = site.held(ID) as usize;
        let mut client = Client::connect(proxy);
        client.send(append(ID, held, LENGTH - held));
        let answer = client.ask(&content[held..]);
        if answer.status != 409 {
            break answer;
        }
        check_limit(since, "the upload continues");
    };
    assert_eq!(last.text(), format!("Success {LENGTH}"));
    assert!(fs::read(site.dir().join("through.bin")).expect("published") == content);
}

/// Asserts that forged forwarding fields do not change the address of an upload.
fn expect_forged_fields_cleared(proxy: SocketAddr, scheme: &str) {
    let forged = [
        "X-Forwarded-Host: forged.local",
        "Forwarded: host=forged.local;proto=ftp",
        "X-Forwarded-Host: forged.local\r\nForwarded: for=192.0.2.1;host=\"forged.local\"",
        "X-Forwarded-Proto: ftp, https\r\nx-forwarded-host: a, forged.local\r\nforwarded: HOST=forged.local",
    ];
    for fields in forged {
        let mut client = Client::connect(proxy);
        let answer = client.ask(format!(
            "POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n\
             Content-Length: 0\r\n{fields}\r\n\r\n"
        ));
        let location = answer.field("Location").expect("an address");
        let expected = format!("{scheme}://localhost/files/");
        assert!(location.starts_with(&expected), "{fields}: {location}");
    }
}

/// Starts a server with `--trust-proxy`.
fn trusting() -> Site {
    Site::with(|config| config.trust_proxy(true))
}

fn check(proxy: SocketAddr, site: &Site, scheme: &str) {
    carries_on_through(proxy, site);
    expect_forged_fields_cleared(proxy, scheme);
}

#[test]
fn nginx_as_documented_keeps_bytes_and_clears_forged_fields() {
    needs!("nginx");
    let site = trusting();
    let nginx = Nginx::before(site.addr(), as_documented());
    check(nginx.addr(), &site, "http");
    let site = trusting();
    let upstream = format!("upstream uploads {{ server {}; }}", site.addr());
    let nginx = Nginx::with(&upstream, block_of(SCALING, "sticky-location"));
    expect_forged_fields_cleared(nginx.addr(), "http");
}

#[test]
fn caddy_as_documented_keeps_bytes_and_clears_forged_fields() {
    let site = trusting();
    match caddy(site.addr()) {
        Some(caddy) => check(caddy.addr, &site, "http"),
        None => left_out("behind Caddy", "caddy is missing"),
    }
}

#[test]
fn haproxy_as_documented_keeps_bytes_and_clears_forged_fields() {
    let site = trusting();
    match haproxy(site.addr()) {
        Some(haproxy) => check(haproxy.addr, &site, "https"),
        None => left_out("behind HAProxy", "haproxy is missing"),
    }
}

/// Asserts that the access log shows the address of a client behind the proxy that `start` starts, and no forged one.
fn expect_address_in_the_log<P>(start: impl FnOnce(SocketAddr) -> Option<(P, SocketAddr)>) -> bool {
    // The client is no trusted proxy, though it is on this machine too.
    let flags = ["--trust-proxy=127.0.0.1"];
    let logging = Logging::start(Some("access=info"), &flags);
    let Some((_proxy, addr)) = start(logging.server.addr) else {
        return false;
    };
    let forged = [
        &[][..],
        &["X-Forwarded-For: 192.0.2.1"],
        &[
            "X-Forwarded-For: 192.0.2.1, 192.0.2.2",
            "X-Forwarded-For: 192.0.2.3",
        ],
        &["Forwarded: for=192.0.2.4", "X-Real-IP: 192.0.2.5"],
        &[
            "Forwarded: for=192.0.2.6",
            "X-Forwarded-For: \"",
            "x-forwarded-for: ::1",
        ],
    ];
    for fields in forged {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--interface", CLIENT, "-H", "X-File-Id: a"]);
        curl.args(fields.iter().flat_map(|field| ["-H", field]));
        let run = curl.arg(format!("http://{addr}/status")).output_in_time();
        assert_eq!(run.expect("curl runs").stdout, b"0", "{fields:?}");
    }
    let lines = access_lines(&logging.end());
    let asked = lines.iter().filter(|line| line.contains("/status"));
    let expected = format!("GET /status 200 0B - {CLIENT}");
    assert_eq!(asked.collect::<Vec<_>>(), vec![&expected; forged.len()]);
    true
}

const CLIENT: &str = "127.0.0.2";

#[test]
fn address_behind_nginx_is_logged_and_cannot_be_forged() {
    needs!("curl", "nginx");
    assert!(expect_address_in_the_log(|server| {
        let nginx = Nginx::before(server, as_documented());
        let addr = nginx.addr();
        Some((nginx, addr))
    }));
}

#[test]
fn address_behind_caddy_is_logged_and_cannot_be_forged() {
    needs!("curl");
    if !expect_address_in_the_log(|server| caddy(server).map(Proxy::with_addr)) {
        left_out("the log behind Caddy", "caddy is missing");
    }
}

#[test]
fn address_behind_haproxy_is_logged_and_cannot_be_forged() {
    needs!("curl");
    if !expect_address_in_the_log(|server| haproxy(server).map(Proxy::with_addr)) {
        left_out("the log behind HAProxy", "haproxy is missing");
    }
}

/// Another proxy than nginx.
struct Proxy {
    _child: Killed,
    addr: SocketAddr,
    _home: TempDir,
}

impl Proxy {
    fn with_addr(self) -> (Proxy, SocketAddr) {
        let addr = self.addr;
        (self, addr)
    }

    /// `None` where it is not installed. Of ports that are free, somebody else may take one first.
    fn start(configure: impl Fn(SocketAddr) -> String, command: &[&str]) -> Option<Proxy> {
        for _ in 0..20 {
            let (home, addr) = (tempfile::tempdir().expect("a directory"), free_address());
            fs::write(home.path().join("conf"), configure(addr)).expect("written");
            let mut child = Killed(run(home.path(), command)?);
            let since = Instant::now();
            while child.try_wait().expect("its state").is_none() {
                if TcpStream::connect(addr).is_ok() {
                    return Some(Proxy {
                        _child: child,
                        addr,
                        _home: home,
                    });
                }
                check_limit(since, command[0]);
            }
        }
        panic!("{command:?} does not start");
    }
}

fn run(home: &Path, command: &[&str]) -> Option<Child> {
    Command::new(command[0])
        .args(&command[1..])
        .current_dir(home)
        .env("HOME", home)
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

fn caddy(server: SocketAddr) -> Option<Proxy> {
    let configure = |addr: SocketAddr| {
        let block = block_of(PAGE, "caddy").replace("127.0.0.1:8080", &server.to_string());
        // Without a certificate, and without its remote control.
        let here = format!("http://:{} {{\n\tbind 127.0.0.1", addr.port());
        let here = block.replace("up.example.org {", &here);
        format!("{{\n\tadmin off\n}}\n{here}")
    };
    let command = ["caddy", "run", "--config", "conf", "--adapter", "caddyfile"];
    Proxy::start(configure, &command)
}

fn haproxy(server: SocketAddr) -> Option<Proxy> {
    let configure = |addr| {
        let block = block_of(PAGE, "haproxy").replace("127.0.0.1:8080", &server.to_string());
        block.replace(
            "bind :443 ssl crt /etc/haproxy/certificate.pem",
            &format!("bind {addr}"),
        )
    };
    // In the foreground.
    Proxy::start(configure, &["haproxy", "-db", "-f", "conf"])
}
