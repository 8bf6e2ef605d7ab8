//! The binary heap of the standard library, made stable by a sequence number.

use super::Queue;
use crate::time::Time;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A queue that is right at sight. With a million events in it, nearly every step of a push or pop misses the cache.
pub struct Heap<E> {
    entries: BinaryHeap<Entry<E>>,
    pushed: u64,
    /// The time of the latest event that left: nothing may be pushed into the past.
    now: Time,
}

#[derive(Clone, Copy)]
struct Entry<E> {
    time: Time,
    sequence: u64,
    event: E,
}

impl<E> Default for Heap<E> {
    fn default() -> Heap<E> {
        Heap { entries: BinaryHeap::new(), pushed: 0, now: Time::ZERO }
    }
}

impl<E> Heap<E> {
    /// When the earliest event is due.
    pub(super) fn next_time(&self) -> Option<Time> {
        self.entries.peek().map(|entry| entry.time)
    }
}

impl<E: Copy> Queue<E> for Heap<E> {
    fn new(_horizon: Duration) -> Heap<E> {
        Heap::default()
    }

    fn push(&mut self, time: Time, event: E) {
        assert!(time >= self.now, "an event was pushed into the past");
        self.entries.push(Entry { time, sequence: self.pushed, event });
        self.pushed += 1;
    }

    fn pop_until(&mut self, until: Time) -> Option<(Time, E)> {
        if self.next_time()? > until {
            return None;
        }
        let Entry { time, event, .. } = self.entries.pop()?;
        self.now = time;
        Some((time, event))
    }

    fn ahead(&self, _steps: usize) -> Option<E> {
        None
    }
}

impl<E> Ord for Entry<E> {
    /// Reversed, because the heap gives its greatest first.
    fn cmp(&self, other: &Entry<E>) -> Ordering {
        (other.time, other.sequence).cmp(&(self.time, self.sequence))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Entry<E>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Entry<E>) -> bool {
        self.sequence == other.sequence
    }
}

impl<E> Eq for Entry<E> {}
