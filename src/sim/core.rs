//! The world around the nodes: everything that a node's handler can reach through its transport.

use super::event::{Event, Events, Letter, Stored};
use super::faults::Faults;
use super::links::{LinkKind, Links};
use super::logs::Logs;
use super::queue::Queue;
use super::sessions::{Session, Sessions};
use super::{Digest, digest};
use crate::id::NodeId;
use crate::message::{Broadcasts, Payload};
use crate::observe::{Observation, Observer, Parcel};
use crate::protocol::{Protocol, Wire};
use crate::rng::Draws;
use crate::time::Time;
use crate::world::InFlight;
use fixedbitset::FixedBitSet;
use rand::rngs::Xoshiro256PlusPlus;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// The world around the nodes.
pub(super) struct Core<P: Protocol, O, Q> {
    pub(super) seed: u64,
    pub(super) now: Time,
    pub(super) events: Events<P, Q>,
    pub(super) links: Links,
    pub(super) sessions: Sessions,
    pub(super) link_draws: Draws,
    pub(super) broadcasts: Broadcasts,
    /// Made when a node first draws: most never do. Looked up only.
    pub(super) rngs: FxHashMap<NodeId, Xoshiro256PlusPlus>,
    pub(super) logs: Logs<P::Record>,
    /// What is wrong, if anything ever was.
    pub(super) faults: Option<Box<Faults<P>>>,
    /// Links that the handler at work closed.
    pub(super) closed_by_handler: VecDeque<(NodeId, Session)>,
    /// Whether the handler at work asked for the end of its node.
    pub(super) stop_after_handler: bool,
    pub(super) up: FixedBitSet,
    /// When the nodes began their lives that were not there from the start.
    pub(super) late_starts: Vec<Time>,
    /// When nodes ended their lives that are down; looked up only.
    pub(super) ends: FxHashMap<NodeId, End>,
    /// Of nodes that started again, when they last did, and how often; looked up only.
    pub(super) lives: FxHashMap<NodeId, (Time, u32)>,
    pub(super) in_flight: InFlight,
    /// See [`World::changes`].
    pub(super) changes: u64,
    pub(super) digest: Digest,
    pub(super) observer: O,
}

/// How a node ended its life.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) time: Time,
    pub(super) has_crashed: bool,
    /// Nobody is there to tell that it is gone.
    pub(super) is_silent: bool,
}

impl<P: Protocol, O: Observer, Q: Queue<Event>> Core<P, O, Q> {
    pub(super) fn tell(&mut self, event: Observation<'_>) {
        self.observer.observe(self.now, event);
    }

    pub(super) fn note(&mut self, kind: u64, from: NodeId, to: NodeId, content: u64) {
        self.digest.fold(self.now, to, from, kind, content);
    }

    /// How large a message is whose encoding has so many bytes: it brings the broadcast's content along.
    pub(super) fn size(&self, payload: Option<Payload>, encoding: u32) -> u32 {
        encoding.saturating_add(payload.map_or(0, |payload| self.broadcasts.get(payload).wire_bytes()))
    }

    /// Ends a node's life: its peers learn of it as of any closed link.
    pub(super) fn stop(&mut self, node: NodeId) {
        self.closed_by_handler.clear();
        self.ends(node);
        for (peer, session) in self.sessions.close_all(node) {
            self.control(node, peer, Stored::Closed { from: node, session });
        }
        self.up.set(node.index(), false);
        self.ends.insert(node, End { time: self.now, has_crashed: false, is_silent: false });
        self.note(digest::STOPPED, node, node, 0);
        self.changes += 1;
        self.tell(Observation::Stopped { node });
    }

    /// Something but a message was on its way to a node that has stopped.
    pub(super) fn find_stopped(&mut self, node: NodeId, stored: Stored<P>) {
        let is_silent = self.ends.get(&node).is_some_and(|end| end.is_silent);
        match stored {
            Stored::Open { from, session, .. } if is_silent => {
                let patience = self.links.dial.saturating_sub(self.latency(from, node));
                self.expect_silence(from, node, session, patience);
            }
            Stored::Accepted { from, session } if is_silent => {
                self.expect_silence(from, node, session, self.links.silence);
            }
            Stored::Open { from, session, .. } | Stored::Accepted { from, session } => {
                self.note(digest::OPEN, from, node, 0);
                self.control(node, from, Stored::Closed { from: node, session });
            }
            _ => {}
        }
    }

    pub(super) fn latency(&self, from: NodeId, to: NodeId) -> Duration {
        Duration::from_nanos(self.links.latency(self.link_draws, from, to))
    }

    /// Whether a wish for a link may never arrive: not in a world in which nothing was ever wrong.
    pub(super) fn may_lose_wishes(&self) -> bool {
        self.faults.is_some() || !self.lives.is_empty()
    }

    /// How often a node has started again.
    pub(super) fn life(&self, node: NodeId) -> u32 {
        self.lives.get(&node).map_or(0, |&(_, life)| life)
    }

    pub(super) fn begin_sync(&mut self, node: NodeId, length: Duration) {
        let (time, life) = (self.now + length, self.life(node));
        self.in_flight.syncs += 1;
        self.events.push(time, node, Stored::Synced { life });
    }

    /// Puts a message on its link.
    #[inline(always)]
    pub(super) fn carry(&mut self, after: u64, parcel: Parcel, session: Session, letter: Letter<P::Message>) {
        let mut time = self.now.after(after);
        if self.links.kind == LinkKind::Stream {
            time = self.sessions.in_order(parcel.from, parcel.to, time);
        }
        self.in_flight.add(parcel.payload.is_some());
        self.events.push_letter(time, parcel.to, (parcel.from, session), letter);
    }

    /// A message is taken off its link.
    #[inline]
    pub(super) fn arrive(&mut self, from: NodeId, to: NodeId, message: &P::Message, bytes: u32) -> Parcel {
        let (kind, payload) = (message.kind(), message.payload());
        let parcel = Parcel { from, to, kind, payload, bytes: self.size(payload, bytes) };
        self.in_flight.remove(parcel.payload.is_some());
        let content = parcel.payload.map_or(0, |payload| digest::content(self.broadcasts.get(payload)));
        self.note(digest::kind(parcel.kind), from, to, content ^ u64::from(parcel.bytes));
        parcel
    }

    /// Sends what a session itself needs: reliable and in order, on every kind of link.
    pub(super) fn control(&mut self, from: NodeId, to: NodeId, stored: Stored<P>) {
        if self.faults.is_some() {
            return self.control_disturbed(from, to, stored);
        }
        let latency = self.links.latency(self.link_draws, from, to);
        let time = self.sessions.in_order(from, to, self.now.after(latency));
        self.events.push(time, to, stored);
    }
}
