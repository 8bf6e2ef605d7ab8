//! The population: [`Network`] starts, commands and watches nodes in any [`World`]. The simulator is one.
//!
//! ```
//! use rumormill::{Network, Node, NodeId, SimConfig, Topology};
//! use std::time::Duration;
//!
//! let graph = Topology::Ring { nodes: 10 }.build(7)?;
//! let mut network = Network::simulated(SimConfig::<Node>::new(graph), 7);
//! let hello = network.broadcast(NodeId(0), "Hello world").expect("nodes publish at once");
//! network.run_for(Duration::from_secs(1));
//! assert_eq!(network.spread(hello).receivers(), 10);
//! assert_eq!(network.spread(hello).last_hops, 5);
//! # Ok::<(), rumormill::TopologyError>(())
//! ```

use crate::graph::Graph;
use crate::id::NodeId;
use crate::message::{Broadcast, Payload};
use crate::observe::{Metrics, Observer, Spread};
use crate::protocol::{Command, Protocol};
use crate::sim::{Digest, Sim, SimConfig};
use crate::time::Time;
use crate::world::{Counters, World};
use std::time::Duration;

/// The title that a broadcast has unless another is given.
pub const BROADCAST_TITLE: &str = "#BROADCAST";

/// A network of nodes in a world.
pub struct Network<W> {
    world: W,
}

impl<P: Protocol> Network<Sim<P, Metrics>> {
    /// A simulated network at time zero, every link of its graph up. Equal arguments give equal runs.
    pub fn simulated(config: SimConfig<P>, seed: u64) -> Self {
        Network::observed(config, seed, Metrics::default())
    }

    /// How a broadcast spread so far.
    ///
    /// # Panics
    /// If the payload comes from another network.
    pub fn spread(&self, payload: Payload) -> &Spread {
        self.observer().spread(payload)
    }
}

impl<P: Protocol, O: Observer> Network<Sim<P, O>> {
    /// A simulated network with an observer of one's own.
    pub fn observed(config: SimConfig<P>, seed: u64, observer: O) -> Self {
        Network { world: Sim::new(config, seed, observer) }
    }

    /// Everything that happened so far, as one number.
    pub fn digest(&self) -> Digest {
        self.world.digest()
    }

    /// The observer.
    pub fn observer(&self) -> &O {
        self.world.observer()
    }

    /// Ends the network and gives the observer back.
    pub fn into_observer(self) -> O {
        self.world.into_observer()
    }

    /// A node's state machine.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn node(&self, node: NodeId) -> &P {
        self.world.node(node)
    }
}

impl<W: World> Network<W> {
    /// Lets a node broadcast a text, now. The handle, or `None` if the protocol did not publish at once.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn broadcast(&mut self, node: NodeId, message: &str) -> Option<Payload> {
        self.broadcast_titled(node, BROADCAST_TITLE, message)
    }

    /// As [`broadcast`](Network::broadcast), with a title of one's own.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn broadcast_titled(&mut self, node: NodeId, title: &str, message: &str) -> Option<Payload> {
        let before = self.world.broadcasts().len();
        let command = Command::Broadcast { title: title.into(), message: message.into() };
        self.world.command(node, command);
        self.world.broadcasts().last().filter(|payload| payload.index() >= before)
    }

    /// What was broadcast.
    ///
    /// # Panics
    /// If the payload comes from another network.
    pub fn content(&self, payload: Payload) -> &Broadcast {
        self.world.broadcasts().get(payload)
    }

    /// Lets time pass up to and with the moment `until`.
    pub fn run_until(&mut self, until: Time) {
        while !self.world.advance(until, u64::MAX) {}
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, length: Duration) {
        self.run_until(self.now() + length);
    }

    /// The world's time.
    pub fn now(&self) -> Time {
        self.world.now()
    }

    /// How many nodes there are.
    pub fn size(&self) -> usize {
        self.world.size()
    }

    /// What a node sent and received.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn counters(&self, node: NodeId) -> Counters {
        self.world.counters(node)
    }

    /// The links that are up. [`Graph::to_petgraph`] gives petgraph's form of it.
    pub fn topology(&self) -> Graph {
        self.world.topology()
    }

    /// The world beneath.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// The world beneath, to be driven event by event.
    pub fn world_mut(&mut self) -> &mut W {
        &mut self.world
    }
}
