//! The reasons for which an upload fails.

use std::time::Duration;
use std::{error, fmt, io};

/// The cause of a failure in the network or in TLS.
pub(crate) type Cause = Box<dyn error::Error + Send + Sync>;

/// The reason for which an upload failed.
///
/// [`scope`](Self::scope) tells whether a retry or another file may succeed. Texts of a server are its own first line,
/// without control characters.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No server answered, or the connection was cut. Temporary.
    Unreachable(Cause),
    /// The server or a proxy answered with 408, 429 or 5xx. Temporary.
    Unavailable {
        /// The status of the response.
        status: u16,
        /// The pause that `Retry-After` asks for, at most 10 minutes. Zero without that field.
        retry_after: Duration,
        /// The line of the upload server; `None` if the response is that of a proxy.
        reason: Option<String>,
    },
    /// The server takes no new upload beside so many partial ones (429, 507). Temporary: the upload continues when another one
    /// of the client has ended, or after a pause.
    TooManyPartials {
        /// The status of the response.
        status: u16,
        /// The pause that `Retry-After` asks for, at most 10 minutes. Zero without that field.
        retry_after: Duration,
        /// The line of the server.
        line: String,
    },
    /// The response is not one of an upload server: for example, the sign-in page of a Wi-Fi. Temporary.
    NoUploadServer,
    /// Another client sends the same file at the same time. Temporary.
    OtherClient,

    /// The server requires another name or password (401).
    Unauthorized,
    /// The server does not answer to this host name (421); its line.
    WrongHost(String),
    /// The address has no upload service; the status of the response.
    NoService(u16),
    /// The address redirects to this one.
    Redirected(String),
    /// The certificate of the server is not trusted.
    Untrusted(Cause),
    /// The certificate is not the one of [`Client::fingerprint`](crate::Client::fingerprint); the SHA-256 of the found one.
    OtherCertificate([u8; 32]),
    /// The server answered without TLS to an `https` address.
    NoTls,
    /// A proxy refuses requests of 128 KiB (413).
    ProxyLimit,

    /// The server refused the file for another reason.
    Refused {
        /// The status of the response.
        status: u16,
        /// The line of the server.
        line: String,
    },
    /// The file is larger than the server accepts (413); its line.
    TooLarge(String),
    /// This user may not send this file (403).
    Forbidden,
    /// The server has no space for the file (507); its line. The received bytes stay on the server.
    NoSpace(String),
    /// The server holds other bytes under this name, size and time.
    OtherContents,
    /// The checksum of the received bytes differed twice. The server published nothing.
    ChecksumDiffers,
    /// The server lost bytes of a stream that are no longer in memory.
    Lost,
    /// The file changed during the upload.
    Changed,
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The path is that of a folder or a device.
    NotAFile,

    /// Attempts failed for the time of [`Client::give_up_after`](crate::Client::give_up_after); the last failure.
    GaveUp(Box<Error>),
    /// The token of the upload was cancelled.
    Cancelled,
}

/// The uploads that an [`Error`] concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// This attempt: a later one may succeed.
    Attempt,
    /// This file: other files may succeed.
    File,
    /// All files that this client would send.
    Client,
}

impl Error {
    /// Returns which uploads this error concerns.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Error::Unreachable(_)
            | Error::Unavailable { .. }
            | Error::TooManyPartials { .. }
            | Error::NoUploadServer
            | Error::OtherClient => Scope::Attempt,
            Error::Unauthorized
            | Error::WrongHost(_)
            | Error::NoService(_)
            | Error::Redirected(_)
            | Error::Untrusted(_)
            | Error::OtherCertificate(_)
            | Error::NoTls
            | Error::ProxyLimit
            | Error::GaveUp(_)
            | Error::Cancelled => Scope::Client,
            Error::Refused { .. }
            | Error::TooLarge(_)
            | Error::Forbidden
            | Error::NoSpace(_)
            | Error::OtherContents
            | Error::ChecksumDiffers
            | Error::Lost
            | Error::Changed
            | Error::Unreadable(_)
            | Error::NotAFile => Scope::File,
        }
    }
}

impl Error {
    /// Returns the error of a read from a file. A file that ends too early was changed.
    pub(crate) fn of_file(error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Changed,
            _ => Error::Unreadable(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreachable(cause) => write!(f, "the server does not answer ({cause})"),
            Error::Unavailable { status, reason: Some(reason), .. }
            | Error::TooManyPartials { status, line: reason, .. } => {
                write!(f, "the server cannot take it now ({status}): {reason}")
            }
            Error::Unavailable { status, reason: None, .. } => {
                write!(f, "the server cannot take it now ({status})")
            }
            Error::NoUploadServer => f.write_str(
                "something else answered in place of the upload server: a sign-in page of a proxy or of the Wi-Fi?",
            ),
            Error::OtherClient => f.write_str("another client is sending the same file"),
            Error::Unauthorized => f.write_str("the server requires a name and a password that it knows"),
            Error::WrongHost(line) => write!(f, "the server does not answer under this address: {line}"),
            Error::NoService(status) => write!(f, "there is no upload server at this address ({status}): leave out /files or /upload at its end"),
            Error::Redirected(to) => write!(f, "the address redirects to {to}: send the file there"),
            Error::Untrusted(cause) => write!(f, "this machine does not trust the server: {cause}"),
            Error::OtherCertificate(found) => {
                f.write_str("the certificate of the server is not the expected one; its fingerprint is ")?;
                found.iter().enumerate().try_for_each(|(at, byte)| {
                    write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })
                })
            }
            Error::NoTls => f.write_str("no TLS at this address: use one that begins with http://"),
            Error::ProxyLimit => f.write_str(
                "a proxy refuses even small requests; in nginx: client_max_body_size 0",
            ),
            Error::Refused { line, .. } | Error::TooLarge(line) => write!(f, "the server refused: {line}"),
            Error::Forbidden => f.write_str("this user may not send this file"),
            Error::NoSpace(line) => write!(f, "the server has no space for it: {line}; the received bytes are kept"),
            Error::OtherContents => f.write_str(
                "the server holds other bytes under this name, size and time; `touch` the file to send it as a new one",
            ),
            Error::ChecksumDiffers => f.write_str(
                "the server received other bytes than were sent, twice, and published nothing; send it again",
            ),
            Error::Lost => f.write_str("the server lost bytes that are no longer in memory here; send the stream again"),
            Error::Changed => f.write_str("the file changed while it was sent; send it again when it rests"),
            Error::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Error::NotAFile => f.write_str("it is not a regular file"),
            Error::GaveUp(last) => write!(f, "gave up: {last}"),
            Error::Cancelled => f.write_str("the upload was cancelled; the received bytes are kept"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Error::Unreachable(cause) | Error::Untrusted(cause) => Some(&**cause),
            Error::Unreadable(error) => Some(error),
            Error::GaveUp(last) => Some(last),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Unreadable(error)
    }
}

/// A field that [`Client::header`](crate::Client::header) refused; its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHeader(pub(crate) String);

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a field that a program can add to a request: {:?}",
            self.0
        )
    }
}

impl error::Error for InvalidHeader {}

/// A text without a certificate, which [`Client::authorities`](crate::Client::authorities) refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidPem;

impl fmt::Display for InvalidPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no readable certificate (-----BEGIN CERTIFICATE-----)")
    }
}

impl error::Error for InvalidPem {}

/// An address that [`Client::new`](crate::Client::new) refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidUrl(pub(crate) String);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.0;
        write!(
            f,
            "not the address of a server: {url:?}; expected one such as http://pi:8080"
        )
    }
}

impl error::Error for InvalidUrl {}
