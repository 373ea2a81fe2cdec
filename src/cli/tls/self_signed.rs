//! A certificate of our own, kept beside the uploads.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd,
};
use resumed::TlsOptions;
use rustix::process::geteuid;

use crate::cli::greeting;

/// The directory of the state of the server, in the upload directory.
const STATE: &str = ".resumed";
/// Certificate and key.
const FILE: &str = "tls.pem";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The most that Apple's systems accept.
const VALID_DAYS: u32 = 825;

/// Reads the certificate of this directory. Without one makes it, with these names and those of the machine.
pub(super) fn read_or_make(dir: &Path, names: &[String]) -> Result<TlsOptions, String> {
    let state = dir.join(STATE);
    let path = state.join(FILE);
    let failed = |done: &str, error: &dyn std::fmt::Display| {
        format!("cannot {done} {}: {error}", path.display())
    };
    make_state(dir, &state).map_err(|error| failed("create", &error))?;
    if !path.exists() {
        let text = make(names).map_err(|error| failed("make the certificate", &error))?;
        write(&path, &text).map_err(|error| failed("write", &error))?;
        log::info!("made a certificate: {}", path.display());
    }
    let text = fs::read(&path).map_err(|error| failed("read", &error))?;
    TlsOptions::from_pem(&text, &text)
        .map_err(|error| failed("use", &error) + "; remove the file to get another one")
}

/// Creates the directory of the state, as the server does later. A key is not written into a directory of another user.
fn make_state(dir: &Path, state: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    match DirBuilder::new().mode(0o700).create(state) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let about = fs::symlink_metadata(state)?;
    if !about.is_dir() || about.uid() != geteuid().as_raw() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, NOT_OURS));
    }
    Ok(())
}

const NOT_OURS: &str = "the directory belongs to another user, or is a link";

/// Writes the file whole and durably, or not at all.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.new", process::id()));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// Returns a certificate and its key, as PEM.
fn make(names: &[String]) -> Result<String, rcgen::Error> {
    let node = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    all.extend(greeting::own_addresses().map(|address| address.to_string()));
    all.extend([node.clone(), format!("{node}.local")]);
    all.extend(names.iter().cloned());
    all.sort();
    all.dedup();
    let mut params = CertificateParams::new(all)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = date_time_ymd(1970, 1, 1) + now.unwrap_or_default();
    // The clock of a client may be slow.
    params.not_before = now - DAY;
    params.not_after = now + (VALID_DAYS - 1) * DAY;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, node);
    let key = KeyPair::generate()?;
    Ok(params.self_signed(&key)?.pem() + &key.serialize_pem())
}
