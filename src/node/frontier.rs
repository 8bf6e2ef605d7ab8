//! What was seen of one origin, in bounded memory: a frontier, the highest contiguous sequence and a few ranges above
//! it. A list of the latest ids would forget: after enough messages an old one would be new again.

use crate::message::Origin;
use rustc_hash::FxHashMap;

/// How many ranges above the contiguous part one origin may have. One more, and the lowest hole is given up.
const MAX_RANGES: usize = 64;

/// The frontiers of many origins. Memory grows with the number of origins, not of messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Frontiers {
    by_origin: FxHashMap<Origin, Frontier>,
}

/// Which sequence numbers of one origin were seen: all below `next`, and those in `ranges`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Frontier {
    next: u64,
    /// Inclusive, ascending, with a hole before each.
    ranges: Vec<(u64, u64)>,
}

/// What recording a sequence number showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sight {
    /// Whether it was not seen before (nor given up).
    pub(super) is_new: bool,
    /// Sequence numbers, first and last, that were given up to stay within memory: they count as seen from now on.
    pub(super) given_up: Option<(u64, u64)>,
}

impl Frontiers {
    /// Records a sequence number of an origin.
    pub(super) fn record(&mut self, origin: Origin, sequence: u64) -> Sight {
        self.by_origin.entry(origin).or_default().record(sequence)
    }

    /// How many origins there are.
    pub(super) fn len(&self) -> usize {
        self.by_origin.len()
    }

    /// Forgets all other lives of an origin's node.
    pub(super) fn forget_other_lives(&mut self, origin: Origin) {
        self.by_origin.retain(|other, _| other.node != origin.node || *other == origin);
    }
}

impl Frontier {
    /// All below `next` was seen, and nothing else.
    pub(super) fn up_to(next: u64) -> Frontier {
        Frontier { next, ranges: Vec::new() }
    }

    /// The first sequence number that was not seen, if none above it was.
    pub(super) fn whole(&self) -> Option<u64> {
        self.ranges.is_empty().then_some(self.next)
    }

    /// How many sequence numbers count as seen.
    pub(super) fn count(&self) -> u64 {
        self.next + self.ranges.iter().map(|(first, last)| last - first + 1).sum::<u64>()
    }

    /// Records a sequence number. The largest of all, 2^64 - 1, is never new: no origin gets there.
    pub(super) fn record(&mut self, sequence: u64) -> Sight {
        let is_new = sequence != u64::MAX && self.insert(sequence);
        let given_up = if self.ranges.len() > MAX_RANGES { Some(self.give_up_lowest_hole()) } else { None };
        if cfg!(debug_assertions) {
            self.check_invariants();
        }
        Sight { is_new, given_up }
    }

    fn insert(&mut self, sequence: u64) -> bool {
        if sequence < self.next {
            return false;
        }
        if sequence == self.next {
            self.next += 1;
            self.absorb();
            return true;
        }
        // The first range that does not end before `sequence`.
        let at = self.ranges.partition_point(|&(_, last)| last < sequence);
        if self.ranges.get(at).is_some_and(|&(first, _)| first <= sequence) {
            return false;
        }
        let joins_right = self.ranges.get(at).is_some_and(|&(first, _)| first == sequence + 1);
        let joins_left = at > 0 && self.ranges[at - 1].1 + 1 == sequence;
        match (joins_left, joins_right) {
            (true, true) => {
                self.ranges[at - 1].1 = self.ranges[at].1;
                self.ranges.remove(at);
            }
            (true, false) => self.ranges[at - 1].1 = sequence,
            (false, true) => self.ranges[at].0 = sequence,
            (false, false) => self.ranges.insert(at, (sequence, sequence)),
        }
        self.absorb();
        true
    }

    /// Moves `next` over a range that has become contiguous.
    fn absorb(&mut self) {
        if self.ranges.first().is_some_and(|&(first, _)| first == self.next) {
            self.next = self.ranges.remove(0).1 + 1;
        }
    }

    fn give_up_lowest_hole(&mut self) -> (u64, u64) {
        let hole = (self.next, self.ranges[0].0 - 1);
        self.next = self.ranges[0].0;
        self.absorb();
        hole
    }

    /// Panics if the ranges are not ascending, apart and above `next`.
    fn check_invariants(&self) {
        let mut below = self.next;
        for &(first, last) in &self.ranges {
            assert!(below < first && first <= last, "frontier out of order: {self:?}");
            below = last + 1;
        }
        assert!(self.ranges.len() <= MAX_RANGES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn other_lives_of_a_node_can_be_forgotten() {
        let origin = |node, incarnation| Origin { node: crate::id::NodeId(node), incarnation };
        let mut frontiers = Frontiers::default();
        let origins = [origin(1, 1), origin(1, 2), origin(2, 1)];
        assert!(origins.iter().all(|&origin| frontiers.record(origin, 0).is_new));
        frontiers.forget_other_lives(origin(1, 2));
        assert_eq!(frontiers.len(), 2);
        assert!(!frontiers.record(origin(1, 2), 0).is_new && !frontiers.record(origin(2, 1), 0).is_new);
        assert!(frontiers.record(origin(1, 1), 0).is_new);
    }

    #[test]
    fn in_order_it_needs_no_ranges() {
        let mut frontier = Frontier::default();
        for sequence in 0..1_000 {
            assert!(frontier.record(sequence).is_new);
        }
        assert_eq!(frontier, Frontier { next: 1_000, ranges: vec![] });
    }

    #[test]
    fn one_hole_too_many_gives_up_the_lowest() {
        let mut frontier = Frontier::default();
        for i in 1..=MAX_RANGES as u64 {
            assert_eq!(frontier.record(10 * i), Sight { is_new: true, given_up: None });
        }
        assert_eq!(frontier.record(1_000), Sight { is_new: true, given_up: Some((0, 9)) });
        assert!(!frontier.record(4).is_new, "given up is given up");
        assert!(frontier.record(11).is_new);
    }

    #[test]
    fn the_largest_sequence_does_no_harm() {
        let mut frontier = Frontier::default();
        for sequence in [u64::MAX, u64::MAX - 1, u64::MAX, u64::MAX - 2, 0] {
            frontier.record(sequence);
            frontier.check_invariants();
        }
    }

    proptest! {
        /// Against a set that remembers everything: the same answers, as long as nothing is given up; and what is
        /// given up is exactly what was never seen.
        #[test]
        fn it_agrees_with_a_set_that_never_forgets(sequences in prop::collection::vec(0u64..400, 0..600)) {
            let (mut frontier, mut all) = (Frontier::default(), BTreeSet::new());
            for sequence in sequences {
                let sight = frontier.record(sequence);
                prop_assert_eq!(sight.is_new, all.insert(sequence));
                if let Some((first, last)) = sight.given_up {
                    for lost in first..=last {
                        prop_assert!(all.insert(lost), "{} was seen, and given up", lost);
                    }
                }
                frontier.check_invariants();
            }
        }
    }
}
