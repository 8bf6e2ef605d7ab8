//! rumormill: a laboratory for peer-to-peer networks.
//!
//! A peer is written once, as a [`Protocol`]. Hundreds of thousands of them run in a simulator that replays bit for
//! bit; a scenario file says what happens to them, and every run ends in a verdict. The same peer runs over real TCP.
//!
//! # The rooms
//!
//! | room | what is there |
//! |---|---|
//! | [`time`], [`id`], [`rng`], [`units`], [`graph`] | the ground: integer time, names of nodes, random streams, quantities, graphs |
//! | [`fault`] | what can go wrong with nodes and links, as data |
//! | [`churn`] | how long nodes stay and stay away, drawn or measured |
//! | [`message`] | the application's message, its id, its JSON form |
//! | [`protocol`], [`transport`] | the seam: what any peer is, and all that it may do to the world |
//! | [`node`] | the peer that we ship: overlay and broadcast |
//! | [`network`], [`world`] | the population, and what it needs of the place where it lives |
//! | [`sim`] | the simulated world: event queue, links, topologies |
//! | [`scenario`] | experiments as files |
//! | [`observe`], [`judge`], [`report`] | what happened, whether it was right, what is shown of it |
#![cfg_attr(feature = "live", doc = "| [`live`] | the real world: nodes over TCP, friends only |")]
#![cfg_attr(feature = "draw", doc = "| [`draw`] | pictures of networks |")]
#![cfg_attr(feature = "mill", doc = "| [`mill`](mod@mill) | random fault scripts, for any protocol |")]
#![cfg_attr(feature = "cli", doc = "| [`cli`] | the command line |")]
//!
//! How they hang together, and what must never happen: [`architecture`]. How fast they are, and what of: [`measurements`].
//!
//! # Quick start
//!
//! A network in ten lines stands at [`network`]; a protocol of one's own in the README:
//!
#![cfg_attr(feature = "mill", doc = include_str!("../README.md"))]
//!
//! # The laws of determinism
//!
//! 1. A run is a function of the scenario, the data files that it names, its seed and the version of this crate: the
//!    same digest in debug and release, on any machine.
//! 2. Events are totally ordered, by time and then by the order in which they were made. Time is an integer.
//! 3. Nothing that is iterated lives in a hash map. Maps that are only looked up use a fixed hasher.
//! 4. No clock, entropy, thread or environment in a simulation: only the command line and the live world have them.
//! 5. No floating-point function of the platform decides an order or a delay.
//! 6. Observers cannot change a run.
//! 7. One random stream per purpose and one per node; draws on links by counter.
//! 8. Without `--seed` a run uses the scenario's seed; `--seed random` draws one and prints it first.

pub mod churn;
pub mod fault;
pub mod graph;
pub mod id;
pub mod judge;
pub mod message;
pub mod network;
pub mod node;
pub mod observe;
pub mod protocol;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod sim;
pub mod time;
pub mod transport;
pub mod units;
pub mod world;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "draw")]
pub mod draw;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "mill")]
pub mod mill;

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("guarantee.md")]
pub mod guarantee {}

#[doc = include_str!("measurements.md")]
pub mod measurements {}

pub use graph::Graph;
pub use id::{Identity, NodeId};
pub use message::{Message, Payload};
#[cfg(feature = "mill")]
pub use mill::mill;
pub use network::Network;
pub use node::{Node, NodeConfig};
pub use protocol::{Command, Notice, Protocol, Wire};
pub use sim::{Links, Sim, SimConfig, Topology, TopologyError};
pub use time::{LocalTime, Time};
pub use transport::Transport;
