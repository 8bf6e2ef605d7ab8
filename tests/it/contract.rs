//! The contract of `Transport`, clause by clause, against every implementation: the simulator with each kind of
//! link, the recording transport under a world of a few lines, and real nodes over TCP.

use crate::support::probe::{Did, Probe, Say};
use proptest::prelude::*;
use rumormill::fault::{Crash, Detection, LogFate};
#[cfg(feature = "live")]
use rumormill::live::keys::{Secret, Secrets};
#[cfg(feature = "live")]
use rumormill::live::{Live, LiveConfig};
use rumormill::protocol::{Command, Protocol};
use rumormill::sim::{Datagram, Disk, Jitter, LinkKind, Reordering};
use rumormill::transport::{Action, Outbox, Transport};
use rumormill::world::World;
use rumormill::{Graph, Links, Network, NodeId, Sim, SimConfig};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A world with probes in it, as far as the contract speaks of one.
trait Rig {
    /// `nodes` probes, without links.
    fn new(nodes: u32) -> Self;
    /// Lets a probe do something, and no time pass.
    fn tell(&mut self, node: u32, what: &str);
    /// Lets time pass until nothing happens any more.
    fn settle(&mut self);
    /// What a probe saw.
    fn saw(&self, node: u32) -> Vec<Did>;
    /// Whether no time passes while nobody lets it.
    fn waits(&self) -> bool {
        true
    }
}

fn command(what: &str) -> Command {
    Command::Broadcast { title: what.into(), message: String::new() }
}

/// The simulator; `KIND` is 0 for streams, 1 for unordered links, 2 for datagrams.
struct Simulated<const KIND: u8>(Network<Sim<Probe, ()>>);

fn kind(number: u8) -> LinkKind {
    match number {
        0 => LinkKind::Stream,
        1 => LinkKind::Unordered,
        // Overtaking and doubling, but no loss: the clauses below speak of what arrives.
        _ => LinkKind::Datagram(Datagram {
            loss: 0.0,
            duplication: 0.0,
            reordering: Reordering { share: 0.3, by: Duration::from_millis(50) },
        }),
    }
}

fn simulated(nodes: usize, kind: LinkKind, seed: u64) -> Network<Sim<Probe, ()>> {
    simulated_on(&[], nodes, kind, seed)
}

/// With links that are up from the start.
fn simulated_on(given: &[(u32, u32)], nodes: usize, kind: LinkKind, seed: u64) -> Network<Sim<Probe, ()>> {
    let links = Links { kind, jitter: Jitter::UpTo(Duration::from_millis(30)), ..Links::default() };
    Network::observed(SimConfig::new(Graph::from_edges(nodes, given)).links(links), seed, ())
}

impl<const KIND: u8> Rig for Simulated<KIND> {
    fn new(nodes: u32) -> Self {
        Simulated(simulated(nodes as usize, kind(KIND), 7))
    }

    fn tell(&mut self, node: u32, what: &str) {
        self.0.world_command(NodeId(node), what);
    }

    fn settle(&mut self) {
        self.0.run_for(Duration::from_secs(100));
    }

    fn saw(&self, node: u32) -> Vec<Did> {
        self.0.node(NodeId(node)).saw.clone()
    }
}

/// How the tests speak to probes in the simulator.
trait Tell {
    fn world_command(&mut self, node: NodeId, what: &str);
}

impl Tell for Network<Sim<Probe, ()>> {
    fn world_command(&mut self, node: NodeId, what: &str) {
        self.broadcast_titled(node, what, "");
    }
}

/// The recording transport: this world carries out by hand what the outboxes recorded, one thing after the other.
/// Its links have no latency, so a session is simply there or not.
struct Recorded {
    nodes: Vec<(Probe, Outbox<Probe>)>,
    links: BTreeMap<(u32, u32), ()>,
    timers: Vec<(u64, u32, u32)>,
    stopped: BTreeSet<u32>,
    now: u64,
}

impl Recorded {
    fn carry_out(&mut self, from: u32) {
        let mut todo: VecDeque<(u32, Action<Say, u32, u32>)> =
            self.nodes[from as usize].1.take().into_iter().map(|a| (from, a)).collect();
        while let Some((from, action)) = todo.pop_front() {
            for (node, handler) in self.consequences(from, action) {
                if self.stopped.contains(&node) {
                    continue;
                }
                let (probe, outbox) = &mut self.nodes[node as usize];
                handler(probe, outbox);
                todo.extend(outbox.take().into_iter().map(|action| (node, action)));
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "a list of what to call at whom")]
    fn consequences(
        &mut self,
        from: u32,
        action: Action<Say, u32, u32>,
    ) -> Vec<(u32, Box<dyn FnOnce(&mut Probe, &mut Outbox<Probe>)>)> {
        let link = |a: u32, b: NodeId| (a.min(b.0), a.max(b.0));
        match action {
            Action::Open(peer)
                if peer.index() >= self.nodes.len() || peer.0 == from || self.stopped.contains(&peer.0) =>
            {
                vec![(from, Box::new(move |probe, net| probe.on_link_down(net, peer)))]
            }
            Action::Open(peer) => match self.links.insert(link(from, peer), ()) {
                Some(()) => vec![],
                None => vec![
                    (peer.0, Box::new(move |probe, net| probe.on_link_up(net, NodeId(from)))),
                    (from, Box::new(move |probe, net| probe.on_link_up(net, peer))),
                ],
            },
            Action::Close(peer) => match self.links.remove(&link(from, peer)) {
                None => vec![],
                Some(()) => vec![
                    (from, Box::new(move |probe, net| probe.on_link_down(net, peer))),
                    (peer.0, Box::new(move |probe, net| probe.on_link_down(net, NodeId(from)))),
                ],
            },
            Action::Send(to, message) if self.links.contains_key(&link(from, to)) => {
                vec![(to.0, Box::new(move |probe, net| probe.on_message(net, NodeId(from), message)))]
            }
            Action::SetTimer(after, timer) => {
                self.timers.push((self.now + after.as_nanos() as u64, from, timer));
                vec![]
            }
            Action::Stop => {
                self.stopped.insert(from);
                let ends = |&(a, b): &(u32, u32)| if a == from { Some(b) } else { (b == from).then_some(a) };
                let peers: Vec<u32> = self.links.keys().filter_map(ends).collect();
                self.links.retain(|&(a, b), ()| a != from && b != from);
                let down = |peer| -> (u32, Box<dyn FnOnce(&mut Probe, &mut Outbox<Probe>)>) {
                    (peer, Box::new(move |probe, net| probe.on_link_down(net, NodeId(from))))
                };
                peers.into_iter().map(down).collect()
            }
            Action::Send(..) | Action::Publish(_) | Action::Notify(_) | Action::Append(_) => vec![],
        }
    }
}

impl Rig for Recorded {
    fn new(nodes: u32) -> Self {
        let start = |node| {
            let mut outbox = Outbox::new(NodeId(node));
            (Probe::start(&(), &[], &mut outbox), outbox)
        };
        Recorded {
            nodes: (0..nodes).map(start).collect(),
            links: BTreeMap::new(),
            timers: vec![],
            stopped: BTreeSet::new(),
            now: 0,
        }
    }

    fn tell(&mut self, node: u32, what: &str) {
        let (probe, outbox) = &mut self.nodes[node as usize];
        probe.on_command(outbox, command(what));
    }

    fn settle(&mut self) {
        (0..self.nodes.len() as u32).for_each(|node| self.carry_out(node));
        while !self.timers.is_empty() {
            self.timers.sort();
            let (time, node, timer) = self.timers.remove(0);
            self.now = time;
            self.nodes.iter_mut().for_each(|(_, net)| net.set_now(rumormill::LocalTime::from_nanos(time)));
            if self.stopped.contains(&node) {
                continue;
            }
            let (probe, outbox) = &mut self.nodes[node as usize];
            probe.on_timer(outbox, timer);
            self.carry_out(node);
        }
    }

    fn saw(&self, node: u32) -> Vec<Did> {
        self.nodes[node as usize].0.saw.clone()
    }
}

/// Real nodes on loopback.
#[cfg(feature = "live")]
struct Real(Network<Live<Probe>>);

#[cfg(feature = "live")]
impl Rig for Real {
    fn new(nodes: u32) -> Self {
        let secrets = Secrets::new(Secret::random().unwrap());
        let config = LiveConfig { seed: Some(7), ..LiveConfig::new((), secrets) };
        let mut network = Network::live(config, ()).unwrap();
        (0..nodes).for_each(|_| _ = network.world_mut().spawn());
        Real(network)
    }

    fn tell(&mut self, node: u32, what: &str) {
        self.0.broadcast_titled(NodeId(node), what, "");
    }

    fn settle(&mut self) {
        for _ in 0..1_000 {
            if self.0.world().is_settled() {
                return;
            }
            self.0.run_for(Duration::from_millis(10));
        }
        panic!("after ten seconds it has not settled");
    }

    fn saw(&self, node: u32) -> Vec<Did> {
        self.0.world().look_at(NodeId(node), |probe| probe.saw.clone())
    }

    fn waits(&self) -> bool {
        false
    }
}

fn heard(rig: &impl Rig, node: u32) -> Vec<u32> {
    rig.saw(node)
        .iter()
        .filter_map(|did| if let Did::Heard(_, text) = did { Some(*text) } else { None })
        .collect()
}

fn clause_1_a_message_is_a_later_event_or_lost<R: Rig>() {
    let mut rig = R::new(3);
    rig.tell(0, "open 1");
    rig.settle();
    rig.tell(0, "send 1 5");
    if rig.waits() {
        assert!(heard(&rig, 1).is_empty(), "not before the sender's handler is through");
    }
    rig.tell(0, "send 2 6");
    rig.tell(0, "send 99 7");
    rig.settle();
    assert_eq!((heard(&rig, 1), heard(&rig, 2)), (vec![5], vec![]), "no link, no message, no complaint");
}

fn clause_2_a_session_ends_once_at_each_end<R: Rig>() {
    let mut rig = R::new(3);
    let ends = |rig: &R, node: u32, peer: u32| {
        let count = |wanted: Did| rig.saw(node).iter().filter(|did| **did == wanted).count();
        (count(Did::Up(peer)), count(Did::Down(peer)))
    };
    rig.tell(0, "open 1");
    rig.tell(0, "open 1");
    rig.settle();
    assert_eq!((ends(&rig, 0, 1), ends(&rig, 1, 0)), ((1, 0), (1, 0)), "opening twice is opening once");
    rig.tell(1, "open 0");
    rig.settle();
    assert_eq!((ends(&rig, 0, 1), ends(&rig, 1, 0)), ((1, 0), (1, 0)), "the link is there already");
    rig.tell(0, "close 1");
    rig.tell(1, "close 0");
    rig.settle();
    assert_eq!((ends(&rig, 0, 1), ends(&rig, 1, 0)), ((1, 1), (1, 1)), "closed by both, and still only once");
    rig.tell(0, "open 2");
    rig.tell(2, "open 0");
    rig.settle();
    assert_eq!((ends(&rig, 0, 2), ends(&rig, 2, 0)), ((1, 0), (1, 0)), "two wishes, one session");
    for nobody in [0, 99] {
        rig.tell(0, &format!("open {nobody}"));
        rig.settle();
        assert_eq!(ends(&rig, 0, nobody), (0, 1), "an open that cannot succeed ends as well");
    }
}

fn clause_4_now_stands_still<R: Rig>() {
    let mut rig = R::new(2);
    rig.tell(0, "open 1");
    rig.settle();
    rig.tell(0, "look-twice 1");
    rig.settle();
    let looks: Vec<bool> = rig
        .saw(0)
        .iter()
        .filter_map(|did| if let Did::StoodStill(still) = did { Some(*still) } else { None })
        .collect();
    assert_eq!(looks, [true]);
}

fn clause_5_a_timer_fires_once_and_not_early<R: Rig>() {
    let mut rig = R::new(1);
    rig.tell(0, "timer 30");
    rig.tell(0, "timer 10");
    rig.tell(0, "timer 0");
    rig.settle();
    rig.settle();
    let fired: Vec<(u32, bool)> = rig
        .saw(0)
        .iter()
        .filter_map(|did| if let Did::Fired(ms, early) = did { Some((*ms, *early)) } else { None })
        .collect();
    assert_eq!(fired, [(0, false), (10, false), (30, false)]);
}

fn clause_6_a_stream_is_nobody_elses<R: Rig>() {
    let draws = |others: u32| {
        let mut rig = R::new(2);
        (0..others).for_each(|_| rig.tell(0, "draw"));
        rig.tell(1, "draw");
        rig.tell(1, "draw");
        rig.settle();
        rig.saw(1)
    };
    assert_eq!(draws(0), draws(5));
    assert_ne!(draws(0)[0], draws(0)[1]);
}

fn clause_8_a_node_that_stopped_is_gone<R: Rig>() {
    let mut rig = R::new(2);
    rig.tell(0, "open 1");
    rig.settle();
    rig.tell(0, "timer 10");
    rig.tell(0, "stop");
    rig.settle();
    rig.tell(1, "send 0 5");
    rig.tell(1, "open 0");
    rig.settle();
    let of_zero = rig.saw(0);
    assert!(
        !of_zero.iter().any(|did| matches!(did, Did::Fired(..) | Did::Heard(..) | Did::Down(_))),
        "{of_zero:?}"
    );
    let downs = rig.saw(1).iter().filter(|did| **did == Did::Down(0)).count();
    assert_eq!(downs, 2, "once for the link, once for the wish");
}

macro_rules! contract {
    ($($name:ident: $rig:ty),+) => {$(
        mod $name {
            use super::*;

            #[test]
            fn clause_1_a_message_is_a_later_event_or_lost() {
                super::clause_1_a_message_is_a_later_event_or_lost::<$rig>();
            }

            #[test]
            fn clause_2_a_session_ends_once_at_each_end() {
                super::clause_2_a_session_ends_once_at_each_end::<$rig>();
            }

            #[test]
            fn clause_4_now_stands_still() {
                super::clause_4_now_stands_still::<$rig>();
            }

            #[test]
            fn clause_5_a_timer_fires_once_and_not_early() {
                super::clause_5_a_timer_fires_once_and_not_early::<$rig>();
            }

            #[test]
            fn clause_6_a_stream_is_nobody_elses() {
                super::clause_6_a_stream_is_nobody_elses::<$rig>();
            }

            #[test]
            fn clause_8_a_node_that_stopped_is_gone() {
                super::clause_8_a_node_that_stopped_is_gone::<$rig>();
            }
        }
    )+};
}

contract!(streams: Simulated<0>, unordered: Simulated<1>, datagrams: Simulated<2>, recorded: Recorded);
#[cfg(feature = "live")]
contract!(real: Real);

/// Clause 3: order is a gift of streams; the other kinds do break it.
#[test]
fn clause_3_only_streams_keep_order() {
    let order = |kind| {
        let mut network = simulated(2, kind, 1);
        network.world_command(NodeId(0), "open 1");
        network.run_for(Duration::from_secs(1));
        (0..50).for_each(|text| network.world_command(NodeId(0), &format!("send 1 {text}")));
        network.run_for(Duration::from_secs(1));
        let saw = &network.node(NodeId(1)).saw;
        saw.iter()
            .filter_map(|did| if let Did::Heard(_, text) = did { Some(*text) } else { None })
            .collect::<Vec<u32>>()
    };
    let in_order: Vec<u32> = (0..50).collect();
    assert_eq!(order(kind(0)), in_order);
    for broken in [order(kind(1)), order(kind(2))] {
        assert_ne!(broken, in_order);
        let mut sorted = broken;
        sorted.sort_unstable();
        assert_eq!(sorted, in_order, "everything arrives");
    }
}

/// Everybody is there before anybody starts, and a link that is closed at the start is closed for its closer.
#[test]
fn nodes_may_open_and_close_links_as_they_start() {
    let graph = Graph::from_edges(3, &[]);
    let mut network: Network<Sim<Eager, ()>> = Network::observed(SimConfig::new(graph), 1, ());
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.topology().edge_count(), 3);
    for node in 0..3 {
        assert_eq!(network.node(NodeId(node)).downs, [NodeId(99)], "of node {node}");
    }
}

/// Opens links to all others as it starts, and one to nobody, which it closes again.
struct Eager {
    downs: Vec<NodeId>,
}

impl Protocol for Eager {
    type Config = ();
    type Message = Say;
    type Timer = ();
    type Record = ();

    fn start(_: &(), _: &[()], net: &mut impl Transport<Eager>) -> Eager {
        let me = net.me().0;
        (0..3).filter(|&peer| peer != me).for_each(|peer| net.open(NodeId(peer)));
        net.open(NodeId(99));
        net.close(NodeId(99));
        Eager { downs: vec![] }
    }

    fn on_command(&mut self, _: &mut impl Transport<Eager>, _: Command) {}
    fn on_message(&mut self, _: &mut impl Transport<Eager>, _: NodeId, _: Say) {}
    fn on_link_down(&mut self, _: &mut impl Transport<Eager>, peer: NodeId) {
        self.downs.push(peer);
    }
}

/// A hub may close very many links in one handler.
#[test]
fn a_hub_may_close_all_its_links_at_once() {
    let spokes: Vec<(u32, u32)> = (1..100_000).map(|peer| (0, peer)).collect();
    let config: SimConfig<Probe> = SimConfig::new(Graph::from_edges(100_000, &spokes));
    let mut network: Network<Sim<Probe, ()>> = Network::observed(config, 1, ());
    network.world_command(NodeId(0), "close-all");
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.topology().edge_count(), 0);
}

/// What a probe must think of one of its links.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    Down,
    Wishing,
    Up,
}

/// One step of a random script: after a pause, a node opens, closes or sends to another.
fn step(nodes: u32) -> impl Strategy<Value = (u64, u32, u32, u8)> {
    (0u64..60, 0..nodes, 0..nodes, 0u8..4)
}

proptest! {
    /// Clause 2 under fire: whatever opens, closes and messages cross, sessions alternate between up and down at each
    /// end, messages arrive only while the receiver's end is up, every wish is answered, and both ends agree.
    #[test]
    fn clause_2_holds_for_every_crossing(
        seed in any::<u64>(),
        kind_number in 0u8..3,
        given in prop::sample::subsequence(vec![(0, 1), (0, 2), (1, 2)], 0..=3),
        script in prop::collection::vec(step(3), 1..60),
    ) {
        let mut network = simulated_on(&given, 3, kind(kind_number), seed);
        for (pause, node, peer, what) in script {
            network.run_for(Duration::from_millis(pause));
            network.world_command(NodeId(node), &crossing(what, peer));
        }
        network.run_for(Duration::from_secs(10));
        check_sessions(&network.topology(), |node| network.node(NodeId(node)).saw.clone())?;
    }
}

#[cfg(feature = "live")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same over real connections, whatever the system makes of it.
    #[test]
    fn clause_2_holds_for_real_connections(script in prop::collection::vec(step(3), 1..60)) {
        let mut rig = Real::new(3);
        for (pause, node, peer, what) in script {
            // Some at once, some when the handshakes before are over, or in the middle of them.
            rig.0.run_for(Duration::from_micros(pause.saturating_sub(30) * 100));
            rig.tell(node, &crossing(what, peer));
        }
        rig.settle();
        check_sessions(&rig.0.topology(), |node| rig.saw(node))?;
    }
}

fn crossing(what: u8, peer: u32) -> String {
    match what {
        0 => format!("open {peer}"),
        1 => format!("close {peer}"),
        2 => format!("reopen {peer}"),
        _ => format!("send {peer} 1"),
    }
}

/// Whether what three probes saw of their links is what the contract says, and leads to this topology.
fn check_sessions(graph: &Graph, saw: impl Fn(u32) -> Vec<Did>) -> Result<(), TestCaseError> {
    for node in 0..3 {
        for peer in (0..3).filter(|&peer| peer != node) {
            let (mut end, mut downs_due) = (End::Down, 0);
            for did in saw(node) {
                match did {
                    Did::Wished(p) if p == peer && end == End::Down => end = End::Wishing,
                    Did::Closed(p) if p == peer && end != End::Down => {
                        (end, downs_due) = (End::Down, downs_due + 1);
                    }
                    Did::Up(p) if p == peer => {
                        prop_assert!(end != End::Up && downs_due == 0, "up, and not down before");
                        end = End::Up;
                    }
                    Did::Down(p) if p == peer && downs_due > 0 => downs_due -= 1,
                    Did::Down(p) if p == peer => {
                        prop_assert!(end != End::Down, "down without having been up or wished for");
                        end = End::Down;
                    }
                    Did::Heard(p, _) if p == peer => prop_assert!(end == End::Up, "heard without a link"),
                    _ => {}
                }
            }
            prop_assert!(end != End::Wishing && downs_due == 0, "a wish or a close without an answer");
            let up = end == End::Up;
            prop_assert_eq!(up, graph.neighbors(NodeId(node)).contains(&NodeId(peer)), "the ends disagree");
        }
    }
    Ok(())
}

/// Speaks and closes before any link is up, and closes links of which it has not heard yet.
struct Hasty(Vec<Did>);

impl Protocol for Hasty {
    type Config = ();
    type Message = Say;
    type Timer = ();
    type Record = ();

    fn start(_: &(), _: &[()], net: &mut impl Transport<Hasty>) -> Hasty {
        for peer in (0..3).map(NodeId) {
            net.send(peer, Say(0));
            net.close(peer);
        }
        Hasty(Vec::new())
    }

    fn on_command(&mut self, _: &mut impl Transport<Hasty>, _: Command) {}

    fn on_message(&mut self, _: &mut impl Transport<Hasty>, from: NodeId, Say(text): Say) {
        self.0.push(Did::Heard(from.0, text));
    }

    fn on_link_up(&mut self, net: &mut impl Transport<Hasty>, peer: NodeId) {
        self.0.push(Did::Up(peer.0));
        let next = NodeId((peer.0 + 1) % 3);
        net.send(next, Say(1));
        net.close(next);
    }

    fn on_link_down(&mut self, _: &mut impl Transport<Hasty>, peer: NodeId) {
        self.0.push(Did::Down(peer.0));
    }
}

/// Clause 2: links of the start are up when their nodes hear of it, and not before.
#[test]
fn links_of_the_start_begin_when_they_are_announced() {
    let triangle = Graph::from_edges(3, &[(0, 1), (0, 2), (1, 2)]);
    let mut network = Network::observed(SimConfig::<Hasty>::new(triangle), 7, ());
    network.run_for(Duration::from_secs(1));
    // Only node 1 closes a link that it has heard of: that to node 0, when it hears of that to node 2.
    for (node, saw) in [
        (0, vec![Did::Up(1), Did::Up(2), Did::Heard(1, 1), Did::Down(1)]),
        (1, vec![Did::Up(0), Did::Up(2), Did::Down(0)]),
        (2, vec![Did::Up(0), Did::Up(1)]),
    ] {
        assert_eq!(network.node(NodeId(node)).0, saw, "node {node}");
    }
}

/// One probe on a disk that needs so many milliseconds for a sync.
fn writer(sync_ms: u64) -> Network<Sim<Probe, ()>> {
    let disk = Disk::Syncs(Duration::from_millis(sync_ms));
    Network::observed(SimConfig::new(Graph::from_edges(1, &[])).disk(disk), 7, ())
}

fn with_log(log: LogFate) -> Crash {
    Crash { log, ..Crash::default() }
}

/// What a probe saw at the beginning of its life after this crash.
fn life_after(network: &mut Network<Sim<Probe, ()>>, node: NodeId, crash: Crash) -> Vec<Did> {
    network.crash(node, crash);
    network.world_mut().restart(node);
    network.node(node).saw.clone()
}

/// Clause 9: a kept log is there in order, over several lives; what was not safe yet is lost.
#[test]
fn clause_9_what_is_safe_survives_a_crash_in_order() {
    let mut network = writer(10);
    for text in ["write 1", "write 2", "write 3"] {
        network.world_command(NodeId(0), text);
    }
    network.run_for(Duration::from_millis(15));
    // The first record began a sync of its own; the next one takes those along that were written since.
    assert_eq!(life_after(&mut network, NodeId(0), with_log(LogFate::Kept)), [Did::Began(vec![1])]);
    network.world_command(NodeId(0), "write 4");
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.node(NodeId(0)).saw[1..], [Did::Wrote(4, false), Did::Synced(1)], "of this life");
    assert_eq!(life_after(&mut network, NodeId(0), with_log(LogFate::Kept)), [Did::Began(vec![1, 4])]);
}

#[test]
fn clause_9_a_lost_log_is_lost_as_a_whole() {
    let mut network = writer(0);
    network.world_command(NodeId(0), "write 1");
    assert_eq!(life_after(&mut network, NodeId(0), with_log(LogFate::Kept)), [Did::Began(vec![1])]);
    network.world_command(NodeId(0), "write 2");
    assert_eq!(network.node(NodeId(0)).saw[1..], [Did::Wrote(2, true)], "safe at once, and nothing to tell");
    assert_eq!(life_after(&mut network, NodeId(0), with_log(LogFate::Lost)), []);
}

/// Clause 9: a node that stops of its own accord loses what was not safe, as it was never told that it is.
#[test]
fn clause_9_what_was_not_safe_at_a_stop_is_lost() {
    let mut network = writer(10);
    network.world_command(NodeId(0), "write 1");
    network.run_for(Duration::from_millis(15));
    network.world_command(NodeId(0), "write 2");
    network.world_command(NodeId(0), "stop");
    network.run_for(Duration::from_secs(1));
    network.world_mut().restart(NodeId(0));
    assert_eq!(network.node(NodeId(0)).saw, [Did::Began(vec![1])]);
}

/// Clause 9: one sync at a time, and each takes along all that was written before it began.
#[test]
fn clause_9_syncs_are_made_in_groups() {
    let mut network = writer(10);
    for text in ["write 1", "write 2", "write 3"] {
        network.world_command(NodeId(0), text);
    }
    network.run_for(Duration::from_millis(12));
    network.world_command(NodeId(0), "write 4");
    network.run_for(Duration::from_secs(1));
    let written = [1, 2, 3].map(|record| Did::Wrote(record, false));
    let rest = [Did::Synced(1), Did::Wrote(4, false), Did::Synced(3), Did::Synced(4)];
    assert_eq!(network.node(NodeId(0)).saw, [&written[..], &rest[..]].concat());
}

/// Clause 5: a timer dies with the life in which it was set; so does a sync.
#[test]
fn clause_5_timers_of_an_earlier_life_do_not_fire() {
    let mut network = writer(10);
    network.world_command(NodeId(0), "timer 30");
    network.world_command(NodeId(0), "write 1");
    assert_eq!(life_after(&mut network, NodeId(0), Crash::default()), []);
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.node(NodeId(0)).saw, []);
}

/// Two probes with a link, made by the first; `given`: by the topology.
fn linked(given: bool) -> Network<Sim<Probe, ()>> {
    let edges: &[(u32, u32)] = if given { &[(0, 1)] } else { &[] };
    let mut network = Network::observed(SimConfig::<Probe>::new(Graph::from_edges(2, edges)), 7, ());
    if !given {
        network.world_command(NodeId(0), "open 1");
        network.run_for(Duration::from_secs(1));
    }
    network
}

const SILENT: Crash = Crash { log: LogFate::Kept, detection: Detection::Silence };

/// Clause 2: a restart that is faster than its detection ends the old session once, before the new one begins.
#[test]
fn clause_2_a_fast_restart_ends_the_old_session_first() {
    for given in [true, false] {
        let mut network = linked(given);
        network.crash(NodeId(1), SILENT);
        network.world_mut().restart(NodeId(1));
        if !given {
            network.world_command(NodeId(1), "open 0");
        }
        network.run_for(Duration::from_secs(100));
        let of_zero = &network.node(NodeId(0)).saw;
        let links: Vec<&Did> =
            of_zero.iter().filter(|did| matches!(did, Did::Up(1) | Did::Down(1))).collect();
        assert_eq!(links, [&Did::Up(1), &Did::Down(1), &Did::Up(1)], "given: {given}");
        network.world_command(NodeId(0), "send 1 5");
        network.run_for(Duration::from_secs(1));
        assert!(network.node(NodeId(1)).saw.contains(&Did::Heard(0, 5)), "given: {given}");
    }
}

/// Clause 2: who is not told that a peer is gone finds it silent, after the links' own time.
#[test]
fn clause_2_a_silent_peer_is_given_up_in_time() {
    let mut network = linked(true);
    network.crash(NodeId(1), SILENT);
    network.run_for(rumormill::sim::SILENCE - Duration::from_millis(1));
    assert!(!network.node(NodeId(0)).saw.contains(&Did::Down(1)));
    network.run_for(Duration::from_millis(1));
    assert!(network.node(NodeId(0)).saw.contains(&Did::Down(1)));
}

#[test]
fn clause_2_an_unanswered_open_is_given_up_in_time() {
    let mut network: Network<Sim<Probe, ()>> =
        Network::observed(SimConfig::new(Graph::from_edges(2, &[])), 7, ());
    network.crash(NodeId(1), SILENT);
    network.world_command(NodeId(0), "open 1");
    network.run_for(rumormill::sim::DIAL - Duration::from_millis(1));
    assert_eq!(network.node(NodeId(0)).saw, [Did::Wished(1)]);
    network.run_for(Duration::from_millis(1));
    assert_eq!(network.node(NodeId(0)).saw, [Did::Wished(1), Did::Down(1)]);
}
