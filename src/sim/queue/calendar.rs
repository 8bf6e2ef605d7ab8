//! A calendar queue (Brown: "Calendar queues: a fast O(1) priority queue implementation", CACM 1988) of plain arrays.
//!
//! Time is cut into buckets of equal width. An event is appended to the bucket of its time, unsorted; a bucket is sorted
//! when its turn comes, once. That sort is stable, so equal times keep the order in which they came, and no sequence number
//! is stored. As long as nothing is pushed into the bucket at work, which the least latency of a network sees to, all
//! of this reads and writes memory in a row.
//!
//! Two things are exceptions, and are kept in heaps: what is pushed into the bucket at work (latencies shorter than a bucket),
//! and what lies beyond the last bucket (timers minutes ahead). Both orders fit together: what was far is
//! brought in before anything can be pushed beside it, and what is pushed into the bucket at work came later than
//! everything in it.

use super::{Heap, Queue};
use crate::time::{Time, nanos};
use std::time::Duration;

/// So many buckets there are. A power of two.
const BUCKETS: usize = 1024;
/// So many of them can be filled beside the one at work. (One less than there are: see [`Calendar::turn`].)
const REACH: u64 = BUCKETS as u64 - 2;
/// The horizon spans so many of them: twice that, and more, is in reach.
const HORIZON: u64 = 192;
/// So many entries are allocated at a time. Less is wasted than by arrays that double, and none is ever copied.
const CHUNK: usize = 128;
/// So many empty ones are kept at most.
const SPARE: usize = 1024;
/// Buckets are sorted by way of at most `2^GROUP_BITS` groups, whose bounds fit the first-level cache.
const GROUP_BITS: u32 = 11;

/// A queue for events most of which lie within a horizon.
pub struct Calendar<E> {
    /// A bucket is `2^width` nanoseconds wide; at most 32, so that an entry tells its time within it by 32 bits.
    width: u32,
    /// Bucket `number` stands at `number % BUCKETS`, for the numbers from that at work on.
    buckets: Vec<Bucket<E>>,
    /// One bit for each that is not empty.
    occupied: [u64; BUCKETS / 64],
    /// The number of the bucket at work.
    number: u64,
    /// Its entries, sorted, from `at` on still to come.
    batch: Vec<Entry<E>>,
    at: usize,
    /// What was pushed into it since its turn came.
    late: Heap<E>,
    /// What lies beyond the last bucket.
    far: Heap<E>,
    /// The time of the latest event that left: nothing may be pushed into the past.
    now: Time,
    spare: Vec<Vec<Entry<E>>>,
    /// Where the groups of a bucket end, while it is sorted.
    ends: Vec<u32>,
}

/// Entries of one stretch of time, in the order in which they came.
struct Bucket<E> {
    full: Vec<Vec<Entry<E>>>,
    /// Takes what comes.
    open: Vec<Entry<E>>,
}

#[derive(Clone, Copy)]
struct Entry<E> {
    /// Nanoseconds since the beginning of its bucket.
    offset: u32,
    event: E,
}

impl<E> Calendar<E> {
    /// Bytes an event.
    pub(crate) const ENTRY: usize = size_of::<Entry<E>>();
}

impl<E: Copy> Queue<E> for Calendar<E> {
    fn new(horizon: Duration) -> Calendar<E> {
        let width = nanos(horizon).div_ceil(HORIZON).clamp(1, 1 << 32);
        let empty = || Bucket { full: Vec::new(), open: Vec::new() };
        Calendar {
            width: width.next_power_of_two().trailing_zeros(),
            buckets: std::iter::repeat_with(empty).take(BUCKETS).collect(),
            occupied: [0; BUCKETS / 64],
            number: 0,
            batch: Vec::new(),
            at: 0,
            late: Heap::default(),
            far: Heap::default(),
            now: Time::ZERO,
            spare: Vec::new(),
            ends: vec![0; 1 << GROUP_BITS],
        }
    }

    /// Inlined, so that an event is written once, to its bucket: copied on the way, it would be read again before its parts
    /// have reached the cache.
    #[inline(always)]
    fn push(&mut self, time: Time, event: E) {
        assert!(time >= self.now, "an event was pushed into the past");
        let number = time.nanos() >> self.width;
        let ahead = number - self.number;
        if ahead == 0 || ahead > REACH {
            // (A copy: what is handed over by reference has to stand in memory.)
            let copy = event;
            return self.push_aside(time, &copy);
        }
        self.append(time, event);
    }

    #[inline]
    fn pop_until(&mut self, until: Time) -> Option<(Time, E)> {
        loop {
            let entry = self.batch.get(self.at).copied();
            let time = entry.map(|entry| self.time(entry));
            match (time, self.late.next_time()) {
                (Some(time), late) if late.is_none_or(|late| time <= late) => {
                    if time > until {
                        return None;
                    }
                    self.at += 1;
                    self.now = time;
                    return entry.map(|entry| (time, entry.event));
                }
                (_, Some(_)) => {
                    let popped = self.late.pop_until(until);
                    self.now = popped.map_or(self.now, |(time, _)| time);
                    return popped;
                }
                (_, None) => self.turn(until)?,
            }
        }
    }

    #[inline]
    fn ahead(&self, steps: usize) -> Option<E> {
        self.batch.get(self.at + steps).map(|entry| entry.event)
    }
}

impl<E: Copy> Calendar<E> {
    #[inline]
    fn offset(&self, time: Time) -> u32 {
        (time.nanos() & ((1 << self.width) - 1)) as u32
    }

    /// The time of an entry of the bucket at work.
    fn time(&self, entry: Entry<E>) -> Time {
        Time::from_nanos(self.number << self.width | u64::from(entry.offset))
    }

    #[inline(always)]
    fn append(&mut self, time: Time, event: E) {
        let place = (time.nanos() >> self.width) as usize % BUCKETS;
        if self.buckets[place].open.len() == self.buckets[place].open.capacity() {
            self.extend(place);
        }
        let offset = self.offset(time);
        self.buckets[place].open.push(Entry { offset, event });
    }

    /// What belongs into the bucket at work, or beyond the last one.
    #[inline(never)]
    fn push_aside(&mut self, time: Time, event: &E) {
        let aside = if time.nanos() >> self.width == self.number { &mut self.late } else { &mut self.far };
        aside.push(time, *event);
    }

    /// Gives a bucket a new chunk to fill.
    #[inline(never)]
    fn extend(&mut self, place: usize) {
        let bucket = &mut self.buckets[place];
        let fresh = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK));
        let full = std::mem::replace(&mut bucket.open, fresh);
        if full.is_empty() {
            self.occupied[place / 64] |= 1 << (place % 64);
        } else {
            bucket.full.push(full);
        }
    }

    /// Goes on to the next bucket that has events, unless it begins after `until` or there is none.
    fn turn(&mut self, until: Time) -> Option<()> {
        let far = self.far.next_time().map(|time| time.nanos() >> self.width);
        // What is far comes after everything that is near.
        let next = self.next_occupied().or(far)?;
        let start = Time::from_nanos(next << self.width);
        if start > until {
            return None;
        }
        self.now = self.now.max(start);
        // What was far goes into the buckets, that which is next included, before anything else can be pushed there.
        self.number = next - 1;
        self.bring_in_what_was_far();
        self.number = next;
        self.open_bucket();
        Some(())
    }

    /// The number of the first bucket after that at work that is not empty.
    fn next_occupied(&self) -> Option<u64> {
        let first = (self.number as usize % BUCKETS + 1) % BUCKETS;
        let words = self.occupied.len();
        for step in 0..=words {
            let word = (first / 64 + step) % words;
            // The first word is looked at twice: from the first bit on, and in the end up to it.
            let mask = match step {
                0 => u64::MAX << (first % 64),
                _ if step == words => !(u64::MAX << (first % 64)),
                _ => u64::MAX,
            };
            let bits = self.occupied[word] & mask;
            if bits != 0 {
                let place = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (place + BUCKETS - first) % BUCKETS;
                return Some(self.number + 1 + ahead as u64);
            }
        }
        None
    }

    fn bring_in_what_was_far(&mut self) {
        let last = self.number.saturating_add(REACH + 1);
        while let Some(time) = self.far.next_time().filter(|time| time.nanos() >> self.width <= last) {
            let (_, event) = self.far.pop_until(time).expect("it was there a moment ago");
            self.append(time, event);
        }
    }

    /// Sorts the bucket whose turn has come into the batch.
    ///
    /// The sort is stable: first into groups by the leading bits of the offset, about one group for each entry, then within
    /// the groups. Times spread evenly over a bucket unless they are equal, which is nothing to sort either.
    fn open_bucket(&mut self) {
        let place = self.number as usize % BUCKETS;
        self.occupied[place / 64] &= !(1 << (place % 64));
        let bucket = &mut self.buckets[place];
        bucket.full.push(std::mem::take(&mut bucket.open));
        let entries = bucket.full.iter().map(Vec::len).sum::<usize>();
        let group_bits = entries.ilog2().min(GROUP_BITS).min(self.width);
        let group = |entry: &Entry<E>| (u64::from(entry.offset) >> (self.width - group_bits)) as usize;
        let ends = &mut self.ends[..1 << group_bits];
        ends.fill(0);
        bucket.full.iter().flatten().for_each(|entry| ends[group(entry)] += 1);
        let mut sum = 0;
        ends.iter_mut().for_each(|end| sum += std::mem::replace(end, sum));
        self.batch.resize(entries, bucket.full[0][0]);
        for mut chunk in bucket.full.drain(..) {
            for entry in &chunk {
                let end = &mut ends[group(entry)];
                self.batch[*end as usize] = *entry;
                *end += 1;
            }
            if self.spare.len() < SPARE {
                chunk.clear();
                self.spare.push(chunk);
            }
        }
        self.at = 0;
        let mut start = 0;
        for &mut end in ends {
            if end - start > 1 {
                self.batch[start as usize..end as usize].sort_by_key(|entry| entry.offset);
            }
            start = end;
        }
    }
}
