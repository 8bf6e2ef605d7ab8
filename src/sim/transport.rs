//! The simulator's side of the seam: what a node does becomes later events.

use super::event::{Event, Letter, Stored};
use super::queue::Queue;
use super::{Core, Traffic, digest};
use crate::id::{Identity, NodeId};
use crate::message::{Broadcast, Origin, Payload, Series, Timestamp};
use crate::observe::{DropReason, Observation, Observer, Parcel};
use crate::protocol::{Notice, Protocol, Wire};
use crate::rng::node_stream;
use crate::time::LocalTime;
use crate::transport::{Durability, Transport};
use rand::Rng;
use std::time::Duration;

/// When simulated time begins, by the calendar: the start of 2025. Messages are dated by it.
const EPOCH_MICROS: u64 = 1_735_689_600_000_000;

/// One node's hold on the world, for as long as one handler runs.
pub(super) struct SimTransport<'a, P: Protocol, O, Q> {
    core: &'a mut Core<P, O, Q>,
    me: NodeId,
    sent: &'a mut Traffic,
    /// See [`Sessions::up_next`](super::sessions::Sessions::up_next).
    hint: usize,
}

impl<'a, P: Protocol, O, Q> SimTransport<'a, P, O, Q> {
    pub(super) fn new(core: &'a mut Core<P, O, Q>, me: NodeId, sent: &'a mut Traffic) -> Self {
        SimTransport { core, me, sent, hint: 0 }
    }
}

impl<P: Protocol, O: Observer, Q: Queue<Event>> SimTransport<'_, P, O, Q> {
    #[inline(never)]
    fn send_word(&mut self, to: NodeId, kind: &'static str, payload: Option<Payload>, bytes: u32, word: u64) {
        self.dispatch(to, kind, payload, bytes, Letter::Word(word));
    }

    #[inline(never)]
    fn send_whole(&mut self, to: NodeId, kind: &'static str, payload: Option<Payload>, message: P::Message) {
        let bytes = postcard::experimental::serialized_size(&message).expect("messages can be encoded");
        self.dispatch(to, kind, payload, bytes as u32, Letter::Whole(message, bytes as u32));
    }

    /// Hands a letter to the link. `bytes`: the size of its encoding.
    #[inline(always)]
    fn dispatch(
        &mut self,
        to: NodeId,
        kind: &'static str,
        payload: Option<Payload>,
        bytes: u32,
        letter: Letter<P::Message>,
    ) {
        let (core, me) = (&mut *self.core, self.me);
        let parcel = Parcel { from: me, to, kind, payload, bytes: core.size(payload, bytes) };
        let Some(session) = core.sessions.up_next(me, to, &mut self.hint) else {
            return core.tell(Observation::Dropped(parcel, DropReason::NoLink));
        };
        self.sent.messages += 1;
        self.sent.bytes += u64::from(parcel.bytes);
        core.tell(Observation::Sent(parcel));
        if core.faults.is_some() {
            return core.send_disturbed(parcel, session, letter, self.sent.messages);
        }
        let mut draw = core.link_draws.at(u64::from(me.0), self.sent.messages);
        let latency = core.links.latency(core.link_draws, me, to);
        let [first, second] = core.links.copies(latency, &mut draw);
        if first.is_none() {
            core.tell(Observation::Dropped(parcel, DropReason::Loss));
        }
        if let Some(after) = second {
            core.carry(after, parcel, session, letter.clone());
        }
        if let Some(after) = first {
            core.carry(after, parcel, session, letter);
        }
    }
}

impl<P: Protocol, O: Observer, Q: Queue<Event>> Transport<P> for SimTransport<'_, P, O, Q> {
    fn me(&self) -> NodeId {
        self.me
    }

    fn identity(&self, node: NodeId) -> Identity {
        Identity::simulated(self.core.seed, node)
    }

    fn now(&self) -> LocalTime {
        LocalTime::from_nanos(match &self.core.faults {
            Some(faults) => faults.local(self.me, self.core.now),
            None => self.core.now.nanos(),
        })
    }

    fn calendar(&self) -> Timestamp {
        let skew = self.core.faults.as_ref().map_or(0, |faults| faults.skew(self.me, self.core.now));
        let now = self.now().nanos().saturating_add_signed(skew);
        Timestamp::from_micros(EPOCH_MICROS + now / 1000)
    }

    fn rng(&mut self) -> &mut impl Rng {
        let (seed, me) = (self.core.seed, self.me);
        self.core.rngs.entry(me).or_insert_with(|| node_stream(seed, me))
    }

    fn open(&mut self, peer: NodeId) {
        let me = self.me;
        if peer == me || peer.index() >= self.core.up.len() {
            let latency = self.core.links.latency(self.core.link_draws, me, peer);
            let time = self.core.now.after(latency);
            self.core.events.push(time, me, Stored::Unreachable { peer });
        } else if let Some((session, ended)) = self.core.sessions.begin(me, peer, self.core.now) {
            self.core.control(me, peer, Stored::Open { from: me, session, ended });
        }
    }

    fn close(&mut self, peer: NodeId) {
        if let Some(session) = self.core.sessions.close(self.me, peer) {
            self.core.control(self.me, peer, Stored::Closed { from: self.me, session });
            self.core.closed_by_handler.push_back((peer, session));
        }
    }

    /// Inlined, so that a message in eight bytes never stands in memory on its way from the node to the queue.
    #[inline(always)]
    fn send(&mut self, to: NodeId, message: P::Message) {
        let (kind, payload) = (message.kind(), message.payload());
        match message.pack() {
            Some((word, bytes)) => self.send_word(to, kind, payload, bytes, word),
            None => self.send_whole(to, kind, payload, message),
        }
    }

    fn set_timer(&mut self, after: Duration, timer: P::Timer) {
        let after = match &self.core.faults {
            Some(faults) => faults.true_length(self.me, after, self.core.now),
            None => after,
        };
        let (time, life) = (self.core.now + after, self.core.life(self.me));
        self.core.events.push(time, self.me, Stored::Timer { timer, life });
    }

    fn append(&mut self, record: P::Record) -> Durability {
        let (durability, sync) = self.core.logs.append(self.me, record);
        if let Some(length) = sync {
            self.core.begin_sync(self.me, length);
        }
        durability
    }

    fn publish(&mut self, incarnation: u64, sequence: u64, title: String, message: String) -> Payload {
        let origin = Origin { node: self.me, incarnation };
        let identity = self.identity(self.me);
        let time = self.calendar();
        let broadcast = Broadcast::new(origin, identity, sequence, title, message, time);
        self.core.note(digest::PUBLISHED, self.me, self.me, digest::content(&broadcast));
        let payload = self.core.broadcasts.insert(broadcast);
        let broadcast = self.core.broadcasts.get(payload);
        self.core.observer.observe(self.core.now, Observation::Published { payload, broadcast });
        payload
    }

    fn broadcast(&self, payload: Payload) -> &Broadcast {
        self.core.broadcasts.get(payload)
    }

    fn series(&self, payload: Payload) -> Series {
        self.core.broadcasts.series(payload)
    }

    fn notify(&mut self, notice: Notice) {
        let (kind, content) = digest::notice(&notice);
        self.core.note(kind, self.me, self.me, content);
        self.core.changes += u64::from(kind == digest::JOINED);
        self.core.tell(Observation::Noticed { node: self.me, notice });
    }

    fn stop(&mut self) {
        self.core.stop_after_handler = true;
    }
}
