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
use rustc_hash::FxHashMap;

/// How many waves a node remembers. Of more, one that has ended is forgotten, or else the oldest, which then counts
/// too few.
const MOST_WAVES: usize = 1_024;

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
    /// Peers that have not answered yet.
    waiting: Vec<NodeId>,
    sum: Census,
    ended: bool,
}

impl Node {
    pub(super) fn take_census(&mut self, net: &mut impl Transport<Node>) {
        let waves = &mut self.aside.waves;
        waves.own += 1;
        let wave = Wave { initiator: net.me(), number: waves.own };
        self.pass_on(net, wave, None);
    }

    /// Begins a wave, or passes it on to all but the one from whom it came.
    fn pass_on(&mut self, net: &mut impl Transport<Node>, wave: Wave, parent: Option<NodeId>) {
        let waiting: Vec<NodeId> = self.neighbors.iter().filter(|&peer| Some(peer) != parent).collect();
        for &peer in &waiting {
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
        waves.latest.insert(wave.initiator, wave.number);
        if waves.seen.len() == MOST_WAVES {
            let ended = waves.seen.iter().position(|passing| passing.ended);
            waves.seen.remove(ended.unwrap_or(0));
        }
        waves.seen.push(Passing { wave, parent, waiting, sum, ended: false });
        self.end_waves(net);
    }

    pub(super) fn on_explore(&mut self, net: &mut impl Transport<Node>, from: NodeId, wave: Wave) {
        let waves = &mut self.aside.waves;
        if waves.latest.get(&wave.initiator).is_none_or(|&latest| latest < wave.number) {
            return self.pass_on(net, wave, Some(from));
        }
        match waves.seen.iter_mut().find(|passing| passing.wave == wave && passing.waiting.contains(&from)) {
            // Both explored to each other: an answer for both.
            Some(passing) => {
                passing.waiting.retain(|&peer| peer != from);
                self.end_waves(net);
            }
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
        if let Some(passing) = self.aside.waves.seen.iter_mut().find(|passing| passing.wave == wave)
            && passing.waiting.contains(&from)
        {
            passing.waiting.retain(|&peer| peer != from);
            passing.sum = sum(passing.sum, census);
            self.end_waves(net);
        }
    }

    /// A peer is gone: it answers no more, and waits for no answer.
    pub(super) fn wave_lost(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        for passing in &mut self.aside.waves.seen {
            passing.waiting.retain(|&other| other != peer);
            passing.ended |= passing.parent == Some(peer);
        }
        self.end_waves(net);
    }

    /// Echoes the waves that wait for nobody any more.
    fn end_waves(&mut self, net: &mut impl Transport<Node>) {
        let open = self.aside.waves.seen.iter_mut().filter(|passing| !passing.ended);
        for passing in open.filter(|passing| passing.waiting.is_empty()) {
            passing.ended = true;
            match passing.parent {
                Some(parent) => net.send(parent, Control::Echo(passing.wave, passing.sum).into()),
                None => net.notify(Notice::Counted(passing.sum)),
            }
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
