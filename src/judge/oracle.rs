//! The earliest possible delivery: when could a broadcast have come to a node, by any protocol, over the links that there
//! were?
//!
//! Dijkstra's search over nodes in their *spans*: a span is a life, or several in a row between which the node lost nothing.
//! (What a node held before it lost its log is gone: afterwards it is somebody else.) From a node that holds the message,
//! it goes over every session as soon as that is up; a cut holds it until it is over; it takes the link's latency; a
//! receiver that is paused has it when it goes on.
//!
//! The result is a lower bound, for it leaves out what only makes messages slower or loses them: jitter, delays, slow nodes,
//! narrow uplinks, loss. A pause of the *sender* never matters: whoever gets a message, or a link, is at work at that
//! moment, and may send in it. Sessions are taken as they were; another protocol might have linked others.

mod index;
mod stretch;
#[cfg(test)]
mod tests;

pub use stretch::{Haste, Stretch, ratio};

use crate::id::NodeId;
use crate::observe::chronicle::{Chronicle, Publication, Stamp};
use crate::time::{Time, nanos};
use index::Index;
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Tells when broadcasts could have come, in a run that is over.
pub struct Oracle<'a> {
    chronicle: &'a Chronicle,
    latency: &'a dyn Fn(NodeId, NodeId) -> Duration,
    /// Made when it is first asked.
    index: OnceCell<Index<'a>>,
}

/// When one broadcast could have come to each node, at the earliest.
pub struct Earliest<'a> {
    index: &'a Index<'a>,
    /// By span.
    arrivals: Vec<Stamp>,
    /// From which span it comes, and when it leaves there.
    ways: Vec<Option<(u32, Time)>>,
}

/// A step on the way of a broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leg {
    /// From this node …
    pub from: NodeId,
    /// … to this one.
    pub to: NodeId,
    /// When it leaves, any cut behind it.
    pub left: Time,
    /// When it is there, and the receiver handles it.
    pub arrived: Time,
}

impl<'a> Oracle<'a> {
    /// For a run; `latency`: the shortest time that a message takes from one node to another.
    pub fn new(chronicle: &'a Chronicle, latency: &'a dyn Fn(NodeId, NodeId) -> Duration) -> Oracle<'a> {
        Oracle { chronicle, latency, index: OnceCell::new() }
    }

    /// What it looks into.
    pub fn chronicle(&self) -> &'a Chronicle {
        self.chronicle
    }

    /// The broadcast with this number, if the chronicle has it.
    pub fn broadcast(&self, number: usize) -> Option<Earliest<'_>> {
        Some(self.ask(*self.chronicle.publications().get(number)?))
    }

    /// What is published at such a moment.
    pub fn ask(&self, Publication { origin, at }: Publication) -> Earliest<'_> {
        let index = self.index.get_or_init(|| Index::of(self.chronicle));
        let spans = index.spans();
        let mut search = Earliest { index, arrivals: vec![Stamp::NEVER; spans], ways: vec![None; spans] };
        let Some(life) = index.life_at(origin, at) else { return search };
        search.arrivals[life.span as usize] = at;
        let mut open = BinaryHeap::from([Reverse((at, life.span))]);
        while let Some(Reverse((arrival, span))) = open.pop() {
            if arrival == search.arrivals[span as usize] {
                search.go_on(span, arrival, self.latency, &mut open);
            }
        }
        search
    }
}

impl Earliest<'_> {
    /// Goes over every session from a span that the broadcast has reached.
    fn go_on(
        &mut self,
        span: u32,
        arrival: Stamp,
        latency: &dyn Fn(NodeId, NodeId) -> Duration,
        open: &mut BinaryHeap<Reverse<(Stamp, u32)>>,
    ) {
        let (index, from) = (self.index, self.index.node(span));
        index.sessions(from, span, |to, here, there| {
            let sent = arrival.max(here.up);
            if sent >= here.down {
                return;
            }
            let Some(left) = index.passes_cuts(from, to, sent) else { return };
            let arrived = match nanos(latency(from, to)) {
                0 => left,
                length => Stamp::early(left.time.after(length)),
            };
            let handled = index.goes_on(to, arrived.max(there.up));
            if handled < there.down && handled < self.arrivals[there.span as usize] {
                self.arrivals[there.span as usize] = handled;
                self.ways[there.span as usize] = Some((span, left.time));
                open.push(Reverse((handled, there.span)));
            }
        });
    }

    /// When a node could have had it first, in any of its lives.
    pub fn at(&self, node: NodeId) -> Option<Time> {
        self.time(self.first(node))
    }

    /// When a node could have had it so that it still has it at the end.
    pub fn at_last(&self, node: NodeId) -> Option<Time> {
        self.time(self.index.spans_of(node).last()?)
    }

    /// The earliest way to a node, from the origin; empty for the origin itself.
    pub fn path(&self, node: NodeId) -> Option<Vec<Leg>> {
        let mut span = self.first(node);
        self.time(span)?;
        let mut legs = Vec::new();
        while let Some((before, left)) = self.ways[span as usize] {
            let [from, to] = [before, span].map(|span| self.index.node(span));
            legs.push(Leg { from, to, left, arrived: self.arrivals[span as usize].time });
            span = before;
        }
        legs.reverse();
        Some(legs)
    }

    /// Whom a node was linked to at some time from `since` on, by number.
    pub fn peers(&self, node: NodeId, since: Time) -> Vec<NodeId> {
        let mut peers = Vec::new();
        for span in self.index.spans_of(node) {
            self.index.sessions(node, span, |peer, here, _| {
                if here.down.time >= since {
                    peers.push(peer);
                }
            });
        }
        peers.sort_unstable_by_key(|peer| peer.0);
        peers.dedup();
        peers
    }

    /// Whether a node was up at some time from `since` on.
    pub fn was_up(&self, node: NodeId, since: Time) -> bool {
        self.index.was_up(node, since)
    }

    /// How many nodes could have had it at some time, and how many so that they still have it at the end.
    pub fn reach(&self) -> (usize, usize) {
        let count = |can: &dyn Fn(NodeId) -> bool| self.index.nodes().filter(|&node| can(node)).count();
        (count(&|node| self.at(node).is_some()), count(&|node| self.at_last(node).is_some()))
    }

    fn first(&self, node: NodeId) -> u32 {
        let spans = self.index.spans_of(node);
        spans.min_by_key(|&span| self.arrivals[span as usize]).expect("every node has a span")
    }

    fn time(&self, span: u32) -> Option<Time> {
        let arrival = self.arrivals[span as usize];
        (arrival != Stamp::NEVER).then_some(arrival.time)
    }
}
