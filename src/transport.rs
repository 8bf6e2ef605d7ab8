//! The seam: everything that a peer may do to the world, and the contract that every world keeps.
//!
//! 1. [`send`](Transport::send) never blocks, never fails visibly, never re-enters a node: the message becomes a
//!    later event, or is lost. Where no link is up, it is lost.
//! 2. A link is a session between two nodes. Messages of an old session are discarded. Every session that came up
//!    ends with exactly one `on_link_down` at each living end, whatever happened. An [`open`](Transport::open) that
//!    is refused or never answered ends in `on_link_down` as well; one to a peer that is linked already, or is being
//!    opened already, does nothing. Two nodes that open to each other at once get one session.
//! 3. A protocol may not rely on order. (Some kinds of links keep it, others do not.)
//! 4. [`now`](Transport::now) stands still during one handler call.
//! 5. A timer fires once, not before its time. There is no cancel: give the timer a generation, and let a stale one
//!    do nothing.
//! 6. [`rng`](Transport::rng) is the node's own stream: nobody else's draws shift it.
//! 7. [`notify`](Transport::notify) and [`publish`](Transport::publish) tell observers and the application; an
//!    observer cannot influence a run.
//!
//! 8. [`stop`](Transport::stop) ends the node's life when the handler returns: its links close, its timers die, what
//!    is still on its way to it is lost, and nothing is ever sent by it again.
//! 9. What was [appended](Transport::append) and is safe is there when the node starts again after a crash, in order;
//!    what is not safe yet may be lost, the latest first. A log is lost as a whole, if at all.
//!
//! `tests/it/contract.rs` holds tests for the clauses, which run against every implementation: the simulator with each
//! kind of link, and [`Outbox`] under a world of a few lines (clauses 3 and 7 are about a world's own doings and are
//! tested on the simulator).

mod outbox;

pub use outbox::{Action, Outbox};

use crate::id::{Identity, NodeId};
use crate::message::{Broadcast, Payload, Series, Timestamp};
use crate::protocol::{Notice, Protocol};
use crate::time::LocalTime;
use rand::Rng;
use std::time::Duration;

/// Everything that a peer may do to the world. The contract stands in the [module's documentation](self).
pub trait Transport<P: Protocol> {
    /// This node.
    fn me(&self) -> NodeId;

    /// The global name of a node: what is ordered, hashed and printed.
    fn identity(&self, node: NodeId) -> Identity;

    /// This node's clock. It may be skewed: use it for intervals only.
    fn now(&self) -> LocalTime;

    /// The calendar time by this node's clock, to date messages with.
    fn calendar(&self) -> Timestamp;

    /// This node's own random stream.
    fn rng(&mut self) -> &mut impl Rng;

    /// Asks for a link to `peer`; ends in `on_link_up` or `on_link_down`.
    fn open(&mut self, peer: NodeId);

    /// Closes the link to `peer`; ends in `on_link_down` at both ends.
    fn close(&mut self, peer: NodeId);

    /// Sends a message over the link to `to`.
    fn send(&mut self, to: NodeId, message: P::Message);

    /// Fires `on_timer` once, not before `after` has passed on this node's clock.
    fn set_timer(&mut self, after: Duration, timer: P::Timer);

    /// Publishes a broadcast of this node: the world computes its id, dates it, and keeps its content.
    ///
    /// Incarnation and sequence are the protocol's to choose; together with the node they must never repeat.
    fn publish(&mut self, incarnation: u64, sequence: u64, title: String, message: String) -> Payload;

    /// What a payload stands for.
    fn broadcast(&self, payload: Payload) -> &Broadcast;

    /// The series of a payload's origin: a handle by which to remember whose broadcasts were seen.
    fn series(&self, payload: Payload) -> Series;

    /// Writes a record to the end of this node's log. Whether it is safe already, or `on_synced` will tell.
    fn append(&mut self, record: P::Record) -> Durability;

    /// Reports something to the application and to observers.
    fn notify(&mut self, notice: Notice);

    /// Ends this node's life, as soon as the handler returns.
    fn stop(&mut self);
}

/// Whether a record would survive a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// It would.
    Synced,
    /// Not yet.
    Pending,
}
