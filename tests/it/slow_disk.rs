//! Who waits for the disk keeps nobody else waiting.

use crate::left_out::left_out;
use crate::running::wait_for_part;
use crate::support::{Client, append};
use crate::trace::{Call, Traced, is_possible};

/// More than there are workers, anywhere.
const SMALL: usize = 12;

const BYTES: u64 = 3_000_000;

/// Every sync of a record takes this long.
const SLOW: &str = "inject=fdatasync:delay_enter=3s";

#[test]
fn bytes_come_in_while_many_uploads_wait_for_one_slow_sync() {
    if !is_possible() {
        return left_out("a disk that is slow to sync", "needs strace");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let flags = ["--workers", "4", "--sync", "durable"];
    let told = ["-e", "trace=fdatasync,pwrite64,sendto", "-e", SLOW];
    let traced = Traced::start(dir.path(), &flags, &told);
    let addr = traced.process.addr;
    let mut small: Vec<_> = (0..SMALL)
        .map(|number| {
            let mut client = Client::connect(addr);
            client.send(append(&format!("small-{number}"), 0, 5) + "hello");
            client
        })
        .collect();
    let mut large = Client::connect(addr);
    large.send(append("large", 0, 2 * BYTES));
    large.send(vec![b'x'; BYTES as usize]);
    wait_for_part(dir.path(), BYTES);
    for client in &mut small {
        assert_eq!(client.answer().text(), "5");
    }

    let calls = traced.calls();
    let is_of_record = |call: &&Call| call.name == "fdatasync" && call.of().ends_with(".json");
    let syncs: Vec<_> = calls.iter().filter(is_of_record).collect();
    let first_end = syncs.iter().map(|sync| sync.end).min().expect("a sync");
    assert!(
        syncs.iter().all(|sync| sync.begin < first_end),
        "some were only begun when others had ended"
    );
    let before: u64 = (calls.iter())
        .filter(|call| call.name == "pwrite64" && call.end < first_end)
        .map(|call| call.result)
        .sum();
    assert!(before >= BYTES, "{before} bytes had come by then");
}
