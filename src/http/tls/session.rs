//! One TLS session: records in, records out, over a stream that never waits.
//!
//! The read buffer of the worker takes the records, and the decrypted bytes move to its front. A parked session owns the
//! keys, the bytes of an unfinished record (none at the end of a record), and records that the socket has not taken.

use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};

use crate::http::stream::Stream;

/// The most data in a record.
const RECORD_DATA: usize = 16 * 1024;

/// The longest record, with its header (RFC 5246, section 6.2.3).
pub(crate) const RECORD_BYTES: usize = 5 + RECORD_DATA + 2048;

/// The bytes that one write encrypts: the records of one write of the socket.
const WRITE_BYTES: usize = 64 * 1024;

/// Limit on consecutive full reads without data: a hostile client sends empty records.
const EMPTY_READS_MAX: usize = 4;

/// The type of a handshake record, the first byte of each TLS stream.
const HANDSHAKE: u8 = 22;

/// Limit on records after a failure: the rest of an interrupted flight, and the alert.
const RECORDS_WITH_ALERT: usize = 8;

pub(crate) struct Session {
    connection: UnbufferedServerConnection,
    /// Received bytes that are no whole record, or no whole handshake message.
    partial: Box<[u8]>,
    /// Encrypted records that the socket has not taken.
    unsent: Vec<u8>,
    first_byte: Option<u8>,
    /// No further record is opened.
    end: Option<End>,
}

enum End {
    /// The client has sent a close_notify.
    Announced,
    Failed(rustls::Error),
}

impl End {
    fn received(&self) -> io::Result<usize> {
        match self {
            End::Announced => Ok(0),
            End::Failed(error) => Err(invalid(error.clone())),
        }
    }
}

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> io::Result<Session> {
        Ok(Session {
            connection: UnbufferedServerConnection::new(config).map_err(invalid)?,
            partial: Box::default(),
            unsent: Vec::new(),
            first_byte: None,
            end: None,
        })
    }

    /// Reads records of about `most` bytes, and puts their data to the beginning of `room`.
    ///
    /// Afterwards the session has no decrypted bytes and no whole record: a wait for the socket is a wait for new bytes. The
    /// end of a stream without a close_notify is an error.
    pub(crate) fn receive(
        &mut self,
        stream: &mut Stream,
        room: &mut [u8],
        most: u64,
    ) -> io::Result<usize> {
        if let Some(end) = &self.end {
            return end.received();
        }
        self.send(stream)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let end = most.saturating_add(2 * RECORD_BYTES).min(room.len());
        for _ in 0..EMPTY_READS_MAX {
            // Records start `RECORD_BYTES` into the room. Decrypted data at the front then never overwrites an unopened record.
            let begin = RECORD_BYTES + self.partial.len();
            let unfilled = room.get_mut(begin..end).unwrap_or_default();
            let count = stream.read(unfilled)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let is_full = begin + count == end;
            room[RECORD_BYTES..begin].copy_from_slice(&self.partial);
            self.check_first(room[RECORD_BYTES])?;
            let bytes = self.open(&mut room[..begin + count])?;
            self.send(stream)?;
            if bytes > 0 {
                // A second read returns the end, if there is one.
                return Ok(bytes);
            }
            match &self.end {
                Some(end) => return end.received(),
                None if is_full => {}
                None => return Err(io::ErrorKind::WouldBlock.into()),
            }
        }
        Err(invalid("too many records without data"))
    }

    /// Decrypts the whole records behind the gap, and keeps the rest. Returns the number of bytes at the front.
    fn open(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (mut opened, mut begin) = (0, RECORD_BYTES);
        let rest = loop {
            let (front, records) = room.split_at_mut(begin);
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(records);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        let after = opened + record.payload.len();
                        front[opened..after].copy_from_slice(record.payload);
                        opened = after;
                        discard += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(record)) => encode(&mut self.unsent, record)?,
                Ok(ConnectionState::TransmitTlsData(records)) => records.done(),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.end = Some(End::Announced);
                    break room.len();
                }
                Ok(_) => break begin + discard,
                Err(error) => {
                    self.encode_alert(&error, &mut records[discard..])?;
                    self.end = Some(End::Failed(error));
                    break room.len();
                }
            }
            begin += discard;
        };
        // Only the messages of a handshake are longer than a record.
        if room.len() - rest > RECORD_BYTES && !self.is_handshaking() {
            return Err(invalid(
                "a message after the handshake is longer than a record",
            ));
        }
        self.partial = room[rest..].into();
        Ok(opened)
    }

    /// Encrypts at most `WRITE_BYTES`, and sends the records that the socket takes. The next call or `flush` sends the rest.
    pub(crate) fn write(&mut self, stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        self.flush(stream)?;
        let bytes = &bytes[..bytes.len().min(WRITE_BYTES)];
        let encrypted = (bytes.len() / RECORD_DATA + 1) * RECORD_BYTES;
        self.encrypt(encrypted, |traffic, room| traffic.encrypt(bytes, room))?;
        self.send(stream)?;
        Ok(bytes.len())
    }

    /// Sends all encrypted records.
    pub(crate) fn flush(&mut self, stream: &mut Stream) -> io::Result<()> {
        self.send(stream)?;
        match self.has_unsent() {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }

    /// Sends the last record (close_notify), unless the socket is full.
    pub(crate) fn finish_writing(&mut self, stream: &mut Stream) -> io::Result<()> {
        self.encrypt(RECORD_BYTES, |traffic, room| {
            traffic.queue_close_notify(room)
        })?;
        self.send(stream)
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(crate) fn partial_bytes(&self) -> usize {
        self.partial.len()
    }

    /// Returns whether the first byte was that of an HTTP method.
    pub(crate) fn is_plain_http(&self) -> bool {
        self.first_byte
            .is_some_and(|byte| byte.is_ascii_uppercase())
    }

    fn check_first(&mut self, byte: u8) -> io::Result<()> {
        match *self.first_byte.get_or_insert(byte) {
            HANDSHAKE => Ok(()),
            _ => Err(invalid("the first byte is not that of a TLS handshake")),
        }
    }

    /// Sends as many encrypted records as the socket takes.
    fn send(&mut self, stream: &mut Stream) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match stream.write(&self.unsent[sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // A parked session keeps no buffer.
        self.unsent.drain(..sent);
        self.unsent.shrink_to_fit();
        Ok(())
    }

    /// Appends records of at most `most` bytes to the unsent ones.
    fn encrypt(
        &mut self,
        most: usize,
        encrypt: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>, &mut [u8]) -> Encrypted,
    ) -> io::Result<()> {
        loop {
            match self.connection.process_tls_records(&mut self.partial).state {
                Ok(ConnectionState::EncodeTlsData(record)) => encode(&mut self.unsent, record)?,
                Ok(ConnectionState::TransmitTlsData(records)) => records.done(),
                Ok(ConnectionState::PeerClosed) => {}
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return append(&mut self.unsent, most, |room| {
                        encrypt(&mut traffic, room).map_err(invalid)
                    });
                }
                Ok(_) => return Err(io::ErrorKind::NotConnected.into()),
                Err(error) => return Err(invalid(error)),
            }
        }
    }

    /// Appends the alert of a failure to the unsent records, and records of an answer before it.
    fn encode_alert(&mut self, error: &rustls::Error, records: &mut [u8]) -> io::Result<()> {
        use rustls::Error::{DecryptError, InvalidMessage, PeerSentOversizedRecord};
        let most = match error {
            // A second call would read the bad record again.
            DecryptError | InvalidMessage(_) | PeerSentOversizedRecord => 1,
            _ => RECORDS_WITH_ALERT,
        };
        for _ in 0..most {
            match self.connection.process_tls_records(records).state {
                Ok(ConnectionState::EncodeTlsData(record)) => encode(&mut self.unsent, record)?,
                _ => break,
            }
        }
        Ok(())
    }
}

type Encrypted = Result<usize, EncryptError>;

fn encode(
    unsent: &mut Vec<u8>,
    mut record: EncodeTlsData<'_, ServerConnectionData>,
) -> io::Result<()> {
    append(unsent, RECORD_BYTES, |room| {
        record.encode(room).map_err(invalid)
    })
}

/// Appends the bytes that `write` writes to `most` bytes of room.
fn append(
    unsent: &mut Vec<u8>,
    most: usize,
    write: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<()> {
    let begin = unsent.len();
    unsent.resize(begin + most, 0);
    let written = write(&mut unsent[begin..]);
    unsent.truncate(begin + *written.as_ref().unwrap_or(&0));
    written.map(drop)
}

fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
