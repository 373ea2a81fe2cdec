//! A tab, and what a test does in it.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{Browser, TIMEOUT, described};

/// A tab of the browser.
pub(crate) struct Page<'a> {
    pub(super) browser: &'a Browser,
    pub(super) session: String,
}

impl Page<'_> {
    /// Goes to this address and waits until it is loaded.
    pub(crate) fn go(&self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert_eq!(answer["errorText"], Value::Null, "{url}");
        self.wait_for("document.readyState === 'complete'");
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
        loop {
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
        let expression = format!("document.querySelector({})", json!(selector));
        let found = self.call("Runtime.evaluate", json!({ "expression": expression }));
        let input = &found["result"]["objectId"];
        assert!(input.is_string(), "no {selector}");
        self.call(
            "DOM.setFileInputFiles",
            json!({ "objectId": input, "files": files }),
        );
    }

    /// Drops files and folders on the element that this selector finds, as a file manager does.
    #[track_caller]
    pub(crate) fn drop_files(&self, selector: &str, paths: &[&Path]) {
        let place = format!(
            "document.querySelector({}).getBoundingClientRect()",
            json!(selector)
        );
        let [x, y] = ["x", "y"].map(|axis| self.evaluate(&format!("{place}.{axis} + 20")));
        let data = json!({ "items": [], "files": paths, "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            let params = json!({ "type": kind, "x": x, "y": y, "data": data });
            self.call("Input.dispatchDragEvent", params);
        }
    }

    /// Makes the browser one of this language (`de-DE`), from the next page on.
    pub(crate) fn set_language(&self, language: &str) {
        let version = self.browser.call("", "Browser.getVersion", json!({}));
        let user_agent = &version["userAgent"];
        let params = json!({ "userAgent": user_agent, "acceptLanguage": language });
        self.call("Emulation.setUserAgentOverride", params);
        self.call("Emulation.setLocaleOverride", json!({ "locale": language }));
    }

    /// Takes the network away, and with it what is under way; or gives it back.
    pub(crate) fn set_offline(&self, offline: bool) {
        self.set_network(offline, None);
    }

    /// Lets uploads have this many bytes a second.
    pub(crate) fn limit_uploads(&self, bytes_per_second: u64) {
        self.set_network(false, Some(bytes_per_second));
    }

    /// Lets uploads be as fast as they can.
    pub(crate) fn unlimit_uploads(&self) {
        self.set_network(false, None);
    }

    fn set_network(&self, offline: bool, upload_limit: Option<u64>) {
        let upload = upload_limit.map_or(json!(-1), |limit| json!(limit));
        let params = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload,
        });
        self.call("Network.emulateNetworkConditions", params);
    }

    /// Has this tab be seen, and no other.
    pub(crate) fn bring_to_front(&self) {
        self.call("Page.bringToFront", json!({}));
    }

    /// Makes the page this wide and high, in CSS pixels.
    pub(crate) fn set_size(&self, width: u32, height: u32) {
        let params =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", params);
    }

    /// Writes what is seen of the page into a PNG file.
    pub(crate) fn screenshot(&self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let png = base64(shot["data"].as_str().expect("a picture"));
        fs::write(file, png).expect("the picture can be written");
    }

    /// Returns all exceptions, console errors and failed requests of the page.
    pub(crate) fn errors(&self) -> Vec<String> {
        // What was said before this answer has arrived with it.
        self.evaluate("0");
        let complaints = self.browser.complaints.borrow();
        let ours = complaints
            .iter()
            .filter(|(session, _)| *session == self.session);
        ours.map(|(_, complaint)| complaint.clone()).collect()
    }

    fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let mut answer = self
            .browser
            .try_call(&self.session, "Runtime.evaluate", params)?;
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].take()),
            details => Err(described(details)),
        }
    }

    #[track_caller]
    pub(super) fn call(&self, method: &str, params: Value) -> Value {
        self.browser.call(&self.session, method, params)
    }
}

fn base64(text: &str) -> Vec<u8> {
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
