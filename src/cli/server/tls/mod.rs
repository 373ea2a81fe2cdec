//! The flags of TLS, and the files of the certificate.

mod self_signed;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use resumed::{Config, Server, TlsError, TlsOptions};
use self_signed::{SelfSigned, Unwritten};

/// The flags of TLS.
#[derive(Default)]
pub(super) struct TlsFlags {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    is_self_signed: bool,
    with_hsts: bool,
    /// The names of `--host`, for the self-signed certificate.
    names: Vec<String>,
}

/// The certificate of the command line. SIGHUP reads it again.
pub(crate) enum Certificate {
    Files { certificate: PathBuf, key: PathBuf },
    SelfSigned(SelfSigned),
}

/// The certificate of a start.
pub(crate) struct Applied {
    fingerprint: [u8; 32],
    new: Option<Unwritten>,
}

impl TlsFlags {
    /// Sets a flag. `value` returns its text.
    pub(super) fn set<E>(
        &mut self,
        flag: &str,
        value: impl FnOnce() -> Result<String, E>,
    ) -> Result<(), E> {
        match flag {
            "tls-cert" => self.certificate = Some(value()?.into()),
            "tls-key" => self.key = Some(value()?.into()),
            "tls-self-signed" => self.is_self_signed = true,
            _ => self.with_hsts = true,
        }
        Ok(())
    }

    pub(super) fn add_name(&mut self, name: String) {
        self.names.push(name);
    }

    /// Returns the certificate, if there is one. Reads no file.
    pub(super) fn build(
        self,
        config: Config,
        dir: &Path,
    ) -> Result<(Config, Option<Certificate>), String> {
        let files = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some(Certificate::Files { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err("--tls-cert needs --tls-key FILE".to_owned()),
            (None, Some(_)) => return Err("--tls-key needs --tls-cert FILE".to_owned()),
        };
        if self.is_self_signed && files.is_some() {
            return Err("use either --tls-self-signed, or --tls-cert and --tls-key".to_owned());
        }
        match (files, self.with_hsts) {
            (None, true) => Err(HSTS_ALONE.to_owned()),
            (files @ Some(_), true) => Ok((config.hsts(true), files)),
            (None, false) if self.is_self_signed => {
                let made = SelfSigned::new(dir.to_owned(), self.names);
                Ok((config, Some(Certificate::SelfSigned(made))))
            }
            (files, false) => Ok((config, files)),
        }
    }
}

const HSTS_ALONE: &str =
    "--hsts needs a certificate that browsers trust: --tls-cert FILE and --tls-key FILE";

impl Certificate {
    /// Reads the certificate, or makes one, and sets it. Writes no file: the start may be refused.
    pub(crate) fn apply(&self, config: Config) -> Result<(Config, Applied), String> {
        let (options, new) = match self {
            Certificate::Files { certificate, key } => (read_files(certificate, key)?, None),
            Certificate::SelfSigned(made) => made.read_or_make()?,
        };
        let fingerprint = options.fingerprint();
        Ok((config.tls(options), Applied { fingerprint, new }))
    }

    /// Keeps a new certificate after the start. Returns its fingerprint.
    pub(crate) fn keep(&self, applied: Applied, server: &Server) -> Result<String, String> {
        match (self, applied.new) {
            (Certificate::SelfSigned(made), Some(new)) => {
                let kept = made.keep(&new)?;
                let fingerprint = colons(&kept.fingerprint());
                server.set_tls(kept);
                Ok(fingerprint)
            }
            _ => Ok(colons(&applied.fingerprint)),
        }
    }

    /// Reads the files again. The earlier certificate stays if they cannot be used.
    pub(crate) fn reload(&self, server: &Server) {
        match self.read() {
            Ok(options) => {
                let fingerprint = colons(&options.fingerprint());
                server.set_tls(options);
                log::info!("read the certificate again: new connections get {fingerprint}");
            }
            Err(error) => log::error!("{error}; the earlier certificate stays"),
        }
    }

    fn read(&self) -> Result<TlsOptions, String> {
        match self {
            Certificate::Files { certificate, key } => read_files(certificate, key),
            Certificate::SelfSigned(made) => made.read(),
        }
    }
}

fn read_files(certificate: &Path, key: &Path) -> Result<TlsOptions, String> {
    let read = |flag, path: &Path| {
        fs::read(path).map_err(|error| format!("cannot read {flag} {}: {error}", path.display()))
    };
    let (text, key_text) = (read("--tls-cert", certificate)?, read("--tls-key", key)?);
    TlsOptions::from_pem(&text, &key_text).map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        match error {
            TlsError::Certificate(_) => format!("cannot use --tls-cert {certificate}: {error}"),
            TlsError::Mismatch => {
                format!("cannot use --tls-cert {certificate} with --tls-key {key}: {error}")
            }
            _ => format!("cannot use --tls-key {key}: {error}"),
        }
    })
}

/// Returns a fingerprint as browsers and openssl show it.
fn colons(fingerprint: &[u8; 32]) -> String {
    let mut text = String::new();
    for (at, byte) in fingerprint.iter().enumerate() {
        let colon = if at == 0 { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}
