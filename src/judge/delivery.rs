//! Who was entitled to a broadcast, who could have got it, and who did.

use super::oracle::{Earliest, Oracle, Stretch};
use super::{Evidence, Verdict, held};
use crate::id::NodeId;
use crate::observe::{Metrics, Spread};
use crate::scenario::Range;
use crate::time::Time;
use crate::units::counted;
use serde::Serialize;
use std::fmt::{self, Display};

/// How far every broadcast reached, and what was missed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    /// One per broadcast, in order of publication.
    pub reaches: Vec<Reach>,
    /// The first delivery that should have happened and did not; if there are any, one that had its time before the end.
    pub first_miss: Option<Miss>,
    /// The first delivery that was impossible.
    pub first_impossible: Option<Miss>,
    /// The first delivery that happened twice.
    pub first_repeat: Option<(usize, NodeId, Time)>,
    /// So many broadcasts with misses were not brought before the oracle: that would have taken too long. To them everything is
    /// possible between nodes that were ever linked, directly or through others.
    pub unasked: usize,
}

/// The nodes, ends of links and entries of the chronicle that the oracle is to pass for misses, in all: a few seconds.
const MOST_WORK: u64 = 1 << 25;

/// How far one broadcast reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Reach {
    /// Nodes entitled to it: up from its publication to the end.
    pub entitled: usize,
    /// Those of them for whom it was possible, with the faults that there were. Where nodes join, the overlay is to link them.
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
    /// When it would have been possible, if ever, and if the oracle was asked.
    pub earliest: Option<Time>,
}

/// Whether what did not happen could have.
enum Chance {
    /// As far as that was looked into, at that time.
    Possible(Option<Time>),
    Impossible,
}

impl Coverage {
    /// Looks at every node and every broadcast; `end`: when nobody is expected to be up any more.
    pub fn of(metrics: &Metrics, oracle: &Oracle<'_>, end: Time) -> Coverage {
        let ever_linked = metrics.ever_linked();
        let mut coverage = Coverage {
            reaches: Vec::new(),
            first_miss: None,
            first_impossible: None,
            first_repeat: None,
            unasked: 0,
        };
        let mut work_left = MOST_WORK;
        for (number, spread) in metrics.spreads().iter().enumerate() {
            if let (None, Some((node, time))) = (coverage.first_repeat, spread.repeated) {
                coverage.first_repeat = Some((number, node, time));
            }
            let (mut reach, missing) = reach(metrics, spread, end);
            if !missing.is_empty() {
                let earliest = coverage.ask(oracle, number, &mut work_left);
                let misses = Misses::of(metrics, spread, &ever_linked, earliest.as_ref());
                reach.possible += coverage.look_into(&misses, number, missing, end);
            }
            coverage.reaches.push(reach);
        }
        coverage
    }

    /// What the oracle says of a broadcast, if there is work left for that.
    fn ask<'a>(
        &mut self,
        oracle: &'a Oracle<'_>,
        number: usize,
        work_left: &mut u64,
    ) -> Option<Earliest<'a>> {
        let work = oracle.chronicle().work();
        let earliest = if work <= *work_left { oracle.broadcast(number) } else { None };
        match earliest {
            Some(_) => *work_left -= work,
            None => self.unasked += 1,
        }
        earliest
    }

    /// How many of those who missed a broadcast could have got it.
    fn look_into(&mut self, misses: &Misses<'_>, broadcast: usize, nodes: Vec<NodeId>, end: Time) -> usize {
        let (published, count) = (misses.spread.published, nodes.len());
        let mut impossible = 0;
        for node in nodes {
            match misses.chance(node) {
                Chance::Possible(earliest) => {
                    self.missed(Miss { broadcast, published, node, earliest }, end);
                }
                Chance::Impossible => {
                    impossible += 1;
                    self.first_impossible.get_or_insert(Miss { broadcast, published, node, earliest: None });
                }
            }
        }
        count - impossible
    }

    fn missed(&mut self, miss: Miss, end: Time) {
        if self.first_miss.is_none_or(|first| first.is_after(end) && !miss.is_after(end)) {
            self.first_miss = Some(miss);
        }
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
    /// was missed may still come; `end`: what was possible only then or later, may as well.
    pub(super) fn judge(&self, unfinished: bool, end: Time) -> (Verdict, String) {
        let Reach { possible, delivered, .. } = self.total();
        if let Some((broadcast, node, time)) = self.first_repeat {
            return (
                Verdict::Fail,
                format!("node {} delivered broadcast {broadcast} again at {time}", node.0),
            );
        }
        let impossible = self.impossible();
        let Some(miss) = self.first_miss else {
            return (
                Verdict::Pass,
                format!("{} of {} deliveries{impossible}", counted(delivered), counted(possible)),
            );
        };
        let when = match miss.earliest {
            Some(time) => format!(", possible at {time}"),
            None if self.unasked > 0 => String::new(),
            None => ", possible if it had been linked to the others".into(),
        };
        let text = format!(
            "{} of {} deliveries are missing though possible, the first at {miss}{when}{impossible}",
            counted(possible - delivered),
            counted(possible),
        );
        (if unfinished || miss.is_after(end) { Verdict::Unknown } else { Verdict::Fail }, text)
    }

    /// What was impossible, to be added to another text.
    fn impossible(&self) -> String {
        let Reach { entitled, possible, .. } = self.total();
        let unasked = match self.unasked {
            0 => String::new(),
            some => format!("; of {} broadcasts it was only asked who was ever linked", counted(some)),
        };
        match self.first_impossible {
            None => unasked,
            Some(miss) => {
                let count = counted(entitled - possible);
                format!("; {count} more were impossible, the first at {miss}{unasked}")
            }
        }
    }
}

impl Miss {
    fn is_after(&self, end: Time) -> bool {
        self.earliest.is_some_and(|earliest| earliest > end)
    }
}

impl Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "node {}: broadcast {} of {}", self.node.0, self.broadcast, self.published)
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

/// How far a broadcast reached, what was missed not yet among the possible; and who is entitled and missed it.
fn reach(metrics: &Metrics, spread: &Spread, end: Time) -> (Reach, Vec<NodeId>) {
    let mut reach = Reach::default();
    let mut missing = Vec::new();
    if spread.receivers() == 0 && !metrics.is_entitled(spread, spread.origin, end) {
        // Its origin was gone before it was safe and anybody heard of it: it never was.
        return (reach, missing);
    }
    for node in metrics.nodes().filter(|&node| metrics.is_entitled(spread, node, end)) {
        reach.entitled += 1;
        if spread.reached(node) {
            reach.delivered += 1;
        } else {
            missing.push(node);
        }
    }
    reach.possible = reach.delivered;
    (reach, missing)
}

/// Tells whether those who missed a broadcast could have got it.
struct Misses<'a> {
    metrics: &'a Metrics,
    spread: &'a Spread,
    ever_linked: &'a [u32],
    /// What the oracle says, if it was asked.
    earliest: Option<&'a Earliest<'a>>,
    /// Whether anybody who is up at the end could have it.
    outlives: bool,
}

impl<'a> Misses<'a> {
    fn of(
        metrics: &'a Metrics,
        spread: &'a Spread,
        ever_linked: &'a [u32],
        earliest: Option<&'a Earliest<'a>>,
    ) -> Misses<'a> {
        let could = |node: NodeId| earliest.is_none_or(|earliest| earliest.at_last(node).is_some());
        let outlives = metrics.nodes().any(|node| metrics.stopped(node).is_none() && could(node));
        Misses { metrics, spread, ever_linked, earliest, outlives }
    }

    fn chance(&self, node: NodeId) -> Chance {
        let origin = self.spread.origin;
        let was_linked = self.ever_linked[node.index()] == self.ever_linked[origin.index()];
        let earliest = match self.earliest {
            Some(earliest) => earliest.at_last(node),
            None if was_linked => return Chance::Possible(None),
            None => None,
        };
        // Who joined, on either side, was to be linked: that it was not is no excuse, as long as somebody has what it missed.
        let was_to_be_linked = self.metrics.had_to_join(node) || self.metrics.had_to_join(origin);
        match earliest {
            None if was_to_be_linked && self.outlives => Chance::Possible(None),
            None => Chance::Impossible,
            time => Chance::Possible(time),
        }
    }
}

/// How much later than possible deliveries were.
pub(super) fn stretch(
    range: &Range<f64>,
    evidence: Evidence<'_>,
    stretch: Option<Stretch>,
) -> (Verdict, String) {
    let Some(Stretch { mean, most, slowest, .. }) = stretch else {
        return (Verdict::Vacuous, "no broadcast reached anybody else".into());
    };
    let verdict = match range.contains(mean) {
        false if evidence.is_unfinished() => Verdict::Unknown,
        holds => held(holds),
    };
    let slowest = slowest
        .map_or(String::new(), |(broadcast, node)| format!(", broadcast {broadcast} to node {}", node.0));
    (verdict, format!("the mean is {mean:.4}, the most {most:.4}{slowest}"))
}
