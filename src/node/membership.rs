//! Becoming a part of the network: what all overlays that can be joined have in common.
//!
//! Neighbors agree on each other (`Hello`, `Welcome`), and tell whether they are members. Newcomers may link to each other
//! before they find the network; membership then spreads over their links. How a node looks for neighbors, and what it
//! does when one is gone, is the overlay's own.

use super::links::Errand;
use super::{Control, Node, OverlayKind, Word};
use crate::id::NodeId;
use crate::protocol::{Notice, State};
use crate::transport::Transport;

/// A node's way in.
#[derive(Debug, Default)]
pub(super) struct Membership {
    told_to_join: bool,
    /// Through whom it joins; nobody, once it is a member.
    pub(super) contacts: Vec<NodeId>,
}

impl Membership {
    /// From then on a node's neighbors are those that it agreed with.
    pub(super) fn was_told_to_join(&self) -> bool {
        self.told_to_join
    }
}

impl Node {
    pub(super) fn join(&mut self, net: &mut impl Transport<Node>, contacts: Vec<NodeId>) {
        let idle = self.aside.state == State::Member && !self.aside.membership.told_to_join;
        if self.aside.overlay == OverlayKind::Static || !idle {
            return;
        }
        self.aside.membership.told_to_join = true;
        let contacts = self.ways_in(contacts);
        for &contact in &contacts {
            self.note_address(net, contact, contact);
        }
        if contacts.is_empty() {
            return net.notify(Notice::Joined);
        }
        (self.aside.state, self.aside.is_newcomer) = (State::Joining, true);
        self.aside.membership.contacts = contacts;
        self.neighborhood_changed(net);
    }

    /// Somebody named a node: for the overlay's book.
    pub(super) fn note_address(&mut self, net: &mut impl Transport<Node>, node: NodeId, introducer: NodeId) {
        if !self.is_regular() {
            self.aside.book.add(net, node);
        } else if node != net.me() {
            self.aside.regular.book.hear(net.now(), node, introducer);
        }
    }

    /// A node is not to be found any more.
    pub(super) fn forget_address(&mut self, node: NodeId) {
        match self.aside.overlay {
            OverlayKind::Regular => self.aside.regular.book.remove(node),
            _ => self.aside.book.remove(node),
        }
    }

    /// Some nodes of the overlay's book.
    pub(super) fn some_addresses(&self, net: &mut impl Transport<Node>, asker: NodeId) -> Vec<NodeId> {
        match self.aside.overlay {
            OverlayKind::Regular => self.aside.regular.book.sample(net.rng(), asker),
            _ => self.aside.book.sample(net, asker),
        }
    }

    /// There may be something to do for the overlay.
    fn neighborhood_changed(&mut self, net: &mut impl Transport<Node>) {
        match self.aside.overlay {
            OverlayKind::Static => {}
            OverlayKind::Tutorial => self.revive(net),
            OverlayKind::Regular => self.tend(net),
        }
    }

    /// Whether it is to look for neighbors: it is not on its way out.
    pub(super) fn stays(&self) -> bool {
        matches!(self.aside.state, State::Joining | State::Member)
    }

    pub(super) fn on_hello(&mut self, net: &mut impl Transport<Node>, from: NodeId, member: bool) {
        if !self.may_befriend(from) {
            return net.send(from, Word::Busy(Vec::new()).into());
        }
        net.send(from, Control::Welcome { member: !self.aside.is_newcomer }.into());
        self.befriend(net, from, member);
    }

    pub(super) fn on_welcome(&mut self, net: &mut impl Transport<Node>, from: NodeId, member: bool) {
        if !self.may_befriend(from) {
            return net.close(from);
        }
        self.befriend(net, from, member);
        self.tell_of_membership(net, from, member);
        for errand in self.aside.links.befriended(from) {
            self.run_out(net, errand);
        }
    }

    pub(super) fn befriend(&mut self, net: &mut impl Transport<Node>, peer: NodeId, member: bool) {
        let is_new = !self.neighbors.contains(peer);
        self.neighbors.add(peer);
        if self.aside.overlay == OverlayKind::Static {
            // It has started again, and its links are given.
            return;
        }
        self.note_address(net, peer, peer);
        if self.is_regular() && is_new {
            self.gained(net, peer);
        }
        self.perform_duties(net, peer);
        if member && self.aside.is_newcomer {
            self.become_member(net, Some(peer));
        }
        self.neighborhood_changed(net);
        if is_new {
            // One heir more.
            self.depart_anew(net);
        }
    }

    /// This node may have become a member between its own words of a handshake and the peer's.
    pub(super) fn tell_of_membership(&mut self, net: &mut impl Transport<Node>, peer: NodeId, member: bool) {
        if self.is_regular() && !self.aside.is_newcomer && !member {
            net.send(peer, Control::Welcome { member: true }.into());
        }
    }

    /// Newcomers may have linked to each other: who is a member, `through` one, makes its other neighbors members.
    pub(super) fn become_member(&mut self, net: &mut impl Transport<Node>, through: Option<NodeId>) {
        self.aside.is_newcomer = false;
        self.aside.membership.contacts.clear();
        if self.aside.state == State::Joining {
            self.aside.state = State::Member;
        }
        net.notify(Notice::Joined);
        for peer in self.neighbors.to_vec().into_iter().filter(|&peer| Some(peer) != through) {
            net.send(peer, Control::Welcome { member: true }.into());
        }
    }

    /// A link is gone, or could not be opened.
    pub(super) fn overlay_link_lost(
        &mut self,
        net: &mut impl Transport<Node>,
        peer: NodeId,
        was_neighbor: bool,
        failed: &[Errand],
    ) {
        match self.aside.overlay {
            OverlayKind::Static => {}
            OverlayKind::Tutorial => self.tutorial_link_lost(net, peer, was_neighbor, failed),
            OverlayKind::Regular => self.regular_link_lost(net, peer, was_neighbor, failed),
        }
    }
}
