//! Decoding is total: whatever bytes come, there is a message or an error, no panic, and no more memory than the bytes account for.
//!
//! A program of its own, since it counts what is allocated. `tests/corpus/messages.txt` holds messages that nodes said to each
//! other in a simulation; `UPDATE_CORPUS=1 cargo test --test decoder` writes it anew.
#![cfg(feature = "live")]

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use rumormill::fault::Crash;
use rumormill::id::Names;
use rumormill::live::frame::{self, Frames};
use rumormill::live::visit;
use rumormill::message::{Broadcast, Contents, Series, Timestamp};
use rumormill::node::{NodeMessage, NodeRecord, NodeTimer, OverlayKind, ReconcileConfig};
use rumormill::observe::Metrics;
use rumormill::protocol::{Command, State, View, Wire};
use rumormill::transport::Durability;
use rumormill::world::World;
use rumormill::{
    Graph, Identity, LocalTime, Network, Node, NodeConfig, NodeId, Notice, Payload, Protocol, Sim, SimConfig,
    Transport,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

/// Of each kind so many messages are in the corpus.
const OF_A_KIND: usize = 3;

/// What nodes said, by kind.
static SAID: LazyLock<Mutex<BTreeMap<&'static str, Vec<NodeMessage>>>> = LazyLock::new(Mutex::default);

/// The node, overheard.
struct Overheard(Node);

/// What it does to the world.
struct Tap<'a, T>(&'a mut T);

impl Protocol for Overheard {
    type Config = NodeConfig;
    type Message = NodeMessage;
    type Timer = NodeTimer;
    type Record = NodeRecord;

    fn start(config: &NodeConfig, log: &[NodeRecord], net: &mut impl Transport<Overheard>) -> Overheard {
        Overheard(Node::start(config, log, &mut Tap(net)))
    }

    fn on_command(&mut self, net: &mut impl Transport<Overheard>, command: Command) {
        self.0.on_command(&mut Tap(net), command);
    }

    fn on_message(&mut self, net: &mut impl Transport<Overheard>, from: NodeId, message: NodeMessage) {
        self.0.on_message(&mut Tap(net), from, message);
    }

    fn on_timer(&mut self, net: &mut impl Transport<Overheard>, timer: NodeTimer) {
        self.0.on_timer(&mut Tap(net), timer);
    }

    fn on_synced(&mut self, net: &mut impl Transport<Overheard>, records: u64) {
        self.0.on_synced(&mut Tap(net), records);
    }

    fn on_link_up(&mut self, net: &mut impl Transport<Overheard>, peer: NodeId) {
        self.0.on_link_up(&mut Tap(net), peer);
    }

    fn on_link_down(&mut self, net: &mut impl Transport<Overheard>, peer: NodeId) {
        self.0.on_link_down(&mut Tap(net), peer);
    }

    fn state(&self) -> State {
        self.0.state()
    }

    fn inspect(&self, view: &mut View) {
        self.0.inspect(view);
    }

    fn resolved(config: NodeConfig, is_given: bool) -> NodeConfig {
        Node::resolved(config, is_given)
    }
}

impl<T: Transport<Overheard>> Transport<Node> for Tap<'_, T> {
    fn me(&self) -> NodeId {
        self.0.me()
    }

    fn identity(&self, node: NodeId) -> Identity {
        self.0.identity(node)
    }

    fn now(&self) -> LocalTime {
        self.0.now()
    }

    fn calendar(&self) -> Timestamp {
        self.0.calendar()
    }

    fn rng(&mut self) -> &mut impl Rng {
        self.0.rng()
    }

    fn open(&mut self, peer: NodeId) {
        self.0.open(peer);
    }

    fn close(&mut self, peer: NodeId) {
        self.0.close(peer);
    }

    fn send(&mut self, to: NodeId, message: NodeMessage) {
        let mut said = SAID.lock().unwrap();
        let of_kind = said.entry(message.kind()).or_default();
        if of_kind.len() < OF_A_KIND && !of_kind.contains(&message) {
            of_kind.push(message.clone());
        }
        self.0.send(to, message);
    }

    fn set_timer(&mut self, after: Duration, timer: NodeTimer) {
        self.0.set_timer(after, timer);
    }

    fn publish(&mut self, incarnation: u64, sequence: u64, title: String, message: String) -> Payload {
        self.0.publish(incarnation, sequence, title, message)
    }

    fn broadcast(&self, payload: Payload) -> &Broadcast {
        self.0.broadcast(payload)
    }

    fn series(&self, payload: Payload) -> Series {
        self.0.series(payload)
    }

    fn append(&mut self, record: NodeRecord) -> Durability {
        self.0.append(record)
    }

    fn notify(&mut self, notice: Notice) {
        self.0.notify(notice);
    }

    fn stop(&mut self) {
        self.0.stop();
    }
}

/// Lets a network live through whatever makes its nodes talk, and leaves what they said as they would write it on a wire.
fn overhear(overlay: OverlayKind, heard: &mut BTreeMap<&'static str, Vec<Vec<u8>>>) {
    SAID.lock().unwrap().clear();
    let config = NodeConfig {
        overlay: Some(overlay),
        reconcile: Some(ReconcileConfig::default()),
        ..NodeConfig::default()
    };
    let config = SimConfig::<Overheard>::new(Graph::from_edges(0, &[])).node(config);
    let mut network: Network<Sim<Overheard, Metrics>> = Network::simulated(config, 11);
    let second = Duration::from_secs(1);
    for _ in 0..24 {
        network.join();
        network.run_for(second);
    }
    for round in 0..12 {
        network.broadcast(NodeId(round), "Have you heard?");
        network.send(NodeId(round), NodeId(round + 1), "for you alone");
        network.run_for(second);
    }
    network.command(NodeId(3), Command::Discover);
    network.command(NodeId(4), Command::Census);
    network.run_for(30 * second);
    network.crash(NodeId(5), Crash::default());
    network.broadcast(NodeId(6), "without one of us");
    network.run_for(60 * second);
    network.restart(NodeId(5));
    network.run_for(60 * second);
    network.leave(NodeId(7));
    network.run_for(600 * second);

    let mut names = Names::new(1_000);
    let mut contents = Contents::new(1 << 20);
    for node in (0..network.world().size()).map(NodeId::at) {
        names.intern(network.world().identity(node));
        names.prove(node, ([127, 0, 0, 1], 5_000 + node.0 as u16).into());
    }
    for broadcast in network.world().broadcasts().iter() {
        contents.insert(broadcast.clone());
    }
    for (kind, messages) in SAID.lock().unwrap().iter() {
        let encode = |message| names.lend(|| contents.lend(|| postcard::to_allocvec(message))).unwrap();
        heard.entry(kind).or_default().extend(messages.iter().map(encode));
    }
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/messages.txt"))
}

/// A line for each message: its kind, and its bytes.
fn write(heard: &BTreeMap<&'static str, Vec<Vec<u8>>>) -> String {
    let mut text = String::new();
    for (kind, messages) in heard {
        for message in messages {
            let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(text, "{kind} {hex}").unwrap();
        }
    }
    text
}

fn read() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(file()).unwrap();
    let digits = |line: &str| line.split(' ').nth(1).unwrap().as_bytes().to_vec();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.lines().map(|line| digits(line).chunks(2).map(byte).collect()).collect()
}

#[test]
fn the_corpus_is_what_nodes_say() {
    let mut heard = BTreeMap::new();
    overhear(OverlayKind::Regular, &mut heard);
    overhear(OverlayKind::Tutorial, &mut heard);
    let text = write(&heard);
    assert!(heard.len() >= 30, "only {} kinds: {:?}", heard.len(), heard.keys());
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        fs::write(file(), &text).unwrap();
    }
    let there = fs::read_to_string(file()).unwrap_or_default();
    assert!(there == text, "nodes say something else now: UPDATE_CORPUS=1 cargo test --test decoder");
    assert!(text.len() < 64_000, "{} bytes", text.len());
}

/// Changes messages into what somebody might send who means harm.
struct Mutator {
    rng: Xoshiro256PlusPlus,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    fn next(&mut self) -> Vec<u8> {
        let mut bytes = self.any().clone();
        for _ in 0..self.rng.random_range(1..=4) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn any(&mut self) -> &Vec<u8> {
        let at = self.rng.random_range(0..self.corpus.len());
        &self.corpus[at]
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.rng.random_range(0..=bytes.len());
        match self.rng.random_range(0..8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << self.rng.random_range(0..8),
            2 => bytes.truncate(at),
            3 if at < bytes.len() => {
                // A small number, perhaps a length, becomes a large one.
                let large =
                    [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xff, 0xff, 0x3f], &[0xff, 0x7f], &[0x80]];
                let large = large[self.rng.random_range(0..large.len())];
                bytes.splice(at..=at, large.iter().copied());
            }
            4 => {
                let other = self.any().clone();
                let from = self.rng.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            5 => {
                let again = bytes[at..].to_vec();
                bytes.extend(again);
            }
            6 => {
                let more = self.rng.random_range(0..40);
                bytes.extend((0..more).map(|_| self.rng.random::<u8>()));
            }
            _ => {
                let zeros = self.rng.random_range(0..8);
                bytes.splice(at..at, std::iter::repeat_n(0, zeros));
            }
        }
    }
}

/// A list of things of 64 bytes takes two bytes each on a wire, and a vector that grows takes twice its room, and again while it
/// is copied.
const FACTOR: u64 = 200;
/// What is taken whatever comes.
const CONSTANT: u64 = 4_096;

/// Feeds bytes to everything that reads what peers say. How many of the decoders understood them.
fn feed(bytes: &[u8]) -> usize {
    let mut understood = 0;
    let allocated = allocation_counter::measure(|| {
        let (mut names, mut contents) = (Names::new(1 << 16), Contents::new(1 << 20));
        let decode = || postcard::take_from_bytes::<NodeMessage>(bytes).is_ok();
        understood += usize::from(names.lend(|| contents.lend(decode)));
        understood += visit::understands(bytes);
        let mut frames = Frames::default();
        frames.buffer_mut().extend_from_slice(bytes);
        while let Ok(Some(_)) = frames.next() {}
    });
    let most = FACTOR * bytes.len() as u64 + CONSTANT;
    assert!(allocated.bytes_max <= most, "{} bytes for {}: {bytes:?}", allocated.bytes_max, bytes.len());
    understood
}

fn feed_many(seed: u64, count: u64) {
    let mut mutator = Mutator { rng: Xoshiro256PlusPlus::seed_from_u64(seed), corpus: read() };
    mutator.corpus.extend(visit::examples());
    let mut understood = 0;
    for _ in 0..count {
        let bytes = mutator.next();
        understood += feed(&bytes);
    }
    assert!(understood as u64 > count / 20, "only {understood} of {count} got as far as that");
}

#[test]
fn real_messages_are_read() {
    let corpus = read();
    assert!(corpus.iter().all(|message| feed(message) > 0));
    // In frames, as they travel.
    let mut frames = Frames::default();
    for message in &corpus {
        frame::push(frames.buffer_mut(), |body| body.extend_from_slice(message)).unwrap();
    }
    for message in &corpus {
        assert_eq!(frames.next(), Ok(Some(&message[..])));
    }
}

#[test]
fn nothing_that_comes_panics_or_takes_more_than_it_is_worth() {
    feed_many(1, 20_000);
}

/// `cargo test --test decoder -- --ignored`
#[test]
#[ignore = "ten million inputs take minutes"]
fn nothing_of_ten_million_panics() {
    feed_many(2, 10_000_000);
}
