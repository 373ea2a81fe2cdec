//! Health and metrics.

use resumed::Config;

use crate::support::limit::wait_until;
use crate::support::{Answer, Site, append, get};

/// As `alice`, whose password is `secret`.
fn as_alice(request: &str) -> String {
    let line = "\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\nHost:";
    request.replacen("\r\nHost:", line, 1)
}

#[test]
fn health_is_told_to_everybody_and_to_no_foreign_page() {
    let site = Site::with(|config| config.user("alice", "secret"));
    let answer = site.ask(get("/health", ""));
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    let head = site.ask(get("/health", "").replace("GET", "HEAD"));
    assert_eq!(
        (head.status, head.field("Content-Length")),
        (200, Some("3"))
    );
    let post = site.ask(get("/health", "").replace("GET", "DELETE"));
    assert_eq!((post.status, post.field("Allow")), (405, Some("GET, HEAD")));
    let foreign = site.ask(get("/health", "").replace("localhost", "evil.example"));
    assert_eq!(foreign.status, 421);
}

#[test]
fn metrics_are_there_when_wanted_for_those_who_may_upload() {
    assert_eq!(Site::new().ask(get("/metrics", "")).status, 404);
    let site = Site::with(|config| config.metrics(true).user("alice", "secret"));
    assert_eq!(site.ask(get("/metrics", "")).status, 401);
    assert_eq!(site.ask(as_alice(&get("/metrics", ""))).status, 200);
}

#[test]
fn metrics_tell_what_has_happened() {
    let site = Site::with(|config| config.metrics(true));
    site.ask(append("a-5-1700000000000", 0, 5) + "hello");
    site.ask(append("b-10-1700000000000", 5, 5) + "world");
    let mut under_way = site.connect();
    under_way.send(append("c-9-1700000000000", 0, 9) + "hel");
    site.ask(get(&format!("/{}", "a".repeat(10_000)), ""));
    wait_until!(site.held("c-9-1700000000000") >= 3);
    let samples = metrics(&site.ask(get("/metrics", "")));
    let of = |name: &str| {
        let value = samples.iter().find(|(known, _)| known == name);
        value.unwrap_or_else(|| panic!("{name} in {samples:?}")).1
    };
    assert_eq!(of("resumed_uploads_total{end=\"completed\"}"), 1.0);
    assert_eq!(of("resumed_uploads_total{end=\"cancelled\"}"), 0.0);
    assert_eq!(of("resumed_uploads_under_way"), 1.0);
    assert_eq!(of("resumed_received_bytes_total"), 8.0);
    assert_eq!(of("resumed_requests_total{status=\"409\"}"), 1.0);
    assert_eq!(of("resumed_requests_total{status=\"414\"}"), 1.0);
    assert!(of("resumed_connections{state=\"active\"}") >= 1.0);
    assert!(of("resumed_connections{state=\"parked\"}") >= 1.0);
    assert!(of("resumed_sync_seconds_count") >= 1.0);
    assert!(of("resumed_sync_seconds_sum") > 0.0);

    under_way.cut();
    site.ask("DELETE /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: c-9-1700000000000\r\n\r\n");
    let samples = metrics(&site.ask(get("/metrics", "")));
    let now =
        |name: &str, value| assert!(samples.contains(&(name.to_owned(), value)), "{samples:?}");
    now("resumed_uploads_total{end=\"cancelled\"}", 1.0);
    now("resumed_uploads_under_way", 0.0);
    now("resumed_cuts_total", 1.0);
}

#[test]
fn metrics_count_partial_uploads_and_refusals_of_each_limit() {
    type Set = fn(Config) -> Config;
    for (limit, refused, set) in [
        ("max-size", 2.0, (|config| config.max_size(4)) as Set),
        ("quota", 2.0, |config| config.quota(4)),
        ("max-partials", 1.0, |config| config.max_partials(1)),
        ("max-partials-per-user", 1.0, |config| {
            config.max_partials_per_user(1)
        }),
    ] {
        let site = Site::with(|config| set(config.metrics(true).user("alice", "secret")));
        for id in ["a-9-1700000000000", "b-9-1700000000000"] {
            site.ask(as_alice(&(append(id, 0, 3) + "hel")));
        }
        let samples = metrics(&site.ask(as_alice(&get("/metrics", ""))));
        for (name, value) in [
            (
                format!("resumed_limited_total{{limit=\"{limit}\"}}"),
                refused,
            ),
            ("resumed_partial_uploads".to_owned(), 2.0 - refused),
        ] {
            assert!(samples.contains(&(name, value)), "{limit}: {samples:?}");
        }
    }
}

/// Every sample; each has its type before it.
fn metrics(answer: &Answer) -> Vec<(String, f64)> {
    let mut family = "";
    let mut samples = Vec::new();
    for line in answer.text().lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split(' ').next().expect("a name");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            assert!(name.starts_with(family), "{line} is not of {family}");
            samples.push((name.to_owned(), value.parse().expect("a number")));
        }
    }
    samples
}
