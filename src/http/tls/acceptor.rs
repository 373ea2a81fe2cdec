//! The certificate of the server, and sessions with it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use sha2::{Digest, Sha256};

use super::session::Session;

/// The only protocol of the server (RFC 7301).
const HTTP: &[u8] = b"http/1.1";

/// A certificate and its key, for TLS 1.2 and 1.3.
///
/// Early data (0-RTT) is off: an attacker can repeat it. Clients without one of the curves and ciphers of rustls are refused.
#[derive(Clone)]
pub struct TlsOptions {
    config: Arc<ServerConfig>,
    fingerprint: [u8; 32],
}

impl TlsOptions {
    /// Reads a certificate, with the intermediate ones behind it, and its private key (PKCS#8, PKCS#1 or SEC1).
    ///
    /// # Errors
    ///
    /// [`TlsError`], if one of the texts is no PEM of that kind, or the key is not that of the certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<TlsOptions, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| TlsError::Certificate(error.into()))?;
        if chain.is_empty() {
            return Err(TlsError::Certificate(pem::Error::NoItemsFound.into()));
        }
        let fingerprint = Sha256::digest(&chain[0]).into();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound if is_encrypted(key) => TlsError::Encrypted,
            error => TlsError::Key(error.into()),
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Key(error.into()))?;
        let mut config = builder
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
                rustls::Error::InvalidCertificate(_) => TlsError::Certificate(error.into()),
                error => TlsError::Key(error.into()),
            })?;
        config.alpn_protocols = vec![HTTP.to_vec()];
        Ok(TlsOptions {
            config: Arc::new(config),
            fingerprint,
        })
    }

    /// Returns the SHA-256 of the certificate: clients and browsers show it as its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

fn is_encrypted(key: &[u8]) -> bool {
    let text = String::from_utf8_lossy(key);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions").finish_non_exhaustive()
    }
}

/// The reason for which a certificate and a key cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The text has no certificate in PEM form, or one that cannot be read.
    Certificate(Box<dyn Error + Send + Sync>),
    /// The text has no private key in PEM form, or one of an unknown kind.
    Key(Box<dyn Error + Send + Sync>),
    /// The key has a passphrase.
    Encrypted,
    /// The key is not that of the certificate.
    Mismatch,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Certificate(error) => {
                write!(
                    f,
                    "no readable certificate (-----BEGIN CERTIFICATE-----): {error}"
                )
            }
            TlsError::Key(error) => {
                write!(
                    f,
                    "no readable private key (-----BEGIN PRIVATE KEY-----): {error}"
                )
            }
            TlsError::Encrypted => f.write_str(
                "the private key has a passphrase; remove it: openssl pkey -in FILE -out NEW",
            ),
            TlsError::Mismatch => f.write_str("the private key is not that of the certificate"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TlsError::Certificate(error) | TlsError::Key(error) => Some(&**error),
            TlsError::Encrypted | TlsError::Mismatch => None,
        }
    }
}

/// Makes the sessions of new connections.
pub(crate) struct Acceptor {
    options: RwLock<TlsOptions>,
}

impl Acceptor {
    pub(crate) fn new(options: TlsOptions) -> Acceptor {
        Acceptor {
            options: RwLock::new(options),
        }
    }

    /// Replaces the certificate of later connections.
    pub(crate) fn set(&self, options: TlsOptions) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = options;
    }

    pub(crate) fn session(&self) -> io::Result<Box<Session>> {
        let options = self.options.read().unwrap_or_else(PoisonError::into_inner);
        let config = Arc::clone(&options.config);
        drop(options);
        Session::new(config).map(Box::new)
    }
}
