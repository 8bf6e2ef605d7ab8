//! Real nodes, each a process of its own, as people and scripts run them.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "processes live in real time")]

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// So long anything may take, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A network's folder, and its processes.
pub(crate) struct Bed {
    folder: tempfile::TempDir,
    pub(crate) nodes: Vec<Process>,
}

/// A node with its home, in one life after the other.
pub(crate) struct Process {
    home: PathBuf,
    pub(crate) secret: PathBuf,
    pub(crate) address: String,
    /// What stands before the program: where it runs.
    inside: Vec<String>,
    child: Option<Child>,
    input: Option<ChildStdin>,
    pub(crate) heard: Arc<Mutex<Heard>>,
}

/// What a node said, in all its lives.
#[derive(Default)]
pub(crate) struct Heard {
    /// Messages in the original's form.
    pub(crate) messages: Vec<Value>,
    /// Answers to commands, by what they are about.
    answers: BTreeMap<String, Vec<Value>>,
    pub(crate) notes: Vec<String>,
}

pub(crate) fn rumormill(arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin!("rumormill"));
    command.args(arguments);
    command
}

/// Waits until something holds; else tells what is there instead.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool, instead: impl Fn() -> String) {
    until_within(PATIENCE, what, holds, instead);
}

fn until_within(patience: Duration, what: &str, holds: impl Fn() -> bool, instead: impl Fn() -> String) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "never came about: {what}\n{}", instead());
        thread::sleep(Duration::from_millis(20));
    }
}

impl Process {
    pub(crate) fn start(&mut self, arguments: &[&str]) {
        let mut command = rumormill(&[]);
        if let Some((first, others)) = self.inside.split_first() {
            command = Command::new(first);
            command.args(others).arg(cargo_bin!("rumormill"));
        }
        let mut child = command
            .args(["node", "--json", "--listen", &self.address])
            .arg("--home")
            .arg(&self.home)
            .arg("--secret")
            .arg(&self.secret)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.input = child.stdin.take();
        let (lines, notes) = (self.heard.clone(), self.heard.clone());
        each_line(child.stdout.take().unwrap(), move |line| lines.lock().unwrap().take(&line));
        each_line(child.stderr.take().unwrap(), move |line| notes.lock().unwrap().notes.push(line));
        self.child = Some(child);
    }

    pub(crate) fn id(&self) -> String {
        self.child.as_ref().unwrap().id().to_string()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.id()]).status().unwrap().success());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn type_in(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for its end, which has to come by itself; the exit code.
    pub(crate) fn code(&mut self) -> i32 {
        let mut child = self.child.take().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code().expect("an exit code");
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("it never ended\n{}", self.tell());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.messages.iter().map(|message| message["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The answer to a command, asked anew.
    pub(crate) fn ask(&mut self, command: &str, about: &str) -> Value {
        let heard = self.heard.clone();
        let count = move || heard.lock().unwrap().answers.get(about).map_or(0, Vec::len);
        let before = count();
        self.type_in(command);
        until(command, || count() > before, || self.tell());
        self.heard.lock().unwrap().answers[about].last().unwrap().clone()
    }

    pub(crate) fn status(&mut self) -> Value {
        self.ask("/status", "status")
    }

    fn neighbors(&mut self) -> u64 {
        self.status()["neighbors"].as_u64().unwrap()
    }

    pub(crate) fn has_noted(&self, text: &str) -> bool {
        self.heard.lock().unwrap().notes.iter().any(|note| note.contains(text))
    }

    pub(crate) fn wait_for_note(&self, text: &str) {
        until(&format!("the note `{text}`"), || self.has_noted(text), || self.tell());
    }

    pub(crate) fn tell(&self) -> String {
        let heard = self.heard.lock().unwrap();
        let status = heard.answers.get("status").and_then(|all| all.last());
        format!(
            "{} {}: {} messages\n  {status:?}\n  {}",
            self.home.display(),
            self.address,
            heard.messages.len(),
            heard.notes.join("\n  ")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Heard {
    fn take(&mut self, line: &str) {
        let Ok(said) = serde_json::from_str::<Value>(line) else {
            return self.notes.push(format!("no JSON: {line}"));
        };
        if said.get("id").is_some() {
            // What can be read back is in the original's form.
            serde_json::from_str::<rumormill::Message>(line).unwrap();
            return self.messages.push(said);
        }
        for (about, answer) in said.as_object().unwrap() {
            self.answers.entry(about.clone()).or_default().push(answer.clone());
        }
    }
}

pub(crate) fn each_line(output: impl Read + Send + 'static, mut take: impl FnMut(String) + Send + 'static) {
    thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).for_each(&mut take));
}

impl Bed {
    /// A folder, and no nodes yet.
    pub(crate) fn empty() -> Bed {
        Bed { folder: tempfile::tempdir().unwrap(), nodes: Vec::new() }
    }

    /// A network of so many nodes, all of which joined through the first.
    pub(crate) fn new(count: usize) -> Bed {
        let mut bed = Bed::empty();
        bed.add(&["--genesis"]);
        (1..count).for_each(|_| _ = bed.join(0));
        bed.settle();
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a new node; its number.
    pub(crate) fn add(&mut self, arguments: &[&str]) -> usize {
        self.add_inside(&[], "127.0.0.1:0", arguments)
    }

    /// The same, listening elsewhere, by way of another program that starts it.
    pub(crate) fn add_inside(&mut self, inside: &[&str], listen: &str, arguments: &[&str]) -> usize {
        let node = self.nodes.len();
        let mut process = Process {
            home: self.path(&format!("node-{node}")),
            secret: self.path("secret"),
            address: listen.into(),
            inside: inside.iter().map(|&word| word.to_owned()).collect(),
            child: None,
            input: None,
            heard: Arc::default(),
        };
        process.start(arguments);
        process.wait_for_note(" listens at ");
        let listens = process
            .heard
            .lock()
            .unwrap()
            .notes
            .iter()
            .find_map(|note| Some(note.split_once(" listens at ")?.1.split_once(';')?.0.to_owned()));
        process.address = listens.unwrap();
        self.nodes.push(process);
        node
    }

    pub(crate) fn join(&mut self, contact: usize) -> usize {
        let address = self.nodes[contact].address.clone();
        self.add(&["--join", &address])
    }

    /// Starts nodes again that remember their network.
    pub(crate) fn restart(&mut self, nodes: &[usize]) {
        nodes.iter().for_each(|&node| self.nodes[node].start(&[]));
    }

    pub(crate) fn kill(&mut self, nodes: &[usize]) {
        nodes.iter().for_each(|&node| self.nodes[node].kill());
    }

    fn alive(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&node| self.nodes[node].child.is_some()).collect()
    }

    /// Waits until everybody alive is a member with enough neighbors.
    pub(crate) fn settle(&mut self) {
        let alive = self.alive();
        let enough = 3.min(alive.len() as u64 - 1);
        let deadline = Instant::now() + PATIENCE;
        for node in alive {
            loop {
                let status = self.nodes[node].status();
                if status["state"] == "member" && status["neighbors"].as_u64().unwrap() >= enough {
                    break;
                }
                assert!(Instant::now() < deadline, "node {node} did not settle\n{}", self.nodes[node].tell());
                thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Broadcasts so many texts from a node.
    pub(crate) fn broadcast(&mut self, from: usize, title: &str, count: usize) -> Vec<String> {
        let texts: Vec<String> = (0..count).map(|number| format!("{title} {number} by {from}")).collect();
        texts.iter().for_each(|text| self.nodes[from].type_in(text));
        texts
    }

    /// Waits until everybody alive has all texts, and sees to it that nobody has any twice.
    pub(crate) fn all_have(&self, texts: &[String]) {
        self.all_have_within(texts, PATIENCE);
    }

    pub(crate) fn all_have_within(&self, texts: &[String], patience: Duration) {
        let wanted: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
        for node in self.alive() {
            let process = &self.nodes[node];
            let missing = || {
                let have = process.texts();
                let have: BTreeSet<&str> = have.iter().map(String::as_str).collect();
                wanted.difference(&have).map(|text| (*text).to_owned()).collect::<Vec<_>>()
            };
            let instead = || format!("missing: {:?}\n{}", missing(), process.tell());
            until_within(patience, &format!("node {node} has all"), || missing().is_empty(), instead);
            let mut ids = BTreeSet::new();
            for message in &process.heard.lock().unwrap().messages {
                assert!(ids.insert(message["id"].to_string()), "node {node} delivered twice: {message}");
            }
            assert_eq!(process.texts().len(), wanted.len(), "node {node} has what nobody sent");
        }
    }
}

#[test]
fn everyone_alive_has_everything_once_through_kills_and_restarts() {
    let mut bed = Bed::new(20);
    let mut texts = bed.broadcast(0, "calm", 10);
    texts.extend(bed.broadcast(19, "calm", 10));
    bed.all_have(&texts);
    let victims = [1, 5, 9, 13, 17];
    bed.kill(&victims);
    for from in [0, 2, 10, 19] {
        texts.extend(bed.broadcast(from, "after the kill", 25));
    }
    let newcomers: Vec<usize> = (0..5).map(|number| bed.join(2 + number)).collect();
    bed.restart(&victims);
    for from in [victims[0], newcomers[4]] {
        texts.extend(bed.broadcast(from, "back", 5));
    }
    bed.all_have(&texts);
    bed.settle();
    let last = bed.broadcast(newcomers[0], "last", 1);
    texts.extend(last);
    bed.all_have(&texts);
    assert_eq!(bed.nodes[7].ask("/network", "network")["nodes"], 25);
}

#[test]
fn a_network_outlives_its_genesis_and_the_end_of_all_its_processes() {
    let mut bed = Bed::new(8);
    let mut texts = bed.broadcast(3, "first", 3);
    bed.all_have(&texts);
    bed.kill(&[0]);
    texts.extend(bed.broadcast(1, "without the genesis", 3));
    let newcomer = bed.join(5);
    texts.extend(bed.broadcast(newcomer, "new", 1));
    bed.all_have(&texts);
    bed.settle();
    let everybody = bed.alive();
    bed.kill(&everybody);
    bed.restart(&everybody);
    texts.extend(bed.broadcast(4, "again", 3));
    bed.all_have(&texts);
    // The genesis comes back without being asked to found anything.
    bed.restart(&[0]);
    bed.all_have(&texts);
    bed.settle();
    assert_eq!(bed.nodes[0].ask("/network", "network")["nodes"], 9);
}

#[test]
fn a_process_that_stands_still_is_noticed_and_catches_up() {
    let mut bed = Bed::new(5);
    let mut texts = bed.broadcast(0, "before", 3);
    bed.all_have(&texts);
    bed.nodes[4].signal("-STOP");
    let deadline = Instant::now() + PATIENCE;
    while bed.nodes[0].neighbors() > 3 {
        assert!(Instant::now() < deadline, "{}", bed.nodes[0].tell());
        thread::sleep(Duration::from_millis(100));
    }
    texts.extend(bed.broadcast(1, "meanwhile", 10));
    let asleep = bed.nodes.pop().unwrap();
    bed.all_have(&texts);
    asleep.signal("-CONT");
    bed.nodes.push(asleep);
    bed.all_have(&texts);
    bed.settle();
}

#[test]
fn strangers_are_told_why_they_stay_outside_and_a_secret_can_be_replaced() {
    let mut bed = Bed::new(1);
    let (secret, old, other) = (bed.path("secret"), bed.path("old-secret"), bed.path("other-secret"));
    fs::copy(&secret, &old).unwrap();
    let stranger_home = bed.path("stranger");
    let address = bed.nodes[0].address.clone();
    let start = |home: &Path, secret: &Path, contact: &str| {
        let mut process = Process {
            home: home.into(),
            secret: secret.into(),
            address: "127.0.0.1:0".into(),
            inside: Vec::new(),
            child: None,
            input: None,
            heard: Arc::default(),
        };
        process.start(&["--join", contact]);
        process
    };
    // A secret of its own.
    let mut founder = start(&bed.path("founder"), &other, &address);
    assert_eq!(founder.code(), 65);
    assert!(founder.has_noted("other-secret does not exist"), "{}", founder.tell());
    founder.start(&["--genesis"]);
    until("the other secret is there", || other.exists(), || founder.tell());
    let mut stranger = start(&stranger_home, &other, &address);
    stranger.wait_for_note("another secret");
    assert_eq!(stranger.status()["state"], "joining");
    assert_eq!(stranger.neighbors() + bed.nodes[0].neighbors(), 0);
    stranger.signal("-TERM");
    assert_eq!(stranger.code(), 0);
    // Both hold for a while.
    let rotate = |period: &str| {
        let file = secret.to_str().unwrap();
        let output = rumormill(&["secret", "rotate", "--for", period, "--secret", file]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    rotate("1h");
    bed.nodes[0].wait_for_note("the secret has changed");
    let late = start(&bed.path("late"), &old, &address);
    late.wait_for_note("joined");
    let early = start(&bed.path("early"), &secret, &address);
    early.wait_for_note("joined");
    let shown =
        |file: &Path| text(&rumormill(&["secret", "show", "--secret"]).arg(file).output().unwrap().stdout);
    assert_ne!(shown(&secret), shown(&old));
    // The old one does not any more.
    rotate("0s");
    let changes = || {
        let heard = bed.nodes[0].heard.lock().unwrap();
        heard.notes.iter().filter(|note| note.contains("the secret has changed")).count()
    };
    until("the genesis noticed", || changes() == 2, || bed.nodes[0].tell());
    let too_late = start(&bed.path("too-late"), &old, &address);
    too_late.wait_for_note("another secret");
    let in_time = start(&bed.path("in-time"), &secret, &address);
    in_time.wait_for_note("joined");
}

#[test]
fn who_joins_waits_until_somebody_is_there() {
    let mut bed = Bed::new(1);
    let address = bed.nodes[0].address.clone();
    bed.nodes[0].signal("-INT");
    assert_eq!(bed.nodes[0].code(), 0);
    let early = bed.add(&["--join", &address]);
    bed.nodes[early].wait_for_note("nobody listens there");
    bed.nodes[early].type_in("typed before anybody was there");
    bed.nodes[0].start(&["--genesis"]);
    bed.all_have(&["typed before anybody was there".to_owned()]);
    assert_eq!(
        bed.nodes[early].heard.lock().unwrap().notes.iter().filter(|n| n.contains("nobody listens")).count(),
        1
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn lines_are_broadcast_commands_answered_and_the_rest_explained() {
    let mut bed = Bed::new(2);
    let long = "x".repeat(64 << 10);
    for line in ["hello", "//slash", "", "  ", &long, &format!("{long}y"), "/stauts", "/send"] {
        bed.nodes[1].type_in(line);
    }
    bed.all_have(&["hello".into(), "/slash".into(), long]);
    assert!(!bed.nodes[1].has_noted("waits for the disk"), "{}", bed.nodes[1].tell());
    for note in ["has 65,537 bytes", "did you mean /status?", "write /send NODE TEXT"] {
        bed.nodes[1].wait_for_note(note);
    }
    let identity = bed.nodes[0].status()["identity"].as_str().unwrap().to_owned();
    let address = bed.nodes[0].address.clone();
    bed.nodes[1].type_in(&format!("/send {} to an identity", &identity[..8]));
    bed.nodes[1].type_in(&format!("/send {address} to an address"));
    let direct = |bed: &Bed| {
        let heard = bed.nodes[0].heard.lock().unwrap();
        heard.messages.iter().filter(|message| message["title"] == "#DIRECT").count()
    };
    until("both messages come", || direct(&bed) == 2, || bed.nodes[0].tell() + &bed.nodes[1].tell());
    bed.nodes[1].wait_for_note("has your message");
    assert_eq!(bed.nodes[1].ask("/peers", "neighbors")[0]["identity"], identity);
    assert_eq!(bed.nodes[1].ask("/known", "known_nodes")[0]["address"], address);
    assert_eq!(bed.nodes[1].ask("/network", "network")["nodes"], 2);
    bed.nodes[1].type_in("/leave");
    assert_eq!(bed.nodes[1].code(), 0);
    assert_eq!(bed.nodes[0].neighbors(), 0);
    bed.nodes[0].type_in("/quit");
    assert_eq!(bed.nodes[0].code(), 0);
}

#[test]
fn a_network_is_asked_from_outside() {
    let bed = Bed::new(4);
    let (address, secret) = (bed.nodes[2].address.clone(), bed.path("secret").display().to_string());
    let ask = |what: &str| {
        let answer = rumormill(&[what, &address, "--secret", &secret, "--json"]).output().unwrap();
        assert!(answer.status.success(), "{}", text(&answer.stderr));
        serde_json::from_slice::<Value>(&answer.stdout).unwrap()
    };
    let status = ask("status");
    assert_eq!((&status["state"], &status["address"]), (&"member".into(), &address.clone().into()));
    assert_eq!(status["neighbors"].as_array().unwrap().len(), 3);
    assert_eq!(ask("network")["nodes"], 4);
    #[cfg(feature = "draw")]
    {
        let picture = bed.path("network.svg").display().to_string();
        let draw = rumormill(&["draw", "--live", &address, "--secret", &secret, "--out", &picture]).output();
        let draw = draw.unwrap();
        assert!(draw.status.success(), "{}", text(&draw.stderr));
        assert!(text(&draw.stderr).contains("4 nodes and 6 links"), "{}", text(&draw.stderr));
        assert!(
            std::fs::read_to_string(&picture)
                .unwrap()
                .contains(status["identity"].as_str().unwrap().get(..8).unwrap())
        );
    }
    let nobody = rumormill(&["status", "127.0.0.1:1", "--secret", &secret]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(65));
    assert!(text(&nobody.stderr).contains("nobody answers at 127.0.0.1:1"), "{}", text(&nobody.stderr));
}

#[test]
fn only_the_admin_shuts_a_network_down_and_only_once() {
    let (mut bed, other) = (Bed::new(4), Bed::new(1));
    let file = |bed: &Bed, name: &str| bed.path(name).display().to_string();
    let address = bed.nodes[2].address.clone();
    let shutdown = |bed: &Bed, arguments: &[&str]| {
        let secret = file(bed, "secret");
        rumormill(&["shutdown", &address, "--secret", &secret]).args(arguments).output().unwrap()
    };
    let texts = bed.broadcast(1, "before", 3);
    bed.all_have(&texts);
    let admin = file(&bed, "admin");
    fs::rename(bed.path("secret.admin"), &admin).unwrap();
    for (arguments, code, why) in [
        (vec![], 64, "--admin FILE"),
        (vec!["--admin", &file(&other, "secret.admin")], 65, "not signed by the admin of this network"),
        (vec!["--admin", &file(&bed, "secret")], 65, "line 2 should be `private KEY`"),
    ] {
        let output = shutdown(&bed, &arguments);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    bed.all_have(&texts);
    let output = shutdown(&bed, &["--admin", &admin]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the network of 4 nodes is being shut down"));
    for node in &mut bed.nodes {
        assert_eq!(node.code(), 0, "{}", node.tell());
        assert!(node.has_noted("the admin shuts the network down"), "{}", node.tell());
    }
    // The order is in their logs, and in what they tell newcomers: it ends nobody who started later.
    bed.restart(&[0, 1, 2, 3]);
    bed.settle();
    bed.join(3);
    bed.settle();
    let more = bed.broadcast(4, "after", 3);
    bed.all_have(&[&texts[..], &more[..]].concat());
}

#[test]
fn what_happens_is_written_down_for_programs() {
    let mut bed = Bed { folder: tempfile::tempdir().unwrap(), nodes: Vec::new() };
    let file = bed.path("events.jsonl").display().to_string();
    bed.add(&["--genesis", "--events", &file, "--weight", "debug"]);
    bed.join(0);
    bed.settle();
    let texts = bed.broadcast(1, "written down", 1);
    bed.all_have(&texts);
    let address = bed.nodes[0].address.clone();
    let mut stranger = std::net::TcpStream::connect(&address).unwrap();
    stranger.write_all(&[0, 48]).and_then(|()| stranger.write_all(&[7; 48])).unwrap();
    let events = || {
        let text = fs::read_to_string(&file).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<Value>>()
    };
    let told = |what: &str| events().into_iter().find(|event| event["message"] == what);
    for what in ["started", "joined", "link up", "delivered", "turned away"] {
        until(what, || told(what).is_some(), || format!("{:#?}", events()));
    }
    assert_eq!(told("started").unwrap()["address"], address);
    assert_eq!(told("link up").unwrap()["address"], bed.nodes[1].address);
    assert_eq!(told("turned away").unwrap()["level"], "WARN");
    let nowhere = bed.path("nowhere/events").display().to_string();
    let output = rumormill(&["node", "--listen", "127.0.0.1:0", "--genesis", "--events", &nowhere])
        .arg("--home")
        .arg(bed.path("another"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("nowhere/events"), "{}", text(&output.stderr));
}

#[test]
fn people_read_messages_that_give_no_orders_to_their_terminal() {
    let mut bed = Bed::new(1);
    let address = bed.nodes[0].address.clone();
    let command = ["node", "--listen", "127.0.0.1:0", "--leave-at-end", "--join", &address];
    let mut reader = rumormill(&command)
        .arg("--home")
        .arg(bed.path("reader"))
        .arg("--secret")
        .arg(bed.path("secret"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    bed.nodes[0].type_in("evil \u{1b}]0;title\u{7} \u{202e}text");
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.ends_with("evil \u{fffd}]0;title\u{fffd} \u{fffd}text"), "{line:?}");
    // The end of the input is the end of the node, once it said what was to be said.
    let mut input = reader.stdin.take().unwrap();
    write!(input, "last words").unwrap();
    drop(input);
    assert!(reader.wait().unwrap().success());
    until(
        "the last words come",
        || bed.nodes[0].texts().contains(&"last words".to_owned()),
        || bed.nodes[0].tell(),
    );
}

#[test]
fn who_cannot_start_is_told_what_to_do() {
    let bed = Bed::new(1);
    let home = bed.path("nobody");
    let answer = |arguments: &[&str]| -> (Option<i32>, String) {
        let mut command = rumormill(&["node", "--listen", &bed.nodes[0].address]);
        let Output { status, stderr, .. } =
            command.arg("--home").arg(&home).args(arguments).stdin(Stdio::null()).output().unwrap();
        (status.code(), text(&stderr))
    };
    for (arguments, code, remedy) in [
        (&[][..], 64, "with --genesis"),
        (&["--join", "127.0.0.1:1"], 64, "--secret FILE"),
        (&["--join", "127.0.0.1:1", "--genesis"], 64, "cannot be used with"),
        (&["--genesis"], 65, "choose another address with --listen"),
    ] {
        let (found, said) = answer(arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(remedy), "{arguments:?}: {said}");
    }
    let taken = rumormill(&["node", "--listen", "127.0.0.1:0", "--genesis", "--home"])
        .arg(&bed.nodes[0].home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(taken.status.code(), Some(65));
    assert!(text(&taken.stderr).contains("another node runs on it"), "{taken:?}");
}

#[test]
fn a_cluster_has_one_console() {
    let mut child = rumormill(&["cluster", "4"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let (out, err) = (said.clone(), said.clone());
    each_line(child.stdout.take().unwrap(), move |line| out.lock().unwrap().push(line));
    each_line(child.stderr.take().unwrap(), move |line| err.lock().unwrap().push(line));
    let tell = || said.lock().unwrap().join("\n");
    let mut step = |line: &str, answer: &str| {
        writeln!(input, "{line}").unwrap();
        until(answer, || tell().contains(answer), tell);
    };
    step("hello", "hello: all 4 nodes have it");
    step("/kill 2", "node 2 is killed");
    step("3: missing one", "missing one: all 3 nodes have it");
    step("/start 2", "node 2 has this now, too: missing one");
    step("/status", "  2  ");
    step("/quit", "");
    assert!(child.wait().unwrap().success(), "{}", tell());
}
