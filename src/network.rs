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

use crate::fault::{Condition, ConditionId, Crash};
use crate::graph::{Degrees, Graph};
use crate::id::{Identity, NodeId};
use crate::message::{Broadcast, Payload};
use crate::observe::{Metrics, Observer, Spread};
use crate::protocol::{Command, Protocol, State, View};
use crate::sim::{Digest, Event, Queue, Sim, SimConfig};
use crate::time::Time;
use crate::world::{Counters, World};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The title that a broadcast has unless another is given.
pub const BROADCAST_TITLE: &str = "#BROADCAST";

/// The title that a direct message has unless another is given.
pub const DIRECT_TITLE: &str = "#DIRECT";

/// How many contacts a newcomer is given: one of them may leave at that very moment.
const CONTACTS: usize = 3;

/// A network of nodes in a world.
pub struct Network<W> {
    world: W,
    /// No node before this one is up.
    oldest: usize,
}

/// How a node is.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NodeStatus {
    /// Its number.
    pub node: NodeId,
    /// Its global name.
    pub identity: Identity,
    /// Whether it is a part of the network.
    pub state: State,
    /// How long it has lived, or did.
    pub uptime_ns: u64,
    /// The peers with which it exchanges broadcasts.
    pub neighbors: Vec<NodeId>,
    /// How many nodes it knows.
    pub known: usize,
    /// How many broadcasts it delivered.
    pub delivered: u64,
    /// How many copies of broadcasts it received in vain.
    pub duplicates: u64,
    /// How many direct messages are in its inbox.
    pub inbox: usize,
    /// What it sent and received.
    #[serde(flatten)]
    pub counters: Counters,
}

/// How a network is.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NetworkStatus {
    /// When.
    pub time_ns: u64,
    /// How many nodes are up.
    pub nodes: usize,
    /// How many there ever were.
    pub ever: usize,
    /// How many links are up.
    pub links: usize,
    /// In how many pieces it is.
    pub components: usize,
    /// The nodes of the largest.
    pub largest_component: usize,
    /// How many nodes have how many links.
    pub degrees: Degrees,
    /// What all nodes together sent and received.
    #[serde(flatten)]
    pub counters: Counters,
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
        Network::of(Sim::new(config, seed, observer))
    }
}

impl<P: Protocol, O: Observer, Q: Queue<Event>> Network<Sim<P, O, Q>> {
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
    /// The population of a world.
    pub fn of(world: W) -> Network<W> {
        Network { world, oldest: 0 }
    }

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
        let (before, _) = self.world.published();
        let command = Command::Broadcast { title: title.into(), message: message.into() };
        self.world.command(node, command);
        let (after, latest) = self.world.published();
        latest.filter(|_| after > before)
    }

    /// Starts a node that joins through the genesis: the first node, or the one that has lived longest since it left.
    /// With nobody left, the newcomer is the genesis.
    pub fn join(&mut self) -> NodeId {
        let contacts = self.contacts();
        self.join_through(contacts)
    }

    /// Starts a node that joins through these contacts, tried in this order.
    pub fn join_through(&mut self, contacts: Vec<NodeId>) -> NodeId {
        let node = self.world.spawn();
        self.world.command(node, Command::Join { contacts });
        node
    }

    /// The nodes that everybody knows: the three that have lived longest, of those that are not on their way out.
    pub fn contacts(&mut self) -> Vec<NodeId> {
        while self.oldest < self.size() && !self.world.is_up(NodeId::at(self.oldest)) {
            self.oldest += 1;
        }
        let stays = |&node: &NodeId| matches!(self.state(node), State::Joining | State::Member);
        (self.oldest..self.size()).map(NodeId::at).filter(stays).take(CONTACTS).collect()
    }

    /// Lets a node send a text to another one, and report what became of it.
    ///
    /// # Panics
    /// If there is no such node, as sender.
    pub fn send(&mut self, from: NodeId, to: NodeId, message: &str) {
        let (title, message) = (DIRECT_TITLE.into(), message.into());
        self.world.command(from, Command::Send { to, title, message });
    }

    /// Lets a node ask its neighbors for nodes that they know.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn discover(&mut self, node: NodeId) {
        self.world.command(node, Command::Discover);
    }

    /// Lets a node count the network, through the network. Observers hear of the result.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn census(&mut self, node: NodeId) {
        self.world.command(node, Command::Census);
    }

    /// Lets a node leave in good order.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn leave(&mut self, node: NodeId) {
        self.world.command(node, Command::Leave);
    }

    /// Stops every node, now.
    pub fn shutdown(&mut self) {
        for node in self.up().collect::<Vec<_>>() {
            self.world.command(node, Command::Shutdown);
        }
    }

    /// Ends a node's life without a word. One that is down stays as it is.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn crash(&mut self, node: NodeId, crash: Crash) {
        self.world.crash(node, crash);
    }

    /// Starts a node again that is down, with its identity and what its log kept, and lets it join as a newcomer does.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn restart(&mut self, node: NodeId) {
        if !self.is_up(node) {
            let contacts = self.contacts();
            self.oldest = self.oldest.min(node.index());
            self.world.restart(node);
            self.world.command(node, Command::Join { contacts });
        }
    }

    /// Breaks the link between two nodes; both learn of it at once. Whether there was one.
    pub fn reset(&mut self, a: NodeId, b: NodeId) -> bool {
        self.world.reset(a, b)
    }

    /// From now on something is wrong.
    pub fn impose(&mut self, condition: Condition) -> ConditionId {
        self.world.impose(condition)
    }

    /// It is over; whether it was not before.
    ///
    /// # Panics
    /// If nothing was imposed under this number.
    pub fn lift(&mut self, id: ConditionId) -> bool {
        self.world.lift(id)
    }

    /// Hands any command to a node.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn command(&mut self, node: NodeId, command: Command) {
        self.world.command(node, command);
    }

    /// Whether a node has not stopped.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.world.is_up(node)
    }

    /// The nodes that have not stopped.
    pub fn up(&self) -> impl Iterator<Item = NodeId> {
        (0..self.size()).map(NodeId::at).filter(|&node| self.is_up(node))
    }

    /// Whether a node is a part of the network.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn state(&self, node: NodeId) -> State {
        self.world.state(node)
    }

    /// What a node shows of itself.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn view(&self, node: NodeId) -> View {
        self.world.view(node)
    }

    /// A node's state, neighbors, knowledge and counters.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn node_status(&self, node: NodeId) -> NodeStatus {
        let View { neighbors, known, delivered, duplicates, inbox } = self.world.view(node);
        NodeStatus {
            node,
            identity: self.world.identity(node),
            state: self.state(node),
            uptime_ns: self.world.uptime(node).as_nanos() as u64,
            neighbors,
            known: known.len(),
            delivered,
            duplicates,
            inbox: inbox.len(),
            counters: self.world.counters(node),
        }
    }

    /// The network as a whole: its size and shape, and what its nodes sent.
    pub fn status(&self) -> NetworkStatus {
        let topology = self.topology();
        let graph = topology.among(|node| self.is_up(node));
        let components = graph.components();
        let counters = (0..self.size()).map(|node| self.world.counters(NodeId::at(node)));
        NetworkStatus {
            time_ns: self.now().nanos(),
            nodes: graph.nodes(),
            ever: self.size(),
            links: graph.edge_count(),
            components: components.count(),
            largest_component: components.largest(),
            degrees: graph.degrees(),
            counters: counters.fold(Counters::default(), Counters::plus),
        }
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

    /// How many nodes there ever were; [`status`](Network::status) tells how many are up.
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
    pub fn topology(&self) -> Arc<Graph> {
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
