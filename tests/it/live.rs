//! Real nodes over TCP, many in one process: they join, broadcast, crash, return and leave as simulated ones do.

use rumormill::fault::Crash;
use rumormill::live::keys::{Secret, Secrets};
use rumormill::live::visit::Visitor;
use rumormill::live::{Live, LiveConfig, Place};
use rumormill::observe::{Metrics, Observer};
use rumormill::protocol::{Command, State};
use rumormill::world::World;
use rumormill::{Network, Node, NodeConfig, NodeId, Payload};
use std::time::Duration;

type Real<O = Metrics> = Network<Live<Node, O>>;

fn network(secrets: &Secrets) -> Real {
    Network::live(LiveConfig::new(NodeConfig::default(), secrets.clone()), Metrics::default()).unwrap()
}

fn secrets() -> Secrets {
    Secrets::new(Secret::random().unwrap())
}

/// Lets time pass until something is so, or panics with what is not.
#[track_caller]
fn wait<O: Observer + Send + 'static>(network: &mut Real<O>, what: &str, is_so: impl Fn(&Real<O>) -> bool) {
    let deadline = network.now() + Duration::from_secs(30);
    while !is_so(network) {
        assert!(network.now() < deadline, "after half a minute still not: {what}; {:?}", network.status());
        network.run_for(Duration::from_millis(20));
    }
}

fn join(network: &mut Real, nodes: u32) {
    for _ in 0..nodes {
        let node = network.join();
        wait(network, "a newcomer is a member", |network| network.state(node) == State::Member);
    }
}

fn have(network: &Real, payload: Payload, nodes: usize) -> bool {
    network.world().observed(|metrics| metrics.spread(payload).receivers()) == nodes
}

#[test]
fn real_nodes_join_broadcast_crash_return_and_leave() {
    let mut network = network(&secrets());
    join(&mut network, 12);
    wait(&mut network, "they are one network", |network| {
        let status = network.status();
        status.components == 1 && status.degrees.min >= 3 && status.degrees.max <= 10
    });
    let before = network.broadcast(NodeId(3), "before").unwrap();
    wait(&mut network, "all have it", |network| have(network, before, 12));

    network.crash(NodeId(0), Crash::default());
    network.crash(NodeId(5), Crash::default());
    let meanwhile = network.broadcast(NodeId(7), "meanwhile").unwrap();
    wait(&mut network, "those that are left have it", |network| have(network, meanwhile, 10));
    network.restart(NodeId(0));
    network.restart(NodeId(5));
    wait(&mut network, "those that came back have it as well", |network| have(network, meanwhile, 12));
    assert!(have(&network, before, 12), "what is in the log is not delivered again");

    network.leave(NodeId(3));
    wait(&mut network, "one has left", |network| network.state(NodeId(3)) == State::Stopped);
    wait(&mut network, "the others are whole", |network| network.status().components == 1);
    network.send(NodeId(1), NodeId(2), "for you alone");
    wait(&mut network, "a direct message comes", |network| network.node_status(NodeId(2)).inbox == 1);
    network.shutdown();
    wait(&mut network, "all are down", |network| network.up().next().is_none());
}

/// Whoever has another secret is no peer, and learns nothing.
#[test]
fn strangers_stay_outside() {
    let (mut network, mut other) = (network(&secrets()), network(&secrets()));
    join(&mut network, 3);
    join(&mut other, 1);
    let address = network.world().contact(NodeId(0)).address.unwrap();
    assert!(other.world().who_is(NodeId(0), address).is_err());
    assert!(Visitor::new(secrets()).unwrap().status(address).is_err());
    assert_eq!(network.node_status(NodeId(0)).neighbors.len(), 2);
}

/// A visitor sees what the nodes themselves know.
#[test]
fn a_visitor_is_told_how_a_node_and_the_network_are() {
    let secrets = secrets();
    let mut network = network(&secrets);
    join(&mut network, 9);
    let visitor = Visitor::new(secrets).unwrap();
    let address = network.world().contact(NodeId(4)).address.unwrap();
    let status = visitor.status(address).unwrap();
    assert_eq!((status.identity, status.state), (network.world().identity(NodeId(4)), State::Member));
    let census = visitor.census(address).unwrap().expect("a census of nine nodes ends");
    assert_eq!(census.nodes, 9);
    let map = visitor.map(address, 100).unwrap();
    assert_eq!((map.nodes.len(), map.silent.len()), (9, 0));
    assert_eq!(map.graph().components().count(), 1);
    assert_eq!(visitor.map(address, 4).unwrap().nodes.len(), 4, "no more than asked for");
}

/// A log on disk: what a node had and published is there in its next life, in another process of another number.
#[test]
fn a_node_finds_its_log_again() {
    let (secrets, home) = (secrets(), tempfile::tempdir().unwrap());
    let place = |keypair| Place {
        keypair,
        listen: "127.0.0.1:0".parse().unwrap(),
        advertised: None,
        log: Some(home.path().into()),
    };
    let keypair = rumormill::live::keys::Keypair::random().unwrap();
    for life in 0..3u64 {
        let config = LiveConfig::new(NodeConfig::default(), secrets.clone());
        let mut network: Network<Live<Node>> = Network::live(config, ()).unwrap();
        let node = network.world_mut().start(place(keypair.clone())).unwrap();
        network.command(node, Command::Join { contacts: vec![] });
        assert_eq!(network.node_status(node).delivered, 5 * life, "what it had before");
        let said: Vec<Payload> =
            (0..5).map(|_| network.broadcast(node, "again").expect("it publishes at once")).collect();
        wait(&mut network, "its own log has it", |network| {
            network.node_status(node).delivered == 5 * (life + 1)
        });
        assert_eq!(network.content(said[0]).sequence, 5 * life, "its series goes on");
    }
}
