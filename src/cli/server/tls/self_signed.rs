//! The self-signed certificate, kept beside the uploads.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd,
};
use resumed::TlsOptions;
use rustix::process::geteuid;

use crate::cli::server::own_addresses::own_addresses;

/// The directory of the state of the server, in the upload directory.
const STATE: &str = ".resumed";
/// Certificate and key.
const FILE: &str = "tls.pem";
/// The begin of the line before the certificate. The expiry follows, in seconds since 1970.
const EXPIRES: &str = "expires: ";

const DAY_SECS: u64 = 24 * 60 * 60;
const DAY: Duration = Duration::from_secs(DAY_SECS);
/// The most that Apple's systems accept.
const VALID_DAYS: u32 = 825;
/// An earlier clock is wrong: 1 January 2026. A machine without a battery for its clock starts in 1970, and its certificate
/// must be valid after the clock is set.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
/// The time before the expiry in which each start warns.
const WARN_DAYS: u64 = 30;

/// The place of the certificate, and the names of `--host` for a new one.
pub(crate) struct SelfSigned {
    dir: PathBuf,
    hosts: Vec<String>,
}

/// A new certificate, which no file has yet.
pub(super) struct Unwritten {
    text: String,
    options: TlsOptions,
    /// The kept certificate has expired.
    replaces: bool,
}

/// The certificate of the file.
struct Kept {
    options: TlsOptions,
    expires: Option<u64>,
}

impl SelfSigned {
    pub(super) fn new(dir: PathBuf, hosts: Vec<String>) -> SelfSigned {
        SelfSigned { dir, hosts }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(STATE).join(FILE)
    }

    /// Reads the certificate. Without one, or with an expired one, makes another. Writes nothing: the start may be refused.
    pub(super) fn read_or_make(&self) -> Result<(TlsOptions, Option<Unwritten>), String> {
        let kept = self.find()?;
        let replaces = kept.is_some();
        if let Some(kept) = kept {
            if !kept.has_expired() {
                kept.warn();
                return Ok((kept.options, None));
            }
        }
        let text = make(&self.hosts).map_err(|error| self.failed("make", &error))?;
        let options = parse(&text).map_err(|error| self.failed("make", &error))?;
        let new = Unwritten {
            text,
            options: options.clone(),
            replaces,
        };
        Ok((options, Some(new)))
    }

    /// Reads the certificate, and makes none.
    pub(super) fn read(&self) -> Result<TlsOptions, String> {
        let missing = || self.failed("read", &io::Error::from(ErrorKind::NotFound));
        let kept = self.find()?.ok_or_else(missing)?;
        kept.warn();
        Ok(kept.options)
    }

    /// Keeps a new certificate. Returns the one of the file: another process may have written it first.
    pub(super) fn keep(&self, new: &Unwritten) -> Result<TlsOptions, String> {
        let path = self.path();
        check_owner(&self.dir.join(STATE)).map_err(|error| self.failed("write", &error))?;
        write(&path, new).map_err(|error| self.failed("write", &error))?;
        match new.replaces {
            true => log::warn!(
                "the certificate had expired: made another one, with another fingerprint: {}",
                path.display()
            ),
            false => log::info!("made a certificate: {}", path.display()),
        }
        self.read()
    }

    fn find(&self) -> Result<Option<Kept>, String> {
        let read = || match check_owner(&self.dir.join(STATE)) {
            Ok(()) => fs::read(self.path()),
            Err(error) => Err(error),
        };
        let text = match read() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", &error)),
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        };
        let options = parse(&text)
            .map_err(|error| self.failed("use", &error) + "; remove the file to get another one")?;
        let expires = text.lines().find_map(|line| line.strip_prefix(EXPIRES));
        let expires = expires.and_then(|secs| secs.trim().parse().ok());
        Ok(Some(Kept { options, expires }))
    }

    fn failed(&self, done: &str, error: &dyn Display) -> String {
        format!(
            "cannot {done} the certificate {}: {error}",
            self.path().display()
        )
    }
}

impl Kept {
    fn has_expired(&self) -> bool {
        self.expires.is_some_and(|at| at <= now().as_secs())
    }

    /// Warns of a certificate that is near its end.
    fn warn(&self) {
        let Some(expires) = self.expires else {
            return;
        };
        let left = expires.saturating_sub(now().as_secs()) / DAY_SECS;
        if left <= WARN_DAYS {
            log::warn!(
                "the certificate expires in {left} days; the first start after that makes another one, with another \
                 fingerprint"
            );
        }
    }
}

/// Returns the time since 1970, as far as the clock can be right.
fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .max(EARLIEST)
}

fn parse(text: &str) -> Result<TlsOptions, resumed::TlsError> {
    TlsOptions::from_pem(text.as_bytes(), text.as_bytes())
}

/// Refuses the directory of another user: that user could read the key.
fn check_owner(state: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(state)?;
    if !about.is_dir() || about.uid() != geteuid().as_raw() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, NOT_OURS));
    }
    Ok(())
}

const NOT_OURS: &str = "the directory belongs to another user, or is a link";

/// Writes the file whole and durably, or not at all. A file that another process has written first stays.
fn write(path: &Path, new: &Unwritten) -> io::Result<()> {
    // Processes of other machines may share the directory: the name differs for each certificate.
    let unique = new.options.fingerprint()[..8]
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let temporary = path.with_extension(format!("{unique:016x}.new"));
    let put = put_in_place(path, &temporary, new);
    // After a rename it is gone.
    let _ = fs::remove_file(&temporary);
    put?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

fn put_in_place(path: &Path, temporary: &Path, new: &Unwritten) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(temporary)?;
    file.write_all(new.text.as_bytes())?;
    file.sync_all()?;
    if new.replaces {
        return fs::rename(temporary, path);
    }
    match fs::hard_link(temporary, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // Some file systems have no links.
        Err(_) if !path.exists() => fs::rename(temporary, path),
        linked => linked,
    }
}

/// Returns a certificate and its key, as PEM, behind a line with the expiry.
fn make(hosts: &[String]) -> Result<String, rcgen::Error> {
    let node = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let mut params = CertificateParams::new(names(&node, hosts))?;
    let now = now();
    let expires = now + (VALID_DAYS - 1) * DAY;
    // The clock of a client may be slow.
    params.not_before = date_time_ymd(1970, 1, 1) + now - DAY;
    params.not_after = date_time_ymd(1970, 1, 1) + expires;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, node);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.pem();
    let expires = expires.as_secs();
    Ok(format!(
        "{EXPIRES}{expires}\n{certificate}{}",
        key.serialize_pem()
    ))
}

/// Returns the names and addresses of the certificate. A name in a certificate is ASCII.
fn names(node: &str, hosts: &[String]) -> Vec<String> {
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    all.extend(own_addresses().iter().map(IpAddr::to_string));
    all.extend([node.to_owned(), format!("{node}.local")]);
    all.extend(hosts.iter().cloned());
    all.retain(|name| {
        if !name.is_ascii() {
            log::warn!("the certificate leaves out the name {name}: it is not ASCII");
        }
        name.is_ascii()
    });
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_ascii_are_left_out() {
        let all = names("사진", &["pi.example".to_owned(), "사진.local".to_owned()]);
        assert!(all.contains(&"pi.example".to_owned()));
        assert!(all.iter().all(|name| name.is_ascii()), "{all:?}");
        assert!(make(&["사진.local".to_owned()]).is_ok());
    }
}
