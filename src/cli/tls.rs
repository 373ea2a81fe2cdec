//! The flags of TLS, and the files of the certificate.

use std::fs;
use std::path::{Path, PathBuf};

use resumed::{Config, Server, TlsError, TlsOptions};

/// The flags of TLS.
#[derive(Default)]
pub(super) struct TlsFlags {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    with_hsts: bool,
}

/// The certificate of the command line. SIGHUP reads it again.
pub(crate) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
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
            _ => self.with_hsts = true,
        }
        Ok(())
    }

    /// Returns the certificate, if there is one. Reads no file.
    pub(super) fn build(self, config: Config) -> Result<(Config, Option<Certificate>), String> {
        let certificate = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some(Certificate { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err("--tls-cert needs --tls-key FILE".to_owned()),
            (None, Some(_)) => return Err("--tls-key needs --tls-cert FILE".to_owned()),
        };
        match (&certificate, self.with_hsts) {
            (None, true) => Err(HSTS_ALONE.to_owned()),
            (_, true) => Ok((config.hsts(), certificate)),
            (_, false) => Ok((config, certificate)),
        }
    }
}

const HSTS_ALONE: &str =
    "--hsts needs a certificate that browsers trust: --tls-cert FILE and --tls-key FILE";

impl Certificate {
    /// Reads the files, and sets the certificate.
    pub(crate) fn apply(&self, config: Config) -> Result<Config, String> {
        Ok(config.tls(self.read()?))
    }

    /// Reads the files again. The earlier certificate stays if they cannot be used.
    pub(crate) fn reload(&self, server: &Server) {
        match self.read() {
            Ok(options) => {
                server.set_tls(options);
                let path = self.certificate.display();
                log::info!("read {path} again: new connections get this certificate");
            }
            Err(error) => log::error!("{error}; the earlier certificate stays"),
        }
    }

    fn read(&self) -> Result<TlsOptions, String> {
        let certificate = read("--tls-cert", &self.certificate)?;
        let key = read("--tls-key", &self.key)?;
        TlsOptions::from_pem(&certificate, &key).map_err(|error| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            match error {
                TlsError::Certificate(_) => format!("cannot use --tls-cert {certificate}: {error}"),
                TlsError::Mismatch => {
                    format!("cannot use --tls-cert {certificate} with --tls-key {key}: {error}")
                }
                _ => format!("cannot use --tls-key {key}: {error}"),
            }
        })
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {flag} {}: {error}", path.display()))
}
