//! The links of a node that are not (yet) to neighbors, and what it opened them for.

use super::regular::Aim;
use crate::id::NodeId;
use rustc_hash::{FxHashMap, FxHashSet};

/// What a node wants at a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Errand {
    /// To hear of a random node.
    AskNode,
    /// To hear of a part of its neighbors.
    AskPart,
    /// To become its neighbor.
    Befriend,
    /// To become its neighbor as an heir of a leaving node, which waits to hear of it.
    Inherit { leaver: NodeId, round: u32, tries: u32 },
    /// To hand over direct messages.
    Deliver,
    /// Of the overlay `regular`.
    Regular(Aim),
}

/// A node's links apart from those that were given. Looked up only, so that a hub finds one as fast as a leaf does.
#[derive(Debug, Default)]
pub(super) struct Links {
    up: FxHashSet<NodeId>,
    /// Links that this node asked for; it is the one to close them.
    own: FxHashSet<NodeId>,
    /// Errands for which a link is being opened.
    expected: FxHashMap<NodeId, Vec<Errand>>,
    /// Errands to befriend a peer that it has not answered.
    befriending: FxHashMap<NodeId, Vec<Errand>>,
}

impl Links {
    pub(super) fn is_up(&self, peer: NodeId) -> bool {
        self.up.contains(&peer)
    }

    pub(super) fn is_own(&self, peer: NodeId) -> bool {
        self.own.contains(&peer)
    }

    pub(super) fn has_errands(&self, peer: NodeId) -> bool {
        self.expected.contains_key(&peer) || self.befriending.contains_key(&peer)
    }

    /// A link to the peer is being opened for this.
    pub(super) fn expect(&mut self, peer: NodeId, errand: Errand) {
        self.own.insert(peer);
        let expected = self.expected.entry(peer).or_default();
        if !expected.contains(&errand) {
            expected.push(errand);
        }
    }

    /// Those to which a link is being opened, in a fixed order.
    pub(super) fn being_opened(&self) -> Vec<NodeId> {
        let mut peers: Vec<NodeId> = self.expected.keys().copied().collect();
        peers.sort_unstable_by_key(|peer| peer.0);
        peers
    }

    /// The peer was asked to be a neighbor.
    pub(super) fn befriending(&mut self, peer: NodeId, errand: Errand) {
        self.befriending.entry(peer).or_default().push(errand);
    }

    /// The link came up; the errands that waited for it.
    pub(super) fn came_up(&mut self, peer: NodeId) -> Vec<Errand> {
        self.up.insert(peer);
        self.expected.remove(&peer).unwrap_or_default()
    }

    /// The peer agreed to be a neighbor; the errands that this ends.
    pub(super) fn befriended(&mut self, peer: NodeId) -> Vec<Errand> {
        self.befriending.remove(&peer).unwrap_or_default()
    }

    /// The link is gone, or never came up; the errands that fail by that.
    pub(super) fn went_down(&mut self, peer: NodeId) -> Vec<Errand> {
        self.up.remove(&peer);
        self.own.remove(&peer);
        let mut failed = self.expected.remove(&peer).unwrap_or_default();
        failed.extend(self.befriending.remove(&peer).unwrap_or_default());
        failed
    }
}
