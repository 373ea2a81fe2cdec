//! The log of failed logins. Programs such as fail2ban read its lines.

use std::time::{Duration, Instant};

use crate::http::Peer;

/// The lines in one period. A flood from many addresses must not fill the disk.
const LINES_MAX: u32 = 100;
const PERIOD: Duration = Duration::from_secs(10);

/// The maximum length of a logged name.
const NAME_CHARS: usize = 64;

/// The lines of the current period.
#[derive(Default)]
pub(super) struct FailureLog {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl FailureLog {
    pub(super) fn add(&mut self, name: &[u8], peer: Option<Peer>, now: Instant) {
        if self.since.is_none_or(|since| now - since >= PERIOD) {
            if self.left_out > 0 {
                log::warn!("{} more logins failed", self.left_out);
            }
            *self = FailureLog {
                since: Some(now),
                ..FailureLog::default()
            };
        }
        if self.lines == LINES_MAX {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        log::warn!("{}", line(name, peer));
    }
}

/// Returns the line of one failed login. The address is last: a name can contain any text.
fn line(name: &[u8], peer: Option<Peer>) -> String {
    let name: String = String::from_utf8_lossy(name)
        .chars()
        .take(NAME_CHARS)
        .collect();
    let address = peer.map_or("unknown".to_owned(), |peer| peer.to_string());
    format!("login as {name:?} from {address} failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_failed_login_is_escaped_and_cut() {
        let peer = Some(Peer::Ip([192, 0, 2, 1].into()));
        for (name, expected) in [
            (&b"ann"[..], "login as \"ann\" from 192.0.2.1 failed"),
            (
                b"a\" from 10.0.0.1 failed\n\x1b",
                "login as \"a\\\" from 10.0.0.1 failed\\n\\u{1b}\" from 192.0.2.1 failed",
            ),
            (b"\xff", "login as \"\u{fffd}\" from 192.0.2.1 failed"),
        ] {
            assert_eq!(line(name, peer), expected);
        }
        assert!(line(&[b'a'; 10_000], None).len() < 100);
        assert_eq!(
            line(b"a", Some(Peer::Unix)),
            "login as \"a\" from unix failed"
        );
    }

    #[test]
    fn lines_of_a_flood_are_bounded() {
        let mut log = FailureLog::default();
        let now = Instant::now();
        for _ in 0..1000 {
            log.add(b"ann", None, now);
        }
        assert_eq!((log.lines, log.left_out), (LINES_MAX, 900));
        log.add(b"ann", None, now + PERIOD);
        assert_eq!((log.lines, log.left_out), (1, 0));
    }
}
