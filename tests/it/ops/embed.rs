//! Hooks and authorization of a program that embeds the server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::support::limit::LIMIT;
use crate::support::{Site, TIMEOUT, append};

fn upload(site: &Site, id: &str) -> u16 {
    site.ask(append(id, 0, 5) + "hello").status
}

#[test]
fn authorize_decides_about_each_request() {
    let site = Site::with(|config| {
        config.authorize(|head, command| {
            let is_mine = command.id().is_some_and(|id| id.starts_with(b"mine"));
            (head.method() == "GET" || is_mine).into()
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
    let (sender, receiver) = mpsc::channel();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let site = Site::with(|config| {
        config.on_complete(move |completed| {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err("not yet".into());
            }
            sender
                .send((completed.file.name.clone(), completed.length))
                .map_err(Into::into)
        })
    });
    assert_eq!(upload(&site, "a.txt-5-1700000000000"), 200);
    assert_eq!(
        receiver.recv_timeout(LIMIT).expect("the hook runs"),
        (Some("a.txt".into()), 5)
    );
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn hooks_of_several_uploads_run_side_by_side() {
    let (sender, receiver) = mpsc::channel();
    let (let_go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let site = Site::with(|config| {
        config.on_complete(move |completed| {
            sender.send(completed.file.name.clone())?;
            // Until the other end is gone.
            let _ = gate.lock().expect("whole").recv();
            Ok(())
        })
    });
    for id in ["a.txt-5-1700000000000", "b.txt-5-1700000000000"] {
        assert_eq!(upload(&site, id), 200);
    }
    let begun = [(); 2].map(|()| receiver.recv_timeout(TIMEOUT));
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
    let (sender, receiver) = mpsc::channel();
    let _again = Site::again(dir, |config| {
        config.on_complete(move |completed| {
            sender.send(completed.file.name.clone()).map_err(Into::into)
        })
    });
    assert_eq!(
        receiver
            .recv_timeout(LIMIT)
            .expect("the hook runs")
            .as_deref(),
        Some("a.txt")
    );
}
