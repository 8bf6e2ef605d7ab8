//! World 1: the simulator. One thread, one queue of events in a total order, one seed.
//!
//! The whole loop is `Sim::step`: take the earliest event, set the clock, call the node's handler. What the
//! handler does goes through the `SimTransport`, which turns it into later events.

mod core;
mod data;
mod digest;
mod event;
mod faults;
mod links;
mod logs;
mod matrix;
mod queue;
mod regions;
mod sessions;
mod topology;
mod transport;

pub use data::{DataError, Place};
pub use digest::Digest;
pub use event::Event;
pub use links::{DIAL, Datagram, Jitter, Latency, LinkKind, Links, Reordering, SILENCE};
pub use logs::Disk;
pub use matrix::Matrix;
pub use queue::{Calendar, Heap, Queue};
pub use topology::{MAX_LINKS, MAX_NODES, Topology, TopologyError, parse_edge_list};

use self::core::{Core, End};
use crate::fault::{Condition, ConditionId, Crash, Detection, Effects};
use crate::graph::Graph;
use crate::id::{Identity, NodeId};
use crate::message::Broadcasts;
use crate::observe::{DropReason, Observation, Observer};
use crate::protocol::{Command, Protocol, State, View, Wire};
use crate::rng::{Draws, Purpose};
use crate::time::Time;
use crate::world::{Counters, InFlight, World};
use event::{Events, Stored, What};
use logs::Logs;
use prefetch_index::prefetch_index;
use rustc_hash::FxHashMap;
use sessions::{Answer, Reception, Session, Sessions};
use std::collections::VecDeque;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;
use transport::SimTransport;

/// What a simulated network is made of.
pub struct SimConfig<P: Protocol> {
    /// Which links are up from the start; its nodes start at time zero.
    pub graph: Arc<Graph>,
    /// How links behave.
    pub links: Links,
    /// Where nodes keep their logs.
    pub disk: Disk,
    /// What all nodes have in common.
    pub node: P::Config,
}

impl<P: Protocol> SimConfig<P> {
    /// Nodes with their default configuration, and default links (streams of constant 10 ms), on a graph.
    pub fn new(graph: impl Into<Arc<Graph>>) -> SimConfig<P>
    where
        P::Config: Default,
    {
        let (links, disk, node) = Default::default();
        SimConfig { graph: graph.into(), links, disk, node }
    }

    /// With logs on such a disk.
    pub fn disk(self, disk: Disk) -> SimConfig<P> {
        SimConfig { disk, ..self }
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

/// A simulated network of nodes that run the protocol `P`, watched by `O`. Which queue it works with changes its speed and
/// nothing else.
pub struct Sim<P: Protocol, O, Q = Calendar<Event>> {
    config: P::Config,
    nodes: Vec<Resident<P>>,
    /// All but the nodes, so that a node's handler and the world can be borrowed at once.
    core: Core<P, O, Q>,
}

/// A node in its place in memory, between what the world counts of it. What a message in vain reads stands in the first
/// cache line: traffic that comes in, and the first fields of the node.
#[repr(C, align(64))]
struct Resident<P> {
    received: Traffic,
    node: P,
    sent: Traffic,
}

const _: () = assert!(size_of::<Resident<[u64; 12]>>() == 128, "a node of 96 bytes is two cache lines");

/// Messages in one direction.
#[derive(Clone, Copy, Default)]
struct Traffic {
    messages: u64,
    bytes: u64,
}

/// So many events ahead the memory is asked for what needs one step, and twice as many for what needs two.
const AHEAD: usize = 12;

impl<P: Protocol, O: Observer> Sim<P, O> {
    /// A network at time zero: every node of the graph started, every link of it up.
    pub fn new(config: SimConfig<P>, seed: u64, observer: O) -> Sim<P, O> {
        Sim::with_queue(config, seed, observer)
    }
}

impl<P: Protocol, O: Observer, Q: Queue<Event>> Sim<P, O, Q> {
    /// The same with another queue.
    pub fn with_queue(config: SimConfig<P>, seed: u64, observer: O) -> Sim<P, O, Q> {
        let nodes = config.graph.nodes();
        let core = Core {
            seed,
            now: Time::ZERO,
            events: Events::new(config.links.horizon()),
            links: config.links,
            sessions: Sessions::new(Arc::clone(&config.graph)),
            link_draws: Draws::new(seed, Purpose::Links),
            broadcasts: Broadcasts::default(),
            rngs: FxHashMap::default(),
            logs: Logs::new(config.disk),
            faults: None,
            closed_by_handler: VecDeque::new(),
            stop_after_handler: false,
            // Everybody is there before anybody starts: a node may open links to all others as it starts.
            up: (0..nodes).collect(),
            late_starts: Vec::new(),
            ends: FxHashMap::default(),
            lives: FxHashMap::default(),
            in_flight: InFlight::default(),
            changes: 0,
            digest: Digest::default(),
            observer,
        };
        let node = P::resolved(config.node, nodes > 0);
        let mut sim = Sim { config: node, nodes: Vec::with_capacity(nodes), core };
        config.graph.node_ids().for_each(|node| sim.start(node, true));
        for node in config.graph.node_ids() {
            config.graph.neighbors(node).iter().for_each(|&peer| sim.announce(node, peer));
        }
        sim
    }

    fn start(&mut self, id: NodeId, is_member: bool) {
        self.core.note(digest::STARTED, id, id, 0);
        self.core.changes += 1;
        self.core.tell(Observation::Started { node: id, is_member });
        let mut sent = Traffic::default();
        let node = P::start(&self.config, &[], &mut SimTransport::new(&mut self.core, id, &mut sent));
        self.nodes.push(Resident { received: Traffic::default(), node, sent });
        self.settle(id);
    }

    /// Brings up the next end of a link of the start. A node that has stopped by then ends the link.
    fn announce(&mut self, node: NodeId, peer: NodeId) {
        let session = self.core.sessions.announce(node, peer);
        if self.core.up.contains(node.index()) {
            self.link_up(node, peer, session);
        } else if let Some(session) = self.core.sessions.close(node, peer) {
            self.core.control(node, peer, Stored::Closed { from: node, session });
        }
    }

    /// Carries out the earliest event, if it is due by `until`; whether there was one.
    fn step(&mut self, until: Time) -> bool {
        self.prefetch();
        let Some((time, event)) = self.core.events.pop_until(until) else { return false };
        self.core.now = time;
        if self.core.faults.is_none() || !self.core.postpones(event) {
            self.carry_out(event);
        }
        true
    }

    /// What had to wait happens now.
    #[cold]
    #[inline(never)]
    fn carry_out_late(&mut self, event: Event) {
        self.carry_out(event);
    }

    #[inline(always)]
    fn carry_out(&mut self, event: Event) {
        let to = event.to;
        match event.what() {
            What::Word { from, session, word } => self.deliver(from, to, session, P::Message::unpack(word)),
            What::Stored(place) => {
                let stored = self.core.events.take(place);
                self.happen(to, stored);
            }
        }
    }

    fn happen(&mut self, to: NodeId, stored: Stored<P>) {
        if matches!(stored, Stored::Synced { .. }) {
            self.core.in_flight.syncs -= 1;
        }
        match stored {
            Stored::Message { from, session, message, bytes } => {
                self.deliver(from, to, session, (message, bytes));
            }
            stored if !self.core.up.contains(to.index()) => self.core.find_stopped(to, stored),
            Stored::Timer { life, .. } | Stored::Synced { life } if life != self.core.life(to) => {}
            Stored::Timer { timer, .. } => {
                self.core.note(digest::TIMER, to, to, 0);
                self.handle(to, |node, net| node.on_timer(net, timer));
            }
            Stored::Synced { .. } => self.synced(to),
            Stored::Command(command) => self.commanded(to, command),
            Stored::Uplink => self.core.uplink_free(to),
            Stored::Wake => {
                self.core.woken(to);
                while let Some(event) = self.core.next_in_line(to) {
                    self.carry_out_late(event);
                }
            }
            Stored::Open { from, session, ended } => self.opened(from, to, session, ended),
            Stored::Accepted { from, session } => self.accepted(from, to, session),
            Stored::Closed { from, session } => self.closed(from, to, session),
            Stored::Silence { peer, session } => {
                if self.core.gives_up(to, peer, session) {
                    self.gave_up(to, peer, session);
                }
            }
            Stored::Hushed { peer } => {
                if let Some(session) = self.core.tires(to, peer) {
                    self.gave_up(to, peer, session);
                }
            }
            Stored::Unreachable { peer } => self.link_down(to, peer, None),
        }
    }

    /// Asks the memory for what later events will need, so that it is there when their turn comes, and not fetched piece by
    /// piece while everything waits.
    #[inline(always)]
    fn prefetch(&self) {
        if let Some(node) = self.core.events.ahead(2 * AHEAD) {
            let Resident { received, sent, .. } = &self.nodes[node.index()];
            prefetch_index(from_ref(received), 0);
            prefetch_index(from_ref(sent), 0);
            self.core.sessions.prefetch_place(node);
        }
        if let Some(node) = self.core.events.ahead(AHEAD) {
            self.core.sessions.prefetch_links(node);
        }
    }

    /// A message arrives; with it comes the size of its encoding.
    #[inline]
    fn deliver(&mut self, from: NodeId, to: NodeId, session: Session, (message, bytes): (P::Message, u32)) {
        let parcel = self.core.arrive(from, to, &message, bytes);
        if !self.core.up.contains(to.index()) {
            return self.core.tell(Observation::Dropped(parcel, DropReason::Stopped));
        }
        if !self.is_in_session(from, to, session) {
            return self.core.tell(Observation::Dropped(parcel, DropReason::OldSession));
        }
        let received = &mut self.nodes[to.index()].received;
        received.messages += 1;
        received.bytes += u64::from(parcel.bytes);
        self.core.tell(Observation::Received(parcel));
        self.handle(to, |node, net| node.on_message(net, from, message));
    }

    /// Whether a session is up at `to`. It comes up now if that still waits for the consent of `from`: a message implies it.
    #[inline]
    fn is_in_session(&mut self, from: NodeId, to: NodeId, session: Session) -> bool {
        match self.core.sessions.receive(to, from, session) {
            Reception::Up => true,
            Reception::Old => false,
            Reception::ComesUp => {
                self.link_up(to, from, session);
                // The node may have closed the link right away.
                self.core.sessions.up(to, from) == Some(session)
            }
        }
    }

    /// `to` is asked for a link.
    fn opened(&mut self, from: NodeId, to: NodeId, session: Session, ended: Option<Session>) {
        self.core.note(digest::OPEN, from, to, 0);
        match self.core.sessions.answer(to, from, session, ended) {
            Answer::Accept => {
                self.core.control(to, from, Stored::Accepted { from: to, session });
                self.link_up(to, from, session);
            }
            Answer::Replace(old) => {
                self.core.control(to, from, Stored::Accepted { from: to, session });
                self.link_down(to, from, Some(old));
                // The node may have closed the new one by now, which it had not heard of.
                if self.core.sessions.up(to, from) == Some(session) {
                    self.link_up(to, from, session);
                }
            }
            Answer::Refuse => self.core.control(to, from, Stored::Closed { from: to, session }),
            // Its own wish may get lost; then the peer is not to wait for ever.
            Answer::PreferOwn if self.core.may_lose_wishes() => {
                self.core.expect_silence(from, to, session, self.core.links.dial);
            }
            Answer::PreferOwn => {}
        }
    }

    /// The peer agreed: the link is up here as well, unless this end has closed it in the meantime.
    fn accepted(&mut self, from: NodeId, to: NodeId, session: Session) {
        self.core.note(digest::ACCEPTED, from, to, 0);
        match self.core.sessions.receive(to, from, session) {
            Reception::ComesUp => self.link_up(to, from, session),
            Reception::Up => {}
            Reception::Old => self.core.control(to, from, Stored::Closed { from: to, session }),
        }
    }

    fn closed(&mut self, from: NodeId, to: NodeId, session: Session) {
        self.core.note(digest::CLOSED, from, to, 0);
        if self.core.sessions.end(to, from, session) {
            self.link_down(to, from, Some(session));
        }
    }

    fn commanded(&mut self, node: NodeId, command: Command) {
        self.core.note(digest::COMMAND, node, node, 0);
        self.handle(node, |state, net| state.on_command(net, command));
    }

    /// What waited for a node finds that it has ended its life.
    fn drop_line(&mut self, node: NodeId) {
        for event in self.core.take_line(node) {
            self.carry_out_late(event);
        }
    }

    /// What a node wrote into its log is safe.
    fn synced(&mut self, node: NodeId) {
        self.core.note(digest::SYNCED, node, node, 0);
        let (records, next) = self.core.logs.synced(node);
        if let Some(length) = next {
            self.core.begin_sync(node, length);
        }
        self.handle(node, |state, net| state.on_synced(net, records));
    }

    fn gave_up(&mut self, node: NodeId, peer: NodeId, session: Session) {
        self.core.note(digest::SILENCE, peer, node, 0);
        self.link_down(node, peer, Some(session));
    }

    fn link_up(&mut self, node: NodeId, peer: NodeId, session: Session) {
        self.core.note(digest::LINK_UP, node, peer, 0);
        self.core.changes += 1;
        self.core.tell(Observation::LinkUp { node, peer, session: session.number() });
        self.handle(node, |state, net| state.on_link_up(net, peer));
    }

    fn link_down(&mut self, node: NodeId, peer: NodeId, session: Option<Session>) {
        self.core.note(digest::LINK_DOWN, node, peer, 0);
        self.core.changes += 1;
        self.core.tell(Observation::LinkDown { node, peer, session: session.map(Session::number) });
        self.handle(node, |state, net| state.on_link_down(net, peer));
    }

    /// Lets a node handle something, and then sees to what it did to its links and its life meanwhile.
    fn handle(&mut self, id: NodeId, handler: impl FnOnce(&mut P, &mut SimTransport<'_, P, O, Q>)) {
        self.call(id, handler);
        if self.core.stop_after_handler || !self.core.closed_by_handler.is_empty() {
            self.settle(id);
        }
    }

    /// Tells a node of the links that it closed, before anything else can bring them up again; or ends its life. In a loop,
    /// not by recursion: a hub may close a million links at once.
    fn settle(&mut self, id: NodeId) {
        loop {
            if std::mem::take(&mut self.core.stop_after_handler) {
                self.core.stop(id);
                return self.drop_line(id);
            }
            let Some((peer, session)) = self.core.closed_by_handler.pop_front() else { return };
            self.core.note(digest::LINK_DOWN, id, peer, 0);
            self.core.changes += 1;
            let session = Some(session.number());
            self.core.tell(Observation::LinkDown { node: id, peer, session });
            self.call(id, |state, net| state.on_link_down(net, peer));
        }
    }

    #[inline]
    fn call(&mut self, id: NodeId, handler: impl FnOnce(&mut P, &mut SimTransport<'_, P, O, Q>)) {
        let Resident { node, sent, .. } = &mut self.nodes[id.index()];
        handler(node, &mut SimTransport::new(&mut self.core, id, sent));
        if cfg!(debug_assertions) {
            node.check_invariants();
        }
    }

    /// Gives a node that has started again the links of the topology to the nodes that it can reach.
    fn give_again(&mut self, node: NodeId) {
        for peer in self.core.sessions.given(node) {
            if !self.core.is_apart(node, peer) {
                self.give_link(node, peer);
            }
        }
    }

    fn give_link(&mut self, node: NodeId, peer: NodeId) {
        let are_up = [node, peer].iter().all(|end| self.core.up.contains(end.index()));
        if !are_up || self.core.sessions.of(node).iter().any(|&(other, ..)| other == peer) {
            return;
        }
        // The peer may not have noticed yet that the old one is over.
        let old = self.core.sessions.close(peer, node);
        let session = self.core.sessions.connect(node, peer);
        if old.is_some() {
            self.link_down(peer, node, old);
        }
        for (end, other) in [(node, peer), (peer, node)] {
            if self.core.sessions.up(end, other) == Some(session) {
                self.link_up(end, other, session);
            }
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
        &self.nodes[node.index()].node
    }
}

impl<P: Protocol, O> Sim<P, O> {
    /// What a node takes in memory, its links and what the protocol keeps elsewhere apart.
    pub const BYTES_PER_NODE: u64 = size_of::<Resident<P>>() as u64;
    /// What one end of a link takes in memory that was not there from the start.
    pub const BYTES_PER_LINK_END: u64 = Sessions::LINK_END as u64;
    /// What an event takes in memory.
    pub const BYTES_PER_EVENT: u64 = Calendar::<Event>::ENTRY as u64;
}

const _: () = assert!(Calendar::<Event>::ENTRY <= 24, "events are most of the memory of a large run");

impl<P: Protocol, O: Observer, Q: Queue<Event>> World for Sim<P, O, Q> {
    fn now(&self) -> Time {
        self.core.now
    }

    fn size(&self) -> usize {
        self.nodes.len()
    }

    fn spawn(&mut self) -> NodeId {
        let id = NodeId::at(self.nodes.len());
        self.core.up.grow(id.index() + 1);
        self.core.up.insert(id.index());
        self.core.late_starts.push(self.core.now);
        let now = self.core.now;
        if let Some(faults) = &mut self.core.faults {
            faults.set_clock(now, id);
        }
        self.start(id, false);
        id
    }

    fn is_up(&self, node: NodeId) -> bool {
        assert!(node.index() < self.nodes.len(), "there is no {node:?}");
        self.core.up.contains(node.index())
    }

    fn command(&mut self, node: NodeId, command: Command) {
        if self.is_up(node)
            && let Some(Stored::Command(command)) = self.core.postpones_stored(node, Stored::Command(command))
        {
            self.commanded(node, command);
        }
    }

    fn view(&self, node: NodeId) -> View {
        let mut view = View::default();
        self.node(node).inspect(&mut view);
        view
    }

    fn state(&self, node: NodeId) -> State {
        if self.is_up(node) {
            return self.node(node).state();
        }
        match self.core.ends.get(&node) {
            Some(End { has_crashed: true, .. }) => State::Crashed,
            _ => State::Stopped,
        }
    }

    fn uptime(&self, node: NodeId) -> Duration {
        let given = self.nodes.len() - self.core.late_starts.len();
        let late = node.index().checked_sub(given).map(|late| self.core.late_starts[late]);
        let started = self.core.lives.get(&node).map(|&(started, _)| started).or(late);
        let ended = self.core.ends.get(&node).map(|end| end.time);
        ended.unwrap_or(self.core.now).since(started.unwrap_or(Time::ZERO))
    }

    fn identity(&self, node: NodeId) -> Identity {
        Identity::simulated(self.core.seed, node)
    }

    fn crash(&mut self, node: NodeId, crash: Crash) {
        if !self.is_up(node) {
            return;
        }
        let core = &mut self.core;
        core.up.set(node.index(), false);
        core.note(digest::CRASHED, node, node, 0);
        core.changes += 1;
        let log = core.logs.crash(node, crash.log);
        core.tell(Observation::Crashed { node, log });
        core.ends(node);
        let is_silent = crash.detection == Detection::Silence;
        core.ends.insert(node, End { time: core.now, has_crashed: true, is_silent });
        for (peer, session) in core.sessions.close_all(node) {
            if is_silent {
                core.expect_silence(peer, node, session, core.links.silence);
            } else {
                core.control(node, peer, Stored::Closed { from: node, session });
            }
        }
        self.drop_line(node);
    }

    fn restart(&mut self, node: NodeId) {
        if self.is_up(node) {
            return;
        }
        let core = &mut self.core;
        core.up.insert(node.index());
        core.ends.remove(&node);
        core.lives.insert(node, (core.now, core.life(node) + 1));
        let given = self.nodes.len() - core.late_starts.len();
        let is_member = node.index() < given;
        core.note(digest::RESTARTED, node, node, 0);
        core.changes += 1;
        core.tell(Observation::Restarted { node, is_member });
        let log = core.logs.take(node);
        let sent = &mut self.nodes[node.index()].sent;
        let state = P::start(&self.config, &log, &mut SimTransport::new(core, node, sent));
        core.logs.put_back(node, log);
        self.nodes[node.index()].node = state;
        self.settle(node);
        self.give_again(node);
    }

    fn reset(&mut self, a: NodeId, b: NodeId) -> bool {
        let up = self.core.sessions.up(a, b);
        let Some(session) = up.filter(|_| up == self.core.sessions.up(b, a)) else { return false };
        self.core.note(digest::RESET, a, b, 0);
        self.core.lose_held_between(a, b, session);
        // Who stands still learns of it later.
        let ends = [(a, b), (b, a)].map(|(end, peer)| {
            let closed = Stored::Closed { from: peer, session };
            self.core.postpones_stored(end, closed).map(|_| (end, peer))
        });
        for (end, peer) in ends.into_iter().flatten() {
            self.core.sessions.close(end, peer);
        }
        for (end, peer) in ends.into_iter().flatten() {
            self.link_down(end, peer, Some(session));
        }
        true
    }

    fn impose(&mut self, condition: Condition) -> ConditionId {
        self.core.impose(condition, self.nodes.len())
    }

    fn lift(&mut self, id: ConditionId) -> bool {
        self.core.lift(id, self.nodes.len())
    }

    fn is_cut(&self, a: NodeId, b: NodeId) -> bool {
        self.core.faults.as_ref().is_some_and(|faults| faults.separate(a, b))
    }

    fn effects(&self, id: ConditionId) -> Effects {
        self.core.faults.as_ref().expect("something was imposed").effects(id)
    }

    fn latency(&self, from: NodeId, to: NodeId) -> Duration {
        self.core.latency(from, to)
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
        self.core.events.popped()
    }

    fn changes(&self) -> u64 {
        self.core.changes
    }

    fn in_flight(&self) -> InFlight {
        self.core.in_flight
    }

    fn counters(&self, node: NodeId) -> Counters {
        let Resident { received, sent, .. } = &self.nodes[node.index()];
        Counters {
            messages_sent: sent.messages,
            messages_received: received.messages,
            bytes_sent: sent.bytes,
            bytes_received: received.bytes,
        }
    }

    fn broadcasts(&self) -> &Broadcasts {
        &self.core.broadcasts
    }

    fn topology(&self) -> Arc<Graph> {
        self.core.sessions.graph(self.nodes.len())
    }

    fn digest(&self) -> Option<String> {
        Some(Sim::digest(self).to_string())
    }
}
