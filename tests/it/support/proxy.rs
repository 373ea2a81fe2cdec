//! Behind a real nginx: with the configuration of docs/proxy.md, and with nginx's defaults.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

use tempfile::TempDir;

use crate::ops::readme;
use crate::support::limit::{LIMIT, check_limit, end_within, fail};

/// An nginx of its own in front of a server. Stopped when dropped.
pub(crate) struct Nginx {
    child: Child,
    addr: SocketAddr,
    home: TempDir,
}

/// The default configuration of nginx.
pub(crate) const DEFAULTS: &str = "location / { proxy_pass http://127.0.0.1:8080; }";

/// Returns the nginx configuration of docs/proxy.md.
pub(crate) fn as_documented() -> &'static str {
    readme::block_of(include_str!("../../../docs/proxy.md"), "nginx")
}

impl Nginx {
    pub(crate) fn before(server: SocketAddr, location: &str) -> Nginx {
        Nginx::with_upstream(server, "", location)
    }

    /// With something said about the servers behind it, which a location cannot say.
    pub(crate) fn with_upstream(server: SocketAddr, upstream: &str, location: &str) -> Nginx {
        let here = |text: &str| text.replace("127.0.0.1:8080", &server.to_string());
        Nginx::with(&here(upstream), &here(location))
    }

    /// With this for its locations, and nothing behind it.
    pub(crate) fn start(location: &str) -> Nginx {
        Nginx::with("", location)
    }

    pub(crate) fn with(upstream: &str, location: &str) -> Nginx {
        let home = tempfile::tempdir().expect("a temporary directory");
        for _ in 0..20 {
            let addr = free_address();
            fs::write(
                home.path().join("conf"),
                configuration(home.path(), addr, upstream, location),
            )
            .expect("written");
            if let Some(child) = started(home.path(), addr) {
                return Nginx { child, addr, home };
            }
        }
        panic!("nginx does not start");
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Cuts every line, and is not there until it is back.
    pub(crate) fn end(&mut self) {
        // SIGTERM: it takes its workers with it.
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
        if let Err(message) = end_within(LIMIT, &mut self.child) {
            fail(&message);
        }
    }

    /// Under the same address as before.
    pub(crate) fn come_back(&mut self) {
        self.child = started(self.home.path(), self.addr).expect("its port is free");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns a free port: nginx cannot choose one.
pub(crate) fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}

/// It listens, or has ended because somebody else took the port.
fn started(home: &Path, addr: SocketAddr) -> Option<Child> {
    let mut child = Command::new("nginx")
        .arg("-e")
        .arg(home.join("error.log"))
        .arg("-c")
        .arg(home.join("conf"))
        .spawn()
        .expect("nginx runs");
    let since = Instant::now();
    while child.try_wait().expect("its state").is_none() {
        if TcpStream::connect(addr).is_ok() {
            return Some(child);
        }
        check_limit(since, "nginx listens");
    }
    None
}

fn configuration(home: &Path, addr: SocketAddr, upstream: &str, location: &str) -> String {
    let home = home.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary
        .map(|name| format!("{name}_temp_path {home}/{name};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\nuser root;\npid {home}/pid;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}\n{upstream}\nserver {{\nlisten {addr};\n{location}\n}}\n}}\n"
    )
}
