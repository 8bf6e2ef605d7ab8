//! What the application is told: broadcasts of one origin in the order in which it published them.
//!
//! A node delivers what comes, and as a rule that is in order: links keep it, and a neighbor passes on in the order in which it
//! heard. A link that comes up in the middle of a flood is ahead of those behind whose queues the same flood waits. What it
//! brings too early waits here for what is missing, for a while. (What observers are told of does not wait.)

use super::Report;
use super::admin::SHUTDOWN_TITLE;
use super::core::{Core, view_of};
use crate::id::NodeId;
use crate::message::{Broadcasts, Payload, Series};
use crate::observe::Observer;
use crate::protocol::{Notice, Protocol};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// So long a broadcast waits for those before it. What is fetched from others after a loss is there by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many wait at most.
const MOST_WAITING: usize = 1 << 16;

/// Tells the application something of a node.
pub(super) type Tell = Box<dyn Fn(NodeId, Report) + Send>;

/// Which broadcasts one node's application was told of.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    /// The number after the greatest one of each series that it was told of.
    next: BTreeMap<Series, u64>,
    /// What came too early, and when.
    early: BTreeMap<(Series, u64), (Payload, Instant)>,
}

impl InOrder {
    /// Goes on after what an earlier life had.
    pub(super) fn resume(&mut self, had: &Broadcasts) {
        for payload in had.payloads() {
            let (series, after) = (had.series(payload), had.get(payload).sequence.saturating_add(1));
            let next = self.next.entry(series).or_default();
            *next = after.max(*next);
        }
    }

    /// A broadcast was delivered; what the application is to be told of now. (What comes after one with a greater number, of
    /// which it was told, comes at once.)
    fn enter(&mut self, series: Series, sequence: u64, payload: Payload, now: Instant) -> Vec<Payload> {
        let next = *self.next.entry(series).or_insert(sequence);
        if sequence < next {
            return vec![payload];
        }
        if sequence == next && self.early.is_empty() {
            self.next.insert(series, next.saturating_add(1));
            return vec![payload];
        }
        self.early.insert((series, sequence), (payload, now));
        if sequence == next {
            return self.take(series);
        }
        if self.early.len() > MOST_WAITING { self.skip(series, sequence) } else { Vec::new() }
    }

    /// What has waited for too long, and what is next to it.
    fn late(&mut self, now: Instant) -> Vec<Payload> {
        let is_late = |since: Instant| now > since + PATIENCE;
        let mut ready = Vec::new();
        while let Some((&(series, sequence), _)) = self.early.iter().find(|(_, (_, since))| is_late(*since)) {
            ready.append(&mut self.skip(series, sequence));
        }
        ready
    }

    /// Waits no more for what is missing in a series below a number.
    fn skip(&mut self, series: Series, sequence: u64) -> Vec<Payload> {
        let mut ready = Vec::new();
        let first = |early: &BTreeMap<(Series, u64), _>| {
            early.range((series, 0)..=(series, sequence)).next().map(|(&(_, first), _)| first)
        };
        while let Some(first) = first(&self.early) {
            self.next.insert(series, first);
            ready.append(&mut self.take(series));
        }
        ready
    }

    /// What comes next of a series, as far as it is here.
    fn take(&mut self, series: Series) -> Vec<Payload> {
        let Some(next) = self.next.get_mut(&series) else { return Vec::new() };
        let mut ready = Vec::new();
        while let Some((payload, _)) = self.early.remove(&(series, *next)) {
            *next = next.saturating_add(1);
            ready.push(payload);
        }
        ready
    }
}

impl<P: Protocol, O: Observer> Core<P, O> {
    /// Tells the application what a node noticed.
    pub(super) fn report(&mut self, node: NodeId, notices: Vec<Notice>, state: &P) {
        let Some(tell) = self.reports.take() else { return };
        let is_received = |notice: &&Notice| matches!(notice, Notice::Received { .. });
        let received = notices.iter().filter(is_received).count();
        let mut inbox = if received > 0 { view_of(state).inbox } else { Vec::new() };
        let mut inbox = inbox.split_off(inbox.len().saturating_sub(received)).into_iter();
        for notice in notices {
            let report = match notice {
                Notice::Delivered { payload, .. } => {
                    let broadcasts = self.contents.broadcasts();
                    let (series, sequence) = (broadcasts.series(payload), broadcasts.get(payload).sequence);
                    let told = &mut self.hosts[node.index()].told;
                    for ready in told.enter(series, sequence, payload, self.moment) {
                        self.tell_of_delivery(&tell, node, ready);
                    }
                    continue;
                }
                Notice::Received { from } => match inbox.next() {
                    Some((_, message)) => Report::Received { from: self.names.identity(from), message },
                    None => Report::Noticed(notice),
                },
                notice => Report::Noticed(notice),
            };
            tell(node, report);
        }
        self.reports = Some(tell);
    }

    /// Tells the application of a broadcast; or of the admin's order in it, if it is one that the node obeys.
    fn tell_of_delivery(&self, tell: &Tell, node: NodeId, payload: Payload) {
        let broadcast = self.contents.broadcasts().get(payload);
        match &broadcast.message {
            message if message.title != SHUTDOWN_TITLE => tell(node, Report::Delivered(broadcast.clone())),
            message if self.check_order(node, &message.message).is_ok() => tell(node, Report::ToShutDown),
            _ => {}
        }
    }

    /// Tells the application of what has waited long enough for what came before it.
    pub(super) fn report_late(&mut self) {
        let Some(tell) = self.reports.take() else { return };
        for node in (0..self.hosts.len()).map(NodeId::at) {
            for ready in self.hosts[node.index()].told.late(self.moment) {
                self.tell_of_delivery(&tell, node, ready);
            }
        }
        self.reports = Some(tell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_are_told_of_in_order_and_none_waits_for_ever() {
        let (mut order, now) = (InOrder::default(), Instant::now());
        let mut enter = |series, sequence, now| -> Vec<u32> {
            let payload = Payload::from_word(sequence as u32);
            order.enter(Series(series), sequence, payload, now).into_iter().map(Payload::to_word).collect()
        };
        let late = now + PATIENCE + Duration::from_secs(1);
        assert_eq!(enter(0, 5, now), [5], "whatever comes first");
        assert_eq!(enter(0, 7, now), [0; 0]);
        assert_eq!(enter(1, 0, now), [0], "another origin does not wait");
        assert_eq!(enter(0, 8, now), [0; 0]);
        assert_eq!(enter(0, 6, now), [6, 7, 8]);
        assert_eq!(enter(0, 2, now), [2], "of before this node was here");
        assert_eq!(enter(0, 11, now), [0; 0]);
        assert_eq!(enter(0, 13, late), [0; 0]);
        let words = |ready: Vec<Payload>| ready.into_iter().map(Payload::to_word).collect::<Vec<_>>();
        assert_eq!(words(order.late(now)), [0; 0]);
        assert_eq!(words(order.late(late)), [11]);
        assert_eq!(words(order.enter(Series(0), 9, Payload::from_word(9), late)), [9], "too late");
        assert_eq!(words(order.enter(Series(0), 12, Payload::from_word(12), late)), [12, 13]);
    }
}
