//! The address book: nodes that a node has heard of.

use super::Node;
use super::roster::{Roster, Without};
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
    nodes: Roster,
    /// Those to which a link failed since they were last heard of. They are named to nobody, and tried when nobody else is
    /// left: whoever is cut off from all finds all of them unreachable, and must not forget them for that.
    failed: Roster,
}

impl Book {
    pub(super) fn add(&mut self, net: &mut impl Transport<Node>, node: NodeId) {
        if node == net.me() || self.nodes.contains(node) {
            return;
        }
        self.failed.remove(node);
        if self.as_slice().len() < MOST {
            self.nodes.push(node);
            if self.all().count() > MOST {
                self.failed.remove(self.failed.as_slice()[0]);
            }
        } else {
            self.nodes.replace(net.rng().random_range(0..MOST as u32) as usize, node);
        }
    }

    /// Forgets a node that has left.
    pub(super) fn remove(&mut self, node: NodeId) {
        self.nodes.remove(node);
        self.failed.remove(node);
    }

    /// A link to a node failed.
    pub(super) fn set_back(&mut self, node: NodeId) {
        if self.nodes.remove(node) {
            self.failed.push(node);
        }
    }

    /// Any node that may be asked for others.
    pub(super) fn draw(&self, net: &mut impl Transport<Node>) -> Option<NodeId> {
        let best = if self.nodes.as_slice().is_empty() { &self.failed } else { &self.nodes };
        best.as_slice().choose(net.rng()).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.as_slice().is_empty() && self.failed.as_slice().is_empty()
    }

    /// Every node in it.
    pub(super) fn all(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.as_slice().iter().chain(self.failed.as_slice()).copied()
    }

    pub(super) fn as_slice(&self) -> &[NodeId] {
        self.nodes.as_slice()
    }

    /// All nodes but this one.
    pub(super) fn without(&self, node: NodeId) -> Without<'_> {
        self.nodes.without(node)
    }

    /// Some nodes, for somebody who does not need to hear of himself.
    pub(super) fn sample(&self, net: &mut impl Transport<Node>, asker: NodeId) -> Vec<NodeId> {
        self.without(asker).sample(net.rng(), SAMPLE).copied().collect()
    }
}
