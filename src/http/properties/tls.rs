//! A connection with TLS, over a real pair of sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, LazyLock};

use mio::net::UnixStream;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::connection::{Line, Outcome};
use crate::http::socket::Socket;
use crate::http::stream::Stream;
use crate::http::tls::{Acceptor, TlsOptions};

/// The server, and a client that trusts it.
static ENDS: LazyLock<(Acceptor, Arc<ClientConfig>)> = LazyLock::new(|| {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (chain, key) = (cert.pem(), signing_key.serialize_pem());
    let options = TlsOptions::from_pem(chain.as_bytes(), key.as_bytes()).expect("usable");
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("usable");
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Acceptor::new(options), Arc::new(client))
});

/// Sends each piece in records of its own, and then the end of the stream.
pub(super) fn converse(pieces: &[&[u8]]) -> Outcome {
    let (acceptor, config) = &*ENDS;
    let (stream, socket) = UnixStream::pair().expect("a pair of sockets");
    let session = acceptor.session().expect("a session");
    let mut line = Line::new(Socket::new(Stream::Unix(socket), Some(session)));
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = Client {
        tls: ClientConnection::new(Arc::clone(config), name).expect("a client"),
        stream,
        answers: Vec::new(),
    };
    while client.tls.is_handshaking() {
        client.exchange();
        line.turn();
    }
    for piece in pieces {
        client.tls.writer().write_all(piece).expect("a buffer");
        client.exchange();
        line.turn();
        client.exchange();
    }
    client.tls.send_close_notify();
    client.exchange();
    let _ = client.stream.shutdown(Shutdown::Write);
    line.turn();
    client.exchange();
    line.end(client.answers)
}

struct Client {
    tls: ClientConnection,
    stream: UnixStream,
    answers: Vec<u8>,
}

impl Client {
    /// Sends and receives all that can be sent and received now. Fails after the end of the connection.
    fn exchange(&mut self) {
        while self.tls.wants_write() && self.tls.write_tls(&mut self.stream).is_ok() {}
        while matches!(self.tls.read_tls(&mut self.stream), Ok(1..)) {
            self.tls.process_new_packets().expect("records");
            if let Err(error) = self.tls.reader().read_to_end(&mut self.answers) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
        }
    }
}
