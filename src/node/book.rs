//! The address book: nodes that a node has heard of.

use super::Node;
use crate::id::NodeId;
use crate::transport::Transport;
use rand::RngExt;
use rand::seq::IndexedRandom;

/// How many nodes a book holds. One more takes the place of a random one, so that it stays a fair sample of all that
/// were heard of.
const MOST: usize = 1_024;
/// How many nodes are named to a peer that asks.
const SAMPLE: usize = 16;

/// Nodes that a node has heard of, itself never among them.
#[derive(Debug, Default)]
pub(super) struct Book {
    nodes: Vec<NodeId>,
}

impl Book {
    pub(super) fn add(&mut self, net: &mut impl Transport<Node>, node: NodeId) {
        if node == net.me() || self.nodes.contains(&node) {
            return;
        }
        if self.nodes.len() < MOST {
            self.nodes.push(node);
        } else {
            let place = net.rng().random_range(0..MOST as u32) as usize;
            self.nodes[place] = node;
        }
    }

    /// Forgets a node that has left.
    pub(super) fn remove(&mut self, node: NodeId) {
        self.nodes.retain(|&known| known != node);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().copied()
    }

    /// A random node that fits.
    pub(super) fn choose(
        &self,
        net: &mut impl Transport<Node>,
        fits: impl Fn(NodeId) -> bool,
    ) -> Option<NodeId> {
        let fitting: Vec<NodeId> = self.iter().filter(|&node| fits(node)).collect();
        fitting.choose(net.rng()).copied()
    }

    /// Some nodes, for somebody who does not need to hear of himself.
    pub(super) fn sample(&self, net: &mut impl Transport<Node>, asker: NodeId) -> Vec<NodeId> {
        let others: Vec<NodeId> = self.iter().filter(|&node| node != asker).collect();
        others.sample(net.rng(), SAMPLE).copied().collect()
    }
}
