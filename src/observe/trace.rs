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
use crate::message::Payload;
use crate::protocol::Notice;
use crate::time::Time;
use std::io::{self, Write};
use std::ops::Range;

/// Lines are written when they are so many bytes together: few calls of the system, and all stays in the cache.
const BLOCK: usize = 1 << 16;

/// Writes a trace as it happens; memory does not grow with its length.
pub struct Trace<W: Write> {
    out: W,
    lines: Lines,
    failed: Option<io::Error>,
}

/// Lines that are not yet written. There is one for each message sent and each received, so they are put together from
/// their parts, and parts that a line has in common with one before are copied from there.
struct Lines {
    text: Vec<u8>,
    /// What the latest line began with.
    head: Option<(Time, Range<usize>)>,
    /// What the latest line of a message ended with.
    tail: Option<(Content, Range<usize>)>,
}

/// What the messages of a broadcast have in common: kind, payload, bytes.
type Content = (&'static str, Option<Payload>, u32);

impl<W: Write> Trace<W> {
    /// A trace into `out`, which need not be buffered.
    pub fn new(out: W) -> Trace<W> {
        let text = Vec::with_capacity(BLOCK + BLOCK / 8);
        Trace { out, lines: Lines { text, head: None, tail: None }, failed: None }
    }

    /// Ends the trace.
    ///
    /// # Errors
    /// The first error of the writer; nothing was written after it.
    pub fn finish(mut self) -> io::Result<W> {
        self.write();
        self.failed.map_or(Ok(()), Err)?;
        self.out.flush()?;
        Ok(self.out)
    }

    #[cold]
    fn write(&mut self) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(&self.lines.text).err();
        }
        self.lines.clear();
    }
}

impl<W: Write> Observer for Trace<W> {
    #[inline]
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        self.lines.begin(time).tell(event).raw("}\n");
        if self.lines.text.len() >= BLOCK {
            self.write();
        }
    }
}

impl Lines {
    fn clear(&mut self) {
        self.text.clear();
        (self.head, self.tail) = (None, None);
    }

    fn begin(&mut self, time: Time) -> &mut Lines {
        match &self.head {
            Some((of, place)) if *of == time => self.text.extend_from_within(place.clone()),
            _ => {
                let start = self.text.len();
                self.number(r#"{"time_ns":"#, time.nanos()).raw(r#","event":""#);
                self.head = Some((time, start..self.text.len()));
            }
        }
        self
    }

    fn tell(&mut self, event: Observation<'_>) -> &mut Lines {
        match event {
            Observation::Sent(parcel) => self.at("sent", parcel.from).peer(parcel.to).parcel(parcel),
            Observation::Received(parcel) => self.at("received", parcel.to).peer(parcel.from).parcel(parcel),
            Observation::Dropped(parcel, reason) => self
                .at("dropped", parcel.from)
                .peer(parcel.to)
                .parcel(parcel)
                .text(r#","reason":"#, reason.name()),
            Observation::Noticed { node, notice } => self.notice(node, notice),
            Observation::Published { payload, broadcast } => self
                .at("published", broadcast.origin.node)
                .broadcast(payload)
                .text(r#","id":"#, &broadcast.message.id.to_string())
                .number(r#","sequence":"#, broadcast.sequence),
            Observation::Started { node, .. } => self.at("started", node),
            Observation::Stopped { node } => self.at("stopped", node),
            Observation::Crashed { node, .. } => self.at("crashed", node),
            Observation::Restarted { node, .. } => self.at("restarted", node),
            Observation::Imposed { id, condition } => self
                .raw("imposed\"")
                .number(r#","condition":"#, id.0.into())
                .text(r#","what":"#, condition.name()),
            Observation::Lifted { id } => self.raw("lifted\"").number(r#","condition":"#, id.0.into()),
            Observation::LinkUp { node, peer, .. } => self.at("link_up", node).peer(peer),
            Observation::LinkDown { node, peer, .. } => self.at("link_down", node).peer(peer),
        }
    }

    fn notice(&mut self, node: NodeId, notice: Notice) -> &mut Lines {
        match notice {
            Notice::Delivered { payload, hops } => {
                self.at("delivered", node).broadcast(payload).number(r#","hops":"#, hops.into())
            }
            Notice::Gap { origin, first, last } => self
                .at("gap", node)
                .number(r#","origin":"#, origin.node.0.into())
                .number(r#","first":"#, first)
                .number(r#","last":"#, last),
            Notice::Joined => self.at("joined", node),
            Notice::Received { from } => self.at("inbox", node).peer(from),
            Notice::Resolved { to, sequence, delivered } => self
                .at(if delivered { "acknowledged" } else { "lost" }, node)
                .peer(to)
                .number(r#","sequence":"#, sequence),
            Notice::Counted(census) => self.at("census", node).number(r#","nodes":"#, census.nodes),
        }
    }

    #[inline(always)]
    fn at(&mut self, event: &'static str, node: NodeId) -> &mut Lines {
        self.raw(event).number(r#"","node":"#, node.0.into())
    }

    #[inline(always)]
    fn peer(&mut self, peer: NodeId) -> &mut Lines {
        self.number(r#","peer":"#, peer.0.into())
    }

    fn parcel(&mut self, Parcel { kind, payload, bytes, .. }: Parcel) -> &mut Lines {
        let content = (kind, payload, bytes);
        match &self.tail {
            Some((of, place)) if *of == content => self.text.extend_from_within(place.clone()),
            _ => {
                let start = self.text.len();
                self.text(r#","kind":"#, kind);
                if let Some(payload) = payload {
                    self.broadcast(payload);
                }
                self.number(r#","bytes":"#, bytes.into());
                self.tail = Some((content, start..self.text.len()));
            }
        }
        self
    }

    fn broadcast(&mut self, payload: Payload) -> &mut Lines {
        self.number(r#","broadcast":"#, payload.index() as u64)
    }

    /// What may have to be escaped: a protocol chooses its words.
    fn text(&mut self, key: &'static str, value: &str) -> &mut Lines {
        self.raw(key);
        serde_json::to_writer(&mut self.text, value).expect("memory takes every text");
        self
    }

    #[inline(always)]
    fn number(&mut self, key: &'static str, value: u64) -> &mut Lines {
        self.raw(key).raw(itoa::Buffer::new().format(value))
    }

    #[inline(always)]
    fn raw(&mut self, text: &str) -> &mut Lines {
        self.text.extend_from_slice(text.as_bytes());
        self
    }
}

impl DropReason {
    fn name(self) -> &'static str {
        match self {
            DropReason::NoLink => "no_link",
            DropReason::OldSession => "old_session",
            DropReason::Loss => "loss",
            DropReason::Stopped => "stopped",
            DropReason::Cut(_) => "cut",
            DropReason::Lost(_) => "lost",
        }
    }
}
