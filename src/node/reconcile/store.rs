//! What a node remembers of the broadcasts that it has seen, and can hand on (protocol.md §1, *Frontier*, and §4).
//!
//! It promises the messages of the last R (the retention) and keeps them 2·T_heal longer: so whoever says that it has no
//! longer what it has seen, says that this is older than R + 2·T_heal, and nodes whose clocks and low-water marks differ a
//! little hold the same above either mark. An origin of which nothing was heard for 10·R is forgotten.
//!
//! The age of a message is counted by nodes' own clocks (a copy that is handed on brings its age along); only its place in
//! the order of the reconciliation is by the time that it bears. (Deviations: fresh DATA counts as just published, since
//! links take little of R; after a restart see [`Node::recover_one`](super::Node::recover_one).)

use super::ranges::{Key, Name};
use super::spans::{SEQUENCE_LIMIT, Spans};
use crate::id::Identity;
use crate::message::{Broadcast, Origin, Payload};
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The length of a time bucket.
const BUCKET_MICROS: u64 = 10_000_000;

/// The bucket of a time by the calendar.
pub(super) fn bucket_of(micros: u64) -> u32 {
    u32::try_from(micros / BUCKET_MICROS).unwrap_or(u32::MAX)
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Store {
    authors: BTreeMap<Name, Author>,
    /// Of origins that are remembered; looked up only.
    names: FxHashMap<Origin, Name>,
    by_time: BTreeSet<Key>,
    by_birth: BTreeSet<(i64, Name, u64)>,
    /// The last key of each origin.
    latest: BTreeSet<Key>,
    /// How many broadcasts were entered.
    entered: u64,
    /// When this life began, if anything is of an earlier one.
    pub(super) began: i64,
}

/// An origin.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) origin: Origin,
    /// Seen, or given up.
    pub(super) seen: Spans,
    held: BTreeMap<u64, Held>,
    latest: Key,
    heard: i64,
}

/// A message that can be handed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) payload: Payload,
    pub(super) hops: u32,
    /// When it was published, by this node's clock, in nanoseconds.
    pub(super) born: i64,
    /// When it was published, by its origin's calendar, in microseconds.
    published: u64,
}

/// What is compared: all messages from the bucket `low` on, up to `until`; of origins that were silent since, the last
/// one, from `silent_low` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// See there.
    pub silent_low: u32,
    /// See there.
    pub low: u32,
    /// See there.
    pub until: u32,
}

/// What was given up for good.
pub(super) type Voids = Vec<(Origin, u64, u64)>;

impl Name {
    pub(super) fn of(identity: Identity, incarnation: u64) -> Name {
        let mut hash = Sha256::new();
        hash.update(identity.0);
        hash.update(incarnation.to_le_bytes());
        let mut name = [0; 8];
        name.copy_from_slice(&hash.finalize()[..8]);
        Name(name)
    }
}

impl Store {
    pub(super) fn name(&mut self, broadcast: &Broadcast) -> Name {
        let name = || Name::of(broadcast.identity, broadcast.origin.incarnation);
        self.names.get(&broadcast.origin).copied().unwrap_or_else(name)
    }

    pub(super) fn author(&self, name: Name) -> Option<&Author> {
        self.authors.get(&name)
    }

    /// Whether a message would be taken in. (Deviation: one that would open a 65th range is refused, and fetched later, rather
    /// than a hole given up or the peer dropped: on links that lose much, peers that do no wrong open many.)
    pub(super) fn takes(&self, name: Name, sequence: u64) -> bool {
        let fits =
            |author: &Author| !author.seen.contains(sequence) && !author.seen.is_too_ragged_for(sequence);
        sequence < SEQUENCE_LIMIT && self.author(name).is_none_or(fits)
    }

    /// Enters a message that it takes.
    pub(super) fn enter(
        &mut self,
        name: Name,
        broadcast: &Broadcast,
        payload: Payload,
        hops: u32,
        now: i64,
        born: i64,
    ) {
        let sequence = broadcast.sequence;
        let published = broadcast.message.time.micros();
        let key = Key { bucket: bucket_of(published), name, sequence };
        self.meet(name, broadcast.origin, key, now);
        let author = self.authors.get_mut(&name).expect("it was just met");
        author.seen.insert(sequence, sequence);
        author.held.insert(sequence, Held { payload, hops, born, published });
        self.by_time.insert(key);
        self.by_birth.insert((born, name, sequence));
        self.entered += 1;
    }

    /// Hears of an origin, and of a message of it.
    fn meet(&mut self, name: Name, origin: Origin, key: Key, now: i64) {
        let author = self.authors.entry(name).or_insert_with(|| {
            self.names.insert(origin, name);
            self.latest.insert(key);
            Author { origin, seen: Spans::default(), held: BTreeMap::new(), latest: key, heard: now }
        });
        author.heard = now;
        if author.latest.sequence < key.sequence {
            self.latest.remove(&author.latest);
            self.latest.insert(key);
            author.latest = key;
        }
    }

    /// Gives up what was not seen among `first..=last`; what that was. What comes before it is older still, and is given up
    /// as well where there are too many holes.
    pub(super) fn give_up(&mut self, origin: Origin, latest: Key, first: u64, last: u64, now: i64) -> Voids {
        self.meet(latest.name, origin, latest, now);
        let author = self.authors.get_mut(&latest.name).expect("it was just met");
        let first = if author.seen.is_full() { 0 } else { first };
        let voids = Spans::of(first, last).minus(&author.seen);
        author.seen.insert(first, last);
        voids.as_slice().iter().map(|&(first, last)| (author.origin, first, last)).collect()
    }

    /// Drops what was born before `oldest`. What is missing below it is at least as old: it is given up.
    pub(super) fn drop_before(&mut self, oldest: i64, now: i64) -> Voids {
        let mut voids = Vec::new();
        while let Some(&(born, name, sequence)) = self.by_birth.first().filter(|(born, ..)| *born < oldest) {
            self.by_birth.remove(&(born, name, sequence));
            let author = self.authors.get_mut(&name).expect("it holds something");
            if let Some(held) = author.held.remove(&sequence) {
                self.by_time.remove(&Key { bucket: bucket_of(held.published), name, sequence });
            }
            if author.seen.as_slice()[0].0 > 0 || author.seen.as_slice()[0].1 < sequence {
                let (origin, latest, heard) = (author.origin, author.latest, author.heard);
                voids.extend(self.give_up(origin, latest, 0, sequence, heard.min(now)));
            }
        }
        voids
    }

    /// Forgets origins that were heard of before `oldest` for the last time, and hold nothing.
    pub(super) fn forget_before(&mut self, oldest: i64) -> Vec<Name> {
        let silent = |author: &Author| author.heard < oldest && author.held.is_empty();
        let gone: Vec<Name> =
            self.authors.iter().filter(|(_, author)| silent(author)).map(|(name, _)| *name).collect();
        for name in &gone {
            if let Some(author) = self.authors.remove(name) {
                self.latest.remove(&author.latest);
                self.names.remove(&author.origin);
            }
        }
        gone
    }

    pub(super) fn held(&self, name: Name, sequence: u64) -> Option<Held> {
        self.author(name)?.held.get(&sequence).copied()
    }

    /// What of an origin it has not, or no longer, around a number that it does not hold.
    pub(super) fn not_held_around(&self, name: Name, sequence: u64) -> (u64, u64) {
        let Some(author) = self.author(name) else { return (0, sequence) };
        let below = author.held.range(..sequence).next_back().map_or(0, |(below, _)| below + 1);
        let above = author.held.range(sequence..).next().map(|(above, _)| above - 1);
        (below, above.unwrap_or(author.latest.sequence.max(sequence)))
    }

    pub(super) fn latest(&self, name: Name) -> Option<Key> {
        self.author(name).map(|author| author.latest)
    }

    /// The keys in a window, ascending.
    pub(super) fn keys(&self, window: Window) -> Vec<Key> {
        let from = |bucket| Key { bucket, ..Key::default() };
        let low = window.low.min(window.until);
        let silent = self.latest.range(from(window.silent_low.min(low))..from(low));
        silent.chain(self.by_time.range(from(low)..from(window.until))).copied().collect()
    }

    /// The time by most origins' calendars, in microseconds: this node's own may be far from it. How old what it recovered is,
    /// nobody knows.
    pub(super) fn calendar(&self, now: i64) -> Option<u64> {
        let newest = self.authors.values().filter_map(|author| author.held.values().next_back());
        let newest = newest.filter(|held| self.began == 0 || held.born > self.began);
        let age = |held: &Held| u64::try_from(now.saturating_sub(held.born)).unwrap_or(0) / 1_000;
        let mut calendars: Vec<u64> = newest.map(|held| held.published.saturating_add(age(held))).collect();
        let middle = calendars.len() / 2;
        (!calendars.is_empty()).then(|| *calendars.select_nth_unstable(middle).1)
    }

    pub(super) fn entered(&self) -> u64 {
        self.entered
    }

    #[cfg(test)]
    pub(super) fn authors(&self) -> usize {
        self.authors.len()
    }

    #[cfg(test)]
    pub(super) fn spans(&self) -> usize {
        self.authors.values().map(|author| author.seen.as_slice().len()).sum()
    }

    #[cfg(test)]
    pub(super) fn count_held(&self) -> usize {
        self.by_birth.len()
    }
}
