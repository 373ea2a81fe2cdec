//! What systemd hands over, and what it wants to hear.

use std::env;
use std::io;
use std::os::unix::net::UnixDatagram;

use listenfd::ListenFd;
use resumed::ListenSocket;

/// The socket that systemd listens on for us (sd_listen_fds(3)), if it does.
pub(crate) fn socket() -> io::Result<Option<ListenSocket>> {
    let mut sockets = ListenFd::from_env();
    if sockets.len() > 1 {
        return Err(io::Error::other(
            "systemd hands over more than one socket; this server listens on one",
        ));
    }
    // A socket of the other kind is an error here, not nothing.
    if let Ok(Some(socket)) = sockets.take_tcp_listener(0) {
        return Ok(Some(ListenSocket::Tcp(socket)));
    }
    Ok(sockets.take_unix_listener(0)?.map(ListenSocket::Unix))
}

/// Tells systemd, if it wants to hear (sd_notify(3)). Nothing depends on its listening.
pub(crate) fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let told = UnixDatagram::unbound().and_then(|socket| socket.send_to(state.as_bytes(), path));
    if let Err(error) = told {
        log::warn!("systemd cannot be told {state}: {error}");
    }
}
