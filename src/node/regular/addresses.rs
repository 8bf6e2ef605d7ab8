//! The book of the overlay `regular` (§3.5, §3.8): addresses, how they did, and who named them.
//!
//! Of 1,024 entries at most 512 are *tried*, that is, have answered; of these the one that answered longest ago gives way.
//! An entry that fails is dialled less often, up to ten minutes apart, and is not forgotten for 72 hours: whoever is cut
//! off finds all of them failing. One that was never dialled gives way to nobody, so what a node knows when faults
//! stop is dialled before it is lost. Then a full book takes no more.
//!
//! Of the entries that were not dialled yet, one introducer has named a sixth at most. (The paper has buckets by address
//! group as well; the simulator's addresses have no groups.)

use crate::id::NodeId;
use crate::time::LocalTime;
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use std::time::Duration;

/// How many entries there are.
const MOST: usize = 1_024;
/// How many of them have answered.
const MOST_TRIED: usize = 512;
/// How many that were not dialled yet one introducer has named.
const MOST_BY_ONE: usize = MOST / 6;
/// How many are named to a peer.
pub(super) const SAMPLE: usize = 16;
/// The back-off after the first failure, and the longest.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(600);
/// `R_book`: so long it is not forgotten that fails, in seconds.
const RETENTION: u32 = 72 * 3_600;

/// Addresses, the node's own never among them.
#[derive(Debug, Default)]
pub(in super::super) struct Addresses {
    /// In the order of `entries`: searched more often than anything else.
    nodes: Vec<NodeId>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    introducer: NodeId,
    /// In which second it answered last, counted from 1.
    answered: Option<std::num::NonZeroU32>,
    /// Since then, so many dials failed, the first in this second.
    failures: u8,
    failing_since: u32,
    /// When it was dialled last, if that failed.
    tried: LocalTime,
}

impl Entry {
    fn is_untried(&self) -> bool {
        self.answered.is_none() && self.failures == 0
    }

    /// When the back-off is over.
    fn due(&self) -> LocalTime {
        let back_off = FIRST_BACK_OFF * 2u32.pow(u32::from(self.failures.saturating_sub(1).min(10)));
        super::later(self.tried, back_off.min(LONGEST_BACK_OFF))
    }
}

fn seconds(now: LocalTime) -> u32 {
    (now.nanos() / 1_000_000_000).min(u64::from(u32::MAX - 1)) as u32
}

impl Addresses {
    fn place(&self, node: NodeId) -> Option<usize> {
        self.nodes.iter().position(|&other| other == node)
    }

    /// Somebody named a node.
    pub(in super::super) fn hear(&mut self, now: LocalTime, node: NodeId, introducer: NodeId) {
        if self.place(node).is_some() {
            return;
        }
        let named = |entry: &&Entry| entry.introducer == introducer && entry.is_untried();
        if self.entries.iter().filter(named).count() >= MOST_BY_ONE {
            return;
        }
        if self.nodes.len() >= MOST {
            let is_old =
                |entry: &Entry| entry.failures > 0 && seconds(now) - entry.failing_since >= RETENTION;
            let Some(place) = self.entries.iter().position(is_old) else { return };
            self.remove_at(place);
        }
        self.nodes.push(node);
        let entry = Entry { introducer, answered: None, failures: 0, failing_since: 0, tried: now };
        self.entries.push(entry);
    }

    /// A node answered; whether it had failed before.
    pub(super) fn answered(&mut self, now: LocalTime, node: NodeId) -> bool {
        let Some(place) = self.place(node) else { return false };
        let entry = &mut self.entries[place];
        let had_failed = entry.failures > 0;
        (entry.answered, entry.failures) = (std::num::NonZeroU32::new(seconds(now) + 1), 0);
        let is_tried = |entry: &Entry| entry.answered.is_some() && entry.failures == 0;
        let tried = (0..self.entries.len()).filter(|&place| is_tried(&self.entries[place]));
        if tried.clone().count() > MOST_TRIED
            && let Some(oldest) = tried.min_by_key(|&place| self.entries[place].answered)
        {
            self.remove_at(oldest);
        }
        had_failed
    }

    /// A node did not answer.
    pub(super) fn failed(&mut self, now: LocalTime, node: NodeId) {
        let Some(place) = self.place(node) else { return };
        let entry = &mut self.entries[place];
        if entry.failures == 0 {
            entry.failing_since = seconds(now);
        }
        entry.tried = now;
        entry.failures = entry.failures.saturating_add(1);
    }

    /// A node has left.
    pub(in super::super) fn remove(&mut self, node: NodeId) {
        if let Some(place) = self.place(node) {
            self.remove_at(place);
        }
    }

    fn remove_at(&mut self, place: usize) {
        self.nodes.swap_remove(place);
        self.entries.swap_remove(place);
    }

    pub(in super::super) fn all(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Those that have not failed.
    pub(super) fn good(&self) -> impl Iterator<Item = NodeId> {
        let both = self.nodes.iter().zip(&self.entries);
        both.filter(|(_, entry)| entry.failures == 0).map(|(node, _)| *node)
    }

    /// Those that failed, and when they were dialled last.
    pub(super) fn failing(&self) -> impl Iterator<Item = (LocalTime, NodeId)> {
        let both = self.nodes.iter().zip(&self.entries);
        both.filter(|(_, entry)| entry.failures > 0).map(|(node, entry)| (entry.tried, *node))
    }

    /// Those of them whose back-off is over.
    pub(super) fn due(&self, now: LocalTime) -> impl Iterator<Item = NodeId> {
        let both = self.nodes.iter().zip(&self.entries);
        both.filter(move |(_, entry)| entry.failures > 0 && entry.due() <= now).map(|(node, _)| *node)
    }

    /// Any node; one that has not failed, if there is one.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Option<NodeId> {
        self.good().choose(rng).or_else(|| self.nodes.choose(rng).copied())
    }

    /// Some nodes, for somebody who does not need to hear of himself.
    pub(in super::super) fn sample(&self, rng: &mut impl Rng, asker: NodeId) -> Vec<NodeId> {
        self.good().filter(|&node| node != asker).sample(rng, SAMPLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> LocalTime {
        LocalTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn one_introducer_fills_a_sixth_until_its_nodes_were_dialled() {
        let mut book = Addresses::default();
        (1..500).for_each(|node| book.hear(at(0), NodeId(node), NodeId(0)));
        assert_eq!(book.len(), MOST_BY_ONE);
        (1..11).for_each(|node| book.failed(at(0), NodeId(node)));
        (400..500).for_each(|node| book.hear(at(0), NodeId(node), NodeId(0)));
        assert_eq!(book.len(), MOST_BY_ONE + 10);
    }

    #[test]
    fn a_full_book_keeps_what_was_never_dialled_and_forgets_the_oldest_success() {
        let mut book = Addresses::default();
        (0..3_000).for_each(|node| book.hear(at(0), NodeId(node), NodeId(node)));
        assert_eq!(book.len(), MOST);
        for node in 0..MOST as u32 {
            assert!(!book.answered(at(u64::from(node)), NodeId(node)));
        }
        assert_eq!(book.len(), MOST_TRIED);
        assert_eq!(book.all().map(|node| node.0).min(), Some((MOST - MOST_TRIED) as u32));
    }

    #[test]
    fn failures_are_put_off_for_longer_and_longer_and_forgotten_after_three_days() {
        let mut book = Addresses::default();
        (0..MOST as u32).for_each(|node| book.hear(at(0), NodeId(node), NodeId(node)));
        book.failed(at(10), NodeId(0));
        assert_eq!(book.failing().collect::<Vec<_>>(), [(at(10), NodeId(0))]);
        assert_eq!((book.due(at(10)).count(), book.due(at(11)).count()), (0, 1));
        (0..20).for_each(|_| book.failed(at(100), NodeId(0)));
        assert_eq!((book.due(at(699)).count(), book.due(at(700)).count()), (0, 1));
        let early = at(9 + u64::from(RETENTION));
        book.hear(early, NodeId(5_000), NodeId(1));
        assert!(book.all().all(|node| node != NodeId(5_000)));
        book.hear(at(10 + u64::from(RETENTION)), NodeId(5_000), NodeId(1));
        assert!(book.all().all(|node| node != NodeId(0)));
        assert!(book.all().any(|node| node == NodeId(5_000)));
        assert!(book.failing().next().is_none());
        assert!(!book.answered(at(1), NodeId(0)), "it is gone");
    }
}
