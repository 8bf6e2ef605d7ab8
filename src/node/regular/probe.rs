//! The book at work: dials after a mass crash (§3.4), probes that never end (§3.5), shuffles (§3.6).
//!
//! Deviations: a shuffle goes to the neighbor that was told of this node's neighbors longest ago, instead of by a walk (what it
//! brings travels on with the next one). Whoever answers a probe becomes a neighbor only if it did not
//! answer before, or if this node lost a neighbor unawares lately, or has fewer than six: everybody else is a part of the same
//! network, as far as one can tell, and a link to him would have to be shed again.

use super::super::Node;
use super::super::links::Errand;
use super::addresses::SAMPLE;
use super::{Aim, Alarm, ENOUGH, List, TARGET, Why, Word};
use crate::id::NodeId;
use crate::transport::Transport;
use rand::RngExt;
use rand::seq::IteratorRandom;
use std::time::Duration;

/// `T_probe`.
const PROBE_TIME: Duration = Duration::from_secs(10);
const SHUFFLE_TIME: Duration = Duration::from_secs(30);
/// So many dials at once at first, and at most.
const FEWEST_DIALS: u32 = 8;
const MOST_DIALS: u32 = 64;
/// Dials under way after a crash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Batch {
    size: u32,
    sent: u32,
    failed: u32,
    open: u32,
}

impl Node {
    /// Dials some entries of the book at once; whether there were any.
    pub(super) fn patch_from_book(&mut self, net: &mut impl Transport<Node>) -> bool {
        let now = net.now();
        let Batch { open, size, .. } = self.aside.regular.batch;
        if open > 0 {
            return true;
        }
        let size = size.clamp(FEWEST_DIALS, MOST_DIALS) as usize;
        let book = &self.aside.regular.book;
        let mut chosen = book.good().filter(|&node| self.is_stranger(node)).sample(net.rng(), size);
        if chosen.is_empty() {
            chosen = book.due(now).filter(|&node| self.is_stranger(node)).sample(net.rng(), size);
        }
        let count = chosen.len() as u32;
        let batch = &mut self.aside.regular.batch;
        (batch.size, batch.sent, batch.failed, batch.open) = (size as u32, count, 0, count);
        for node in chosen {
            self.visit(net, node, Errand::Regular(Aim::Patch));
        }
        count > 0
    }

    fn is_stranger(&self, node: NodeId) -> bool {
        !self.neighbors.contains(node) && !self.is_courting(node) && !self.aside.links.has_errands(node)
    }

    /// Somebody answered.
    pub(super) fn patch(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        self.aside.regular.batch.open = self.aside.regular.batch.open.saturating_sub(1);
        if self.load() < TARGET {
            self.woo(net, peer, Why::Need);
        } else {
            self.part_from(net, peer);
        }
        self.batch_goes_on(net);
    }

    pub(super) fn patch_failed(&mut self, net: &mut impl Transport<Node>) {
        let batch = &mut self.aside.regular.batch;
        batch.open = batch.open.saturating_sub(1);
        batch.failed += 1;
        self.batch_goes_on(net);
    }

    fn batch_goes_on(&mut self, net: &mut impl Transport<Node>) {
        let batch = &mut self.aside.regular.batch;
        if batch.open > 0 {
            return;
        }
        let mostly_failed = batch.failed * 4 > batch.sent * 3;
        batch.size = if mostly_failed { (batch.size * 2).min(MOST_DIALS) } else { FEWEST_DIALS };
        if self.load() < ENOUGH && self.stays() {
            self.patch_from_book(net);
        }
    }

    pub(super) fn keep_probing(&mut self, net: &mut impl Transport<Node>) {
        if self.aside.regular.book.len() == 0 || self.lacks(super::Weakness::NoRepair) {
            return;
        }
        if self.aside.regular.alarms[Alarm::Probe as usize].is_none() {
            let spread = Duration::from_millis(net.rng().random_range(0..2_000));
            self.set_alarm(net, Alarm::Probe, PROBE_TIME - Duration::from_millis(2_000) + spread);
        }
        if self.neighbors.len() > 0 && self.aside.regular.alarms[Alarm::Shuffle as usize].is_none() {
            let spread = Duration::from_millis(net.rng().random_range(0..10_000));
            self.set_alarm(net, Alarm::Shuffle, SHUFFLE_TIME - Duration::from_millis(5_000) + spread);
        }
        self.keep_flipping(net);
    }

    /// Gives up dials of which nothing was heard since the latest probe.
    fn hang_up(&mut self, net: &mut impl Transport<Node>) {
        let opening = self.aside.links.being_opened();
        let before = std::mem::replace(&mut self.aside.regular.dialled, opening.clone());
        for peer in opening.into_iter().filter(|peer| before.contains(peer)) {
            net.close(peer);
        }
    }

    /// Dials the entry that failed and was dialled longest ago, whatever its back-off, so that each has its turn; in turn with
    /// one that never failed. Who has no neighbors at all dials several.
    pub(super) fn probe(&mut self, net: &mut impl Transport<Node>) {
        self.hang_up(net);
        let book = &self.aside.regular.book;
        let is_fresh =
            net.rng().random_ratio(1, 2) || book.due(net.now()).all(|node| !self.is_stranger(node));
        let good = book.good().filter(|&node| is_fresh && self.is_stranger(node)).choose(net.rng());
        let nodes = if let Some(node) = good { vec![node] } else { self.longest_untried() };
        if self.stays() {
            nodes.into_iter().for_each(|node| self.visit(net, node, Errand::Regular(Aim::Probe)));
        }
        self.tend(net);
    }

    fn longest_untried(&self) -> Vec<NodeId> {
        let count = if self.neighbors.len() > 0 { 1 } else { TARGET };
        let failing = self.aside.regular.book.failing();
        let mut strangers: Vec<_> = failing.filter(|&(_, node)| self.is_stranger(node)).collect();
        strangers.sort_by_key(|&(tried, _)| tried);
        strangers.into_iter().take(count).map(|(_, node)| node).collect()
    }

    /// Somebody answered a probe.
    pub(super) fn probed(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        let small = self.neighbors.len() < TARGET;
        let regular = &mut self.aside.regular;
        let is_back = regular.book.answered(net.now(), peer);
        let doubts = regular.doubt > 0;
        regular.doubt = regular.doubt.saturating_sub(1);
        if is_back || doubts {
            self.woo(net, peer, Why::Bridge);
        } else if small {
            self.woo(net, peer, Why::Need);
        }
        self.part_from(net, peer);
    }

    pub(super) fn shuffle(&mut self, net: &mut impl Transport<Node>) {
        // Who was told longest ago.
        let mut untold = self.aside.regular.untold.iter().map(|(peer, _)| *peer);
        if let Some(peer) = untold.find(|&peer| self.neighbors.contains(peer))
            && self.stays()
        {
            let nodes = self.aside.regular.book.sample(net.rng(), peer);
            let list = self.list_for(peer);
            net.send(peer, Word::Shuffle(nodes, list).into());
        }
        self.tend(net);
    }

    pub(super) fn on_shuffle(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        nodes: Vec<NodeId>,
        list: List,
    ) {
        if self.neighbors.contains(from) {
            let answer = self.aside.regular.book.sample(net.rng(), from);
            let mine = self.list_for(from);
            net.send(from, Word::Shuffled(answer, mine).into());
        }
        self.on_shuffled(net, from, nodes, list);
    }

    pub(super) fn on_shuffled(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        nodes: Vec<NodeId>,
        list: List,
    ) {
        for node in nodes.into_iter().take(SAMPLE) {
            self.note_address(net, node, from);
        }
        self.on_neighbors(net, from, list);
    }
}
