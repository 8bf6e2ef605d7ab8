//! The application's message, its id, its JSON form, and the table in which a world keeps what was broadcast.
//!
//! A broadcast travels as a [`Payload`], a small handle, so that a flood over a million nodes copies four bytes a
//! hop and not the text. The content stands once in the world's table of [`Broadcasts`].

mod contents;

pub use contents::Contents;

use crate::id::{Identity, NodeId};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// An application message in the form in which it is read and written:
/// `{"id": "<64 hex>", "title": "#BROADCAST", "message": "Hello world", "time": 1617555967.119939}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// What tells this message from every other, also from one with the same text by the same node.
    pub id: MessageId,
    /// What kind of message it is to the application, by custom `#BROADCAST`.
    pub title: String,
    /// The text.
    pub message: String,
    /// When it was published, by the clock of its origin.
    pub time: Timestamp,
}

/// A message's id: SHA-256 over origin, incarnation, sequence, title, message and time. 64 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 32]);

/// A calendar time in whole microseconds since 1970. JSON shows seconds; the conversion is exact both ways up to
/// [`Timestamp::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(u64);

/// Who published: a node in one of its lives. A node that starts without its log begins a new incarnation, so that
/// its sequence numbers are never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// A random number, fresh for every life.
    pub incarnation: u64,
}

/// What a world knows of one broadcast.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broadcast {
    /// Who published it.
    pub origin: Origin,
    /// The origin's global name.
    pub identity: Identity,
    /// Its number among the origin's broadcasts, from 0.
    pub sequence: u64,
    /// What the application reads.
    pub message: Message,
}

/// A handle to a broadcast's content in the table of the world in which it travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Payload(u32);

/// A handle to an [`Origin`]: all that one node publishes in one life is one series. What [`NodeId`] is to an identity:
/// dense, cheap, local to a world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Series(pub u32);

/// Everything that was broadcast in one world, in order of publication.
#[derive(Clone, Debug, Default)]
pub struct Broadcasts {
    entries: Vec<Broadcast>,
    /// Of each entry.
    series: Vec<Series>,
    /// The series of each origin; looked up only.
    origins: FxHashMap<Origin, Series>,
    /// How many series there ever were.
    begun: u32,
}

impl Message {
    /// The message number `sequence` of a life of a node (its identity and incarnation): to everybody, or to one
    /// node. The two kinds are numbered apart, so the receiver is a part of the id.
    pub fn new(
        origin: (Identity, u64),
        to: Option<Identity>,
        sequence: u64,
        title: String,
        message: String,
        time: Timestamp,
    ) -> Message {
        let mut hash = Sha256::new();
        hash.update(origin.0.0);
        hash.update(origin.1.to_le_bytes());
        hash.update(sequence.to_le_bytes());
        for text in [&title, &message] {
            // The length goes first: ("ab", "c") and ("a", "bc") are two messages.
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(time.0.to_le_bytes());
        if let Some(to) = to {
            hash.update(to.0);
        }
        Message { id: MessageId(hash.finalize().into()), title, message, time }
    }
}

impl Broadcast {
    /// The broadcast with these contents; its message id is computed here and nowhere else.
    pub fn new(
        origin: Origin,
        identity: Identity,
        sequence: u64,
        title: String,
        message: String,
        time: Timestamp,
    ) -> Broadcast {
        let message = Message::new((identity, origin.incarnation), None, sequence, title, message, time);
        Broadcast { origin, identity, sequence, message }
    }

    /// How many bytes its content takes on a wire: identity, incarnation, sequence and time, and both texts.
    pub fn wire_bytes(&self) -> u32 {
        let texts = self.message.title.len() + self.message.message.len();
        u32::try_from(32 + 3 * 8 + texts).unwrap_or(u32::MAX)
    }
}

impl Broadcasts {
    /// Adds a broadcast and gives its handle.
    ///
    /// # Panics
    /// At 2^32 broadcasts; the scenario checker allows far fewer.
    pub fn insert(&mut self, broadcast: Broadcast) -> Payload {
        let payload = Payload(u32::try_from(self.entries.len()).expect("fewer than 2^32 broadcasts"));
        let series = self.series_of(broadcast.origin);
        self.series.push(series);
        self.entries.push(broadcast);
        payload
    }

    fn series_of(&mut self, origin: Origin) -> Series {
        let begun = &mut self.begun;
        let new = || {
            *begun += 1;
            Series(*begun - 1)
        };
        *self.origins.entry(origin).or_insert_with(new)
    }

    /// Puts a broadcast into the place of another one, for which nobody will ask any more.
    pub(crate) fn replace(&mut self, payload: Payload, broadcast: Broadcast) {
        self.series[payload.index()] = self.series_of(broadcast.origin);
        self.entries[payload.index()] = broadcast;
    }

    /// Nobody will ask for a broadcast any more: its texts go.
    pub(crate) fn clear(&mut self, payload: Payload) {
        let Message { title, message, .. } = &mut self.entries[payload.index()].message;
        (*title, *message) = (String::new(), String::new());
    }

    /// The series to which a broadcast belongs. Series are numbered from 0 in the order of their first broadcasts.
    ///
    /// # Panics
    /// If the handle comes from another world.
    pub fn series(&self, payload: Payload) -> Series {
        self.series[payload.index()]
    }

    /// The broadcast behind a handle.
    ///
    /// # Panics
    /// If the handle comes from another world.
    pub fn get(&self, payload: Payload) -> &Broadcast {
        &self.entries[payload.index()]
    }

    /// All of them, in order of publication.
    pub fn iter(&self) -> impl Iterator<Item = &Broadcast> {
        self.entries.iter()
    }

    /// The handles of all of them, in order of publication.
    pub fn payloads(&self) -> impl Iterator<Item = Payload> + use<> {
        (0..self.entries.len() as u32).map(Payload)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was broadcast yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The handle of the latest broadcast.
    pub fn last(&self) -> Option<Payload> {
        self.entries.len().checked_sub(1).map(|index| Payload(index as u32))
    }
}

impl Payload {
    /// Its place in the order of publication, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The handle as a number.
    pub(crate) fn to_word(self) -> u32 {
        self.0
    }

    /// What [`to_word`](Payload::to_word) gave.
    pub(crate) fn from_word(word: u32) -> Payload {
        Payload(word)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

impl Serialize for Payload {
    /// A number for people. On a wire it is the content, from the table of [`Contents`] that is lent; within one process
    /// four bytes, which stand for the length of the content (the world counts the content's own bytes).
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_u32(self.0);
        }
        if contents::are_lent() {
            return contents::serialize(*self, serializer);
        }
        self.0.to_le_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
        if deserializer.is_human_readable() {
            return u32::deserialize(deserializer).map(Payload);
        }
        if contents::are_lent() {
            return contents::deserialize(deserializer);
        }
        <[u8; 4]>::deserialize(deserializer).map(|bytes| Payload(u32::from_le_bytes(bytes)))
    }
}

impl Timestamp {
    /// The latest time that seconds in a double hold to the microsecond: 2^32 seconds, in the year 2106.
    pub const MAX: Timestamp = Timestamp((1 << 32) * 1_000_000);

    /// The time so many microseconds after the start of 1970; later than [`Timestamp::MAX`] becomes that.
    pub fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros.min(Timestamp::MAX.0))
    }

    /// Microseconds since the start of 1970.
    pub fn micros(self) -> u64 {
        self.0
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1e6)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    /// Rounds to the microsecond: the original's clocks show tenths of it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let micros = (f64::deserialize(deserializer)? * 1e6).round();
        if !(0.0..=Timestamp::MAX.0 as f64).contains(&micros) {
            return Err(de::Error::custom("a time is a number of seconds between 0 and 2^32"));
        }
        Ok(Timestamp(micros as u64))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

/// Why a text is no message id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a message id has 64 hexadecimal digits")]
pub struct NotAMessageId;

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<MessageId, NotAMessageId> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotAMessageId);
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| (c as char).to_digit(16).expect("checked above") as u8;
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        Ok(MessageId(id))
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn broadcast(
        node: u32,
        incarnation: u64,
        sequence: u64,
        title: &str,
        text: &str,
        micros: u64,
    ) -> Broadcast {
        let origin = Origin { node: NodeId(node), incarnation };
        let time = Timestamp::from_micros(micros);
        Broadcast::new(
            origin,
            Identity::simulated(1, NodeId(node)),
            sequence,
            title.into(),
            text.into(),
            time,
        )
    }

    #[test]
    fn every_part_of_a_broadcast_changes_its_id() {
        let all = [
            broadcast(0, 5, 0, "ab", "c", 9),
            broadcast(1, 5, 0, "ab", "c", 9),
            broadcast(0, 6, 0, "ab", "c", 9),
            broadcast(0, 5, 1, "ab", "c", 9),
            broadcast(0, 5, 0, "a", "bc", 9),
            broadcast(0, 5, 0, "ab", "d", 9),
            broadcast(0, 5, 0, "ab", "c", 10),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a.message.id != b.message.id), "{a:?}");
        }
    }

    #[test]
    fn the_json_form_is_that_of_the_original() {
        let json = r##"{"id":"00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff","title":"#BROADCAST","message":"Hello world","time":1617555967.119939}"##;
        let message: Message = serde_json::from_str(json).unwrap();
        assert_eq!(message.time.micros(), 1_617_555_967_119_939);
        assert_eq!(serde_json::to_string(&message).unwrap(), json);
        // The tutorial's own example shows tenths of microseconds.
        let finer = json.replace(".119939", ".1199386");
        assert_eq!(serde_json::from_str::<Message>(&finer).unwrap(), message);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (from, to) in
            [("00ff", "00f"), ("00ff", "00fg"), ("1.5", "-1.5"), ("1.5", "1e300"), ("\"title\"", "\"titel\"")]
        {
            let id = "00ff".repeat(16);
            let json = format!(r#"{{"id":"{id}","title":"","message":"","time":1.5}}"#);
            assert!(serde_json::from_str::<Message>(&json).is_ok());
            assert!(serde_json::from_str::<Message>(&json.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
    }

    proptest! {
        #[test]
        fn a_time_survives_json_to_the_microsecond(micros in 0..=Timestamp::MAX.micros()) {
            let json = serde_json::to_string(&Timestamp::from_micros(micros)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap().micros(), micros);
        }

        #[test]
        fn an_id_survives_text(bytes in any::<[u8; 32]>()) {
            prop_assert_eq!(MessageId(bytes).to_string().parse(), Ok(MessageId(bytes)));
        }
    }
}
