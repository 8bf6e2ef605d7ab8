//! The event queue: events leave in the order of their times, and those of one time in the order in which they came.
//!
//! There are two, which no run can tell apart: the [`Calendar`], with which the simulator works, and a binary [`Heap`],
//! plain enough to be right at sight, against which the calendar is tested and measured.

mod calendar;
mod heap;

pub use calendar::Calendar;
pub use heap::Heap;

use crate::time::Time;
use std::time::Duration;

/// Events to come, in a total order: by (time, sequence), the sequence being the order of pushing. Without the
/// second part, equal times would leave in an order that depends on the inside of the queue.
pub trait Queue<E: Copy> {
    /// An empty queue for events most of which are pushed at most `horizon` ahead. Only the speed depends on it.
    fn new(horizon: Duration) -> Self;

    /// Adds an event.
    ///
    /// # Panics
    /// If `time` lies before an event that has left already. It may also panic if `time` lies before the latest `until` that
    /// was asked for: there the clock of a world stands by then.
    fn push(&mut self, time: Time, event: E);

    /// Takes out the earliest event, unless it comes after `until`.
    fn pop_until(&mut self, until: Time) -> Option<(Time, E)>;

    /// The event that is `steps` after the next one, unless others come before it, if that is known cheaply: a hint at what
    /// will be needed.
    fn ahead(&self, steps: usize) -> Option<E>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What is done to a queue.
    #[derive(Clone, Debug)]
    enum Step {
        /// So many nanoseconds ahead of the latest event that left.
        Push(u64),
        /// With so many nanoseconds to go at most.
        Pop(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Equal times, one bucket, one turn of the calendar, far beyond it, and the end of all time.
        let ahead =
            prop_oneof![0u64..3, 0u64..1_000, 0u64..1_000_000, 0u64..1_000_000_000_000, Just(u64::MAX)];
        prop_oneof![3 => ahead.clone().prop_map(Step::Push), 2 => ahead.prop_map(Step::Pop)]
    }

    /// Against a sorted map: the same events in the same order, and nothing lost.
    fn check<Q: Queue<u32>>(horizon: u64, steps: &[Step]) -> Result<(), TestCaseError> {
        let (mut queue, mut sorted) = (Q::new(Duration::from_nanos(horizon)), BTreeMap::new());
        let mut now = 0u64;
        for (number, step) in (0..).zip(steps) {
            match *step {
                Step::Push(after) => {
                    let time = now.saturating_add(after);
                    queue.push(Time::from_nanos(time), number);
                    sorted.insert((time, number), number);
                }
                Step::Pop(within) => {
                    let until = now.saturating_add(within);
                    let due = sorted.first_entry().filter(|entry| entry.key().0 <= until);
                    let expected = due.map(|entry| (entry.key().0, entry.remove()));
                    let popped = queue.pop_until(Time::from_nanos(until));
                    prop_assert_eq!(popped.map(|(time, event)| (time.nanos(), event)), expected);
                    // As a world does: with nothing left to do, its clock stands at `until`.
                    now = expected.map_or(until, |(time, _)| time);
                }
            }
        }
        let rest: Vec<_> =
            std::iter::from_fn(|| queue.pop_until(Time::MAX)).map(|(_, event)| event).collect();
        prop_assert_eq!(rest, sorted.into_values().collect::<Vec<_>>());
        Ok(())
    }

    proptest! {
        #[test]
        fn events_leave_in_total_order(
            horizon in prop_oneof![Just(0), 1u64..2_000, 1u64..1_000_000_000, Just(u64::MAX)],
            steps in prop::collection::vec(step(), 0..300),
        ) {
            check::<Heap<u32>>(horizon, &steps)?;
            check::<Calendar<u32>>(horizon, &steps)?;
        }

        /// Buckets so full that they are sorted digit by digit.
        #[test]
        fn full_buckets_leave_in_total_order(spread in 0u64..40_000_000, count in 1_000u64..3_000) {
            let draw = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (spread + 1);
            let mut steps: Vec<Step> = (0..count).map(|i| Step::Push(draw(i))).collect();
            steps.extend((0..count).flat_map(|i| [Step::Pop(u64::MAX), Step::Push(draw(i) / 8)]));
            check::<Calendar<u32>>(spread * 4, &steps)?;
        }
    }

    /// The widest buckets and the narrowest, at the end of all time.
    #[test]
    fn the_extremes_are_in_order() {
        for horizon in [0, u64::MAX] {
            let steps = [0, u64::MAX, 1 << 40, u64::MAX - 1, 3, 3].map(Step::Push);
            check::<Calendar<u32>>(horizon, &steps).unwrap();
        }
    }

    fn past<Q: Queue<u32>>() {
        let mut queue = Q::new(Duration::from_secs(1));
        queue.push(Time::from_nanos(5), 1);
        queue.pop_until(Time::MAX);
        queue.push(Time::from_nanos(4), 2);
    }

    #[test]
    #[should_panic(expected = "into the past")]
    fn the_past_is_closed_in_a_heap() {
        past::<Heap<u32>>();
    }

    #[test]
    #[should_panic(expected = "into the past")]
    fn the_past_is_closed_in_a_calendar() {
        past::<Calendar<u32>>();
    }

    #[test]
    fn the_hint_names_what_leaves_next() {
        let mut queue = Calendar::new(Duration::from_millis(1));
        (0..100u32).for_each(|event| queue.push(Time::from_nanos(1_000_100 - u64::from(event)), event));
        queue.pop_until(Time::MAX);
        assert_eq!([0, 1, 98, 99].map(|steps| queue.ahead(steps)), [Some(98), Some(97), Some(0), None]);
    }
}
