//! tus-js-client in Node.

use std::process::Command;

use super::{Trip, command, fetched, go_on_after_kill, go_on_by_itself};

/// The protocols of tus-js-client. The last two are revisions of the IETF draft.
pub(super) const PROTOCOLS: [&str; 3] = ["tus-v1", "ietf-draft-03", "ietf-draft-05"];

/// The script, unless its packages are not there.
fn script() -> Option<impl Fn(&Trip, &str) -> Command> {
    let packages = fetched("npm")?.join("node_modules");
    Some(move |trip: &Trip, protocol: &str| {
        let mut node = command("node");
        node.arg("node.js")
            .arg(trip.endpoint())
            .arg(trip.file.path())
            .arg(trip.disk.path().join("storage"))
            .arg(protocol)
            .env("NODE_PATH", &packages);
        node
    })
}

#[test]
fn tus_js_client_goes_on_by_itself() {
    let Some(script) = script() else { return };
    for protocol in PROTOCOLS {
        go_on_by_itself(|trip| script(trip, protocol));
    }
}

#[test]
fn tus_js_client_finds_the_upload_of_a_run_that_was_killed() {
    let Some(script) = script() else { return };
    for protocol in PROTOCOLS {
        go_on_after_kill(|trip| script(trip, protocol));
    }
}
