//! Joining by splitting edges (§3.1), and filling deficits in the same way (§3.3).
//!
//! A seeker lets walks go out, which share their first steps. Each stops at a node that offers itself, if it has a place
//! free, or itself and one of its neighbors: they keep the link between them for the seeker, one seeker a link, and both dial
//! it. It takes both or none, so that all that it takes are distinct; whoever is declined lets the link go, and the seeker
//! draws again. When each end has the seeker for a neighbor, the one at which the walk stopped ends the link: make before break.
//!
//! *Shadows.* Both ends remember for a while whom the seeker came between. If it dies before anybody knows its neighbors, they
//! link again; and if that one was itself split from another who is dead by now, then to the one behind it.

use super::super::Node;
use super::super::links::Errand;
use super::{ANSWER_TIME, Aim, Alarm, HARD, List, Regular, SOFT, TARGET, Word, later};
use crate::id::NodeId;
use crate::protocol::State;
use crate::time::LocalTime;
use crate::transport::Transport;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far a walk goes.
const STEPS: u8 = 12;
/// So many of them all walks of a seeker share.
const SHARED: u8 = 4;
/// So many walks look at once.
const MOST_WALKS: u8 = 3;
/// How much further, until it finds a link that can be split.
const EXTRA: u8 = 12;

/// How long an end of a link that was split remembers the other one: more than twice as long as a death goes unnoticed.
const SHADOW_TIME: Duration = Duration::from_secs(10);
const MOST_SHADOWS: usize = 2 * HARD;

/// A walk that looks for neighbors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Walk {
    /// For whom.
    seeker: NodeId,
    /// Drawn by chance: tells it from others for the same node.
    number: u32,
    /// So many walks, which part on the way.
    walks: u8,
    /// After so many steps it stops.
    steps: u8,
    /// Then it goes so many more until a link is found.
    extra: u8,
}

impl Walk {
    fn new(seeker: NodeId, walks: u8, rng: &mut impl Rng) -> Walk {
        Walk { seeker, number: rng.random(), walks, steps: STEPS, extra: EXTRA }
    }
}

/// A link that was split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shadow {
    /// The other end.
    other: NodeId,
    /// Who came between.
    successor: NodeId,
    until: LocalTime,
}

/// A link kept for a seeker, or a free place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    pub(super) seeker: NodeId,
    /// The other end; none if there is a place free, or the link is gone.
    pub(super) other: Option<NodeId>,
    /// Whether it is this end that ends the link.
    pub(super) leads: bool,
    /// Whether the other end has the seeker for a neighbor.
    pub(super) taken: bool,
    pub(super) until: LocalTime,
}

/// An end of a link that offered itself to this seeker; the other one has not yet.
#[derive(Clone, Debug)]
pub(super) struct Half {
    pub(super) from: NodeId,
    /// None, if it has a place free.
    other: Option<NodeId>,
    member: bool,
    list: List,
    pub(super) until: LocalTime,
}

/// So many walks that came by are remembered.
const MOST_PASSED: usize = 64;

impl Regular {
    /// Whether a walk came by before with as many steps left: then it is a datagram that arrived twice. Both copies would
    /// walk on, and be doubled again.
    pub(super) fn passed_before(&mut self, walk: (NodeId, u32), left: u16) -> bool {
        if self.passed.contains(&(walk, left)) {
            return true;
        }
        if self.passed.len() >= MOST_PASSED {
            self.passed.pop_front();
        }
        self.passed.push_back((walk, left));
        false
    }
}

impl Node {
    /// If no more than seven nodes are in sight: those of them that are no neighbors.
    pub(super) fn small_world(&self, me: NodeId) -> Option<Vec<NodeId>> {
        if self.neighbors.len() == 0 || self.neighbors.len() > TARGET {
            return None;
        }
        let mut missing: Vec<NodeId> = Vec::new();
        for peer in self.neighbors.iter() {
            for &node in &self.list_of(peer)?.nodes {
                let is_there = |node| node != me && !self.aside.regular.leavers.contains(&node);
                if is_there(node) && !self.neighbors.contains(node) && !missing.contains(&node) {
                    missing.push(node);
                }
                if self.neighbors.len() + missing.len() > TARGET {
                    return None;
                }
            }
        }
        Some(missing)
    }

    /// Lets walks go out, by itself or by somebody who is a part of the network already.
    pub(super) fn look_around(&mut self, net: &mut impl Transport<Node>) {
        if self.aside.is_newcomer || self.neighbors.len() == 0 {
            let failures = self.aside.regular.failures as usize;
            let contact = self.aside.membership.contacts.get(failures - 1).copied();
            let contact = contact.or_else(|| self.aside.regular.book.draw(net.rng()));
            let Some(contact) = contact.filter(|&contact| contact != net.me()) else { return };
            if !self.aside.is_newcomer {
                self.patch_from_book(net);
                return;
            }
            self.aside.regular.guides.push(contact);
            return self.visit(net, contact, Errand::Regular(Aim::Seek));
        }
        if self.is_shaken(net.now()) && self.patch_from_book(net) {
            return;
        }
        let walk = Walk::new(net.me(), self.walks(), net.rng());
        self.walk_on(net, walk);
    }

    fn walks(&self) -> u8 {
        TARGET.saturating_sub(self.neighbors.len()).div_ceil(2) as u8
    }

    pub(super) fn ask_to_seek(&mut self, net: &mut impl Transport<Node>, contact: NodeId) {
        net.send(contact, Word::Seek { walks: self.walks().max(1) }.into());
    }

    /// The search is over: links that were opened to ask somebody may go.
    pub(super) fn dismiss_guides(&mut self, net: &mut impl Transport<Node>) {
        for guide in std::mem::take(&mut self.aside.regular.guides) {
            self.part_from(net, guide);
        }
    }

    pub(super) fn on_seek(&mut self, net: &mut impl Transport<Node>, from: NodeId, walks: u8) {
        self.note_address(net, from, from);
        if !self.neighbors.contains(from) {
            // All that a newcomer knows may be about to leave.
            self.on_ask_known(net, from);
        }
        let walk = Walk::new(from, walks.clamp(1, MOST_WALKS), net.rng());
        self.walk_on(net, walk);
    }

    pub(super) fn on_walk(&mut self, net: &mut impl Transport<Node>, walk: Walk) {
        let Walk { seeker, number, walks, steps, extra } = walk;
        if !self.aside.regular.passed_before((seeker, number), u16::from_be_bytes([steps, extra])) {
            let (walks, steps, extra) = (walks.min(MOST_WALKS), steps.min(STEPS), extra.min(EXTRA));
            self.walk_on(net, Walk { walks, steps, extra, ..walk });
        }
    }

    /// A walk goes on from here, or stops; several part after the steps that they share.
    fn walk_on(&mut self, net: &mut impl Transport<Node>, walk: Walk) {
        let Walk { seeker, number, walks, steps, extra } = walk;
        if walks > 1 && steps <= STEPS - SHARED {
            for further in 0..walks {
                let number = number.wrapping_add(further.into());
                self.walk_on(net, Walk { number, walks: 1, ..walk });
            }
            return;
        }
        let others: Vec<NodeId> = self.neighbors.iter().filter(|&peer| peer != seeker).collect();
        let (steps, extra) = match (steps, extra) {
            (0, _) if self.stop_walk(net, seeker, extra) => return,
            (0, 0) => return,
            (0, extra) => (0, extra - 1),
            (steps, extra) => (steps - 1, extra),
        };
        match others.choose(net.rng()) {
            Some(&next) => net.send(next, Word::Walk(Walk { steps, extra, ..walk }).into()),
            None => {
                self.stop_walk(net, seeker, 0);
            }
        }
    }

    /// Whether something can be offered to the seeker here.
    fn stop_walk(&mut self, net: &mut impl Transport<Node>, seeker: NodeId, extra: u8) -> bool {
        if !self.can_reserve(net, seeker) {
            return false;
        }
        if self.load() < TARGET {
            self.reserve(net, seeker, None, false);
            self.visit(net, seeker, Errand::Regular(Aim::Offer));
            return true;
        }
        let free: Vec<NodeId> =
            self.neighbors.iter().filter(|&peer| self.can_split(net.now(), peer, seeker)).collect();
        let Some(&other) = free.choose(net.rng()) else { return false };
        self.reserve(net, seeker, Some(other), true);
        net.send(other, Word::Reserve { seeker, extra }.into());
        self.visit(net, seeker, Errand::Regular(Aim::Offer));
        true
    }

    fn can_reserve(&self, net: &impl Transport<Node>, seeker: NodeId) -> bool {
        seeker != net.me()
            && matches!(self.aside.state, State::Joining | State::Member)
            && !self.neighbors.contains(seeker)
            && !self.is_courting(seeker)
            && self.load() < HARD
    }

    fn can_split(&self, now: LocalTime, peer: NodeId, seeker: NodeId) -> bool {
        let regular = &self.aside.regular;
        self.neighbors.contains(peer)
            && peer != seeker
            && !regular.leavers.contains(&peer)
            && !self.is_locked(now, peer)
            && regular.reservations.iter().all(|reservation| reservation.other != Some(peer))
            && self.list_of(peer).is_none_or(|list| !list.nodes.contains(&seeker))
    }

    fn reserve(
        &mut self,
        net: &mut impl Transport<Node>,
        seeker: NodeId,
        other: Option<NodeId>,
        leads: bool,
    ) {
        let until = later(net.now(), ANSWER_TIME);
        let reservation = Reservation { seeker, other, leads, taken: false, until };
        self.aside.regular.reservations.push(reservation);
        self.set_alarm(net, Alarm::Sweep, ANSWER_TIME);
    }

    pub(super) fn on_reserve(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        seeker: NodeId,
        extra: u8,
    ) {
        let is_it = |r: &Reservation| r.seeker == seeker && r.other == Some(from) && !r.leads;
        if self.aside.regular.reservations.iter().any(is_it) {
            // The question came twice.
            return;
        }
        if !self.can_reserve(net, seeker) || !self.can_split(net.now(), from, seeker) {
            return net.send(from, Word::Refused { seeker, extra }.into());
        }
        self.reserve(net, seeker, Some(from), false);
        self.visit(net, seeker, Errand::Regular(Aim::Offer));
    }

    pub(super) fn on_refused(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        seeker: NodeId,
        extra: u8,
    ) {
        let reservations = &mut self.aside.regular.reservations;
        let is_it = |r: &Reservation| r.seeker == seeker && r.other == Some(from) && r.leads;
        let Some(place) = reservations.iter().position(is_it) else { return };
        reservations.swap_remove(place);
        if self.aside.links.is_up(seeker) && !self.neighbors.contains(seeker) {
            net.send(seeker, Word::Decline.into());
            self.part_from(net, seeker);
        }
        if extra > 0 {
            let walk = Walk::new(seeker, 1, net.rng());
            self.walk_on(net, Walk { steps: 1, extra: extra.min(EXTRA) - 1, ..walk });
        }
    }

    /// The link to the seeker is up.
    pub(super) fn offer(&mut self, net: &mut impl Transport<Node>, seeker: NodeId) {
        let reservation = self.aside.regular.reservations.iter().find(|r| r.seeker == seeker);
        let Some(&Reservation { other, .. }) = reservation else { return self.part_from(net, seeker) };
        let list = self.list_for(seeker);
        net.send(seeker, Word::Offer { other, member: !self.aside.is_newcomer, list }.into());
    }

    pub(super) fn on_offer(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        other: Option<NodeId>,
        member: bool,
        mut list: List,
    ) {
        let needs = if other.is_some() { 2 } else { 1 };
        // One more than it looks for: an odd number of places is filled as well.
        let is_wanted = |node: &Node, peer: NodeId| !node.neighbors.contains(peer) && peer != net.me();
        let wanted = self.stays()
            && is_wanted(self, from)
            && other.is_none_or(|other| is_wanted(self, other))
            && self.load() - usize::from(self.is_courting(from)) + needs <= TARGET + 1
            && self.load() < SOFT;
        if !wanted {
            self.aside.regular.halves.retain(|half| half.from != from);
            return net.send(from, Word::Decline.into());
        }
        // This node will stand in the place of the other end.
        list.nodes.retain(|&node| Some(node) != other);
        list.nodes.push(net.me());
        let half = Half { from, other, member, list, until: later(net.now(), ANSWER_TIME) };
        let Some(other) = other else { return self.take(net, half) };
        let halves = &mut self.aside.regular.halves;
        let fits = |half: &Half| half.from == other && half.other == Some(from);
        if let Some(place) = halves.iter().position(fits) {
            let first = halves.swap_remove(place);
            self.take(net, first);
            return self.take(net, half);
        }
        let ends = |half: &Half| [Some(half.from), half.other];
        let knows = |half: &Half| ends(half).iter().any(|&end| end == Some(from) || end == Some(other));
        if halves.iter().any(knows) || halves.len() >= TARGET {
            return net.send(from, Word::Decline.into());
        }
        halves.push(half);
        self.set_alarm(net, Alarm::Sweep, ANSWER_TIME);
    }

    fn take(&mut self, net: &mut impl Transport<Node>, half: Half) {
        let Half { from, member, list, .. } = half;
        net.send(from, Word::Take { member: !self.aside.is_newcomer || member }.into());
        self.befriend(net, from, member);
        self.note_list(net, from, list);
    }

    pub(super) fn on_take(&mut self, net: &mut impl Transport<Node>, from: NodeId, member: bool) {
        let reservation = self.aside.regular.reservations.iter().find(|r| r.seeker == from).copied();
        if !self.may_befriend(from) {
            return net.close(from);
        }
        // Even if it leaves meanwhile: the seeker relies on it, and is one heir more.
        self.befriend(net, from, member);
        self.tell_of_membership(net, from, member);
        match reservation.and_then(|reservation| reservation.other.map(|other| (other, reservation.leads))) {
            Some((other, leads)) => {
                self.remember_split(net, other, from);
                match leads {
                    true => self.end_split(net, from),
                    false => net.send(other, Word::Taken { seeker: from }.into()),
                }
            }
            None => self.aside.regular.reservations.retain(|r| r.seeker != from),
        }
    }

    pub(super) fn on_decline(&mut self, net: &mut impl Transport<Node>, from: NodeId) {
        let regular = &mut self.aside.regular;
        regular.reservations.retain(|r| r.seeker != from);
        regular.halves.retain(|half| half.from != from);
        self.part_from(net, from);
    }

    pub(super) fn on_taken(&mut self, net: &mut impl Transport<Node>, from: NodeId, seeker: NodeId) {
        let reservations = &mut self.aside.regular.reservations;
        let Some(reservation) = reservations.iter_mut().find(|r| r.seeker == seeker && r.other == Some(from))
        else {
            return;
        };
        reservation.taken = true;
        self.end_split(net, seeker);
    }

    /// Both ends of a link have the seeker for a neighbor: the link between them ends.
    fn end_split(&mut self, net: &mut impl Transport<Node>, seeker: NodeId) {
        let reservations = &mut self.aside.regular.reservations;
        let Some(place) = reservations.iter().position(|r| r.seeker == seeker && r.taken) else { return };
        if !self.neighbors.contains(seeker) {
            return;
        }
        let Reservation { other, .. } = reservations.swap_remove(place);
        if let Some(other) = other.filter(|&other| self.neighbors.contains(other)) {
            self.drop_neighbor(net, other);
        }
    }

    pub(super) fn remember_split(&mut self, net: &impl Transport<Node>, other: NodeId, successor: NodeId) {
        let now = net.now();
        let shadows = &mut self.aside.regular.shadows;
        shadows.retain(|shadow| now < shadow.until);
        if shadows.len() >= MOST_SHADOWS {
            shadows.remove(0);
        }
        shadows.push(Shadow { other, successor, until: later(now, SHADOW_TIME) });
    }

    /// Who was behind a neighbor that came between them; then who was behind that one.
    pub(super) fn shadows_of(&self, now: LocalTime, dead: NodeId) -> Vec<NodeId> {
        let shadows = &self.aside.regular.shadows;
        let mut behind: Vec<NodeId> = Vec::new();
        let mut next = dead;
        // The latest first: each was split earlier than the one before.
        for shadow in shadows.iter().rev().filter(|shadow| now < shadow.until) {
            if shadow.successor == next {
                behind.push(shadow.other);
                next = shadow.other;
            }
        }
        behind
    }
}
