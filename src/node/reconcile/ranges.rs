//! Range-based set reconciliation (protocol.md §4; Meyer, arXiv 2212.13567): two sets that differ in little find out in what
//! for little. Ordered by time, then origin, then sequence, so that what was missed in a row costs few ranges.
//!
//! Whoever gets a range with another fingerprint than its own splits it 16-way and answers with the fingerprints of the
//! parts; a part of at most 16 entries is listed. Who gets a list names what is not on it. No side keeps any state.
//! (Deviation: a range is split into fewer parts if 16 would hold fewer than 16 entries each.)

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A range is split into so many parts.
const BRANCHES: usize = 16;
/// So few entries are listed rather than split.
const LEAF: usize = 16;
/// A frame holds at most so many ranges; the rest has to wait for the next session.
const MOST_RANGES: usize = 1_024;
/// A frame lists at most so many runs.
const MOST_RUNS: usize = 8_192;

/// The short name of an origin: a hash. Whoever can make two origins with one name can hide one of them from those who
/// reconcile; a flood does not use names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Name(pub [u8; 8]);

/// What is reconciled: a broadcast, in the order of the broadcasts' own times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Key {
    /// Its time, in buckets.
    pub bucket: u32,
    /// Its origin.
    pub name: Name,
    /// Its number.
    pub sequence: u64,
}

/// Broadcasts of one origin and one bucket with consecutive numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The first of them.
    pub first: Key,
    /// How many come after it.
    pub more: u32,
}

/// What is said about all keys from the end of the range before to `end`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// The first key that is not in it; none: all others are.
    pub end: Option<Key>,
    /// What is said.
    pub body: Body,
}

/// See [`Range`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Body {
    /// Nothing.
    Skip,
    /// The fingerprint of what is here.
    Fingerprint([u8; 16]),
    /// All that is here.
    All(Vec<Run>),
    /// Some of what is here.
    Some(Vec<Run>),
}

/// The fingerprint of a set.
pub(super) fn fingerprint(keys: &[Key]) -> [u8; 32] {
    let (mut sums, mut hash) = ([0u64; 2], Sha256::new());
    for key in keys {
        let name = u64::from_le_bytes(key.name.0);
        for (sum, salt) in sums.iter_mut().zip([0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03]) {
            let mixed = mix(name ^ salt).wrapping_add(mix(key.sequence.wrapping_add(salt)));
            *sum = sum.wrapping_add(mix(mixed ^ u64::from(key.bucket)));
        }
    }
    hash.update(sums[0].to_le_bytes());
    hash.update(sums[1].to_le_bytes());
    hash.update((keys.len() as u64).to_le_bytes());
    hash.finalize().into()
}

/// The finalizer of splitmix64.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn short(keys: &[Key]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&fingerprint(keys)[..16]);
    short
}

/// The answer to ranges: what to say in turn, nothing if it is empty, and the keys that the other side was found to have.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) ranges: Vec<Range>,
    pub(super) learned: Vec<Run>,
    runs: usize,
}

/// What a set, ascending, begins with when another one turned out to be different.
pub(super) fn begin(keys: &[Key]) -> Vec<Range> {
    let mut answer = Answer::default();
    answer.split(keys, None);
    answer.ranges
}

/// Compares a set, ascending, with what another one said of itself; nothing, if nobody who follows the protocol says that.
pub(super) fn answer(keys: &[Key], ranges: &[Range]) -> Option<Answer> {
    if !is_sound(ranges) {
        return None;
    }
    let mut answer = Answer::default();
    let mut from = 0;
    for Range { end, body } in ranges {
        let to = end.map_or(keys.len(), |end| keys.partition_point(|&key| key < end)).max(from);
        let mine = &keys[from..to];
        from = to;
        match body {
            Body::Skip => answer.say(*end, Body::Skip),
            Body::Fingerprint(theirs) if *theirs == short(mine) => answer.say(*end, Body::Skip),
            Body::Fingerprint(_) => answer.split(mine, *end),
            Body::Some(runs) => {
                answer.learned.extend(runs);
                answer.say(*end, Body::Skip);
            }
            Body::All(runs) => {
                answer.learned.extend(runs);
                let theirs: Vec<Key> = runs.iter().flat_map(Run::keys).collect();
                let more: Vec<Key> =
                    mine.iter().filter(|key| theirs.binary_search(key).is_err()).copied().collect();
                let body = if more.is_empty() { Body::Skip } else { Body::Some(to_runs(&more)) };
                answer.say(*end, body);
            }
        }
    }
    while answer.ranges.last().is_some_and(|range| range.body == Body::Skip) {
        answer.ranges.pop();
    }
    Some(answer)
}

fn is_sound(ranges: &[Range]) -> bool {
    let runs = |range: &Range| match &range.body {
        Body::All(runs) | Body::Some(runs) => runs.len(),
        Body::Skip | Body::Fingerprint(_) => 0,
    };
    let listed = ranges.iter().map(runs).sum::<usize>();
    let sound = |range: &Range| match &range.body {
        Body::All(runs) => runs.len() <= LEAF && runs.iter().all(Run::is_sound),
        Body::Some(runs) => runs.iter().all(Run::is_sound),
        Body::Skip | Body::Fingerprint(_) => true,
    };
    let ascending = ranges.windows(2).all(|pair| match (pair[0].end, pair[1].end) {
        (Some(a), Some(b)) => a < b,
        (Some(_), None) => true,
        (None, _) => false,
    });
    ranges.len() <= 2 * MOST_RANGES && listed <= 2 * MOST_RUNS && ascending && ranges.iter().all(sound)
}

impl Run {
    fn is_sound(&self) -> bool {
        self.more < 1 << 20 && self.first.sequence < super::spans::SEQUENCE_LIMIT - (1 << 20)
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        let first = self.first;
        (0..=u64::from(self.more)).take(4 * LEAF).map(move |i| Key { sequence: first.sequence + i, ..first })
    }
}

fn to_runs(keys: &[Key]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &key in keys {
        match runs.last_mut() {
            Some(Run { first, more })
                if (first.bucket, first.name) == (key.bucket, key.name)
                    && first.sequence + u64::from(*more) + 1 == key.sequence =>
            {
                *more += 1;
            }
            _ => runs.push(Run { first: key, more: 0 }),
        }
    }
    runs
}

impl Answer {
    fn say(&mut self, end: Option<Key>, body: Body) {
        let runs = match &body {
            Body::All(runs) | Body::Some(runs) => runs.len(),
            Body::Skip | Body::Fingerprint(_) => 0,
        };
        let is_full = self.ranges.len() >= MOST_RANGES || self.runs + runs > MOST_RUNS;
        let body = if is_full { Body::Skip } else { body };
        self.runs += if is_full { 0 } else { runs };
        match self.ranges.last_mut() {
            Some(before) if before.body == Body::Skip && body == Body::Skip => before.end = end,
            _ => self.ranges.push(Range { end, body }),
        }
    }

    fn split(&mut self, keys: &[Key], end: Option<Key>) {
        let parts = keys.len().div_ceil(LEAF).clamp(1, BRANCHES);
        for part in 0..parts {
            let at = |part: usize| part * keys.len() / parts;
            let mine = &keys[at(part)..at(part + 1)];
            let end = if part + 1 == parts { end } else { Some(keys[at(part + 1)]) };
            let listed = mine.len() <= LEAF;
            self.say(end, if listed { Body::All(to_runs(mine)) } else { Body::Fingerprint(short(mine)) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Lets two sets talk until they have nothing to say; the bytes and the frames that it took.
    fn reconcile(a: &mut BTreeSet<Key>, b: &mut BTreeSet<Key>) -> (usize, usize) {
        let (mut bytes, mut frames) = (0, 0);
        for _ in 0..20 {
            let list = |set: &BTreeSet<Key>| set.iter().copied().collect::<Vec<Key>>();
            bytes += 2 * 40;
            if fingerprint(&list(a)) == fingerprint(&list(b)) {
                break;
            }
            let mut ranges = begin(&list(b));
            let mut turn = true;
            while !ranges.is_empty() {
                bytes += postcard::to_allocvec(&ranges).unwrap().len();
                frames += 1;
                assert!(frames < 200);
                let set = if turn { &mut *a } else { &mut *b };
                let answer = answer(&list(set), &ranges).expect("sound");
                set.extend(answer.learned.iter().flat_map(|run| {
                    (0..=u64::from(run.more)).map(|i| Key { sequence: run.first.sequence + i, ..run.first })
                }));
                ranges = answer.ranges;
                turn = !turn;
            }
        }
        (bytes, frames)
    }

    fn key() -> impl Strategy<Value = Key> {
        (0u32..40, 0u8..5, 0u64..60).prop_map(|(bucket, name, sequence)| Key {
            bucket,
            name: Name([name; 8]),
            sequence,
        })
    }

    proptest! {
        #[test]
        fn two_sets_become_their_union(
            common in prop::collection::btree_set(key(), 0..400),
            a in prop::collection::btree_set(key(), 0..60),
            b in prop::collection::btree_set(key(), 0..60),
        ) {
            let union: BTreeSet<Key> = common.iter().chain(&a).chain(&b).copied().collect();
            let mut a: BTreeSet<Key> = common.union(&a).copied().collect();
            let mut b: BTreeSet<Key> = common.union(&b).copied().collect();
            reconcile(&mut a, &mut b);
            prop_assert_eq!(&a, &union);
            prop_assert_eq!(&b, &union);
        }
    }

    fn messages(origins: u64, count: u64) -> BTreeSet<Key> {
        let name = |i: u64| Name(mix(i % origins + 1).to_le_bytes());
        // Ten a second, in buckets of ten seconds.
        let bucket = |i: u64| 173_568_960 + (i / 100) as u32;
        (0..count).map(|i| Key { bucket: bucket(i), name: name(i), sequence: i / origins }).collect()
    }

    #[test]
    fn the_cost_is_bounded() {
        for origins in [1, 10, 100, 10_000] {
            let all = messages(origins, 10_000);
            let row: BTreeSet<Key> = all
                .iter()
                .enumerate()
                .filter(|(i, _)| !(4_000..5_000).contains(i))
                .map(|(_, key)| *key)
                .collect();
            let (bytes, frames) = reconcile(&mut row.clone(), &mut all.clone());
            let scattered: BTreeSet<Key> = all
                .iter()
                .enumerate()
                .filter(|&(i, _)| !mix(i as u64).is_multiple_of(10))
                .map(|(_, key)| *key)
                .collect();
            let (worst, _) = reconcile(&mut scattered.clone(), &mut all.clone());
            assert!(
                bytes <= 30_000 && frames <= 3,
                "{origins} origins: {bytes} bytes for a row of 1,000 of 10,000"
            );
            assert!(worst <= 170_000, "{origins} origins: {worst} bytes for any 1,000 of 10,000");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let run = Run { first: Key { sequence: u64::MAX, ..Key::default() }, more: 0 };
        let long = Run { first: Key::default(), more: u32::MAX };
        for body in
            [Body::All(vec![run]), Body::Some(vec![long]), Body::All(vec![Run { more: 0, ..long }; 17])]
        {
            assert!(answer(&[], &[Range { end: None, body }]).is_none());
        }
        let skip = |end| Range { end, body: Body::Skip };
        assert!(answer(&[], &[skip(None), skip(None)]).is_none());
        assert!(answer(&[], &vec![skip(None); 5_000]).is_none());
    }
}
