//! The census: counting the network from any node, by an echo wave (Chang: "Echo algorithms: depth parallel operations
//! on general graphs", IEEE TSE 1982).
//!
//! The initiator explores to all its neighbors. Who is reached first by a peer takes that one for its parent and explores to
//! all others; a second exploration is an answer in itself. Who has all answers echoes their sum, and itself, to its
//! parent. Exact as long as nobody joins or leaves meanwhile and links are reliable.

use super::{Control, Node, Wave};
use crate::id::NodeId;
use crate::protocol::{Census, Notice};
use crate::transport::Transport;
use rustc_hash::{FxHashMap, FxHashSet};

/// How many waves a node remembers. Of more, one that has ended is forgotten, or else the oldest, which then counts
/// too few.
const MOST_WAVES: usize = 1_024;

/// Of how many initiators it remembers the latest wave. More there are only if somebody makes them up; then it forgets them, and
/// passes a wave that is still under way on once more.
const MOST_INITIATORS: usize = 1 << 16;

/// The waves that a node has seen.
#[derive(Debug, Default)]
pub(super) struct Waves {
    seen: Vec<Passing>,
    /// The latest wave of each initiator: an older one is never passed on again, however much is forgotten.
    latest: FxHashMap<NodeId, u32>,
    own: u32,
}

/// A wave as it passes a node.
#[derive(Debug)]
struct Passing {
    wave: Wave,
    /// None at the initiator.
    parent: Option<NodeId>,
    /// Peers that have not answered yet. Looked up only.
    waiting: FxHashSet<NodeId>,
    sum: Census,
    ended: bool,
}

impl Node {
    pub(super) fn take_census(&mut self, net: &mut impl Transport<Node>) {
        let waves = &mut self.aside.waves;
        waves.own += 1;
        let wave = Wave { initiator: net.me(), number: waves.own };
        self.explore_on(net, wave, None);
    }

    /// Begins a wave, or passes it on to all but the one from whom it came.
    fn explore_on(&mut self, net: &mut impl Transport<Node>, wave: Wave, parent: Option<NodeId>) {
        let mut waiting = FxHashSet::default();
        for peer in self.neighbors.iter().filter(|&peer| Some(peer) != parent) {
            waiting.insert(peer);
            net.send(peer, Control::Explore(wave).into());
        }
        let neighbors = self.neighbors.len() as u32;
        let sum = Census {
            nodes: 1,
            link_ends: neighbors.into(),
            least_neighbors: neighbors,
            most_neighbors: neighbors,
        };
        let waves = &mut self.aside.waves;
        if waves.latest.len() >= MOST_INITIATORS {
            waves.latest.clear();
        }
        waves.latest.insert(wave.initiator, wave.number);
        if waves.seen.len() == MOST_WAVES {
            let ended = waves.seen.iter().position(|passing| passing.ended);
            waves.seen.remove(ended.unwrap_or(0));
        }
        let mut passing = Passing { wave, parent, waiting, sum, ended: false };
        passing.end(net);
        waves.seen.push(passing);
    }

    pub(super) fn on_explore(&mut self, net: &mut impl Transport<Node>, from: NodeId, wave: Wave) {
        let waves = &mut self.aside.waves;
        if waves.latest.get(&wave.initiator).is_none_or(|&latest| latest < wave.number) {
            return self.explore_on(net, wave, Some(from));
        }
        match waves.answered(wave, from) {
            // Both explored to each other: an answer for both.
            Some(passing) => passing.end(net),
            // A neighbor since the wave passed here; it waits for an answer all the same.
            None => net.send(from, Control::Echo(wave, Census::default()).into()),
        }
    }

    pub(super) fn on_echo(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        wave: Wave,
        census: Census,
    ) {
        if let Some(passing) = self.aside.waves.answered(wave, from) {
            passing.sum = sum(passing.sum, census);
            passing.end(net);
        }
    }

    /// A peer is gone: it answers no more, and waits for no answer.
    pub(super) fn wave_lost(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        for passing in &mut self.aside.waves.seen {
            passing.waiting.remove(&peer);
            passing.ended |= passing.parent == Some(peer);
            passing.end(net);
        }
    }
}

impl Waves {
    /// A peer that a wave waited for has answered it.
    fn answered(&mut self, wave: Wave, peer: NodeId) -> Option<&mut Passing> {
        let passing = self.seen.iter_mut().find(|passing| passing.wave == wave)?;
        passing.waiting.remove(&peer).then_some(passing)
    }
}

impl Passing {
    /// Echoes the wave, once it waits for nobody any more.
    fn end(&mut self, net: &mut impl Transport<Node>) {
        if self.ended || !self.waiting.is_empty() {
            return;
        }
        self.ended = true;
        match self.parent {
            Some(parent) => net.send(parent, Control::Echo(self.wave, self.sum).into()),
            None => net.notify(Notice::Counted(self.sum)),
        }
    }
}

fn sum(a: Census, b: Census) -> Census {
    if b.nodes == 0 {
        return a;
    }
    Census {
        nodes: a.nodes + b.nodes,
        link_ends: a.link_ends + b.link_ends,
        least_neighbors: a.least_neighbors.min(b.least_neighbors),
        most_neighbors: a.most_neighbors.max(b.most_neighbors),
    }
}
