//! What became of one broadcast: how it came to every node, and what happened to each copy that headed to one of them.

use super::{DropReason, Observation, Observer, Parcel};
use crate::fault::LogFate;
use crate::id::NodeId;
use crate::message::{Broadcast, Payload};
use crate::protocol::Notice;
use crate::time::Time;
use rustc_hash::FxHashMap;

/// Follows one broadcast, and looks at everything that one node gets of it.
///
/// Memory: 32 bytes a node, and about a hundred a copy that is on its way.
#[derive(Clone, Debug)]
pub struct Inquest {
    wanted: Wanted,
    node: NodeId,
    /// How many broadcasts fit what is wanted; the first of them is followed.
    fitting: usize,
    payload: Option<Payload>,
    /// By node; those that never had it may be missing.
    stories: Vec<Option<Story>>,
    /// What heads to the node.
    trips: Vec<Trip>,
    /// When what is on its way was sent, by sender and receiver, in the order of sending. Looked up only.
    under_way: FxHashMap<(NodeId, NodeId), Vec<Time>>,
}

/// Which broadcast is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The one with this number, in the order of publication.
    Number(usize),
    /// The one whose id begins so.
    Prefix(String),
}

/// How a broadcast came to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Story {
    /// From whom the first copy came; none at the origin.
    pub from: Option<NodeId>,
    /// When that copy was sent, if that can be told.
    pub sent: Option<Time>,
    /// When it was there.
    pub received: Time,
    /// When the node delivered it, if it did.
    pub delivered: Option<Time>,
}

/// A copy on its way to the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trip {
    /// Who sent it.
    pub from: NodeId,
    /// When; none for one that a link or a fault made of another one.
    pub sent: Option<Time>,
    /// What became of it.
    pub fate: Fate,
    /// When that was so; while it is on its way, when it was sent.
    pub time: Time,
}

/// What became of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is on its way.
    UnderWay,
    /// It came in.
    Arrived,
    /// It did not.
    Dropped(DropReason),
}

impl Inquest {
    /// About a broadcast and a node.
    pub fn new(wanted: Wanted, node: NodeId) -> Inquest {
        Inquest {
            wanted,
            node,
            fitting: 0,
            payload: None,
            stories: Vec::new(),
            trips: Vec::new(),
            under_way: FxHashMap::default(),
        }
    }

    /// The broadcast, if it was published.
    pub fn payload(&self) -> Option<Payload> {
        self.payload
    }

    /// How many broadcasts fit what is wanted.
    pub fn fitting(&self) -> usize {
        self.fitting
    }

    /// How it came to a node, if it did.
    pub fn story(&self, node: NodeId) -> Option<&Story> {
        self.stories.get(node.index())?.as_ref()
    }

    /// Every copy that headed to the node, in the order of sending.
    pub fn trips(&self) -> &[Trip] {
        &self.trips
    }

    fn publish(&mut self, payload: Payload, broadcast: &Broadcast) {
        let fits = match &self.wanted {
            Wanted::Number(number) => payload.index() == *number,
            Wanted::Prefix(prefix) => broadcast.message.id.to_string().starts_with(prefix.as_str()),
        };
        self.fitting += usize::from(fits);
        if fits && self.payload.is_none() {
            self.payload = Some(payload);
        }
    }

    fn send(&mut self, time: Time, parcel: Parcel) {
        self.under_way.entry((parcel.from, parcel.to)).or_default().push(time);
        if parcel.to == self.node {
            self.trips.push(Trip { from: parcel.from, sent: Some(time), fate: Fate::UnderWay, time });
        }
    }

    /// A copy came to its end; when it was sent.
    fn end(&mut self, time: Time, parcel: Parcel, fate: Fate) -> Option<Time> {
        let sent = self.take_off(time, parcel, fate);
        if parcel.to == self.node {
            let is_it = |trip: &&mut Trip| {
                trip.from == parcel.from && trip.fate == Fate::UnderWay && trip.sent == sent
            };
            match self.trips.iter_mut().find(is_it) {
                Some(trip) => (trip.fate, trip.time) = (fate, time),
                None => self.trips.push(Trip { from: parcel.from, sent, fate, time }),
            }
        }
        sent
    }

    /// Of several on one link, the earliest comes in first; what is lost, is lost as it is sent, unless it waited in a cut.
    fn take_off(&mut self, time: Time, parcel: Parcel, fate: Fate) -> Option<Time> {
        if fate == Fate::Dropped(DropReason::NoLink) {
            return Some(time);
        }
        let sent = self.under_way.get_mut(&(parcel.from, parcel.to))?;
        let lost_as_sent =
            matches!(fate, Fate::Dropped(DropReason::Loss | DropReason::Lost(_) | DropReason::Cut(_)))
                && sent.last() == Some(&time);
        let taken = if lost_as_sent { sent.pop()? } else { sent.remove(0) };
        if sent.is_empty() {
            self.under_way.remove(&(parcel.from, parcel.to));
        }
        Some(taken)
    }

    fn receive(&mut self, time: Time, parcel: Parcel) {
        let sent = self.end(time, parcel, Fate::Arrived);
        let story = self.story_of(parcel.to);
        story.get_or_insert(Story { from: Some(parcel.from), sent, received: time, delivered: None });
    }

    fn deliver(&mut self, time: Time, node: NodeId) {
        let own = Story { from: None, sent: None, received: time, delivered: None };
        self.story_of(node).get_or_insert(own).delivered.get_or_insert(time);
    }

    fn story_of(&mut self, node: NodeId) -> &mut Option<Story> {
        self.stories.resize(self.stories.len().max(node.index() + 1), None);
        &mut self.stories[node.index()]
    }

    /// What a node had and did not deliver is gone.
    fn forget(&mut self, node: NodeId) {
        if let Some(story) = self.stories.get_mut(node.index())
            && story.is_some_and(|story| story.delivered.is_none())
        {
            *story = None;
        }
    }
}

impl Observer for Inquest {
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        let is_it = |payload: Option<Payload>| payload.is_some() && payload == self.payload;
        match event {
            Observation::Published { payload, broadcast } => self.publish(payload, broadcast),
            Observation::Sent(parcel) if is_it(parcel.payload) => self.send(time, parcel),
            Observation::Received(parcel) if is_it(parcel.payload) => self.receive(time, parcel),
            Observation::Dropped(parcel, reason) if is_it(parcel.payload) => {
                self.end(time, parcel, Fate::Dropped(reason));
            }
            Observation::Noticed { node, notice: Notice::Delivered { payload, .. } }
                if is_it(Some(payload)) =>
            {
                self.deliver(time, node);
            }
            Observation::Crashed { node, log: LogFate::Lost } => self.forget(node),
            _ => {}
        }
    }
}
