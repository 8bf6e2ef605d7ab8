//! The peer that we ship: an overlay (who neighbors whom) and a broadcast (how a message reaches everyone), over a
//! memory of what was seen; beside them direct messages, discovery and a census.
//!
//! A node's *neighbors* are the peers with which it has agreed to exchange broadcasts. It has other links for a while,
//! to ask somebody something or to hand over a direct message. Links that the world gives at the moment of its
//! start make neighbors at once.
//!
//! What a node promises so far: in a network without crashes, on reliable links, every broadcast reaches every node that is
//! a member from its publication on, once. After a crash that left it its log it delivers nothing again.

mod book;
mod census;
mod cost;
mod direct;
mod flood;
mod frontier;
mod history;
mod lazily;
mod leaving;
mod links;
mod log;
mod membership;
mod overlay;
mod reconcile;
mod regular;
mod roster;
mod tutorial;
mod weakness;

pub use log::NodeRecord;
pub use reconcile::{ReconcileConfig, Reconciling};
pub use regular::{Alarm, Flip, List, Walk, Why, Word};
pub use weakness::Weakness;

use crate::id::NodeId;
use crate::message::{Message, Payload};
use crate::protocol::{Census, Command, Cost, Notice, Protocol, Size, State, View, Wire};
use crate::time::LocalTime;
use crate::transport::{Durability, Transport};
use book::Book;
use census::Waves;
use direct::Direct;
use frontier::Sight;
use history::{Older, Recent};
use lazily::{Lazily, Untouched};
use leaving::Leaving;
use links::{Errand, Links};
use log::Unsynced;
use membership::Membership;
use overlay::Neighbors;
use rand::Rng;
use reconcile::Repair;
use regular::Regular;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use std::time::Duration;
use tutorial::Tutorial;
use weakness::{Contents, Tally};

/// What all nodes of a network have in common.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Who neighbors whom. Default: `static` where the scenario gives a topology, `regular` where nodes join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<OverlayKind>,
    /// How a broadcast spreads.
    pub broadcast: BroadcastKind,
    /// How nodes make up for broadcasts that they missed: on links that lose, in partitions, before they joined. Default: not
    /// at all, but with the overlay `regular` as below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<ReconcileConfig>,
    /// What the nodes lack, to see whether that is noticed. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weakness: Option<Weakness>,
}

/// The overlays to choose from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverlayKind {
    /// The topology is given: a node neighbors whom the world linked it to, and never looks for others.
    #[default]
    Static,
    /// Join as in the tutorial from which this project grew: ask a contact for a random node, ask that one for a random
    /// part of itself and its neighbors, and link to those. At least three neighbors for everybody.
    Tutorial,
    /// About six neighbors for everybody, by chance, and never more than ten. Newcomers split links, so nobody becomes a hub;
    /// the neighbors of a node that crashes link to each other; addresses that fail are dialled again for three days, so that
    /// parts of a network find each other after a mass crash or a partition. Links are mixed all the time. Costs 0.8 events a
    /// node and second even if nothing happens.
    Regular,
}

/// The ways to spread a broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BroadcastKind {
    /// Forward once to all neighbors but the sender.
    #[default]
    Flood,
}

/// What nodes say to each other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum NodeMessage {
    /// A broadcast's content on its way.
    Data {
        /// The content.
        payload: Payload,
        /// How many links it has crossed when it arrives.
        hops: u32,
    },
    /// Everything else; boxed, because a flood's messages must stay small.
    Control(Box<Control>),
}

/// What nodes say to each other to keep the network going.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Control {
    /// Name me a node of the network.
    AskNode,
    /// This one; none if I know only you.
    Node(Option<NodeId>),
    /// Name me a part of you and your neighbors.
    AskPart,
    /// These.
    Part(Vec<NodeId>),
    /// Let us be neighbors.
    Hello {
        /// Whether the sender is a member of the network, and not on its way in.
        member: bool,
    },
    /// We are.
    Welcome {
        /// As with `Hello`.
        member: bool,
    },
    /// I am leaving. Link to the heir that comes after you.
    Leaving {
        /// Counts the times that this node had to name its heirs anew.
        round: u32,
        /// All its neighbors, by identity.
        heirs: Vec<NodeId>,
    },
    /// I did what your leaving asks of me.
    Released {
        /// In this round.
        round: u32,
    },
    /// Name me nodes that you know.
    AskKnown,
    /// These are some.
    Known(Vec<NodeId>),
    /// A message for you alone.
    Direct {
        /// The sender's incarnation.
        incarnation: u64,
        /// Its number among those from this sender to this receiver.
        sequence: u64,
        /// The message.
        message: Message,
    },
    /// I have it.
    Ack {
        /// Which one.
        sequence: u64,
    },
    /// Count everybody behind you.
    Explore(Wave),
    /// So many.
    Echo(Wave, Census),
    /// Of the overlay `regular`.
    Regular(Word),
    /// About what was missed.
    Reconciling(Reconciling),
}

/// Which census: its initiator and a number of that node's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wave {
    initiator: NodeId,
    number: u32,
}

impl Wire for NodeMessage {
    fn payload(&self) -> Option<Payload> {
        match self {
            NodeMessage::Data { payload, .. } => Some(*payload),
            NodeMessage::Control(control) => match &**control {
                Control::Reconciling(message) => message.payload(),
                _ => None,
            },
        }
    }

    /// Payload and hops: a flood is made of these.
    #[inline]
    fn pack(&self) -> Option<(u64, u32)> {
        let NodeMessage::Data { payload, hops } = *self else { return None };
        Some((u64::from(hops) << 32 | u64::from(payload.to_word()), data_size(hops)))
    }

    #[inline]
    fn unpack(word: u64) -> (NodeMessage, u32) {
        let (payload, hops) = (Payload::from_word(word as u32), (word >> 32) as u32);
        (NodeMessage::Data { payload, hops }, data_size(hops))
    }

    #[inline]
    fn kind(&self) -> &'static str {
        let NodeMessage::Control(control) = self else { return "data" };
        match &**control {
            Control::AskNode => "ask_node",
            Control::Node(_) => "node",
            Control::AskPart => "ask_part",
            Control::Part(_) => "part",
            Control::Hello { .. } => "hello",
            Control::Welcome { .. } => "welcome",
            Control::Leaving { .. } => "leaving",
            Control::Released { .. } => "released",
            Control::AskKnown => "ask_known",
            Control::Known(_) => "known",
            Control::Direct { .. } => "direct",
            Control::Ack { .. } => "ack",
            Control::Explore(_) => "explore",
            Control::Echo(..) => "echo",
            Control::Regular(word) => word.kind(),
            Control::Reconciling(message) => message.kind(),
        }
    }
}

/// The size of an encoded [`NodeMessage::Data`]: the variant, the payload, and seven bits of the hops a byte.
fn data_size(hops: u32) -> u32 {
    1 + 4 + (32 - (hops | 1).leading_zeros()).div_ceil(7)
}

impl From<Control> for NodeMessage {
    fn from(control: Control) -> NodeMessage {
        NodeMessage::Control(Box::new(control))
    }
}

/// No disk is so slow that a content waits for it longer.
const CONTENTS_WAIT: Duration = Duration::from_secs(600);

/// What a node's timers mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeTimer {
    /// Look for neighbors again. Stale unless the generation is the latest.
    Seek {
        /// Counts the times that the search was started anew.
        generation: u32,
    },
    /// Leaving has taken too long. Stale unless the generation is the latest.
    LeaveDeadline {
        /// Counts the times that the leaving was started anew.
        generation: u32,
    },
    /// A direct message may have been lost.
    Resend {
        /// To whom it goes.
        to: NodeId,
        /// Which one.
        sequence: u64,
    },
    /// Of the overlay `regular`. Stale unless the number is that of the latest alarm of its kind.
    Regular {
        /// What for.
        alarm: Alarm,
        /// Counts the alarms.
        number: u32,
    },
    /// Something is due of what was missed. Stale unless the generation is the latest.
    Reconcile {
        /// Counts the timers.
        generation: u32,
    },
}

/// One peer.
///
/// What a flood reads of it fits two cache lines together with the world's counters: first what every copy needs, last
/// what a first copy needs. So the order of the fields is given.
#[derive(Debug)]
#[repr(C)]
pub struct Node {
    recent: Recent,
    older: Lazily<Older>,
    tally: Tally,
    aside: Lazily<Aside>,
    neighbors: Neighbors,
}

const _: () = assert!(size_of::<Node>() <= 96, "a node's hot state fits two cache lines, counters included");

/// The parts of a node that are not on a broadcast's way. A node of a given topology that only passes on has none.
#[derive(Debug, Default)]
struct Aside {
    overlay: OverlayKind,
    started: LocalTime,
    state: State,
    /// Whether it is on its way in, and not yet a part of the network.
    is_newcomer: bool,
    publisher: Publisher,
    unsynced: Unsynced,
    contents: Contents,
    links: Links,
    book: Book,
    membership: Membership,
    tutorial: Tutorial,
    leaving: Leaving,
    regular: Regular,
    direct: Direct,
    waves: Waves,
    repair: Option<Box<Repair>>,
}

impl Untouched for Aside {
    fn untouched() -> &'static Aside {
        static NOTHING: LazyLock<Aside> = LazyLock::new(Aside::default);
        &NOTHING
    }
}

/// Under which numbers a node publishes.
#[derive(Debug, Default)]
struct Publisher {
    /// Drawn at the first message of this life: a life without one needs none.
    life: Option<u64>,
    /// That of an earlier life, whose series of broadcasts goes on in this one.
    restored: Option<u64>,
    next_sequence: u64,
}

impl Publisher {
    /// The number of this life.
    fn life(&mut self, net: &mut impl Transport<Node>) -> u64 {
        *self.life.get_or_insert_with(|| net.rng().next_u64())
    }

    /// The incarnation under which it broadcasts.
    fn incarnation(&mut self, net: &mut impl Transport<Node>) -> u64 {
        self.restored.unwrap_or_else(|| self.life(net))
    }
}

impl Protocol for Node {
    type Config = NodeConfig;
    type Message = NodeMessage;
    type Timer = NodeTimer;
    type Record = NodeRecord;

    fn start(config: &NodeConfig, log: &[NodeRecord], net: &mut impl Transport<Node>) -> Node {
        let BroadcastKind::Flood = config.broadcast;
        let overlay = config.overlay.unwrap_or(OverlayKind::Static);
        let reconcile =
            config.reconcile.as_ref().filter(|_| config.weakness != Some(Weakness::NoReconciliation));
        let mut node = Node {
            recent: Recent::default(),
            older: Lazily::default(),
            tally: Tally::of(config.weakness, reconcile.is_some()),
            aside: Lazily::default(),
            neighbors: Neighbors::default(),
        };
        if (overlay, net.now()) != (OverlayKind::Static, LocalTime::default()) {
            (node.aside.overlay, node.aside.started) = (overlay, net.now());
        }
        if let Some(config) = reconcile {
            node.begin_to_reconcile(config);
        }
        node.recover(net, log);
        node
    }

    fn worth_keeping(
        config: &NodeConfig,
        log: Vec<NodeRecord>,
        net: &impl Transport<Node>,
    ) -> Vec<NodeRecord> {
        log::worth_keeping(config, log, net)
    }

    fn on_command(&mut self, net: &mut impl Transport<Node>, command: Command) {
        match command {
            Command::Join { contacts } => self.join(net, contacts),
            Command::Broadcast { title, message } => self.publish(net, title, message),
            Command::Send { to, title, message } => self.send_direct(net, to, title, message),
            Command::Discover => self.discover(net),
            Command::Census => self.take_census(net),
            Command::Leave => self.leave(net),
            Command::Shutdown => self.stop(net),
        }
        self.follow_up(net);
    }

    fn on_message(&mut self, net: &mut impl Transport<Node>, from: NodeId, message: NodeMessage) {
        match message {
            NodeMessage::Data { payload, hops } => self.receive(net, Some(from), payload, hops),
            NodeMessage::Control(control) => {
                self.on_control(net, from, *control);
                self.follow_up(net);
            }
        }
    }

    fn on_timer(&mut self, net: &mut impl Transport<Node>, timer: NodeTimer) {
        match timer {
            NodeTimer::Seek { generation } => self.on_seek_timer(net, generation),
            NodeTimer::LeaveDeadline { generation } => self.on_leave_deadline(net, generation),
            NodeTimer::Resend { to, sequence } => self.on_resend_timer(net, to, sequence),
            NodeTimer::Regular { alarm, number } => self.on_alarm(net, alarm, number),
            NodeTimer::Reconcile { generation } => self.on_reconcile_timer(generation),
        }
        self.follow_up(net);
    }

    fn on_synced(&mut self, net: &mut impl Transport<Node>, records: u64) {
        self.deliver_synced(net, records);
        self.follow_up(net);
    }

    fn on_link_up(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        if self.is_given(net.now(), peer) {
            self.neighbors.add_given(peer);
            if self.aside.overlay != OverlayKind::Static {
                self.note_address(net, peer, peer);
            }
            if net.now() != LocalTime::default() {
                // The peer lives already, and was not given the link at its own start.
                net.send(peer, Control::Hello { member: !self.aside.is_newcomer }.into());
            }
            self.given(net);
            return self.follow_up(net);
        }
        if self.is_regular() && self.neighbors.len() == 0 && self.aside.regular.knows_only_the_dead() {
            // Whoever looks after it lives.
            self.note_address(net, peer, peer);
        }
        for errand in self.aside.links.came_up(peer) {
            self.run_errand(net, peer, errand);
        }
        self.follow_up(net);
    }

    fn on_link_down(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        let was_neighbor = self.neighbors.remove(peer);
        if self.aside.is_untouched() {
            // It never had to do with anybody but its neighbors.
            return;
        }
        let failed = self.aside.links.went_down(peer);
        self.wave_lost(net, peer);
        self.direct_link_lost(net, peer);
        self.overlay_link_lost(net, peer, was_neighbor, &failed);
        self.follow_up(net);
    }

    fn state(&self) -> State {
        self.aside.state
    }

    fn inspect(&self, view: &mut View) {
        let Aside { book, regular, direct, unsynced, .. } = &*self.aside;
        view.neighbors.extend(self.neighbors.iter());
        view.known.extend(self.neighbors.iter().chain(book.all()).chain(regular.addresses()));
        view.known.sort_unstable_by_key(|known| known.0);
        view.known.dedup();
        let of_flood = || self.older.count(&self.recent) - unsynced.len() as u64;
        view.delivered = self.count_entered().unwrap_or_else(of_flood);
        view.duplicates = self.tally.duplicates();
        view.inbox.extend(direct.inbox().cloned());
    }

    fn resolved(mut config: NodeConfig, is_given: bool) -> NodeConfig {
        let usual = if is_given { OverlayKind::Static } else { OverlayKind::Regular };
        if *config.overlay.get_or_insert(usual) == OverlayKind::Regular {
            config.reconcile.get_or_insert_default();
        }
        config
    }

    fn keeps_contents(config: &NodeConfig) -> Option<Duration> {
        // Without reconciliation contents are passed on at once, and wait for the disk at most.
        let kept = config.reconcile.as_ref().map(ReconcileConfig::keeps_contents);
        Some(kept.unwrap_or_default().max(CONTENTS_WAIT))
    }

    fn can_join(config: &NodeConfig) -> bool {
        config.overlay.is_some_and(|overlay| overlay != OverlayKind::Static)
    }

    fn weakened(config: &NodeConfig) -> Vec<(&'static str, NodeConfig)> {
        Weakness::variants(config)
    }

    fn cost(config: &NodeConfig, command: &Command, size: Size) -> Option<Cost> {
        Some(cost::of(config, command, size))
    }

    fn idle_events(config: &NodeConfig) -> f64 {
        cost::idle(config)
    }
}

impl Node {
    /// Whether a link that comes up now is one that the world gives: at the moment of the node's start, unless it was told
    /// to join, or opened it itself.
    fn is_given(&self, now: LocalTime, peer: NodeId) -> bool {
        self.aside.started == now
            && !self.aside.membership.was_told_to_join()
            && !self.aside.links.has_errands(peer)
    }

    /// Publishes a broadcast, unless more waits for the disk than it takes.
    fn publish(&mut self, net: &mut impl Transport<Node>, title: String, message: String) {
        let has_one_life = self.lacks(Weakness::ReusedSequences);
        let Aside { publisher, unsynced, .. } = &mut *self.aside;
        if unsynced.is_full() {
            return;
        }
        let incarnation = if has_one_life { 0 } else { publisher.incarnation(net) };
        let payload = net.publish(incarnation, publisher.next_sequence, title, message);
        publisher.next_sequence += 1;
        self.receive(net, None, payload, 0);
    }

    /// A broadcast came in, from a peer or from the application: deliver and pass it on, if it is new.
    fn receive(&mut self, net: &mut impl Transport<Node>, from: Option<NodeId>, payload: Payload, hops: u32) {
        if self.tally.is_special() {
            return self.receive_specially(net, from, payload, hops);
        }
        if !self.is_new(net, payload) {
            return self.tally.count();
        }
        // The record goes first: what is delivered is safe.
        if net.append(NodeRecord::of(from, payload)) == Durability::Pending {
            return self.await_sync(net, from, payload, hops);
        }
        net.notify(Notice::Delivered { payload, hops });
        flood::spread(net, &self.neighbors, from, payload, hops);
    }

    /// After everything that happens.
    #[inline]
    fn follow_up(&mut self, net: &mut impl Transport<Node>) {
        if self.tally.reconciles() {
            self.settle(net);
        }
    }

    /// Whether a broadcast was not seen before. From now on it was.
    #[inline(always)]
    fn is_new(&mut self, net: &mut impl Transport<Node>, payload: Payload) -> bool {
        let sight = self.record(net, payload);
        if let Some((first, last)) = sight.given_up {
            net.notify(Notice::Gap { origin: net.broadcast(payload).origin, first, last });
        }
        sight.is_new
    }

    #[inline(always)]
    fn record(&mut self, net: &impl Transport<Node>, payload: Payload) -> Sight {
        let (series, sequence) = (net.series(payload), net.broadcast(payload).sequence);
        match self.recent.record(series, sequence, &self.older) {
            Some(is_new) => Sight { is_new, given_up: None },
            None => self.older.record(&mut self.recent, series, sequence),
        }
    }

    fn on_control(&mut self, net: &mut impl Transport<Node>, from: NodeId, control: Control) {
        match control {
            Control::AskNode => self.on_ask_node(net, from),
            Control::Node(node) => self.on_node(net, from, node),
            Control::AskPart => self.on_ask_part(net, from),
            Control::Part(nodes) => self.on_part(net, from, nodes),
            Control::Hello { member } => self.on_hello(net, from, member),
            Control::Welcome { member } => self.on_welcome(net, from, member),
            Control::Leaving { round, heirs } => self.on_leaving(net, from, round, heirs),
            Control::Released { round } => self.on_released(net, from, round),
            Control::AskKnown => self.on_ask_known(net, from),
            Control::Known(nodes) => self.on_known(net, from, nodes),
            Control::Direct { incarnation, sequence, message } => {
                self.on_direct(net, from, incarnation, sequence, message);
            }
            Control::Ack { sequence } => self.on_ack(net, from, sequence),
            Control::Explore(wave) => self.on_explore(net, from, wave),
            Control::Echo(wave, census) => self.on_echo(net, from, wave, census),
            Control::Regular(word) => self.on_word(net, from, word),
            Control::Reconciling(message) => self.on_reconciling(net, from, message),
        }
    }

    /// Does something at a peer: now if there is a link to it, otherwise as soon as there is one.
    fn visit(&mut self, net: &mut impl Transport<Node>, peer: NodeId, errand: Errand) {
        if self.neighbors.contains(peer) || self.aside.links.is_up(peer) {
            self.run_errand(net, peer, errand);
        } else {
            self.aside.links.expect(peer, errand);
            net.open(peer);
        }
    }

    fn run_errand(&mut self, net: &mut impl Transport<Node>, peer: NodeId, errand: Errand) {
        match errand {
            Errand::AskNode => net.send(peer, Control::AskNode.into()),
            Errand::AskPart => net.send(peer, Control::AskPart.into()),
            Errand::Befriend | Errand::Inherit { .. } => {
                self.aside.links.befriending(peer, errand);
                net.send(peer, Control::Hello { member: !self.aside.is_newcomer }.into());
            }
            Errand::Deliver => self.transmit(net, peer),
            Errand::Regular(aim) => self.run_aim(net, peer, aim),
        }
    }

    /// Closes a link that this node opened and has no more use for.
    fn part_from(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        let Aside { links, direct, tutorial, regular, .. } = &*self.aside;
        let in_use = self.neighbors.contains(peer)
            || links.has_errands(peer)
            || direct.is_waiting_for(peer)
            || tutorial.is_waiting_for(peer)
            || regular.is_waiting_for(peer);
        if links.is_own(peer) && !in_use {
            net.close(peer);
        }
    }

    /// Asks all neighbors for nodes that they know.
    fn discover(&mut self, net: &mut impl Transport<Node>) {
        for peer in self.neighbors.to_vec() {
            net.send(peer, Control::AskKnown.into());
        }
    }

    fn on_ask_known(&mut self, net: &mut impl Transport<Node>, from: NodeId) {
        let nodes = self.some_addresses(net, from);
        net.send(from, Control::Known(nodes).into());
    }

    fn on_known(&mut self, net: &mut impl Transport<Node>, from: NodeId, nodes: Vec<NodeId>) {
        for node in nodes {
            self.note_address(net, node, from);
        }
    }

    /// Ends this node's life. What it could not hand over is lost.
    fn stop(&mut self, net: &mut impl Transport<Node>) {
        if !self.aside.is_untouched() {
            self.aside.direct.give_up_everything(net);
            self.aside.state = State::Stopped;
        }
        net.stop();
    }
}

#[cfg(test)]
mod tests;
