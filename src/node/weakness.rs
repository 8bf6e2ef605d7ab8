//! Nodes that lack something which the protocol needs. Whoever judges networks can see with them what his judgement is
//! worth: a judge that does not notice a missing retry proves nothing about retries.

use super::{Node, NodeConfig, NodeMessage, NodeRecord, flood};
use crate::id::NodeId;
use crate::message::Payload;
use crate::protocol::Notice;
use crate::transport::{Durability, Transport};
use rustc_hash::FxHashSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a weakened node lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    /// It delivers every copy of a broadcast that comes. (It passes on the first only: otherwise no flood would end.)
    NoDuplicateMemory,
    /// It looks for no neighbors in the place of those that it lost, and is nobody's heir.
    NoRepair,
    /// A search, a link or a direct message that failed is not tried again.
    NoRetry,
    /// It writes nothing into its log, and takes it for safe.
    NoLog,
    /// It forgets an address as soon as a link to it failed.
    ForgetsAddresses,
    /// It passes broadcasts on to one neighbor only.
    OneNeighbor,
    /// It takes two broadcasts with the same title and text for one.
    ContentId,
    /// After a crash it numbers its broadcasts from 0 again, as if it had but one life: its incarnation is always the same.
    ReusedSequences,
    /// It does not make up for what it missed.
    NoReconciliation,
}

impl Weakness {
    /// All of them, in their order.
    pub const ALL: [Weakness; 9] = [
        Weakness::NoDuplicateMemory,
        Weakness::NoRepair,
        Weakness::NoRetry,
        Weakness::NoLog,
        Weakness::ForgetsAddresses,
        Weakness::OneNeighbor,
        Weakness::ContentId,
        Weakness::ReusedSequences,
        Weakness::NoReconciliation,
    ];

    /// Its name, as in scenario files.
    pub fn name(self) -> &'static str {
        match self {
            Weakness::NoDuplicateMemory => "no_duplicate_memory",
            Weakness::NoRepair => "no_repair",
            Weakness::NoRetry => "no_retry",
            Weakness::NoLog => "no_log",
            Weakness::ForgetsAddresses => "forgets_addresses",
            Weakness::OneNeighbor => "one_neighbor",
            Weakness::ContentId => "content_id",
            Weakness::ReusedSequences => "reused_sequences",
            Weakness::NoReconciliation => "no_reconciliation",
        }
    }

    /// Nodes with each weakness in turn, otherwise as configured.
    pub(super) fn variants(config: &NodeConfig) -> Vec<(&'static str, NodeConfig)> {
        let weak = |weakness| NodeConfig { weakness: Some(weakness), ..config.clone() };
        Weakness::ALL.into_iter().map(|weakness| (weakness.name(), weak(weakness))).collect()
    }
}

/// How many copies of broadcasts came in vain, and in what the node differs from the plain one: in one word, because
/// every copy reads both, and no more fits into the cache line that it reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally(u64);

impl Tally {
    /// Above these bits stands one for whether the node reconciles, and then the weakness, counted from 1.
    const COUNT_BITS: u32 = 55;

    pub(super) fn of(weakness: Option<Weakness>, reconciles: bool) -> Tally {
        let weakness = weakness.map_or(0, |weakness| 1 + weakness as u64);
        Tally((weakness << 1 | u64::from(reconciles)) << Tally::COUNT_BITS)
    }

    #[inline]
    pub(super) fn count(&mut self) {
        self.0 += 1;
    }

    /// Whether the node is weakened or reconciles: all that a plain flood asks.
    #[inline]
    pub(super) fn is_special(self) -> bool {
        self.0 >> Tally::COUNT_BITS != 0
    }

    #[inline]
    pub(super) fn reconciles(self) -> bool {
        self.0 >> Tally::COUNT_BITS & 1 != 0
    }

    pub(super) fn duplicates(self) -> u64 {
        self.0 & ((1 << Tally::COUNT_BITS) - 1)
    }

    fn weakness(self) -> Option<Weakness> {
        let place = (self.0 >> (Tally::COUNT_BITS + 1)) as usize;
        Some(Weakness::ALL[place.checked_sub(1)?])
    }
}

/// What a node that tells broadcasts apart by their content alone has seen. Looked up only.
#[derive(Debug, Default)]
pub(super) struct Contents(FxHashSet<(String, String)>);

impl Node {
    /// Whether it lacks this.
    pub(super) fn lacks(&self, weakness: Weakness) -> bool {
        self.tally.weakness() == Some(weakness)
    }

    /// A broadcast came in at a node that is weakened or reconciles.
    #[cold]
    pub(super) fn receive_specially(
        &mut self,
        net: &mut impl Transport<Node>,
        from: Option<NodeId>,
        payload: Payload,
        hops: u32,
    ) {
        let is_unseen =
            if self.tally.reconciles() { self.would_take(net, payload) } else { self.is_new(net, payload) };
        if is_unseen && !(self.lacks(Weakness::ContentId) && self.is_known(net, payload)) {
            self.take_in(net, from, payload, hops);
        } else {
            self.tally.count();
            if self.lacks(Weakness::NoDuplicateMemory) {
                net.notify(Notice::Delivered { payload, hops });
            }
        }
        self.follow_up(net);
    }

    fn take_in(&mut self, net: &mut impl Transport<Node>, from: Option<NodeId>, payload: Payload, hops: u32) {
        let keeps_log = !self.lacks(Weakness::NoLog);
        if keeps_log && net.append(NodeRecord::of(from, payload)) == Durability::Pending {
            return self.await_sync(net, from, payload, hops);
        }
        net.notify(Notice::Delivered { payload, hops });
        self.pass_on(net, from, payload, hops);
    }

    /// Passes a broadcast on that is new here.
    pub(super) fn pass_on(
        &mut self,
        net: &mut impl Transport<Node>,
        from: Option<NodeId>,
        payload: Payload,
        hops: u32,
    ) {
        if self.tally.reconciles() {
            return self.enter_and_pass_on(net, from, payload, hops);
        }
        self.spread(net, from, payload, hops);
    }

    /// Floods a broadcast as far as the node does that.
    pub(super) fn spread(
        &self,
        net: &mut impl Transport<Node>,
        from: Option<NodeId>,
        payload: Payload,
        hops: u32,
    ) {
        if !self.lacks(Weakness::OneNeighbor) {
            return flood::spread(net, &self.neighbors, from, payload, hops);
        }
        if let Some(peer) = self.neighbors.iter().find(|&peer| Some(peer) != from) {
            net.send(peer, NodeMessage::Data { payload, hops: hops.saturating_add(1) });
        }
    }

    /// Whether a broadcast with this title and text has come before.
    fn is_known(&mut self, net: &impl Transport<Node>, payload: Payload) -> bool {
        let message = &net.broadcast(payload).message;
        !self.aside.contents.0.insert((message.title.clone(), message.message.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_and_what_is_special_share_a_word() {
        for weakness in Weakness::ALL.map(Some).into_iter().chain([None]) {
            for reconciles in [false, true] {
                let mut tally = Tally::of(weakness, reconciles);
                (0..300).for_each(|_| tally.count());
                assert_eq!((tally.weakness(), tally.reconciles()), (weakness, reconciles));
                assert_eq!(tally.is_special(), weakness.is_some() || reconciles);
                assert_eq!(tally.duplicates(), 300);
            }
        }
    }
}
