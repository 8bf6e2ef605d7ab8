//! Who neighbors whom.

use crate::id::NodeId;
use smallvec::SmallVec;

/// So many neighbors stand inline, in the cache line that a flood reads anyway.
const INLINE: usize = 10;

/// The peers with which a node exchanges broadcasts, in the order in which they became neighbors.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbors {
    peers: SmallVec<[NodeId; INLINE]>,
}

impl Neighbors {
    /// The world gave a link to this peer, as it does once for each.
    pub(super) fn add_given(&mut self, peer: NodeId) {
        self.peers.push(peer);
    }

    /// A peer became a neighbor. One that is a neighbor already stays one.
    pub(super) fn add(&mut self, peer: NodeId) {
        if !self.contains(peer) {
            self.peers.push(peer);
        }
    }

    /// A peer is no neighbor any more; whether it was one.
    pub(super) fn remove(&mut self, peer: NodeId) -> bool {
        let before = self.peers.len();
        self.peers.retain(|neighbor| *neighbor != peer);
        self.peers.len() < before
    }

    /// Whether a peer is a neighbor.
    pub(super) fn contains(&self, peer: NodeId) -> bool {
        self.peers.contains(&peer)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Every neighbor.
    pub(super) fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.peers.iter().copied()
    }

    /// The neighbors as they are now, to be spoken to while they may change.
    pub(super) fn to_vec(&self) -> Vec<NodeId> {
        self.peers.to_vec()
    }
}
