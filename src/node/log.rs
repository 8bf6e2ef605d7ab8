//! The log: what a node has on disk, and what waits to be there.
//!
//! *Deliver is the synced append.* A node delivers a broadcast when its record is safe, so that after a crash it knows of
//! everything that its application got. A relay passes on at once; an origin only when its own record is safe, so that
//! nobody ever hears of a broadcast that its origin has forgotten. Where a record is safe at once, all that happens at once.
//!
//! Of its own series a node needs no record beside these. What it published is in the log as such, or else no copy of it ever
//! left: the next life goes on right after the last sequence number that it finds, under the same incarnation. Numbers
//! that were reserved ahead and skipped would be holes that nobody can ever fill.

use super::{Node, NodeConfig, Weakness};
use crate::id::NodeId;
use crate::message::Payload;
use crate::protocol::Notice;
use crate::transport::{Durability, Transport};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many deliveries wait for the disk before a node takes no more.
const MOST_WAITING: usize = 65_536;

/// What a node writes into its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum NodeRecord {
    /// The application has this broadcast of another node, or of an earlier life without its log.
    Delivered {
        /// Which one.
        payload: Payload,
    },
    /// The application has this broadcast, which the node published.
    Published {
        /// Which one.
        payload: Payload,
    },
    /// This node became a neighbor: to be dialled first in the next life. (Of the overlay `regular`.)
    Neighbor {
        /// Which one.
        peer: NodeId,
    },
}

impl NodeRecord {
    /// The record of a broadcast that came from a peer, or is the node's own.
    #[inline]
    pub(super) fn of(from: Option<NodeId>, payload: Payload) -> NodeRecord {
        match from {
            Some(_) => NodeRecord::Delivered { payload },
            None => NodeRecord::Published { payload },
        }
    }
}

/// Of its neighbors a node remembers the last so many.
const MOST_NEIGHBORS: usize = 16;

/// What a later life still needs: broadcasts whose copies may still come, the end of its own series, its last neighbors.
pub(super) fn worth_keeping(
    config: &NodeConfig,
    log: Vec<NodeRecord>,
    net: &impl Transport<Node>,
) -> Vec<NodeRecord> {
    // Without reconciliation nobody knows when the last copy has come.
    let Some(reconcile) = &config.reconcile else { return log };
    let age = u64::try_from(reconcile.retention.as_micros()).unwrap_or(u64::MAX).saturating_mul(10);
    let oldest = net.calendar().micros().saturating_sub(age);
    let last_own = log.iter().rposition(|record| matches!(record, NodeRecord::Published { .. }));
    let mut neighbors: Vec<NodeId> = Vec::new();
    let mut keeps = |(place, record): (usize, &NodeRecord)| match *record {
        NodeRecord::Delivered { payload } | NodeRecord::Published { payload } => {
            Some(place) == last_own || net.broadcast(payload).message.time.micros() >= oldest
        }
        NodeRecord::Neighbor { peer } => {
            let is_kept = neighbors.len() < MOST_NEIGHBORS && !neighbors.contains(&peer);
            if is_kept {
                neighbors.push(peer);
            }
            is_kept
        }
    };
    // The latest neighbors are those at the end.
    let mut kept: Vec<NodeRecord> =
        log.iter().enumerate().rev().filter(|&entry| keeps(entry)).map(|(_, record)| *record).collect();
    kept.reverse();
    kept
}

/// What waits to be safe.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// How many records of this life that had to wait are safe.
    safe: u64,
    /// One for each record after those, in order; none for a record that is about no broadcast.
    waiting: VecDeque<Option<Waiting>>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    payload: Payload,
    hops: u32,
    is_own: bool,
}

impl Unsynced {
    /// How many broadcasts wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.iter().flatten().count()
    }

    /// Of those how many are not the node's own.
    pub(super) fn foreign(&self) -> usize {
        self.waiting.iter().flatten().filter(|waiting| !waiting.is_own).count()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_WAITING
    }
}

impl Node {
    /// A new life: takes up what is in the log, in the order in which it got there.
    pub(super) fn recover(&mut self, net: &mut impl Transport<Node>, log: &[NodeRecord]) {
        for &record in log {
            match record {
                NodeRecord::Delivered { payload } => self.remember_broadcast(net, payload),
                NodeRecord::Published { payload } => {
                    self.remember_broadcast(net, payload);
                    self.resume_series(net, payload);
                }
                NodeRecord::Neighbor { peer } => self.remember_neighbor(net, peer),
            }
        }
    }

    /// Goes on after a broadcast of its own. (Others may have told it of what it published before it lost its log: such
    /// a series is not its own any more.)
    fn resume_series(&mut self, net: &impl Transport<Node>, payload: Payload) {
        let begins_anew = self.lacks(Weakness::ReusedSequences);
        let broadcast = net.broadcast(payload);
        let publisher = &mut self.aside.publisher;
        publisher.restored = Some(broadcast.origin.incarnation);
        if !begins_anew {
            publisher.next_sequence = broadcast.sequence + 1;
        }
    }

    fn remember_broadcast(&mut self, net: &impl Transport<Node>, payload: Payload) {
        if self.tally.reconciles() {
            self.recover_one(net, payload);
        } else {
            self.record(net, payload);
        }
    }

    /// The record of a delivery was written and is not safe yet. `from`: who sent the broadcast, unless it is the node's own.
    #[cold]
    pub(super) fn await_sync(
        &mut self,
        net: &mut impl Transport<Node>,
        from: Option<NodeId>,
        payload: Payload,
        hops: u32,
    ) {
        let is_own = from.is_none();
        self.aside.unsynced.waiting.push_back(Some(Waiting { payload, hops, is_own }));
        if let Some(from) = from {
            self.pass_on(net, Some(from), payload, hops);
            if self.aside.unsynced.is_full() {
                // More would come than the disk takes. A link that ends can be seen, a message that is dropped cannot.
                net.close(from);
            }
        }
    }

    /// Writes down who became a neighbor.
    pub(super) fn log_neighbor(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        if !self.is_regular() || self.lacks(Weakness::NoLog) || self.aside.unsynced.is_full() {
            return;
        }
        if net.append(NodeRecord::Neighbor { peer }) == Durability::Pending {
            self.aside.unsynced.waiting.push_back(None);
        }
    }

    /// So many records of this life are safe now: what they are about is delivered.
    pub(super) fn deliver_synced(&mut self, net: &mut impl Transport<Node>, records: u64) {
        while self.aside.unsynced.safe < records {
            let unsynced = &mut self.aside.unsynced;
            let Some(waiting) = unsynced.waiting.pop_front() else { return };
            unsynced.safe += 1;
            let Some(Waiting { payload, hops, is_own }) = waiting else { continue };
            net.notify(Notice::Delivered { payload, hops });
            if is_own {
                self.pass_on(net, None, payload, hops);
            }
        }
    }
}
