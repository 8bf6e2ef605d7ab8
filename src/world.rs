//! What the population needs of the place where it lives: [`World`], which the simulator implements.

use crate::fault::{Condition, ConditionId, Crash, Effects};
use crate::graph::Graph;
use crate::id::{Identity, NodeId};
use crate::message::{Broadcasts, Payload};
use crate::protocol::{Command, State, View};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Where nodes live: it carries their messages and makes their time pass.
pub trait World {
    /// The world's time.
    fn now(&self) -> Time;

    /// How many nodes there ever were; their numbers are `0..size`.
    fn size(&self) -> usize;

    /// Starts a node, now, without any link; it is to be told to join.
    fn spawn(&mut self) -> NodeId;

    /// Whether a node has not stopped yet.
    ///
    /// # Panics
    /// If there is no such node.
    fn is_up(&self, node: NodeId) -> bool;

    /// Hands a command of the application to a node, now. A node that has stopped does nothing.
    ///
    /// # Panics
    /// If there is no such node.
    fn command(&mut self, node: NodeId, command: Command);

    /// Whether a node is a part of the network.
    ///
    /// # Panics
    /// If there is no such node.
    fn state(&self, node: NodeId) -> State;

    /// What a node shows of itself; of one that has stopped, what it showed last.
    ///
    /// # Panics
    /// If there is no such node.
    fn view(&self, node: NodeId) -> View;

    /// How long a node has lived, or did.
    ///
    /// # Panics
    /// If there is no such node.
    fn uptime(&self, node: NodeId) -> Duration;

    /// A node's global name.
    fn identity(&self, node: NodeId) -> Identity;

    /// Ends a node's life without a word, now. One that is down stays as it is.
    ///
    /// # Panics
    /// If there is no such node.
    fn crash(&mut self, node: NodeId, crash: Crash);

    /// Starts a node again that is down, now: with its identity, what its log kept, and the links that the topology gives,
    /// to those that it can reach.
    /// One that is up stays as it is.
    ///
    /// # Panics
    /// If there is no such node.
    fn restart(&mut self, node: NodeId);

    /// Breaks the link between two nodes, now; both learn of it at once. Whether there was one.
    fn reset(&mut self, a: NodeId, b: NodeId) -> bool;

    /// From now on something is wrong.
    fn impose(&mut self, condition: Condition) -> ConditionId;

    /// It is over. Whether it was not before.
    ///
    /// # Panics
    /// If nothing was imposed under this number.
    fn lift(&mut self, id: ConditionId) -> bool;

    /// Whether a cut is between two nodes, one way at least.
    fn is_cut(&self, a: NodeId, b: NodeId) -> bool;

    /// What came of it so far.
    ///
    /// # Panics
    /// If nothing was imposed under this number.
    fn effects(&self, id: ConditionId) -> Effects;

    /// The shortest time that a message takes over a link between two nodes, if there is one.
    fn latency(&self, from: NodeId, to: NodeId) -> Duration;

    /// Lets time pass until `until`, all events of that moment included, or until `most` events have happened.
    /// Whether `until` was reached.
    fn advance(&mut self, until: Time, most: u64) -> bool;

    /// How many events have happened.
    fn events(&self) -> u64;

    /// How often so far a link came up or went down at one of its ends, a node began or ended a life, or became a
    /// member.
    fn changes(&self) -> u64;

    /// The messages that are on their way.
    fn in_flight(&self) -> InFlight;

    /// What a node sent and received.
    ///
    /// # Panics
    /// If there is no such node.
    fn counters(&self, node: NodeId) -> Counters;

    /// Everything that was broadcast, as far as the world keeps it.
    fn broadcasts(&self) -> &Broadcasts;

    /// How many broadcasts its nodes published so far, and the latest of them.
    fn published(&self) -> (u64, Option<Payload>) {
        (self.broadcasts().len() as u64, self.broadcasts().last())
    }

    /// The links that are up.
    fn topology(&self) -> Arc<Graph>;

    /// Everything that happened so far, as one number in text, where a run can be repeated exactly.
    fn digest(&self) -> Option<String> {
        None
    }
}

/// Messages that are on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InFlight {
    /// All of them.
    pub messages: u64,
    /// Those that carry a broadcast's content.
    pub payloads: u64,
    /// Logs that are being made safe.
    pub syncs: u64,
}

impl InFlight {
    /// A message begins its way; whether it carries a broadcast's content.
    #[inline]
    pub fn add(&mut self, carries_payload: bool) {
        self.messages += 1;
        self.payloads += u64::from(carries_payload);
    }

    /// It came to its end.
    #[inline]
    pub fn remove(&mut self, carries_payload: bool) {
        self.messages -= 1;
        self.payloads -= u64::from(carries_payload);
    }
}

/// What one node sent and received. The world counts, so that every protocol has these for free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Messages handed to links.
    pub messages_sent: u64,
    /// Messages taken off links that were up.
    pub messages_received: u64,
    /// Their sizes on a wire.
    pub bytes_sent: u64,
    /// Their sizes on a wire.
    pub bytes_received: u64,
}

impl Counters {
    /// Both together.
    pub fn plus(self, other: Counters) -> Counters {
        Counters {
            messages_sent: self.messages_sent + other.messages_sent,
            messages_received: self.messages_received + other.messages_received,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            bytes_received: self.bytes_received + other.bytes_received,
        }
    }
}
