//! Real topologies and latencies, against an independent computation.

use crate::support::{data, planetlab};
use petgraph::algo::dijkstra;
use petgraph::graph::{NodeIndex, UnGraph};
use rumormill::observe::{Observation, Observer};
use rumormill::protocol::Notice;
use rumormill::sim::{Latency, parse_edge_list};
use rumormill::{Links, Network, Node, NodeId, SimConfig, Time, Topology};
use std::sync::Arc;
use std::time::Duration;

/// When each node delivered first, in nanoseconds.
struct FirstDelivery(Vec<Option<u64>>);

impl Observer for FirstDelivery {
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        if let Observation::Noticed { node, notice: Notice::Delivered { .. } } = event {
            self.0[node.index()].get_or_insert(time.nanos());
        }
    }
}

#[test]
fn on_planetlab_every_first_delivery_is_the_shortest_path() {
    let Some(matrix) = planetlab() else { return };
    let graph = Topology::KOut { nodes: 490, k: 4 }.build(3).unwrap();
    // petgraph's own graph, weighted by the file's numbers: half a round trip, in nanoseconds.
    let weighted = UnGraph::<(), u64>::from_edges(
        graph.edges().map(|(a, b)| (a.0, b.0, matrix.one_way(a.index(), b.index()).as_nanos() as u64)),
    );
    assert_eq!(weighted.node_count(), 490);
    let latency = Latency::Matrix { matrix: Arc::new(matrix), hosts: (0..490).collect() };
    for origin in [0, 17, 489] {
        let links = Links { latency: latency.clone(), ..Links::default() };
        let config = SimConfig::<Node>::new(graph.clone()).links(links);
        let mut network = Network::observed(config, 1, FirstDelivery(vec![None; 490]));
        network.broadcast(NodeId(origin), "hello");
        network.run_for(Duration::from_secs(60));
        let shortest = dijkstra(&weighted, NodeIndex::new(origin as usize), None, |edge| *edge.weight());
        for (node, first) in network.into_observer().0.into_iter().enumerate() {
            assert_eq!(first, shortest.get(&NodeIndex::new(node)).copied(), "from {origin} to {node}");
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
