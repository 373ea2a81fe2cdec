//! The servers that transcripts run against. A new front starts a server and returns its address.

mod command;
#[cfg(feature = "tiny_http")]
mod tiny_http;

use std::{any::Any, net::SocketAddr, path::Path};

use resumed::{Config, store::OnConflict};

pub(super) use command::Command;
#[cfg(feature = "tiny_http")]
pub(super) use tiny_http::TinyHttp;

pub(super) trait Front {
    /// Starts a server over this directory. The flags are those of the command.
    fn start(&self, flags: &[String], dir: &Path) -> Running;
}

/// A server that runs until this is dropped.
pub(super) struct Running {
    pub(super) addr: SocketAddr,
    pub(super) _server: Box<dyn Any>,
}

/// The setter that does what the flag does: `Config` and `Options` have the same ones.
macro_rules! set {
    ($config:expr, $flag:expr, $value:expr) => {
        match $flag {
            "--max-size" => $config.max_size($value.parse().expect("bytes")),
            "--expire" => {
                let hours: u64 = $value.trim_end_matches('h').parse().expect("hours");
                $config.expire(std::time::Duration::from_secs(hours * 3600))
            }
            "--min-free" => $config.min_free($value.parse().expect("bytes")),
            "--max-partials" => $config.max_partials($value.parse().expect("a number")),
            "--max-partials-per-user" => {
                $config.max_partials_per_user($value.parse().expect("a number"))
            }
            "--quota" => $config.quota($value.parse().expect("bytes")),
            "--on-conflict" if $value == "replace" => $config.on_conflict(OnConflict::Replace),
            "--allow-origin" => $config.allow_origin($value),
            "--host" => $config.host($value),
            "--public-url" => $config.public_url($value),
            "--sha256" => $config.sha256(true),
            "--trust-proxy" => $config.trust_proxy(true),
            "--no-interim" => $config.no_interim(true),
            "--failed-logins" => $config.failed_logins($value.parse().expect("a number")),
            "--user" => {
                let (name, password) = $value.split_once(':').expect("NAME:PASSWORD");
                $config.user(name, password)
            }
            flag => panic!("no setter is known for {flag} {}", $value),
        }
    };
}
#[cfg(feature = "tiny_http")]
use set;

/// The server inside this process, ended in good order.
pub(super) struct Library;

impl Front for Library {
    fn start(&self, flags: &[String], dir: &Path) -> Running {
        let config = Config::new(dir).listen("127.0.0.1:0");
        let config = pairs(flags).fold(config, |config, (flag, value)| set!(config, flag, value));
        let server = resumed::start(config).expect("the server starts");
        let addr = server.addr().tcp().expect("it listens on a port");
        Running {
            addr,
            _server: Box::new(server),
        }
    }
}

/// Flags with their values; an empty one, where a flag has none.
fn pairs(flags: &[String]) -> impl Iterator<Item = (&str, &str)> {
    let words = flags.chunk_by(|_, next| !next.starts_with("--"));
    words.map(|words| match words {
        [flag] => (flag.as_str(), ""),
        [flag, value] => (flag.as_str(), value.as_str()),
        _ => panic!("a flag has one value: {words:?}"),
    })
}
