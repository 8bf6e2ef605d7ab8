//! Strangers and traitors against live nodes, each a process of its own: what they can take is bounded, and the others go on.
//!
//! The traitor knows the network's secret and speaks Noise and frames, but is written here: it sends what no node would.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "processes live in real time")]

use crate::live_node::{Bed, until};
use rumormill::Identity;
use rumormill::id::Contact;
use rumormill::live::frame::{self, Frames};
use rumormill::live::keys::{Keypair, Secrets};
use rumormill::live::noise::{self, Reader, Writer};
use serde::Serialize;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// So long the traitor waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

const MB: u64 = 1 << 20;

/// Three nodes; the first one is attacked.
struct Attack {
    bed: Bed,
    runtime: Runtime,
    secrets: Secrets,
    /// How often everybody has said something.
    rounds: usize,
}

/// A traitor's end of a session.
struct Traitor {
    reader: Reader<ReadHalf<TcpStream>>,
    writer: Writer<WriteHalf<TcpStream>>,
    frames: Frames,
}

/// What nodes say of themselves with the handshake.
#[derive(Serialize)]
struct Hello {
    role: u8,
    epoch: u64,
    generation: u64,
    address: SocketAddr,
}

/// A broadcast on a wire.
#[derive(Clone, Serialize)]
struct Forged {
    origin: Contact,
    incarnation: u64,
    sequence: u64,
    title: &'static str,
    message: String,
    micros: u64,
}

// The places of messages among their kinds.
const DATA: u8 = 0;
const CONTROL: u8 = 1;
const HELLO: u8 = 4;
const WELCOME: u8 = 5;
const LEAVING: u8 = 6;
const KNOWN: u8 = 9;
const ECHO: u8 = 13;
const REGULAR: u8 = 14;
const RECONCILING: u8 = 15;
const SEEN: u8 = 0;
const COMPARE: u8 = 1;
const SAME: u8 = 2;
const WANT: u8 = 5;
const GONE: u8 = 7;

fn nobody(number: u64) -> Contact {
    let mut identity = [9; 32];
    identity[..8].copy_from_slice(&number.to_le_bytes());
    Contact { identity: Identity(identity), address: Some(([192, 0, 2, 1], 9).into()) }
}

fn encoded(message: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(message).unwrap()
}

impl Attack {
    fn new() -> Attack {
        Attack::of(Bed::new(3))
    }

    fn of(mut bed: Bed) -> Attack {
        let secrets = Secrets::load(&bed.nodes[0].secret).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        bed.settle();
        let mut attack = Attack { bed, runtime, secrets, rounds: 0 };
        attack.others_go_on();
        attack
    }

    fn victim(&self) -> SocketAddr {
        self.bed.nodes[0].address.parse().unwrap()
    }

    /// What the victim holds in memory, in bytes; where nobody tells, none.
    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.bed.nodes[0].id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
    }

    /// The victim's memory has grown by no more than this.
    fn is_bounded(&self, before: Option<u64>, most: u64) {
        let (Some(before), Some(after)) = (before, self.memory()) else {
            return eprintln!("not measured: this system does not tell how much memory a process takes");
        };
        let grown = after.saturating_sub(before);
        println!("the victim grew by {:.1} MB, from {:.1}", grown as f64 / 1e6, before as f64 / 1e6);
        assert!(grown <= most, "{grown} bytes more than {before}");
    }

    /// Every honest node broadcasts, and every other one gets it.
    fn others_go_on(&mut self) {
        self.rounds += 1;
        for from in 0..3 {
            let text = format!("round {} by {from}", self.rounds);
            self.bed.nodes[from].type_in(&text);
            for node in 0..3 {
                let process = &self.bed.nodes[node];
                let has = || process.texts().contains(&text);
                until(&format!("node {node} has `{text}`"), has, || process.tell());
            }
        }
    }

    /// Who knows the secret comes in, and is heard.
    fn welcomes_a_friend(&mut self) {
        let friend = self.bed.join(0);
        let text = "who comes later is heard of";
        self.bed.nodes[friend].type_in(text);
        let victim = &self.bed.nodes[0];
        until(text, || victim.texts().iter().any(|heard| heard == text), || victim.tell());
    }

    fn refused(&mut self, why: &str) -> u64 {
        self.bed.nodes[0].status()["refused"][why].as_u64().unwrap()
    }

    /// Waits until so many were refused.
    fn wait_for_refused(&mut self, why: &str, least: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.refused(why) < least {
            assert!(Instant::now() < deadline, "{why}: {} of {least}", self.refused(why));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn betray(&self) -> Traitor {
        self.runtime.block_on(Traitor::meet(self.victim(), &self.secrets))
    }

    /// A traitor that is a neighbor of the victim.
    fn befriend(&self) -> Traitor {
        self.runtime.block_on(Traitor::befriend(self.victim(), &self.secrets))
    }

    fn say(&self, traitor: &mut Traitor, message: &impl Serialize) {
        self.runtime.block_on(traitor.say(message));
    }

    /// Everything that was said has been read, or the session is over.
    fn wait_until_read(&mut self, traitor: &mut Traitor) {
        self.runtime.block_on(async {
            traitor.say(&(CONTROL, 8u8)).await;
            traitor.hear(&[CONTROL, KNOWN]).await;
        });
    }
}

impl Traitor {
    /// A session with a node, as whoever knows the secret gets it.
    async fn meet(address: SocketAddr, secrets: &Secrets) -> Traitor {
        let me = Keypair::random().unwrap();
        let mine = ([127, 0, 0, 1], 1).into();
        let hello = encoded(&Hello { role: 0, epoch: 1, generation: 0, address: mine });
        let stream = TcpStream::connect(address).await.unwrap();
        let secret = secrets.valid(SystemTime::now()).next().unwrap();
        let session = noise::dial(stream, &me, secret, &hello, None).await.unwrap();
        let noise::Session { peer, reader, writer, .. } = session;
        let mut traitor = Traitor { reader, writer, frames: Frames::default() };
        if me.public < peer {
            traitor.say_bytes(&5u32.to_le_bytes()).await;
        } else {
            assert_eq!(traitor.next().await.expect("a decision").len(), 4);
        }
        traitor
    }

    /// The same, as a neighbor.
    async fn befriend(address: SocketAddr, secrets: &Secrets) -> Traitor {
        let mut traitor = Traitor::meet(address, secrets).await;
        traitor.say(&(CONTROL, HELLO, true)).await;
        traitor.hear(&[CONTROL, WELCOME]).await;
        traitor
    }

    async fn say(&mut self, message: &impl Serialize) {
        self.say_bytes(&encoded(message)).await;
    }

    /// One frame. The victim may have ended the session: that is fine.
    async fn say_bytes(&mut self, body: &[u8]) {
        let mut bytes = Vec::new();
        frame::push(&mut bytes, |frame| frame.extend_from_slice(body)).unwrap();
        self.write(&bytes).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        _ = timeout(PATIENCE, self.writer.write(bytes)).await.expect("the victim never stops reading");
    }

    /// The next frame that is no keep-alive; none at the end of the session.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(body) = self.frames.next().ok()? {
                if !body.is_empty() {
                    return Some(body.to_vec());
                }
                continue;
            }
            let read = self.reader.read(self.frames.buffer_mut());
            timeout(PATIENCE, read).await.expect("it answers, or ends the session").ok()?;
        }
    }

    /// Waits for a message that begins like this. What the node wants to compare meanwhile is just what the traitor has.
    async fn hear(&mut self, beginning: &[u8]) -> Option<Vec<u8>> {
        loop {
            let body = self.next().await?;
            if body.starts_with(beginning) {
                return Some(body);
            }
            self.agree(&body).await;
        }
    }

    async fn agree(&mut self, body: &[u8]) -> bool {
        let is_question = body.starts_with(&[CONTROL, RECONCILING, COMPARE]);
        if is_question {
            let fingerprint: [u8; 8] = body[body.len() - 32..][..8].try_into().unwrap();
            self.say(&(CONTROL, RECONCILING, SAME, fingerprint)).await;
        }
        is_question
    }

    async fn is_thrown_out(&mut self) {
        while self.next().await.is_some() {}
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64
}

fn forged(number: u64, sequence: u64, message: String) -> Forged {
    Forged { origin: nobody(number), incarnation: 1, sequence, title: "#", message, micros: now() }
}

/// So many descriptors this process may have; fewer if the system does not allow it.
fn raise_limit(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(wanted).min(wanted).max(current.unwrap_or(wanted));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }) {
        Ok(()) => most,
        Err(_) => current.unwrap_or(wanted),
    }
}

/// Slow-loris and a crowd in one: ten thousand connections, each of which says one byte and waits.
#[test]
fn ten_thousand_strangers_are_no_burden() {
    const STRANGERS: u64 = 10_000;
    let mut attack = Attack::new();
    let limit = raise_limit(STRANGERS + 500);
    if limit < STRANGERS + 500 {
        return eprintln!("skipped: this process may have {limit} descriptors only");
    }
    let (before, address) = (attack.memory(), attack.victim());
    // On a thread of its own, so that the others can be looked at meanwhile.
    let crowd = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut coming = JoinSet::new();
            let mut there = Vec::new();
            // (No faster than the system takes them from its queue: those that it drops come again after seconds.)
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            for number in 0..STRANGERS {
                if number % 20 == 0 {
                    pace.tick().await;
                }
                coming.spawn(async move {
                    let mut stream = timeout(PATIENCE, TcpStream::connect(address)).await.ok()?.ok()?;
                    stream.write_all(&[0]).await.ok()?;
                    Some(stream)
                });
                if coming.len() >= 200 {
                    there.extend(coming.join_next().await.and_then(Result::ok).flatten());
                }
            }
            while let Some(came) = coming.join_next().await {
                there.extend(came.ok().flatten());
            }
            there.len()
        })
    });
    let mut rounds = 0;
    while !crowd.is_finished() {
        attack.others_go_on();
        rounds += 1;
    }
    let came = crowd.join().unwrap();
    println!("{came} strangers, {rounds} rounds meanwhile");
    assert!(came > STRANGERS as usize / 2, "only {came} came");
    attack.is_bounded(before, 64 * MB);
    attack.wait_for_refused("crowded", came as u64 / 2);
    // A friend comes in all the same.
    attack.welcomes_a_friend();
}

#[test]
fn who_breaks_the_protocol_is_thrown_out_and_counted() {
    let mut attack = Attack::new();
    let before = attack.memory();
    let wrong: Vec<Vec<u8>> = vec![
        // Frames of more bytes than there may be, and of so many that are no number.
        vec![0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![0xff; 64],
        vec![0x81, 0x80, 0x40],
        // No such messages, and messages with something behind them.
        vec![1, 99],
        vec![2, CONTROL, 99],
        vec![3, CONTROL, 0, 0],
        // A message that ends too soon, and a text that is none.
        vec![2, DATA, 1],
        vec![4, CONTROL, 2, 2, 0],
    ];
    let mut seed = 1u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    let noise = (0..24).map(|_| std::iter::once(120).chain((0..120).map(|_| random() | 2)).collect());
    let all: Vec<Vec<u8>> = wrong.into_iter().chain(noise).collect();
    let count = all.len() as u64;
    for bytes in all {
        let mut traitor = attack.betray();
        attack.runtime.block_on(async {
            traitor.write(&bytes).await;
            traitor.is_thrown_out().await;
        });
    }
    attack.wait_for_refused("broken", count);
    // A frame that is announced, and never comes whole.
    let mut half: Vec<Traitor> = (0..20).map(|_| attack.betray()).collect();
    for traitor in &mut half {
        attack.runtime.block_on(traitor.write(&[0x80, 0x80, 0x40]));
    }
    attack.others_go_on();
    attack.is_bounded(before, 16 * MB);
}

#[test]
fn who_announces_and_never_delivers_keeps_nothing_from_the_others() {
    let mut attack = Attack::new();
    let before = attack.memory();
    let mut traitor = attack.befriend();
    attack.runtime.block_on(async {
        // They have to have compared what they have; a traitor has just the same.
        loop {
            let body = traitor.next().await.expect("nothing is wrong yet");
            if traitor.agree(&body).await {
                break;
            }
        }
        for frame in 0..100u64 {
            let all = vec![(0u64, (1u64 << 63) - 2)];
            let name = |name: u64| (64 * frame + name).to_le_bytes();
            let known: Vec<_> = (0..64).map(|number| (name(number), all.clone())).collect();
            traitor.say(&(CONTROL, RECONCILING, SEEN, false, known)).await;
        }
        traitor.hear(&[CONTROL, RECONCILING, WANT]).await.expect("it asks for what was announced");
    });
    attack.others_go_on();
    attack.wait_until_read(&mut traitor);
    attack.is_bounded(before, 32 * MB);
    attack.welcomes_a_friend();
}

#[test]
fn who_names_a_hundred_thousand_nodes_pushes_nobody_out() {
    let mut attack = Attack::new();
    let before = attack.memory();
    let mut traitor = attack.befriend();
    for message in 0..4 {
        let named: Vec<Contact> = (0..25_000).map(|number| nobody(25_000 * message + number)).collect();
        for chunk in named.chunks(12_500) {
            attack.say(&mut traitor, &(CONTROL, KNOWN, chunk));
        }
    }
    let named: Vec<Contact> = (0..12_000).map(nobody).collect();
    attack.say(&mut traitor, &(CONTROL, LEAVING, 0u32, &named));
    attack.wait_until_read(&mut traitor);
    attack.others_go_on();
    attack.is_bounded(before, 64 * MB);
    attack.welcomes_a_friend();
    attack.others_go_on();
    let known = attack.bed.nodes[0].status()["known"].as_u64().unwrap();
    assert!(known <= 1_024, "{known}");
}

#[test]
fn numbers_at_the_end_of_all_numbers_break_nothing() {
    let mut attack = Attack::new();
    let before = attack.memory();
    let huge = [(1u64 << 40) - 2, 1 << 40, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
    for sequence in huge {
        let mut traitor = attack.befriend();
        attack.say(&mut traitor, &(DATA, forged(1, sequence, String::new()), u32::MAX));
        let mut traitor = attack.befriend();
        let copy = (forged(2, sequence, String::new()), u32::MAX, u64::MAX);
        attack.say(&mut traitor, &(CONTROL, RECONCILING, 6u8, copy));
        let mut traitor = attack.befriend();
        let seen = vec![([1u8; 8], vec![(sequence, sequence), (sequence.wrapping_add(2), u64::MAX)])];
        attack.say(&mut traitor, &(CONTROL, RECONCILING, SEEN, true, seen));
        let latest = (u32::MAX, [1u8; 8], sequence);
        let spans = vec![(0, sequence)];
        attack.say(
            &mut traitor,
            &(CONTROL, RECONCILING, GONE, Some((nobody(1), 1u64)), latest, &spans, &spans),
        );
        attack.say(&mut traitor, &(CONTROL, RECONCILING, WANT, vec![([1u8; 8], 0u64, sequence)]));
        let window = (u32::MAX, u32::MAX, 0u32);
        attack.say(&mut traitor, &(CONTROL, RECONCILING, COMPARE, window, [0u8; 32]));
        // Everybody else's sum of a census.
        let wave = (nobody(1), u32::MAX);
        attack.say(&mut traitor, &(CONTROL, ECHO, wave, (sequence, sequence, u32::MAX, u32::MAX)));
        attack.say(&mut traitor, &(CONTROL, REGULAR, 11u8, (u32::MAX, vec![nobody(3)])));
    }
    // The answer to a census of the victim's own.
    let mut traitor = attack.befriend();
    attack.bed.nodes[0].type_in("/network");
    attack.runtime.block_on(async {
        let question = traitor.hear(&[CONTROL, 12]).await.expect("it asks its neighbors");
        let mut answer = vec![CONTROL, ECHO];
        answer.extend_from_slice(&question[2..]);
        answer.extend(encoded(&(u64::MAX, u64::MAX, 0u32, u32::MAX)));
        traitor.say_bytes(&answer).await;
        traitor.is_thrown_out().await;
    });
    attack.others_go_on();
    attack.is_bounded(before, 16 * MB);
}

/// Whoever knows the secret can publish as much as he likes, in anybody's name. It is kept for as long as all that is published,
/// costs no more than what was sent, and nobody else's broadcasts are lost.
#[test]
fn a_flood_of_broadcasts_costs_what_it_weighs() {
    let mut attack = Attack::new();
    let before = attack.memory();
    let mut traitor = attack.befriend();
    let text = "x".repeat(1_000);
    for number in 0..5_000u64 {
        let data = forged(number % 1_000, number / 1_000, text.clone());
        attack.say(&mut traitor, &(DATA, data, 1u32));
        if number % 1_000 == 0 {
            attack.others_go_on();
        }
    }
    attack.wait_until_read(&mut traitor);
    attack.others_go_on();
    attack.is_bounded(before, 48 * MB);
}

/// Who says that it is there, and never reads, holds up whatever its neighbors publish; so it loses its session.
#[test]
fn who_never_reads_loses_its_session() {
    let mut attack = Attack::new();
    let before = attack.memory();
    let (address, secrets) = (attack.victim(), attack.secrets.clone());
    let (is_there, waits) = std::sync::mpsc::channel();
    let silent = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut silent = Traitor::befriend(address, &secrets).await;
            is_there.send(()).unwrap();
            while silent.writer.write(&[0]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    });
    waits.recv().unwrap();
    let mut loud = attack.befriend();
    let text = "x".repeat(60_000);
    for number in 0..200 {
        attack.say(&mut loud, &(DATA, forged(1, number, text.clone()), 1u32));
    }
    attack.others_go_on();
    attack.wait_for_refused("slow", 1);
    // The contents themselves, what waited for the slow one, and what is on its way to the disk, the others and the console.
    attack.is_bounded(before, (12 + 16 + 32) * MB);
    silent.join().unwrap();
}

/// A node that may open no more files takes nobody in for a while. It does not end, and its neighbors notice nothing.
#[test]
fn a_node_out_of_descriptors_comes_round() {
    let mut bed = Bed::empty();
    let few = ["sh", "-c", "ulimit -n 40; exec \"$0\" \"$@\""];
    bed.add_inside(&few, "127.0.0.1:0", &["--genesis"]);
    (1..3).for_each(|_| _ = bed.join(0));
    let mut attack = Attack::of(bed);
    let (address, mut strangers) = (attack.victim(), Vec::new());
    for _ in 0..100 {
        strangers.push(std::net::TcpStream::connect(address).unwrap());
    }
    attack.others_go_on();
    drop(strangers);
    attack.welcomes_a_friend();
}
