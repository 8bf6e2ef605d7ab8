//! The simulator's side of the seam: what a node does becomes later events.

use super::{Core, Event, What, digest};
use crate::id::{Identity, NodeId};
use crate::message::{Broadcast, Origin, Payload, Timestamp};
use crate::observe::{DropReason, Observation, Observer};
use crate::protocol::{Notice, Protocol};
use crate::rng::node_stream;
use crate::time::LocalTime;
use crate::transport::Transport;
use rand::Rng;
use std::time::Duration;

/// When simulated time begins, by the calendar: the start of 2025. Messages are dated by it.
const EPOCH_MICROS: u64 = 1_735_689_600_000_000;

/// One node's hold on the world, for as long as one handler runs.
pub(super) struct SimTransport<'a, P: Protocol, O> {
    pub(super) core: &'a mut Core<P, O>,
    pub(super) me: NodeId,
}

impl<P: Protocol, O: Observer> Transport<P> for SimTransport<'_, P, O> {
    fn me(&self) -> NodeId {
        self.me
    }

    fn identity(&self, node: NodeId) -> Identity {
        Identity::simulated(self.core.seed, node)
    }

    fn now(&self) -> LocalTime {
        LocalTime::from_nanos(self.core.now.nanos())
    }

    fn calendar(&self) -> Timestamp {
        Timestamp::from_micros(EPOCH_MICROS + self.core.now.nanos() / 1000)
    }

    fn rng(&mut self) -> &mut impl Rng {
        let (seed, me) = (self.core.seed, self.me);
        self.core.rngs[me.index()].get_or_insert_with(|| Box::new(node_stream(seed, me))).as_mut()
    }

    fn open(&mut self, peer: NodeId) {
        let me = self.me;
        if peer == me || peer.index() >= self.core.counters.len() {
            let latency = self.core.links.latency(self.core.link_draws, me, peer);
            let time = self.core.now + Duration::from_nanos(latency);
            self.core.queue.push(time, Event { to: me, what: What::Unreachable { peer } });
        } else if let Some(session) = self.core.sessions.begin(me, peer) {
            self.core.control(me, peer, What::Open { from: me, session });
        }
    }

    fn close(&mut self, peer: NodeId) {
        if let Some(session) = self.core.sessions.close(self.me, peer) {
            self.core.control(self.me, peer, What::Closed { from: self.me, session });
            self.core.closed_by_handler.push_back(peer);
        }
    }

    fn send(&mut self, to: NodeId, message: P::Message) {
        let (core, me) = (&mut *self.core, self.me);
        let parcel = core.parcel(me, to, &message);
        let Some(session) = core.sessions.up(me, to) else {
            return core.tell(Observation::Dropped(parcel, DropReason::NoLink));
        };
        let counters = &mut core.counters[me.index()];
        counters.messages_sent += 1;
        counters.bytes_sent += u64::from(parcel.bytes);
        let mut draw = core.link_draws.at(u64::from(me.0), counters.messages_sent);
        core.tell(Observation::Sent(parcel));
        let latency = core.links.latency(core.link_draws, me, to);
        let [first, second] = core.links.copies(latency, &mut draw);
        if first.is_none() {
            core.tell(Observation::Dropped(parcel, DropReason::Loss));
        }
        if let Some(after) = second {
            core.carry(after, parcel, session, message.clone());
        }
        if let Some(after) = first {
            core.carry(after, parcel, session, message);
        }
    }

    fn set_timer(&mut self, after: Duration, timer: P::Timer) {
        let time = self.core.now + after;
        self.core.queue.push(time, Event { to: self.me, what: What::Timer(timer) });
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

    fn notify(&mut self, notice: Notice) {
        let (kind, content) = digest::notice(&notice);
        self.core.note(kind, self.me, self.me, content);
        self.core.tell(Observation::Noticed { node: self.me, notice });
    }

    fn stop(&mut self) {
        self.core.stop_after_handler = true;
    }
}
