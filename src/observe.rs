//! What happens in a run, told to whoever wants to know. Observers cannot change a run.
//!
//! An observer is a type parameter of the world: `()` compiles to nothing, and a pair of observers is one.

mod audit;
mod conversation;
mod metrics;
mod trace;

pub use audit::{Audit, Breach};
pub use conversation::{Conversation, Utterance};
pub use metrics::{DirectMessages, Metrics, Spread};
pub use trace::Trace;

use crate::fault::{Condition, ConditionId, LogFate};
use crate::id::NodeId;
use crate::message::{Broadcast, Payload};
use crate::protocol::Notice;
use crate::time::Time;

/// Sees everything that happens in a world, in order.
pub trait Observer {
    /// Something happened at `time`.
    fn observe(&mut self, time: Time, event: Observation<'_>);
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A node began its life.
    Started {
        /// The node.
        node: NodeId,
        /// Whether it is a part of the network from now on; otherwise it is still to join.
        is_member: bool,
    },
    /// A node ended its life.
    Stopped {
        /// The node.
        node: NodeId,
    },
    /// A node crashed.
    Crashed {
        /// The node.
        node: NodeId,
        /// What became of its log.
        log: LogFate,
    },
    /// A node that had crashed, or stopped, began another life.
    Restarted {
        /// The node.
        node: NodeId,
        /// Whether it is a part of the network from now on; otherwise it is still to join.
        is_member: bool,
    },
    /// Something is wrong from now on.
    Imposed {
        /// By which it will be lifted.
        id: ConditionId,
        /// What it is.
        condition: &'a Condition,
    },
    /// It is over.
    Lifted {
        /// What was imposed under this number.
        id: ConditionId,
    },
    /// A node published a broadcast.
    Published {
        /// Its handle.
        payload: Payload,
        /// Origin, sequence, id, text.
        broadcast: &'a Broadcast,
    },
    /// A message was handed to a link.
    Sent(Parcel),
    /// A message arrived and was handed to its receiver.
    Received(Parcel),
    /// A message will not arrive.
    Dropped(Parcel, DropReason),
    /// A node reported something.
    Noticed {
        /// The node.
        node: NodeId,
        /// What it said.
        notice: Notice,
    },
    /// A node was told that a link came up. The other end is told on its own.
    LinkUp {
        /// The node.
        node: NodeId,
        /// The other end.
        peer: NodeId,
        /// The number of this life of the link, the same at both ends; later ones are greater.
        session: u32,
    },
    /// A node was told that a link is gone, or could not be opened.
    LinkDown {
        /// The node.
        node: NodeId,
        /// The other end.
        peer: NodeId,
        /// The number of this life of the link; none if the peer does not exist.
        session: Option<u32>,
    },
}

/// The outside of a message between peers.
#[derive(Clone, Copy, Debug)]
pub struct Parcel {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// What kind of message, in the protocol's own word.
    pub kind: &'static str,
    /// The broadcast whose content is inside.
    pub payload: Option<Payload>,
    /// Its size on a wire.
    pub bytes: u32,
}

/// Why a message did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DropReason {
    /// No link was up when it was sent.
    NoLink,
    /// The link's session had ended when it arrived.
    OldSession,
    /// The link lost it.
    Loss,
    /// The receiver had stopped, or crashed.
    Stopped,
    /// This cut stopped it.
    Cut(ConditionId),
    /// The loss that was imposed under this number took it.
    Lost(ConditionId),
}

impl Observer for () {
    #[inline]
    fn observe(&mut self, _time: Time, _event: Observation<'_>) {}
}

impl<O: Observer> Observer for Option<O> {
    #[inline]
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        if let Some(observer) = self {
            observer.observe(time, event);
        }
    }
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    #[inline]
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        self.0.observe(time, event);
        self.1.observe(time, event);
    }
}
