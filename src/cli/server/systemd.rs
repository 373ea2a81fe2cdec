//! Socket activation and readiness notification of systemd.

use std::env;
use std::io;
use std::os::unix::net::UnixDatagram;

use listenfd::ListenFd;
use resumed::ListenSocket;

/// Returns the listening socket of systemd, if there is one (sd_listen_fds(3)).
pub(crate) fn socket() -> io::Result<Option<ListenSocket>> {
    let mut sockets = ListenFd::from_env();
    if sockets.len() > 1 {
        return Err(io::Error::other(
            "systemd passed more than one socket; this server listens on one",
        ));
    }
    // `take_tcp_listener` fails for a Unix socket.
    if let Ok(Some(socket)) = sockets.take_tcp_listener(0) {
        return Ok(Some(ListenSocket::Tcp(socket)));
    }
    Ok(sockets.take_unix_listener(0)?.map(ListenSocket::Unix))
}

/// Returns whether systemd waits for notifications: `systemctl reload` then sends SIGHUP, which must not end the server.
pub(crate) fn is_service() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some()
}

/// Sends `state` to systemd, if it has asked for it (sd_notify(3)). A failure is logged only.
pub(crate) fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(state.as_bytes(), path));
    if let Err(error) = sent {
        log::warn!("cannot notify systemd of {state}: {error}");
    }
}
