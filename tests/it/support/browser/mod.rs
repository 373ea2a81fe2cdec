//! Real browsers, driven over their debugging protocols: Debian's Chromium and Firefox, without a window and with an
//! empty profile.
//!
//! ```text
//! let browser = Browser::chromium();
//! let page = browser.open(&format!("http://{}/", site.addr()));
//! page.set_files("input[type=file]", &[path]);
//! page.wait_for("document.body.innerText.includes('Success')");
//! assert_eq!(page.errors(), [""; 0]);
//! ```
//!
//! Waiting happens in the page, at each frame that it draws. A wait of more than [`TIMEOUT`] is a failure.

mod chromium;
mod firefox;
mod page;
mod tests;
mod wire;

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use self::wire::Wire;
use crate::support::limit::{LIMIT, end_within, fail};
pub(crate) use page::{Page, base64};

/// Makes two tests of a function, which gets the browser: `NAME::in_chromium` and `NAME::in_firefox`.
macro_rules! in_each_browser {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use crate::support::browser::Browser;
            use crate::support::left_out::needs;

            #[test]
            fn in_chromium() {
                needs!("chromium");
                super::$test(Browser::chromium());
            }

            #[test]
            fn in_firefox() {
                needs!("firefox-esr");
                super::$test(Browser::firefox());
            }
        }
    )+};
}
pub(crate) use in_each_browser;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The differences between browsers: their start, and the words of their debugging protocols.
trait Driver {
    /// Returns the command that starts the browser with this profile.
    fn command(&self, profile: &Path) -> Command;

    /// Returns the address of the debugging protocol, if this printed line tells it.
    fn url(&self, printed: &str) -> Option<String>;

    /// Begins a session.
    fn begin(&self, wire: &Wire);

    /// Opens a tab, and returns its name in the protocol.
    fn open(&self, wire: &Wire) -> String;

    /// Goes to this address and waits until it is loaded.
    fn go(&self, page: &Page, url: &str);

    /// Evaluates an expression, and awaits it if it is a promise.
    fn evaluate(&self, page: &Page, expression: &str) -> Result<Value, String>;

    fn set_files(&self, page: &Page, selector: &str, files: &[&Path]);

    fn drop_files(&self, page: &Page, selector: &str, paths: &[&Path]);

    fn set_language(&self, page: &Page, language: &str);

    fn set_offline(&self, page: &Page, offline: bool);

    fn set_size(&self, page: &Page, width: u32, height: u32);

    fn bring_to_front(&self, page: &Page);

    /// Returns a PNG in base64.
    fn screenshot(&self, page: &Page) -> String;

    /// Returns the tab and the text of an error that this message reports.
    fn complaint(&self, message: &Value) -> Option<(String, String)>;

    /// Returns the request that accepts the dialog that this message reports.
    fn acceptance(&self, message: &Value) -> Option<Value>;
}

/// A running browser. Dropped, it leaves nothing behind.
pub(crate) struct Browser {
    driver: &'static dyn Driver,
    wire: Wire,
    processes: Processes,
}

/// The processes of a browser. Dropped, they are killed, and their profile is removed.
struct Processes {
    first: Child,
    /// Reads what the browser prints, up to the moment at which its last process has ended.
    printed: Option<JoinHandle<()>>,
    profile: TempDir,
}

impl Browser {
    pub(crate) fn chromium() -> Browser {
        Browser::launch(&chromium::Chromium)
    }

    pub(crate) fn firefox() -> Browser {
        Browser::launch(&firefox::Firefox)
    }

    fn launch(driver: &'static dyn Driver) -> Browser {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut first = driver
            .command(profile.path())
            // No settings of the user, and no files outside the profile.
            .env("HOME", profile.path())
            .env("TMPDIR", profile.path())
            // Without a locale Chromium opens no file whose name is not ASCII.
            .env("LC_ALL", "C.UTF-8")
            // One group for all of its processes, so that all can be ended together.
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the browser is installed: `make tools` does it");
        let stderr = BufReader::new(first.stderr.take().expect("it is piped"));
        let (send, lines) = mpsc::channel();
        let read = move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                // Nobody reads the lines after the address.
                let _ = send.send(String::from_utf8_lossy(&line).into_owned());
            }
        };
        let processes = Processes {
            first,
            printed: Some(thread::spawn(read)),
            profile,
        };
        let wire = Wire::connect(driver, &debugging_url(driver, &lines));
        driver.begin(&wire);
        Browser {
            driver,
            wire,
            processes,
        }
    }

    /// Opens a page in a tab of its own and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) -> Page<'_> {
        let page = Page {
            browser: self,
            tab: self.driver.open(&self.wire),
        };
        page.go(url);
        page
    }

    /// Returns the number of dialogs so far. Each was accepted.
    pub(crate) fn dialogs(&self) -> u32 {
        self.wire.dialogs()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // A browser that is gone already cannot be killed, which is as well.
        let _ = kill_process_group(Pid::from_child(&self.first), Signal::KILL);
        let ended = end_within(LIMIT, &mut self.first);
        // The profile is removed when no process is left that could write to it.
        let printed = self.printed.take().expect("set until the drop");
        let since = Instant::now();
        while !printed.is_finished() && since.elapsed() < LIMIT {
            // Crash handlers have sessions of their own, and some do not notice the end of the browser.
            for process in processes_of(self.profile.path()) {
                let _ = kill_process(process, Signal::KILL);
            }
            thread::sleep(Duration::from_millis(10));
        }
        match ended {
            Ok(_) if printed.is_finished() => {}
            Ok(_) => fail("a process of the browser does not end"),
            Err(message) => fail(&message),
        }
    }
}

/// Returns the processes that were started with this profile as their home.
fn processes_of(profile: &Path) -> Vec<Pid> {
    let home = [b"HOME=", profile.as_os_str().as_bytes()].concat();
    let has_home = |pid: &Pid| {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
        environment.is_ok_and(|text| text.split(|byte| *byte == 0).any(|line| line == home))
    };
    let names = fs::read_dir("/proc").expect("processes");
    let numbers = names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok());
    numbers.filter_map(Pid::from_raw).filter(has_home).collect()
}

/// Waits for the line with the address among those that the browser prints.
fn debugging_url(driver: &dyn Driver, lines: &Receiver<String>) -> String {
    let until = Instant::now() + LIMIT;
    let mut printed = String::new();
    while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if let Some(url) = driver.url(&line) {
            return url;
        }
        let _ = writeln!(printed, "{line}");
    }
    panic!("the browser printed no address within {LIMIT:?}:\n{printed}");
}
