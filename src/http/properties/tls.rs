//! A connection with TLS, over a real pair of sockets.

use std::io::{self, ErrorKind, Read, Write};
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
    let (mut client, socket) = connect();
    let mut line = Line::new(socket);
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

/// Connects a client, without the handshake.
fn connect() -> (Client, Socket) {
    let (acceptor, config) = &*ENDS;
    let (stream, socket) = UnixStream::pair().expect("a pair of sockets");
    let session = acceptor.session().expect("a session");
    let name = ServerName::try_from("localhost").expect("a name");
    let client = Client {
        tls: ClientConnection::new(Arc::clone(config), name).expect("a client"),
        stream,
        answers: Vec::new(),
    };
    (client, Socket::new(Stream::Unix(socket), Some(session)))
}

struct Client {
    tls: ClientConnection,
    stream: UnixStream,
    answers: Vec<u8>,
}

impl Client {
    /// Sends and receives all that can be sent and received now. Fails after the end of the connection.
    fn exchange(&mut self) {
        while self.tls.wants_write() && self.tls.write_tls(&mut Quiet(&self.stream)).is_ok() {}
        while matches!(self.tls.read_tls(&mut self.stream), Ok(1..)) {
            self.tls.process_new_packets().expect("records");
            if let Err(error) = self.tls.reader().read_to_end(&mut self.answers) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
        }
    }
}

/// A stream without vectored writes. After the end of the connection those send SIGPIPE, which ends a fuzz target.
struct Quiet<'s>(&'s UnixStream);

impl Write for Quiet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of one write are the memory that a client takes who reads nothing.
    #[test]
    fn write_is_refused_while_64_kib_wait_for_the_socket() {
        const WRITE_BYTES: usize = 64 * 1024;
        let (mut client, mut socket) = connect();
        let mut room = vec![0; 256 * 1024];
        while client.tls.is_handshaking() || socket.is_handshaking() {
            client.exchange();
            if let Err(error) = socket.receive(&mut room, 1) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
        }
        let response = vec![b'x'; 1 << 20];
        let mut written = 0;
        let error = loop {
            match socket.write(&response) {
                Ok(count) => {
                    assert!(count <= WRITE_BYTES, "{count} bytes at once");
                    written += count;
                }
                Err(error) => break error,
            }
            assert!(written < 100 << 20, "nobody reads");
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(socket.has_unsent());
        while client.answers.len() < written {
            client.exchange();
            let _ = socket.flush();
        }
        assert_eq!(client.answers, vec![b'x'; written]);
    }
}
