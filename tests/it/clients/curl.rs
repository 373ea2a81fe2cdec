//! curl, as `docs/clients.md` prints it.

use super::{PAGE, Trip, command, ways};
use crate::ops::readme::block_of;
use crate::support::left_out::needs;
use crate::support::running::{Running, run};

#[test]
fn the_lines_for_curl_go_on_after_a_cut() {
    needs!("curl");
    let (begin, go_on) = (block_of(PAGE, "curl"), block_of(PAGE, "curl-rest"));
    for way in ways() {
        let mut trip = Trip::new(way, &[]);
        let shell = |lines: &str| {
            let mut shell = command("sh");
            shell
                .args(["-c", &lines.replace("http://pi:8080", &trip.line.url())])
                .current_dir(trip.disk.path());
            shell
        };
        let (mut begin, mut go_on) = (shell(begin), shell(go_on));
        let cut = Running::start(&mut begin);
        trip.cut();
        assert_ne!(cut.end().status, Some(0));
        run(&mut go_on).expect(0, &[]);
        trip.expect_arrived();
    }
}
