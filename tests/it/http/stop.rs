//! Stopping: every job ends, the port is free, what arrived is kept.

use std::net::TcpListener;

use resumed::{Config, StartErrorKind};

use crate::support::limit::wait_until;
use crate::support::{Client, Site, append};

fn begun(site: &Site, id: &str) -> Client {
    let mut client = site.connect();
    client.send(append(id, 0, 100) + "hello");
    wait_until!(site.held(id) >= 5);
    client
}

#[test]
fn stop_frees_the_port_and_the_directory_and_keeps_what_arrived() {
    let site = Site::new();
    let ids = ["a", "b", "c"];
    let mut clients = ids.map(|id| begun(&site, id));
    let addr = site.addr();
    let dir = site.stop();
    for client in &mut clients {
        client.expect_close();
    }
    drop(TcpListener::bind(addr).expect("the port is free"));

    let again = Site::again(dir, |config| config);
    for id in ids {
        assert_eq!(again.held(id), 5);
    }
}

#[test]
fn drop_stops_too() {
    let site = Site::new();
    let mut client = begun(&site, "a");
    let addr = site.addr();
    drop(site);
    client.expect_close();
    drop(TcpListener::bind(addr).expect("the port is free"));
}

#[test]
fn a_second_server_on_one_directory_or_port_is_refused() {
    let site = Site::new();
    let config = Config::new(site.dir()).listen("127.0.0.1:0");
    let error = resumed::start(config).expect_err("the directory is taken");
    assert_eq!(error.kind(), StartErrorKind::InUse);
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new(elsewhere.path()).listen(site.addr().to_string());
    let error = resumed::start(config).expect_err("the port is taken");
    assert_eq!(error.kind(), StartErrorKind::Listen);
}
