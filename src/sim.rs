//! World 1: the simulator. One thread, one queue of events in a total order, one seed.
//!
//! The whole loop is `Sim::step`: take the earliest event, set the clock, call the node's handler. What the
//! handler does goes through the `SimTransport`, which turns it into later events.

mod data;
mod digest;
mod links;
mod matrix;
mod queue;
mod regions;
mod sessions;
mod topology;
mod transport;

pub use data::{DataError, Place};
pub use digest::Digest;
pub use links::{Datagram, Jitter, Latency, LinkKind, Links, Reordering};
pub use matrix::Matrix;
pub use topology::{MAX_LINKS, MAX_NODES, Topology, TopologyError, parse_edge_list};

use crate::graph::Graph;
use crate::id::{Identity, NodeId};
use crate::message::Broadcasts;
use crate::observe::{DropReason, Observation, Observer, Parcel};
use crate::protocol::{Command, Protocol, State, View, Wire};
use crate::rng::{Draws, Purpose};
use crate::time::Time;
use crate::world::{Counters, InFlight, World};
use fixedbitset::FixedBitSet;
use queue::EventQueue;
use rand::rngs::Xoshiro256PlusPlus;
use sessions::{Answer, Session, Sessions};
use std::collections::VecDeque;
use std::time::Duration;
use transport::SimTransport;

/// What a simulated network is made of.
pub struct SimConfig<P: Protocol> {
    /// Which links are up from the start; its nodes start at time zero.
    pub graph: Graph,
    /// How links behave.
    pub links: Links,
    /// What all nodes have in common.
    pub node: P::Config,
}

impl<P: Protocol> SimConfig<P> {
    /// Nodes with their default configuration, and default links (streams of constant 10 ms), on a graph.
    pub fn new(graph: Graph) -> SimConfig<P>
    where
        P::Config: Default,
    {
        SimConfig { graph, links: Links::default(), node: P::Config::default() }
    }

    /// With these links.
    pub fn links(self, links: Links) -> SimConfig<P> {
        SimConfig { links, ..self }
    }

    /// With this configuration of the nodes.
    pub fn node(self, node: P::Config) -> SimConfig<P> {
        SimConfig { node, ..self }
    }
}

/// A simulated network of nodes that run the protocol `P`, watched by `O`.
pub struct Sim<P: Protocol, O> {
    config: P::Config,
    nodes: Vec<P>,
    /// All but the nodes, so that a node's handler and the world can be borrowed at once.
    core: Core<P, O>,
}

/// The world around the nodes.
struct Core<P: Protocol, O> {
    seed: u64,
    now: Time,
    queue: EventQueue<Event<P>>,
    links: Links,
    sessions: Sessions,
    link_draws: Draws,
    broadcasts: Broadcasts,
    /// Made when a node first draws: most never do.
    rngs: Vec<Option<Box<Xoshiro256PlusPlus>>>,
    counters: Vec<Counters>,
    /// Peers to which the handler at work closed the link.
    closed_by_handler: VecDeque<NodeId>,
    /// Whether the handler at work asked for the end of its node.
    stop_after_handler: bool,
    up: FixedBitSet,
    /// When each node began its life, and ended it.
    lives: Vec<(Time, Option<Time>)>,
    in_flight: InFlight,
    digest: Digest,
    observer: O,
}

/// An entry of the queue: something that will happen to `to`.
struct Event<P: Protocol> {
    to: NodeId,
    what: What<P>,
}

enum What<P: Protocol> {
    Message {
        from: NodeId,
        session: Session,
        message: P::Message,
    },
    Timer(P::Timer),
    /// `from` asks for a link.
    Open {
        from: NodeId,
        session: Session,
    },
    /// `from` agreed to a link.
    Accepted {
        from: NodeId,
        session: Session,
    },
    /// `from` ended the session, or did not want it.
    Closed {
        from: NodeId,
        session: Session,
    },
    /// Nobody answers at `peer`.
    Unreachable {
        peer: NodeId,
    },
}

impl<P: Protocol, O: Observer> Sim<P, O> {
    /// A network at time zero: every node of the graph started, every link of it up.
    pub fn new(config: SimConfig<P>, seed: u64, observer: O) -> Sim<P, O> {
        let nodes = config.graph.nodes();
        let core = Core {
            seed,
            now: Time::ZERO,
            queue: EventQueue::default(),
            links: config.links,
            sessions: Sessions::default(),
            link_draws: Draws::new(seed, Purpose::Links),
            broadcasts: Broadcasts::default(),
            rngs: Vec::with_capacity(nodes),
            counters: Vec::with_capacity(nodes),
            closed_by_handler: VecDeque::new(),
            stop_after_handler: false,
            up: FixedBitSet::with_capacity(nodes),
            lives: Vec::with_capacity(nodes),
            in_flight: InFlight::default(),
            digest: Digest::default(),
            observer,
        };
        let mut sim = Sim { config: config.node, nodes: Vec::with_capacity(nodes), core };
        // Everybody is there before anybody starts: a node may open links to all others as it starts.
        config.graph.node_ids().for_each(|_| sim.core.add_node());
        config.graph.node_ids().for_each(|node| sim.start(node, true));
        config.graph.edges().for_each(|(a, b)| sim.link(a, b));
        sim
    }

    fn start(&mut self, id: NodeId, is_member: bool) {
        self.core.note(digest::STARTED, id, id, 0);
        self.core.tell(Observation::Started { node: id, is_member });
        let node = P::start(&self.config, &mut SimTransport { core: &mut self.core, me: id });
        self.nodes.push(node);
        self.settle(id);
    }

    /// Brings a link up at both ends, at once.
    fn link(&mut self, a: NodeId, b: NodeId) {
        let session = self.core.sessions.fresh();
        for (node, peer) in [(a, b), (b, a)] {
            self.core.sessions.set_up(node, peer, session);
            self.link_up(node, peer);
        }
    }

    /// Carries out the earliest event, if it is due by `until`; whether there was one.
    fn step(&mut self, until: Time) -> bool {
        let Some((time, Event { to, what })) = self.core.queue.pop_until(until) else { return false };
        self.core.now = time;
        if !self.core.up.contains(to.index()) {
            self.core.find_stopped(to, what);
            return true;
        }
        match what {
            What::Message { from, session, message } => self.deliver(from, to, session, message),
            What::Timer(timer) => {
                self.core.note(digest::TIMER, to, to, 0);
                self.handle(to, |node, net| node.on_timer(net, timer));
            }
            What::Open { from, session } => self.opened(from, to, session),
            What::Accepted { from, session } => self.accepted(from, to, session),
            What::Closed { from, session } => self.closed(from, to, session),
            What::Unreachable { peer } => self.link_down(to, peer),
        }
        true
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, session: Session, message: P::Message) {
        let parcel = self.core.arrive(from, to, &message);
        if self.core.sessions.come_up(to, from, session) {
            // Faster than the peer's consent, which it implies.
            self.link_up(to, from);
        }
        if self.core.sessions.is_up(to, from, session) {
            self.core.received(parcel);
            self.handle(to, |node, net| node.on_message(net, from, message));
        } else {
            self.core.tell(Observation::Dropped(parcel, DropReason::OldSession));
        }
    }

    /// `to` is asked for a link.
    fn opened(&mut self, from: NodeId, to: NodeId, session: Session) {
        self.core.note(digest::OPEN, from, to, 0);
        match self.core.sessions.answer(to, from, session) {
            Answer::Accept => {
                self.core.control(to, from, What::Accepted { from: to, session });
                self.link_up(to, from);
            }
            Answer::Refuse => self.core.control(to, from, What::Closed { from: to, session }),
            Answer::PreferOwn => {}
        }
    }

    /// The peer agreed: the link is up here as well, unless this end has closed it in the meantime.
    fn accepted(&mut self, from: NodeId, to: NodeId, session: Session) {
        self.core.note(digest::ACCEPTED, from, to, 0);
        if self.core.sessions.come_up(to, from, session) {
            self.link_up(to, from);
        } else if !self.core.sessions.is_up(to, from, session) {
            self.core.control(to, from, What::Closed { from: to, session });
        }
    }

    fn closed(&mut self, from: NodeId, to: NodeId, session: Session) {
        self.core.note(digest::CLOSED, from, to, 0);
        if self.core.sessions.end(to, from, session) {
            self.link_down(to, from);
        }
    }

    fn link_up(&mut self, node: NodeId, peer: NodeId) {
        self.core.note(digest::LINK_UP, node, peer, 0);
        self.core.tell(Observation::LinkUp { node, peer });
        self.handle(node, |state, net| state.on_link_up(net, peer));
    }

    fn link_down(&mut self, node: NodeId, peer: NodeId) {
        self.core.note(digest::LINK_DOWN, node, peer, 0);
        self.core.tell(Observation::LinkDown { node, peer });
        self.handle(node, |state, net| state.on_link_down(net, peer));
    }

    /// Lets a node handle something, and then sees to what it did to its links and its life meanwhile.
    fn handle(&mut self, id: NodeId, handler: impl FnOnce(&mut P, &mut SimTransport<'_, P, O>)) {
        self.call(id, handler);
        self.settle(id);
    }

    /// Tells a node of the links that it closed, before anything else can bring them up again; or ends its life. In a loop,
    /// not by recursion: a hub may close a million links at once.
    fn settle(&mut self, id: NodeId) {
        loop {
            if std::mem::take(&mut self.core.stop_after_handler) {
                return self.core.stop(id);
            }
            let Some(peer) = self.core.closed_by_handler.pop_front() else { return };
            self.core.note(digest::LINK_DOWN, id, peer, 0);
            self.core.tell(Observation::LinkDown { node: id, peer });
            self.call(id, |state, net| state.on_link_down(net, peer));
        }
    }

    fn call(&mut self, id: NodeId, handler: impl FnOnce(&mut P, &mut SimTransport<'_, P, O>)) {
        let node = &mut self.nodes[id.index()];
        handler(node, &mut SimTransport { core: &mut self.core, me: id });
        if cfg!(debug_assertions) {
            node.check_invariants();
        }
    }

    /// The digest of everything that happened so far.
    pub fn digest(&self) -> Digest {
        self.core.digest
    }

    /// The observer.
    pub fn observer(&self) -> &O {
        &self.core.observer
    }

    /// Ends the simulation and gives the observer back.
    pub fn into_observer(self) -> O {
        self.core.observer
    }

    /// A node's state machine.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn node(&self, node: NodeId) -> &P {
        &self.nodes[node.index()]
    }
}

impl<P: Protocol, O> Sim<P, O> {
    /// What a node takes in memory, its links and what the protocol keeps elsewhere apart.
    pub const BYTES_PER_NODE: u64 =
        (size_of::<P>() + size_of::<Counters>() + size_of::<usize>() + Sessions::NODE) as u64;
    /// What one end of a link takes in memory.
    pub const BYTES_PER_LINK_END: u64 = (Sessions::LINK_END + 2 * size_of::<NodeId>()) as u64;
    /// What an event takes in memory.
    pub const BYTES_PER_EVENT: u64 = EventQueue::<Event<P>>::ENTRY as u64;
}

impl<P: Protocol, O: Observer> Core<P, O> {
    fn add_node(&mut self) {
        self.rngs.push(None);
        self.counters.push(Counters::default());
        self.sessions.add_node();
        self.up.grow(self.counters.len());
        self.up.insert(self.counters.len() - 1);
        self.lives.push((self.now, None));
    }

    fn tell(&mut self, event: Observation<'_>) {
        self.observer.observe(self.now, event);
    }

    fn note(&mut self, kind: u64, from: NodeId, to: NodeId, content: u64) {
        self.digest.fold(self.now, to, from, kind, content);
    }

    fn parcel(&self, from: NodeId, to: NodeId, message: &P::Message) -> Parcel {
        let payload = message.payload();
        let content = payload.map_or(0, |payload| self.broadcasts.get(payload).wire_bytes());
        let header =
            postcard::experimental::serialized_size(message).expect("messages can be encoded") as u32;
        Parcel { from, to, kind: message.kind(), payload, bytes: header.saturating_add(content) }
    }

    /// Ends a node's life: its peers learn of it as of any closed link.
    fn stop(&mut self, node: NodeId) {
        self.closed_by_handler.clear();
        for (peer, session) in self.sessions.close_all(node) {
            self.control(node, peer, What::Closed { from: node, session });
        }
        self.up.set(node.index(), false);
        self.lives[node.index()].1 = Some(self.now);
        self.note(digest::STOPPED, node, node, 0);
        self.tell(Observation::Stopped { node });
    }

    /// Something was on its way to a node that has stopped.
    fn find_stopped(&mut self, node: NodeId, what: What<P>) {
        match what {
            What::Message { from, message, .. } => {
                let parcel = self.arrive(from, node, &message);
                self.tell(Observation::Dropped(parcel, DropReason::Stopped));
            }
            What::Open { from, session } | What::Accepted { from, session } => {
                self.note(digest::OPEN, from, node, 0);
                self.control(node, from, What::Closed { from: node, session });
            }
            What::Timer(_) | What::Closed { .. } | What::Unreachable { .. } => {}
        }
    }

    /// Puts a message on its link.
    fn carry(&mut self, after: u64, parcel: Parcel, session: Session, message: P::Message) {
        let mut time = self.now + Duration::from_nanos(after);
        if self.links.kind == LinkKind::Stream {
            time = self.sessions.in_order(parcel.from, parcel.to, time);
        }
        self.in_flight.messages += 1;
        self.in_flight.payloads += u64::from(parcel.payload.is_some());
        self.queue
            .push(time, Event { to: parcel.to, what: What::Message { from: parcel.from, session, message } });
    }

    /// A message is taken off its link.
    fn arrive(&mut self, from: NodeId, to: NodeId, message: &P::Message) -> Parcel {
        let parcel = self.parcel(from, to, message);
        self.in_flight.messages -= 1;
        self.in_flight.payloads -= u64::from(parcel.payload.is_some());
        let content = parcel.payload.map_or(0, |payload| digest::content(self.broadcasts.get(payload)));
        self.note(digest::kind(parcel.kind), from, to, content ^ u64::from(parcel.bytes));
        parcel
    }

    fn received(&mut self, parcel: Parcel) {
        let counters = &mut self.counters[parcel.to.index()];
        counters.messages_received += 1;
        counters.bytes_received += u64::from(parcel.bytes);
        self.tell(Observation::Received(parcel));
    }

    /// Sends what a session itself needs: reliable and in order, on every kind of link.
    fn control(&mut self, from: NodeId, to: NodeId, what: What<P>) {
        let latency = self.links.latency(self.link_draws, from, to);
        let time = self.sessions.in_order(from, to, self.now + Duration::from_nanos(latency));
        self.queue.push(time, Event { to, what });
    }
}

impl<P: Protocol, O: Observer> World for Sim<P, O> {
    fn now(&self) -> Time {
        self.core.now
    }

    fn size(&self) -> usize {
        self.nodes.len()
    }

    fn spawn(&mut self) -> NodeId {
        let id = NodeId::at(self.nodes.len());
        self.core.add_node();
        self.start(id, false);
        id
    }

    fn is_up(&self, node: NodeId) -> bool {
        assert!(node.index() < self.nodes.len(), "there is no {node:?}");
        self.core.up.contains(node.index())
    }

    fn command(&mut self, node: NodeId, command: Command) {
        if self.is_up(node) {
            self.core.note(digest::COMMAND, node, node, 0);
            self.handle(node, |state, net| state.on_command(net, command));
        }
    }

    fn view(&self, node: NodeId) -> View {
        let mut view = View::default();
        self.nodes[node.index()].inspect(&mut view);
        view
    }

    fn state(&self, node: NodeId) -> State {
        if self.is_up(node) { self.nodes[node.index()].state() } else { State::Stopped }
    }

    fn uptime(&self, node: NodeId) -> Duration {
        let (started, stopped) = self.core.lives[node.index()];
        stopped.unwrap_or(self.core.now).since(started)
    }

    fn identity(&self, node: NodeId) -> Identity {
        Identity::simulated(self.core.seed, node)
    }

    fn advance(&mut self, until: Time, most: u64) -> bool {
        for _ in 0..most {
            if !self.step(until) {
                self.core.now = self.core.now.max(until);
                return true;
            }
        }
        false
    }

    fn events(&self) -> u64 {
        self.core.queue.popped()
    }

    fn in_flight(&self) -> InFlight {
        self.core.in_flight
    }

    fn counters(&self, node: NodeId) -> Counters {
        self.core.counters[node.index()]
    }

    fn broadcasts(&self) -> &Broadcasts {
        &self.core.broadcasts
    }

    fn topology(&self) -> Graph {
        self.core.sessions.graph()
    }
}
