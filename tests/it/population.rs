//! What the original promises, row by row, and under any order of joins and leaves.

use proptest::prelude::*;
use rumormill::network::NodeStatus;
use rumormill::node::OverlayKind;
use rumormill::observe::Metrics;
use rumormill::protocol::State;
use rumormill::sim::{Jitter, Latency, LinkKind};
use rumormill::world::World;
use rumormill::{Graph, Links, Network, Node, NodeConfig, NodeId, Sim, SimConfig, Topology};
use std::time::Duration;

type Simulated = Network<Sim<Node, Metrics>>;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn links() -> Links {
    let latency = Latency::Uniform { min: ms(5), max: ms(50) };
    Links { kind: LinkKind::Stream, latency, jitter: Jitter::UpTo(ms(5)), ..Links::default() }
}

/// A network in which nobody is yet.
fn empty(seed: u64) -> Simulated {
    let node = NodeConfig { overlay: Some(OverlayKind::Tutorial), ..NodeConfig::default() };
    Network::simulated(SimConfig::new(Graph::from_edges(0, &[])).links(links()).node(node), seed)
}

/// A network that so many nodes have joined, and that has come to rest.
fn joined(nodes: u32, seed: u64) -> Simulated {
    let mut network = empty(seed);
    for _ in 0..nodes {
        network.join();
        network.run_for(ms(20));
    }
    calm(&mut network);
    network
}

/// Longer than anything in a node goes on by itself.
fn calm(network: &mut Simulated) {
    network.run_for(Duration::from_secs(300));
}

/// A line about a node, for a test that fails.
fn describe(network: &Simulated, node: NodeId) -> String {
    let view = network.view(node);
    let uptime = network.node_status(node).uptime_ns / 1_000_000;
    format!(
        "{node:?} {:?} up {uptime} ms, neighbors {:?}, knows {:?}\n",
        network.state(node),
        view.neighbors,
        view.known
    )
}

/// What must hold in calm: one component, enough neighbors, exact counts, broadcasts for all.
fn check(network: &mut Simulated, asked: NodeId) -> Result<(), TestCaseError> {
    let up: Vec<NodeId> = network.up().collect();
    let status = network.status();
    let picture = || up.iter().map(|&node| describe(network, node)).collect::<String>();
    let whole = (up.len(), usize::from(!up.is_empty()));
    prop_assert_eq!((status.nodes, status.components), whole, "{}", picture());
    let least = up.len().saturating_sub(1).min(3);
    let topology = network.topology();
    for &node in &up {
        let NodeStatus { state, neighbors, .. } = network.node_status(node);
        prop_assert_eq!(state, State::Member);
        prop_assert!(neighbors.len() >= least, "{node:?} has {neighbors:?} of {} nodes", up.len());
        let mut linked: Vec<u32> = topology.neighbors(node).iter().map(|peer| peer.0).collect();
        let mut neighbors: Vec<u32> = neighbors.iter().map(|peer| peer.0).collect();
        linked.sort_unstable();
        neighbors.sort_unstable();
        prop_assert_eq!(
            linked,
            neighbors,
            "{:?} has links that it does not use, or the other way round",
            node
        );
    }
    if !up.is_empty() {
        let payload = network.broadcast(asked, "hello").expect("nodes publish at once");
        network.census(asked);
        network.run_for(Duration::from_secs(20));
        prop_assert_eq!(network.spread(payload).receivers(), up.len());
        let &(_, census) = network.observer().censuses().last().expect("a census ends");
        prop_assert_eq!(census.nodes, up.len() as u64);
        prop_assert_eq!(census.link_ends, 2 * status.links as u64);
        prop_assert_eq!(u64::from(census.least_neighbors), status.degrees.min as u64);
        prop_assert_eq!(u64::from(census.most_neighbors), status.degrees.max as u64);
    }
    Ok(())
}

/// A step of a random script: after a pause, somebody joins through somebody, or leaves.
#[derive(Clone, Debug)]
enum Step {
    JoinThroughGenesis,
    JoinThrough(prop::sample::Index),
    Leave(prop::sample::Index),
    /// The first node of all those that are up.
    LeaveFirst,
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        4 => Just(Step::JoinThroughGenesis),
        2 => any::<prop::sample::Index>().prop_map(Step::JoinThrough),
        3 => any::<prop::sample::Index>().prop_map(Step::Leave),
        1 => Just(Step::LeaveFirst),
    ];
    (prop_oneof![Just(0u64), 1u64..30, 30u64..1_000], step)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn after_any_joins_and_leaves_the_network_is_whole(
        seed in any::<u64>(),
        at_first in 1u32..40,
        script in prop::collection::vec(step(), 0..160),
        asked in any::<prop::sample::Index>(),
    ) {
        let mut network = empty(seed);
        for _ in 0..at_first {
            network.join();
            network.run_for(ms(100));
        }
        for (pause, step) in script {
            network.run_for(ms(pause));
            let up: Vec<NodeId> = network.up().collect();
            match step {
                Step::JoinThrough(index) if !up.is_empty() => {
                    let mut contacts = vec![up[index.index(up.len())]];
                    contacts.extend(network.contacts());
                    network.join_through(contacts);
                }
                Step::JoinThroughGenesis | Step::JoinThrough(_) => {
                    network.join();
                }
                Step::Leave(_) | Step::LeaveFirst if up.is_empty() => {}
                Step::Leave(index) => network.leave(up[index.index(up.len())]),
                Step::LeaveFirst => network.leave(up[0]),
            }
        }
        calm(&mut network);
        let up: Vec<NodeId> = network.up().collect();
        let asked = if up.is_empty() { NodeId(0) } else { up[asked.index(up.len())] };
        check(&mut network, asked)?;
    }
}

#[test]
fn the_census_of_any_node_is_exact_at_every_size() {
    for nodes in [1, 2, 3, 4, 5, 30, 300] {
        let mut network = joined(nodes, 5);
        for asked in [0, nodes / 2, nodes - 1] {
            check(&mut network, NodeId(asked))
                .unwrap_or_else(|error| panic!("{nodes} nodes, asked {asked}: {error}"));
        }
    }
}

#[test]
fn the_census_counts_the_component_on_a_given_topology() {
    let graph = Graph::from_edges(7, &[(0, 1), (1, 2), (2, 0), (3, 4)]);
    let mut network = Network::simulated(SimConfig::<Node>::new(graph), 1);
    for (asked, nodes) in [(0, 3), (4, 2), (6, 1)] {
        network.census(NodeId(asked));
        network.run_for(Duration::from_secs(5));
        assert_eq!(network.observer().censuses().last().unwrap().1.nodes, nodes);
    }
}

#[test]
fn the_census_is_exact_on_any_given_topology() {
    for nodes in [1, 2, 3, 300, 10_000] {
        let graph = Topology::KOut { nodes, k: 4.min(nodes - 1) }.build(2).unwrap();
        let (edges, components) = (graph.edge_count() as u64, graph.components());
        let mut network = Network::simulated(SimConfig::<Node>::new(graph).links(links()), 2);
        for asked in [0, nodes / 2, nodes - 1] {
            network.census(NodeId(asked));
            network.run_for(Duration::from_secs(20));
            let (_, census) = *network.observer().censuses().last().unwrap();
            assert_eq!(
                (census.nodes, census.link_ends),
                (components.size_of(NodeId(asked)) as u64, 2 * edges)
            );
        }
    }
}

#[test]
fn nodes_start_at_any_time_with_ids_of_their_own() {
    let mut network = joined(20, 1);
    let late = network.join();
    calm(&mut network);
    let mut identities: Vec<_> = network.up().map(|node| network.node_status(node).identity).collect();
    identities.sort();
    identities.dedup();
    assert_eq!((identities.len(), late), (21, NodeId(20)));
}

#[test]
fn with_nobody_left_the_next_to_join_is_the_genesis() {
    let mut network = joined(3, 1);
    for node in 0..3 {
        network.leave(NodeId(node));
    }
    calm(&mut network);
    assert_eq!(network.up().count(), 0);
    let genesis = network.join();
    network.join();
    calm(&mut network);
    check(&mut network, genesis).unwrap();
    assert_eq!(network.status().nodes, 2);
}

#[test]
fn a_direct_message_reaches_its_receiver_alone_and_is_acknowledged() {
    let mut network = joined(30, 2);
    let far =
        network.up().find(|&node| !network.view(NodeId(0)).neighbors.contains(&node) && node.0 > 0).unwrap();
    let near = network.view(NodeId(0)).neighbors[0];
    let degrees = network.status().degrees;
    for to in [far, near, NodeId(0), far] {
        network.send(NodeId(0), to, "for you alone");
    }
    network.run_for(Duration::from_secs(5));
    let inbox = |node| {
        network
            .view(node)
            .inbox
            .into_iter()
            .map(|(from, message)| (from, message.message))
            .collect::<Vec<_>>()
    };
    let message = (NodeId(0), "for you alone".to_owned());
    assert_eq!(inbox(far), [message.clone(), message.clone()]);
    assert_eq!((inbox(near), inbox(NodeId(0))), (vec![message.clone()], vec![message]));
    let elsewhere = network.up().filter(|node| ![far, near, NodeId(0)].contains(node));
    assert!(elsewhere.into_iter().all(|node| inbox(node).is_empty()));
    assert_eq!(
        (network.observer().direct_messages().delivered, network.observer().direct_messages().lost),
        (4, 0)
    );
    assert_eq!(network.status().degrees, degrees, "the links that were opened for it are closed again");
}

#[test]
fn a_direct_message_to_somebody_who_is_gone_is_reported_lost() {
    let mut network = joined(10, 3);
    network.leave(NodeId(4));
    calm(&mut network);
    network.send(NodeId(0), NodeId(4), "too late");
    network.send(NodeId(0), NodeId(99), "nobody");
    network.run_for(Duration::from_secs(60));
    assert_eq!(network.observer().direct_messages().lost, 2);
}

#[test]
fn nodes_learn_of_others_by_asking() {
    let mut network = joined(60, 4);
    let known = |network: &Simulated| network.up().map(|node| network.node_status(node).known).sum::<usize>();
    let before = known(&network);
    for _ in 0..3 {
        network.up().collect::<Vec<_>>().into_iter().for_each(|node| network.discover(node));
        network.run_for(Duration::from_secs(1));
    }
    assert!(known(&network) > 2 * before, "{before} {}", known(&network));
}

#[test]
fn a_status_tells_what_a_node_did() {
    let mut network = joined(12, 6);
    network.broadcast(NodeId(3), "hello");
    network.run_for(Duration::from_secs(5));
    let status = network.status();
    let nodes: Vec<NodeStatus> = network.up().map(|node| network.node_status(node)).collect();
    assert!(
        nodes
            .iter()
            .all(|node| node.delivered == 1 && node.state == State::Member && node.neighbors.len() >= 3)
    );
    assert!(nodes.iter().all(|node| node.known >= node.neighbors.len()));
    assert!(
        nodes.windows(2).all(|pair| pair[0].uptime_ns > pair[1].uptime_ns),
        "who came earlier has lived longer"
    );
    let duplicates: u64 = nodes.iter().map(|node| node.duplicates).sum();
    let flood = 2 * status.links - (status.nodes - 1);
    assert_eq!(duplicates as usize, flood - (status.nodes - 1));
    assert_eq!(
        nodes.iter().map(|node| node.counters.messages_sent).sum::<u64>(),
        status.counters.messages_sent
    );
}

#[test]
fn after_a_shutdown_nobody_is_up_and_nothing_is_sent() {
    let mut network = joined(40, 7);
    network.broadcast(NodeId(0), "hello");
    network.run_for(ms(30));
    network.shutdown();
    let sent = network.status().counters.messages_sent;
    network.run_for(Duration::from_secs(100));
    let status = network.status();
    assert_eq!((status.nodes, status.counters.messages_sent), (0, sent));
    assert!((0..40).all(|node| network.state(NodeId(node)) == State::Stopped));
    network.broadcast(NodeId(0), "is anybody there?");
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.status().counters.messages_sent, sent);
}

#[test]
fn ten_thousand_nodes_join_by_themselves() {
    let mut network = empty(8);
    for _ in 0..10_000 {
        network.join();
        network.run_for(ms(2));
    }
    calm(&mut network);
    check(&mut network, NodeId(9_999)).unwrap();
    let messages = network.observer().messages_to_join() as f64 / 10_000.0;
    assert!(messages < 40.0, "{messages} messages per join");
}

/// Regression: more censuses at once than a node remembered made waves that never ended.
#[test]
fn everybody_may_take_a_census_at_once() {
    let mut network = joined(60, 9);
    let before = network.world().events();
    network.up().collect::<Vec<_>>().into_iter().for_each(|node| network.census(node));
    network.run_for(Duration::from_secs(20));
    let censuses = network.observer().censuses();
    assert_eq!(censuses.len(), 60);
    assert!(censuses.iter().all(|(_, census)| census.nodes == 60));
    let (waves, links) = (60, network.status().links as u64);
    assert!(network.world().events() - before <= waves * 2 * links, "two messages a link and wave");
}

/// Regression: each new direct message had all earlier ones sent again, until they counted as lost.
#[test]
fn many_direct_messages_over_slow_links_are_sent_once_each() {
    let slow = Links { latency: Latency::Constant(ms(600)), ..Links::default() };
    let graph = Graph::from_edges(3, &[(0, 1)]);
    let mut network = Network::simulated(SimConfig::<Node>::new(graph).links(slow), 1);
    for _ in 0..200 {
        network.send(NodeId(0), NodeId(1), "to a neighbor");
        network.send(NodeId(0), NodeId(2), "to nobody's neighbor");
    }
    network.run_for(Duration::from_secs(100));
    let direct = network.observer().direct_messages();
    assert_eq!((direct.delivered, direct.lost), (400, 0));
    assert_eq!(network.status().counters.messages_sent, 800, "each once, and once acknowledged");
}

/// Regression: an heir released the leaver before the link that was to take its place was up at both ends.
#[test]
fn a_broadcast_survives_the_leaving_of_the_only_node_between() {
    for seed in 0..200 {
        let node = NodeConfig { overlay: Some(OverlayKind::Tutorial), ..NodeConfig::default() };
        let latency = Latency::Uniform { min: ms(1), max: ms(80) };
        let links = Links { latency, jitter: Jitter::UpTo(ms(80)), ..Links::default() };
        let graph = Graph::from_edges(3, &[(0, 1), (0, 2)]);
        let mut network = Network::simulated(SimConfig::new(graph).links(links).node(node), seed);
        network.run_for(ms(10));
        network.leave(NodeId(0));
        let mut published = Vec::new();
        for _ in 0..40 {
            published.push(network.broadcast(NodeId(1), "hello").unwrap());
            network.run_for(ms(10));
        }
        calm(&mut network);
        assert!(!network.is_up(NodeId(0)));
        let missed = published.iter().filter(|payload| !network.spread(**payload).reached(NodeId(2))).count();
        assert_eq!(missed, 0, "seed {seed}");
    }
}

/// Regression: leaving nodes that wait for each other ran into their deadlines, and cut the network.
#[test]
fn nine_in_ten_may_leave_at_once() {
    for seed in 0..4 {
        let mut network = joined(300, seed);
        for node in (0..300).filter(|node| node % 10 != 3) {
            network.leave(NodeId(node));
        }
        calm(&mut network);
        calm(&mut network);
        assert_eq!(network.up().count(), 30, "seed {seed}");
        check(&mut network, NodeId(3)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}
