//! The host names of this server.
//!
//! DNS rebinding: a page of the internet points its own name at an address of the home network, and the browser lets
//! it read the responses. `Host` then has that name, so the server refuses names other than its own.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::http::{Head, Problem, Response};

/// The accepted names, besides addresses, `localhost` and `*.local`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Hosts {
        Hosts {
            names: names
                .into_iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        }
    }

    /// Refuses a foreign name. A request without `Host` (HTTP/1.0) passes: it comes from no browser.
    pub(crate) fn check(&self, head: &Head) -> Result<(), Response> {
        head.host().map_or(Ok(()), |host| self.check_name(host))
    }

    /// Does the same for a name that a proxy forwards.
    pub(crate) fn check_name(&self, host: &str) -> Result<(), Response> {
        if self.is_own(host) {
            return Ok(());
        }
        Err(Problem::WrongHost.response(421).text(format!(
            "{host} is not a name of this server; use its IP address, or let its owner add the name\n"
        )))
    }

    fn is_own(&self, host: &str) -> bool {
        let name = without_port(host)
            .trim_end_matches('.')
            .to_ascii_lowercase();
        is_address(&name)
            || name == "localhost"
            || name.ends_with(".localhost")
            || name.ends_with(".local")
            || self.names.contains(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_address(name: &str) -> bool {
    let v6 = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    name.parse::<Ipv4Addr>().is_ok() || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_and_addresses_are_accepted() {
        let hosts = Hosts::new(["Pi".to_owned(), "files.example.org".to_owned()]);
        for own in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:1",
            "pi",
            "pi:8080",
            "pi.local",
            "files.example.org",
            "files.example.org.:80",
            "a.localhost",
        ] {
            assert!(hosts.is_own(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "local",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "::1",
        ] {
            assert!(!hosts.is_own(foreign), "{foreign}");
        }
    }
}
