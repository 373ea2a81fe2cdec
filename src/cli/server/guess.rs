//! Operands and values that people write in short or by mistake.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::cli::UsageError;
use crate::cli::text::printable;

/// The directory without an operand.
pub(super) const DIR_DEFAULT: &str = "uploads";

const PORT_DEFAULT: u16 = 8080;

/// Reads the directory. A bare word that is no directory is refused: it may be a mistyped command.
pub(super) fn directory(operand: OsString) -> Result<PathBuf, UsageError> {
    let path = PathBuf::from(operand);
    let shown = printable(&path.to_string_lossy());
    if is_url(&shown) {
        return Err(UsageError(SEND.into()));
    }
    if path.is_file() {
        return Err(UsageError(format!(
            "{shown} is a file, no directory; {SEND}"
        )));
    }
    let is_bare = !path.as_os_str().as_encoded_bytes().contains(&b'/');
    if is_bare && path != Path::new(DIR_DEFAULT) && !path.is_dir() {
        return Err(UsageError(format!(
            "there is no command and no directory {shown:?}: write ./{shown} for a new directory, or see resumed --help"
        )));
    }
    Ok(path)
}

/// Returns the error for an operand after the directory.
pub(super) fn second_operand(operand: &OsString) -> UsageError {
    let shown = printable(&operand.to_string_lossy());
    UsageError(format!(
        "one directory is enough, and {shown:?} is the second; {SEND}"
    ))
}

const SEND: &str = "to send files, write resumed put FILE... URL";

/// Completes the value of `--listen`: `8080` is a port of this machine only. The library reads `:8080` as a port of all its
/// addresses.
pub(super) fn listen(value: &str) -> Result<String, UsageError> {
    if is_url(value) {
        return Err(UsageError(
            "--listen takes HOST:PORT without http://; for HTTPS see --tls-self-signed".into(),
        ));
    }
    if value.starts_with("unix:") {
        return Ok(value.to_owned());
    }
    if is_number(value) {
        return Ok(format!("127.0.0.1:{value}"));
    }
    if let Ok(ip) = value.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, PORT_DEFAULT).to_string());
    }
    match value.contains([':', '/']) || value.is_empty() {
        true => Ok(value.to_owned()),
        false => Ok(format!("{value}:{PORT_DEFAULT}")),
    }
}

/// Refuses an address on which people want to listen.
pub(super) fn host(value: &str) -> Result<(), UsageError> {
    match value.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Err(UsageError(format!(
            "--host is a name of this server; to listen on {value}, write --listen {}",
            SocketAddr::new(ip, PORT_DEFAULT)
        ))),
        _ => Ok(()),
    }
}

/// Returns the error for a flag that does not exist. `value` is the next argument.
pub(super) fn unknown(flag: &str, value: Option<&str>) -> UsageError {
    let instead = match flag {
        "-p" | "--port" => {
            let port = value.filter(|port| is_number(port)).unwrap_or("8080");
            format!(
                "write --listen {port}, or --listen :{port} for other machines, with --user-file"
            )
        }
        "-b" | "--bind" | "--address" => "write --listen HOST:PORT".to_owned(),
        "-d" | "--dir" | "--directory" => "write the directory alone: resumed DIR".to_owned(),
        _ => "see --help".to_owned(),
    };
    UsageError(format!("there is no {}; {instead}", printable(flag)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_addresses_get_host_and_port() {
        for (value, expected) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", ":8080"),
            ("0.0.0.0", "0.0.0.0:8080"),
            ("::", "[::]:8080"),
            ("[::1]", "[::1]:8080"),
            ("pi", "pi:8080"),
            ("pi:80", "pi:80"),
            ("[::]:80", "[::]:80"),
            ("unix:/run/8080", "unix:/run/8080"),
            (":", ":"),
            ("", ""),
        ] {
            assert_eq!(listen(value).ok().as_deref(), Some(expected), "{value:?}");
        }
        assert!(listen("http://pi:8080").is_err());
    }
}
