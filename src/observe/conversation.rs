//! What single nodes say and hear at the beginning of their lives: for pictures of how they join.

use super::{Observation, Observer};
use crate::id::NodeId;
use crate::time::Time;

/// How many messages of a node are kept.
const MOST: usize = 100;

/// Keeps the first messages that some nodes send and receive.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// The nodes that are followed, and what was said by them or to them.
    followed: Vec<(NodeId, Vec<Utterance>)>,
}

/// A message, by the time at which it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Utterance {
    /// Who said it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// The protocol's word for it.
    pub kind: &'static str,
}

impl Conversation {
    /// Follows these nodes.
    pub fn of(nodes: impl IntoIterator<Item = NodeId>) -> Conversation {
        Conversation { followed: nodes.into_iter().map(|node| (node, Vec::new())).collect() }
    }

    /// What was said so far by a node that is followed, or to it; nothing of others.
    pub fn with(&self, node: NodeId) -> &[Utterance] {
        self.followed.iter().find(|(followed, _)| *followed == node).map_or(&[], |(_, said)| said)
    }
}

impl Observer for Conversation {
    #[inline]
    fn observe(&mut self, _time: Time, event: Observation<'_>) {
        let Observation::Sent(parcel) = event else { return };
        for (node, said) in &mut self.followed {
            if (*node == parcel.from || *node == parcel.to) && said.len() < MOST {
                said.push(Utterance { from: parcel.from, to: parcel.to, kind: parcel.kind });
            }
        }
    }
}
