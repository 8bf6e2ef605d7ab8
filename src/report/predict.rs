//! What a run will cost, told before it starts.

use crate::protocol::Protocol;
use crate::scenario::{Action, Nodes, Scenario};
use crate::sim::Sim;

/// What a run will cost, roughly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// Broadcasts.
    pub broadcasts: u64,
    /// Messages between nodes; `None` if the protocol cannot tell.
    pub messages: Option<u64>,
    /// Memory at the peak, in bytes.
    pub memory: u64,
}

/// What the process takes without any node, most of it for drawing.
const PROCESS: u64 = 30_000_000;
/// What observers keep of a node, and of a delivery of a broadcast.
const OBSERVED_NODE: u64 = 30;
const OBSERVED_DELIVERY: u64 = 8;
/// What a broadcast takes in tables, its text apart.
const CONTENT: u64 = 300;
/// What a graph takes for a node and for an end of a link. There are four: the scenario's, the one with which the
/// simulator starts, the one at the end, and the list of edges from which that is made.
const GRAPH_NODE: u64 = 4 * 4;
const GRAPH_LINK_END: u64 = 4 * 4;
/// What a node keeps of an origin: an entry of a hash table with its slack.
const SEEN_ORIGIN: u64 = 80;

impl Prediction {
    /// Predicts a run of the scenario. Loss, duplicates and a network in pieces are not considered: they are why a run is
    /// worth its time.
    pub fn of<P: Protocol>(scenario: &Scenario<P::Config>) -> Prediction {
        let nodes = scenario.graph.nodes() as u64 + scenario.joins();
        let links = scenario.graph.edge_count() as u64;
        let (mut broadcasts, mut at_once, mut texts) = (0u64, 0u64, 0u64);
        for step in &scenario.timeline {
            let Action::Broadcast { from, message, .. } = &step.action else { continue };
            let origins = if *from == Nodes::All { nodes } else { 1 };
            broadcasts += origins * u64::from(step.count);
            texts += origins * u64::from(step.count) * (CONTENT + message.len() as u64);
            at_once =
                at_once.max(if step.every.is_zero() { origins * u64::from(step.count) } else { origins });
        }
        // How many links nodes make that join is theirs to decide.
        let each =
            P::messages_per_broadcast(&scenario.file.node, nodes, links).filter(|_| scenario.joins() == 0);
        let pending = each.unwrap_or(2 * links) / 2 * at_once;
        let memory = PROCESS
            + nodes * (Sim::<P, ()>::BYTES_PER_NODE + OBSERVED_NODE + GRAPH_NODE)
            + nodes * SEEN_ORIGIN * broadcasts.min(nodes)
            + 2 * links * (Sim::<P, ()>::BYTES_PER_LINK_END + GRAPH_LINK_END)
            + texts
            + broadcasts * nodes * OBSERVED_DELIVERY
            + pending * Sim::<P, ()>::BYTES_PER_EVENT;
        Prediction { broadcasts, messages: each.map(|each| each * broadcasts), memory }
    }
}
