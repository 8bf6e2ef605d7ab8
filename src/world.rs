//! What the population needs of the place where it lives: [`World`], which the simulator implements.

use crate::graph::Graph;
use crate::id::NodeId;
use crate::message::Broadcasts;
use crate::protocol::Command;
use crate::time::Time;

/// Where nodes live: it carries their messages and makes their time pass.
pub trait World {
    /// The world's time.
    fn now(&self) -> Time;

    /// How many nodes there are; their numbers are `0..size`.
    fn size(&self) -> usize;

    /// Hands a command of the application to a node, now.
    ///
    /// # Panics
    /// If there is no such node.
    fn command(&mut self, node: NodeId, command: Command);

    /// Lets time pass until `until`, all events of that moment included, or until `most` events have happened.
    /// Whether `until` was reached.
    fn advance(&mut self, until: Time, most: u64) -> bool;

    /// How many events have happened.
    fn events(&self) -> u64;

    /// The messages that are on their way.
    fn in_flight(&self) -> InFlight;

    /// What a node sent and received.
    ///
    /// # Panics
    /// If there is no such node.
    fn counters(&self, node: NodeId) -> Counters;

    /// Everything that was broadcast.
    fn broadcasts(&self) -> &Broadcasts;

    /// The links that are up.
    fn topology(&self) -> Graph;
}

/// Messages that are on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InFlight {
    /// All of them.
    pub messages: u64,
    /// Those that carry a broadcast's content.
    pub payloads: u64,
}

/// What one node sent and received. The world counts, so that every protocol has these for free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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
