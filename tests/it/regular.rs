//! The overlay `regular`: degrees, one component, and how it heals.

use proptest::prelude::*;
use rumormill::fault::{Condition, Crash, Cut, Detection};
use rumormill::judge::Verdict;
use rumormill::node::OverlayKind;
use rumormill::protocol::State;
use rumormill::report::Summary;
use rumormill::scenario::{DataFolders, Scenario, Source};
use rumormill::sim::Disk;
use rumormill::{Graph, Network, Node, NodeConfig, NodeId, Sim, SimConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

type Simulated = Network<Sim<Node, rumormill::observe::Metrics>>;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A network that so many nodes have joined.
fn joined(nodes: u32, seed: u64, pause: u64) -> Simulated {
    let node = NodeConfig { overlay: Some(OverlayKind::Regular), ..NodeConfig::default() };
    let config = SimConfig::<Node>::new(Graph::from_edges(0, &[])).node(node);
    let disk = Disk::Syncs(Duration::from_millis(5));
    let mut network = Network::simulated(config.disk(disk), seed);
    for _ in 0..nodes {
        network.join();
        network.run_for(Duration::from_millis(pause));
    }
    network.run_for(secs(60));
    network
}

/// One component of members, each with enough neighbors and not too many, which think the same.
fn assert_whole(network: &Simulated, what: &str) {
    let up: Vec<NodeId> = network.up().collect();
    assert_eq!(network.status().components, usize::from(!up.is_empty()), "{what}");
    let least = up.len().saturating_sub(1).min(3);
    for &node in &up {
        let neighbors = network.view(node).neighbors;
        assert_eq!(network.state(node), State::Member, "{what}: {node:?}");
        assert!((least..=8).contains(&neighbors.len()), "{what}: {node:?} has {neighbors:?}");
        assert!(
            neighbors.iter().all(|&peer| network.view(peer).neighbors.contains(&node)),
            "{what}: {node:?}"
        );
    }
}

/// How long it takes until the network is one component again.
fn heals(network: &mut Simulated, most: Duration) -> Duration {
    let began = network.now();
    while network.status().components > 1 {
        network.run_for(Duration::from_millis(100));
        assert!(network.now().since(began) <= most, "{} components", network.status().components);
    }
    network.now().since(began)
}

#[test]
fn joins_make_a_complete_graph_of_up_to_seven_and_then_about_six_neighbors_each() {
    for nodes in [1, 2, 3, 5, 7, 8, 20, 100, 300] {
        for pause in [0, 50] {
            let network = joined(nodes, 1, pause);
            let what = format!("{nodes} nodes, {pause} ms apart");
            assert_whole(&network, &what);
            if nodes <= 7 {
                assert_eq!(network.status().links as u32, nodes * (nodes - 1) / 2, "{what}");
            }
        }
    }
}

#[test]
fn everybody_can_leave_one_after_the_other() {
    let mut network = joined(60, 2, 50);
    for node in 0..59 {
        network.leave(NodeId(node));
        network.run_for(secs(5));
        assert_eq!(network.status().components, 1, "after {node}");
    }
    network.run_for(secs(60));
    assert_eq!(network.up().count(), 1);
}

#[test]
fn leaves_in_a_crowd_leave_the_others_whole() {
    let mut network = joined(100, 3, 50);
    for node in 0..70 {
        network.leave(NodeId(node));
        network.run_for(Duration::from_millis(200));
    }
    network.run_for(secs(60));
    assert_eq!(network.up().count(), 30);
    assert_whole(&network, "after 70 of 100 left in 14 s");
}

#[test]
fn after_a_mass_crash_the_survivors_are_one_network_again() {
    for (share, detection) in
        [(30, Detection::Reset), (50, Detection::Silence), (80, Detection::Reset), (80, Detection::Silence)]
    {
        let mut network = joined(300, 4, 20);
        network.run_for(secs(300));
        for node in (0..300u32).filter(|node| node.wrapping_mul(2_654_435_761) % 100 < share) {
            network.crash(NodeId(node), Crash { detection, ..Crash::default() });
        }
        heals(&mut network, secs(10));
        network.run_for(secs(120));
        assert_whole(&network, &format!("{share} %, {detection:?}"));
    }
}

#[test]
fn a_partition_heals_within_a_probe() {
    let mut network = joined(200, 5, 20);
    let groups = (0..200).map(|node| node % 2).collect();
    let cut = network.impose(Condition::Cut(Arc::new(Cut { groups, one_way: false })));
    network.run_for(secs(60));
    assert_eq!(network.status().components, 2);
    network.lift(cut);
    heals(&mut network, secs(11));
    network.run_for(secs(60));
    assert_whole(&network, "healed");
}

#[test]
fn all_can_start_again_from_their_books_without_the_genesis() {
    let mut network = joined(100, 6, 20);
    (0..100).for_each(|node| network.crash(NodeId(node), Crash::default()));
    network.run_for(secs(10));
    (1..100).for_each(|node| network.restart(NodeId(node)));
    heals(&mut network, secs(60));
    network.run_for(secs(60));
    assert_whole(&network, "started again");
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let digest = || {
        let mut network = joined(50, 7, 10);
        (0..20).for_each(|node| network.crash(NodeId(node), Crash::default()));
        network.run_for(secs(60));
        network.world().digest()
    };
    assert_eq!(digest(), digest());
}

fn play(scenario: &Value) -> Summary {
    let source = Source { name: "history".into(), text: scenario.to_string() };
    let parsed = Scenario::<NodeConfig>::parse(&source, &DataFolders::new([]));
    let scenario = parsed.unwrap_or_else(|error| panic!("{error}"));
    Summary::simulate::<Node>(&scenario, u64::MAX, |_, _| true).0
}

/// Some join, leave, crash or lose links. Never so many that nobody knows anybody any more.
fn step() -> impl Strategy<Value = Value> {
    let every = prop_oneof![Just("1ms"), Just("50ms"), Just("500ms")];
    prop_oneof![
        (1u32..10, every.clone())
            .prop_map(|(count, every)| json!({"join": {"count": count, "every": every}})),
        (1u32..5, every)
            .prop_map(|(count, every)| json!({"leave": {"who": "random", "count": count, "every": every}})),
        prop_oneof![Just("reset"), Just("silence")]
            .prop_map(|detection| json!({"crash": {"who": {"share": 0.2}, "detection": detection}})),
        Just(json!({"reset": {"share": 0.2}})),
        Just(json!({"partition": {"for": "8s"}})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn after_any_history_degrees_are_right_and_the_network_is_whole(
        seed in any::<u32>(),
        nodes in 40u32..70,
        steps in prop::collection::vec((0u64..15, step()), 0..6),
    ) {
        let mut time = 20;
        let mut timeline = vec![json!({"at": "0s", "do": {"join": {"count": nodes, "every": "20ms"}}})];
        for (pause, step) in steps {
            time += pause;
            timeline.push(json!({"at": format!("{time}s"), "do": step}));
        }
        let scenario = json!({
            "seed": seed,
            "node": {"overlay": "regular"},
            "timeline": timeline,
            "end": format!("{}s", time + 200),
            "expect": ["degree", "no_cut", "repair"]
        });
        let summary = play(&scenario);
        let broken = summary.judgement.findings.iter().any(|finding| finding.verdict == Verdict::Fail);
        prop_assert!(!broken, "{} {}", scenario, summary);
    }
}
