//! Time limits inside TLS records, and the memory of clients that leave records unfinished or unread.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::support::tls::{Pem, TlsClient};
use crate::support::{Site, TIMEOUT, get};

fn site_with(set: impl FnOnce(resumed::Config) -> resumed::Config) -> Site {
    Site::with(|config| set(config.tls(Pem::new().options())))
}

const LIMIT: Duration = Duration::from_millis(300);

/// Each byte comes long before the deadline of an idle connection.
#[test]
fn head_in_an_unfinished_record_gets_408_at_its_deadline() {
    let site = site_with(|config| config.head_timeout(LIMIT));
    for asks_first in [false, true] {
        let mut client = TlsClient::connect(site.addr());
        if asks_first {
            assert_eq!(client.ask(get("/health", "")).0, 200);
        }
        let record = client.records(get("/health", &format!("X: {}\r\n", "x".repeat(200))));
        let pause = Duration::from_millis(20);
        client.stream.set_read_timeout(Some(pause)).expect("set");
        let mut bytes = record[..record.len() - 1].chunks(1);
        let answer = loop {
            client.send_raw(bytes.next().expect("a deadline before the last byte"));
            match client.try_answer() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                answer => break answer,
            }
        };
        assert_eq!(answer.expect("an answer").0, 408, "{asks_first}");
    }
}

/// A KeyUpdate is a record without data.
#[test]
fn records_without_data_do_not_keep_an_idle_connection() {
    let site = site_with(|config| config.keep_alive_idle(LIMIT));
    let mut client = TlsClient::connect(site.addr());
    assert_eq!(client.ask(get("/health", "")).0, 200);
    let begin = Instant::now();
    client
        .stream
        .set_read_timeout(Some(LIMIT / 10))
        .expect("set");
    loop {
        client.tls.refresh_traffic_keys().expect("TLS 1.3");
        let mut record = Vec::new();
        client.tls.write_tls(&mut record).expect("a vector");
        client.send_raw(&record);
        match client.stream.read(&mut [0; 4096]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        assert!(begin.elapsed() < TIMEOUT, "the connection stays open");
    }
}
