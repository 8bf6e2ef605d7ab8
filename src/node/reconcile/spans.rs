//! Sets of sequence numbers as spans: what was seen of an origin (protocol.md §1, *Frontier*: the highest contiguous
//! sequence and ranges above it, here the first span and the others), and what a peer shows of that.

use serde::{Deserialize, Serialize};

/// The contiguous part and at most 64 ranges above it.
pub(crate) const MOST_SPANS: usize = 65;
/// No origin gets there: what names such a sequence number is refused.
pub(crate) const SEQUENCE_LIMIT: u64 = 1 << 63;

/// Inclusive, ascending, with a hole between any two.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Spans(Vec<(u64, u64)>);

impl Spans {
    /// All from `first` to `last`.
    pub(super) fn of(first: u64, last: u64) -> Spans {
        Spans(vec![(first, last)])
    }

    /// Whether this could have been sent by a node that follows the protocol.
    pub(super) fn is_sound(&self) -> bool {
        let apart =
            self.0.windows(2).all(|pair| pair[0].1.checked_add(1).is_some_and(|next| next < pair[1].0));
        let ordered = self.0.iter().all(|&(first, last)| first <= last && last < SEQUENCE_LIMIT);
        // (The holes of a node that follows the protocol are one more than what it saw.)
        apart && ordered && self.0.len() <= MOST_SPANS + 1
    }

    pub(super) fn as_slice(&self) -> &[(u64, u64)] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, sequence: u64) -> bool {
        let at = self.0.partition_point(|&(_, last)| last < sequence);
        self.0.get(at).is_some_and(|&(first, _)| first <= sequence)
    }

    /// Adds all from `first` to `last`, both below [`SEQUENCE_LIMIT`].
    pub(super) fn insert(&mut self, first: u64, last: u64) {
        let from = self.0.partition_point(|&(_, end)| end + 1 < first);
        let to = self.0.partition_point(|&(start, _)| start <= last + 1);
        if from == to {
            return self.0.insert(from, (first, last));
        }
        let merged = (first.min(self.0[from].0), last.max(self.0[to - 1].1));
        self.0.splice(from..to, [merged]);
    }

    /// Whether it has as many spans as it may have.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST_SPANS
    }

    /// Whether one more sequence number would open a span too many.
    pub(super) fn is_too_ragged_for(&self, sequence: u64) -> bool {
        let touches = |&(first, last): &(u64, u64)| first <= sequence + 1 && sequence <= last + 1;
        self.is_full() && !self.0.iter().any(touches)
    }

    /// Adds what a peer claims.
    pub(super) fn claim(&mut self, other: &Spans) {
        other.0.iter().for_each(|&(first, last)| self.insert(first, last));
        self.forget_some();
    }

    /// Takes away what a peer claims no more.
    pub(super) fn disclaim(&mut self, other: &Spans) {
        *self = self.minus(other);
        self.forget_some();
    }

    /// Claims may be forgotten: they come again.
    fn forget_some(&mut self) {
        if self.0.len() > 4 * MOST_SPANS {
            self.0.drain(..self.0.len() - 4 * MOST_SPANS);
        }
    }

    /// What is here and not there.
    pub(super) fn minus(&self, other: &Spans) -> Spans {
        let mut left = Vec::new();
        let mut at = 0;
        for &(mut first, last) in &self.0 {
            while other.0.get(at).is_some_and(|&(_, end)| end < first) {
                at += 1;
            }
            let mut next = at;
            while let Some(&(start, end)) = other.0.get(next).filter(|&&(start, _)| start <= last) {
                if first < start {
                    left.push((first, start - 1));
                }
                first = end + 1;
                next += 1;
                if first > last {
                    break;
                }
            }
            if first <= last {
                left.push((first, last));
            }
        }
        Spans(left)
    }

    pub(super) fn covers(&self, other: &Spans) -> bool {
        other.minus(self).is_empty()
    }

    /// What is here and not in `seen`, in an order in which that can take it: the newest first. Where it has all the spans
    /// that it may have, only what touches one of them can be taken: its holes, and then what comes next.
    pub(super) fn missing_in(&self, seen: &Spans) -> impl Iterator<Item = u64> + use<> {
        let mut missing = self.minus(seen);
        let mut next = None;
        if let Some(&(_, top)) = seen.0.last().filter(|_| seen.is_full()) {
            let holes = missing.minus(&Spans::of(top, SEQUENCE_LIMIT - 1));
            next = missing.minus(&holes).0.first().copied().filter(|&(first, _)| first == top + 1);
            missing = holes;
        }
        let next = next.into_iter().flat_map(|(first, last)| first..=last);
        missing.0.into_iter().rev().flat_map(|(first, last)| (first..=last).rev()).chain(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn spans() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((0u64..200, 0u64..12).prop_map(|(first, more)| (first, first + more)), 0..30)
    }

    fn both(list: &[(u64, u64)]) -> (Spans, BTreeSet<u64>) {
        let mut spans = Spans::default();
        list.iter().for_each(|&(first, last)| spans.insert(first, last));
        (spans, list.iter().flat_map(|&(first, last)| first..=last).collect())
    }

    proptest! {
        #[test]
        fn they_agree_with_sets(a in spans(), b in spans()) {
            let ((a, set_a), (b, set_b)) = (both(&a), both(&b));
            prop_assert!(a.is_sound());
            let minus = a.minus(&b);
            let difference: Vec<u64> = set_a.difference(&set_b).copied().collect();
            prop_assert!(minus.is_sound() && a.missing_in(&b).eq(difference.into_iter().rev()));
            prop_assert_eq!(a.covers(&b), set_b.is_subset(&set_a));
            prop_assert!((0..220).all(|sequence| a.contains(sequence) == set_a.contains(&sequence)));
        }
    }

    /// However ragged, whatever is missing can be taken in the order that is named.
    #[test]
    fn holes_are_filled_before_new_ones_are_made() {
        let (mut seen, all) = (Spans::default(), Spans::of(0, 400));
        (0..MOST_SPANS as u64).for_each(|i| seen.insert(3 * i, 3 * i));
        assert!(seen.is_too_ragged_for(400));
        for sequence in all.missing_in(&seen) {
            assert!(!seen.is_too_ragged_for(sequence), "{sequence}");
            seen.insert(sequence, sequence);
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn what_no_node_would_send_is_unsound() {
        for wrong in [
            vec![(5, 4)],
            vec![(0, SEQUENCE_LIMIT)],
            vec![(0, u64::MAX), (3, 4)],
            vec![(0, 1), (2, 3)],
            vec![(5, 6), (0, 1)],
            (0..100).map(|i| (3 * i, 3 * i)).collect(),
        ] {
            assert!(!Spans(wrong).is_sound());
        }
    }
}
