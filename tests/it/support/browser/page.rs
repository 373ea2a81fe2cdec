//! A tab, and what a test does in it.

use std::{fs, path::Path, time::Instant};

use serde_json::Value;

use super::{Browser, TIMEOUT, chromium};
use crate::support::limit::check_limit;

/// A tab of the browser.
pub(crate) struct Page<'a> {
    pub(super) browser: &'a Browser,
    /// Its name in the debugging protocol.
    pub(super) tab: String,
}

impl Page<'_> {
    /// Goes to this address and waits until it is loaded.
    pub(crate) fn go(&self, url: &str) {
        self.browser.driver.go(self, url);
    }

    /// Evaluates an expression, awaits it if it is a promise, and returns its value as JSON.
    #[track_caller]
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression)
            .unwrap_or_else(|error| panic!("{expression}\n{error}"))
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait_for(&self, condition: &str) {
        let waiting = format!(
            "new Promise((resolve, reject) => {{
                const look = () => {{
                    if ({condition}) resolve();
                    else if (performance.now() > end) reject(Error('in vain; the page says: ' + document.body.innerText));
                    else requestAnimationFrame(look);
                }};
                const end = performance.now() + {};
                look();
            }})",
            TIMEOUT.as_millis(),
        );
        let since = Instant::now();
        loop {
            check_limit(since, condition);
            match self.try_evaluate(&waiting) {
                Ok(_) => return,
                // The page that was asked is gone; the next one is asked.
                Err(error)
                    if error.contains("context was destroyed") || error.contains("navigated") => {}
                Err(error) => panic!("waiting for {condition}\n{error}"),
            }
        }
    }

    /// Chooses files in the file input that this selector finds.
    #[track_caller]
    pub(crate) fn set_files(&self, selector: &str, files: &[&Path]) {
        self.browser.driver.set_files(self, selector, files);
    }

    /// Drops files and folders on the element that this selector finds, as a file manager does.
    #[track_caller]
    pub(crate) fn drop_files(&self, selector: &str, paths: &[&Path]) {
        self.browser.driver.drop_files(self, selector, paths);
    }

    /// Makes the browser one of this language (`de-DE`), from the next page on.
    pub(crate) fn set_language(&self, language: &str) {
        self.browser.driver.set_language(self, language);
    }

    /// Takes the network away, and with it what is under way; or gives it back.
    pub(crate) fn set_offline(&self, offline: bool) {
        self.browser.driver.set_offline(self, offline);
    }

    /// Has this tab be seen, and no other.
    pub(crate) fn bring_to_front(&self) {
        self.browser.driver.bring_to_front(self);
    }

    /// Makes the page this wide and high, in CSS pixels.
    pub(crate) fn set_size(&self, width: u32, height: u32) {
        self.browser.driver.set_size(self, width, height);
    }

    /// Makes the page one for a finger, as wide and high as a phone. In Chromium only.
    pub(crate) fn become_phone(&self) {
        chromium::become_phone(self);
    }

    /// Makes the page prefer `light` or `dark`. In Chromium only.
    pub(crate) fn set_color_scheme(&self, scheme: &str) {
        chromium::set_color_scheme(self, scheme);
    }

    /// Writes what is seen of the page into a PNG file.
    pub(crate) fn screenshot(&self, file: &Path) {
        let png = base64(&self.browser.driver.screenshot(self));
        fs::write(file, png).expect("the picture can be written");
    }

    /// Returns all exceptions and console errors of the page. In Chromium these include failed requests.
    pub(crate) fn errors(&self) -> Vec<String> {
        // What was said before this answer has arrived with it.
        self.evaluate("0");
        self.browser.wire.complaints(&self.tab)
    }

    fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        self.browser.driver.evaluate(self, expression)
    }
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.bytes().filter(|&letter| letter != b'=') {
        let value = LETTERS
            .iter()
            .position(|&known| known == letter)
            .expect("base64");
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
