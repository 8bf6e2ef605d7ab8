//! Who neighbors whom. So far the overlay is given: the world's links are the neighbors.

use crate::id::NodeId;

/// The peers to which a link is up, in the order in which the links came up.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbors {
    peers: Vec<NodeId>,
}

impl Neighbors {
    /// A link came up. The transport's contract says that there was none, so no neighbor stands here twice.
    pub(super) fn add(&mut self, peer: NodeId) {
        self.peers.push(peer);
    }

    /// A link went down, or never came up.
    pub(super) fn remove(&mut self, peer: NodeId) {
        self.peers.retain(|&neighbor| neighbor != peer);
    }

    /// Every neighbor.
    pub(super) fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.peers.iter().copied()
    }
}
