//! `rumormill cluster`: many nodes on this machine, each a process of its own, with one console.
//!
//! The nodes are children of this process: they are told what to do over their input, tell what they deliver as JSON, and
//! leave when this process is gone, whatever ended it.

use super::Failure;
use super::node::ClusterArguments;
use super::node::input::{self, Input, Voice};
use crate::units::human_duration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
#[expect(clippy::disallowed_types, reason = "a person's time is that of the wall clock")]
use std::time::Instant;

pub(super) const HELP: &str = "\
A line that is typed or piped in is broadcast by node 0, or by node N if it begins with `N:`; for each broadcast it is told \
who delivered it, and in what time. /kill N ends a node without a word, as kill -9 does; /start N starts it again, with its \
identity and its log, or a new one; /status shows all nodes; /quit ends everything, as do Ctrl-D and the end of piped input.

  rumormill cluster 20
  > hello
  > /kill 7
  > 3: is anybody missing?
  > /start 7";

const COMMANDS: &str = "\
text               node 0 broadcasts it
N: text            node N broadcasts it
/kill N            ends node N without a word (kill -9)
/start N           starts it again, or a new one
/status            shows all nodes
/quit              ends everything";

/// So long after a broadcast it is told who is still missing.
const PATIENCE: Duration = Duration::from_secs(2);
/// So long nodes may take to start, and to end.
const START_TIME: Duration = Duration::from_secs(30);
const END_TIME: Duration = Duration::from_secs(3);
/// Of so many broadcasts it is remembered who has them.
const MOST_REMEMBERED: usize = 1_000;

enum Event {
    Input(Input),
    /// A node said something, in this life.
    Said {
        node: usize,
        life: u32,
        line: String,
    },
    /// A node complained, or told where it listens.
    Noted {
        node: usize,
        life: u32,
        line: String,
    },
}

#[expect(clippy::disallowed_types, reason = "a person's time is that of the wall clock")]
fn now() -> Instant {
    Instant::now()
}

pub(super) fn run(arguments: &ClusterArguments) -> Result<u8, Failure> {
    let temporary = arguments.home.is_none();
    let home = arguments
        .home
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("rumormill-cluster-{}", std::process::id())));
    fs::create_dir_all(&home).map_err(Failure::output(format!("{}", home.display())))?;
    let (events, inbox) = mpsc::channel();
    let mut cluster = Cluster {
        home: home.clone(),
        nodes: Vec::new(),
        voice: Voice::Plain(io::BufWriter::new(io::stdout())),
        broadcasts: BTreeMap::new(),
        events: events.clone(),
    };
    let result = cluster.play(arguments.nodes as usize, &inbox);
    cluster.end();
    if temporary {
        // What cannot be removed lies where the system removes it one day.
        _ = fs::remove_dir_all(&home);
    }
    result.and(cluster.voice.finish()).map(|()| 0)
}

struct Cluster {
    home: PathBuf,
    nodes: Vec<Member>,
    voice: Voice,
    /// By their ids.
    broadcasts: BTreeMap<String, Spread>,
    events: Sender<Event>,
}

/// One of the processes.
struct Member {
    /// None while it is down.
    process: Option<(Child, ChildStdin)>,
    /// Counts the times that it was started.
    life: u32,
    address: Option<String>,
}

/// Who has a broadcast.
#[expect(clippy::disallowed_types, reason = "as above")]
struct Spread {
    text: String,
    first: Instant,
    have: Vec<usize>,
    /// Whether it was told that somebody is missing, or that nobody is.
    told: Option<bool>,
}

impl Cluster {
    fn play(&mut self, count: usize, inbox: &Receiver<Event>) -> Result<(), Failure> {
        self.start(0)?;
        self.wait_for(inbox, 1)?;
        for node in 1..count {
            self.start(node)?;
        }
        self.wait_for(inbox, count)?;
        let inputs = self.events.clone();
        let (keyboard, voice) = input::open(None, move |input| _ = inputs.send(Event::Input(input)));
        self.voice = voice;
        self.voice.note(&format!(
            "{count} nodes listen at {} and other ports of this machine; what you type is broadcast, /help tells what else there is",
            self.nodes[0].address.as_deref().unwrap_or_default()
        ));
        loop {
            self.voice.flush()?;
            match inbox.recv_timeout(PATIENCE / 4) {
                Ok(Event::Input(Input::Line(line))) => {
                    if !self.obey(line.trim())? {
                        return Ok(());
                    }
                    keyboard.go_on();
                }
                Ok(Event::Input(Input::TooLong(length))) => {
                    self.voice.note(&format!("not sent: {length} bytes are more than a text may have"));
                    keyboard.go_on();
                }
                Ok(Event::Input(Input::End)) => return self.linger(inbox),
                Ok(Event::Input(Input::Interrupt)) => return Ok(()),
                Ok(event) => self.on_event(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("the cluster itself could send"),
            }
            if super::progress::interrupted() {
                return Ok(());
            }
            self.tell_of_missing()?;
        }
    }

    /// The input is over: what was broadcast may still arrive.
    fn linger(&mut self, inbox: &Receiver<Event>) -> Result<(), Failure> {
        let end = now() + PATIENCE * 2;
        let mut quiet = now();
        while now() < end && (quiet.elapsed() < PATIENCE / 4 || self.is_waiting()) {
            if let Ok(event) = inbox.recv_timeout(PATIENCE / 8) {
                quiet = now();
                self.on_event(event)?;
            }
            self.tell_of_missing()?;
        }
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        self.broadcasts.values().any(|spread| spread.told.is_none())
    }

    /// Waits until so many nodes listen.
    fn wait_for(&mut self, inbox: &Receiver<Event>, count: usize) -> Result<(), Failure> {
        let deadline = now() + START_TIME;
        while self.nodes.iter().filter(|member| member.address.is_some()).count() < count {
            let left = deadline.saturating_duration_since(now());
            match inbox.recv_timeout(left) {
                Ok(event) => self.on_event(event)?,
                Err(_) => return Err(Failure::Unusable("not all nodes started in time".into())),
            }
        }
        Ok(())
    }

    /// Starts a node: a new one, or one that was there before.
    fn start(&mut self, node: usize) -> Result<(), Failure> {
        let failure = |error: io::Error| Failure::Unusable(format!("cannot start node {node}: {error}"));
        if node == self.nodes.len() {
            self.nodes.push(Member { process: None, life: 0, address: None });
        }
        let program = std::env::current_exe().map_err(failure)?;
        let contact =
            self.living().find(|&other| other != node).and_then(|other| self.nodes[other].address.clone());
        let folder = self.home.join(format!("node-{node}"));
        let listen = self.nodes[node].address.clone().or_else(|| earlier_address(&folder));
        let mut command = Command::new(program);
        command.arg("node").arg("--json").arg("--leave-at-end").arg("--home").arg(&folder);
        command.arg("--listen").arg(listen.unwrap_or_else(|| "127.0.0.1:0".into()));
        command.arg("--secret").arg(self.home.join("secret"));
        match contact {
            Some(contact) if node > 0 => command.arg("--join").arg(contact),
            _ => command.arg("--genesis"),
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failure)?;
        let member = &mut self.nodes[node];
        member.life += 1;
        let life = member.life;
        let (input, output, notes) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(notes)) = (input, output, notes) else {
            unreachable!("all three were asked for")
        };
        member.process = Some((child, input));
        let events = self.events.clone();
        forward(output, move |line| _ = events.send(Event::Said { node, life, line }));
        let events = self.events.clone();
        forward(notes, move |line| _ = events.send(Event::Noted { node, life, line }));
        Ok(())
    }

    fn living(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&node| self.nodes[node].process.is_some())
    }

    /// Does what a person wants; whether to go on.
    fn obey(&mut self, line: &str) -> Result<bool, Failure> {
        let Some(command) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
            self.broadcast(line);
            return Ok(true);
        };
        let mut words = command.split_whitespace();
        let name = words.next().unwrap_or_default();
        let number = words.next().map(str::parse::<usize>);
        match (name, number) {
            ("quit", None) => return Ok(false),
            ("help", None) => self.voice.tell(COMMANDS)?,
            ("status", None) => {
                self.living().collect::<Vec<_>>().into_iter().for_each(|node| self.ask(node, "/status"))
            }
            ("kill", Some(Ok(node))) => self.kill(node),
            ("start", Some(Ok(node))) => {
                if self.living().any(|living| living == node) {
                    self.voice.note(&format!("node {node} is up"));
                } else if node > self.nodes.len() {
                    self.voice.note(&format!("the next new node is {}", self.nodes.len()));
                } else {
                    self.start(node)?;
                    self.voice.note(&format!("node {node} starts"));
                }
            }
            ("kill" | "start", _) => self.voice.note(&format!("write /{name} N, with the number of a node")),
            _ => self.voice.note(&format!("there is no /{name}; /help tells what there is")),
        }
        Ok(true)
    }

    fn broadcast(&mut self, line: &str) {
        let numbered =
            line.split_once(':').and_then(|(number, text)| Some((number.parse().ok()?, text.trim())));
        let (node, text) = numbered.unwrap_or((0, line));
        if text.is_empty() {
            return;
        }
        if !self.living().any(|living| living == node) {
            return self
                .voice
                .note(&format!("not sent: node {node} is not up; `N: text` lets node N broadcast"));
        }
        // (A text that looks like a command is none.)
        let escaped =
            if text.starts_with('/') && !text.starts_with("//") { format!("/{text}") } else { text.into() };
        self.ask(node, &escaped);
    }

    fn ask(&mut self, node: usize, line: &str) {
        if let Some((_, input)) = &mut self.nodes[node].process {
            // That it is gone is noticed elsewhere.
            _ = writeln!(input, "{line}").and_then(|()| input.flush());
        }
    }

    fn kill(&mut self, node: usize) {
        match self.nodes.get_mut(node).and_then(|member| member.process.take()) {
            Some((mut child, _)) => {
                _ = child.kill();
                _ = child.wait();
                self.voice.note(&format!("node {node} is killed"));
            }
            None => self.voice.note(&format!("node {node} is not up")),
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Said { node, life, line } if self.nodes[node].life == life => self.on_said(node, &line),
            Event::Noted { node, life, line } if self.nodes[node].life == life => {
                self.on_noted(node, &line);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_noted(&mut self, node: usize, line: &str) {
        let note = line.strip_prefix("rumormill: ").unwrap_or(line);
        let listens = note.split_once(" listens at ").and_then(|(_, rest)| rest.split_once(';'));
        if let Some((address, _)) = listens {
            self.nodes[node].address = Some(address.into());
            // To have the same address again.
            _ = fs::write(self.home.join(format!("node-{node}")).join("address"), address);
        }
        let is_usual = ["others join", "  ", "joined", "what you type", "in a network of its own", "node "];
        if !is_usual.iter().any(|usual| note.starts_with(usual)) {
            self.voice.note(&format!("node {node}: {note}"));
        }
    }

    fn on_said(&mut self, node: usize, line: &str) -> Result<(), Failure> {
        let Ok(said) = serde_json::from_str::<Value>(line) else { return Ok(()) };
        if let Some(status) = said.get("status") {
            let number = |name: &str| status[name].as_u64().unwrap_or_default();
            let identity = status["identity"].as_str().unwrap_or_default();
            return self.voice.tell(&format!(
                "{node:>3}  {:.8}  {:<21}  {:<8} {:>2} neighbors  {:>4} known  {:>6} delivered",
                identity,
                status["address"].as_str().unwrap_or_default(),
                status["state"].as_str().unwrap_or_default(),
                number("neighbors"),
                number("known"),
                number("delivered")
            ));
        }
        let (Some(id), Some(text)) = (said["id"].as_str(), said["message"].as_str()) else { return Ok(()) };
        if self.broadcasts.len() >= MOST_REMEMBERED && !self.broadcasts.contains_key(id) {
            let oldest = self.broadcasts.iter().min_by_key(|(_, spread)| spread.first);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|oldest| self.broadcasts.remove(&oldest));
        }
        let new = || Spread { text: text.into(), first: now(), have: Vec::new(), told: None };
        let spread = self.broadcasts.entry(id.into()).or_insert_with(new);
        if spread.have.contains(&node) {
            let note = format!("node {node} delivered this twice: {}", spread.text);
            self.voice.note(&note);
            return Ok(());
        }
        spread.have.push(node);
        if spread.told == Some(true) {
            // It came back, and had missed this.
            let note = format!("node {node} has this now, too: {}", short(&spread.text));
            self.voice.note(&note);
            return Ok(());
        }
        self.tell_if_complete(id)
    }

    fn tell_if_complete(&mut self, id: &str) -> Result<(), Failure> {
        let living: Vec<usize> = self.living().collect();
        let Some(spread) = self.broadcasts.get_mut(id) else { return Ok(()) };
        if !living.iter().all(|node| spread.have.contains(node)) {
            return Ok(());
        }
        let took = human_duration(spread.first.elapsed());
        spread.told = Some(true);
        let text = format!("{}: all {} nodes have it, in {took}", short(&spread.text), living.len());
        self.voice.tell(&text)
    }

    fn tell_of_missing(&mut self) -> Result<(), Failure> {
        let living: Vec<usize> = self.living().collect();
        let mut late = Vec::new();
        for (id, spread) in self.broadcasts.iter_mut().filter(|(_, spread)| spread.told.is_none()) {
            if spread.first.elapsed() < PATIENCE {
                continue;
            }
            let missing: Vec<String> =
                living.iter().filter(|node| !spread.have.contains(node)).map(usize::to_string).collect();
            spread.told = Some(missing.is_empty());
            late.push((id.clone(), format!("{}: missing at {}", short(&spread.text), missing.join(", "))));
        }
        for (_, text) in late {
            self.voice.tell(&text)?;
        }
        Ok(())
    }

    /// Ends all processes.
    fn end(&mut self) {
        let living: Vec<usize> = self.living().collect();
        living.iter().for_each(|&node| self.ask(node, "/quit"));
        let deadline = now() + END_TIME;
        for member in &mut self.nodes {
            let Some((mut child, input)) = member.process.take() else { continue };
            drop(input);
            while let Ok(None) = child.try_wait()
                && now() < deadline
            {
                #[expect(clippy::disallowed_methods, reason = "no simulation runs here")]
                std::thread::sleep(Duration::from_millis(5));
            }
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// Where a node listened when it was there last.
fn earlier_address(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join("address")).ok().map(|address| address.trim().to_owned())
}

/// The beginning of a text.
fn short(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(60).collect();
    if chars.next().is_some() { start + "…" } else { start }
}

/// Tells of each line that comes from a child.
fn forward(output: impl io::Read + Send + 'static, tell: impl Fn(String) + Send + 'static) {
    input::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            tell(line);
        }
    });
}
