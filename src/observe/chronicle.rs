//! Who was up when, which links were, and what kept messages away: all that is needed to tell, when the run is over, when
//! a broadcast could have come where.

use super::{Observation, Observer};
use crate::fault::{Condition, ConditionId, LogFate};
use crate::graph::Graph;
use crate::id::NodeId;
use crate::message::Payload;
use crate::protocol::Notice;
use crate::time::Time;
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// Writes down what happens to nodes and links, as far as it deviates from a network in which everything stays as it was at
/// the start.
///
/// Memory: 24 bytes a deviation; 16 a delivery of a broadcast that it follows.
#[derive(Clone, Debug)]
pub struct Chronicle {
    graph: Arc<Graph>,
    entries: Vec<Entry>,
    /// When there are so many entries before the first broadcast, those are dropped that mean nothing any more.
    tidy_at: usize,
    /// Cuts and pauses, by the numbers of what was imposed.
    conditions: Vec<Option<Condition>>,
    publications: Vec<Publication>,
    /// Of the first broadcasts, as many as it follows: who delivered when.
    deliveries: Vec<Vec<(NodeId, Time)>>,
    /// How many nodes and ends of links the broadcasts may have that are followed from here on.
    room: u64,
}

/// A place in the order of everything that happened.
///
/// Within a moment, messages that come in are first: what the timeline does at that moment happens after them. What was
/// written down follows in its order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp {
    /// When.
    pub time: Time,
    /// After so many entries of the chronicle; 0 for what comes first in its moment.
    pub turn: u32,
}

/// A broadcast's beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publication {
    /// Whose it is.
    pub origin: NodeId,
    /// When it was published.
    pub at: Stamp,
}

/// Something that a chronicle tells.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// When.
    pub time: Time,
    /// What.
    pub change: Change,
}

/// What changed. Of a condition, only cuts and pauses are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A node came that was not there at the start.
    Started(NodeId),
    /// A node stopped; what it held is kept.
    Stopped(NodeId),
    /// A node crashed.
    Crashed(NodeId, LogFate),
    /// It began another life.
    Restarted(NodeId),
    /// A session came up at an end: that of the first node.
    Up(NodeId, NodeId, u32),
    /// It ended there, or never came up. The end of a node's life is told once, and not for each of its sessions.
    Down(NodeId, NodeId, u32),
    /// A cut or a pause began.
    Imposed(ConditionId),
    /// It is over.
    Lifted(ConditionId),
}

/// The number of the session of every link of the start.
pub const GIVEN: u32 = 1;

/// So many entries are not worth being tidied up.
const FEW: usize = 1 << 16;

impl Stamp {
    /// Before everything.
    pub const START: Stamp = Stamp { time: Time::ZERO, turn: 0 };
    /// After everything.
    pub const NEVER: Stamp = Stamp { time: Time::MAX, turn: u32::MAX };

    /// The beginning of a moment.
    pub const fn early(time: Time) -> Stamp {
        Stamp { time, turn: 0 }
    }
}

impl Chronicle {
    /// Of a network that starts with these links up.
    pub fn new(graph: impl Into<Arc<Graph>>) -> Chronicle {
        Chronicle {
            graph: graph.into(),
            entries: Vec::new(),
            tidy_at: FEW,
            conditions: Vec::new(),
            publications: Vec::new(),
            deliveries: Vec::new(),
            room: 0,
        }
    }

    /// Follows the first broadcasts as well, and keeps who delivered them when: as many of them as together have so many
    /// nodes and ends of links to pass.
    pub fn following(self, room: u64) -> Chronicle {
        Chronicle { room, ..self }
    }

    /// The links of the start.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// All that deviated, in order, each with its place in the order of everything.
    pub fn entries(&self) -> impl Iterator<Item = (Stamp, Change)> {
        let stamp = |number: usize, time: Time| Stamp { time, turn: number as u32 + 1 };
        self.entries.iter().enumerate().map(move |(number, entry)| (stamp(number, entry.time), entry.change))
    }

    /// The cut or the pause that was imposed under a number, if it was one.
    pub fn condition(&self, id: ConditionId) -> Option<&Condition> {
        self.conditions.get(id.0 as usize)?.as_ref()
    }

    /// The broadcasts, in order.
    pub fn publications(&self) -> &[Publication] {
        &self.publications
    }

    /// Who delivered when, for the first broadcasts, in order: those that are followed.
    pub fn deliveries(&self) -> &[Vec<(NodeId, Time)>] {
        &self.deliveries
    }

    /// How many nodes, ends of links and entries a look at one broadcast has to pass, about.
    pub fn work(&self) -> u64 {
        (self.graph.nodes() + self.graph.link_ends() + self.entries.len()) as u64
    }

    fn enter(&mut self, time: Time, change: Change) {
        if self.publications.is_empty() && self.entries.len() >= self.tidy_at {
            self.tidy();
        }
        self.entries.push(Entry { time, change });
    }

    /// As long as nothing was broadcast, sessions that are over mean nothing.
    fn tidy(&mut self) {
        let down = |entry: &Entry| match entry.change {
            Change::Down(node, _, session) if session != GIVEN => Some((node, session)),
            _ => None,
        };
        let over: FxHashSet<(NodeId, u32)> = self.entries.iter().filter_map(down).collect();
        self.entries.retain(|entry| match entry.change {
            Change::Up(node, _, session) | Change::Down(node, _, session) => !over.contains(&(node, session)),
            _ => true,
        });
        self.tidy_at = FEW.max(2 * self.entries.len());
    }

    fn publish(&mut self, time: Time, origin: NodeId) {
        let at = Stamp { time, turn: self.entries.len() as u32 };
        let is_followed = self.deliveries.len() == self.publications.len() && self.work() <= self.room;
        self.room = if is_followed { self.room - self.work() } else { 0 };
        if is_followed {
            self.deliveries.push(Vec::new());
        }
        self.publications.push(Publication { origin, at });
    }

    fn impose(&mut self, time: Time, id: ConditionId, condition: &Condition) {
        let matters = matches!(condition, Condition::Cut(_) | Condition::Pause(_));
        let place = id.0 as usize;
        self.conditions.resize(self.conditions.len().max(place + 1), None);
        if matters {
            self.conditions[place] = Some(condition.clone());
            self.enter(time, Change::Imposed(id));
        }
    }

    fn observe_rare(&mut self, time: Time, event: Observation<'_>) {
        let change = match event {
            // These need no words: it is the same as to look at the graph.
            Observation::Started { node, .. } if node.index() < self.graph.nodes() => return,
            Observation::LinkUp { session: GIVEN, .. } if time == Time::ZERO => return,
            Observation::Started { node, .. } => Change::Started(node),
            Observation::Stopped { node } => Change::Stopped(node),
            Observation::Crashed { node, log } => Change::Crashed(node, log),
            Observation::Restarted { node, .. } => Change::Restarted(node),
            Observation::LinkUp { node, peer, session } => Change::Up(node, peer, session),
            Observation::LinkDown { node, peer, session: Some(session) } => Change::Down(node, peer, session),
            Observation::Lifted { id } if self.condition(id).is_some() => Change::Lifted(id),
            Observation::Imposed { id, condition } => return self.impose(time, id, condition),
            Observation::Published { broadcast, .. } => return self.publish(time, broadcast.origin.node),
            Observation::Noticed { .. }
            | Observation::Sent(_)
            | Observation::Received(_)
            | Observation::Dropped(..)
            | Observation::Lifted { .. }
            | Observation::LinkDown { session: None, .. } => return,
        };
        self.enter(time, change);
    }

    fn deliver(&mut self, time: Time, node: NodeId, payload: Payload) {
        if let Some(deliveries) = self.deliveries.get_mut(payload.index()) {
            deliveries.push((node, time));
        }
    }
}

impl Observer for Chronicle {
    /// Inlined, so that what is of no interest costs nothing where it happens.
    #[inline(always)]
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        match event {
            Observation::Sent(_) | Observation::Received(_) | Observation::Dropped(..) => {}
            Observation::Noticed { node, notice: Notice::Delivered { payload, .. } } => {
                self.deliver(time, node, payload);
            }
            Observation::Noticed { .. } => {}
            rare => self.observe_rare(time, rare),
        }
    }
}

const _: () = assert!(size_of::<Entry>() <= 24, "a network in which everybody joins has many");
