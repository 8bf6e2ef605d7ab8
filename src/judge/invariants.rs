//! The invariants of a network that keeps its promises, each naming what broke it first: time, node, message.
//!
//! They are numbered as in the project's protocol paper: I1 integrity, I2 no duplication, I3 validity, I5 agreement, I6 no
//! silent loss, I7 degree, I8 no cut, I9 repair, I10 bounded cost, I11 bounded memory. (I4, a bound on the time without
//! faults, is an expectation on `latency` and `stretch`; I12, nobody is special, is what a mill shows.)

use super::watch::{HARD_DEGREE, Seen};
use super::{Course, Evidence, Knowledge, Verdict};
use crate::id::NodeId;
use crate::message::{Broadcast, Payload};
use crate::observe::{Breach, Spread};
use crate::time::Time;
use crate::units::{counted, grouped, human_duration};

/// No node that has settled has more neighbors (`d_soft`).
const SOFT_DEGREE: usize = 8;
/// Nor fewer, if there are others (`d_min`).
const LEAST_DEGREE: usize = 3;
/// A node remembers at most so many addresses beside its neighbors', and so many direct messages.
const MOST_REMEMBERED: usize = 1_024;

const NOT_WATCHED: &str = "the run was not watched for this";

/// I1: what is delivered under an origin and a sequence is what was published under them; nobody delivers what never came.
pub(super) fn integrity(evidence: Evidence<'_>) -> (Verdict, String) {
    let Some(audit) = evidence.metrics.audit() else { return (Verdict::Vacuous, NOT_WATCHED.into()) };
    if let Some((first, second, time)) = audit.reused() {
        let Broadcast { origin, sequence, .. } = evidence.broadcasts.get(second);
        let text = format!(
            "node {} published {} at {time} as its number {sequence}, which was {} already",
            origin.node.0,
            named(second),
            named(first)
        );
        return (Verdict::Fail, text);
    }
    if let Some(Breach { node, payload, time }) = audit.invented() {
        let text =
            format!("node {} delivered {} at {time}, of which no copy had come", node.0, named(payload));
        return (Verdict::Fail, text);
    }
    (Verdict::Pass, format!("{} deliveries of what was published", counted(deliveries(evidence))))
}

/// I2: nobody delivers a broadcast twice, unless its log was lost between.
pub(super) fn no_duplication(evidence: Evidence<'_>) -> (Verdict, String) {
    let repeated = |(number, spread): (usize, &Spread)| Some((number, spread.repeated?));
    match evidence.metrics.spreads().iter().enumerate().find_map(repeated) {
        Some((number, (node, time))) => {
            (Verdict::Fail, format!("node {} delivered broadcast {number} again at {time}", node.0))
        }
        None => (Verdict::Pass, format!("{} deliveries, each the only one", counted(deliveries(evidence)))),
    }
}

/// I3: an origin delivers what it publishes, before anybody else hears of it.
pub(super) fn validity(evidence: Evidence<'_>) -> (Verdict, String) {
    let Some(audit) = evidence.metrics.audit() else { return (Verdict::Vacuous, NOT_WATCHED.into()) };
    if let Some(Breach { node, payload, time }) = audit.early() {
        let text = format!("node {} sent {} at {time}, before it delivered it", node.0, named(payload));
        return (Verdict::Fail, text);
    }
    let undelivered = payloads(evidence).find(|&payload| {
        let origin = evidence.broadcasts.get(payload).origin.node;
        is_alive(evidence, origin) && audit.is_owed_by_origin(payload)
    });
    match undelivered {
        Some(payload) => {
            let origin = evidence.broadcasts.get(payload).origin.node;
            let text = format!("node {} lives and never delivered its own {}", origin.0, named(payload));
            (unless_unfinished(evidence), text)
        }
        None => (Verdict::Pass, format!("{} broadcasts", counted(evidence.broadcasts.len()))),
    }
}

/// I5: whoever is alive at the end, joiners included, has every broadcast younger than the retention that anybody alive
/// has, or that somebody alive published.
pub(super) fn agreement(evidence: Evidence<'_>) -> (Verdict, String) {
    let young = |payload: Payload| {
        let published = evidence.metrics.spread(payload).published;
        evidence.closing.time.since(published) < evidence.guarantee.retention
    };
    let (mut wanted, mut missing, mut first) = (0usize, 0usize, None);
    for payload in payloads(evidence).filter(|&payload| young(payload) && is_known(evidence, payload)) {
        for node in alive(evidence) {
            wanted += 1;
            if !evidence.metrics.holds(payload, node) {
                missing += 1;
                first.get_or_insert((payload, node));
            }
        }
    }
    match first {
        None if wanted == 0 => (Verdict::Vacuous, "nobody alive has any broadcast".into()),
        None => {
            (Verdict::Pass, format!("{} of {} are where they should be", counted(wanted), counted(wanted)))
        }
        Some((payload, node)) => {
            let text = format!(
                "{} of {} are missing, the first at node {}: {}, published at {}{}",
                counted(missing),
                counted(wanted),
                node.0,
                named(payload),
                evidence.metrics.spread(payload).published,
                calm(evidence)
            );
            (unless_restless(evidence, evidence.metrics.spread(payload).published), text)
        }
    }
}

/// I6: what somebody alive has, everybody alive has delivered or reported as given up.
pub(super) fn no_silent_loss(evidence: Evidence<'_>) -> (Verdict, String) {
    let Some(audit) = evidence.metrics.audit() else { return (Verdict::Vacuous, NOT_WATCHED.into()) };
    let (mut told, mut known) = (0usize, 0usize);
    for payload in payloads(evidence).filter(|&payload| is_known(evidence, payload)) {
        known += 1;
        let Broadcast { origin, sequence, .. } = evidence.broadcasts.get(payload);
        for node in alive(evidence).filter(|&node| !evidence.metrics.holds(payload, node)) {
            if !audit.is_given_up(node, *origin, *sequence) {
                let text = format!(
                    "node {} neither delivered {} nor gave it up{}",
                    node.0,
                    named(payload),
                    calm(evidence)
                );
                return (unless_restless(evidence, evidence.metrics.spread(payload).published), text);
            }
            told += 1;
        }
    }
    match known {
        0 => (Verdict::Vacuous, "nobody alive has any broadcast".into()),
        _ => (Verdict::Pass, format!("{} deliveries were given up, and all were reported", counted(told))),
    }
}

/// I7: at no time too many neighbors; at the end neither too many nor too few, and each neighbor thinks the same.
pub(super) fn degree(evidence: Evidence<'_>) -> (Verdict, String) {
    let Some(seen) = &evidence.course.seen else { return (Verdict::Vacuous, NOT_WATCHED.into()) };
    if let Some((node, degree, time)) = seen.too_many {
        let text = format!("node {} had {degree} neighbors at {time}, more than {HARD_DEGREE}", node.0);
        return (Verdict::Fail, text);
    }
    let nodes: Vec<NodeId> = alive(evidence).collect();
    if nodes.is_empty() {
        return nobody();
    }
    let least = LEAST_DEGREE.min(nodes.len().saturating_sub(1));
    for &node in &nodes {
        let neighbors = (evidence.view)(node).neighbors;
        if !(least..=SOFT_DEGREE).contains(&neighbors.len()) {
            let text = format!(
                "node {} has {} neighbors, not {least} to {SOFT_DEGREE}{}",
                node.0,
                neighbors.len(),
                calm(evidence)
            );
            return (unless_restless(evidence, Time::ZERO), text);
        }
        // What was so shortly before the end as well is no handshake that is still under way.
        let lasts = |peer| seen.one_sided.as_ref().is_none_or(|pairs| pairs.contains(&(node, peer)));
        let one_sided = |peer: &NodeId| lasts(*peer) && !(evidence.view)(*peer).neighbors.contains(&node);
        if let Some(peer) = neighbors.iter().find(|peer| one_sided(peer)) {
            let text = format!(
                "node {} takes node {} for a neighbor, which does not know of it{}",
                node.0,
                peer.0,
                calm(evidence)
            );
            return (unless_restless(evidence, Time::ZERO), text);
        }
    }
    (
        Verdict::Pass,
        format!("{least} to {SOFT_DEGREE} at the end, never above {HARD_DEGREE} in {}", seen.looks()),
    )
}

/// I8: what nodes do by themselves never takes the overlay apart.
pub(super) fn no_cut(evidence: Evidence<'_>) -> (Verdict, String) {
    let Some(seen) = &evidence.course.seen else { return (Verdict::Vacuous, NOT_WATCHED.into()) };
    match seen.fell_apart {
        Some((time, before, after)) => {
            (Verdict::Fail, format!("at {time} the overlay fell from {before} into {after} components"))
        }
        None if seen.calm_looks == 0 => (Verdict::Vacuous, "there was no calm moment to look".into()),
        None => (Verdict::Pass, format!("never in {} looks in calm times", grouped(seen.calm_looks))),
    }
}

/// I9: after the last harm the overlay becomes one component again, in time.
pub(super) fn repair(evidence: Evidence<'_>) -> (Verdict, String) {
    let Some(Seen { whole_since, .. }) = &evidence.course.seen else {
        return (Verdict::Vacuous, NOT_WATCHED.into());
    };
    if alive(evidence).next().is_none() {
        return nobody();
    }
    let calm_since = evidence.course.calm_since;
    let heal = evidence.guarantee.heal;
    match *whole_since {
        None => {
            let text = format!("the overlay is not in one component{}", calm(evidence));
            (unless_restless(evidence, Time::ZERO), text)
        }
        Some(whole) if whole.since(calm_since) > heal => {
            let took = human_duration(whole.since(calm_since));
            (Verdict::Fail, format!("it took {took}, more than {}", human_duration(heal)))
        }
        Some(whole) if whole <= calm_since && calm_since == Time::ZERO => {
            (Verdict::Pass, "in one component all the while; nothing happened to it".into())
        }
        Some(whole) if whole <= calm_since => {
            (Verdict::Pass, format!("in one component since {whole}, before the last harm was over"))
        }
        Some(whole) => {
            let took = human_duration(whole.since(calm_since));
            (Verdict::Pass, format!("in one component {took} after the last harm"))
        }
    }
}

/// I10: no broadcast crosses a link more than once in each direction, nor goes back to whom it came from.
pub(super) fn bounded_cost(evidence: Evidence<'_>) -> (Verdict, String) {
    let Some(audit) = evidence.metrics.audit() else { return (Verdict::Vacuous, NOT_WATCHED.into()) };
    let mut most = 0;
    for payload in payloads(evidence) {
        let (copies, ends) = audit.copies(payload);
        let others = evidence.metrics.spread(payload).receivers().saturating_sub(1) as u64;
        let bound = ends.saturating_sub(others);
        if copies > bound {
            let text =
                format!("{} took {} copies, more than {}", named(payload), grouped(copies), grouped(bound));
            return (Verdict::Fail, text);
        }
        most = most.max(copies);
    }
    match most {
        0 => (Verdict::Vacuous, "the protocol does not say which messages carry a broadcast".into()),
        most => (Verdict::Pass, format!("at most {} copies of a broadcast", grouped(most))),
    }
}

/// I11: what a node remembers of others has a bound.
pub(super) fn bounded_memory(evidence: Evidence<'_>) -> (Verdict, String) {
    if alive(evidence).next().is_none() {
        return nobody();
    }
    let mut most = 0;
    for node in alive(evidence) {
        let view = (evidence.view)(node);
        let strangers = view.known.len().saturating_sub(view.neighbors.len());
        for (count, what) in [(strangers, "addresses"), (view.inbox.len(), "direct messages")] {
            if count > MOST_REMEMBERED {
                return (Verdict::Fail, format!("node {} remembers {} {what}", node.0, counted(count)));
            }
            most = most.max(count);
        }
    }
    (Verdict::Pass, format!("at most {} entries in a list", counted(most)))
}

fn nobody() -> (Verdict, String) {
    (Verdict::Vacuous, "nobody is there".into())
}

fn named(payload: Payload) -> String {
    format!("broadcast {}", payload.index())
}

fn payloads(evidence: Evidence<'_>) -> impl Iterator<Item = Payload> {
    evidence.broadcasts.payloads()
}

fn deliveries(evidence: Evidence<'_>) -> usize {
    evidence.metrics.spreads().iter().map(|spread| spread.receivers()).sum()
}

/// The members of the network that are up at the end, or were just before it was shut down.
fn alive(evidence: Evidence<'_>) -> impl Iterator<Item = NodeId> {
    let present = evidence.closing.present.iter().enumerate().filter(|(_, present)| **present);
    present.map(|(node, _)| NodeId::at(node)).filter(move |&node| evidence.metrics.is_member(node))
}

fn is_alive(evidence: Evidence<'_>, node: NodeId) -> bool {
    evidence.closing.present[node.index()] && evidence.metrics.is_member(node)
}

/// Whether anybody alive has a broadcast, or published it in this life or with this log.
fn is_known(evidence: Evidence<'_>, payload: Payload) -> bool {
    alive(evidence).any(|node| evidence.metrics.holds(payload, node))
}

/// For how long nothing had happened to the network; and whether it could have come together at all.
fn calm(evidence: Evidence<'_>) -> String {
    let length = evidence.closing.time.since(evidence.course.calm_since);
    let after = match evidence.course.calm_since {
        Time::ZERO => String::new(),
        _ => format!(" (after {} of calm)", human_duration(length)),
    };
    match evidence.strangers() {
        Some(Knowledge { parts, smallest, example, .. }) => format!(
            "{after}; nothing is promised, since nobody knew the way: when calm began there were {} parts that knew \
             nobody of each other, the smallest of {} around node {}",
            counted(parts),
            counted(smallest),
            example.0
        ),
        None => after,
    }
}

fn unless_unfinished(evidence: Evidence<'_>) -> Verdict {
    if evidence.is_unfinished() { Verdict::Unknown } else { Verdict::Fail }
}

/// What has been wrong since then may still be mended, unless the network had its time for that, in calm.
fn unless_restless(evidence: Evidence<'_>, since: Time) -> Verdict {
    let Course { calm_since, complete, .. } = *evidence.course;
    let had_its_time = evidence.closing.time.since(calm_since.max(since)) >= evidence.guarantee.heal;
    if evidence.strangers().is_some() || !complete || evidence.is_harmed() {
        return Verdict::Unknown;
    }
    match had_its_time {
        true => Verdict::Fail,
        false if calm_since > Time::ZERO => Verdict::Unknown,
        false => unless_unfinished(evidence),
    }
}
