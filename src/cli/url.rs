//! Addresses of servers that people write in short.

use std::path::Path;

/// Returns `HOST:PORT` or `HOST:PORT/PATH` as a URL, if the operand is one and no file of this name exists.
pub(crate) fn with_scheme(operand: &str) -> Option<String> {
    let authority = operand.split('/').next()?;
    let (host, port) = authority.rsplit_once(':')?;
    let is_address = !host.is_empty() && host != "unix" && port.parse::<u16>().is_ok();
    (is_address && !Path::new(operand).exists()).then(|| format!("http://{operand}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_with_a_port_is_a_url() {
        for operand in ["pi:8080", "[::1]:80", "10.0.0.1:1/files/a"] {
            assert_eq!(with_scheme(operand), Some(format!("http://{operand}")));
        }
        for operand in [
            "pi", "", ":80", "pi:", "pi:x", "pi:99999", "a/b:80", "unix:80",
        ] {
            assert_eq!(with_scheme(operand), None, "{operand}");
        }
    }
}
