//! The links of a node that are not (yet) to neighbors, and what it opened them for.

use crate::id::NodeId;

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
}

/// A node's links apart from those that were given.
#[derive(Debug, Default)]
pub(super) struct Links {
    up: Vec<NodeId>,
    /// Links that this node asked for; it is the one to close them.
    own: Vec<NodeId>,
    /// Errands for which a link is being opened.
    expected: Vec<(NodeId, Errand)>,
    /// Errands to befriend a peer that it has not answered.
    befriending: Vec<(NodeId, Errand)>,
}

impl Links {
    pub(super) fn is_up(&self, peer: NodeId) -> bool {
        self.up.contains(&peer)
    }

    pub(super) fn is_own(&self, peer: NodeId) -> bool {
        self.own.contains(&peer)
    }

    pub(super) fn has_errands(&self, peer: NodeId) -> bool {
        self.expected.iter().chain(&self.befriending).any(|&(to, _)| to == peer)
    }

    /// A link to the peer is being opened for this.
    pub(super) fn expect(&mut self, peer: NodeId, errand: Errand) {
        if !self.own.contains(&peer) {
            self.own.push(peer);
        }
        if !self.expected.contains(&(peer, errand)) {
            self.expected.push((peer, errand));
        }
    }

    /// The peer was asked to be a neighbor.
    pub(super) fn befriending(&mut self, peer: NodeId, errand: Errand) {
        self.befriending.push((peer, errand));
    }

    /// The link came up; the errands that waited for it.
    pub(super) fn came_up(&mut self, peer: NodeId) -> Vec<Errand> {
        self.up.push(peer);
        take(&mut self.expected, peer)
    }

    /// The peer agreed to be a neighbor; the errands that this ends.
    pub(super) fn befriended(&mut self, peer: NodeId) -> Vec<Errand> {
        take(&mut self.befriending, peer)
    }

    /// The link is gone, or never came up; the errands that fail by that.
    pub(super) fn went_down(&mut self, peer: NodeId) -> Vec<Errand> {
        self.up.retain(|&other| other != peer);
        self.own.retain(|&other| other != peer);
        let mut failed = take(&mut self.expected, peer);
        failed.extend(take(&mut self.befriending, peer));
        failed
    }
}

fn take(errands: &mut Vec<(NodeId, Errand)>, peer: NodeId) -> Vec<Errand> {
    errands.extract_if(.., |&mut (to, _)| to == peer).map(|(_, errand)| errand).collect()
}
