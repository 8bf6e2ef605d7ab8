//! Who was entitled to a broadcast, who could have got it, and who did.

use super::Verdict;
use crate::id::NodeId;
use crate::observe::{Metrics, Spread};
use crate::time::Time;
use crate::units::grouped;
use serde::Serialize;

/// How far every broadcast reached, and what was missed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    /// One per broadcast, in order of publication.
    pub reaches: Vec<Reach>,
    /// The first delivery that should have happened and did not.
    pub first_miss: Option<Miss>,
    /// The first delivery that happened twice.
    pub first_repeat: Option<(usize, NodeId, Time)>,
}

/// How far one broadcast reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Reach {
    /// Nodes entitled to it: up from its publication to the end.
    pub entitled: usize,
    /// Those of them for whom it was possible: they were at some time in the origin's component.
    pub possible: usize,
    /// Those of these that delivered it.
    pub delivered: usize,
}

/// A delivery that should have happened and did not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Miss {
    /// The broadcast's number in order of publication.
    pub broadcast: usize,
    /// When it was published.
    pub published: Time,
    /// Who did not get it.
    pub node: NodeId,
}

impl Coverage {
    /// Looks at every node and every broadcast.
    pub fn of(metrics: &Metrics) -> Coverage {
        let mut coverage = Coverage { reaches: Vec::new(), first_miss: None, first_repeat: None };
        for (number, spread) in metrics.spreads().iter().enumerate() {
            let (reach, missed) = reach(metrics, spread);
            coverage.reaches.push(reach);
            if let (None, Some(node)) = (coverage.first_miss, missed) {
                coverage.first_miss = Some(Miss { broadcast: number, published: spread.published, node });
            }
            if let (None, Some((node, time))) = (coverage.first_repeat, spread.repeated) {
                coverage.first_repeat = Some((number, node, time));
            }
        }
        coverage
    }

    /// The sum over all broadcasts.
    pub fn total(&self) -> Reach {
        self.reaches.iter().fold(Reach::default(), |sum, reach| Reach {
            entitled: sum.entitled + reach.entitled,
            possible: sum.possible + reach.possible,
            delivered: sum.delivered + reach.delivered,
        })
    }

    /// Whether every entitled node for whom it was possible delivered every broadcast exactly once. `unfinished`: what
    /// was missed may still come.
    pub(super) fn judge(&self, unfinished: bool) -> (Verdict, String) {
        let Reach { entitled, possible, delivered } = self.total();
        if let Some((broadcast, node, time)) = self.first_repeat {
            return (
                Verdict::Fail,
                format!("node {} delivered broadcast {broadcast} again at {time}", node.0),
            );
        }
        let impossible = match entitled - possible {
            0 => String::new(),
            others => format!("; {} more were impossible: never in the origin's component", group(others)),
        };
        let Some(miss) = self.first_miss else {
            // The origin itself is always entitled: what counts is whether there was anybody else.
            if possible == self.reaches.len() {
                return (Verdict::Vacuous, format!("nobody else was there to be reached{impossible}"));
            }
            return (
                Verdict::Pass,
                format!("{} of {} deliveries{impossible}", group(delivered), group(possible)),
            );
        };
        let Miss { broadcast, published, node } = miss;
        let text = format!(
            "{} of {} deliveries are missing, the first at node {}: broadcast {broadcast} of {published}{impossible}",
            group(possible - delivered),
            group(possible),
            node.0
        );
        (if unfinished { Verdict::Unknown } else { Verdict::Fail }, text)
    }
}

fn reach(metrics: &Metrics, spread: &Spread) -> (Reach, Option<NodeId>) {
    let mut reach = Reach::default();
    let mut missed = None;
    for node in metrics.nodes().filter(|&node| metrics.is_entitled(spread, node)) {
        reach.entitled += 1;
        if metrics.is_possible(spread, node) {
            reach.possible += 1;
            reach.delivered += usize::from(spread.reached(node));
            if !spread.reached(node) {
                missed.get_or_insert(node);
            }
        }
    }
    (reach, missed)
}

fn group(number: usize) -> String {
    grouped(number as u64)
}
