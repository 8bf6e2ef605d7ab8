//! The log: what a node has on disk, and what waits to be there.
//!
//! *Deliver is the synced append.* A node delivers a broadcast when its record is safe, so that after a crash it knows of
//! everything that its application got. A relay passes on at once; an origin only when its own record is safe, so that
//! nobody ever hears of a broadcast that its origin has forgotten. Where a record is safe at once, all that happens at once.
//!
//! Of its own series a node needs no record beside these. What it published is in the log as such, or else no copy of it ever
//! left: the next life goes on right after the last sequence number that it finds, under the same incarnation. Numbers
//! that were reserved ahead and skipped would be holes that nobody can ever fill.

use super::{Node, Weakness};
use crate::id::NodeId;
use crate::message::Payload;
use crate::protocol::Notice;
use crate::transport::Transport;
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

/// What waits to be safe.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// How many records of this life that had to wait are safe.
    safe: u64,
    /// One for each record after those, in order.
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    payload: Payload,
    hops: u32,
    is_own: bool,
}

impl Unsynced {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Of those how many are not the node's own.
    pub(super) fn foreign(&self) -> usize {
        self.waiting.iter().filter(|waiting| !waiting.is_own).count()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_WAITING
    }
}

impl Node {
    /// A new life: takes up what is in the log, in the order in which it got there.
    pub(super) fn recover(&mut self, net: &impl Transport<Node>, log: &[NodeRecord]) {
        let begins_anew = self.lacks(Weakness::ReusedSequences);
        let delivered = log.iter().map(|record| match *record {
            NodeRecord::Delivered { payload } | NodeRecord::Published { payload } => payload,
        });
        if self.tally.reconciles() {
            delivered.for_each(|payload| self.recover_one(net, payload));
        } else {
            for payload in delivered {
                self.record(net, payload);
            }
        }
        for record in log {
            // Others may have told it of what it published before it lost its log: that series is not its own any more.
            let NodeRecord::Published { payload } = *record else { continue };
            let broadcast = net.broadcast(payload);
            let publisher = &mut self.aside.publisher;
            publisher.restored = Some(broadcast.origin.incarnation);
            if !begins_anew {
                publisher.next_sequence = broadcast.sequence + 1;
            }
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
        self.aside.unsynced.waiting.push_back(Waiting { payload, hops, is_own });
        if let Some(from) = from {
            self.pass_on(net, Some(from), payload, hops);
            if self.aside.unsynced.is_full() {
                // More would come than the disk takes. A link that ends can be seen, a message that is dropped cannot.
                net.close(from);
            }
        }
    }

    /// So many records of this life are safe now: what they are about is delivered.
    pub(super) fn deliver_synced(&mut self, net: &mut impl Transport<Node>, records: u64) {
        while self.aside.unsynced.safe < records {
            let unsynced = &mut self.aside.unsynced;
            let Some(Waiting { payload, hops, is_own }) = unsynced.waiting.pop_front() else { return };
            unsynced.safe += 1;
            net.notify(Notice::Delivered { payload, hops });
            if is_own {
                self.pass_on(net, None, payload, hops);
            }
        }
    }
}
