//! A browser without a window, driven through its debugging pipe: no port, no other program.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a browser lives in real time")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// So long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it is called, here and there.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Chromium with one page.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    session: Option<String>,
    asked: u64,
    complaints: Vec<String>,
    /// Its profile; removed at the end.
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts it; none, said aloud, where there is none.
    pub(crate) fn open() -> Option<Browser> {
        let is_there = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
        let Some(name) = NAMES.iter().find(is_there) else {
            eprintln!("skipped: no Chromium is installed here (apt-get install chromium)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // Its pipe is made of descriptors 3 and 4.
        let script = format!(
            "exec {name} --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
             --user-data-dir='{}' --remote-debugging-pipe about:blank 3<&0 4>&1 </dev/null >/dev/null 2>&1",
            folder.path().display()
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let (said, output) = mpsc::channel();
        let pipe = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let parts = pipe.split(0).map_while(Result::ok);
            let values = parts.filter_map(|part| serde_json::from_slice(&part).ok());
            values.map_while(|value: Value| said.send(value).ok()).for_each(drop);
        });
        let (session, complaints) = (None, Vec::new());
        let mut browser = Browser { child, input, output, session, asked: 0, complaints, _folder: folder };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let chosen = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", &chosen);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        browser.ask("Runtime.enable", &json!({}));
        Some(browser)
    }

    pub(crate) fn visit(&mut self, url: &str) {
        self.ask("Page.navigate", &json!({ "url": url }));
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let answer =
            self.ask("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true }));
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(expression) != true {
            if Instant::now() > deadline {
                let page = self.value("document.body && document.body.innerText");
                panic!(
                    "never came about: {expression}\n{}\n{:?}",
                    page.as_str().unwrap_or(""),
                    self.complaints
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Errors that scripts of the page ran into.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.value("0");
        self.complaints.clone()
    }

    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let mut order = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{order}\0").as_bytes()).expect("Chromium listens");
        loop {
            let said = self.output.recv_timeout(PATIENCE).expect("Chromium answers");
            if said["id"] == self.asked {
                return said["result"].clone();
            }
            if said["method"] == "Runtime.exceptionThrown" {
                self.complaints.push(said["params"]["exceptionDetails"].to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
