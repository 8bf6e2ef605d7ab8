//! What the invariants need to know of a run beyond the metrics: who got what from whom, what was given up, and how often
//! a broadcast may have crossed links.

use super::{Observation, Parcel};
use crate::id::NodeId;
use crate::message::{Origin, Payload};
use crate::protocol::Notice;
use crate::time::Time;
use fixedbitset::FixedBitSet;
use rustc_hash::FxHashMap;

/// Watches every publication, delivery and copy. Only there if a scenario asks for what it sees: it costs several times what
/// the metrics do.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    tracks: Vec<Track>,
    /// The first broadcast with an origin and a sequence; looked up only.
    published: FxHashMap<(Origin, u64), Payload>,
    /// Two broadcasts with one origin and one sequence: the first and the second, and when that was published.
    reused: Option<(Payload, Payload, Time)>,
    invented: Option<Breach>,
    early: Option<Breach>,
    /// Broadcasts that their origins have published and not delivered yet.
    unsynced: Vec<Payload>,
    /// First and last sequence numbers that nodes gave up of origins; looked up only.
    gaps: FxHashMap<(NodeId, Origin), Vec<(u64, u64)>>,
    /// Ends of links that are up, by node: the peer and the session; looked up only.
    ends: FxHashMap<NodeId, Vec<(NodeId, u32)>>,
    /// How many ends are up.
    up: u64,
    /// How many ever came up.
    ups: u64,
}

/// Something that a node did with a broadcast and should not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breach {
    /// The node.
    pub node: NodeId,
    /// The broadcast.
    pub payload: Payload,
    /// When.
    pub time: Time,
}

/// One broadcast.
#[derive(Clone, Debug)]
struct Track {
    origin: Origin,
    sequence: u64,
    /// Whether its origin delivered it.
    is_delivered: bool,
    /// Its origin crashed before it was safe, and before any copy left: it is as if it had never been.
    is_undone: bool,
    /// To whom a copy came.
    came_to: FixedBitSet,
    /// Ends of links that were up when it was published, less those that ever came up until then.
    ends_before: i64,
    /// How many ends had come up when its latest copy was sent.
    ups: u64,
    copies: u64,
}

impl Audit {
    /// Two broadcasts that were published under one origin and sequence, and when the second was.
    pub fn reused(&self) -> Option<(Payload, Payload, Time)> {
        self.reused
    }

    /// The first delivery of a broadcast by a node to which no copy of it had come.
    pub fn invented(&self) -> Option<Breach> {
        self.invented
    }

    /// The first copy that an origin sent before it had delivered the broadcast itself.
    pub fn early(&self) -> Option<Breach> {
        self.early
    }

    /// Whether its own origin owes a broadcast's delivery: it has published it and not crashed before that was safe.
    pub fn is_owed_by_origin(&self, payload: Payload) -> bool {
        let track = &self.tracks[payload.index()];
        !track.is_delivered && !track.is_undone
    }

    /// What a node that crashes had published and never sent is undone: it may use those sequence numbers again.
    fn undo(&mut self, node: NodeId) {
        let (tracks, published) = (&mut self.tracks, &mut self.published);
        self.unsynced.retain(|payload| {
            let track = &mut tracks[payload.index()];
            if track.origin.node == node && track.copies == 0 {
                track.is_undone = true;
                published.remove(&(track.origin, track.sequence));
            }
            track.origin.node != node
        });
    }

    /// Whether a node gave a broadcast up, and said so.
    pub fn is_given_up(&self, node: NodeId, origin: Origin, sequence: u64) -> bool {
        let given_up = self.gaps.get(&(node, origin)).map_or(&[][..], Vec::as_slice);
        given_up.iter().any(|&(first, last)| (first..=last).contains(&sequence))
    }

    /// How many copies of a broadcast were sent, and how many could have been if it had crossed every link that was up
    /// between its publication and the latest copy at most once in each direction.
    pub fn copies(&self, payload: Payload) -> (u64, u64) {
        let track = &self.tracks[payload.index()];
        (track.copies, u64::try_from(track.ends_before + track.ups as i64).unwrap_or(0))
    }

    /// Apart from the metrics, which stay as fast as they are where there is no audit.
    #[cold]
    #[inline(never)]
    pub(super) fn observe(&mut self, time: Time, event: Observation<'_>) {
        match event {
            Observation::Published { payload, broadcast } => {
                let first = *self.published.entry((broadcast.origin, broadcast.sequence)).or_insert(payload);
                if first != payload {
                    self.reused.get_or_insert((first, payload, time));
                }
                self.unsynced.push(payload);
                self.tracks.push(Track {
                    origin: broadcast.origin,
                    sequence: broadcast.sequence,
                    is_delivered: false,
                    is_undone: false,
                    came_to: FixedBitSet::new(),
                    ends_before: self.up as i64 - self.ups as i64,
                    ups: self.ups,
                    copies: 0,
                });
            }
            Observation::Sent(Parcel { from, payload: Some(payload), .. }) => {
                let track = &mut self.tracks[payload.index()];
                track.copies += 1;
                track.ups = self.ups;
                if track.origin.node == from && !track.is_delivered {
                    self.early.get_or_insert(Breach { node: from, payload, time });
                }
            }
            Observation::Received(Parcel { to, payload: Some(payload), .. }) => {
                let came_to = &mut self.tracks[payload.index()].came_to;
                came_to.grow(to.index() + 1);
                came_to.insert(to.index());
            }
            Observation::Noticed { node, notice: Notice::Delivered { payload, .. } } => {
                let track = &mut self.tracks[payload.index()];
                if track.origin.node == node {
                    track.is_delivered = true;
                    self.unsynced.retain(|&unsynced| unsynced != payload);
                } else if track.copies > 0 && !track.came_to.contains(node.index()) {
                    self.invented.get_or_insert(Breach { node, payload, time });
                }
            }
            Observation::Noticed { node, notice: Notice::Gap { origin, first, last } } => {
                self.gaps.entry((node, origin)).or_default().push((first, last));
            }
            Observation::LinkUp { node, peer, session } => {
                self.ups += 1;
                self.up += 1;
                self.ends.entry(node).or_default().push((peer, session));
            }
            Observation::LinkDown { node, peer, session: Some(session) } => {
                let ends = self.ends.entry(node).or_default();
                // It may never have come up.
                if let Some(place) = ends.iter().position(|&end| end == (peer, session)) {
                    ends.swap_remove(place);
                    self.up -= 1;
                }
            }
            Observation::Crashed { node, .. } | Observation::Stopped { node } => {
                if !self.unsynced.is_empty() {
                    self.undo(node);
                }
                self.up -= self.ends.remove(&node).map_or(0, |ends| ends.len() as u64);
            }
            _ => {}
        }
    }
}
