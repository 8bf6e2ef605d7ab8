//! Comparing (protocol.md §4): on every new link, and round the neighbors every T_ae as long as there is news, the end with the
//! smaller identity sends a fingerprint of what it has. If the other end has something else, both reconcile range by range,
//! fetch what they lack, and the first compares again. One such session at a time: whoever is in one answers "later".
//!
//! (Deviation: the low-water mark is that of the end that asks, by the calendar of most origins; the other end holds everything
//! above it, unless they see that calendar more than 2·T_heal apart, which costs bytes only. The rounds leave out the current
//! ten seconds, whose messages may still be on their way.)

use super::ranges::{self, Key, Range};
use super::spans::Spans;
use super::store::{Window, bucket_of};
use super::{Link, Local, PATIENCE, Reconciling, Repair, back_off, length, local};
use crate::id::NodeId;
use crate::node::{Control, Node};
use crate::transport::Transport;
use rand::RngExt;
use std::time::Duration;

/// A session in which nothing is heard for so long is over.
const BUSY: Duration = Duration::from_secs(2);
/// What is younger is left out of rounds.
const SETTLING: Duration = Duration::from_secs(10);

/// A comparison that this end began, or is about to begin.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Whether it is about everything, or about what has settled.
    of_all: bool,
    sent: Local,
    fingerprint: [u8; 32],
    tries: u32,
    pub(super) due: Local,
}

impl Comparison {
    pub(super) fn of_all(due: Local) -> Comparison {
        Comparison { of_all: true, sent: due, fingerprint: [0; 32], tries: 0, due }
    }
}

impl Repair {
    fn is_busy_elsewhere(&self, peer: NodeId, now: Local) -> bool {
        self.busy.is_some_and(|(other, until)| other != peer && until > now)
    }

    fn engage(&mut self, peer: NodeId, now: Local) {
        if !self.is_busy_elsewhere(peer, now) {
            self.busy = Some((peer, now.saturating_add(length(BUSY))));
        }
    }

    fn disengage(&mut self, peer: NodeId) {
        self.busy = self.busy.filter(|&(other, _)| other != peer);
    }

    fn window(&self, net: &impl Transport<Node>, of_all: bool) -> Window {
        let calendar = self.store.calendar(local(net.now())).unwrap_or_else(|| net.calendar().micros());
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let retention = micros(self.config.retention);
        let floor = |age: u64| bucket_of(calendar.saturating_sub(age)).saturating_add(1);
        let until = if of_all { u32::MAX } else { bucket_of(calendar) };
        Window { silent_low: floor(retention.saturating_mul(10)), low: floor(retention), until }
    }

    /// Lets the next neighbor have its turn.
    pub(super) fn begin_round(&mut self, now: Local) {
        if self.round_at.is_none_or(|at| at > now) {
            return;
        }
        let count = self.links.len();
        let fits = |place: &usize| {
            let link = &self.links[*place];
            link.changed.is_some() && link.reconciled && link.comparison.is_none()
        };
        let next = (0..count).map(|step| (self.turn + step) % count).find(fits);
        if let Some(place) = next {
            self.turn = place + 1;
            self.links[place].comparison = Some(Comparison { of_all: false, ..Comparison::of_all(now) });
        }
        let has_news = self.links.iter().any(|link| link.changed.is_some());
        self.round_at = has_news.then(|| now.saturating_add(length(self.config.every)));
    }

    pub(super) fn compare_if_due(&mut self, net: &mut impl Transport<Node>, place: usize, now: Local) {
        let link = &self.links[place];
        let peer = link.peer;
        let Some(comparison) = link.comparison.as_ref().filter(|comparison| comparison.due <= now) else {
            return;
        };
        let (of_all, tries) = (comparison.of_all, comparison.tries);
        if self.is_busy_elsewhere(peer, now) || !link.asks.is_idle() {
            let wait = back_off(0) / 2;
            if let Some(comparison) = &mut self.links[place].comparison {
                comparison.due = now.saturating_add(wait);
            }
            return;
        }
        let window = self.window(net, of_all);
        let fingerprint = ranges::fingerprint(&self.store.keys(window));
        let due = now.saturating_add(back_off(tries));
        let link = &mut self.links[place];
        link.comparison =
            Some(Comparison { of_all, sent: now, fingerprint, tries: tries.saturating_add(1), due });
        if of_all && !link.reconciled {
            link.tells.compared(&self.store, window.low);
        }
        net.send(peer, Control::Reconciling(Reconciling::Compare(window, fingerprint)).into());
    }

    pub(super) fn on_compare(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        window: Window,
        theirs: [u8; 32],
    ) {
        let now = local(net.now());
        let Some(place) = self.place(from) else { return };
        let Link { leads, comparison, .. } = &mut self.links[place];
        if let Some(mine) = comparison.as_mut().filter(|_| !*leads) {
            mine.due = mine.due.max(now.saturating_add(length(PATIENCE)));
        }
        let keys = self.store.keys(window);
        let reply = if ranges::fingerprint(&keys) == theirs {
            self.disengage(from);
            let link = &mut self.links[place];
            if window.until == u32::MAX {
                link.tells.compared(&self.store, window.low);
                link.comparison = link.comparison.take().filter(|mine| !mine.of_all);
            }
            link.reconciled = true;
            link.tells.open(now);
            Reconciling::Same(beginning(&theirs))
        } else if self.is_busy_elsewhere(from, now) || !self.links[place].asks.is_idle() {
            Reconciling::Later
        } else {
            self.engage(from, now);
            Reconciling::Ranges(window, ranges::begin(&keys))
        };
        net.send(from, Control::Reconciling(reply).into());
    }

    pub(super) fn on_same(&mut self, net: &mut impl Transport<Node>, from: NodeId, of: [u8; 8]) {
        let now = local(net.now());
        let Some(place) = self.place(from) else { return };
        let link = &mut self.links[place];
        let Some(comparison) = link.comparison.take_if(|mine| beginning(&mine.fingerprint) == of) else {
            return;
        };
        let compared = if comparison.of_all { comparison.sent } else { comparison.sent - length(SETTLING) };
        link.changed = link.changed.filter(|&changed| changed > compared);
        link.reconciled = true;
        link.tells.open(now);
        self.disengage(from);
    }

    /// The peer has something else, and no time.
    pub(super) fn on_later(&mut self, net: &mut impl Transport<Node>, from: NodeId) {
        let now = local(net.now());
        let Some(place) = self.place(from) else { return };
        let spread = net.rng().random_range(0..=back_off(0) as u64) as Local;
        if let Some(comparison) = &mut self.links[place].comparison {
            comparison.due = now.saturating_add(back_off(0) / 2 + spread);
            comparison.tries = comparison.tries.saturating_sub(1);
        }
        self.disengage(from);
    }

    pub(super) fn on_ranges(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        window: Window,
        ranges: &[Range],
    ) {
        let now = local(net.now());
        let Some(place) = self.place(from) else { return };
        let Some(answer) = ranges::answer(&self.store.keys(window), ranges) else { return };
        self.engage(from, now);
        let Repair { links, store, .. } = self;
        let link = &mut links[place];
        for run in answer.learned {
            let sequence = run.first.sequence + u64::from(run.more);
            if let Some(view) = link.views.get_mut(&run.first.name) {
                // What it had not when it was asked it may have got since.
                view.absent.disclaim(&Spans::of(run.first.sequence, sequence));
            }
            link.claim(store, Key { sequence, ..run.first });
        }
        if let Some(comparison) = &mut link.comparison {
            comparison.due = now.saturating_add(back_off(0) / 2);
        }
        if !answer.ranges.is_empty() {
            net.send(from, Control::Reconciling(Reconciling::Ranges(window, answer.ranges)).into());
        }
    }
}

fn beginning(fingerprint: &[u8; 32]) -> [u8; 8] {
    let mut beginning = [0; 8];
    beginning.copy_from_slice(&fingerprint[..8]);
    beginning
}
