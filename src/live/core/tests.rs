//! Nodes of one core, whose messages are carried by hand, in stopped time: some of them are changed on their way. Whatever a
//! peer says, no node panics, and what it takes is bounded.

use super::super::keys::{Secret, Secrets};
use super::*;
use crate::id::Contact;
use crate::node::{BroadcastKind, Node, NodeConfig, OverlayKind, ReconcileConfig};
use rand::{Rng, RngExt};
use std::net::Ipv4Addr;

/// Everything that the tests of this file need of a world.
struct Bench {
    core: Core<Node, ()>,
    rng: Xoshiro256PlusPlus,
    /// Messages that came by, to be spliced into others.
    seen: Vec<Vec<u8>>,
    /// One in so many messages of a traitor is changed.
    one_in: u32,
    traitors: u32,
    changed: u64,
    ended: u64,
}

impl Bench {
    fn new(seed: u64, config: NodeConfig, nodes: u32) -> Bench {
        let secrets = Secrets::new(Secret::random().unwrap());
        let config = LiveConfig {
            seed: Some(seed),
            forgets: true,
            contents: 1 << 20,
            ..LiveConfig::new(config, secrets)
        };
        let mut core = Core::new(config, ());
        core.clock.start();
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut bench = Bench { core, rng, seen: Vec::new(), one_in: 4, traitors: 2, changed: 0, ended: 0 };
        (0..nodes).for_each(|number| bench.start(number));
        bench
    }

    fn start(&mut self, number: u32) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1_000 + number as u16));
        let node = self.core.add(Keypair::from_private(self.rng.random()), address);
        self.core.begin_life(node);
        let contacts = if number == 0 { vec![] } else { vec![NodeId(self.rng.random_range(0..number))] };
        self.core.command(node, Command::Join { contacts });
    }

    /// Links those that want to be linked.
    fn link(&mut self) {
        for order in std::mem::take(&mut self.core.orders) {
            let Order::Dial { node, peer, attempt } = order else { continue };
            let is_there = peer.index() < self.core.hosts.len() && self.core.hosts[peer.index()].is_up;
            if !is_there {
                self.core.dial_failed(node, peer, attempt);
                continue;
            }
            let decides = self.core.decides(node, self.core.names.identity(peer));
            let (a, b) = if decides { (node, peer) } else { (peer, node) };
            let [hello_a, hello_b] = [a, b].map(|node| self.core.hello(node));
            let life = |core: &Core<Node, ()>, node: NodeId| core.hosts[node.index()].life;
            let (life_a, life_b) = (life(&self.core, a), life(&self.core, b));
            if let Some((_, _, number)) = self.core.accept(a, life_a, b, &hello_b) {
                self.core.adopt(b, life_b, a, &hello_a, number);
            }
            self.core.follow_up();
        }
    }

    /// Carries what waits at one node.
    fn carry(&mut self, node: NodeId) {
        let peers: Vec<u32> = self.core.hosts[node.index()].links.keys().copied().collect();
        for peer in peers.into_iter().map(NodeId) {
            let Some(bytes) = self.core.session(node, peer).and_then(|session| session.queue.take_now())
            else {
                continue;
            };
            let mut sent = Frames::default();
            sent.buffer_mut().extend_from_slice(&bytes);
            while let Ok(Some(body)) = sent.next() {
                let body = body.to_vec();
                self.hand_over(node, peer, body);
            }
        }
    }

    fn hand_over(&mut self, node: NodeId, peer: NodeId, mut body: Vec<u8>) {
        if self.seen.len() < 2_000 {
            self.seen.push(body.clone());
        } else {
            let at = self.rng.random_range(0..self.seen.len());
            self.seen[at].clone_from(&body);
        }
        if node.0 < self.traitors && self.rng.random_ratio(1, self.one_in) {
            self.changed += 1;
            for _ in 0..self.rng.random_range(1..4) {
                self.change(&mut body);
            }
        }
        self.receive(node, peer, &body);
    }

    /// `peer` hears this from `node`.
    fn receive(&mut self, node: NodeId, peer: NodeId, body: &[u8]) {
        let mut received = Frames::default();
        _ = frame::push(received.buffer_mut(), |bytes| bytes.extend_from_slice(body));
        let Some(id) = self.core.session(peer, node).map(|session| session.id) else { return };
        if !self.core.receive(peer, node, id, &mut received) {
            self.ended += 1;
            if let Some(id) = self.core.session(node, peer).map(|session| session.id) {
                self.core.session_over(node, peer, id);
            }
        }
    }

    fn change(&mut self, body: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let at = rng.random_range(0..=body.len());
        match rng.random_range(0..7) {
            0 | 1 if at < body.len() => body[at] ^= 1 << rng.random_range(0..8),
            2 => body.truncate(at),
            // A varint as large as can be, in the place of a small number.
            3 if at < body.len() => drop(body.splice(at..=at, [0xff; 9].into_iter().chain([0x01]))),
            4 if at < body.len() => drop(body.splice(at..=at, [0xff, 0xff, 0xff, 0xff, 0x0f])),
            5 => {
                let other = &self.seen[rng.random_range(0..self.seen.len())];
                let cut = rng.random_range(0..=other.len());
                let end = other[cut..].to_vec();
                body.truncate(at);
                body.extend(end);
            }
            _ => {
                // Something else as a whole.
                body.clone_from(&self.seen[rng.random_range(0..self.seen.len())]);
            }
        }
    }

    /// Lets time pass.
    async fn run(&mut self, steps: usize) {
        for step in 0..steps {
            tokio::time::advance(Duration::from_millis(50)).await;
            self.core.fire_timers();
            for _ in 0..4 {
                self.link();
                (0..self.core.hosts.len()).for_each(|node| self.carry(NodeId::at(node)));
            }
            if step % 20 == 0 {
                self.core.forget();
                (0..self.core.hosts.len()).for_each(|node| _ = self.core.status(NodeId::at(node)));
            }
        }
    }

    fn say_something(&mut self) {
        let node = NodeId(self.rng.random_range(0..self.core.hosts.len() as u32));
        let (title, message) = ("#TEST".to_owned(), format!("{}", self.rng.next_u64()));
        let to = NodeId(self.rng.random_range(0..self.core.hosts.len() as u32));
        let command = match self.rng.random_range(0..12) {
            0 => Command::Census,
            1 if to != node => Command::Send { to, title, message },
            2 => Command::Discover,
            _ => Command::Broadcast { title, message },
        };
        self.core.command(node, command);
    }
}

/// A network with two traitors, for a while. How many of their messages were changed, and how many sessions that ended.
async fn betray(seed: u64, config: NodeConfig) -> (u64, u64) {
    let mut bench = Bench::new(seed, config, 12);
    bench.run(100).await;
    for round in 0..40 {
        bench.say_something();
        bench.run(15).await;
        if round % 10 == 9 {
            let left = NodeId::at(bench.core.hosts.len() - 1);
            bench.core.command(left, Command::Leave);
            bench.run(20).await;
            bench.core.end_life(left, Some(LogFate::Kept));
            bench.core.begin_life(left);
            bench.core.command(left, Command::Join { contacts: vec![NodeId(3)] });
        }
    }
    (bench.changed, bench.ended)
}

async fn betray_often(seeds: std::ops::Range<u64>, overlay: Option<OverlayKind>) {
    let (mut all, count) = ((0, 0), seeds.end - seeds.start);
    for seed in seeds {
        let reconcile = (seed % 2 == 0).then(ReconcileConfig::default);
        let config = NodeConfig { overlay, reconcile, broadcast: BroadcastKind::Flood, weakness: None };
        let (changed, ended) = betray(seed, config).await;
        all = (all.0 + changed, all.1 + ended);
    }
    assert!(all.0 > 60 * count && all.1 > 30 * count, "{} messages changed, {} sessions ended", all.0, all.1);
}

#[tokio::test(start_paused = true)]
async fn changed_messages_panic_no_node() {
    betray_often(0..4, None).await;
    betray_often(0..3, Some(OverlayKind::Tutorial)).await;
}

/// The same for longer; before a release.
#[tokio::test(start_paused = true)]
#[ignore = "takes minutes"]
async fn changed_messages_panic_no_node_however_many() {
    betray_often(100..500, None).await;
    betray_often(100..300, Some(OverlayKind::Tutorial)).await;
}

/// Two nodes, the first of which is a traitor.
async fn pair() -> Bench {
    let mut bench = Bench::new(5, NodeConfig::default(), 2);
    bench.traitors = 0;
    bench.run(200).await;
    assert_eq!(bench.core.view(NodeId(1)).neighbors, [NodeId(0)]);
    bench
}

fn identity(number: u64) -> Identity {
    let mut identity = [7; 32];
    identity[..8].copy_from_slice(&number.to_le_bytes());
    Identity(identity)
}

/// `Control::Known`, with as many names as a message holds.
fn names(from: u64, count: u64) -> Vec<u8> {
    let known: Vec<Contact> =
        (from..from + count).map(|number| Contact { identity: identity(number), address: None }).collect();
    let mut body = vec![1, 9];
    body.extend(postcard::to_allocvec(&known).unwrap());
    body
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_names_ever_more_nodes_fills_nothing_for_good() {
    let mut bench = pair().await;
    for round in 0..20 {
        bench.receive(NodeId(0), NodeId(1), &names(round * 25_000, 25_000));
        assert!(bench.core.names.len() <= MOST_NAMES);
        bench.run(10).await;
    }
    assert!(bench.core.session(NodeId(1), NodeId(0)).is_some(), "no word of it was wrong");
    bench.run(100).await;
    assert!(bench.core.names.room() > MOST_NAMES / 2, "{} names", bench.core.names.len());
    let known = bench.core.view(NodeId(1)).known;
    assert!(known.len() <= 1_024 && known.iter().all(|&node| bench.core.names.knows(node)));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_holds_is_free_after_a_day() {
    let mut bench = pair().await;
    bench.core.names.intern(identity(1)).unwrap();
    let count = bench.core.names.len();
    for _ in 0..25 {
        tokio::time::advance(Duration::from_secs(3_600)).await;
        bench.core.forget();
    }
    assert_eq!(bench.core.names.len(), count - 1);
    assert!((0..2).all(|node| bench.core.names.knows(NodeId(node))));
}

#[tokio::test(start_paused = true)]
async fn what_means_nobody_does_no_harm() {
    let mut bench = pair().await;
    let gone = NodeId(77 << 16 | 5);
    bench
        .core
        .command(NodeId(1), Command::Send { to: gone, title: "".into(), message: "anybody there?".into() });
    bench.core.open(NodeId(1), gone);
    bench.core.close(NodeId(1), gone);
    bench.core.send(NodeId(1), NodeId(0), &crate::node::Control::Node(Some(gone)).into());
    bench.run(400).await;
    assert_eq!(bench.core.names.contact(gone).address, None);
    assert!(bench.core.session(NodeId(1), NodeId(0)).is_some());
}

#[tokio::test(start_paused = true)]
async fn contents_are_bounded_and_a_full_table_makes_the_publisher_wait() {
    let mut bench = pair().await;
    let text = "x".repeat(100_000);
    let broadcast = || Command::Broadcast { title: "#".into(), message: text.clone() };
    for _ in 0..30 {
        bench.core.command(NodeId(0), broadcast());
        bench.run(2).await;
    }
    assert!(bench.core.is_busy(NodeId(0)));
    assert!(bench.core.session(NodeId(1), NodeId(0)).is_some());
    tokio::time::advance(Duration::from_secs(3 * 3_600)).await;
    bench.core.forget();
    assert!(!bench.core.is_busy(NodeId(0)));
}

#[tokio::test(start_paused = true)]
async fn who_reads_too_slowly_loses_its_session_at_last() {
    let mut bench = pair().await;
    let body = vec![0; 1 << 20];
    for count in 0.. {
        let before = bench.core.session(NodeId(1), NodeId(0)).map(|session| session.queue.len());
        let Some(before) = before else {
            assert!(count > 10);
            break;
        };
        assert!(before <= MOST_QUEUED);
        bench.core.hand_over(NodeId(1), NodeId(0), ("test", None), &body);
    }
    assert_eq!(bench.core.hosts[1].refused, Refusals { slow: 1, ..Refusals::default() });
}

#[tokio::test]
async fn a_stranger_takes_little_room() {
    use super::super::{Shared, gate::Gate};
    use tokio::net::{TcpListener, TcpStream};
    let core = Bench::new(1, NodeConfig::default(), 1).core;
    let shared = Arc::new(Shared {
        core: std::sync::Mutex::new(core),
        timers_changed: tokio::sync::Notify::new(),
        counted: tokio::sync::Notify::new(),
        runtime: tokio::runtime::Handle::current(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let task = shared.attend(NodeId(0), 1, Gate::new(false), 1, (stream, address));
    assert!(size_of_val(&task) <= 2_048, "{} bytes", size_of_val(&task));
}
