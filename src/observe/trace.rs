//! The trace: everything that happened, one JSON object a line.
//!
//! Fields, where they apply:
//!
//! - `time_ns`: nanoseconds since the start.
//! - `event`: `started`, `stopped`, `joined`, `published`, `sent`, `received`, `dropped`, `delivered`, `gap`, `link_up`,
//!   `link_down`, `inbox` (a direct message came in), `acknowledged` or `lost` (one that was sent), `census`.
//! - `node`: to whom it happened; of `sent` and `dropped` the sender, of `received` the receiver. `peer`: the other end.
//! - `kind`: the protocol's word for the message. `bytes`: its size on a wire. `hops`: links crossed.
//! - `broadcast`: its number in order of publication. `id`: its message id. `sequence`: its number at its origin.
//! - `reason` of a drop: `no_link`, `old_session`, `loss`, `stopped`.
//! - `origin`, `first`, `last`: whose broadcasts a gap gives up, and which. `nodes`: what a census counted.

use super::{DropReason, Observation, Observer, Parcel};
use crate::id::NodeId;
use crate::message::{MessageId, Payload};
use crate::protocol::Notice;
use crate::time::Time;
use serde::Serialize;
use std::io::{self, Write};

/// Writes a trace as it happens; memory does not grow with its length.
pub struct Trace<W: Write> {
    out: W,
    failed: Option<io::Error>,
}

/// One line.
#[derive(Serialize, Default)]
struct Record {
    time_ns: u64,
    event: &'static str,
    node: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<NodeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcast: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hops: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<NodeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<u64>,
}

impl<W: Write> Trace<W> {
    /// A trace into `out`, which should be buffered.
    pub fn new(out: W) -> Trace<W> {
        Trace { out, failed: None }
    }

    /// Ends the trace.
    ///
    /// # Errors
    /// The first error of the writer; nothing was written after it.
    pub fn finish(mut self) -> io::Result<W> {
        self.failed.map_or(Ok(()), Err)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, record)?;
        self.out.write_all(b"\n")
    }
}

impl<W: Write> Observer for Trace<W> {
    #[inline]
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        if self.failed.is_none() {
            let record = Record { time_ns: time.nanos(), ..Record::of(event) };
            self.failed = self.write(&record).err();
        }
    }
}

impl Record {
    fn of(event: Observation<'_>) -> Record {
        match event {
            Observation::Started { node, .. } => Record::at("started", node),
            Observation::Stopped { node } => Record::at("stopped", node),
            Observation::Published { payload, broadcast } => Record {
                broadcast: Some(payload),
                sequence: Some(broadcast.sequence),
                id: Some(broadcast.message.id),
                ..Record::at("published", broadcast.origin.node)
            },
            Observation::Sent(parcel) => Record::message("sent", parcel.from, parcel.to, parcel),
            Observation::Received(parcel) => Record::message("received", parcel.to, parcel.from, parcel),
            Observation::Dropped(parcel, reason) => Record {
                reason: Some(reason.name()),
                ..Record::message("dropped", parcel.from, parcel.to, parcel)
            },
            Observation::Noticed { node, notice: Notice::Delivered { payload, hops } } => {
                Record { broadcast: Some(payload), hops: Some(hops), ..Record::at("delivered", node) }
            }
            Observation::Noticed { node, notice: Notice::Gap { origin, first, last } } => Record {
                origin: Some(origin.node),
                first: Some(first),
                last: Some(last),
                ..Record::at("gap", node)
            },
            Observation::Noticed { node, notice: Notice::Joined } => Record::at("joined", node),
            Observation::Noticed { node, notice: Notice::Received { from } } => {
                Record { peer: Some(from), ..Record::at("inbox", node) }
            }
            Observation::Noticed { node, notice: Notice::Resolved { to, sequence, delivered } } => Record {
                peer: Some(to),
                sequence: Some(sequence),
                ..Record::at(if delivered { "acknowledged" } else { "lost" }, node)
            },
            Observation::Noticed { node, notice: Notice::Counted(census) } => {
                Record { nodes: Some(census.nodes), ..Record::at("census", node) }
            }
            Observation::LinkUp { node, peer } => Record { peer: Some(peer), ..Record::at("link_up", node) },
            Observation::LinkDown { node, peer } => {
                Record { peer: Some(peer), ..Record::at("link_down", node) }
            }
        }
    }

    fn at(event: &'static str, node: NodeId) -> Record {
        Record { event, node: node.0, ..Record::default() }
    }

    fn message(event: &'static str, node: NodeId, peer: NodeId, parcel: Parcel) -> Record {
        Record {
            peer: Some(peer),
            kind: Some(parcel.kind),
            broadcast: parcel.payload,
            bytes: Some(parcel.bytes),
            ..Record::at(event, node)
        }
    }
}

impl DropReason {
    fn name(self) -> &'static str {
        match self {
            DropReason::NoLink => "no_link",
            DropReason::OldSession => "old_session",
            DropReason::Loss => "loss",
            DropReason::Stopped => "stopped",
        }
    }
}
