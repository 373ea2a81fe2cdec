//! Refused files, and files that have to wait, do not stop the others.

use std::fs::{self, File};

use super::{Disk, Visit};
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::proxy::Nginx;

in_each_browser!(
    refusal_without_offset_is_final_for_that_file_only,
    busy_files_wait_and_others_go_first,
);

/// Starts nginx, which gives this answer to files whose names begin so, and passes on all others.
pub(super) fn nginx_before(site: &Site, name: &str, answer: &str) -> Nginx {
    let fields = "add_header Upload-Complete '?0' always;";
    let refusing = format!(
        "location = /upload {{ {fields} if ($http_x_file_id ~ ^{name}) {{ {answer} }}
           proxy_pass http://127.0.0.1:8080; proxy_request_buffering off; client_max_body_size 0; }}
         location / {{ proxy_pass http://127.0.0.1:8080; }}"
    );
    Nginx::before(site.addr(), &refusing)
}

#[track_caller]
fn refusal_is_final(browser: &Browser, status: u16) {
    let disk = Disk::new();
    let files = ["bad1.bin", "bad2.bin", "bad3.bin", "good.bin"].map(|name| disk.file(name, 5_000));
    let site = Site::new();
    let nginx = nginx_before(
        &site,
        "bad",
        &format!("return {status} 'no such name here';"),
    );
    let visit = Visit::to(browser, nginx.addr());
    visit.choose(&files.each_ref().map(|file| file.path()));
    visit.wait_for_state("good.bin", "complete");
    for name in ["bad1.bin", "bad2.bin", "bad3.bin"] {
        visit.wait_for_state(name, "failed");
        visit.expect_text(name, "The server says: no such name here");
    }
    visit.expect_no_complaints_but(&[&format!("status of {status}")]);
}

fn refusal_without_offset_is_final_for_that_file_only(browser: Browser) {
    needs!("nginx");
    for status in [400, 403, 404, 409, 422, 507] {
        refusal_is_final(&browser, status);
    }
}

fn busy_files_wait_and_others_go_first(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let names = ["busy1.bin", "busy2.bin", "busy3.bin", "good.bin"];
    let files = names.map(|name| disk.file(name, 5_000));
    let site = Site::new();
    let flag = disk.path().join("flag");
    File::create(&flag).expect("created");
    let unless_flag = format!("set $busy 0; if (-f {}) {{ set $busy 1; }}", flag.display());
    let fields = "add_header Upload-Complete '?0' always; add_header Retry-After 1 always;";
    let locations = format!(
        "location = /upload {{ {unless_flag} if ($http_x_file_id !~ ^busy) {{ set $busy 0; }}
           {fields} if ($busy) {{ return 503 'putting it into its place'; }}
           proxy_pass http://127.0.0.1:8080; }}
         location / {{ proxy_pass http://127.0.0.1:8080; }}"
    );
    let nginx = Nginx::before(site.addr(), &locations);
    let visit = Visit::to(&browser, nginx.addr());
    visit.choose(&files.each_ref().map(|file| file.path()));
    visit.wait_for_state("good.bin", "complete");
    visit.wait_for_state("busy1.bin", "retrying");
    fs::remove_file(&flag).expect("removed");
    for file in &files {
        visit.wait_for_state(file.name(), "complete");
        file.expect_same(&site.dir().join(file.name()));
    }
    visit.expect_no_complaints_but(&["status of 503"]);
}
