//! `resumed put` to a server with TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::put;
use crate::support::Site;
use crate::support::local::{Disk, Local};
use crate::support::running::{Said, run};
use crate::support::tls::Pem;

const LENGTH: u64 = 6_000_000;

/// Runs `put` on a machine that trusts one authority, and no certificate of these tests.
fn send(flags: &[&str], file: &Local, url: &str) -> Said {
    let authority = NamedTempFile::new().expect("a temporary file");
    fs::write(authority.path(), Pem::of_authority().certificate).expect("written");
    send_trusting(authority.path(), flags, file, url)
}

fn send_trusting(authorities: &Path, flags: &[&str], file: &Local, url: &str) -> Said {
    let path = file.path().to_str().expect("text");
    let mut put = put([flags, &[path, url]].concat());
    run(put
        .env("SSL_CERT_FILE", authorities)
        .env_remove("SSL_CERT_DIR"))
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
    let said = send(&["--fingerprint", &other], &file, &url);
    assert!(!said.err.contains("(--ca"), "advice to trust it: {said:?}");
    let found = hex.join(":").to_uppercase();
    said.expect(1, &["is not the expected one", &found]);
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
    let unknown = "no authority that is trusted here has signed its certificate";
    send(&["--ca", &path("other.pem")], &file, &url).expect(1, &[untrusted[0], unknown]);
    let named = Pem::of(&["pi.example"]);
    fs::write(path("named.pem"), &named.certificate).expect("written");
    let (_named, named_url) = self::site(&named);
    send(&["--ca", &path("named.pem")], &file, &named_url).expect(1, &untrusted);
    send(&["--ca", &path("ca.pem")], &file, &url).expect(0, &["a.bin: 6.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
}

/// `openssl req -x509` makes such a certificate, unless it is asked for another one.
#[test]
fn certificate_of_an_authority_is_refused_in_plain_words() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 10);
    let pem = Pem::of_authority();
    let (_site, url) = site(&pem);
    let ca = disk.path().join("ca.pem");
    fs::write(&ca, &pem.certificate).expect("written");
    for flags in [&[][..], &["--ca", ca.to_str().expect("text")]] {
        let words = "its certificate is one of an authority (CA:TRUE)";
        send(flags, &file, &url).expect(1, &[words, "--fingerprint"]);
    }
}

#[test]
fn machine_without_authorities_is_named() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 10);
    let pem = Pem::new();
    let (_site, url) = site(&pem);
    let nothing = Path::new("/dev/null");
    send_trusting(nothing, &[], &file, &url).expect(1, &["ca-certificates", "--fingerprint"]);
    let hex = pem
        .options()
        .fingerprint()
        .map(|byte| format!("{byte:02x}"));
    send_trusting(nothing, &["--fingerprint", &hex.concat()], &file, &url).expect(0, &["a.bin"]);
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
fn fingerprint_and_authorities_together_are_refused() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 10);
    let pem = disk.path().join("ca.pem");
    fs::write(&pem, Pem::new().certificate).expect("written");
    let ca = ["--ca", pem.to_str().expect("text")];
    let pin = ["--fingerprint", &"0".repeat(64)];
    for flags in [[ca, pin].concat(), [pin, ca].concat()] {
        let words = ["use one of --ca and --fingerprint"];
        send(&flags, &file, "https://127.0.0.1:1").expect(2, &words);
    }
}

#[test]
fn https_address_of_a_port_without_tls_is_named() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 10);
    let site = Site::new();
    let url = format!("https://{}", site.addr());
    let pin = "0".repeat(64);
    for flags in [&[][..], &["--fingerprint", &pin]] {
        let said = send(flags, &file, &url);
        assert!(!said.err.contains("trust"), "{said:?}");
        said.expect(
            1,
            &["no TLS at this address: use one that begins with http://"],
        );
    }
}

/// A proxy changes one byte of the first connection: the type of the first record, or a byte of its contents.
#[test]
fn damaged_record_is_followed_by_another_attempt() {
    let disk = Disk::new();
    let pem = Pem::new();
    let (site, _) = site(&pem);
    let ca = disk.path().join("ca.pem");
    fs::write(&ca, &pem.certificate).expect("written");
    for (name, damaged_at) in [("type.bin", 0), ("contents.bin", 500)] {
        let file = disk.file(name, LENGTH);
        let url = format!("https://{}", Damaging::start(site.addr(), damaged_at));
        let said = send(&["--ca", ca.to_str().expect("text")], &file, &url);
        said.expect(0, &["next try in", "6.00 MB"]);
        file.expect_same(&site.dir().join(name));
    }
}

/// Changes the answers of a server.
struct Damaging;

impl Damaging {
    /// Returns the address of a proxy that changes this byte of the first answer.
    fn start(server: SocketAddr, damaged_at: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let client = client.expect("a client");
                let server = TcpStream::connect(server).expect("it accepts");
                let copy = |mut from: TcpStream, mut to: TcpStream, damage_at: Option<usize>| {
                    thread::spawn(move || {
                        let (mut buffer, mut passed) = ([0; 4096], 0);
                        while let Ok(count @ 1..) = from.read(&mut buffer) {
                            if let Some(at) = damage_at.and_then(|at| at.checked_sub(passed)) {
                                if at < count {
                                    buffer[at] ^= 0x41;
                                }
                            }
                            passed += count;
                            if to.write_all(&buffer[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Both);
                    });
                };
                let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
                copy(clone(&client), clone(&server), None);
                copy(server, client, (number == 0).then_some(damaged_at));
            }
        });
        addr
    }
}

#[test]
fn http_address_of_a_tls_port_is_named() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 10);
    let (_site, url) = site(&Pem::new());
    let words = ["this port expects TLS: use an address that begins with https://"];
    send(&[], &file, &url.replace("https", "http")).expect(1, &words);
}
