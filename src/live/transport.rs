//! The live side of the seam.

use super::core::{Core, Order};
use super::log::Log;
use crate::id::{Identity, NodeId};
use crate::message::{Broadcast, Origin, Payload, Series, Timestamp};
use crate::observe::{Observation, Observer};
use crate::protocol::{Notice, Protocol};
use crate::time::LocalTime;
use crate::transport::{Durability, Transport};
use rand::Rng;
use std::time::Duration;
use tokio::time::Instant;

/// One node's hold on the world, for as long as one handler runs.
pub(super) struct LiveTransport<'a, P: Protocol, O> {
    core: &'a mut Core<P, O>,
    me: NodeId,
    now: LocalTime,
    /// Whether the node's life is to end after the handler.
    pub(super) stops: bool,
    /// What it noticed, if the application wants to know.
    pub(super) notices: Vec<Notice>,
}

impl<'a, P: Protocol, O: Observer> LiveTransport<'a, P, O> {
    pub(super) fn new(core: &'a mut Core<P, O>, me: NodeId) -> Self {
        LiveTransport { now: core.clock.local_at(core.moment), core, me, stops: false, notices: Vec::new() }
    }
}

impl<P: Protocol, O: Observer> Transport<P> for LiveTransport<'_, P, O> {
    fn me(&self) -> NodeId {
        self.me
    }

    fn identity(&self, node: NodeId) -> Identity {
        self.core.names.identity(node)
    }

    fn now(&self) -> LocalTime {
        self.now
    }

    fn calendar(&self) -> Timestamp {
        self.core.clock.calendar()
    }

    fn rng(&mut self) -> &mut impl Rng {
        &mut self.core.hosts[self.me.index()].rng
    }

    fn open(&mut self, peer: NodeId) {
        if !self.stops {
            self.core.open(self.me, peer);
        }
    }

    fn close(&mut self, peer: NodeId) {
        self.core.close(self.me, peer);
    }

    fn send(&mut self, to: NodeId, message: P::Message) {
        self.core.send(self.me, to, &message);
    }

    fn set_timer(&mut self, after: Duration, timer: P::Timer) {
        let due = Instant::now() + self.core.clock.real(after);
        let (number, life) = (self.core.next_number(), self.core.hosts[self.me.index()].life);
        if self.core.timers.first_key_value().is_none_or(|(&(first, _), _)| due < first) {
            self.core.orders.push(Order::LookAtTimers);
        }
        self.core.timers.insert((due, number), (self.me, life, timer));
    }

    fn publish(&mut self, incarnation: u64, sequence: u64, title: String, message: String) -> Payload {
        let origin = Origin { node: self.me, incarnation };
        let time = <Self as Transport<P>>::calendar(self);
        let identity = self.core.names.identity(self.me);
        let broadcast = Broadcast::new(origin, identity, sequence, title, message, time);
        let payload = self.core.contents.insert(broadcast.clone());
        self.core.published = (self.core.published.0 + 1, Some(payload));
        self.core.tell(Observation::Published { payload, broadcast: &broadcast });
        payload
    }

    fn broadcast(&self, payload: Payload) -> &Broadcast {
        self.core.contents.broadcasts().get(payload)
    }

    fn series(&self, payload: Payload) -> Series {
        self.core.contents.broadcasts().series(payload)
    }

    fn append(&mut self, record: P::Record) -> Durability {
        if let Log::Memory(records) = &mut self.core.hosts[self.me.index()].log {
            records.push(record);
            return Durability::Synced;
        }
        self.core.encode(&record);
        self.core.encoded_word = None;
        let Core { hosts, encoded, .. } = &mut *self.core;
        let Log::Disk { journal, .. } = &mut hosts[self.me.index()].log else { unreachable!("see above") };
        // What cannot be written is never delivered.
        if journal.append(encoded) { Durability::Synced } else { Durability::Pending }
    }

    fn notify(&mut self, notice: Notice) {
        self.core.changes += u64::from(notice == Notice::Joined);
        if let Notice::Counted(census) = notice {
            self.core.hosts[self.me.index()].census = Some(census);
            self.core.orders.push(Order::TellOfCensus);
        }
        self.core.tell(Observation::Noticed { node: self.me, notice });
        if self.core.reports.is_some() {
            self.notices.push(notice);
        }
    }

    fn stop(&mut self) {
        self.stops = true;
    }
}
