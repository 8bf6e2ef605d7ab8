//! Real topologies and latencies, against an independent computation.

use crate::support::data;
use petgraph::algo::dijkstra;
use petgraph::graph::{NodeIndex, UnGraph};
use rumormill::observe::{Observation, Observer};
use rumormill::protocol::Notice;
use rumormill::scenario::{DataFolders, Playback, Progress, Scenario, Source};
use rumormill::sim::{Latency, parse_edge_list};
use rumormill::{Links, Network, Node, NodeConfig, NodeId, SimConfig, Time};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// When each node delivered each broadcast first, and when that was published.
#[derive(Default)]
struct FirstDeliveries {
    origins: Vec<(NodeId, u64)>,
    times: BTreeMap<(usize, usize), u64>,
}

impl Observer for FirstDeliveries {
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        match event {
            Observation::Published { broadcast, .. } => {
                self.origins.push((broadcast.origin.node, time.nanos()))
            }
            Observation::Noticed { node, notice: Notice::Delivered { payload, .. } } => {
                self.times.entry((payload.index(), node.index())).or_insert(time.nanos());
            }
            _ => {}
        }
    }
}

/// Half the round trips of the file, in nanoseconds, read without any code of ours.
fn one_way_nanos(text: &str) -> Vec<Vec<u64>> {
    let half = |ms: &str| (ms.parse::<f64>().unwrap() * 500_000.0).round() as u64;
    text.lines().map(|line| line.split_whitespace().map(half).collect()).collect()
}

#[test]
fn in_the_planetlab_scenario_every_first_delivery_is_the_shortest_path() {
    let Some(folder) = data() else { return };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-scenarios/planetlab.json");
    let source = Source::read(&file).unwrap();
    let latencies = one_way_nanos(&std::fs::read_to_string(folder.join("planetlab-490-rtt-ms.txt")).unwrap());
    let scenario: Scenario<NodeConfig> = Scenario::parse(&source, &DataFolders::new([folder])).unwrap();
    let edges = scenario.graph.edges().map(|(a, b)| (a.0, b.0, latencies[a.index()][b.index()]));
    let weighted = UnGraph::<(), u64>::from_edges(edges);
    assert_eq!(weighted.node_count(), 490);

    let observer = FirstDeliveries::default();
    let network = Network::observed(scenario.sim_config::<Node>(), scenario.file.seed, observer);
    let mut playback = Playback::new(network, &scenario);
    while playback.advance(u64::MAX) != Progress::Ended {}
    let FirstDeliveries { origins, times } = playback.into_network().into_observer();
    assert_eq!((origins.len(), times.len()), (10, 4_900));
    for (broadcast, &(origin, published)) in origins.iter().enumerate() {
        let shortest = dijkstra(&weighted, NodeIndex::new(origin.index()), None, |edge| *edge.weight());
        for node in 0..490 {
            let took = times[&(broadcast, node)] - published;
            assert_eq!(took, shortest[&NodeIndex::new(node)], "broadcast {broadcast} at node {node}");
        }
    }
}

#[test]
fn in_gnutella_a_flood_reaches_6299_of_6301() {
    let Some(folder) = data() else { return };
    let graph = parse_edge_list(&std::fs::read(folder.join("gnutella08.edges")).unwrap()).unwrap();
    assert_eq!(
        (graph.nodes(), graph.edge_count(), graph.diameter().to_string().as_str()),
        (6_301, 20_777, "9")
    );
    let links = Links { latency: Latency::Constant(Duration::from_millis(1)), ..Links::default() };
    let mut network = Network::simulated(SimConfig::<Node>::new(graph).links(links), 1);
    for (origin, last_hops) in [(0, 6), (100, 7)] {
        let payload = network.broadcast(NodeId(origin), "hello").unwrap();
        network.run_for(Duration::from_secs(1));
        let spread = network.spread(payload);
        assert_eq!(
            (spread.receivers(), spread.last_hops, spread.payload_messages),
            (6_299, last_hops, 35_254)
        );
        assert_eq!(format!("{:.4}", spread.redundancy().unwrap()), "4.5977");
    }
}
