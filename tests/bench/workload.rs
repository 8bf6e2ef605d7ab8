//! The workload on which the simulator is measured, W: a random graph of `n` nodes in which each links to four others,
//! every message on its way for 10 to 100 ms, one broadcast of 64 bytes every 100 ms, flooded. The same stands as scenario files
//! in `sim-scenarios/bench`.

use rand::RngExt;
use rumormill::observe::Metrics;
use rumormill::rng::{Purpose, stream};
use rumormill::sim::{Jitter, Latency, LinkKind};
use rumormill::{Links, Network, Node, NodeId, Sim, SimConfig, Topology};
use std::time::Duration;

/// A size of W.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) nodes: u32,
    pub(crate) broadcasts: u32,
}

/// All sizes that are measured.
pub(crate) const SIZES: [Workload; 4] = [
    Workload { nodes: 1_000, broadcasts: 100 },
    Workload { nodes: 10_000, broadcasts: 20 },
    Workload { nodes: 100_000, broadcasts: 5 },
    Workload { nodes: 1_000_000, broadcasts: 1 },
];

impl Workload {
    /// The network before the first broadcast.
    pub(crate) fn build(self, seed: u64) -> Network<Sim<Node, Metrics>> {
        let graph = Topology::KOut { nodes: self.nodes, k: 4 }.build(seed).expect("a right topology");
        let links = Links {
            kind: LinkKind::Unordered,
            latency: Latency::Constant(Duration::from_millis(10)),
            jitter: Jitter::UpTo(Duration::from_millis(90)),
            ..Links::default()
        };
        Network::simulated(SimConfig::new(graph).links(links), seed)
    }

    /// All broadcasts, to the last delivery; how many deliveries there were, those in vain included.
    ///
    /// # Panics
    /// If a node was not reached.
    pub(crate) fn flood(self, network: &mut Network<Sim<Node, Metrics>>, seed: u64) -> u64 {
        let mut origins = stream(seed, Purpose::Workload);
        for _ in 0..self.broadcasts {
            network.broadcast(NodeId(origins.random_range(0..self.nodes)), &"x".repeat(64));
            network.run_for(Duration::from_millis(100));
        }
        network.run_for(Duration::from_secs(10));
        let spreads = network.observer().spreads();
        assert!(spreads.iter().all(|spread| spread.receivers() == self.nodes as usize));
        spreads.iter().map(|spread| spread.payload_messages).sum()
    }
}
