//! The guarantee's second half: whoever is alive gets every message of the last R that anybody alive has, exactly once.

use proptest::prelude::*;
use rumormill::fault::{Crash, LogFate};
use rumormill::judge::Verdict;
use rumormill::node::{OverlayKind, ReconcileConfig};
use rumormill::observe::{Metrics, Observation, Observer};
use rumormill::protocol::Notice;
use rumormill::report::Summary;
use rumormill::scenario::{DataFolders, Scenario, Source};
use rumormill::sim::Disk;
use rumormill::{Network, Node, NodeConfig, NodeId, Sim, SimConfig, Time, Topology};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Plays a scenario with nodes that reconcile, and judges it by the whole guarantee.
fn play(parts: &Value) -> Summary {
    let mut scenario = json!({
        "node": {"overlay": "static", "reconcile": {}},
        "end": "10min",
        "expect": ["agreement", "no_silent_loss", "no_duplication", "integrity", "validity", "bounded_memory"]
    });
    scenario.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    let source = Source { name: "parts".into(), text: scenario.to_string() };
    let parsed = Scenario::<NodeConfig>::parse(&source, &DataFolders::new([]));
    let scenario = parsed.unwrap_or_else(|error| panic!("{error}"));
    Summary::simulate::<Node>(&scenario, u64::MAX, |_, _| true).0
}

fn passes(parts: &Value) -> Summary {
    let summary = play(parts);
    assert_eq!(summary.verdict(), Verdict::Pass, "{parts}: {summary}");
    summary
}

fn lossy() -> Value {
    json!({"kind": {"datagram": {"loss": 0.2, "duplication": 0.05, "reordering": {"share": 0.1, "by": "100ms"}}}})
}

#[test]
fn datagrams_that_are_lost_are_made_up_for() {
    for (seed, topology) in [
        (1, json!({"ring": {"nodes": 12}})),
        (2, json!({"line": {"nodes": 8}})),
        (3, json!({"complete": {"nodes": 6}})),
    ] {
        passes(&json!({
            "seed": seed, "topology": topology, "links": lossy(),
            "timeline": [{"at": "1s", "do": {"broadcast": {"from": "random", "count": 100, "every": "100ms"}}}],
            "end": "5min"
        }));
    }
}

#[test]
fn a_crash_is_made_up_for_with_and_without_the_log() {
    for log in ["kept", "lost"] {
        for detection in ["reset", "silence"] {
            for sync in ["5ms", "0s"] {
                let parts = json!({
                    "topology": {"ring": {"nodes": 8}},
                    "disk": {"sync": sync},
                    "timeline": [
                        {"at": "1s", "do": {"broadcast": {"from": "random", "count": 300, "every": "100ms"}}},
                        {"at": "5s", "do": {"crash": {"who": 3, "log": log, "detection": detection, "for": "8s"}}},
                        {"at": "8s", "do": {"crash": {"who": 6, "log": log, "detection": detection, "for": "8s"}}}
                    ],
                });
                passes(&parts);
            }
        }
    }
}

#[test]
fn a_joiner_gets_all_of_the_retention() {
    let summary = passes(&json!({
        "topology": {"complete": {"nodes": 5}},
        "node": {"overlay": "tutorial", "reconcile": {}},
        "timeline": [
            {"at": "1s", "do": {"broadcast": {"from": "random", "count": 500, "every": "20ms"}}},
            {"at": "60s", "do": {"join": {"count": 3, "every": "1s"}}}
        ],
        "end": "5min"
    }));
    assert_eq!(summary.nodes, 8);
}

/// As far as the overlay comes together again: the tutorial's does not always, and then nobody can do anything.
#[test]
fn a_cut_that_heals_is_made_up_for() {
    let mut judged = 0;
    for seed in 0..4 {
        for (length, links) in [("2s", json!({})), ("20s", json!({})), ("20s", lossy())] {
            let parts = json!({
                "seed": seed, "links": links,
                "topology": {"complete": {"nodes": 4}},
                "node": {"overlay": "tutorial", "reconcile": {}},
                "timeline": [
                    {"at": "0s", "do": {"join": {"count": 8, "every": "300ms"}}},
                    {"at": "20s", "do": {"partition": {"into": {"isolate": 3}, "for": length}}},
                    {"at": "21s", "do": {"broadcast": {"from": "random", "count": 150, "every": "100ms"}}}
                ],
                "expect": ["connected", "agreement", "no_silent_loss", "no_duplication", "integrity", "validity"]
            });
            let summary = play(&parts);
            let is_whole = summary
                .judgement
                .findings
                .iter()
                .any(|finding| finding.expectation == "connected" && finding.verdict == Verdict::Pass);
            if is_whole {
                judged += 1;
                assert_eq!(summary.verdict(), Verdict::Pass, "{parts}: {summary}");
            } else {
                eprintln!("seed {seed}, {length}: the overlay stayed apart");
            }
        }
    }
    assert!(judged >= 6, "{judged}");
}

/// What is older than the retention is not handed on, and that is told.
#[test]
fn what_is_too_old_is_a_reported_gap() {
    let reconcile = json!({"retention": "60s", "heal": "10s"});
    let summary = passes(&json!({
        "topology": {"complete": {"nodes": 4}},
        "node": {"overlay": "tutorial", "reconcile": reconcile},
        "guarantee": {"retention": "60s", "heal": "10s"},
        "timeline": [
            {"at": "1s", "do": {"broadcast": {"from": 0, "count": 100, "every": "1s"}}},
            {"at": "1s", "do": {"broadcast": {"from": 1, "count": 10, "every": "1s"}}},
            {"at": "150s", "do": {"join": {"count": 2, "every": "1s"}}}
        ],
        "end": "158s"
    }));
    let told = summary
        .judgement
        .findings
        .iter()
        .any(|finding| finding.expectation == "no_silent_loss" && !finding.evidence.starts_with("0 "));
    assert!(told, "{summary}");
}

/// A cut one way, or a loss of everything, of which no link dies, and that ends without a sound: what waited for it comes
/// through, however long it took.
#[test]
fn a_link_that_was_dumb_for_long_is_made_up_for() {
    let silent = |loss: f64| json!({"kind": {"datagram": {"loss": loss}}, "silence": "1h"});
    let cut = |from: u32, to: u32| json!({"partition": {"into": {"groups": [[from], [to]]}, "one_way": true, "for": "10min"}});
    for (seed, loss, fault) in [
        (1, 0.0, cut(0, 1)),
        (2, 0.0, cut(1, 0)),
        (3, 0.2, cut(0, 1)),
        (4, 0.2, cut(1, 0)),
        (5, 0.0, json!({"loss": {"share": 1.0, "for": "10min"}})),
    ] {
        passes(&json!({
            "seed": seed, "links": silent(loss),
            "topology": {"line": {"nodes": 2}},
            "timeline": [
                {"at": "1s", "do": {"broadcast": {"from": "random", "count": 5, "every": "1s"}}},
                {"at": "10s", "do": fault},
                {"at": "11s", "do": {"broadcast": {"from": "random", "count": 20, "every": "1s"}}}
            ],
            "end": "11min"
        }));
    }
}

/// Without its log a node publishes in a new series, and others deliver both; with its log it goes on with the old one.
#[test]
fn a_node_that_starts_again_uses_no_number_twice() {
    for log in ["kept", "lost"] {
        let summary = passes(&json!({
            "topology": {"complete": {"nodes": 3}},
            "timeline": [
                {"at": "1s", "do": {"broadcast": {"from": 0, "count": 15, "every": "100ms"}}},
                {"at": "5s", "do": {"crash": {"who": 0, "log": log, "for": "5s"}}},
                {"at": "20s", "do": {"broadcast": {"from": 0, "count": 15, "every": "100ms"}}}
            ],
            "expect": [
                "everyone_delivers", "agreement", "no_silent_loss", "no_duplication", "integrity", "validity",
                "bounded_memory"
            ],
            "end": "60s"
        }));
        assert_eq!(summary.broadcasts, 30, "{log}");
    }
    for log in [LogFate::Kept, LogFate::Lost] {
        let mut network = network(&Topology::Complete { nodes: 3 }, 1);
        let publish = |network: &mut Simulated| {
            let payload = network.broadcast(NodeId(0), "Hello world").unwrap();
            network.run_for(Duration::from_secs(1));
            (network.content(payload).origin.incarnation, network.content(payload).sequence)
        };
        let (before, _) = publish(&mut network);
        network.crash(NodeId(0), Crash { log, ..Crash::default() });
        network.restart(NodeId(0));
        network.run_for(Duration::from_secs(10));
        let (after, sequence) = publish(&mut network);
        assert_eq!((after == before, sequence), if log == LogFate::Kept { (true, 1) } else { (false, 0) });
        network.run_for(Duration::from_secs(10));
        for node in 0..3 {
            assert_eq!(network.view(NodeId(node)).delivered, 2, "{log:?}, node {node}");
        }
    }
}

/// The gaps that were reported, and how old what was given up was at least.
#[derive(Default)]
struct Gaps {
    published: BTreeMap<(u32, u64, u64), Time>,
    /// At whom, the first and the last, and the age of the youngest.
    reported: Vec<(u32, u64, u64, Duration)>,
}

impl Observer for Gaps {
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        match event {
            Observation::Published { broadcast, .. } => {
                let origin = broadcast.origin;
                self.published.insert((origin.node.0, origin.incarnation, broadcast.sequence), time);
            }
            Observation::Noticed { node, notice: Notice::Gap { origin, first, last } } => {
                let published = self.published[&(origin.node.0, origin.incarnation, last)];
                self.reported.push((node.0, first, last, time.since(published)));
            }
            _ => {}
        }
    }
}

/// A newcomer hears of what is too old for it in one gap an origin, and nothing is given up before R + 2·T_heal.
#[test]
fn a_newcomer_is_told_once_what_it_will_never_get() {
    for seed in 0..8 {
        let [retention, heal] = [60, 10].map(Duration::from_secs);
        let reconcile = Some(ReconcileConfig { retention, heal, ..ReconcileConfig::default() });
        let node = NodeConfig { reconcile, overlay: Some(OverlayKind::Tutorial), ..NodeConfig::default() };
        let topology = Topology::Complete { nodes: 4 };
        let config = SimConfig::<Node>::new(topology.build(seed).unwrap()).node(node);
        let mut network = Network::observed(config, seed, Gaps::default());
        for i in 0..200 {
            network.broadcast(NodeId(i % 2), "Hello world");
            network.run_for(Duration::from_millis(700));
        }
        let newcomer = network.join();
        network.run_for(Duration::from_secs(20));
        let reported = &network.observer().reported;
        assert_eq!(reported.len(), 2, "seed {seed}: {reported:?}");
        for &(node, first, last, age) in reported {
            assert_eq!((node, first), (newcomer.0, 0), "seed {seed}");
            // Each origin speaks every 1.4 s, and joining takes a while.
            let kept = retention + 2 * heal;
            assert!(age > kept && age < kept + Duration::from_secs(22), "seed {seed}: {last}, {age:?}");
        }
        let given_up: u64 = reported.iter().map(|&(_, first, last, _)| last - first + 1).sum();
        assert_eq!(network.view(newcomer).delivered + given_up, 200, "seed {seed}");
    }
}

/// What was sent of which kind, and how much, without the contents themselves; and the time of the latest.
#[derive(Default)]
struct Traffic(BTreeMap<&'static str, (u64, u64)>, Time);

impl Observer for Traffic {
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        if let Observation::Sent(parcel) = event {
            let (count, bytes) = self.0.entry(parcel.kind).or_default();
            *count += 1;
            *bytes += u64::from(parcel.bytes);
            self.1 = time;
        }
    }
}

impl Traffic {
    /// The bytes beyond the messages themselves.
    fn overhead(&self) -> u64 {
        self.0.iter().filter(|(kind, _)| !["data", "copy"].contains(kind)).map(|(_, (_, bytes))| bytes).sum()
    }
}

type Simulated = Network<Sim<Node, (Metrics, Traffic)>>;

fn network(topology: &Topology, seed: u64) -> Simulated {
    let node = NodeConfig { reconcile: Some(ReconcileConfig::default()), ..NodeConfig::default() };
    let config = SimConfig::new(topology.build(seed).unwrap()).node(node).disk(Disk::Syncs(Duration::ZERO));
    Network::observed(config, seed, (Metrics::default(), Traffic::default()))
}

fn publish(network: &mut Simulated, origins: u32, count: u32) {
    for i in 0..count {
        network.broadcast(NodeId(i % origins), "Hello world");
        network.run_for(Duration::from_millis(100));
    }
}

/// 1,000 missing of 10,000 messages cost at most 30 kB beyond the messages; and then there is silence.
#[test]
fn catching_up_is_cheap_and_then_there_is_silence() {
    let mut network = network(&Topology::Line { nodes: 5 }, 1);
    publish(&mut network, 3, 9_000);
    network.run_for(Duration::from_secs(120));
    network.crash(NodeId(4), Crash { log: LogFate::Kept, ..Crash::default() });
    publish(&mut network, 3, 1_000);
    network.run_for(Duration::from_secs(120));
    let before = network.observer().1.overhead();
    let copies = network.observer().1.0.get("copy").copied().unwrap_or_default();
    let restarted = network.now();
    network.restart(NodeId(4));
    network.run_for(Duration::from_secs(300));
    let overhead = network.observer().1.overhead() - before;
    let fetched = network.observer().1.0["copy"].0 - copies.0;
    let latest = network.observer().1.1;
    assert_eq!((fetched, network.view(NodeId(4)).delivered), (1_000, 10_000));
    // 30 kB are allowed; with this seed it is less than a tenth of that.
    assert!(overhead <= 2_500, "{overhead}");
    assert!(latest.since(restarted) < Duration::from_secs(30), "{:?}", latest.since(restarted));
    let events = network.world_mut();
    let before = rumormill::world::World::events(events);
    network.run_for(Duration::from_secs(3_000));
    assert_eq!(rumormill::world::World::events(network.world()), before, "an idle network does nothing");
}

/// The only one that has a message crashes and comes back.
#[test]
fn the_only_holder_brings_its_messages_back() {
    let mut network = network(&Topology::Line { nodes: 4 }, 1);
    network.crash(NodeId(1), Crash::default());
    // To nobody: the same text twice, which is two messages.
    for _ in 0..2 {
        network.broadcast(NodeId(0), "Hello world");
    }
    network.run_for(Duration::from_secs(5));
    network.crash(NodeId(0), Crash::default());
    network.restart(NodeId(1));
    network.run_for(Duration::from_secs(5));
    assert_eq!(network.view(NodeId(3)).delivered, 0);
    network.restart(NodeId(0));
    network.run_for(Duration::from_secs(30));
    for node in 0..4 {
        assert_eq!(network.view(NodeId(node)).delivered, 2, "node {node}");
    }
}

/// A ring with losses in which nodes crash: who, at which second, for how many, whether the log is kept, whether in silence.
/// And harms: which, whom, at which second, for how many.
fn plays_out(
    seed: u64,
    nodes: u32,
    loss: f64,
    crashes: &[(u32, u32, u32, bool, bool)],
    harms: &[(u8, u32, u32, u32)],
) -> (Value, Summary) {
    let mut timeline =
        vec![json!({"at": "1s", "do": {"broadcast": {"from": "random", "count": 60, "every": "300ms"}}})];
    for &(who, at, length, kept, silent) in crashes.iter().filter(|crash| crash.0 < nodes) {
        timeline.push(json!({"at": format!("{at}s"), "do": {"crash": {
            "who": who, "for": format!("{length}s"),
            "log": if kept { "kept" } else { "lost" },
            "detection": if silent { "silence" } else { "reset" },
        }}}));
    }
    // A node that starts again behind a cut, or while it stands still, gets no neighbors in a given topology.
    let fits = |harm: &&(u8, u32, u32, u32)| harm.0 > 2 || crashes.is_empty();
    for &(which, who, at, length) in harms.iter().filter(fits) {
        let (who, lasts) = (who % nodes, format!("{length}s"));
        let harm = match which {
            0 => json!({"partition": {"into": {"isolate": who}, "one_way": true, "for": lasts}}),
            1 => json!({"partition": {"into": {"isolate": who}, "for": lasts}}),
            2 => json!({"pause": {"who": who, "for": lasts}}),
            3 => json!({"loss": {"share": 1.0, "for": lasts}}),
            4 => json!({"clock": {"who": who, "ahead": "3h", "for": lasts}}),
            _ => json!({"clock": {"who": who, "behind": "3h", "for": lasts}}),
        };
        timeline.push(json!({"at": format!("{at}s"), "do": harm}));
    }
    let silence = if harms.is_empty() { "5s" } else { "1h" };
    let parts = json!({
        "seed": seed, "timeline": timeline,
        "topology": {"ring": {"nodes": nodes}},
        "links": {"kind": {"datagram": {"loss": (loss * 100.0).round() / 100.0}}, "silence": silence},
        "expect": ["agreement", "no_silent_loss", "no_duplication", "integrity", "validity"],
    });
    let summary = play(&parts);
    (parts, summary)
}

/// Seeds that found bugs: a hello that was lost, a node that waited for ever for what others had been asked for, and one that
/// took up the series of a life whose log was lost, because a peer had told it of that.
#[test]
fn seeds_that_found_bugs_find_none() {
    for (seed, nodes, loss, crashes) in [
        (277_148_350_848_465, 7, 0.11, &[(3, 9, 1, false, false)][..]),
        (482_650_169_803_987, 7, 0.22, &[(3, 9, 1, false, false), (1, 1, 1, false, false)]),
        (793_177_381_626_298, 5, 0.28, &[(4, 6, 4, false, false), (4, 13, 1, true, false)]),
        (808_997_755_480_618, 3, 0.30, &[(1, 14, 7, false, false), (2, 11, 6, false, false)]),
    ] {
        let (parts, summary) = plays_out(seed, nodes, loss, crashes, &[]);
        assert_eq!(summary.verdict(), Verdict::Pass, "{parts}: {summary}");
    }
    // Its own calendar was hours ahead, and so was what it had published: all else seemed too old to it when it was back.
    let (parts, summary) =
        plays_out(13_961_313_160_717, 4, 0.30, &[(0, 14, 1, true, false)], &[(4, 0, 1, 15)]);
    assert_eq!(summary.verdict(), Verdict::Pass, "{parts}: {summary}");
}

proptest! {
    /// Any small network with any losses and crashes: in the end all have all.
    #[test]
    fn whatever_happens_they_agree(
        seed in 0u64..1 << 50,
        nodes in 3u32..9,
        loss in 0.0..0.3f64,
        crashes in prop::collection::vec((0u32..9, 1u32..20, 1u32..10, any::<bool>(), any::<bool>()), 0..4),
    ) {
        let (parts, summary) = plays_out(seed, nodes, loss, &crashes, &[]);
        prop_assert!(!matches!(summary.verdict(), Verdict::Fail | Verdict::Unknown), "{}: {}", parts, summary);
    }

    /// And with cuts of one way or both, pauses, losses of everything, of which no link dies, and wrong calendars.
    #[test]
    fn whatever_else_happens_they_agree(
        seed in 0u64..1 << 50,
        nodes in 3u32..9,
        loss in 0.0..0.3f64,
        crashes in prop::collection::vec((0u32..9, 1u32..20, 1u32..10, any::<bool>(), any::<bool>()), 0..3),
        harms in prop::collection::vec((0u8..6, 0u32..9, 1u32..25, 1u32..100), 1..4),
    ) {
        let (parts, summary) = plays_out(seed, nodes, loss, &crashes, &harms);
        prop_assert!(!matches!(summary.verdict(), Verdict::Fail | Verdict::Unknown), "{}: {}", parts, summary);
    }
}
