//! Nodes that lack something which the protocol needs. Whoever judges networks can see with them what his judgement is
//! worth: a judge that does not notice a missing retry proves nothing about retries.

use super::{Node, NodeConfig};
use crate::id::NodeId;
use crate::message::Payload;
use crate::protocol::Notice;
use crate::transport::Transport;
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
    /// After a crash it numbers its broadcasts from 0 again, under the incarnation that it had.
    ReusedSequences,
}

impl Weakness {
    /// All of them.
    pub const ALL: [Weakness; 8] = [
        Weakness::NoDuplicateMemory,
        Weakness::NoRepair,
        Weakness::NoRetry,
        Weakness::NoLog,
        Weakness::ForgetsAddresses,
        Weakness::OneNeighbor,
        Weakness::ContentId,
        Weakness::ReusedSequences,
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
        }
    }

    /// Nodes with each weakness in turn, otherwise as configured.
    pub(super) fn variants(config: &NodeConfig) -> Vec<(&'static str, NodeConfig)> {
        let weak = |weakness| NodeConfig { weakness: Some(weakness), ..config.clone() };
        Weakness::ALL.into_iter().map(|weakness| (weakness.name(), weak(weakness))).collect()
    }
}

/// What a node that tells broadcasts apart by their content alone has seen. Looked up only.
#[derive(Debug, Default)]
pub(super) struct Contents(FxHashSet<(String, String)>);

impl Node {
    /// Whether it lacks this.
    pub(super) fn lacks(&self, weakness: Weakness) -> bool {
        self.weakness == Some(weakness)
    }

    /// A broadcast came in at a weakened node.
    #[cold]
    pub(super) fn receive_weakly(
        &mut self,
        net: &mut impl Transport<Node>,
        from: Option<NodeId>,
        payload: Payload,
        hops: u32,
    ) {
        let is_new =
            self.is_new(net, payload) && !(self.lacks(Weakness::ContentId) && self.is_known(net, payload));
        if is_new {
            return self.take_in(net, from, payload, hops);
        }
        self.duplicates = self.duplicates.saturating_add(1);
        if self.lacks(Weakness::NoDuplicateMemory) {
            net.notify(Notice::Delivered { payload, hops });
        }
    }

    /// Whether a broadcast with this title and text has come before.
    fn is_known(&mut self, net: &impl Transport<Node>, payload: Payload) -> bool {
        let message = &net.broadcast(payload).message;
        !self.aside.contents.0.insert((message.title.clone(), message.message.clone()))
    }
}
