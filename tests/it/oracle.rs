//! The oracle against runs: a flood without faults is as early as can be, nothing is ever earlier, and what was missed is
//! told from what was impossible.

use crate::support::{any_topology, data, graph};
use proptest::prelude::*;
use rumormill::judge::Verdict;
use rumormill::judge::oracle::Oracle;
use rumormill::observe::Chronicle;
use rumormill::report::Summary;
use rumormill::scenario::{DataFolders, Playback, Progress, Scenario, Source};
use rumormill::sim::{Datagram, Latency, LinkKind};
use rumormill::world::World;
use rumormill::{Graph, Links, Network, Node, NodeConfig, NodeId, Sim, SimConfig, Time, Topology};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

type Watched = Network<Sim<Node, Chronicle>>;

/// Every delivery happens at the earliest moment possible, and every one that is possible happens. How many there are.
fn assert_as_early_as_can_be(network: &Watched) -> usize {
    let latency = |from, to| network.world().latency(from, to);
    let chronicle = network.observer();
    let oracle = Oracle::new(chronicle, &latency);
    assert_eq!(chronicle.deliveries().len(), chronicle.publications().len());
    for (number, deliveries) in chronicle.deliveries().iter().enumerate() {
        let earliest = oracle.broadcast(number).unwrap();
        let mut times: Vec<Option<Time>> = vec![None; network.size()];
        deliveries.iter().for_each(|&(node, time)| times[node.index()] = Some(time));
        for (node, time) in times.into_iter().enumerate() {
            assert_eq!(time, earliest.at(NodeId::at(node)), "node {node}, broadcast {number}");
        }
    }
    chronicle.deliveries().iter().map(Vec::len).sum()
}

fn assert_flood_is_perfect(graph: &Graph, links: Links, origin: NodeId, seed: u64) -> usize {
    let observer = Chronicle::new(graph.clone()).following(u64::MAX);
    let mut network = Network::observed(SimConfig::new(graph.clone()).links(links), seed, observer);
    for wait in [0, 7, 1_000] {
        network.run_for(Duration::from_millis(wait));
        network.broadcast(origin, "hello");
    }
    network.run_for(Duration::from_secs(10_000));
    assert_as_early_as_can_be(&network)
}

fn latencies() -> [Latency; 6] {
    let ms = Duration::from_millis;
    [
        Latency::Constant(ms(10)),
        Latency::Constant(Duration::ZERO),
        Latency::Uniform { min: ms(1), max: ms(90) },
        Latency::Uniform { min: Duration::ZERO, max: Duration::from_nanos(2) },
        Latency::LogNormal { median: ms(50), sigma: 0.8 },
        Latency::Regions,
    ]
}

#[test]
fn a_flood_without_faults_equals_the_oracle_on_every_topology_and_latency() {
    let topologies = [
        Topology::Ring { nodes: 50 },
        Topology::Line { nodes: 50 },
        Topology::Grid { width: 8, height: 7 },
        Topology::Star { nodes: 40 },
        Topology::Tree { nodes: 60, branching: 3 },
        Topology::Complete { nodes: 20 },
        Topology::RandomRegular { nodes: 60, degree: 6 },
        Topology::KOut { nodes: 60, k: 4 },
        Topology::ErdosRenyi { nodes: 60, probability: 0.04 },
        Topology::BarabasiAlbert { nodes: 60, links: 3 },
        Topology::WattsStrogatz { nodes: 60, neighbors: 4, rewire: 0.2 },
    ];
    for (seed, topology) in topologies.iter().enumerate() {
        let graph = graph(topology, seed as u64);
        for latency in latencies() {
            for kind in [LinkKind::Stream, LinkKind::Unordered, LinkKind::Datagram(Datagram::default())] {
                let links = Links { kind, latency: latency.clone(), ..Links::default() };
                assert!(assert_flood_is_perfect(&graph, links, NodeId(3), seed as u64) > 3);
            }
        }
    }
}

#[test]
fn a_flood_equals_the_oracle_in_the_scenarios_with_real_data() {
    let Some(folder) = data() else { return };
    for (file, count) in [("planetlab.json", 4_900), ("gnutella08.json", 2 * 6_299)] {
        let source =
            Source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-scenarios").join(file)).unwrap();
        let folders = DataFolders::new([folder.clone()]);
        let scenario: Scenario<NodeConfig> = Scenario::parse(&source, &folders).unwrap();
        let observer = Chronicle::new(scenario.graph.clone()).following(u64::MAX);
        let network: Watched = Network::observed(scenario.sim_config::<Node>(), scenario.file.seed, observer);
        let mut playback = Playback::new(network, &scenario);
        while playback.advance(u64::MAX) != Progress::Ended {}
        assert_eq!(assert_as_early_as_can_be(&playback.into_network()), count, "{file}");
    }
}

proptest! {
    #[test]
    fn a_flood_without_faults_equals_the_oracle(
        topology in any_topology(),
        latency in prop::sample::select(latencies().to_vec()),
        seed in any::<u64>(),
        origin in any::<prop::sample::Index>(),
    ) {
        let graph = graph(&topology, seed);
        let origin = NodeId::at(origin.index(graph.nodes()));
        assert_flood_is_perfect(&graph, Links { latency, ..Links::default() }, origin, seed);
    }
}

/// Plays a scenario that is made of these parts.
fn play(parts: Value) -> Summary {
    let source = Source { name: "parts".into(), text: parts.to_string() };
    let parsed = Scenario::<NodeConfig>::parse(&source, &DataFolders::new([]));
    let scenario = parsed.unwrap_or_else(|error| panic!("{error}"));
    Summary::simulate::<Node>(&scenario, u64::MAX, |_, _| true).0
}

/// Any fault, to begin at any moment of the first twenty seconds.
fn any_fault() -> impl Strategy<Value = Value> {
    let length = || (1u64..9_000).prop_map(|ms| format!("{ms}ms"));
    let who = || {
        prop_oneof![
            (0u32..10).prop_map(|node| json!(node)),
            (0.0..0.6).prop_map(|share| json!({"share": share}))
        ]
    };
    let log = prop_oneof![Just("kept"), Just("lost")];
    let detection = prop_oneof![Just("reset"), Just("silence")];
    let fault = prop_oneof![
        (who(), detection, log, length()).prop_map(|(who, detection, log, length)| {
            json!({"crash": {"who": who, "detection": detection, "log": log, "for": length}})
        }),
        (any::<bool>(), length())
            .prop_map(|(one_way, length)| json!({"partition": {"one_way": one_way, "for": length}})),
        (0u32..10, any::<bool>(), length()).prop_map(|(node, one_way, length)| {
            json!({"partition": {"into": {"isolate": node}, "one_way": one_way, "for": length}})
        }),
        (who(), length()).prop_map(|(who, length)| json!({"pause": {"who": who, "for": length}})),
        (0.0..0.5).prop_map(|share| json!({"reset": {"share": share}})),
        length()
            .prop_map(|length| json!({"delay": {"by": "20ms", "share": 0.5, "jitter": "1s", "for": length}})),
        (who(), length()).prop_map(|(who, length)| json!({"slow": {"who": who, "by": "5ms", "for": length}})),
        Just(json!({"churn": {"for": "15s", "session": {"exponential": {"mean": "5s"}},
            "absence": {"exponential": {"mean": "2s"}}}})),
    ];
    (0u64..20_000, fault).prop_map(|(at, fault)| json!({"at": format!("{at}ms"), "do": fault}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn nothing_is_ever_delivered_before_it_is_possible(
        faults in prop::collection::vec(any_fault(), 0..6),
        seed in any::<u32>(),
        kind in prop_oneof![Just(json!("stream")), Just(json!("unordered")), Just(json!({"datagram": {"loss": 0.1}}))],
        overlay in prop_oneof![Just("static"), Just("tutorial")],
    ) {
        let mut timeline = faults;
        timeline.push(json!({"at": "0s", "do": {"broadcast": {"from": "random", "count": 60, "every": "333ms"}}}));
        if overlay == "tutorial" {
            timeline.push(json!({"at": "0s", "do": {"join": {"count": 6, "every": "1s"}}}));
        }
        let summary = play(json!({
            "seed": seed,
            "topology": {"random_regular": {"nodes": 10, "degree": 3}},
            "node": {"overlay": overlay},
            "links": {"kind": kind, "latency": {"uniform": {"min": "1ms", "max": "50ms"}}},
            "timeline": timeline,
            "end": "40s",
            "expect": [{"stretch": {"min": 1.0}}]
        }));
        let haste = summary.stretch.and_then(|stretch| stretch.haste);
        prop_assert!(haste.is_none(), "{:?}\n{}", haste, summary);
    }
}

/// What the expectation that everyone delivers says about four nodes in a line, the first of which broadcasts at 2 s.
fn line_of_four(timeline: &[Value], kind: Value) -> (Verdict, String) {
    let mut timeline = timeline.to_vec();
    timeline.push(json!({"at": "2s", "do": {"broadcast": {"from": 0}}}));
    let summary = play(json!({"topology": {"line": {"nodes": 4}}, "links": {"kind": kind},
        "timeline": timeline, "end": "20s", "expect": ["everyone_delivers"]}));
    let finding = &summary.judgement.findings[0];
    (finding.verdict, finding.evidence.clone())
}

#[test]
fn what_was_impossible_is_told_from_what_was_missed() {
    let stream = json!("stream");
    let crash = json!({"at": "1s", "do": {"crash": {"who": 1}}});
    let (verdict, text) = line_of_four(&[crash], stream.clone());
    let expected = "1 of 1 deliveries; 2 more were impossible, the first at node 2: broadcast 0 of 2s";
    assert_eq!((verdict, text.as_str()), (Verdict::Pass, expected));

    // The links to node 1 are there again, but the flood is over.
    let crash = json!({"at": "1s", "do": {"crash": {"who": 1, "for": "4s"}}});
    let (verdict, text) = line_of_four(&[crash], stream.clone());
    let expected = "2 of 3 deliveries are missing though possible, the first at node 2: broadcast 0 of 2s, possible at 5.02s";
    assert_eq!((verdict, text.as_str()), (Verdict::Fail, expected));

    let (verdict, text) = line_of_four(&[], json!({"datagram": {"loss": 1.0}}));
    assert_eq!(verdict, Verdict::Fail);
    assert!(text.starts_with("3 of 4 deliveries are missing though possible, the first at node 1"), "{text}");

    // A cut that heals in time, and one that outlasts the links.
    let cut = |length| json!({"at": "2s", "do": {"partition": {"into": {"groups": [[0, 1], [2, 3]]}, "for": length}}});
    assert_eq!(line_of_four(&[cut("1s")], stream.clone()), (Verdict::Pass, "4 of 4 deliveries".into()));
    let (verdict, text) = line_of_four(&[cut("9s")], stream);
    let expected = "2 of 2 deliveries; 2 more were impossible, the first at node 2: broadcast 0 of 2s";
    assert_eq!((verdict, text.as_str()), (Verdict::Pass, expected));
}

#[test]
fn stretch_can_be_expected() {
    let run = |links: Value, max: f64| {
        let summary = play(json!({"topology": {"ring": {"nodes": 9}}, "links": links,
            "timeline": [{"at": "1s", "do": {"broadcast": {"from": 0}}}], "end": "20s",
            "expect": [{"stretch": {"max": max}}]}));
        (summary.judgement.findings[0].verdict, summary.stretch.unwrap())
    };
    let (verdict, stretch) = run(json!({}), 1.0);
    assert_eq!((verdict, stretch.mean, stretch.most, stretch.broadcasts), (Verdict::Pass, 1.0, 1.0, 1));
    let (verdict, stretch) = run(json!({"jitter": {"up_to": "10ms"}}), 1.0);
    assert_eq!(verdict, Verdict::Fail);
    assert!(1.0 < stretch.mean && stretch.mean <= stretch.most && stretch.most <= 2.0, "{stretch:?}");
}
