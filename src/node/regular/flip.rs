//! Flips (§3.6): a path a-b-c-d becomes a-c, b-d, with b-c kept. Degrees stay, and who neighbors whom is mixed.
//!
//! a asks b, b asks c, c asks d; each chooses the next one. Then d links to b, b tells a to go on, a links to c, and says so to b,
//! which ends a-b and lets c end c-d. Whoever refuses does so before anything has changed; what fails later leaves a link
//! over, never one too few, and costs nobody his way: links too many are shed.
//!
//! *Nothing is cut.* A node takes part in one flip at a time. For as long as it does, it splits and sheds none of its links
//! in it, no walk that sheds a link relies on the one that is to go, and it does not leave. That ends by itself after an
//! interval: nobody waits for anybody. a-b goes while a-c and c-b are there, c-d while c-b and b-d are. So
//! whoever ends a link has to know that the others still keep theirs: each of them took part, or renewed that, later than the
//! one who ends (b when d has come, a when b told it to go on, c when a has come), and its own interval is not yet over. That a
//! link is up at both ends says the one that asked for it.
//!
//! *Bridges.* A link between what may have been two networks is spread: each of its ends lets a neighbor begin a flip
//! over it, some times. Each such flip makes two more links between the two.

use super::super::Node;
use super::shed::{LOCK_TIME, MARGIN};
use super::{Alarm, List, SOFT, Why, Word, later};
use crate::id::NodeId;
use crate::protocol::State;
use crate::time::LocalTime;
use crate::transport::Transport;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A node begins a flip when it took part in none for so long.
const FLIP_TIME: Duration = Duration::from_secs(60);
/// Each end of a bridge lets so many flips begin. (With one, 298 and 294 of 670 links cross 30 s after a heal; with none 209 and
/// 223. More of them hardly made a difference.)
const SPREADS: u8 = 1;

/// What those who take part in a flip say to each other. They are a, b, c and d in the order of the path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Flip {
    /// From b to a: begin one over me.
    Begin,
    /// From a to b: flip our link. My neighbors; yours to choose is c, which must be none of them.
    Second(List),
    /// From b to c: keep our link. My neighbors; yours to choose is d, which must be none of them.
    Third(List),
    /// From c to d: flip our link, and link to b.
    Fourth(NodeId),
    /// I do not; nothing has changed.
    No,
    /// From d and a to b: my new link is up at both ends.
    Linked,
    /// From b to a: link to c.
    Go(NodeId),
    /// From b to c: end your link to d.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    A,
    B,
    C,
    D,
}

/// A node's part in a flip.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Which flip: a, and a number drawn by chance.
    flip: (NodeId, u32),
    place: Place,
    /// The other end of the link that is to go.
    old: NodeId,
    /// For b and c: the other one of them.
    middle: Option<NodeId>,
    /// The new neighbor, if it is known yet.
    pub(super) new: Option<NodeId>,
    /// Whether the link to it is up; for b: at both ends.
    pub(super) arrived: bool,
    /// When its right to end a link began.
    since: LocalTime,
    /// So long it keeps its links.
    pub(super) until: LocalTime,
}

impl Part {
    fn keeps(&self, peer: NodeId) -> bool {
        self.old == peer || self.middle == Some(peer) || self.new == Some(peer)
    }
}

impl Node {
    /// Whether a flip relies on a link, or is to end it.
    pub(super) fn is_in_flip(&self, now: LocalTime, peer: NodeId) -> bool {
        self.aside.regular.flip.is_some_and(|part| now < part.until && part.keeps(peer))
    }

    /// Whether a flip is to end a link.
    pub(super) fn is_flipped(&self, now: LocalTime, peer: NodeId) -> bool {
        self.aside.regular.flip.is_some_and(|part| now < part.until && part.old == peer)
    }

    pub(super) fn forget_past_flip(&mut self, now: LocalTime) {
        self.aside.regular.flip.take_if(|part| part.until <= now);
    }

    /// Sees to it that there is a next flip.
    pub(super) fn keep_flipping(&mut self, net: &mut impl Transport<Node>) {
        if self.aside.regular.alarms[Alarm::Flip as usize].is_none() {
            let rested = self.aside.regular.flipped.map_or(Duration::ZERO, |flipped| net.now() - flipped);
            let spread = Duration::from_millis(net.rng().random_range(0..10_000));
            self.set_alarm(net, Alarm::Flip, FLIP_TIME.saturating_sub(rested) + spread);
        }
    }

    /// It is time for a flip.
    pub(super) fn flip(&mut self, net: &mut impl Transport<Node>) {
        let now = net.now();
        self.aside.regular.bridges.retain(|&(_, times)| times > 0);
        let has_rested = |flipped| now - flipped >= FLIP_TIME;
        if !self.aside.regular.bridges.is_empty() {
            self.spread_bridge(net);
        } else if self.aside.regular.flipped.is_none_or(has_rested) {
            self.aside.regular.flipped = Some(now);
            let is_stranger = |node: &NodeId| *node != net.me() && !self.neighbors.contains(*node);
            let leads_on = |peer| self.list_of(peer).is_some_and(|list| list.nodes.iter().any(is_stranger));
            let seconds = self.neighbors.iter().filter(|&peer| self.may_go(now, peer) && leads_on(peer));
            if let Some(second) = seconds.collect::<Vec<_>>().choose(net.rng()) {
                let flip = (net.me(), net.rng().next_u32());
                self.begin_flip(net, flip, *second);
            }
        }
        self.tend(net);
    }

    /// A new neighbor may have been in another network.
    pub(super) fn note_bridge(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        let bridges = &mut self.aside.regular.bridges;
        if self.neighbors.contains(peer) && bridges.iter().all(|(bridge, _)| *bridge != peer) {
            bridges.push((peer, SPREADS));
            self.spread_soon(net);
        }
    }

    fn spread_soon(&mut self, net: &mut impl Transport<Node>) {
        let pause = Duration::from_millis(net.rng().random_range(1_000..3_000));
        self.set_alarm(net, Alarm::Flip, pause);
    }

    fn is_bridge(&self, peer: NodeId) -> bool {
        self.aside.regular.bridges.iter().any(|(bridge, _)| *bridge == peer)
    }

    /// Lets a neighbor on this side begin a flip over a bridge.
    fn spread_bridge(&mut self, net: &mut impl Transport<Node>) {
        let now = net.now();
        let firsts = self.neighbors.iter().filter(|&peer| self.may_go(now, peer) && !self.is_bridge(peer));
        let first = firsts.choose(net.rng());
        if let Some((_, times)) = self.aside.regular.bridges.iter_mut().max_by_key(|(_, times)| *times) {
            *times -= 1;
        }
        if let Some(first) = first {
            let flip = (first, net.rng().next_u32());
            net.send(first, Word::Flip(flip, Flip::Begin).into());
        }
        self.spread_soon(net);
    }

    /// Whether this node can take part, with one neighbor more for a moment: not more than it may have in calm, when it flips.
    fn can_flip(&self) -> bool {
        self.aside.state == State::Member && self.aside.regular.flip.is_none() && self.load() < SOFT
    }

    /// Whether a link may be ended by a flip.
    fn may_go(&self, now: LocalTime, peer: NodeId) -> bool {
        self.may_stay(now, peer) && !self.is_locked(now, peer)
    }

    /// Whether a flip may rely on a link.
    fn may_stay(&self, now: LocalTime, peer: NodeId) -> bool {
        self.neighbors.contains(peer)
            && !self.is_shed(now, peer)
            && !self.is_reserved(peer)
            && !self.aside.regular.leavers.contains(&peer)
    }

    /// Whether a node may become a neighbor by a flip.
    fn may_come(&self, me: NodeId, node: NodeId) -> bool {
        node != me && !self.neighbors.contains(node) && !self.is_courting(node)
    }

    fn take_part(
        &mut self,
        now: LocalTime,
        flip: (NodeId, u32),
        place: Place,
        old: NodeId,
        middle: Option<NodeId>,
        new: Option<NodeId>,
    ) {
        let (since, until) = (now, later(now, LOCK_TIME));
        self.aside.regular.flip = Some(Part { flip, place, old, middle, new, arrived: false, since, until });
    }

    pub(super) fn on_flip(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        flip: (NodeId, u32),
        word: Flip,
    ) {
        match word {
            Flip::Begin => self.on_begin(net, from, flip),
            Flip::Second(list) => self.on_second(net, from, flip, list),
            Flip::Third(list) => self.on_third(net, from, flip, list),
            Flip::Fourth(second) => self.on_fourth(net, from, flip, second),
            Flip::No => self.on_no(net, from, flip),
            Flip::Linked => self.on_linked(net, from, flip),
            Flip::Go(third) => self.on_go(net, from, flip, third),
            Flip::End => self.on_end(net, from, flip),
        }
    }

    fn on_begin(&mut self, net: &mut impl Transport<Node>, from: NodeId, flip: (NodeId, u32)) {
        let came_before = self.aside.regular.passed_before(flip, Place::A as u16);
        if flip.0 == net.me() && !came_before && self.may_go(net.now(), from) {
            self.begin_flip(net, flip, from);
        }
    }

    fn begin_flip(&mut self, net: &mut impl Transport<Node>, flip: (NodeId, u32), second: NodeId) {
        if self.can_flip() {
            self.take_part(net.now(), flip, Place::A, second, None, None);
            let list = self.list_for(second);
            net.send(second, Word::Flip(flip, Flip::Second(list)).into());
        }
    }

    fn on_second(&mut self, net: &mut impl Transport<Node>, from: NodeId, flip: (NodeId, u32), list: List) {
        let now = net.now();
        if self.aside.regular.passed_before(flip, Place::B as u16) {
            return;
        }
        let thirds = self.neighbors.iter().filter(|third| *third != from && !list.nodes.contains(third));
        let thirds: Vec<NodeId> = thirds.filter(|&third| self.may_stay(now, third)).collect();
        let bridges = thirds.iter().filter(|&&third| self.is_bridge(third));
        let third = bridges.choose(net.rng()).or_else(|| thirds.choose(net.rng())).copied();
        let may_flip = self.can_flip() && flip.0 == from && self.may_go(now, from);
        let Some(third) = third.filter(|_| may_flip) else {
            return net.send(from, Word::Flip(flip, Flip::No).into());
        };
        self.note_list(net, from, list);
        self.take_part(now, flip, Place::B, from, Some(third), None);
        let list = self.list_for(third);
        net.send(third, Word::Flip(flip, Flip::Third(list)).into());
    }

    fn on_third(&mut self, net: &mut impl Transport<Node>, from: NodeId, flip: (NodeId, u32), list: List) {
        let (now, first) = (net.now(), flip.0);
        if self.aside.regular.passed_before(flip, Place::C as u16) {
            return;
        }
        let fourths = self.neighbors.iter().filter(|fourth| *fourth != from && !list.nodes.contains(fourth));
        let fourths: Vec<NodeId> = fourths.filter(|&fourth| self.may_go(now, fourth)).collect();
        // On this side of a bridge.
        let inner = fourths.iter().filter(|&&fourth| !self.is_bridge(fourth));
        let fourth = inner.choose(net.rng()).or_else(|| fourths.choose(net.rng())).copied();
        let may_flip = self.can_flip() && self.may_stay(now, from) && self.may_come(net.me(), first);
        let Some(fourth) = fourth.filter(|_| may_flip) else {
            return net.send(from, Word::Flip(flip, Flip::No).into());
        };
        self.note_list(net, from, list);
        self.take_part(now, flip, Place::C, fourth, Some(from), Some(first));
        net.send(fourth, Word::Flip(flip, Flip::Fourth(from)).into());
    }

    fn on_fourth(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        flip: (NodeId, u32),
        second: NodeId,
    ) {
        let now = net.now();
        if self.aside.regular.passed_before(flip, Place::D as u16) {
            return;
        }
        if !self.can_flip() || !self.may_go(now, from) || !self.may_come(net.me(), second) {
            return net.send(from, Word::Flip(flip, Flip::No).into());
        }
        self.take_part(now, flip, Place::D, from, None, Some(second));
        self.court(net, second, Why::Flip(flip));
    }

    /// This node's part in a flip, if there is one.
    fn part(&mut self, now: LocalTime, flip: (NodeId, u32)) -> Option<&mut Part> {
        self.aside.regular.flip.as_mut().filter(|part| part.flip == flip && now < part.until)
    }

    /// Back to where it came from: nothing has changed.
    fn on_no(&mut self, net: &mut impl Transport<Node>, from: NodeId, flip: (NodeId, u32)) {
        let Some(&mut Part { place, old, middle, arrived: false, .. }) = self.part(net.now(), flip) else {
            return;
        };
        let (asked, asker) = match place {
            Place::A => (Some(old), None),
            Place::B => (middle, Some(old)),
            Place::C => (Some(old), middle),
            Place::D => (None, None),
        };
        if asked == Some(from) {
            self.aside.regular.flip = None;
            asker.into_iter().for_each(|asker| net.send(asker, Word::Flip(flip, Flip::No).into()));
        }
    }

    /// The new neighbor does not answer, or takes nobody.
    pub(super) fn flip_failed(&mut self, net: &mut impl Transport<Node>, flip: (NodeId, u32)) {
        if let Some(&mut Part { place, old, arrived: false, .. }) = self.part(net.now(), flip) {
            self.aside.regular.flip = None;
            if place == Place::D {
                net.send(old, Word::Flip(flip, Flip::No).into());
            }
        }
    }

    /// Whether a peer may become a neighbor for a flip that it names.
    pub(super) fn expects(&mut self, now: LocalTime, peer: NodeId, flip: (NodeId, u32)) -> bool {
        match self.part(now, flip) {
            // Who comes c has chosen.
            Some(part) if part.place == Place::B => *part.new.get_or_insert(peer) == peer,
            Some(part) => part.place == Place::C && part.new == Some(peer),
            None => false,
        }
    }

    /// There is a new neighbor.
    pub(super) fn flip_goes_on(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        let now = net.now();
        let Some(part) = self.aside.regular.flip.as_mut() else { return };
        if part.new != Some(peer) || part.arrived || part.until <= now {
            return;
        }
        // b will be told by d.
        part.arrived = part.place != Place::B;
        if part.place == Place::C {
            part.until = later(now, LOCK_TIME);
        }
        let Part { flip, place, old, .. } = *part;
        self.aside.regular.flipped = Some(now);
        match place {
            Place::A => net.send(old, Word::Flip(flip, Flip::Linked).into()),
            Place::D => net.send(peer, Word::Flip(flip, Flip::Linked).into()),
            Place::B | Place::C => {}
        }
    }

    fn on_linked(&mut self, net: &mut impl Transport<Node>, from: NodeId, flip: (NodeId, u32)) {
        let now = net.now();
        let Some(part) = self.part(now, flip).filter(|part| part.place == Place::B) else { return };
        if part.new == Some(from) && !part.arrived {
            (part.arrived, part.since, part.until) = (true, now, later(now, LOCK_TIME));
            let Part { old, middle, .. } = *part;
            middle.into_iter().for_each(|third| net.send(old, Word::Flip(flip, Flip::Go(third)).into()));
        } else if part.old == from && part.arrived {
            self.end_flipped(net);
        }
    }

    fn on_go(&mut self, net: &mut impl Transport<Node>, from: NodeId, flip: (NodeId, u32), third: NodeId) {
        let now = net.now();
        let may_come = self.may_come(net.me(), third);
        let Some(part) = self.part(now, flip).filter(|part| part.place == Place::A) else { return };
        if part.old == from && part.new.is_none() && may_come {
            (part.new, part.until) = (Some(third), later(now, LOCK_TIME));
            self.court(net, third, Why::Flip(flip));
        }
    }

    fn on_end(&mut self, net: &mut impl Transport<Node>, from: NodeId, flip: (NodeId, u32)) {
        let part = self.part(net.now(), flip);
        if part.is_some_and(|part| part.place == Place::C && part.middle == Some(from) && part.arrived) {
            self.end_flipped(net);
        }
    }

    /// Ends the old link (b and c), if all others that keep the way still do so for sure.
    fn end_flipped(&mut self, net: &mut impl Transport<Node>) {
        let now = net.now();
        let Some(Part { flip, place, old, middle: Some(middle), new: Some(new), since, .. }) =
            self.aside.regular.flip
        else {
            return;
        };
        let holds = later(now, MARGIN) < later(since, LOCK_TIME);
        let are_there = [old, middle, new].iter().all(|&peer| self.neighbors.contains(peer));
        if !holds || !are_there || self.aside.state != State::Member {
            return;
        }
        self.remember_split(net, old, middle);
        if place == Place::B {
            net.send(middle, Word::Flip(flip, Flip::End).into());
        }
        // It goes on to keep its links: b for c, which is yet to do this; c until a knows for sure that b is gone. If c left
        // at once, a might take b for an heir to whom it is linked already.
        self.drop_neighbor(net, old);
    }

    /// Whether a link is gone by a flip (a and d), which is over then.
    pub(super) fn flip_ended(&mut self, net: &mut impl Transport<Node>, peer: NodeId) -> bool {
        let Some(Part { place: Place::A | Place::D, old, new: Some(new), arrived: true, until, .. }) =
            self.aside.regular.flip
        else {
            return false;
        };
        let is_over = old == peer && net.now() < until && self.neighbors.contains(new);
        if is_over {
            self.remember_split(net, peer, new);
            self.aside.regular.flip = None;
        }
        is_over
    }
}

#[cfg(test)]
mod tests;
