//! Through a real nginx.

use std::path::Path;
use std::process::Command;

use super::{HEADS, expect_sent_once, put_file, put_part, run, send, url};
use crate::support::Site;
use crate::support::left_out::needs;
use crate::support::limit::RunInTime;
use crate::support::line::Line;
use crate::support::local::Disk;
use crate::support::proxy::{DEFAULTS, Nginx, as_documented, free_address};

const LENGTH: u64 = 20_000_000;

#[test]
fn restart_of_nginx_costs_no_byte() {
    needs!("nginx");
    const PART: u64 = 10_000_000;
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let mut nginx = Nginx::before(site.addr(), as_documented());
    let (line, running) = put_part(&file, nginx.addr(), site.dir(), PART);
    nginx.end();
    nginx.come_back();
    line.cut_and_open();
    running.end().expect(0, &["the server does not answer"]);
    file.expect_same(&site.dir().join("a.bin"));
    expect_sent_once(&line, LENGTH);
}

#[test]
fn server_below_a_path_of_a_proxy_is_reached() {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let configuration = as_documented()
        .replace("location / {", "location /up/ {")
        .replace(
            "http://127.0.0.1:8080;",
            &format!("http://{}/;", site.addr()),
        );
    let nginx = Nginx::start(&configuration);
    let url = format!("http://{}/up/", nginx.addr());
    run(&mut put_file(&file, &url)).expect(0, &["a.bin: 20.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
}

#[test]
fn file_arrives_through_nginx_with_its_defaults() {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let nginx = Nginx::before(site.addr(), DEFAULTS);
    let line = Line::of(nginx.addr(), u64::MAX);
    run(&mut put_file(&file, &line.url())).expect(0, &["a.bin: 20.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
    // Those that nginx refused were refused before their bodies were sent.
    assert!(line.taken() < LENGTH + 20 * HEADS, "{} bytes", line.taken());
}

#[test]
fn refusal_of_a_proxy_is_shown() {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file("a.bin", 5);
    for (location, status, words) in [
        (
            "location / { return 404; }",
            1,
            "there is no upload server at this address",
        ),
        (
            "location / { return 308 https://pi/; }",
            1,
            "redirects to https://pi/",
        ),
        (
            "location / { return 200 'Welcome to our Wi-Fi'; }",
            3,
            "something else answered",
        ),
        ("location / { return 502; }", 3, "cannot take it now (502)"),
    ] {
        let nginx = Nginx::start(location);
        let said = send(&["--give-up-after=0"], &[&file], &url(nginx.addr()));
        said.expect(status, &[words]);
    }
}

/// Makes an authority and, by it, a certificate for this machine.
fn make_certificate(home: &Path) {
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]);
        let run = command
            .args(line.split(' '))
            .current_dir(home)
            .output_in_time()
            .expect("openssl runs");
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
    };
    openssl("-subj /CN=authority -keyout authority.key -out authority.pem");
    openssl(
        "-subj /CN=server -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE \
         -CA authority.pem -CAkey authority.key -keyout server.key -out server.pem",
    );
}

#[test]
fn https_requires_a_trusted_certificate() {
    needs!("nginx", "openssl");
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    make_certificate(disk.path());
    let site = Site::new();
    let (addr, home) = (free_address(), disk.path().display());
    let tls = format!(
        "listen {addr} ssl;\nssl_certificate {home}/server.pem;\nssl_certificate_key {home}/server.key;\n{}",
        as_documented()
    );
    let _nginx = Nginx::before(site.addr(), &tls);
    let url = format!("https://{addr}");

    run(&mut put_file(&file, &url)).expect(1, &["this machine does not trust the server"]);
    let authority = disk.path().join("authority.pem");
    run(put_file(&file, &url).env("SSL_CERT_FILE", authority)).expect(0, &["a.bin: 20.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
}
