//! What a flood does on every kind of graph: it reaches exactly the origin's component, nobody twice, for exactly
//! 2E - (n - 1) messages.

use crate::support::{any_topology, graph};
use proptest::prelude::*;
use rumormill::observe::Spread;
use rumormill::sim::{Datagram, Jitter, Latency, LinkKind, Reordering};
use rumormill::{Graph, Links, Network, Node, NodeId, SimConfig};
use std::time::Duration;

fn any_latency() -> impl Strategy<Value = Latency> {
    let ms = Duration::from_millis;
    prop_oneof![
        (0u64..50).prop_map(move |constant| Latency::Constant(ms(constant))),
        (0u64..50, 0u64..50)
            .prop_map(move |(min, more)| Latency::Uniform { min: ms(min), max: ms(min + more) }),
        (1u64..50, 0.0..1.0)
            .prop_map(move |(median, sigma)| Latency::LogNormal { median: ms(median), sigma }),
    ]
}

fn any_jitter() -> impl Strategy<Value = Jitter> {
    let up_to = (0u64..40).prop_map(|most| Jitter::UpTo(Duration::from_millis(most)));
    prop_oneof![Just(Jitter::None), up_to, (0.0..=1.0).prop_map(Jitter::Share)]
}

/// Floods from a node; how that spread.
fn flood(graph: &Graph, links: Links, origin: NodeId, seed: u64) -> Spread {
    let mut network = Network::simulated(SimConfig::<Node>::new(graph.clone()).links(links), seed);
    let payload = network.broadcast(origin, "hello").expect("nodes publish at once");
    network.run_for(Duration::from_secs(1_000));
    network.spread(payload).clone()
}

/// Twice the links minus the other nodes, on the component of a node.
fn flood_messages(graph: &Graph, origin: NodeId) -> u64 {
    let components = graph.components();
    let members = graph.node_ids().filter(|&node| components.of(node) == components.of(origin));
    let ends: usize = members.map(|node| graph.degree(node)).sum();
    (ends + 1 - components.size_of(origin)) as u64
}

proptest! {
    #[test]
    fn a_flood_reaches_the_component_once_for_an_exact_price(
        topology in any_topology(),
        latency in any_latency(),
        jitter in any_jitter(),
        unordered in any::<bool>(),
        seed in any::<u64>(),
        origin in any::<prop::sample::Index>(),
    ) {
        let graph = graph(&topology, seed);
        let origin = NodeId::at(origin.index(graph.nodes()));
        let kind = if unordered { LinkKind::Unordered } else { LinkKind::Stream };
        let spread = flood(&graph, Links { kind, latency, jitter, ..Links::default() }, origin, seed);
        let components = graph.components();
        for node in graph.node_ids() {
            prop_assert_eq!(spread.reached(node), components.of(node) == components.of(origin), "{:?}", node);
        }
        prop_assert_eq!(spread.repeated, None);
        prop_assert_eq!(spread.payload_messages, flood_messages(&graph, origin));
    }

    /// Loss may keep it from nodes; nothing lets it leave the component, or come twice.
    #[test]
    fn datagrams_may_lose_a_flood_but_never_double_it(
        topology in any_topology(),
        loss in 0.0..=1.0,
        duplication in 0.0..=1.0,
        share in 0.0..=1.0,
        seed in any::<u64>(),
    ) {
        let graph = graph(&topology, seed);
        let reordering = Reordering { share, by: Duration::from_millis(100) };
        let kind = LinkKind::Datagram(Datagram { loss, duplication, reordering });
        let spread = flood(&graph, Links { kind, ..Links::default() }, NodeId(0), seed);
        let components = graph.components();
        let reached: Vec<NodeId> = graph.node_ids().filter(|&node| spread.reached(node)).collect();
        prop_assert!(reached.iter().all(|&node| components.of(node) == components.of(NodeId(0))));
        prop_assert_eq!(spread.repeated, None);
        prop_assert_eq!(spread.receivers(), reached.len());
        if loss == 0.0 {
            prop_assert_eq!(spread.receivers(), components.size_of(NodeId(0)));
        }
    }
}
