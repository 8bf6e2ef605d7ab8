//! Heirs (§3.2). Neighbors tell each other whom they neighbor. When one crashes, its neighbors, sorted by identity, link
//! along a path: each dials those before and after it in its own view, and goes on to the next when one does not answer.
//!
//! First of all a node dials the lost one itself: the link may have broken, and nobody have died.

use super::super::Node;
use super::super::links::Errand;
use super::{Aim, Alarm, HARD, Regular, Why, Word};
use crate::id::NodeId;
use crate::time::LocalTime;
use crate::transport::Transport;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Changes within this time are told together.
const BATCH_TIME: Duration = Duration::from_millis(1_500);
/// A neighbor is told of more changes than this at once, of fewer with the next shuffle.
const MOST_CHANGES: u8 = 7;
/// Who knows fewer nodes than this tells its neighbors everything at once: they may all have to know each other.
const SMALL: usize = 16;
/// A node cares for so many dead neighbors at once; of more, the first are forgotten: then it is the book's turn.
const MOST_LEGACIES: usize = 2 * HARD;
/// So long after a loss a node looks for neighbors in its book rather than around it.
const SHAKEN: Duration = Duration::from_secs(30);
/// After a loss, so many nodes that answer are made neighbors.
const DOUBT: u32 = 3;

/// The neighbors of a neighbor.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct List {
    /// Counts the times that they were told.
    version: u32,
    /// At most ten.
    pub(super) nodes: Vec<NodeId>,
}

/// What is to be done in the place of a neighbor that is gone.
#[derive(Clone, Debug)]
pub(super) struct Legacy {
    dead: NodeId,
    /// Those after this node, the nearest first, those before it, and those behind it on a link that it split: who is
    /// dialled is the first of each.
    directions: [Vec<NodeId>; 3],
    /// Whether the neighbor itself was found to be gone.
    begun: bool,
}

impl Node {
    pub(super) fn list_of(&self, peer: NodeId) -> Option<&List> {
        self.aside.regular.lists.iter().find(|(node, _)| *node == peer).map(|(_, list)| list)
    }

    pub(super) fn neighbors_changed(&mut self, net: &mut impl Transport<Node>) {
        self.aside.regular.untold.iter_mut().for_each(|(_, changes)| *changes = changes.saturating_add(1));
        self.set_alarm(net, Alarm::Lists, BATCH_TIME);
    }

    /// The neighbors of this node, to be told to a peer.
    pub(super) fn list_for(&mut self, peer: NodeId) -> List {
        let Regular { untold, version, .. } = &mut self.aside.regular;
        *version += 1;
        untold.retain(|(node, _)| *node != peer && self.neighbors.contains(*node));
        untold.push((peer, 0));
        List { version: *version, nodes: self.neighbors.iter().take(HARD).collect() }
    }

    /// Tells those that know least. The others hear of it with the next shuffle: an heir that is missing in a list has
    /// got that list itself, and finds the others.
    pub(super) fn tell_neighbors(&mut self, net: &mut impl Transport<Node>) {
        let most = if self.is_small() { 0 } else { MOST_CHANGES };
        for peer in self.neighbors.to_vec() {
            let changes = self.aside.regular.untold.iter().find(|(node, _)| *node == peer);
            if changes.is_none_or(|&(_, changes)| changes > most) {
                let list = self.list_for(peer);
                net.send(peer, Word::Neighbors(list).into());
            }
        }
    }

    /// Whether it knows so few nodes that they may be all.
    fn is_small(&self) -> bool {
        self.aside.regular.book.len() < SMALL
    }

    pub(super) fn on_neighbors(&mut self, net: &mut impl Transport<Node>, from: NodeId, list: List) {
        if !self.neighbors.contains(from) {
            return self.contradict(net, from);
        }
        self.note_list(net, from, list);
        if self.neighbors.len() < super::TARGET {
            self.tend(net);
        }
    }

    /// A peer says what only neighbors say to each other, and is none: only one of two ends believes in this. On links that
    /// lose messages, half of a handshake may be all that there was.
    pub(in super::super) fn contradict(&mut self, net: &mut impl Transport<Node>, from: NodeId) {
        if self.is_regular() && !self.is_courting(from) {
            net.send(from, Word::Bye.into());
        }
    }

    pub(super) fn note_list(&mut self, net: &mut impl Transport<Node>, from: NodeId, mut list: List) {
        list.nodes.truncate(HARD);
        list.nodes.iter().for_each(|&node| self.note_address(net, node, from));
        let lists = &mut self.aside.regular.lists;
        match lists.iter_mut().find(|(node, _)| *node == from) {
            Some((_, known)) if known.version >= list.version => {}
            Some((_, known)) => *known = list,
            None => lists.push((from, list)),
        }
    }

    /// The heirs of a leaving node in an order in which few links are missing between one and the next: it begins with
    /// the one with the most neighbors, and goes on over links as far as it knows any.
    pub(in super::super) fn along_links(&self, mut heirs: Vec<NodeId>) -> Vec<NodeId> {
        let nodes = |peer: NodeId| self.list_of(peer).map_or(&[][..], |list| &list.nodes);
        let mut path: Vec<NodeId> = Vec::with_capacity(heirs.len());
        while !heirs.is_empty() {
            let is_next = |heir: NodeId| path.last().is_some_and(|&last| nodes(last).contains(&heir));
            let places = 0..heirs.len();
            // (Of several the first: who is first is given.)
            let next = places.rev().max_by_key(|&place| (is_next(heirs[place]), nodes(heirs[place]).len()));
            path.extend(next.map(|place| heirs.remove(place)));
        }
        path
    }

    pub(super) fn is_shaken(&self, now: LocalTime) -> bool {
        self.aside.regular.shaken.is_some_and(|shaken| now - shaken < SHAKEN)
    }

    /// A neighbor is gone that had not said that it would go.
    pub(super) fn lost_unawares(&mut self, net: &mut impl Transport<Node>, dead: NodeId, list: List) {
        let me = net.identity(net.me());
        let mut heirs = list.nodes;
        heirs.retain(|&heir| heir != net.me() && heir != dead);
        heirs.sort_by_cached_key(|&heir| net.identity(heir));
        let after = heirs.partition_point(|&heir| net.identity(heir) < me);
        let next = heirs.split_off(after);
        heirs.reverse();
        let shadows = self.shadows_of(net.now(), dead);
        let regular = &mut self.aside.regular;
        (regular.shaken, regular.doubt) = (Some(net.now()), DOUBT);
        // Another one of this name counts anew.
        regular.legacies.retain(|legacy| legacy.dead != dead);
        if regular.legacies.len() >= MOST_LEGACIES {
            regular.legacies.remove(0);
        }
        regular.legacies.push(Legacy { dead, directions: [next, heirs, shadows], begun: false });
        self.visit(net, dead, Errand::Regular(Aim::Woo(Why::Relink)));
    }

    /// The lost neighbor does not answer: it is the heirs' turn.
    pub(super) fn relink_failed(&mut self, net: &mut impl Transport<Node>, dead: NodeId) {
        let legacies = &mut self.aside.regular.legacies;
        let Some(legacy) = legacies.iter_mut().find(|legacy| legacy.dead == dead && !legacy.begun) else {
            return;
        };
        legacy.begun = true;
        let firsts: Vec<NodeId> =
            legacy.directions.iter().filter_map(|heirs| heirs.first().copied()).collect();
        for heir in firsts {
            self.try_heir(net, dead, heir);
        }
    }

    fn try_heir(&mut self, net: &mut impl Transport<Node>, dead: NodeId, heir: NodeId) {
        if self.neighbors.contains(heir) {
            self.legacies_reached(heir);
        } else {
            self.court(net, heir, Why::Heir(dead));
        }
    }

    /// An heir does not answer, or can take nobody: the next one.
    pub(super) fn legacy_goes_on(&mut self, net: &mut impl Transport<Node>, dead: NodeId, heir: NodeId) {
        let mut nexts = Vec::new();
        for legacy in
            self.aside.regular.legacies.iter_mut().filter(|legacy| legacy.dead == dead && legacy.begun)
        {
            for heirs in legacy.directions.iter_mut().filter(|heirs| heirs.first() == Some(&heir)) {
                heirs.remove(0);
                nexts.extend(heirs.first());
            }
        }
        for next in nexts {
            self.try_heir(net, dead, next);
        }
        self.forget_legacies();
    }

    /// A node is a neighbor: so far the path is there.
    pub(super) fn legacies_reached(&mut self, peer: NodeId) {
        let legacies = &mut self.aside.regular.legacies;
        legacies.retain(|legacy| legacy.dead != peer);
        for heirs in legacies.iter_mut().flat_map(|legacy| &mut legacy.directions) {
            if heirs.first() == Some(&peer) {
                heirs.clear();
            }
        }
        self.forget_legacies();
    }

    fn forget_legacies(&mut self) {
        let is_done = |legacy: &Legacy| legacy.directions.iter().all(Vec::is_empty);
        self.aside.regular.legacies.retain(|legacy| !is_done(legacy) || !legacy.begun);
    }
}
