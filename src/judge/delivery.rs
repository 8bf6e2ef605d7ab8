//! Who was entitled to a broadcast, who could have got it, and who did.

use super::Verdict;
use crate::id::NodeId;
use crate::observe::{Metrics, Spread};
use crate::time::Time;
use crate::units::counted;
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
    /// Looks at every node and every broadcast; `end`: when nobody is expected to be up any more.
    pub fn of(metrics: &Metrics, end: Time) -> Coverage {
        let ever_linked = metrics.ever_linked();
        let mut coverage = Coverage { reaches: Vec::new(), first_miss: None, first_repeat: None };
        for (number, spread) in metrics.spreads().iter().enumerate() {
            let (reach, missed) = reach(metrics, spread, &ever_linked, end);
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
            others => format!("; {} more were impossible: never in the origin's component", counted(others)),
        };
        let Some(miss) = self.first_miss else {
            return (
                Verdict::Pass,
                format!("{} of {} deliveries{impossible}", counted(delivered), counted(possible)),
            );
        };
        let Miss { broadcast, published, node } = miss;
        let text = format!(
            "{} of {} deliveries are missing, the first at node {}: broadcast {broadcast} of {published}{impossible}",
            counted(possible - delivered),
            counted(possible),
            node.0
        );
        (if unfinished { Verdict::Unknown } else { Verdict::Fail }, text)
    }
}

impl Reach {
    /// How many could be reached, the origin apart.
    pub fn others(&self) -> usize {
        self.possible.saturating_sub(1)
    }

    /// How many receivers are a share of those that could be reached, the origin always being one more.
    pub fn share(&self, share: f64) -> usize {
        // 0.07 of 100 is 7, and not the 8 that the next number above 7 rounds up to.
        1 + (self.others() as f64 * share - 1e-9).ceil().max(1.0) as usize
    }
}

fn reach(metrics: &Metrics, spread: &Spread, ever_linked: &[u32], end: Time) -> (Reach, Option<NodeId>) {
    let mut reach = Reach::default();
    let mut missed = None;
    for node in metrics.nodes().filter(|&node| metrics.is_entitled(spread, node, end)) {
        reach.entitled += 1;
        // Who joined, on either side, was to be linked: that it never was is no excuse.
        let was_to_be_linked = metrics.had_to_join(node) || metrics.had_to_join(spread.origin);
        if was_to_be_linked || ever_linked[node.index()] == ever_linked[spread.origin.index()] {
            reach.possible += 1;
            reach.delivered += usize::from(spread.reached(node));
            if !spread.reached(node) {
                missed.get_or_insert(node);
            }
        }
    }
    (reach, missed)
}
