//! TLS on the client's end: one certificate for all servers, one version and one cipher.

use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rcgen::{CertifiedKey, KeyPair};
use rustls::crypto::ring::{self, cipher_suite::TLS13_AES_256_GCM_SHA384};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A connection with TLS.
pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

struct Identity {
    certificate: String,
    der: CertificateDer<'static>,
    key: String,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let names = vec!["127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key }: CertifiedKey<KeyPair> =
        rcgen::generate_simple_self_signed(names).expect("a certificate");
    Identity {
        certificate: cert.pem(),
        der: cert.der().clone(),
        key: signing_key.serialize_pem(),
    }
});

static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![TLS13_AES_256_GCM_SHA384];
    let mut roots = RootCertStore::empty();
    roots.add(IDENTITY.der.clone()).expect("it is usable");
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("the cipher is one of this version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
});

/// Writes the certificate and its key into `dir`. Returns their paths.
pub(crate) fn write_identity(dir: &Path) -> io::Result<[PathBuf; 2]> {
    let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
    std::fs::write(&certificate, &IDENTITY.certificate)?;
    std::fs::write(&key, &IDENTITY.key)?;
    Ok([certificate, key])
}

/// Shakes hands with a server.
pub(crate) fn connect(mut stream: TcpStream) -> io::Result<Secure> {
    let name = ServerName::from(stream.peer_addr()?.ip());
    let mut client = ClientConnection::new(Arc::clone(&CLIENT), name).map_err(io::Error::other)?;
    while client.is_handshaking() {
        client.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(client, stream))
}
