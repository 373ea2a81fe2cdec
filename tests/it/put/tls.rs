//! `resumed put` to a server with TLS.

use std::fs;

use sha2::{Digest, Sha256};

use super::put;
use crate::support::Site;
use crate::support::local::{Disk, Local};
use crate::support::running::{Said, run};
use crate::support::tls::Pem;

const LENGTH: u64 = 6_000_000;

fn send(flags: &[&str], file: &Local, url: &str) -> Said {
    let path = file.path().to_str().expect("text");
    run(&mut put([flags, &[path, url]].concat()))
}

fn site(pem: &Pem) -> (Site, String) {
    let site = Site::with(|config| config.tls(pem.options()));
    let url = format!("https://{}", site.addr());
    (site, url)
}

#[test]
fn fingerprint_accepts_one_certificate_and_no_other() {
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let pem = Pem::new();
    let (site, url) = site(&pem);
    let fingerprint = pem.options().fingerprint();
    assert_eq!(fingerprint, <[u8; 32]>::from(Sha256::digest(pem.der())));
    let hex = fingerprint.map(|byte| format!("{byte:02x}"));

    let other = format!(
        "{}{}",
        if &hex[0] == "00" { "01" } else { "00" },
        hex[1..].concat()
    );
    let words = [
        "does not trust the server",
        "its certificate has the fingerprint",
    ];
    send(&["--fingerprint", &other], &file, &url).expect(1, &words);
    send(&[], &file, &url).expect(1, &["does not trust the server", "--fingerprint"]);
    assert!(!site.dir().join("a.bin").exists());

    let colons = hex.join(":").to_uppercase();
    send(&["--fingerprint", &colons], &file, &url).expect(0, &["a.bin: 6.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
    send(&["--fingerprint", &hex.concat()], &file, &url).expect(0, &["a.bin"]);
}

#[test]
fn ca_accepts_certificates_for_their_names_only() {
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let (pem, other) = (Pem::new(), Pem::new());
    let (site, url) = site(&pem);
    let path = |name| disk.path().join(name).to_str().expect("text").to_owned();
    fs::write(path("ca.pem"), &pem.certificate).expect("written");
    fs::write(path("other.pem"), &other.certificate).expect("written");

    let untrusted = ["does not trust the server"];
    send(&["--ca", &path("other.pem")], &file, &url).expect(1, &untrusted);
    let named = Pem::of(&["pi.example"]);
    fs::write(path("named.pem"), &named.certificate).expect("written");
    let (_named, named_url) = self::site(&named);
    send(&["--ca", &path("named.pem")], &file, &named_url).expect(1, &untrusted);
    send(&["--ca", &path("ca.pem")], &file, &url).expect(0, &["a.bin: 6.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
}

#[test]
fn trust_without_https_or_certificate_is_refused() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 10);
    fs::write(disk.path().join("empty.pem"), "").expect("written");
    let empty = disk.path().join("empty.pem");
    let empty = empty.to_str().expect("text");
    let https = ["--ca and --fingerprint need an address that begins with https://"];
    send(
        &["--fingerprint", &"0".repeat(64)],
        &file,
        "http://127.0.0.1:1",
    )
    .expect(2, &https);
    send(&["--ca", empty], &file, "http://127.0.0.1:1").expect(2, &https);
    send(&["--ca", empty], &file, "https://127.0.0.1:1").expect(2, &["no readable certificate"]);
    send(&["--fingerprint", "12:34"], &file, "https://127.0.0.1:1").expect(2, &["cannot be"]);
}

#[test]
fn http_address_of_a_tls_port_is_named() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 10);
    let (_site, url) = site(&Pem::new());
    let words = ["this port expects TLS: use an address that begins with https://"];
    send(&[], &file, &url.replace("https", "http")).expect(1, &words);
}
