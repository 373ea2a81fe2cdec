//! The doors for a program that embeds us.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use resumed::store::{AppendRequest, BodyLength, Completes, Id, Store};
use resumed::{Head, Options, Uploads};

use crate::support::{PATIENCE, Site, append};

fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Head {
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    Head::from_parts(
        method,
        path,
        [("Host", b"localhost".as_slice())]
            .into_iter()
            .chain(fields),
    )
    .expect("a head")
}

#[test]
fn your_server_a_head_and_a_body_that_is_cut_and_carries_on() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let uploads = Uploads::open(dir.path(), Options::default()).expect("opened");
    let id = ("X-File-Id", "a.txt-11-1700000000000");
    let whole = head("POST", "/upload", &[id, ("Content-Length", "11")]);
    uploads.handle(&whole, &mut b"hello".as_slice());

    let status = uploads.handle(&head("GET", "/status", &[id]), &mut [].as_slice());
    assert_eq!(status.body_bytes(), b"5");

    let rest = head(
        "POST",
        "/upload",
        &[id, ("X-Start-Byte", "5"), ("Content-Length", "6")],
    );
    let done = uploads.handle(&rest, &mut b" world".as_slice());
    assert_eq!(
        (done.status(), done.body_bytes()),
        (200, b"Success 11".as_slice())
    );
    assert_eq!(
        fs::read(dir.path().join("a.txt")).expect("published"),
        b"hello world"
    );
}

#[test]
fn your_protocol_and_the_store_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(dir.path(), Default::default()).expect("opened");
    let id = Id::new(b"", b"mine");
    let mut append = store.append(&id, 0).expect("new");
    append.write(b"hello").expect("written");
    let held = append.finish(Completes::AtLength).expect("held").held;
    assert_eq!((held.offset, held.complete), (5, false));
    assert!(store.append(&id, 4).is_err(), "the file ends at 5");

    let intent = AppendRequest {
        name: Some("mine.txt".into()),
        incoming: BodyLength::Exactly(6),
        ..Default::default()
    };
    let mut append = store.append_with(&id, 5, intent).expect("at its end");
    append.write(b" world").expect("written");
    assert!(
        append
            .finish(Completes::AtEnd)
            .expect("published")
            .held
            .complete
    );
    assert_eq!(
        fs::read(dir.path().join("mine.txt")).expect("published"),
        b"hello world"
    );
}

fn upload(site: &Site, id: &str) -> u16 {
    site.ask(append(id, 0, 5) + "hello").status
}

#[test]
fn authorize_decides_about_each_request() {
    let site = Site::with(|config| {
        config.authorize(|head, command| {
            head.method() == "GET" || command.id().is_some_and(|id| id.starts_with(b"mine"))
        })
    });
    let refusal = site.ask(append("yours", 0, 5) + "hello");
    assert_eq!(refusal.status, 403);
    assert_eq!(refusal.field("Upload-Offset"), Some("0"));
    assert_eq!(upload(&site, "mine"), 200);
    assert_eq!(site.held("yours"), 0);
}

#[test]
fn a_hook_that_fails_is_run_again() {
    let (tell, told) = mpsc::channel();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let site = Site::with(|config| {
        config.on_complete(move |completed| {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err("not yet".into());
            }
            tell.send((completed.name.clone(), completed.length))
                .map_err(Into::into)
        })
    });
    assert_eq!(upload(&site, "a.txt-5-1700000000000"), 200);
    assert_eq!(
        told.recv().expect("the hook ran"),
        (Some("a.txt".into()), 5)
    );
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn hooks_of_several_uploads_run_side_by_side() {
    let (tell, told) = mpsc::channel();
    let (let_go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let site = Site::with(|config| {
        config.on_complete(move |completed| {
            tell.send(completed.name.clone())?;
            // Until the other end is gone.
            let _ = gate.lock().expect("whole").recv();
            Ok(())
        })
    });
    for id in ["a.txt-5-1700000000000", "b.txt-5-1700000000000"] {
        assert_eq!(upload(&site, id), 200);
    }
    let begun = [(); 2].map(|()| told.recv_timeout(PATIENCE));
    drop(let_go);
    let mut begun = begun.map(|name| name.expect("the hook runs"));
    begun.sort();
    assert_eq!(begun, ["a.txt", "b.txt"].map(|name| Some(name.into())));
}

#[test]
fn a_hook_that_is_due_runs_after_a_restart() {
    let site = Site::with(|config| config.on_complete(|_| Err("not yet".into())));
    assert_eq!(upload(&site, "a.txt-5-1700000000000"), 200);
    let dir = site.stop();
    let (tell, told) = mpsc::channel();
    let _again = Site::again(dir, |config| {
        config.on_complete(move |completed| tell.send(completed.name.clone()).map_err(Into::into))
    });
    assert_eq!(told.recv().expect("the hook ran").as_deref(), Some("a.txt"));
}
