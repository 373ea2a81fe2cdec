//! Certificates, and a client that sends any bytes in any records.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, KeyPair};
use resumed::TlsOptions;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    SupportedProtocolVersion,
};

use crate::support::TIMEOUT;

/// A self-signed certificate, and its key.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pem {
    pub(crate) fn new() -> Pem {
        Pem::of(&["localhost", "127.0.0.1"])
    }

    pub(crate) fn of(names: &[&str]) -> Pem {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key }: CertifiedKey<KeyPair> =
            rcgen::generate_simple_self_signed(names).expect("a certificate");
        Pem {
            certificate: cert.pem(),
            key: signing_key.serialize_pem(),
        }
    }

    /// A certificate of an authority, which a server uses all the same.
    pub(crate) fn of_authority() -> Pem {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Pem {
            certificate: params.self_signed(&key).expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")
    }

    pub(crate) fn options(&self) -> TlsOptions {
        TlsOptions::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).expect("usable")
    }
}

/// Accepts any certificate: the tests look at it afterwards.
#[derive(Debug)]
struct AcceptAny;

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Returns the settings of a client that accepts any certificate.
pub(crate) fn config() -> ClientConfig {
    config_for(rustls::DEFAULT_VERSIONS)
}

pub(crate) fn config_for(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny))
        .with_no_client_auth()
}

/// One connection, record by record.
pub(crate) struct TlsClient {
    pub(crate) tls: ClientConnection,
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
    /// The head of the last answer.
    pub(crate) head: String,
}

impl TlsClient {
    /// Connects, and begins no handshake.
    pub(crate) fn begin(addr: SocketAddr, config: Arc<ClientConfig>) -> TlsClient {
        let stream = TcpStream::connect(addr).expect("the server accepts");
        stream.set_read_timeout(Some(TIMEOUT)).expect("set");
        stream.set_write_timeout(Some(TIMEOUT)).expect("set");
        stream.set_nodelay(true).expect("set");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsClient {
            tls: ClientConnection::new(config, name).expect("a client"),
            stream,
            unread: Vec::new(),
            head: String::new(),
        }
    }

    pub(crate) fn connect(addr: SocketAddr) -> TlsClient {
        TlsClient::with(addr, Arc::new(config())).expect("a handshake")
    }

    pub(crate) fn with(addr: SocketAddr, config: Arc<ClientConfig>) -> io::Result<TlsClient> {
        let mut client = TlsClient::begin(addr, config);
        client.shake_hands()?;
        Ok(client)
    }

    pub(crate) fn shake_hands(&mut self) -> io::Result<()> {
        while self.tls.is_handshaking() {
            self.tls.complete_io(&mut self.stream)?;
        }
        Ok(())
    }

    /// Returns the records of these bytes, without sending them.
    pub(crate) fn records(&mut self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let (mut rest, mut records) = (bytes.as_ref(), Vec::new());
        while !rest.is_empty() {
            let taken = self.tls.writer().write(rest).expect("a buffer");
            rest = &rest[taken..];
            while self.tls.wants_write() {
                self.tls.write_tls(&mut records).expect("a vector");
            }
        }
        records
    }

    /// Sends these bytes in as few records as possible.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let records = self.records(bytes);
        self.send_raw(&records);
    }

    /// Sends bytes below TLS.
    #[track_caller]
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the server takes what is sent");
    }

    /// Sends a request and reads the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> (u16, String) {
        self.send(request);
        self.answer()
    }

    /// Reads one final answer with a declared length: status and body.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> (u16, String) {
        self.try_answer().expect("a whole answer")
    }

    pub(crate) fn try_answer(&mut self) -> io::Result<(u16, String)> {
        loop {
            if let Some((head, body)) = answer(&self.unread) {
                self.unread.drain(..head.len() + body.len());
                let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
                self.head = head;
                match status.expect("a status") {
                    ..200 => continue,
                    status => return Ok((status, body)),
                }
            }
            if self.read_more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Waits for the end of the connection. Returns whether it was announced (close_notify).
    pub(crate) fn ends_with_close_notify(&mut self) -> bool {
        loop {
            match self.read_more() {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "it stays open");
                    return false;
                }
            }
        }
    }

    /// Returns the text that was received and is not part of an answer.
    pub(crate) fn received(&self) -> &str {
        std::str::from_utf8(&self.unread).expect("text")
    }

    fn read_more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let mut stream = rustls::Stream::new(&mut self.tls, &mut self.stream);
        let count = stream.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

/// Returns head and body of a whole answer.
fn answer(bytes: &[u8]) -> Option<(String, String)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (head, rest) = bytes.split_at(end);
    let head = String::from_utf8(head.to_vec()).expect("text");
    let (_, length) = head.split_once("Content-Length: ").unwrap_or(("", "0\r"));
    let digits = length.split('\r').next()?;
    let body = rest.get(..digits.parse::<usize>().expect("digits"))?;
    Some((head, String::from_utf8(body.to_vec()).expect("text")))
}
