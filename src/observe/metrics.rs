//! What the summary, the judge and the pictures need to know of a run: how each broadcast spread.

use super::{Audit, Observation, Observer};
use crate::fault::LogFate;
use crate::id::NodeId;
use crate::message::Payload;
use crate::protocol::{Census, Notice};
use crate::time::{Time, nanos};
use fixedbitset::FixedBitSet;
use petgraph::unionfind::UnionFind;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use std::time::Duration;

/// Counts how every broadcast of a run spread, and which nodes could have heard of each other at all.
///
/// Memory: about ten bytes a node, and 32 more for one that joins; for each broadcast a bit a node and eight bytes a delivery.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// One per broadcast, in order of publication.
    spreads: Vec<Spread>,
    /// So many nodes, the first ones, were part of the network from the start of the run.
    given: usize,
    /// All others.
    late: Vec<Late>,
    /// When nodes ended their lives that are down; looked up only.
    stopped: FxHashMap<NodeId, Time>,
    /// Since when nodes have been a part of the network that started again, if they are; looked up only.
    again: FxHashMap<NodeId, Option<Time>>,
    /// How often nodes have lost their logs, and with them what they had delivered; looked up only.
    forgot: FxHashMap<NodeId, u32>,
    /// What such nodes delivered since they had forgotten so often; looked up only.
    recovered: FxHashSet<(Payload, NodeId, u32)>,
    /// Joins nodes that were ever linked, directly or through others. An upper bound of who could reach whom.
    ever_linked: UnionFind<u32>,
    /// At how many hops each node delivered the first broadcast; [`NEVER`] if it did not, [`FAR`] if `far_hops` tells.
    first_hops: Vec<u16>,
    /// Looked up only.
    far_hops: FxHashMap<NodeId, u32>,
    /// Broadcasts that nodes gave up on.
    gaps: u64,
    /// How long each node that joined was on its way in, in nanoseconds.
    joins: Vec<u64>,
    /// Messages without a broadcast's content, in all and until the latest node was in.
    control_messages: u64,
    control_messages_to_join: u64,
    /// The results of censuses, and when they came.
    censuses: Vec<(Time, Census)>,
    /// What became of direct messages.
    direct: DirectMessages,
    /// What only some judges need.
    audit: Option<Box<Audit>>,
}

/// More hops than a small number holds.
const FAR: u16 = u16::MAX - 1;
const NEVER: u16 = u16::MAX;

/// A node that was not there from the start of the run.
#[derive(Clone, Copy, Debug)]
struct Late {
    started: Time,
    /// Since when it has been a part of the network.
    member_since: Option<Time>,
    had_to_join: bool,
}

/// What became of direct messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct DirectMessages {
    /// Acknowledged by their receivers.
    pub delivered: u64,
    /// Given up by their senders.
    pub lost: u64,
}

/// How one broadcast spread.
#[derive(Clone, Debug)]
pub struct Spread {
    /// Who published it.
    pub origin: NodeId,
    /// When.
    pub published: Time,
    /// Who delivered it.
    delivered: FixedBitSet,
    /// How long after its publication it was delivered, once per delivery, in the order in which that happened.
    delays: Vec<u64>,
    hops_total: u64,
    /// Hops of the latest delivery: the "last delivery hop" (LDH) of the Plumtree paper.
    pub last_hops: u32,
    /// Messages that carried its content.
    pub payload_messages: u64,
    /// The first node that delivered it a second time, and when. Nobody should.
    pub repeated: Option<(NodeId, Time)>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            spreads: Vec::new(),
            given: 0,
            late: Vec::new(),
            stopped: FxHashMap::default(),
            again: FxHashMap::default(),
            forgot: FxHashMap::default(),
            recovered: FxHashSet::default(),
            ever_linked: UnionFind::new_empty(),
            first_hops: Vec::new(),
            far_hops: FxHashMap::default(),
            gaps: 0,
            joins: Vec::new(),
            control_messages: 0,
            control_messages_to_join: 0,
            censuses: Vec::new(),
            direct: DirectMessages::default(),
            audit: None,
        }
    }
}

impl Metrics {
    /// With an [`Audit`], if some invariant needs one.
    pub fn with_audit(needed: bool) -> Metrics {
        Metrics { audit: needed.then(Box::default), ..Metrics::default() }
    }

    /// The audit, if there is one.
    pub fn audit(&self) -> Option<&Audit> {
        self.audit.as_deref()
    }

    /// When a node ended its life, if it is down.
    pub fn stopped(&self, node: NodeId) -> Option<Time> {
        self.stopped.get(&node).copied()
    }

    /// How long each node that joined was on its way in, in nanoseconds.
    pub fn joins(&self) -> &[u64] {
        &self.joins
    }

    /// How many messages without a broadcast's content were sent until the latest node was in.
    pub fn messages_to_join(&self) -> u64 {
        self.control_messages_to_join
    }

    /// How long each broadcast took to each node, in nanoseconds, ascending.
    pub fn delays(&self) -> impl Iterator<Item = &[u64]> {
        self.spreads.iter().map(|spread| spread.delays.as_slice())
    }

    /// How every broadcast spread, in order of publication.
    pub fn spreads(&self) -> &[Spread] {
        &self.spreads
    }

    /// How one broadcast spread.
    ///
    /// # Panics
    /// If the payload comes from another run.
    pub fn spread(&self, payload: Payload) -> &Spread {
        &self.spreads[payload.index()]
    }

    /// At how many hops each node delivered the first broadcast; empty if there was none. Nodes that came later may be missing.
    pub fn first_hops(&self) -> Vec<Option<u32>> {
        let hops = |(node, &hops): (usize, &u16)| match hops {
            NEVER => None,
            FAR => self.far_hops.get(&NodeId::at(node)).copied(),
            near => Some(near.into()),
        };
        self.first_hops.iter().enumerate().map(hops).collect()
    }

    /// How many broadcasts were given up by some node, counted once per node and broadcast.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// The results of censuses, and when they came.
    pub fn censuses(&self) -> &[(Time, Census)] {
        &self.censuses
    }

    /// What became of direct messages.
    pub fn direct_messages(&self) -> DirectMessages {
        self.direct
    }

    /// Whether a node was not there from the start, but had to join.
    pub fn had_to_join(&self, node: NodeId) -> bool {
        self.late(node).is_some_and(|late| late.had_to_join)
    }

    /// Whether a node became a part of the network.
    pub fn is_member(&self, node: NodeId) -> bool {
        self.member_since(node).is_some()
    }

    /// Whether `node` is entitled to the broadcast: it is a member, and up, from the publication to the end.
    pub fn is_entitled(&self, spread: &Spread, node: NodeId, end: Time) -> bool {
        self.member_since(node).is_some_and(|since| since <= spread.published)
            && self.stopped.get(&node).is_none_or(|&stopped| stopped >= end)
    }

    fn late(&self, node: NodeId) -> Option<&Late> {
        self.late.get(node.index().checked_sub(self.given)?)
    }

    /// Whether a node has delivered a broadcast, and not lost its log since.
    pub fn holds(&self, payload: Payload, node: NodeId) -> bool {
        match self.forgot.get(&node) {
            Some(&times) => self.recovered.contains(&(payload, node, times)),
            None => self.spread(payload).reached(node),
        }
    }

    fn member_since(&self, node: NodeId) -> Option<Time> {
        if let Some(since) = self.again.get(&node) {
            return *since;
        }
        if node.index() < self.given { Some(Time::ZERO) } else { self.late(node)?.member_since }
    }

    fn start(&mut self, time: Time, node: NodeId, is_member: bool) {
        debug_assert_eq!(node.index(), self.size(), "nodes start in the order of their numbers");
        if is_member && time == Time::ZERO && self.late.is_empty() {
            self.given += 1;
        } else {
            let member_since = is_member.then_some(time);
            self.late.push(Late { started: time, member_since, had_to_join: !is_member });
        }
        self.ever_linked.new_set();
    }

    fn joined(&mut self, time: Time, node: NodeId) {
        if let Some(since) = self.again.get_mut(&node) {
            since.get_or_insert(time);
            return;
        }
        // Who was a member from its start does not join.
        if let Some(late) = node.index().checked_sub(self.given).map(|late| &mut self.late[late]) {
            late.member_since = Some(time);
            self.joins.push(nanos(time.since(late.started)));
            self.control_messages_to_join = self.control_messages;
        }
    }

    fn deliver(&mut self, time: Time, node: NodeId, payload: Payload, hops: u32) {
        let is_first = self.spreads[payload.index()].deliver(time, node, hops);
        let is_repeated = match self.forgot.get(&node) {
            Some(&times) => !self.recovered.insert((payload, node, times)),
            None => !is_first,
        };
        if is_repeated {
            self.spreads[payload.index()].repeated.get_or_insert((node, time));
        }
        if payload.index() == 0 && is_first {
            if self.first_hops.len() <= node.index() {
                self.first_hops.resize(self.size(), NEVER);
            }
            let near = u16::try_from(hops).ok().filter(|&hops| hops < FAR);
            self.first_hops[node.index()] = near.unwrap_or(FAR);
            if near.is_none() {
                self.far_hops.insert(node, hops);
            }
        }
    }

    /// How many nodes there ever were.
    fn size(&self) -> usize {
        self.given + self.late.len()
    }

    /// A label for every node, the same for those that were ever linked, directly or through others: a broadcast could
    /// reach the nodes with its origin's label, at most. (An upper bound: the links need not have been up in a useful
    /// order.)
    pub fn ever_linked(&self) -> Vec<u32> {
        self.ever_linked.clone().into_labeling()
    }

    /// Every node that ever lived.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.size() as u32).map(NodeId)
    }
}

impl Spread {
    /// With room for so many deliveries.
    fn new(origin: NodeId, published: Time, room: usize) -> Spread {
        Spread {
            origin,
            published,
            delivered: FixedBitSet::new(),
            delays: Vec::with_capacity(room),
            hops_total: 0,
            last_hops: 0,
            payload_messages: 0,
            repeated: None,
        }
    }

    /// Whether it is the node's first.
    fn deliver(&mut self, time: Time, node: NodeId, hops: u32) -> bool {
        self.delivered.grow(node.index() + 1);
        if self.delivered.put(node.index()) {
            return false;
        }
        self.delays.push(time.nanos() - self.published.nanos());
        self.hops_total += u64::from(hops);
        self.last_hops = hops;
        true
    }

    /// Whether `node` delivered it.
    pub fn reached(&self, node: NodeId) -> bool {
        self.delivered.contains(node.index())
    }

    /// The nodes that delivered it.
    pub fn delivered_to(&self) -> impl Iterator<Item = NodeId> {
        self.delivered.ones().map(NodeId::at)
    }

    /// How many nodes delivered it, the origin included.
    pub fn receivers(&self) -> usize {
        self.delays.len()
    }

    /// How long it took until so many nodes had delivered it; `None` if so many never did.
    pub fn time_to(&self, receivers: usize) -> Option<Duration> {
        self.delays.get(receivers.checked_sub(1)?).map(|&nanos| Duration::from_nanos(nanos))
    }

    /// The sum of the hops of all deliveries.
    pub fn hops_total(&self) -> u64 {
        self.hops_total
    }

    /// Relative message redundancy: payload messages / (receivers - 1) - 1 (Leitão, Pereira, Rodrigues: "Epidemic
    /// Broadcast Trees", SRDS 2007, §4). 0 is a perfect tree. `None` if nobody but the origin delivered.
    pub fn redundancy(&self) -> Option<f64> {
        let others = self.receivers().checked_sub(1).filter(|&others| others > 0)?;
        Some(self.payload_messages as f64 / others as f64 - 1.0)
    }
}

impl Observer for Metrics {
    /// Inlined, so that what is of no interest costs nothing where it happens.
    #[inline(always)]
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        if let Some(audit) = &mut self.audit {
            audit.observe(time, event);
        }
        match event {
            Observation::Sent(parcel) => match parcel.payload {
                Some(payload) => self.spreads[payload.index()].payload_messages += 1,
                None => self.control_messages += 1,
            },
            Observation::Received(_) | Observation::Dropped(..) | Observation::LinkDown { .. } => {}
            Observation::Noticed { node, notice: Notice::Delivered { payload, hops } } => {
                self.deliver(time, node, payload, hops);
            }
            rare => self.observe_rare(time, rare),
        }
    }
}

impl Metrics {
    fn observe_rare(&mut self, time: Time, event: Observation<'_>) {
        match event {
            Observation::Started { node, is_member } => self.start(time, node, is_member),
            Observation::Published { broadcast, .. } => {
                let room = self.spreads.last().map_or(0, Spread::receivers);
                self.spreads.push(Spread::new(broadcast.origin.node, time, room));
            }
            Observation::LinkUp { node, peer, .. } => {
                self.ever_linked.union(node.0, peer.0);
            }
            Observation::Stopped { node } => {
                self.stopped.insert(node, time);
            }
            Observation::Crashed { node, log } => {
                self.stopped.insert(node, time);
                if log == LogFate::Lost {
                    *self.forgot.entry(node).or_default() += 1;
                }
            }
            Observation::Restarted { node, is_member } => {
                self.stopped.remove(&node);
                self.again.insert(node, is_member.then_some(time));
            }
            Observation::Noticed { node, notice } => self.notice(time, node, notice),
            Observation::Sent(_)
            | Observation::Received(_)
            | Observation::Dropped(..)
            | Observation::Imposed { .. }
            | Observation::Lifted { .. }
            | Observation::LinkDown { .. } => {}
        }
    }

    fn notice(&mut self, time: Time, node: NodeId, notice: Notice) {
        match notice {
            Notice::Gap { first, last, .. } => self.gaps += last - first + 1,
            Notice::Joined => self.joined(time, node),
            Notice::Counted(census) => self.censuses.push((time, census)),
            Notice::Resolved { delivered, .. } => {
                let counter = if delivered { &mut self.direct.delivered } else { &mut self.direct.lost };
                *counter += 1;
            }
            Notice::Delivered { .. } | Notice::Received { .. } => {}
        }
    }
}
