//! Which broadcasts a node has seen: one [`Frontier`] for each series. That of a series without holes is a single
//! number, and those of the latest few series stand inline, so that a flood touches nothing else.

use super::frontier::{Frontier, Sight};
use super::lazily::Untouched;
use crate::message::Series;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// So many series stand inline. Floods overlap for as long as the network is wide; a node is on the way of few at once.
const INLINE: usize = 4;

/// An inline place that is free. No world holds so many series.
const FREE: Series = Series(u32::MAX);

/// The latest series that a node has heard of, none of which has holes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent {
    /// Those that came last stand first.
    series: [Series; INLINE],
    /// All sequence numbers below this one were seen.
    next: [u16; INLINE],
}

/// All other series. Memory grows with the number of origins, not of messages.
#[derive(Debug, Default)]
pub(super) struct Older {
    /// Series that had no holes when they left the inline places, ascending. What stands inline, or in `ragged`, is newer.
    whole: SmallVec<[(Series, u16); 2]>,
    /// Series with holes, and those that are longer than an inline place can tell.
    ragged: BTreeMap<Series, Frontier>,
    /// How many sequence numbers count as seen and never were.
    given_up: u64,
}

impl Untouched for Older {
    fn untouched() -> &'static Older {
        static NOTHING: LazyLock<Older> = LazyLock::new(Older::default);
        &NOTHING
    }
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { series: [FREE; INLINE], next: [0; INLINE] }
    }
}

impl Recent {
    /// Records a sequence number and tells whether it is new, if that can be done inline. `older` is all that is
    /// known of other series.
    #[inline]
    pub(super) fn record(&mut self, series: Series, sequence: u64, older: &Older) -> Option<bool> {
        let Some(place) = self.place(series) else {
            let is_first = sequence == 0 && self.series[INLINE - 1] == FREE && older.is_empty();
            return is_first.then(|| self.put(series, 1).is_none());
        };
        let next = self.next[place];
        if sequence < u64::from(next) {
            return Some(false);
        }
        if sequence > u64::from(next) || next == u16::MAX {
            return None;
        }
        self.next[place] = next + 1;
        Some(true)
    }

    #[inline]
    fn place(&self, series: Series) -> Option<usize> {
        self.series.iter().position(|&known| known == series)
    }

    fn take(&mut self, series: Series) -> Option<u16> {
        let place = self.place(series)?;
        self.series[place] = FREE;
        Some(self.next[place])
    }

    /// Puts a series first; if no place is free, the one that stood last has to go.
    fn put(&mut self, series: Series, next: u16) -> Option<(Series, u16)> {
        let end = self.place(FREE).unwrap_or(INLINE - 1);
        let last = (self.series[end], self.next[end]);
        self.series.copy_within(..end, 1);
        self.next.copy_within(..end, 1);
        (self.series[0], self.next[0]) = (series, next);
        Some(last).filter(|&(series, _)| series != FREE)
    }
}

impl Older {
    /// Records what cannot be recorded inline.
    pub(super) fn record(&mut self, recent: &mut Recent, series: Series, sequence: u64) -> Sight {
        let mut frontier = match recent.take(series).map(u64::from) {
            Some(next) => Frontier::up_to(next),
            None => match self.ragged.remove(&series) {
                Some(frontier) => frontier,
                // What comes late comes in vain, and is no reason to bring its series back.
                None if sequence < self.next(series) => return Sight { is_new: false, given_up: None },
                None => Frontier::up_to(self.next(series)),
            },
        };
        let sight = frontier.record(sequence);
        if let Some((first, last)) = sight.given_up {
            self.given_up += last - first + 1;
        }
        match frontier.whole().and_then(|next| u16::try_from(next).ok()) {
            Some(next) => {
                if let Some(gone) = recent.put(series, next) {
                    self.keep(gone);
                }
            }
            None => {
                self.ragged.insert(series, frontier);
            }
        }
        sight
    }

    /// Whether all that is known stands inline.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.ragged.is_empty()
    }

    /// How many broadcasts were seen.
    pub(super) fn count(&self, recent: &Recent) -> u64 {
        let is_current =
            |series: Series| recent.place(series).is_none() && !self.ragged.contains_key(&series);
        let inline = recent.series.iter().zip(recent.next).filter(|(series, _)| **series != FREE);
        let whole = self.whole.iter().filter(|&&(series, _)| is_current(series));
        inline.map(|(_, next)| u64::from(next)).sum::<u64>()
            + whole.map(|&(_, next)| u64::from(next)).sum::<u64>()
            + self.ragged.values().map(Frontier::count).sum::<u64>()
            - self.given_up
    }

    fn next(&self, series: Series) -> u64 {
        self.place(series).map_or(0, |at| self.whole[at].1.into())
    }

    fn keep(&mut self, (series, next): (Series, u16)) {
        match self.place(series) {
            Ok(at) => self.whole[at].1 = next,
            Err(at) => self.whole.insert(at, (series, next)),
        }
    }

    fn place(&self, series: Series) -> Result<usize, usize> {
        self.whole.binary_search_by_key(&series, |&(known, _)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However series come and go, the answers are those of one frontier for each.
        #[test]
        fn it_agrees_with_a_frontier_for_each_series(
            seen in prop::collection::vec((0u32..9, prop_oneof![0u64..6, 0u64..200, (u64::MAX - 2)..=u64::MAX]), 0..400)
        ) {
            let (mut recent, mut older) = (Recent::default(), Older::default());
            let mut all: BTreeMap<u32, Frontier> = BTreeMap::new();
            let mut new = 0;
            for (series, sequence) in seen {
                let expected = all.entry(series).or_default().record(sequence);
                let series = Series(series);
                let sight = match recent.record(series, sequence, &older) {
                    Some(is_new) => Sight { is_new, given_up: None },
                    None => older.record(&mut recent, series, sequence),
                };
                prop_assert_eq!(sight, expected);
                new += u64::from(sight.is_new);
                prop_assert_eq!(older.count(&recent), new);
            }
        }
    }

    /// An inline place cannot count on for ever.
    #[test]
    fn a_long_series_goes_on() {
        let (mut recent, mut older) = (Recent::default(), Older::default());
        let mut record = |sequence| match recent.record(Series(3), sequence, &older) {
            Some(is_new) => is_new,
            None => older.record(&mut recent, Series(3), sequence).is_new,
        };
        for sequence in 0..70_000 {
            assert!(record(sequence), "{sequence}");
        }
        assert!(!record(69_999) && !record(0) && record(70_000));
    }
}
