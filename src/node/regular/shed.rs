//! Getting rid of superfluous links, one at a time and never the last way. (Not in the paper; see [`super`].)
//!
//! A node with too many neighbors chooses one of them, and sends a walk over that link to find a way back over another one.
//! Each link that the walk takes is locked at both ends for a while, which is counted from when it is taken: it is neither
//! split nor shed for others meanwhile, and none of its ends leaves. If the walk comes back, there is a ring of locked links, and the first of them
//! may go as long as the neighbor's lock on it holds, for that was the earliest of all. Who sees a neighbor of the owner
//! among the neighbors of a neighbor goes there; so three links around the owner suffice to be found.

use super::super::Node;
use super::{Alarm, ENOUGH, HARD, Regular, SOFT, Word, later};
use crate::id::NodeId;
use crate::protocol::State;
use crate::time::LocalTime;
use crate::transport::Transport;
use rand::seq::IndexedRandom;
use std::time::Duration;

/// How far a walk goes.
const STEPS: u8 = 100;
/// How long a link is locked.
pub(super) const LOCK_TIME: Duration = Duration::from_secs(8);
/// A lock that ends so soon is not relied on: other nodes' clocks may be faster.
pub(super) const MARGIN: Duration = Duration::from_secs(1);
/// Links that are locked at once; a walk that needs one more ends.
const MOST_LOCKS: usize = 64;
/// A node that is to leave looks so often whether its offers have come to an end.
const OFFER_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two attempts is so many times doubled.
const MOST_DOUBLINGS: u32 = 2;

/// A link on a walk's way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock {
    pub(super) peer: NodeId,
    /// Whose walk it is, and which of his.
    walk: (NodeId, u32),
    pub(super) until: LocalTime,
}

impl Node {
    pub(super) fn is_locked(&self, now: LocalTime, peer: NodeId) -> bool {
        let Regular { locks, shedding, .. } = &self.aside.regular;
        locks.iter().chain(shedding).any(|lock| lock.peer == peer && now < lock.until)
            || self.is_in_flip(now, peer)
    }

    fn lock(&mut self, now: LocalTime, peer: NodeId, walk: (NodeId, u32)) -> bool {
        let locks = &mut self.aside.regular.locks;
        locks.retain(|lock| now < lock.until);
        if locks.len() >= MOST_LOCKS {
            return false;
        }
        locks.push(Lock { peer, walk, until: later(now, LOCK_TIME) });
        true
    }

    /// Whether a link is about to go.
    pub(super) fn is_shed(&self, now: LocalTime, peer: NodeId) -> bool {
        self.aside.regular.shedding.iter().any(|lock| lock.peer == peer && now < lock.until)
            || self.is_flipped(now, peer)
    }

    pub(super) fn is_reserved(&self, peer: NodeId) -> bool {
        self.aside.regular.reservations.iter().any(|reservation| reservation.other == Some(peer))
    }

    /// Whether a walk or a flip goes over this node, or it has offered itself to somebody who may have taken it for a neighbor by now;
    /// if so, it will be told when to ask again.
    pub(in super::super) fn is_needed_as_way(&mut self, net: &mut impl Transport<Node>) -> bool {
        let now = net.now();
        let Regular { locks, reservations, wooed, flip, .. } = &self.aside.regular;
        let offered = (!reservations.is_empty() || !wooed.is_empty()).then(|| later(now, OFFER_PAUSE));
        let flips = flip.as_ref().map(|part| part.until);
        let last = locks.iter().map(|lock| lock.until).chain(offered).chain(flips).max();
        let Some(last) = last.filter(|&last| now < last) else { return false };
        self.set_alarm(net, Alarm::Depart, last - now);
        true
    }

    pub(super) fn shed(&mut self, net: &mut impl Transport<Node>) {
        let now = net.now();
        self.aside.regular.shedding.retain(|lock| now < lock.until);
        if self.neighbors.len() < SOFT || !self.stays() {
            self.aside.regular.shed_failures = 0;
            return;
        }
        let regular = &mut self.aside.regular;
        let pause = Duration::from_secs(1) * 2u32.pow(regular.shed_failures.min(MOST_DOUBLINGS));
        regular.shed_failures += 1;
        let under_way = regular.shedding.len();
        self.set_alarm(net, Alarm::Shed, pause);
        if self.neighbors.len() < SOFT + under_way {
            return;
        }
        let free = |peer: &NodeId| {
            !self.is_locked(now, *peer)
                && !self.is_reserved(*peer)
                && !self.aside.regular.leavers.contains(peer)
        };
        let degree = |peer: &NodeId| self.list_of(*peer).map_or(0, |list| list.nodes.len());
        let mut candidates: Vec<NodeId> = self.neighbors.iter().filter(free).collect();
        let most = candidates.iter().map(degree).max().unwrap_or(0);
        candidates.retain(|peer| degree(peer) >= most.min(SOFT));
        let Some(&first) = candidates.choose(net.rng()) else { return };
        let goals = self.neighbors.iter().filter(|&peer| peer != first).collect();
        let regular = &mut self.aside.regular;
        regular.walks += 1;
        let walk = (net.me(), regular.walks);
        regular.shedding.push(Lock { peer: first, walk, until: later(now, LOCK_TIME) });
        net.send(first, Word::Shed { walk, goals, steps: STEPS }.into());
    }

    pub(super) fn on_shed(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        walk: (NodeId, u32),
        mut goals: Vec<NodeId>,
        steps: u8,
    ) {
        let now = net.now();
        if self.aside.regular.passed_before(walk, steps.into()) {
            return;
        }
        let is_way = self.neighbors.contains(from) && !self.is_shed(now, from) && !self.is_reserved(from);
        if !is_way || self.aside.state != State::Member {
            return;
        }
        if walk.0 == net.me() {
            let mut shedding = self.aside.regular.shedding.iter();
            if let Some(lock) = shedding.find(|lock| lock.walk == walk && now < lock.until) {
                net.send(lock.peer, Word::Unlink { walk: walk.1 }.into());
            }
            return;
        }
        goals.truncate(HARD);
        if steps > 0 && self.lock(now, from, walk) {
            self.pass_shed(net, from, walk, goals, steps.min(STEPS) - 1);
        }
    }

    /// Sends a walk on.
    fn pass_shed(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        walk: (NodeId, u32),
        goals: Vec<NodeId>,
        steps: u8,
    ) {
        let (me, now, owner) = (net.me(), net.now(), walk.0);
        let leavers = &self.aside.regular.leavers;
        let ways: Vec<NodeId> = self
            .neighbors
            .iter()
            .filter(|&peer| peer != from && !self.is_shed(now, peer))
            .filter(|&peer| !leavers.contains(&peer) && !self.is_reserved(peer))
            .collect();
        let near = |peer: NodeId| {
            let nodes = self.list_of(peer).map_or(&[][..], |list| &list.nodes);
            let sees = |node: &NodeId| *node != me && goals.contains(node);
            goals.contains(&peer) || nodes.iter().any(sees)
        };
        let is_goal = goals.contains(&me) && ways.contains(&owner);
        let next = if is_goal {
            Some(owner)
        } else {
            let ways: Vec<NodeId> = ways.into_iter().filter(|&peer| peer != owner).collect();
            let goal = ways.iter().find(|&&peer| goals.contains(&peer));
            let near = goal.or_else(|| ways.iter().find(|&&peer| near(peer)));
            near.or_else(|| ways.choose(net.rng())).copied()
        };
        if let Some(next) = next
            && self.lock(now, next, walk)
        {
            net.send(next, Word::Shed { walk, goals, steps }.into());
        }
    }

    /// The walk of a neighbor over this node came back to it.
    pub(super) fn on_unlink(&mut self, net: &mut impl Transport<Node>, from: NodeId, walk: u32) {
        let now = net.now();
        let mut locks = self.aside.regular.locks.iter().filter(|lock| lock.peer == from && now < lock.until);
        let is_only_his = locks.clone().all(|lock| lock.walk.0 == from);
        // The walk may have come by more than once: what counts is the first time.
        let its = locks.find(|lock| lock.walk == (from, walk));
        let holds = its.is_some_and(|lock| later(now, MARGIN) < lock.until);
        let can_go = self.neighbors.contains(from)
            && !self.is_reserved(from)
            && !self.is_in_flip(now, from)
            && self.neighbors.len() > ENOUGH;
        if holds && is_only_his && can_go && self.aside.state == State::Member {
            self.drop_neighbor(net, from);
        }
    }
}
