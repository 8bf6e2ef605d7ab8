//! What stands on a wire for a [`Payload`]: the broadcast itself.
//!
//! [`Contents`] holds what a process has of all broadcasts, and finds them by origin and sequence. While it is
//! [lent](Contents::lend), payloads that are encoded or decoded on this thread are translated by it. A broadcast that comes
//! once more is found again, not stored; its id is computed when it comes first, and never travels. How much is kept is bounded.

use super::{Broadcast, Broadcasts, Origin, Payload, Series, Timestamp};
use crate::id::{Contact, NodeId, lent};
use crate::time::Time;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::cell::RefCell;
use std::collections::VecDeque;

thread_local! {
    static LENT: RefCell<Option<Contents>> = const { RefCell::new(None) };
}

/// No origin gets there: a broadcast with such a number is refused.
const SEQUENCE_LIMIT: u64 = 1 << 40;
/// What a broadcast takes beside its texts, about.
const OVERHEAD: usize = 256;
/// Of more series those are forgotten of which nothing is kept.
const MOST_SERIES: usize = 1 << 16;

/// All broadcasts that a process knows.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    broadcasts: Broadcasts,
    /// Looked up only.
    places: FxHashMap<(Series, u64), Payload>,
    now: Time,
    /// When each came, the oldest first.
    arrivals: VecDeque<(Time, Payload)>,
    /// When each came last, by place.
    came: Vec<Time>,
    bytes: usize,
    most_bytes: usize,
    lacked_room: bool,
    /// Places whose broadcasts are forgotten.
    free: Vec<Payload>,
}

/// A broadcast on a wire.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    #[serde(deserialize_with = "origin")]
    origin: NodeId,
    incarnation: u64,
    sequence: u64,
    title: &'a str,
    message: &'a str,
    micros: u64,
}

fn origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
    let contact = Contact::deserialize(deserializer)?;
    let node = lent(|names| names.hear_origin(contact)).flatten();
    node.ok_or_else(|| de::Error::custom("no room for the names of further nodes"))
}

impl Contents {
    /// A table that takes about so many bytes of others' broadcasts.
    pub fn new(most_bytes: usize) -> Contents {
        Contents { most_bytes, ..Contents::default() }
    }

    /// Adds a broadcast, if it is new; what is there under its origin and sequence stands.
    pub fn insert(&mut self, broadcast: Broadcast) -> Payload {
        let (origin, sequence) = (broadcast.origin, broadcast.sequence);
        if let Some(payload) = self.find(origin, sequence) {
            return payload;
        }
        self.bytes += size(&broadcast);
        let payload = match self.free.pop() {
            Some(payload) => {
                self.broadcasts.replace(payload, broadcast);
                payload
            }
            None => {
                self.came.push(self.now);
                self.broadcasts.insert(broadcast)
            }
        };
        self.came[payload.index()] = self.now;
        self.places.insert((self.broadcasts.series(payload), sequence), payload);
        self.arrivals.push_back((self.now, payload));
        payload
    }

    /// From now on what comes, comes at this time.
    pub fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// Forgets what came before a moment for the last time. Nobody may ask for it any more.
    pub fn forget_before(&mut self, moment: Time) {
        while let Some((_, payload)) = self.arrivals.pop_front_if(|(came, _)| *came < moment) {
            if self.came[payload.index()] >= moment {
                // It came once more: somebody may have taken it in only then.
                self.arrivals.push_back((self.now, payload));
                continue;
            }
            let broadcast = self.broadcasts.get(payload);
            self.places.remove(&(self.broadcasts.series(payload), broadcast.sequence));
            self.bytes = self.bytes.saturating_sub(size(broadcast));
            self.broadcasts.clear(payload);
            self.free.push(payload);
        }
    }

    /// Takes whatever comes while `work` goes on: a node's own log.
    pub fn without_limit<T>(&mut self, work: impl FnOnce(&mut Contents) -> T) -> T {
        let most_bytes = std::mem::replace(&mut self.most_bytes, usize::MAX);
        let result = work(self);
        self.most_bytes = most_bytes;
        result
    }

    /// Whether it takes nothing more of others.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.most_bytes
    }

    /// Whether a broadcast was not taken since this was asked last, for want of room.
    pub fn lacked_room(&mut self) -> bool {
        std::mem::take(&mut self.lacked_room)
    }

    /// The origins of what is kept, one of them as often as there is something of it.
    pub fn origins(&self) -> impl Iterator<Item = NodeId> {
        self.arrivals.iter().map(|(_, payload)| self.broadcasts.get(*payload).origin.node)
    }

    /// Whether there are so many series that some should be forgotten.
    pub fn is_strewn(&self) -> bool {
        self.broadcasts.origins.len() > MOST_SERIES
    }

    /// Forgets the series of origins that are not known any more; and where there are very many, those of which nothing is kept.
    pub fn forget_origins(&mut self, is_known: impl Fn(NodeId) -> bool) {
        let is_strewn = self.is_strewn();
        let Contents { broadcasts, arrivals, .. } = self;
        let mut kept: Vec<Series> = Vec::new();
        if is_strewn {
            kept.extend(arrivals.iter().map(|(_, payload)| broadcasts.series(*payload)));
            kept.sort_unstable();
            kept.dedup();
        }
        let is_kept = |series: &Series| !is_strewn || kept.binary_search(series).is_ok();
        broadcasts.origins.retain(|origin, series| is_known(origin.node) && is_kept(series));
    }

    fn find(&self, origin: Origin, sequence: u64) -> Option<Payload> {
        let series = *self.broadcasts.origins.get(&origin)?;
        self.places.get(&(series, sequence)).copied()
    }

    /// All of them.
    pub fn broadcasts(&self) -> &Broadcasts {
        &self.broadcasts
    }

    /// Translates by this table whatever `work` encodes and decodes. A table of [names](crate::id::Names) must be lent too.
    pub fn lend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let own = std::mem::take(self);
        LENT.with_borrow_mut(|lent| *lent = Some(own));
        let result = work();
        *self = LENT.with_borrow_mut(Option::take).expect("it was lent above");
        result
    }
}

fn size(broadcast: &Broadcast) -> usize {
    OVERHEAD + broadcast.message.title.len() + broadcast.message.message.len()
}

pub(super) fn are_lent() -> bool {
    LENT.with_borrow(Option::is_some)
}

pub(super) fn serialize<S: Serializer>(payload: Payload, serializer: S) -> Result<S::Ok, S::Error> {
    LENT.with_borrow(|contents| {
        let contents = contents.as_ref().expect("asked for where contents are lent");
        if payload.index() >= contents.broadcasts.len() {
            return Err(ser::Error::custom("a payload of another process"));
        }
        let Broadcast { origin, sequence, message, .. } = contents.broadcasts.get(payload);
        let written = Written {
            origin: origin.node,
            incarnation: origin.incarnation,
            sequence: *sequence,
            title: &message.title,
            message: &message.message,
            micros: message.time.micros(),
        };
        written.serialize(serializer)
    })
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
    let written = Written::deserialize(deserializer)?;
    let Written { origin, incarnation, sequence, title, message, micros } = written;
    if sequence >= SEQUENCE_LIMIT {
        return Err(de::Error::custom("no origin publishes so much"));
    }
    let origin = Origin { node: origin, incarnation };
    let identity = lent(|names| names.identity(origin.node));
    let identity = identity.ok_or_else(|| de::Error::custom("contents without names"))?;
    LENT.with_borrow_mut(|contents| {
        let contents = contents.as_mut().expect("asked for where contents are lent");
        if let Some(payload) = contents.find(origin, sequence) {
            contents.came[payload.index()] = contents.now;
            return Ok(payload);
        }
        if contents.is_full() {
            contents.lacked_room = true;
            return Err(de::Error::custom("no room for further contents"));
        }
        let time = Timestamp::from_micros(micros);
        Ok(contents.insert(Broadcast::new(origin, identity, sequence, title.into(), message.into(), time)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Identity, Names};

    #[test]
    fn a_broadcast_is_the_same_in_another_process_and_is_stored_once() {
        let (mut names, mut contents) = (Names::new(9), Contents::new(10_000));
        let origin = Origin { node: names.intern(Identity([7; 32])).unwrap(), incarnation: 3 };
        let time = Timestamp::from_micros(99);
        let sent = Broadcast::new(origin, Identity([7; 32]), 5, "#BROADCAST".into(), "hello".into(), time);
        let payload = contents.insert(sent.clone());
        let bytes = names.lend(|| contents.lend(|| postcard::to_allocvec(&payload))).unwrap();

        let (mut names, mut contents) = (Names::new(9), Contents::new(10_000));
        names.intern(Identity([1; 32]));
        for _ in 0..2 {
            let read: Payload = names.lend(|| contents.lend(|| postcard::from_bytes(&bytes))).unwrap();
            let read = contents.broadcasts().get(read);
            assert_eq!((&read.message, read.identity, read.sequence), (&sent.message, sent.identity, 5));
            assert_eq!(read.origin, Origin { node: NodeId(1), incarnation: 3 });
        }
        assert_eq!(contents.broadcasts().len(), 1);
        contents.set_now(Time::from_nanos(5));
        contents.forget_before(Time::from_nanos(1));
        let read: Payload = names.lend(|| contents.lend(|| postcard::from_bytes(&bytes))).unwrap();
        assert_eq!((read.index(), contents.broadcasts().len()), (0, 1), "in the place of the forgotten one");
        assert_eq!(contents.broadcasts().get(read).message, sent.message);
        for end in 0..bytes.len() {
            let cut = names.lend(|| contents.lend(|| postcard::from_bytes::<Payload>(&bytes[..end])));
            assert!(cut.is_err());
        }
    }
}
