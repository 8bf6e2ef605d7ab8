//! The transport that only records: for unit tests of protocols, without any world.

use super::{Durability, Transport};
use crate::id::{Identity, NodeId};
use crate::message::{Broadcast, Broadcasts, Origin, Payload, Series, Timestamp};
use crate::protocol::{Notice, Protocol};
use crate::rng::node_stream;
use crate::time::LocalTime;
use rand::Rng;
use rand::rngs::Xoshiro256PlusPlus;
use std::time::Duration;

/// Something that a node did to the world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action<M, T, R> {
    /// It asked for a link.
    Open(NodeId),
    /// It closed a link.
    Close(NodeId),
    /// It sent a message.
    Send(NodeId, M),
    /// It set a timer.
    SetTimer(Duration, T),
    /// It published a broadcast.
    Publish(Payload),
    /// It wrote into its log.
    Append(R),
    /// It reported something.
    Notify(Notice),
    /// It ended its life.
    Stop,
}

/// A transport that records what a node does, in order, and does none of it.
///
/// The test plays the world: it calls the node's handlers, reads [`take`](Outbox::take), and moves the clock.
pub struct Outbox<P: Protocol> {
    me: NodeId,
    now: LocalTime,
    rng: Xoshiro256PlusPlus,
    broadcasts: Broadcasts,
    actions: Vec<Action<P::Message, P::Timer, P::Record>>,
}

impl<P: Protocol> Outbox<P> {
    /// The outbox of one node, its clock at zero. Its random stream is the one that a simulated node with this
    /// index has under seed 0.
    pub fn new(me: NodeId) -> Outbox<P> {
        Outbox {
            me,
            now: LocalTime::default(),
            rng: node_stream(0, me),
            broadcasts: Broadcasts::default(),
            actions: Vec::new(),
        }
    }

    /// Sets the node's clock.
    pub fn set_now(&mut self, now: LocalTime) {
        self.now = now;
    }

    /// What the node did since the last call.
    pub fn take(&mut self) -> Vec<Action<P::Message, P::Timer, P::Record>> {
        std::mem::take(&mut self.actions)
    }

    /// Makes a broadcast of another node known, as if its content had come over the wire.
    pub fn receive(&mut self, broadcast: Broadcast) -> Payload {
        self.broadcasts.insert(broadcast)
    }
}

impl<P: Protocol> Transport<P> for Outbox<P> {
    fn me(&self) -> NodeId {
        self.me
    }

    fn identity(&self, node: NodeId) -> Identity {
        Identity::simulated(0, node)
    }

    fn now(&self) -> LocalTime {
        self.now
    }

    fn calendar(&self) -> Timestamp {
        Timestamp::from_micros(self.now.nanos() / 1000)
    }

    fn rng(&mut self) -> &mut impl Rng {
        &mut self.rng
    }

    fn open(&mut self, peer: NodeId) {
        self.actions.push(Action::Open(peer));
    }

    fn close(&mut self, peer: NodeId) {
        self.actions.push(Action::Close(peer));
    }

    fn send(&mut self, to: NodeId, message: P::Message) {
        self.actions.push(Action::Send(to, message));
    }

    fn set_timer(&mut self, after: Duration, timer: P::Timer) {
        self.actions.push(Action::SetTimer(after, timer));
    }

    fn publish(&mut self, incarnation: u64, sequence: u64, title: String, message: String) -> Payload {
        let origin = Origin { node: self.me, incarnation };
        let identity = Identity::simulated(0, self.me);
        let time = <Self as Transport<P>>::calendar(self);
        let payload =
            self.broadcasts.insert(Broadcast::new(origin, identity, sequence, title, message, time));
        self.actions.push(Action::Publish(payload));
        payload
    }

    fn broadcast(&self, payload: Payload) -> &Broadcast {
        self.broadcasts.get(payload)
    }

    fn series(&self, payload: Payload) -> Series {
        self.broadcasts.series(payload)
    }

    /// The test may call `on_synced`.
    fn append(&mut self, record: P::Record) -> Durability {
        self.actions.push(Action::Append(record));
        Durability::Pending
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push(Action::Notify(notice));
    }

    fn stop(&mut self) {
        self.actions.push(Action::Stop);
    }
}
