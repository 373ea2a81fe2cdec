//! A directory for each server, and nginx in front: each upload goes to one server.

use crate::ops::readme::block_of;
use crate::support::files::finished;
use crate::support::proxy::Nginx;
use crate::support::{Client, Site, append, content};

use super::SCALING;
use crate::support::left_out::needs;

const LENGTH: usize = 400_000;

#[test]
fn nginx_routes_each_upload_to_one_server() {
    needs!("nginx");
    let sites = [Site::new(), Site::new()];
    let [one, other] = sites.each_ref().map(|site| site.addr().to_string());
    let upstream = block_of(SCALING, "sticky")
        .replace("127.0.0.1:8080", &one)
        .replace("127.0.0.1:8081", &other);
    let nginx = Nginx::with(&upstream, block_of(SCALING, "sticky-location"));
    let content = content(LENGTH);
    for number in 0..20 {
        let id = format!("file{number}-{LENGTH}-1700000000000");
        for at in [0, LENGTH / 2] {
            let mut client = Client::connect(nginx.addr());
            assert_eq!(client.held(&id), at as u64);
            let request = append(&id, at, LENGTH / 2).into_bytes();
            let answer = client.ask([&request, &content[at..at + LENGTH / 2]].concat());
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    let counts = sites.each_ref().map(|site| finished(site.dir()).len());
    assert_eq!(counts[0] + counts[1], 20);
    assert!(!counts.contains(&0), "both have work: {counts:?}");
}
