//! A real Chromium, driven over its DevTools protocol through two pipes: no driver program and no socket.
//!
//! `GALLEY_TEST_CHROMIUM` names another one than those usual on PATH. Messages are JSON, each ended by a NUL byte (Chromium, `--remote-debugging-pipe`): it reads from descriptor 3 and writes
//! to descriptor 4, which a shell joins to this process's pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use crate::world::which;

/// Longest wait for anything on a page: an apply in the sandbox takes seconds, on a loaded machine ten times that.
const PATIENCE: Duration = Duration::from_secs(120);

/// One browser with one tab.
pub struct Browser {
    child: Child,
    pipe: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    next: u64,
    _profile: tempfile::TempDir,
}

/// The browser of this machine, if it has one.
pub fn installed() -> Option<PathBuf> {
    match std::env::var_os("GALLEY_TEST_CHROMIUM").filter(|named| !named.is_empty()) {
        Some(named) => Some(named.into()),
        None => ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"].into_iter().find_map(which),
    }
}

impl Browser {
    /// Starts Chromium with an empty profile.
    pub fn start() -> Browser {
        let profile = tempfile::Builder::new().prefix("glybr").tempdir().expect("temp dir");
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .arg(installed().expect("a browser"))
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"])
            // nothing but the server under test is asked for anything, also where a proxy is set
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-quic",
                "--no-proxy-server",
            ])
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let (pipe, output) = (child.stdin.take().expect("pipe"), child.stdout.take().expect("pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut bytes = Vec::new();
            while reader.read_until(0, &mut bytes).is_ok_and(|read| read > 0) {
                bytes.pop();
                if let Ok(message) = serde_json::from_slice(&bytes)
                    && sender.send(message).is_err()
                {
                    return;
                }
                bytes.clear();
            }
        });
        let mut browser = Browser { child, pipe, messages, session: String::new(), next: 0, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().expect("session").to_owned();
        browser.call("Page.enable", json!({}));
        // headers of one's own are sent only while the network is watched
        browser.call("Network.enable", json!({}));
        browser
    }

    /// One command; its result.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.pipe.write_all(&bytes).expect("the browser reads");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self
                .messages
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .unwrap_or_else(|_| panic!("{method}: no answer"));
            if answer["id"] == self.next {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Window size, colours and language of the visitor.
    pub fn look(&mut self, width: u32, height: u32, dark: bool, language: &str) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        let scheme = if dark { "dark" } else { "light" };
        self.call("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }));
        self.call("Network.setExtraHTTPHeaders", json!({ "headers": { "Accept-Language": language } }));
    }

    /// Turns scripts off or on for the pages to come.
    pub fn scripts(&mut self, on: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !on }));
    }

    /// Goes to an address and waits until it is shown. The page that is left is marked: an answer that still has the mark is
    /// of that one.
    pub fn open(&mut self, address: &str) {
        self.evaluate("document.documentElement.dataset.left = '1'");
        self.call("Page.navigate", json!({ "url": address }));
        self.until(
            "the page is loaded",
            "document.readyState === 'complete' && location.href !== 'about:blank' && !document.documentElement.dataset.left",
        );
    }

    /// Shows a text as the whole page.
    pub fn show(&mut self, html: &str) {
        let encoded = base64::engine::general_purpose::STANDARD.encode(html);
        self.open(&format!("data:text/html;charset=utf-8;base64,{encoded}"));
    }

    /// Waits until an expression is true, for something that is true now and must stay so for a while.
    pub fn still(&mut self, what: &str, expression: &str) {
        let shown = self.evaluate(&format!("Boolean({expression})"));
        assert_eq!(shown, json!(true), "{what}; the page says\n{}", self.text());
    }

    /// The value of an expression; null when it throws (a page that is being replaced).
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }));
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, what: &str, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.evaluate(&format!("Boolean({expression})")) != json!(true) {
            if Instant::now() >= deadline {
                let shown = self.evaluate("document.body.innerText");
                panic!("{what}: not seen; the page says\n{}", shown.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a reader sees as text.
    pub fn text(&mut self) -> String {
        self.evaluate("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Clicks as a person does: on what is there, enabled, once.
    pub fn click(&mut self, selector: &str) {
        self.until(
            selector,
            &format!(
                "document.querySelector({})?.disabled === false || document.querySelector({}) instanceof HTMLAnchorElement",
                json!(selector),
                json!(selector)
            ),
        );
        // a click that leaves the page may end before it answers
        self.evaluate(&format!("setTimeout(() => document.querySelector({}).click(), 0), 1", json!(selector)));
    }

    /// Types into a field.
    pub fn fill(&mut self, selector: &str, text: &str) {
        self.until(selector, &format!("document.querySelector({})", json!(selector)));
        self.evaluate(&format!("document.querySelector({}).focus(), 1", json!(selector)));
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Signs in with a token at `base`.
    pub fn sign_in(&mut self, base: &str, token: &str) {
        self.open(&format!("{base}/"));
        self.fill("#token", token);
        self.click("main button[type=submit]");
        self.until("signed in", "document.querySelector('.role')");
    }

    /// Signs out.
    pub fn sign_out(&mut self) {
        self.click(".tools button");
        self.until("signed out", "document.querySelector('#token')");
    }

    /// Writes what is seen to a PNG; the whole page, at most `height` points of it.
    pub fn picture(&mut self, path: &Path, height: u32) {
        self.until("pictures are there", "[...document.images].every((one) => one.complete)");
        let metrics = self.call("Page.getLayoutMetrics", json!({}));
        let size = &metrics["cssContentSize"];
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"].as_f64().unwrap_or(0.0).min(f64::from(height)), "scale": 1 });
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().expect("data")).expect("base64");
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, bytes).expect("picture");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
