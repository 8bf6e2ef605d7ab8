//! What any peer is: [`Protocol`], a state machine that touches the world only through its [`Transport`].
//!
//! The vocabularies at both ends are fixed: what the application asks ([`Command`]) and what a node reports
//! ([`Notice`]). That is what lets verdicts, metrics and pictures work for a protocol nobody has seen before. What
//! peers say to each other is the protocol's own.

use crate::id::NodeId;
use crate::message::{Message, Origin, Payload};
use crate::transport::Transport;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt::Debug;
use std::time::Duration;

/// One peer's state machine.
///
/// Every handler runs to its end before anything else happens at this node; what it sends becomes a later event.
/// A protocol is written once and runs in every world. It may not look at a clock, draw entropy, start a thread or
/// open a file: all of that comes through `net`.
pub trait Protocol: Sized + Send + 'static {
    /// What all nodes of a network have in common.
    type Config: Clone + Send + 'static;
    /// What peers say to each other.
    type Message: Wire;
    /// What a timer means when it fires.
    type Timer: Copy + Debug + Send + 'static;
    /// What it writes into its log, to have it after a crash; `()` if it has no log.
    type Record: Serialize + DeserializeOwned + Clone + Debug + Send + 'static;

    /// The node begins its life, or another one after a crash. `log` is what it wrote in its earlier lives, as far as it
    /// was kept; empty at first. Links are not up yet; those that the topology gives come up right after.
    fn start(config: &Self::Config, log: &[Self::Record], net: &mut impl Transport<Self>) -> Self;

    /// What of a log is worth keeping for this life and later ones, in the same order; asked before `start`, where logs would
    /// grow for ever.
    fn worth_keeping(
        _config: &Self::Config,
        log: Vec<Self::Record>,
        _net: &impl Transport<Self>,
    ) -> Vec<Self::Record> {
        log
    }

    /// The application asks for something.
    fn on_command(&mut self, net: &mut impl Transport<Self>, command: Command);

    /// A peer's message arrived over a link that is up.
    fn on_message(&mut self, net: &mut impl Transport<Self>, from: NodeId, message: Self::Message);

    /// A timer fired.
    fn on_timer(&mut self, _net: &mut impl Transport<Self>, _timer: Self::Timer) {}

    /// The first `records` records that this life has [appended](Transport::append) are safe now. Those of which `append`
    /// told so at once do not count.
    fn on_synced(&mut self, _net: &mut impl Transport<Self>, _records: u64) {}

    /// A link to `peer` came up, asked for by either side.
    fn on_link_up(&mut self, _net: &mut impl Transport<Self>, _peer: NodeId) {}

    /// The link to `peer` is gone, or an [`open`](Transport::open) was refused.
    fn on_link_down(&mut self, _net: &mut impl Transport<Self>, _peer: NodeId) {}

    /// Whether the node is a part of the network.
    fn state(&self) -> State {
        State::Member
    }

    /// Shows what can be seen of the node from outside: for status, judges and tests.
    fn inspect(&self, _view: &mut View) {}

    /// Panics if the node's state contradicts itself. Called after every event in builds with debug assertions.
    fn check_invariants(&self) {}

    /// The configuration that is meant, where it leaves something open: in a network that is there from the start, with the
    /// links of a topology (`is_given`), or in one that nodes join.
    fn resolved(config: Self::Config, _is_given: bool) -> Self::Config {
        config
    }

    /// How long after a broadcast came for the first time a node may still look at its content, or pass it on; none: for ever.
    /// A live process forgets contents after that.
    fn keeps_contents(_config: &Self::Config) -> Option<Duration> {
        None
    }

    /// Whether nodes with this configuration can join a network that is running.
    fn can_join(_config: &Self::Config) -> bool {
        true
    }

    /// This configuration in variants that each lack something that the protocol needs to keep its promises, by name.
    /// Whoever judges a network can see with them what his judgement is worth.
    fn weakened(_config: &Self::Config) -> Vec<(&'static str, Self::Config)> {
        Vec::new()
    }

    /// What a command to one node costs in a calm network of this size, if the protocol can tell beforehand; for
    /// `Send`, in a network in which the two have no link. Only used to predict the cost of a run.
    fn cost(_config: &Self::Config, _command: &Command, _size: Size) -> Option<Cost> {
        None
    }

    /// How many events a node of a calm network causes in a second though nobody told it to do anything. Only used to
    /// predict the cost of a run.
    fn idle_events(_config: &Self::Config) -> f64 {
        0.0
    }
}

/// A message between peers.
///
/// Serde's derives and an empty `impl Wire for …` are enough. Naming the payload lets redundancy be measured and
/// bytes be counted in full; naming the kind makes traces readable.
pub trait Wire: Serialize + DeserializeOwned + Clone + Debug + Send + 'static {
    /// The broadcast whose content travels in this message, if one does. (An announcement that merely names a
    /// broadcast carries no content.)
    fn payload(&self) -> Option<Payload> {
        None
    }

    /// What kind of message this is, in one word.
    fn kind(&self) -> &'static str {
        "message"
    }

    /// The message in eight bytes, and the size of its encoding. The simulator carries such messages fastest. Only worth
    /// writing, together with [`unpack`](Wire::unpack), for what a protocol sends by the million.
    fn pack(&self) -> Option<(u64, u32)> {
        None
    }

    /// What [`pack`](Wire::pack) packed, and the size of its encoding.
    fn unpack(_word: u64) -> (Self, u32) {
        unreachable!("whoever writes `pack` writes `unpack` as well")
    }
}

/// What the application asks of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Become a part of the network, through one of these nodes; without any, be its first.
    Join {
        /// Nodes that live, or did a moment ago.
        contacts: Vec<NodeId>,
    },
    /// Bring this to every node.
    Broadcast {
        /// What kind of message it is to the application.
        title: String,
        /// The text.
        message: String,
    },
    /// Bring this to one node.
    Send {
        /// Which node.
        to: NodeId,
        /// What kind of message it is to the application.
        title: String,
        /// The text.
        message: String,
    },
    /// Ask peers for nodes that they know.
    Discover,
    /// Count the network.
    Census,
    /// Leave the network in good order, and stop.
    Leave,
    /// Stop at once, as everybody else does.
    Shutdown,
}

/// How large a network is, or will be on average.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Size {
    /// Nodes that are up.
    pub nodes: f64,
    /// Links that are up.
    pub links: f64,
}

/// What a command costs the whole network, on average.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Cost {
    /// Events: messages, timers, and three for a link's life (the wish, the consent, the end).
    pub events: f64,
    /// How many links there are more afterwards; negative if there are fewer.
    pub links: f64,
}

impl Cost {
    /// So many events, which leave the links as they are.
    pub fn events(events: f64) -> Cost {
        Cost { events, links: 0.0 }
    }
}

/// What a node reports to the application and to observers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The application got this broadcast; its origin delivers too.
    Delivered {
        /// Which broadcast.
        payload: Payload,
        /// How many links it crossed on its way; 0 at the origin.
        hops: u32,
    },
    /// The node gave up on broadcasts that it has not seen: it will never deliver them.
    Gap {
        /// Whose broadcasts.
        origin: Origin,
        /// The first sequence number given up.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The node is a part of the network.
    Joined,
    /// A direct message came in.
    Received {
        /// Who sent it.
        from: NodeId,
    },
    /// What became of a direct message of this node.
    Resolved {
        /// To whom it was sent.
        to: NodeId,
        /// Its number among the direct messages to that node, from 0.
        sequence: u64,
        /// Whether the receiver has it for sure. If not, it may have it or not.
        delivered: bool,
    },
    /// A census came to its end.
    Counted(Census),
}

/// What a census found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Census {
    /// How many nodes.
    #[serde(deserialize_with = "countable")]
    pub nodes: u64,
    /// The sum of their neighbors: twice the number of links.
    #[serde(deserialize_with = "countable")]
    pub link_ends: u64,
    /// The fewest neighbors of one of them.
    pub least_neighbors: u32,
    /// The most.
    pub most_neighbors: u32,
}

/// No network has so many nodes or links; whoever adds up such numbers runs into no limit.
const COUNTABLE: u64 = 1 << 40;

fn countable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let count = u64::deserialize(deserializer)?;
    if count < COUNTABLE { Ok(count) } else { Err(de::Error::custom("no network is so large")) }
}

/// What can be seen of a node from outside.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct View {
    /// The peers with which it exchanges broadcasts.
    pub neighbors: Vec<NodeId>,
    /// The nodes that it knows, neighbors included.
    pub known: Vec<NodeId>,
    /// How many broadcasts it delivered.
    pub delivered: u64,
    /// How many copies of broadcasts it received in vain.
    pub duplicates: u64,
    /// The direct messages that it received last, the oldest first, with their senders.
    pub inbox: Vec<(NodeId, Message)>,
}

/// Whether a node is a part of the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is on its way in.
    Joining,
    /// It is.
    #[default]
    Member,
    /// It is on its way out.
    Leaving,
    /// It was.
    Stopped,
    /// It has crashed, and may come back.
    Crashed,
}
