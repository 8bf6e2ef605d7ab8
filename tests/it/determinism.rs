//! The laws of determinism, from outside.

use crate::support::{any_topology, data, graph};
use proptest::prelude::*;
use rumormill::node::OverlayKind;
use rumormill::observe::{Metrics, Observation, Observer, Trace};
use rumormill::protocol::Notice;
use rumormill::scenario::{DataFolders, Playback, Progress, Scenario, Source};
use rumormill::sim::{Calendar, Digest, Event, Heap, Jitter, Latency, LinkKind, Queue};
use rumormill::{Graph, Links, Network, Node, NodeConfig, NodeId, Sim, SimConfig, Time, Topology};
use std::path::Path;
use std::time::Duration;

fn links() -> Links {
    let latency = Latency::LogNormal { median: Duration::from_millis(30), sigma: 0.5 };
    Links { kind: LinkKind::Stream, latency, jitter: Jitter::Share(0.3), ..Links::default() }
}

fn network<O: Observer>(graph: Graph, seed: u64, observer: O) -> Network<Sim<Node, O>> {
    let mut network = Network::observed(SimConfig::new(graph).links(links()), seed, observer);
    let last = NodeId::at(network.size() / 2);
    for origin in [NodeId(0), last, NodeId(0)] {
        network.broadcast(origin, "hello");
        network.run_for(Duration::from_millis(40));
    }
    network.run_for(Duration::from_secs(100));
    network
}

/// When every node delivered what.
#[derive(Default, PartialEq, Debug)]
struct Deliveries(Vec<(Time, NodeId, usize)>);

impl Observer for Deliveries {
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        if let Observation::Noticed { node, notice: Notice::Delivered { payload, .. } } = event {
            self.0.push((time, node, payload.index()));
        }
    }
}

proptest! {
    #[test]
    fn a_run_repeats_and_observers_change_nothing(topology in any_topology(), seed in any::<u64>()) {
        let graph = graph(&topology, seed);
        let bare = network(graph.clone(), seed, ()).digest();
        prop_assert_eq!(network(graph.clone(), seed, ()).digest(), bare);
        prop_assert_eq!(network(graph.clone(), seed, Metrics::default()).digest(), bare);
        let traced = network(graph.clone(), seed, (Metrics::default(), Trace::new(Vec::new())));
        prop_assert_eq!(traced.digest(), bare);
        let trace = traced.into_observer().1.finish().unwrap();
        let is_json = |line: &[u8]| line.is_empty() || serde_json::from_slice::<serde_json::Value>(line).is_ok();
        prop_assert!(trace.split(|byte| *byte == b'\n').all(is_json));
        if graph.edge_count() > 0 {
            prop_assert_ne!(network(graph, seed.wrapping_add(1), ()).digest(), bare);
        }
    }

    #[test]
    fn one_node_more_changes_nothing_for_the_others(topology in any_topology(), seed in any::<u64>()) {
        let graph = graph(&topology, seed);
        let edges: Vec<(u32, u32)> = graph.edges().map(|(a, b)| (a.0, b.0)).collect();
        let larger = Graph::from_edges(graph.nodes() + 1, &edges);
        let run = |graph: Graph| {
            let mut network = Network::observed(SimConfig::<Node>::new(graph).links(links()), seed, Deliveries::default());
            network.broadcast(NodeId(0), "hello");
            network.run_for(Duration::from_secs(100));
            network.into_observer()
        };
        prop_assert_eq!(run(graph), run(larger));
    }
}

/// Joins, leaves, broadcasts, a census and direct messages over links of these kinds, on one of the queues.
fn busy<Q: Queue<Event>>(topology: &Topology, links: &Links, overlay: OverlayKind, seed: u64) -> Digest {
    let config = SimConfig::new(graph(topology, seed)).links(links.clone());
    let config = config.node(NodeConfig { overlay: Some(overlay), ..NodeConfig::default() });
    let mut network = Network::of(Sim::<Node, (), Q>::with_queue(config, seed, ()));
    for round in 0..4 {
        if overlay != OverlayKind::Static {
            for _ in 0..5 {
                network.join();
            }
            network.run_for(Duration::from_millis(70));
            network.leave(NodeId(round));
        }
        let last = NodeId::at(network.size() - 1);
        network.broadcast(last, "hello");
        network.send(last, NodeId(round), "you");
        network.census(last);
        network.run_for(Duration::from_millis(130));
    }
    network.run_for(Duration::from_secs(60));
    network.digest()
}

fn any_links() -> impl Strategy<Value = Links> {
    let latency = prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(1)),
        Just(Duration::from_millis(10)),
        Just(Duration::from_secs(7))
    ]
    .prop_flat_map(|latency| {
        prop_oneof![
            Just(Latency::Constant(latency)),
            Just(Latency::Uniform { min: Duration::ZERO, max: latency }),
            Just(Latency::LogNormal { median: latency, sigma: 1.5 })
        ]
    });
    let kind = prop_oneof![Just(LinkKind::Stream), Just(LinkKind::Unordered)];
    let jitter = prop_oneof![Just(Jitter::None), Just(Jitter::UpTo(Duration::from_millis(90)))];
    (kind, latency, jitter).prop_map(|(kind, latency, jitter)| Links {
        kind,
        latency,
        jitter,
        ..Links::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_queue_changes_nothing(
        topology in any_topology(),
        links in any_links(),
        overlay in prop_oneof![Just(OverlayKind::Static), Just(OverlayKind::Tutorial)],
        seed in any::<u64>(),
    ) {
        let plain = busy::<Heap<Event>>(&topology, &links, overlay, seed);
        prop_assert_eq!(busy::<Calendar<Event>>(&topology, &links, overlay, seed), plain);
    }
}

/// Runs a shipped scenario to its end; `None` if its data is absent.
fn digest_of(file: &str) -> Option<Digest> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-scenarios");
    let source = Source::read(&folder.join(file)).unwrap();
    let folders = if source.text.contains("\"file\"") { vec![data()?] } else { vec![] };
    let scenario: Scenario<NodeConfig> = Scenario::parse(&source, &DataFolders::new(folders)).unwrap();
    let network = Network::observed(scenario.sim_config::<Node>(), scenario.file.seed, ());
    let mut playback = Playback::new(network, &scenario);
    while playback.advance(u64::MAX) != Progress::Ended {}
    Some(playback.network().digest())
}

/// If a digest changes, a run of yesterday cannot be repeated today: say so in the change log.
#[test]
fn the_shipped_scenarios_have_the_digests_they_had() {
    for (file, golden) in [
        ("quickstart.json", "43ea56e3a2d1d723"),
        ("gnutella08.json", "d5d4fcb7fd61a298"),
        ("planetlab.json", "6f318866024edfa3"),
        ("ten-thousand.json", "cdec5a567f71de5a"),
        ("docs/join.json", "f0aac54c59ce8e6a"),
    ] {
        if let Some(digest) = digest_of(file) {
            assert_eq!(digest.to_string(), golden, "{file}");
        }
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes unless optimized")]
fn a_hundred_thousand_joins_have_the_digest_they_had() {
    assert_eq!(digest_of("hundred-thousand.json").unwrap().to_string(), "fbe6f06bf0b1dc3c");
}
