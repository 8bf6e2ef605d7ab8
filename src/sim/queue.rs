//! The event queue: events leave in the order of their times, and those of one time in the order in which they came.

use crate::time::Time;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events to come. Their order is total: by (time, sequence), the sequence being the order of pushing. Without the
/// second part, equal times would leave in an order that depends on the shape of the heap.
pub(super) struct EventQueue<E> {
    heap: BinaryHeap<Entry<E>>,
    pushed: u64,
    popped: u64,
    /// The time of the latest event that left: nothing may be pushed into the past.
    now: Time,
}

struct Entry<E> {
    time: Time,
    sequence: u64,
    event: E,
}

impl<E> Default for EventQueue<E> {
    fn default() -> EventQueue<E> {
        EventQueue { heap: BinaryHeap::new(), pushed: 0, popped: 0, now: Time::ZERO }
    }
}

impl<E> EventQueue<E> {
    /// Bytes an event.
    pub(super) const ENTRY: usize = size_of::<Entry<E>>();

    /// # Panics
    /// If `time` lies before an event that has left already.
    pub(super) fn push(&mut self, time: Time, event: E) {
        assert!(time >= self.now, "an event was pushed into the past");
        self.heap.push(Entry { time, sequence: self.pushed, event });
        self.pushed += 1;
    }

    /// The earliest event, unless it comes after `until`.
    pub(super) fn pop_until(&mut self, until: Time) -> Option<(Time, E)> {
        if self.next_time()? > until {
            return None;
        }
        let Entry { time, event, .. } = self.heap.pop()?;
        self.now = time;
        self.popped += 1;
        Some((time, event))
    }

    /// When the earliest event is due.
    pub(super) fn next_time(&self) -> Option<Time> {
        self.heap.peek().map(|entry| entry.time)
    }

    /// How many events have left.
    pub(super) fn popped(&self) -> u64 {
        self.popped
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Pushes and pops in any mixture leave in the order of a stable sort.
        #[test]
        fn events_leave_in_total_order(steps in prop::collection::vec(prop::option::of(0u64..20), 0..300)) {
            let (mut queue, mut sorted) = (EventQueue::default(), Vec::new());
            let mut now = 0;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Some(after) => {
                        queue.push(Time::from_nanos(now + after), number);
                        sorted.push((now + after, number));
                        sorted.sort();
                    }
                    None => {
                        let expected = if sorted.is_empty() { None } else { Some(sorted.remove(0)) };
                        let popped = queue.pop_until(Time::MAX).map(|(time, event)| (time.nanos(), event));
                        prop_assert_eq!(popped, expected);
                        now = popped.map_or(now, |(time, _)| time);
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "into the past")]
    fn the_past_is_closed() {
        let mut queue = EventQueue::default();
        queue.push(Time::from_nanos(5), ());
        queue.pop_until(Time::MAX);
        queue.push(Time::from_nanos(4), ());
    }

    #[test]
    fn what_comes_later_stays() {
        let mut queue = EventQueue::default();
        queue.push(Time::from_nanos(5), ());
        assert!(queue.pop_until(Time::from_nanos(4)).is_none());
        assert!(queue.pop_until(Time::from_nanos(5)).is_some());
    }
}
